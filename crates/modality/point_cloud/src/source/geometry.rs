//! What a file of a shape holds, whatever its format.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::Fault;

/// Points, and the triangles between them where the file has some.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Geometry {
    /// Coordinates in the unit of the file.
    pub points: Vec<[f64; 3]>,
    /// Triangles by the places of their corners; empty where the file holds points alone.
    pub faces: Vec<[u32; 3]>,
    /// What else is known of the points.
    pub channels: Channels,
    /// What each point is part of, where the file says it.
    pub labels: Option<PointLabels>,
}

/// Numbers of points beside their places.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Channels {
    /// What they are: `red`, `green`, `blue`, `nx`, `ny`, `nz`, `intensity`.
    pub names: Vec<String>,
    /// `[points, names]`; NaN where nobody knows.
    pub values: Vec<f32>,
}

/// What points are part of.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PointLabels {
    /// One a point: a place in `names`, or [`PointLabels::MISSING`].
    pub codes: Vec<u32>,
    /// The labels.
    pub names: Vec<String>,
}

impl PointLabels {
    /// The code of a point of which nobody knows.
    pub const MISSING: u32 = u32::MAX;

    /// The label of a point.
    pub fn of(&self, point: usize) -> Option<&str> {
        let code = *self.codes.get(point)?;
        self.names.get(code as usize).map(String::as_str)
    }
}

/// Points of a file at most; more would not fit into memory beside others.
pub(crate) const MOST_POINTS: usize = 20_000_000;
/// Share of points without finite coordinates above which a file is refused.
const MOST_UNKNOWN: f64 = 0.2;

impl Geometry {
    /// Adds the triangles of a polygon with corners in order (a fan: exact for convex polygons).
    pub(crate) fn polygon(&mut self, corners: &[u32]) {
        if let Some((&first, rest)) = corners.split_first() {
            let pairs = rest.windows(2);
            self.faces
                .extend(pairs.map(|pair| [first, pair[0], pair[1]]));
        }
    }

    /// Checks places, drops points that are not finite (of a cloud), and says what is left.
    ///
    /// # Errors
    /// No points, corners that are not there, too many coordinates that are no numbers, or all points in one place.
    pub(crate) fn checked(mut self) -> Result<Geometry, Fault> {
        let count = self.points.len();
        if count == 0 {
            return Err(Fault::NoPoints);
        }
        let mut corners = self.faces.iter().flatten();
        if let Some(&corner) = corners.find(|&&corner| corner as usize >= count) {
            return Err(Fault::Face {
                corner: u64::from(corner),
                points: count,
            });
        }
        let finite = |p: &[f64; 3]| p.iter().all(|x| x.is_finite() && x.abs() < 1e30);
        let unknown = self.points.iter().filter(|p| !finite(p)).count();
        if unknown as f64 > MOST_UNKNOWN * count as f64 {
            return Err(Fault::NotFinite {
                unknown,
                points: count,
            });
        }
        if unknown > 0 {
            let points = &self.points;
            let known = |face: &[u32; 3]| face.iter().all(|&c| finite(&points[c as usize]));
            self.faces.retain(known);
            if self.faces.is_empty() {
                let known: Vec<bool> = self.points.iter().map(finite).collect();
                self.keep(&known);
            } else {
                // Places must stay; only triangles are looked at.
                let first = self.points.iter().find(|p| finite(p)).copied();
                let first = first.unwrap_or_default();
                let unknown = self.points.iter_mut().filter(|p| !finite(p));
                unknown.for_each(|p| *p = first);
            }
        }
        match self.points.as_slice() {
            [_] => Err(Fault::OnePoint),
            [first, rest @ ..] if rest.iter().all(|p| p == first) => Err(Fault::OnePlace(count)),
            _ => Ok(self),
        }
    }

    /// Some of the points, by their places, with all that is known of them; without triangles.
    pub(crate) fn taken(&self, places: &[u32]) -> Geometry {
        let width = self.channels.names.len();
        let values = places.iter().flat_map(|&place| {
            let from = width * place as usize;
            self.channels.values[from..from + width].iter().copied()
        });
        let of = |labels: &PointLabels| PointLabels {
            codes: places.iter().map(|&p| labels.codes[p as usize]).collect(),
            names: labels.names.clone(),
        };
        Geometry {
            points: places.iter().map(|&p| self.points[p as usize]).collect(),
            faces: Vec::new(),
            channels: Channels {
                names: self.channels.names.clone(),
                values: values.collect(),
            },
            labels: self.labels.as_ref().map(of),
        }
    }

    /// Drops the points that are not `kept`, with all that is known of them. Only for points without triangles.
    fn keep(&mut self, kept: &[bool]) {
        fn retain<T>(items: &mut Vec<T>, each: usize, kept: &[bool]) {
            let mut flags = kept
                .iter()
                .flat_map(|flag| std::iter::repeat_n(*flag, each));
            items.retain(|_| flags.next().unwrap_or(false));
        }
        retain(&mut self.points, 1, kept);
        let width = self.channels.names.len();
        retain(&mut self.channels.values, width, kept);
        if let Some(labels) = &mut self.labels {
            retain(&mut labels.codes, 1, kept);
        }
    }

    /// At most `most` points of the shape: of triangles drawn evenly over their area, of points alone those that are there, or as many of
    /// them drawn at random. A mesh without area gives its corners.
    pub(crate) fn sampled(&self, most: usize, stream: &mut ChaCha8Rng) -> Vec<[f64; 3]> {
        let mut reached = Vec::with_capacity(self.faces.len());
        let mut area = 0.0;
        for face in &self.faces {
            area += self.area(face);
            reached.push(area);
        }
        if area > 0.0 && area.is_finite() {
            return (0..most)
                .map(|_| {
                    let at = stream.random::<f64>() * area;
                    let face = reached.partition_point(|&sum| sum <= at);
                    self.inside(face.min(self.faces.len() - 1), stream)
                })
                .collect();
        }
        if self.points.len() <= most {
            return self.points.clone();
        }
        let drawn = rand::seq::index::sample(stream, self.points.len(), most);
        drawn.iter().map(|place| self.points[place]).collect()
    }

    fn corners(&self, face: &[u32; 3]) -> [[f64; 3]; 3] {
        face.map(|corner| self.points[corner as usize])
    }

    fn area(&self, face: &[u32; 3]) -> f64 {
        let [a, b, c] = self.corners(face);
        let (u, v) = (minus(b, a), minus(c, a));
        let n = cross(u, v);
        0.5 * n.iter().map(|x| x * x).sum::<f64>().sqrt()
    }

    /// Uniform in a triangle (Turk, "Generating random points in triangles", Graphics Gems, 1990).
    fn inside(&self, face: usize, stream: &mut ChaCha8Rng) -> [f64; 3] {
        let [a, b, c] = self.corners(&self.faces[face]);
        let root = stream.random::<f64>().sqrt();
        let along = stream.random::<f64>();
        let shares = [1.0 - root, root * (1.0 - along), root * along];
        std::array::from_fn(|x| shares[0] * a[x] + shares[1] * b[x] + shares[2] * c[x])
    }
}

fn minus(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    std::array::from_fn(|x| a[x] - b[x])
}

fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [
        a[1] * b[2] - a[2] * b[1],
        a[2] * b[0] - a[0] * b[2],
        a[0] * b[1] - a[1] * b[0],
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use candor_core::Seed;

    #[test]
    fn points_fall_on_triangles_by_their_area() {
        // Two triangles in the plane z = 0, of area 0.5 and 4.5.
        let geometry = Geometry {
            points: vec![
                [0.0, 0.0, 0.0],
                [1.0, 0.0, 0.0],
                [0.0, 1.0, 0.0],
                [10.0, 0.0, 0.0],
                [13.0, 0.0, 0.0],
                [10.0, 3.0, 0.0],
            ],
            faces: vec![[0, 1, 2], [3, 4, 5]],
            ..Geometry::default()
        };
        let points = geometry.sampled(4000, &mut Seed(1).stream("sample", &[]));
        let small: Vec<&[f64; 3]> = points.iter().filter(|p| p[0] < 5.0).collect();
        // A tenth, give or take four standard deviations.
        assert!((small.len() as f64 - 400.0).abs() < 76.0, "{}", small.len());
        assert!(
            small
                .iter()
                .all(|p| p[0] >= 0.0 && p[1] >= 0.0 && p[0] + p[1] <= 1.0 + 1e-9)
        );
        // Uniform: the mean is the middle of the corners.
        let mean = small.iter().map(|p| p[0]).sum::<f64>() / small.len() as f64;
        assert!((mean - 1.0 / 3.0).abs() < 0.06, "{mean}");
        assert_eq!(
            points,
            geometry.sampled(4000, &mut Seed(1).stream("sample", &[]))
        );
    }

    #[test]
    fn what_is_no_shape_is_named() {
        let cloud = |points: Vec<[f64; 3]>| Geometry {
            points,
            ..Geometry::default()
        };
        assert_eq!(cloud(vec![]).checked(), Err(Fault::NoPoints));
        assert_eq!(cloud(vec![[1.0; 3]]).checked(), Err(Fault::OnePoint));
        assert_eq!(cloud(vec![[1.0; 3]; 9]).checked(), Err(Fault::OnePlace(9)));
        let half = vec![[f64::NAN; 3], [0.0; 3]];
        assert!(matches!(
            cloud(half).checked(),
            Err(Fault::NotFinite { .. })
        ));
        let mut points: Vec<[f64; 3]> = (0..10).map(|i| [f64::from(i); 3]).collect();
        points[3][1] = f64::INFINITY;
        assert_eq!(cloud(points.clone()).checked().unwrap().points.len(), 9);
        let told = Geometry {
            channels: Channels {
                names: vec!["intensity".to_owned()],
                values: (0..10).map(|i| i as f32).collect(),
            },
            labels: Some(PointLabels {
                codes: (0..10).collect(),
                names: (0..10).map(|i| i.to_string()).collect(),
            }),
            ..cloud(points.clone())
        };
        let told = told.checked().unwrap();
        assert_eq!(told.channels.values[2..4], [2.0, 4.0]);
        assert_eq!(told.labels.unwrap().codes[2..4], [2, 4]);
        let mesh = Geometry {
            points,
            faces: vec![[0, 1, 3], [0, 1, 2]],
            ..Geometry::default()
        };
        assert_eq!(mesh.clone().checked().unwrap().faces, [[0, 1, 2]]);
        let outside = Geometry {
            faces: vec![[0, 1, 10]],
            ..mesh
        };
        assert!(matches!(
            outside.checked(),
            Err(Fault::Face { corner: 10, .. })
        ));
    }
}
