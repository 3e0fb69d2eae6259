use std::sync::OnceLock;

use candor_kernels::farthest_points;

use super::surroundings::surroundings;
use crate::Geometry;

/// Where the points of a scan are seen from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Frame {
    /// What becomes zero.
    pub centre: [f64; 3],
    /// What becomes 1.
    pub size: f64,
}

impl Frame {
    /// About the mean of some points, in the unit ball. `None` unless they are finite and lie at more than one place.
    pub fn of(points: &[[f64; 3]]) -> Option<Frame> {
        let first = points.first()?;
        let count = points.len() as f64;
        let mut centre = [0.0; 3];
        for point in points {
            for axis in 0..3 {
                // About the first point, so that coordinates of maps lose nothing.
                centre[axis] += (point[axis] - first[axis]) / count;
            }
        }
        let centre: [f64; 3] = std::array::from_fn(|axis| first[axis] + centre[axis]);
        let distance = |p: &[f64; 3]| {
            let square: f64 = p.iter().zip(centre).map(|(x, c)| (x - c) * (x - c)).sum();
            square.sqrt()
        };
        let size = points.iter().map(distance).fold(0.0, f64::max);
        (size > 0.0 && size.is_finite()).then_some(Frame { centre, size })
    }

    /// A point as it is seen.
    pub fn seen(&self, point: &[f64; 3]) -> [f32; 3] {
        std::array::from_fn(|axis| ((point[axis] - self.centre[axis]) / self.size) as f32)
    }
}

/// Points that are seen together: of one shape, or of one block of a scene.
#[derive(Debug, Default)]
pub struct Scan {
    points: Vec<f32>,
    channels: Vec<f32>,
    surroundings: OnceLock<Vec<f32>>,
}

impl Clone for Scan {
    fn clone(&self) -> Scan {
        Scan::new(self.points.clone(), self.channels.clone())
    }
}

impl Scan {
    /// Of points `[n, 3]` in their frame, and what else is known of each.
    pub fn new(points: Vec<f32>, channels: Vec<f32>) -> Scan {
        Scan {
            points,
            channels,
            surroundings: OnceLock::new(),
        }
    }

    /// Some points of a geometry as a frame shows them.
    pub fn of(geometry: &Geometry, places: &[u32], frame: &Frame) -> Scan {
        let points = places
            .iter()
            .flat_map(|&place| frame.seen(&geometry.points[place as usize]));
        let width = geometry.channels.names.len();
        let channels = places.iter().flat_map(|&place| {
            let from = width * place as usize;
            geometry.channels.values[from..from + width].iter().copied()
        });
        Scan::new(points.collect(), channels.collect())
    }

    /// `[points, 3]`.
    pub fn points(&self) -> &[f32] {
        &self.points
    }

    /// `[points, channels]`.
    pub fn channels(&self) -> &[f32] {
        &self.channels
    }

    /// The number of points.
    pub fn len(&self) -> usize {
        self.points.len() / 3
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// `[points, SURROUNDINGS]`: what the surroundings of each point are like; computed when first asked for.
    pub fn surroundings(&self) -> &[f32] {
        self.surroundings.get_or_init(|| surroundings(&self.points))
    }
}

/// Points up to which all are dealt out evenly.
const EVENLY: usize = 16_384;

/// Deals points out to as few scans as can be of at most `kept` points, each of which is spread over all: first the farthest from each other
/// ([`farthest_points`]), by turns. Larger clouds are dealt out in an order that looks drawn, but is that of the coordinates alone. So the order
/// of the points in their file does not count, and place and size count only by rounding.
pub(crate) fn dealt(points: &[[f64; 3]], frame: &Frame, kept: usize) -> Vec<Vec<u32>> {
    let count = points.len();
    let scans = count.div_ceil(kept.max(1)).max(1);
    let order = spread_order(points, frame, scans > 1);
    let scan = |first: usize| order.iter().skip(first).step_by(scans).copied().collect();
    (0..scans).map(scan).collect()
}

/// The points by their coordinates; where they are to be `parted`, in an order every step of which is spread over all.
fn spread_order(points: &[[f64; 3]], frame: &Frame, parted: bool) -> Vec<u32> {
    let count = points.len();
    // Ties are told by what comes first, which must not be the order of the file.
    let mut sorted: Vec<u32> = (0..count as u32).collect();
    sorted.sort_by(|&a, &b| {
        let (p, q) = (&points[a as usize], &points[b as usize]);
        let axes = p.iter().zip(q).map(|(p, q)| p.total_cmp(q));
        axes.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then)
            .then(a.cmp(&b))
    });
    if !parted {
        return sorted;
    }
    let points: Vec<[f64; 3]> = sorted.iter().map(|&n| points[n as usize]).collect();
    let order = spread(&points, frame);
    order.into_iter().map(|n| sorted[n as usize]).collect()
}

fn spread(points: &[[f64; 3]], frame: &Frame) -> Vec<u32> {
    let count = points.len();
    let seen: Vec<[f32; 3]> = points.iter().map(|point| frame.seen(point)).collect();
    let square = |p: &[f32; 3]| p.iter().map(|x| x * x).sum::<f32>();
    if count <= EVENLY {
        let greater = |best: usize, place: usize| {
            if square(&seen[place]) > square(&seen[best]) {
                place
            } else {
                best
            }
        };
        let first = (1..count).fold(0, greater);
        let flat: Vec<f32> = seen.iter().flatten().copied().collect();
        if let Ok(order) = farthest_points(&flat, 3, &[0, count], &[first], count) {
            return order;
        }
    }
    // The mixing steps of SplitMix64, on coordinates that are rounded a little.
    let mixed = |p: &[f32; 3]| {
        p.iter().fold(0u64, |hash, x| {
            let cell = (f64::from(*x) * 16_384.0).round() as i64 as u64;
            let mut z = (hash ^ cell).wrapping_add(0x9E37_79B9_7F4A_7C15);
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            z ^ (z >> 31)
        })
    };
    let keys: Vec<u64> = seen.iter().map(mixed).collect();
    let mut order: Vec<u32> = (0..count as u32).collect();
    order.sort_by_key(|&place| {
        let place = place as usize;
        let bits = points[place].map(|x| (x + 0.0).to_bits());
        (keys[place], bits, place)
    });
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use candor_core::Seed;
    use rand::RngExt;

    fn cloud(count: usize) -> Vec<[f64; 3]> {
        let mut stream = Seed(4).stream("cloud", &[]);
        (0..count)
            .map(|_| std::array::from_fn(|_| stream.random_range(-1.0..1.0)))
            .collect()
    }

    #[test]
    fn every_point_is_dealt_once_whatever_the_order_of_the_file() {
        for count in [7, 100, 20_000] {
            let points = cloud(count);
            let frame = Frame::of(&points).unwrap();
            let scans = dealt(&points, &frame, 64);
            assert_eq!(scans.len(), count.div_ceil(64));
            let mut all: Vec<u32> = scans.concat();
            all.sort_unstable();
            assert_eq!(all, (0..count as u32).collect::<Vec<_>>());
            let mut turned = points.clone();
            turned.reverse();
            let frame = Frame::of(&turned).unwrap();
            let again = dealt(&turned, &frame, 64);
            let places = |points: &[[f64; 3]], scans: &[Vec<u32>]| -> Vec<Vec<[u64; 3]>> {
                let scan = |scan: &Vec<u32>| {
                    let at = |&place: &u32| points[place as usize].map(f64::to_bits);
                    let mut scan: Vec<[u64; 3]> = scan.iter().map(at).collect();
                    scan.sort_unstable();
                    scan
                };
                scans.iter().map(scan).collect()
            };
            assert_eq!(places(&points, &scans), places(&turned, &again), "{count}");
        }
    }

    #[test]
    fn frames_of_nothing_and_of_one_place_are_none() {
        assert!(Frame::of(&[]).is_none() && Frame::of(&[[1.0; 3]; 4]).is_none());
        assert!(Frame::of(&[[1e300; 3], [-1e300; 3]]).is_none());
        let frame = Frame::of(&[[5e5, 1.0, 1.0], [5e5 + 2.0, 1.0, 1.0]]).unwrap();
        assert_eq!(frame.seen(&[5e5 + 2.0, 1.0, 1.0]), [1.0, 0.0, 0.0]);
    }
}
