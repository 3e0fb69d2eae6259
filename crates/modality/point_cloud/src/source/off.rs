use super::geometry::{Geometry, MOST_POINTS};
use super::words::{lines, number, shown, whole};

/// The Object File Format of Geomview: `OFF` (also `COFF`, `NOFF`, `CNOFF`, `STOFF`), counts of points, faces and edges, then the points,
/// then the faces as counts and places. The counts may stand on the first line, as in ModelNet.
pub(super) fn parse(text: &str) -> Result<Geometry, String> {
    let mut rest = lines(text);
    let (first, line) = rest.next().ok_or("there is nothing in it")?;
    let at = line.find("OFF").ok_or("it does not begin with `OFF`")?;
    let kind = &line[..at];
    if kind.contains('4') || kind.contains('n') {
        return Err(format!(
            "line {first}: points of another number of coordinates (`{}OFF`) are not read",
            shown(kind)
        ));
    }
    let behind = line[at + 3..].trim();
    if behind.starts_with("BINARY") {
        return Err("the binary form of OFF is not read; write it as text".into());
    }
    let (line, counts) = match behind.is_empty() {
        true => rest
            .next()
            .ok_or("the counts of points and faces are missing")?,
        false => (first, behind),
    };
    let mut counts = counts.split_whitespace();
    let mut count = |what: &str| {
        let word = counts.next();
        let word = word.ok_or_else(|| format!("line {line}: the number of {what} is missing"))?;
        whole(word, line)
    };
    let (points, faces) = (count("points")?, count("faces")?);
    if points > MOST_POINTS || faces > MOST_POINTS {
        return Err(format!(
            "line {line}: {points} points and {faces} faces are more than can be read"
        ));
    }
    let mut geometry = Geometry::default();
    for place in 0..points {
        let (line, words) = rest
            .next()
            .ok_or_else(|| format!("it ends after {place} of {points} points"))?;
        geometry
            .points
            .push(super::words::point(words.split_whitespace(), line)?);
    }
    let mut corners = Vec::new();
    for place in 0..faces {
        let (line, words) = rest
            .next()
            .ok_or_else(|| format!("it ends after {place} of {faces} faces"))?;
        let mut words = words.split_whitespace();
        let count = whole(words.next().unwrap_or(""), line)?;
        corners.clear();
        for word in words.by_ref().take(count) {
            corners.push(corner(word, line)?);
        }
        if corners.len() < count {
            return Err(format!(
                "line {line}: a face of {count} corners names {}",
                corners.len()
            ));
        }
        geometry.polygon(&corners);
    }
    Ok(geometry)
}

/// The place of a corner; some programs write it as `3.0`.
pub(super) fn corner(word: &str, line: usize) -> Result<u32, String> {
    if let Ok(place) = word.parse() {
        return Ok(place);
    }
    let place = number(word, line)?;
    if place.fract() == 0.0 && (0.0..f64::from(u32::MAX)).contains(&place) {
        return Ok(place as u32);
    }
    Err(format!(
        "line {line}: `{}` is no place of a point",
        shown(word)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn squares_become_triangles_and_counts_may_stand_first() {
        let text = "OFF\n# a square\n4 1 0\n0 0 0\n1 0 0\n1 1 0\n0 1 0\n4 0 1 2 3 0.5 0.5 0.5\n";
        let read = parse(text).unwrap();
        assert_eq!(read.faces, [[0, 1, 2], [0, 2, 3]]);
        assert_eq!(read.points[2], [1.0, 1.0, 0.0]);
        assert_eq!(
            parse("OFF3 0 0\n1 2 3 9 9\n4 5 6\n7 8 9")
                .unwrap()
                .points
                .len(),
            3
        );
    }

    #[test]
    fn faults_say_where() {
        let cases = [
            ("", "nothing"),
            ("OFX\n", "begin with `OFF`"),
            ("OFF\n3 1\n0 0 0\n1 1 1\n", "after 2 of 3 points"),
            ("OFF\n1 1 0\n0 0\n", "line 3: a point needs"),
            ("OFF\n1 1 0\n0 0 x\n", "line 3: `x` is no number"),
            (
                "OFF\n1 1 0\n0 0 0\n3 0 0\n",
                "line 4: a face of 3 corners names 2",
            ),
            ("OFF\n99999999999 1 0\n", "more than can be read"),
            ("OFF\n1 1 0\n0 0 0\n3 0 0 0.5\n", "`0.5` is no place"),
            ("4OFF\n1 1 0\n", "another number"),
        ];
        for (text, part) in cases {
            let error = parse(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
