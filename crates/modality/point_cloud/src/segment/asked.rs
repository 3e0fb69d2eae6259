//! Points that a model is asked about: all of each file.

use std::collections::BTreeMap;

use super::scan::dealt;
use super::source::{list, load, scan_of};
use super::{Frame, PointRules, PointSource, PointUnits, Scan, tiles};
use crate::{CloudError, Fault, Geometry};

/// Points that a model is asked about.
#[derive(Debug)]
pub struct AskedPoints {
    /// All points of all files, in the order of the files.
    pub points: PointUnits,
    /// What each is called: its file, and its number in it from 1.
    pub names: Vec<String>,
    /// Points that could not be told anything about, and why.
    pub unreadable: BTreeMap<usize, String>,
    /// Where each file's points begin, and the number of all.
    pub files: Vec<usize>,
}

/// Points that are answered for at once, at most.
pub const MOST_ASKED: usize = 3_000_000;

/// Reads points to be told what they are part of: all points of each file. Scenes are cut into blocks twice, the second time half a block further, so
/// that each point is seen far from an edge once.
///
/// # Errors
/// Nothing can be read, or an archive is damaged; more than [`MOST_ASKED`] points.
pub fn read_asked(source: &PointSource, rules: &PointRules) -> Result<AskedPoints, CloudError> {
    let path = source.path().to_owned();
    let rooms = matches!(source, PointSource::S3dis(_));
    let listing = list(source)?;
    if listing.files.is_empty() {
        return Err(CloudError::NoShapes { path });
    }
    let (mut scans, mut first, mut second) = (Vec::new(), Vec::new(), Vec::new());
    let (mut names, mut unreadable, mut files) = (Vec::new(), BTreeMap::new(), vec![0]);
    let mut from = 0;
    for (number, file) in listing.files.iter().enumerate() {
        let cut = load(&listing, number, rooms).geometry.and_then(|geometry| {
            let all = geometry.points.len();
            asked_of(&geometry, all, file.category.as_deref(), rules)
        });
        match cut {
            Ok(cut) => {
                names.extend((1..=cut.first.len()).map(|n| format!("{}#{n}", file.name)));
                first.extend(cut.first.iter().map(|place| from + place));
                second.extend(cut.second.iter().map(|place| from + place));
                from += cut.scans.iter().map(Scan::len).sum::<usize>();
                scans.extend(cut.scans);
            }
            Err(fault) => {
                unreadable.insert(names.len(), format!("The file cannot be read: {fault}."));
                names.push(file.name.clone());
                first.push(usize::MAX);
                second.push(usize::MAX);
            }
        }
        files.push(names.len());
        if names.len() > MOST_ASKED {
            return Err(CloudError::TooManyPoints {
                path,
                most: MOST_ASKED,
            });
        }
    }
    let points = PointUnits::new(scans, rules.channels.clone()).only(first);
    Ok(AskedPoints {
        points: match rules.block {
            Some(_) => points.seen_again(second),
            None => points,
        },
        names,
        unreadable,
        files,
    })
}

/// All points of a file, in scans: where each stands among the points of all scans, in one cut and, in scenes, in another.
pub(crate) struct Cut {
    pub scans: Vec<Scan>,
    pub first: Vec<usize>,
    pub second: Vec<usize>,
}

/// Cuts the first `own` points out; the others only stand about them.
pub(crate) fn asked_of(
    geometry: &Geometry,
    own: usize,
    category: Option<&str>,
    rules: &PointRules,
) -> Result<Cut, Fault> {
    let count = geometry.points.len();
    let (mut scans, mut from) = (Vec::new(), 0);
    let mut cut = |parts: Vec<(Vec<u32>, Frame)>| -> Vec<usize> {
        let mut places = vec![usize::MAX; count];
        for (part, frame) in parts {
            // Of blocks with none of our own points nobody asks.
            if !part.iter().any(|&place| (place as usize) < own) {
                continue;
            }
            let cut = geometry.taken(&part);
            for scan in dealt(&cut.points, &frame, rules.kept) {
                for (place, &number) in (from..).zip(&scan) {
                    places[part[number as usize] as usize] = place;
                }
                from += scan.len();
                scans.push(scan_of(
                    &cut.taken(&scan),
                    category,
                    &frame,
                    &rules.channels,
                ));
            }
        }
        places.truncate(own);
        places
    };
    match rules.block {
        None => {
            let frame = Frame::of(&geometry.points).ok_or(Fault::OnePlace(count))?;
            let first = cut(vec![((0..count as u32).collect(), frame)]);
            Ok(Cut {
                scans,
                first,
                second: Vec::new(),
            })
        }
        Some(edge) => {
            let mut grid = |shift: f64| {
                let blocks = tiles::blocks(&geometry.points, edge, shift);
                cut(blocks.into_iter().map(|b| (b.places, b.frame)).collect())
            };
            let (first, second) = (grid(0.0), grid(0.5));
            Ok(Cut {
                scans,
                first,
                second,
            })
        }
    }
}
