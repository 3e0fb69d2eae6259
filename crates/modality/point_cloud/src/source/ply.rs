use super::binary::Kind;
use super::fields::Collector;
use super::geometry::{Geometry, MOST_POINTS};
use super::words::{number, shown, whole};

/// What a property of an element is.
#[derive(Debug, Clone)]
enum Property {
    One {
        name: String,
        kind: Kind,
    },
    List {
        name: String,
        count: Kind,
        item: Kind,
    },
}

#[derive(Debug, Clone)]
struct Element {
    name: String,
    count: usize,
    properties: Vec<Property>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Text,
    Little,
    Big,
}

/// Corners of one face at most.
const MOST_CORNERS: usize = 100_000;

/// The Polygon File Format of Stanford (1994): as text, or binary in either order of bytes. Of `vertex`, coordinates, colour, normal, intensity
/// and label are read, of `face` the list of places; all else is passed over.
pub(super) fn parse(bytes: &[u8]) -> Result<Geometry, String> {
    let (form, elements, body) = header(bytes)?;
    match form {
        Form::Text => as_text(&elements, body),
        Form::Little | Form::Big => as_binary(&elements, body, form == Form::Big),
    }
}

fn kind(word: &str) -> Option<Kind> {
    Some(match word {
        "char" | "int8" => Kind::I8,
        "uchar" | "uint8" => Kind::U8,
        "short" | "int16" => Kind::I16,
        "ushort" | "uint16" => Kind::U16,
        "int" | "int32" => Kind::I32,
        "uint" | "uint32" => Kind::U32,
        "int64" | "long" => Kind::I64,
        "uint64" | "ulong" => Kind::U64,
        "float" | "float32" => Kind::F32,
        "double" | "float64" => Kind::F64,
        _ => return None,
    })
}

fn header(bytes: &[u8]) -> Result<(Form, Vec<Element>, &[u8]), String> {
    let mut form = None;
    let mut elements: Vec<Element> = Vec::new();
    let (mut at, mut line) = (0, 0);
    loop {
        let rest = &bytes[at..];
        let end = rest.iter().position(|&b| b == b'\n' || b == b'\r');
        let end = end.ok_or("its header has no `end_header`")?;
        let text = std::str::from_utf8(&rest[..end]).map_err(|_| "its header is no text")?;
        // Lines end with one or two characters, whatever the system.
        let two = rest[end] == b'\r' && rest.get(end + 1) == Some(&b'\n');
        at += end + if two { 2 } else { 1 };
        line += 1;
        let wrong = || format!("line {line}: `{}` cannot be read", shown(text));
        let words: Vec<&str> = text.split_whitespace().collect();
        match words.as_slice() {
            ["ply"] if line == 1 => {}
            _ if line == 1 => return Err("it does not begin with `ply`".into()),
            ["format", word, ..] => {
                form = Some(match *word {
                    "ascii" => Form::Text,
                    "binary_little_endian" => Form::Little,
                    "binary_big_endian" => Form::Big,
                    _ => return Err(wrong()),
                });
            }
            ["element", name, count] => elements.push(Element {
                name: (*name).to_owned(),
                count: whole(count, line)?,
                properties: Vec::new(),
            }),
            ["property", "list", count, item, name] => {
                let element = elements.last_mut().ok_or_else(wrong)?;
                element.properties.push(Property::List {
                    name: (*name).to_owned(),
                    count: kind(count).ok_or_else(wrong)?,
                    item: kind(item).ok_or_else(wrong)?,
                });
            }
            ["property", of, name] => {
                let element = elements.last_mut().ok_or_else(wrong)?;
                element.properties.push(Property::One {
                    name: (*name).to_owned(),
                    kind: kind(of).ok_or_else(wrong)?,
                });
            }
            ["end_header"] => break,
            [] | ["comment", ..] | ["obj_info", ..] => {}
            _ => return Err(wrong()),
        }
    }
    let form = form.ok_or("its header has no `format`")?;
    let points = elements.iter().find(|e| e.name == "vertex");
    let points = points.ok_or("it has no element `vertex`")?;
    for name in ["x", "y", "z"] {
        let is = |p: &Property| matches!(p, Property::One { name: found, .. } if found == name);
        if !points.properties.iter().any(is) {
            return Err(format!("its points have no `{name}`"));
        }
    }
    if let Some(large) = elements.iter().find(|e| e.count > MOST_POINTS) {
        return Err(format!(
            "{} of element `{}` are more than can be read",
            large.count, large.name
        ));
    }
    Ok((form, elements, &bytes[at..]))
}

/// What makes points of rows of the properties of `vertex`, and where the coordinates stand in a row.
fn collector(elements: &[Element]) -> Result<(Collector, [usize; 3]), String> {
    let points = elements.iter().find(|element| element.name == "vertex");
    let properties = points.map_or(&[][..], |element| &element.properties);
    let collector = Collector::new(properties.iter().map(|property| match property {
        Property::One { name, .. } => name.as_str(),
        Property::List { .. } => "",
    }));
    // The header was found to have them.
    let axes = collector
        .axes()
        .ok_or("its points have no `x`, `y` and `z`")?;
    Ok((collector, axes))
}

fn holds_corners(element: &Element, name: &str) -> bool {
    element.name == "face" && matches!(name, "vertex_indices" | "vertex_index")
}

fn place(value: f64) -> u32 {
    // What is outside becomes a place that no point has, which is told later.
    if value >= 0.0 && value < f64::from(u32::MAX) {
        value as u32
    } else {
        u32::MAX
    }
}

fn ends(element: &Element, done: usize) -> String {
    format!(
        "it ends after {done} of {} of element `{}`",
        element.count, element.name
    )
}

fn as_text(elements: &[Element], body: &[u8]) -> Result<Geometry, String> {
    let body = std::str::from_utf8(body).map_err(|_| "its text is no UTF-8")?;
    let mut words = body
        .lines()
        .enumerate()
        .flat_map(|(line, text)| text.split_whitespace().map(move |word| (line + 1, word)));
    let (mut points, axes) = collector(elements)?;
    let (mut corners, mut row) = (Vec::new(), Vec::new());
    for element in elements {
        for done in 0..element.count {
            row.clear();
            for property in &element.properties {
                let mut next = || -> Result<f64, String> {
                    let (line, word) = words.next().ok_or_else(|| ends(element, done))?;
                    number(word, line).map_err(|e| format!("behind the header, {e}"))
                };
                match property {
                    Property::One { .. } => row.push(next()?),
                    Property::List { name, .. } => {
                        row.push(0.0);
                        let count = length(next()?)?;
                        corners.clear();
                        for _ in 0..count {
                            corners.push(place(next()?));
                        }
                        if holds_corners(element, name) {
                            points.geometry.polygon(&corners);
                        }
                    }
                }
            }
            if element.name == "vertex" {
                points.push(axes.map(|axis| row[axis]), &row);
            }
        }
    }
    Ok(points.finish())
}

/// The length of a list.
fn length(value: f64) -> Result<usize, String> {
    if value.fract() == 0.0 && (0.0..=MOST_CORNERS as f64).contains(&value) {
        return Ok(value as usize);
    }
    Err(format!("a list of {value} items cannot be read"))
}

fn as_binary(elements: &[Element], body: &[u8], big: bool) -> Result<Geometry, String> {
    let mut rest = body;
    let mut take = |size: usize| -> Option<&[u8]> {
        let (taken, left) = rest.split_at_checked(size)?;
        rest = left;
        Some(taken)
    };
    let (mut points, axes) = collector(elements)?;
    let (mut corners, mut row) = (Vec::new(), Vec::new());
    for element in elements {
        if element.properties.is_empty() {
            continue;
        }
        for done in 0..element.count {
            let short = || ends(element, done);
            row.clear();
            for property in &element.properties {
                match property {
                    Property::One { kind, .. } => {
                        row.push(kind.read(take(kind.size()).ok_or_else(short)?, big));
                    }
                    Property::List { name, count, item } => {
                        row.push(0.0);
                        let bytes = take(count.size()).ok_or_else(short)?;
                        let count = length(count.read(bytes, big))?;
                        let bytes = take(count * item.size()).ok_or_else(short)?;
                        if holds_corners(element, name) {
                            corners.clear();
                            let items = bytes.chunks_exact(item.size());
                            corners.extend(items.map(|bytes| place(item.read(bytes, big))));
                            points.geometry.polygon(&corners);
                        }
                    }
                }
            }
            if element.name == "vertex" {
                points.push(axes.map(|axis| row[axis]), &row);
            }
        }
    }
    Ok(points.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(form: &str) -> String {
        format!(
            "ply\nformat {form} 1.0\ncomment a square\nelement vertex 4\nproperty float x\nproperty double y\nproperty uchar red\n\
             property float z\nelement face 1\nproperty list uchar int vertex_indices\nend_header\n"
        )
    }

    fn binary(big: bool) -> Vec<u8> {
        let mut bytes = head(if big {
            "binary_big_endian"
        } else {
            "binary_little_endian"
        })
        .into_bytes();
        let real = |x: f32| {
            if big {
                x.to_be_bytes()
            } else {
                x.to_le_bytes()
            }
        };
        for [x, y] in [[0.0f32, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]] {
            bytes.extend(real(x));
            let y = f64::from(y);
            bytes.extend(if big {
                y.to_be_bytes()
            } else {
                y.to_le_bytes()
            });
            bytes.push(255);
            bytes.extend(real(0.5));
        }
        bytes.push(4);
        for place in 0i32..4 {
            bytes.extend(if big {
                place.to_be_bytes()
            } else {
                place.to_le_bytes()
            });
        }
        bytes
    }

    #[test]
    fn all_three_forms_tell_the_same() {
        let text =
            head("ascii") + "0 0 255 0.5\n1 0 255 0.5\n1 1 255 0.5\n0 1 255 0.5\n4 0 1 2 3\n";
        let read = parse(text.as_bytes()).unwrap();
        assert_eq!(read.points[2], [1.0, 1.0, 0.5]);
        assert_eq!(read.faces, [[0, 1, 2], [0, 2, 3]]);
        assert_eq!(parse(&binary(false)).unwrap(), read);
        assert_eq!(parse(&binary(true)).unwrap(), read);
        assert_eq!(parse(text.replace('\n', "\r\n").as_bytes()).unwrap(), read);
    }

    #[test]
    fn colours_normals_and_labels_come_along() {
        let text = "ply\nformat ascii 1.0\nelement vertex 2\nproperty float x\nproperty float y\nproperty float z\n\
            property uchar red\nproperty uchar green\nproperty uchar blue\nproperty int label\nend_header\n\
            0 0 0 1 2 3 7\n1 1 1 4 5 6 -1\n";
        let read = parse(text.as_bytes()).unwrap();
        assert_eq!(read.channels.names, ["red", "green", "blue"]);
        assert_eq!(read.channels.values, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let labels = read.labels.unwrap();
        assert_eq!((labels.of(0), labels.of(1)), (Some("7"), Some("-1")));
    }

    #[test]
    fn what_is_cut_short_is_told() {
        let whole = binary(false);
        for cut in 0..whole.len() {
            assert!(parse(&whole[..cut]).is_err(), "{cut}");
        }
        let error = parse(&whole[..whole.len() - 10]).unwrap_err();
        assert!(error.contains("0 of 1 of element `face`"), "{error}");
        for (text, part) in [
            ("plx\n", "begin with `ply`"),
            ("ply\nend_header\n", "no `format`"),
            ("ply\nformat ascii 1.0\nend_header\n", "no element `vertex`"),
            (
                "ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nend_header\n0",
                "no `y`",
            ),
            (
                "ply\nformat ascii 1.0\nelement vertex 99999999999\nproperty float x\nproperty float y\nproperty float z\nend_header\n",
                "more than",
            ),
            ("ply\nproperty float x\n", "line 2"),
            ("ply\nformat odd 1.0\n", "line 2"),
        ] {
            let error = parse(text.as_bytes()).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
