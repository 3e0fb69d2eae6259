use super::geometry::{Geometry, MOST_POINTS};
use super::words::{lines, point, shown};

/// Wavefront OBJ: lines `v x y z` and `f 1 2 3` (also `f 1/1/1 ...`, and places from the end as `-1`). All else is passed over.
pub(super) fn parse(text: &str) -> Result<Geometry, String> {
    let mut geometry = Geometry::default();
    let mut corners = Vec::new();
    for (number, line) in lines(text) {
        let mut words = line.split_whitespace();
        match words.next() {
            Some("v") => {
                if geometry.points.len() == MOST_POINTS {
                    return Err(format!("line {number}: more than {MOST_POINTS} points"));
                }
                geometry.points.push(point(words, number)?);
            }
            Some("f") => {
                corners.clear();
                for word in words {
                    corners.push(corner(word, geometry.points.len(), number)?);
                }
                if corners.len() < 3 {
                    return Err(format!("line {number}: a face needs three corners"));
                }
                geometry.polygon(&corners);
            }
            _ => {}
        }
    }
    Ok(geometry)
}

/// The place of a corner from 0: the first number of `7/1/3`.
fn corner(word: &str, points: usize, line: usize) -> Result<u32, String> {
    let wrong = || format!("line {line}: `{}` is no place of a point", shown(word));
    let place: i64 = word
        .split('/')
        .next()
        .and_then(|place| place.parse().ok())
        .ok_or_else(wrong)?;
    let place = match place {
        1.. => place - 1,
        0 => return Err(wrong()),
        _ => i64::try_from(points).unwrap_or(i64::MAX) + place,
    };
    u32::try_from(place).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_from_one_or_from_the_end() {
        let text = "o thing\nv 0 0 0\nv 1 0 0 1.0\nv 0 1 0\nvn 0 0 1\nf 1/1/1 2//1 3\nf -3 -2 -1\n";
        let read = parse(text).unwrap();
        assert_eq!(read.faces, [[0, 1, 2], [0, 1, 2]]);
        for (text, part) in [
            ("v 0 0\n", "line 1"),
            ("v 0 0 0\nf 1 1\n", "line 2"),
            ("v 0 0 0\nf 0 1 1\n", "`0`"),
            ("f -1 -1 -1\n", "`-1`"),
            ("f a b c\n", "`a`"),
        ] {
            assert!(parse(text).unwrap_err().contains(part), "{text}");
        }
    }
}
