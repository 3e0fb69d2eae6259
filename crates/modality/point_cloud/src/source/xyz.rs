use super::geometry::{Geometry, MOST_POINTS};
use super::words::{lines, number};

/// Points as text, one a line, three coordinates first: XYZ, PTS and CSV. Blanks, commas and semicolons part numbers. A first line of words
/// names columns (`x`, `y`, `z` are found where they stand); a first line of one number counts the points.
pub(super) fn parse(text: &str) -> Result<Geometry, String> {
    let mut geometry = Geometry::default();
    let mut places = [0, 1, 2];
    let mut first = true;
    for (line, words) in lines(text) {
        let words: Vec<&str> = parted(words).collect();
        let begins = std::mem::take(&mut first);
        if begins && words.len() == 1 && words[0].parse::<usize>().is_ok() {
            continue;
        }
        if begins && words.iter().all(|word| number(word, line).is_err()) {
            let of = |name: &str| {
                words
                    .iter()
                    .position(|w| w.trim_matches('"').eq_ignore_ascii_case(name))
            };
            if let (Some(x), Some(y), Some(z)) = (of("x"), of("y"), of("z")) {
                places = [x, y, z];
            }
            continue;
        }
        let mut point = [0.0; 3];
        for (x, &place) in point.iter_mut().zip(&places) {
            let word = words
                .get(place)
                .ok_or_else(|| format!("line {line}: a point needs three coordinates"))?;
            *x = number(word, line)?;
        }
        if geometry.points.len() == MOST_POINTS {
            return Err(format!("line {line}: more than {MOST_POINTS} points"));
        }
        geometry.points.push(point);
    }
    Ok(geometry)
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
