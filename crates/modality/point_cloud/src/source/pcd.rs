use super::binary::Kind;
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

/// Where the coordinates of a point stand.
struct Layout {
    points: usize,
    /// Bytes of a point.
    stride: usize,
    /// Numbers of a point.
    numbers: usize,
    /// For each coordinate its number among those of a point, its place in bytes, and its kind.
    axes: [(usize, usize, Kind); 3],
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
        let mut axes = [None; 3];
        let (mut stride, mut count) = (0usize, 0usize);
        for (field, name) in self.names.iter().enumerate() {
            let (size, kind) = (self.sizes[field], self.types[field].as_str());
            if let Some(axis) = ["x", "y", "z"].iter().position(|axis| axis == name) {
                let kind = match (kind, size) {
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
                    _ => return Err(format!("`{name}` has type {} of {size} bytes", shown(kind))),
                };
                axes[axis] = Some((count, stride, kind));
            }
            let bytes = size.checked_mul(counts[field]).filter(|&b| b < 1 << 20);
            stride += bytes.ok_or("a field is too large")?;
            count = count.saturating_add(counts[field]);
        }
        let [Some(x), Some(y), Some(z)] = axes else {
            return Err("its points have no `x`, `y` and `z`".into());
        };
        Ok(Layout {
            points,
            stride,
            numbers: count,
            axes: [x, y, z],
        })
    }
}

fn as_text(layout: &Layout, body: &[u8], header: usize) -> Result<Geometry, String> {
    let body = std::str::from_utf8(body).map_err(|_| "its text is no UTF-8")?;
    let mut geometry = Geometry::default();
    let rows = body
        .lines()
        .enumerate()
        .filter(|(_, row)| !row.trim().is_empty());
    for (line, row) in rows.take(layout.points) {
        let line = header + 1 + line;
        let words: Vec<&str> = row.split_whitespace().collect();
        if words.len() < layout.numbers {
            return Err(format!(
                "line {line}: {} of {} numbers",
                words.len(),
                layout.numbers
            ));
        }
        let mut point = [0.0; 3];
        for (x, (place, _, _)) in point.iter_mut().zip(layout.axes) {
            *x = number(words[place], line)?;
        }
        geometry.points.push(point);
    }
    whole_of(layout, geometry)
}

fn as_binary(layout: &Layout, body: &[u8]) -> Result<Geometry, String> {
    let mut geometry = Geometry::default();
    for bytes in body.chunks_exact(layout.stride.max(1)).take(layout.points) {
        let read = |(_, at, kind): (usize, usize, Kind)| {
            kind.read(bytes.get(at..).unwrap_or_default(), false)
        };
        geometry.points.push(layout.axes.map(read));
    }
    whole_of(layout, geometry)
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
