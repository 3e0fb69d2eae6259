use std::collections::HashMap;

use super::geometry::Geometry;
use super::words::{lines, point};

const HEADER: usize = 84;
const FACET: usize = 50;

/// Whether the length of a file is that of a binary STL: some begin with `solid` all the same.
pub(super) fn is_binary(bytes: &[u8]) -> bool {
    facets(bytes).is_some_and(|facets| {
        facets > 0
            && facets
                .checked_mul(FACET)
                .and_then(|n| n.checked_add(HEADER))
                == Some(bytes.len())
    })
}

fn facets(bytes: &[u8]) -> Option<usize> {
    let count: [u8; 4] = bytes.get(80..HEADER)?.try_into().ok()?;
    Some(u32::from_le_bytes(count) as usize)
}

/// Corners that are the same point become one.
#[derive(Default)]
struct Corners {
    geometry: Geometry,
    places: HashMap<[u64; 3], u32>,
}

impl Corners {
    fn place(&mut self, point: [f64; 3]) -> u32 {
        let next = self.geometry.points.len() as u32;
        // Both zeros are one place.
        let key = point.map(|x| (x + 0.0).to_bits());
        let place = *self.places.entry(key).or_insert(next);
        if place == next {
            self.geometry.points.push(point);
        }
        place
    }
}

/// STL in its binary form: 80 bytes, the number of facets, then 50 bytes each.
pub(super) fn parse_binary(bytes: &[u8]) -> Result<Geometry, String> {
    let facets = facets(bytes).ok_or("its header is cut short")?;
    let rest = &bytes[HEADER..];
    if rest.len() < facets.saturating_mul(FACET) {
        return Err(format!(
            "it ends after {} of {facets} facets",
            rest.len() / FACET
        ));
    }
    let mut corners = Corners::default();
    for facet in rest.chunks_exact(FACET).take(facets) {
        let mut face = [0; 3];
        // Behind the normal.
        for (corner, at) in face.iter_mut().zip(facet[12..48].chunks_exact(12)) {
            let mut point = [0.0; 3];
            for (x, bytes) in point.iter_mut().zip(at.chunks_exact(4)) {
                *x = f64::from(f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
            }
            *corner = corners.place(point);
        }
        corners.geometry.faces.push(face);
    }
    Ok(corners.geometry)
}

/// STL as text: `facet`, three `vertex x y z`, `endfacet`.
pub(super) fn parse(text: &str) -> Result<Geometry, String> {
    let mut corners = Corners::default();
    let mut face = Vec::new();
    for (number, line) in lines(text) {
        let mut words = line.split_whitespace();
        match words.next().map(str::to_ascii_lowercase).as_deref() {
            Some("vertex") => face.push(corners.place(point(words, number)?)),
            Some("endfacet") => {
                if face.len() < 3 {
                    return Err(format!("line {number}: a facet of {} corners", face.len()));
                }
                corners.geometry.polygon(&face);
                face.clear();
            }
            _ => {}
        }
    }
    match face.is_empty() {
        true => Ok(corners.geometry),
        false => Err("it ends within a facet".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "solid a\nfacet normal 0 0 1\nouter loop\nvertex 0 0 0\nvertex 1 0 0\nvertex 0 1 0\nendloop\nendfacet\n\
        facet normal 0 0 1\nouter loop\nvertex 1 0 0\nvertex 1 1 0\nvertex 0 1 0\nendloop\nendfacet\nendsolid a\n";

    #[test]
    fn text_and_bytes_tell_the_same() {
        let read = parse(TEXT).unwrap();
        assert_eq!(
            (read.points.len(), read.faces.as_slice()),
            (4, &[[0, 1, 2], [1, 3, 2]][..])
        );
        let mut bytes = b"solid though binary".to_vec();
        bytes.resize(80, 0);
        bytes.extend(2u32.to_le_bytes());
        for face in &read.faces {
            bytes.extend([0; 12]);
            for &corner in face {
                for x in read.points[corner as usize] {
                    bytes.extend((x as f32).to_le_bytes());
                }
            }
            bytes.extend([0; 2]);
        }
        assert!(is_binary(&bytes));
        assert_eq!(parse_binary(&bytes).unwrap(), read);
        bytes.pop();
        assert!(!is_binary(&bytes));
        assert!(parse_binary(&bytes).unwrap_err().contains("1 of 2"));
        assert!(parse(&TEXT[..90]).unwrap_err().contains("within"));
    }
}
