use super::binary::Kind;
use super::fields::Collector;
use super::geometry::{Geometry, MOST_POINTS};
use super::words::{number, shown, whole};

/// The Point Cloud Data format of PCL, version 0.7, as text or binary. Its compressed form is not read.
pub(super) fn parse(bytes: &[u8]) -> Result<Geometry, String> {
    let mut header = Header::default();
    let mut at = 0;
    let mut line = 0;
    let form = loop {
        let rest = &bytes[at..];
        let end = rest.iter().position(|&b| b == b'\n');
        let end = end.ok_or("its header has no `DATA`")?;
        let text = std::str::from_utf8(&rest[..end]).map_err(|_| "its header is no text")?;
        at += end + 1;
        line += 1;
        let words: Vec<&str> = text.split_whitespace().collect();
        let Some((name, values)) = words.split_first() else {
            continue;
        };
        match (*name, values) {
            ("FIELDS", names) => header.names = names.iter().map(|n| (*n).to_owned()).collect(),
            ("SIZE", sizes) => header.sizes = numbers(sizes, line)?,
            ("TYPE", types) => header.types = types.iter().map(|t| (*t).to_owned()).collect(),
            ("COUNT", counts) => header.counts = numbers(counts, line)?,
            ("POINTS", [count]) => header.points = Some(whole(count, line)?),
            ("WIDTH", [width]) => header.width = Some(whole(width, line)?),
            ("HEIGHT", [height]) => header.height = Some(whole(height, line)?),
            ("DATA", [form]) => break (*form).to_owned(),
            _ => {}
        }
    };
    let layout = header.layout()?;
    let body = &bytes[at..];
    match form.as_str() {
        "ascii" => as_text(&layout, body, line),
        "binary" => as_binary(&layout, body),
        other => Err(format!(
            "its data are `{}`, which is not read; write it as `ascii` or `binary`",
            shown(other)
        )),
    }
}

#[derive(Default)]
struct Header {
    names: Vec<String>,
    sizes: Vec<usize>,
    types: Vec<String>,
    counts: Vec<usize>,
    points: Option<usize>,
    width: Option<usize>,
    height: Option<usize>,
}

/// Where the numbers of a point stand.
struct Layout {
    points: usize,
    /// Bytes of a point.
    stride: usize,
    /// Numbers of a point.
    numbers: usize,
    /// What is read of a point: its name, its number among those of a point, its place in bytes, and its kind.
    read: Vec<(String, usize, usize, Kind)>,
}

impl Layout {
    /// What makes points of rows of what is read, and where the coordinates stand in a row.
    fn collector(&self) -> Result<(Collector, [usize; 3]), String> {
        let collector = Collector::new(self.read.iter().map(|(name, ..)| name.as_str()));
        let axes = collector
            .axes()
            .ok_or("its points have no `x`, `y` and `z`")?;
        Ok((collector, axes))
    }
}

fn kind(letter: &str, size: usize) -> Option<Kind> {
    Some(match (letter, size) {
        ("F", 4) => Kind::F32,
        ("F", 8) => Kind::F64,
        ("I", 1) => Kind::I8,
        ("I", 2) => Kind::I16,
        ("I", 4) => Kind::I32,
        ("I", 8) => Kind::I64,
        ("U", 1) => Kind::U8,
        ("U", 2) => Kind::U16,
        ("U", 4) => Kind::U32,
        ("U", 8) => Kind::U64,
        _ => return None,
    })
}

fn numbers(words: &[&str], line: usize) -> Result<Vec<usize>, String> {
    words.iter().map(|word| whole(word, line)).collect()
}

impl Header {
    fn layout(&self) -> Result<Layout, String> {
        let fields = self.names.len();
        let counts = match self.counts.is_empty() {
            true => vec![1; fields],
            false => self.counts.clone(),
        };
        if [self.sizes.len(), self.types.len(), counts.len()] != [fields; 3] {
            return Err("its `FIELDS`, `SIZE`, `TYPE` and `COUNT` do not fit each other".into());
        }
        let grid = || self.width?.checked_mul(self.height?);
        let points = self
            .points
            .or_else(grid)
            .ok_or("its header has no `POINTS`")?;
        if points > MOST_POINTS {
            return Err(format!("{points} points are more than can be read"));
        }
        let mut read = Vec::new();
        let (mut stride, mut count) = (0usize, 0usize);
        for (field, name) in self.names.iter().enumerate() {
            let (size, letter) = (self.sizes[field], self.types[field].as_str());
            let is_axis = ["x", "y", "z"].contains(&name.as_str());
            match kind(letter, size) {
                Some(kind) if counts[field] >= 1 => {
                    read.push((name.clone(), count, stride, kind));
                }
                None if is_axis => {
                    let letter = shown(letter);
                    return Err(format!("`{name}` has type {letter} of {size} bytes"));
                }
                _ => {}
            }
            let bytes = size.checked_mul(counts[field]).filter(|&b| b < 1 << 20);
            stride += bytes.ok_or("a field is too large")?;
            count = count.saturating_add(counts[field]);
        }
        let layout = Layout {
            points,
            stride,
            numbers: count,
            read,
        };
        layout.collector()?;
        Ok(layout)
    }
}

fn as_text(layout: &Layout, body: &[u8], header: usize) -> Result<Geometry, String> {
    let body = std::str::from_utf8(body).map_err(|_| "its text is no UTF-8")?;
    let (mut points, axes) = layout.collector()?;
    let mut row = Vec::new();
    let lines = body
        .lines()
        .enumerate()
        .filter(|(_, row)| !row.trim().is_empty());
    for (line, text) in lines.take(layout.points) {
        let line = header + 1 + line;
        let words: Vec<&str> = text.split_whitespace().collect();
        if words.len() < layout.numbers {
            return Err(format!(
                "line {line}: {} of {} numbers",
                words.len(),
                layout.numbers
            ));
        }
        row.clear();
        for (number_of, (_, place, ..)) in layout.read.iter().enumerate() {
            row.push(match points.reads(number_of) {
                true => number(words[*place], line)?,
                false => 0.0,
            });
        }
        points.push(axes.map(|axis| row[axis]), &row);
    }
    whole_of(layout, points.finish())
}

fn as_binary(layout: &Layout, body: &[u8]) -> Result<Geometry, String> {
    let (mut points, axes) = layout.collector()?;
    let mut row = Vec::new();
    for bytes in body.chunks_exact(layout.stride.max(1)).take(layout.points) {
        row.clear();
        let values = layout.read.iter().map(|(_, _, at, kind)| {
            let bytes = bytes.get(*at..).unwrap_or_default();
            kind.read(bytes, false)
        });
        row.extend(values);
        points.push(axes.map(|axis| row[axis]), &row);
    }
    whole_of(layout, points.finish())
}

fn whole_of(layout: &Layout, geometry: Geometry) -> Result<Geometry, String> {
    let (found, stated) = (geometry.points.len(), layout.points);
    match found < stated {
        true => Err(format!("it ends after {found} of {stated} points")),
        false => Ok(geometry),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "# .PCD v0.7\nVERSION 0.7\nFIELDS rgb x y z\nSIZE 4 4 4 8\nTYPE U F F F\nCOUNT 2 1 1 1\nWIDTH 2\nHEIGHT 1\n\
        VIEWPOINT 0 0 0 1 0 0 0\nPOINTS 2\n";

    #[test]
    fn text_and_bytes_tell_the_same() {
        let text = format!("{HEAD}DATA ascii\n9 9 1 2 3\n9 9 4 5 -6\n");
        let read = parse(text.as_bytes()).unwrap();
        assert_eq!(read.points, [[1.0, 2.0, 3.0], [4.0, 5.0, -6.0]]);
        let mut bytes = format!("{HEAD}DATA binary\n").into_bytes();
        for [x, y, z] in &read.points {
            bytes.extend([7; 8]);
            bytes.extend((*x as f32).to_le_bytes());
            bytes.extend((*y as f32).to_le_bytes());
            bytes.extend(z.to_le_bytes());
        }
        assert_eq!(parse(&bytes).unwrap(), read);
        for cut in 0..bytes.len() {
            assert!(parse(&bytes[..cut]).is_err(), "{cut}");
        }
        let packed = format!("{HEAD}DATA binary_compressed\n");
        assert!(
            parse(packed.as_bytes())
                .unwrap_err()
                .contains("is not read")
        );
        let odd = text.replace("COUNT 2 1 1 1", "COUNT 2 1");
        assert!(
            parse(odd.as_bytes())
                .unwrap_err()
                .contains("fit each other")
        );
        assert!(
            parse(text.replace("x y", "a y").as_bytes())
                .unwrap_err()
                .contains("no `x`")
        );
    }
}
