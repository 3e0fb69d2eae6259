use std::path::Path;

use super::geometry::Geometry;
use super::{Fault, las, obj, off, pcd, ply, stl, xyz};

/// How a file holds a shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Off,
    Ply,
    Obj,
    Stl,
    Pcd,
    Las,
    Xyz,
}

/// Extensions that only shapes have.
const OF_SHAPES: [&str; 11] = [
    "off", "ply", "obj", "stl", "pcd", "las", "laz", "xyz", "pts", "asc", "xyzn",
];
/// Extensions of texts that may hold points.
const OF_TEXTS: [&str; 2] = ["txt", "csv"];

fn extension(name: &str) -> String {
    let extension = Path::new(name).extension().unwrap_or_default();
    extension.to_string_lossy().to_lowercase()
}

/// Whether a name is that of a shape; where texts have that name, too, they are looked into.
pub(crate) fn is_shape(name: &str, path: &Path) -> bool {
    if is_shape_name(name) {
        return true;
    }
    let extension = extension(name);
    if !OF_TEXTS.contains(&extension.as_str()) {
        return false;
    }
    let beginning = beginning(path);
    xyz::looks_like(&String::from_utf8_lossy(&beginning), extension == "csv")
}

/// Whether a name ends as only those of shapes do.
pub(crate) fn is_shape_name(name: &str) -> bool {
    OF_SHAPES.contains(&extension(name).as_str())
}

/// The first lines of a file; nothing when it cannot be read.
fn beginning(path: &Path) -> Vec<u8> {
    use std::io::Read;
    const PEEKED: u64 = 2048;
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(PEEKED).read_to_end(&mut bytes));
    if read.is_err() {
        return Vec::new();
    }
    // The last line may be cut.
    if bytes.len() as u64 == PEEKED
        && let Some(end) = bytes.iter().rposition(|&b| b == b'\n')
    {
        bytes.truncate(end);
    }
    bytes
}

/// Whether a file begins as a shape, whatever its name.
pub(crate) fn begins_as_shape(path: &Path) -> bool {
    let beginning = beginning(path);
    let size = std::fs::metadata(path).map_or(0, |m| m.len());
    let facets = beginning
        .get(80..84)
        .and_then(|b| <[u8; 4]>::try_from(b).ok());
    let facets = facets.map_or(0, |b| u64::from(u32::from_le_bytes(b)));
    told(&beginning).is_some() || (facets > 0 && size == 84 + 50 * facets)
}

/// The format by the first bytes, for those that can be told.
fn told(bytes: &[u8]) -> Option<Format> {
    let line = bytes
        .split(|&b| b == b'\n' || b == b'\r')
        .next()
        .unwrap_or_default();
    if line == b"ply" {
        return Some(Format::Ply);
    }
    if las::begins(bytes) {
        return Some(Format::Las);
    }
    let line = String::from_utf8_lossy(line);
    if line.starts_with("# .PCD")
        || line.starts_with("VERSION 0.7")
        || line.starts_with("VERSION .7")
    {
        return Some(Format::Pcd);
    }
    let kinds = line.trim_start_matches(['C', 'N', 'S', 'T', '4', 'n']);
    let behind = kinds.strip_prefix("OFF")?.trim();
    // Not a table whose first column is called `OFFSET`.
    let is_counts = |c: char| c.is_ascii_digit() || c.is_whitespace() || c == '#';
    (behind.is_empty() || behind.starts_with('#') || behind.chars().all(is_counts))
        .then_some(Format::Off)
}

/// The format of a file by its first bytes, or else by its name.
fn format(bytes: &[u8], name: &str) -> Option<Format> {
    if stl::is_binary(bytes) {
        return Some(Format::Stl);
    }
    let text = || String::from_utf8_lossy(&bytes[..bytes.len().min(4096)]).into_owned();
    told(bytes).or_else(|| {
        Some(match extension(name).as_str() {
            "off" => Format::Off,
            "ply" => Format::Ply,
            "obj" => Format::Obj,
            "stl" => Format::Stl,
            "pcd" => Format::Pcd,
            "las" | "laz" => Format::Las,
            "xyz" | "pts" | "asc" | "xyzn" | "txt" | "csv" => Format::Xyz,
            _ => {
                let text = text();
                let begins = |word: &str| text.lines().any(|line| line.starts_with(word));
                if begins("solid") && begins("facet") || text.contains("vertex ") {
                    Format::Stl
                } else if begins("v ") {
                    Format::Obj
                } else if xyz::looks_like(&text, false) {
                    Format::Xyz
                } else {
                    return None;
                }
            }
        })
    })
}

/// Reads the bytes of a file; `name` tells the format where the bytes do not.
///
/// # Errors
/// What is wrong with it, in words.
pub fn parse_shape(bytes: &[u8], name: &str) -> Result<Geometry, Fault> {
    if bytes.is_empty() {
        return Err(Fault::Empty);
    }
    let format = format(bytes, name).ok_or(Fault::Unknown)?;
    let text = || {
        // Some programs write a mark of the order of bytes first; names in other encodings do not matter.
        let text = String::from_utf8_lossy(bytes);
        text.trim_start_matches('\u{feff}').to_owned()
    };
    let (name, read) = match format {
        Format::Off => ("OFF", off::parse(&text())),
        Format::Ply => ("PLY", ply::parse(bytes)),
        Format::Obj => ("OBJ", obj::parse(&text())),
        Format::Stl if stl::is_binary(bytes) || !begins_with_solid(bytes) => {
            ("STL", stl::parse_binary(bytes))
        }
        Format::Stl => ("STL", stl::parse(&text())),
        Format::Pcd => ("PCD", pcd::parse(bytes)),
        Format::Las => ("LAS", las::parse(bytes)),
        Format::Xyz => ("text of points", xyz::parse(&text())),
    };
    read.map_err(|problem| Fault::Damaged {
        format: name,
        problem,
    })?
    .checked()
}

fn begins_with_solid(bytes: &[u8]) -> bool {
    let begins = bytes.trim_ascii_start();
    begins.len() >= 5 && begins[..5].eq_ignore_ascii_case(b"solid")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_told_by_bytes_before_names() {
        let points = |bytes: &[u8], name: &str| parse_shape(bytes, name).map(|g| g.points.len());
        assert_eq!(points(b"OFF\n2 0 0\n0 0 0\n1 1 1\n", "a.ply"), Ok(2));
        assert_eq!(points(b"v 0 0 0\nv 1 1 1\n", "posted"), Ok(2));
        assert_eq!(points(b"0 0 0\n1 1 1\n", "posted"), Ok(2));
        assert_eq!(points(b"", "a.off"), Err(Fault::Empty));
        assert_eq!(points(b"\xff\xd8\xff", "posted"), Err(Fault::Unknown));
        assert_eq!(
            points(b"OFF\n1 0 0\n0 0 0\n", "a.off"),
            Err(Fault::OnePoint)
        );
    }
}
