use super::fields::Collector;
use super::geometry::{Geometry, MOST_POINTS};
use super::words::{lines, number};

/// Points as text, one a line, three coordinates first: XYZ, PTS and CSV. Blanks, commas and semicolons part numbers. A first line of words
/// names columns (`x`, `y`, `z` are found where they stand, and so are colours, normals, intensity and label); a first line of one number
/// counts the points.
///
/// Without names, three more columns are a normal where all lie between -1 and 1 and one is negative, else a colour; a fourth or seventh and
/// last column of whole numbers is a label.
pub(super) fn parse(text: &str) -> Result<Geometry, String> {
    let mut points: Option<(Collector, [usize; 3], bool)> = None;
    let mut first = true;
    let mut row = Vec::new();
    for (line, words) in lines(text) {
        let words: Vec<&str> = parted(words).collect();
        let begins = std::mem::take(&mut first);
        if begins && words.len() == 1 && words[0].parse::<usize>().is_ok() {
            continue;
        }
        if begins && words.iter().all(|word| number(word, line).is_err()) {
            let collector = Collector::new(words.iter().copied());
            points = collector.axes().map(|axes| (collector, axes, true));
            continue;
        }
        let (collector, axes, named) = points.get_or_insert_with(|| {
            let names = unnamed(words.len());
            (Collector::new(names.iter().copied()), [0, 1, 2], false)
        });
        if axes.iter().any(|axis| *axis >= words.len()) {
            return Err(format!("line {line}: a point needs three coordinates"));
        }
        if collector.geometry.points.len() == MOST_POINTS {
            return Err(format!("line {line}: more than {MOST_POINTS} points"));
        }
        row.clear();
        let label = collector.label();
        for (place, word) in words.iter().enumerate() {
            let reads = collector.reads(place) && label != Some(place);
            row.push(match number(word, line) {
                Ok(value) => value,
                Err(error) if reads && (*named || axes.contains(&place)) => return Err(error),
                Err(_) => f64::NAN,
            });
        }
        let at = axes.map(|axis| row[axis]);
        match label {
            Some(place) => {
                collector.push_worded(at, &row, words.get(place).copied().unwrap_or_default());
            }
            None => collector.push(at, &row),
        }
    }
    let Some((collector, _, named)) = points else {
        return Ok(Geometry::default());
    };
    let mut geometry = collector.finish();
    if !named {
        settle(&mut geometry);
    }
    Ok(geometry)
}

/// What columns without names are taken for.
fn unnamed(columns: usize) -> &'static [&'static str] {
    match columns {
        4 => &["x", "y", "z", "label"],
        6 => &["x", "y", "z", "red", "green", "blue"],
        7 => &["x", "y", "z", "red", "green", "blue", "label"],
        _ => &["x", "y", "z"],
    }
}

/// Tells normals from colours, and labels from other numbers, by their values.
fn settle(geometry: &mut Geometry) {
    let values = &geometry.channels.values;
    let unit = values.iter().all(|value| value.abs() <= 1.001);
    if unit && values.iter().any(|value| *value < 0.0) {
        geometry.channels.names = ["nx", "ny", "nz"].map(str::to_owned).to_vec();
    }
    let whole = |name: &String| name.parse::<i64>().is_ok();
    if !geometry
        .labels
        .as_ref()
        .is_some_and(|labels| labels.names.iter().all(whole))
    {
        geometry.labels = None;
    }
}

fn parted(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| c.is_whitespace() || c == ',' || c == ';')
        .filter(|word| !word.is_empty())
}

/// Whether a text looks like points: a header with `x`, `y` and `z`, or a few lines of three numbers, or six (with normals or colours).
pub(super) fn looks_like(text: &str, header: bool) -> bool {
    let mut rows = lines(text).take(8);
    let Some((_, first)) = rows.next() else {
        return false;
    };
    let names: Vec<String> = parted(first)
        .map(|w| w.trim_matches('"').to_lowercase())
        .collect();
    let has = |name: &str| names.iter().any(|n| n == name);
    if has("x") && has("y") && has("z") {
        return true;
    }
    if header {
        return false;
    }
    let is_numbers = |line: &str| parted(line).all(|word| number(word, 0).is_ok());
    let width = |line: &str| parted(line).count();
    let mut rest = rows.map(|(_, line)| line).peekable();
    let Some(&second) = rest.peek() else {
        return is_numbers(first) && [3, 6].contains(&width(first));
    };
    let counted = width(first) == 1 && first.parse::<usize>().is_ok();
    let expected = width(second);
    [3, 6].contains(&expected)
        && (counted || (is_numbers(first) && width(first) == expected))
        && rest.all(|line| is_numbers(line) && width(line) == expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_stand_one_a_line() {
        let plain = vec![[1.0, 2.0, 3.0], [4.0, 5.0, -6e1]];
        for text in [
            "1 2 3\n4 5 -60\n",
            "2\n1 2 3 255 0 0\n4 5 -6e1 255 0 0",
            "x,y,z\n1,2,3\n4,5,-60\n",
            "label;z;x;y\n7;3;1;2\n7;-60;4;5",
            "# a comment\n\n1;2;3\n4;5;-60",
        ] {
            assert_eq!(parse(text).unwrap().points, plain, "{text}");
        }
        let part = parse("0 0 0 0 0.6 -0.8 12.000000\n1 1 1 0 0 1 13\n").unwrap();
        assert_eq!(part.channels.names, ["nx", "ny", "nz"]);
        let labels = part.labels.unwrap();
        assert_eq!((labels.of(0), labels.of(1)), (Some("12"), Some("13")));
        assert!(parse("0 0 0 0.5\n1 1 1 1\n").unwrap().labels.is_none());
        let named = parse("x,y,z,class\n1,2,3,leg\n4,5,6,top\n").unwrap();
        assert_eq!(named.labels.unwrap().names, ["leg", "top"]);
        assert!(parse("1 2\n").unwrap_err().contains("line 1"));
        assert!(parse("1 2 3\n1 x 3\n").unwrap_err().contains("line 2: `x`"));
        assert!(parse("1 2 nan\n").unwrap().points[0][2].is_nan());
    }

    #[test]
    fn tables_are_not_taken_for_points() {
        assert!(looks_like("1 2 3\n4 5 6\n", false) && looks_like("3\n1 2 3\n", false));
        assert!(looks_like("x,y,z,label\n1,2,3,a", true));
        assert!(!looks_like("1,2,3\n4,5,6", true) && !looks_like("age,sex\n1,f", false));
        assert!(!looks_like("", false) && !looks_like("hello world out there", false));
    }
}
