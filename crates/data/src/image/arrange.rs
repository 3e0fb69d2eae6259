use std::collections::BTreeSet;

/// What the path of a file says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// The class, where a folder names one.
    pub class: Option<String>,
    /// Whether it lies in the test part.
    pub test: bool,
}

/// What the folders say.
#[derive(Debug, Default)]
pub(crate) struct Arrangement {
    /// One a path, in the same order.
    pub places: Vec<Place>,
    /// Whether some folder names a class.
    pub classes: bool,
    /// What a person should know, one sentence each.
    pub notes: Vec<String>,
}

/// Folder names of the parts of a data set that was split by its makers; the last are its test part.
const TRAIN: [&str; 2] = ["train", "training"];
const VALIDATION: [&str; 3] = ["val", "valid", "validation"];
const TEST: [&str; 2] = ["test", "testing"];

/// Whether a folder is named as a part.
pub(crate) fn is_part(name: &str) -> bool {
    let name = name.to_lowercase();
    is_test(&name) || TRAIN.contains(&name.as_str()) || VALIDATION.contains(&name.as_str())
}

/// Whether a folder is named as the test part.
pub(crate) fn is_test(name: &str) -> bool {
    TEST.contains(&name.to_lowercase().as_str())
}

/// Reads classes and parts from paths with `/`: `class/.../file`, or `part/class/.../file` where every first folder
/// is named as a part, or `class/part/.../file` where every second folder is. Files above the class folders have no class.
pub(crate) fn arrange<'a>(paths: impl Iterator<Item = &'a str> + Clone) -> Arrangement {
    let first_folders: BTreeSet<String> = paths
        .clone()
        .filter_map(|path| path.split_once('/'))
        .map(|(folder, _)| folder.to_lowercase())
        .collect();
    let in_parts = !first_folders.is_empty() && first_folders.iter().all(|f| is_part(f));
    let seconds = second_folders(paths.clone());
    let below = !in_parts && !seconds.is_empty() && seconds.iter().all(|f| is_part(f));
    let (in_parts, first_folders, at) = match below {
        true => (true, seconds, 1),
        false => (in_parts, first_folders, 0),
    };
    let place = |path: &str| {
        let mut folders: Vec<&str> = path.split('/').collect();
        folders.pop();
        let part = (in_parts && folders.len() > at).then(|| folders.remove(at).to_lowercase());
        Place {
            class: folders.first().map(|f| (*f).to_owned()),
            test: part.is_some_and(|part| is_test(&part)),
        }
    };
    let mut places: Vec<Place> = paths.map(place).collect();
    let mut notes = Vec::new();
    if in_parts {
        let names: Vec<String> = first_folders.iter().map(|f| format!("`{f}`")).collect();
        notes.push(format!(
            "the folders {} are the parts of a data set that its makers split",
            names.join(", ")
        ));
        if first_folders
            .iter()
            .any(|f| VALIDATION.contains(&f.as_str()))
        {
            notes.push("the makers' validation part is learned from like the training part: validation units are drawn anew".to_owned());
        }
    }
    if places.iter().all(|place| place.test) {
        // Only a test part: there is nothing that it would test.
        places.iter_mut().for_each(|place| place.test = false);
    }
    Arrangement {
        classes: places.iter().any(|place| place.class.is_some()),
        places,
        notes,
    }
}

/// The folders inside the first folders; none where some file lies in a first folder itself.
fn second_folders<'a>(paths: impl Iterator<Item = &'a str>) -> BTreeSet<String> {
    let mut seconds = BTreeSet::new();
    for path in paths {
        let Some((_, below)) = path.split_once('/') else {
            continue;
        };
        match below.split_once('/') {
            Some((second, _)) => seconds.insert(second.to_lowercase()),
            None => return BTreeSet::new(),
        };
    }
    seconds
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(paths: &[&str]) -> Vec<(Option<String>, bool)> {
        arrange(paths.iter().copied())
            .places
            .into_iter()
            .map(|place| (place.class, place.test))
            .collect()
    }

    fn class(name: &str, test: bool) -> (Option<String>, bool) {
        (Some(name.to_owned()), test)
    }

    #[test]
    fn parts_may_lie_inside_the_classes() {
        assert_eq!(
            places(&["cup/train/1.off", "cup/test/2.off", "bed/train/3.off"]),
            [class("cup", false), class("cup", true), class("bed", false)]
        );
        // A file beside the parts, or a folder that is none: they are folders like others.
        assert!(
            !places(&["cup/train/1.off", "cup/2.off"])
                .iter()
                .any(|(_, test)| *test)
        );
        assert!(
            !places(&["cup/test/1.off", "cup/old/2.off"])
                .iter()
                .any(|(_, test)| *test)
        );
    }

    #[test]
    fn the_first_folder_is_the_class_however_deep_the_file() {
        assert_eq!(
            places(&["cat/1.png", "cat/old/2.png", "dog/a/b/3.png", "stray.png"]),
            [
                class("cat", false),
                class("cat", false),
                class("dog", false),
                (None, false)
            ]
        );
    }

    #[test]
    fn parts_are_told_from_classes_of_the_same_name() {
        assert_eq!(
            places(&["Train/a/1.png", "val/a/1.png", "test/b/1.png"]),
            [class("a", false), class("a", false), class("b", true)]
        );
        // A means of transport.
        assert_eq!(
            places(&["train/1.png", "bus/1.png"]),
            [class("train", false), class("bus", false)]
        );
        // Only a test part, and parts without classes.
        assert_eq!(places(&["test/a/1.png"]), [class("a", false)]);
        assert_eq!(
            places(&["train/1.png", "test/2.png"]),
            [(None, false), (None, true)]
        );
    }
}
