use std::collections::BTreeMap;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::{EdgeChange, SensorGraph};

/// Edges that change with time: what went from which series to which at each moment, as people between regions. What stays is an edge from
/// a series to itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Flows {
    /// Series.
    pub nodes: usize,
    /// For each moment `(from, to, how much)`, ascending, each pair once, all of them positive.
    moments: Vec<Vec<(u32, u32, f32)>>,
}

impl Flows {
    /// From edges of each moment, of which equal ones are added up; those that are not positive are left out.
    pub fn new(nodes: usize, moments: Vec<Vec<(u32, u32, f32)>>) -> Flows {
        let tidy = |edges: Vec<(u32, u32, f32)>| {
            let mut sums = BTreeMap::new();
            for (from, to, much) in edges {
                if much > 0.0 {
                    *sums.entry((from, to)).or_insert(0.0f32) += much;
                }
            }
            let sums = sums.into_iter();
            sums.map(|((from, to), much)| (from, to, much)).collect()
        };
        Flows {
            nodes,
            moments: moments.into_iter().map(tidy).collect(),
        }
    }

    /// Moments.
    pub fn steps(&self) -> usize {
        self.moments.len()
    }

    /// The edges of a moment; none where nothing is known of it.
    pub fn at(&self, moment: usize) -> &[(u32, u32, f32)] {
        self.moments.get(moment).map_or(&[], Vec::as_slice)
    }

    /// Those of the first `moments` of them.
    pub fn head(&self, moments: usize) -> Flows {
        Flows {
            nodes: self.nodes,
            moments: self.moments[..moments.min(self.steps())].to_vec(),
        }
    }

    /// Those from moment `from` on.
    pub fn tail(&self, from: usize) -> Flows {
        Flows {
            nodes: self.nodes,
            moments: self.moments[from.min(self.steps())..].to_vec(),
        }
    }

    /// Those of the series at `places`, as the first of them and so on.
    pub fn picked(&self, places: &[usize]) -> Flows {
        let now: BTreeMap<usize, u32> = places.iter().copied().zip(0..).collect();
        let edge = |&(from, to, much): &(u32, u32, f32)| {
            Some((*now.get(&(from as usize))?, *now.get(&(to as usize))?, much))
        };
        let moments = self.moments.iter();
        let moments = moments.map(|edges| edges.iter().filter_map(edge).collect());
        Flows::new(places.len(), moments.collect())
    }

    /// The same where something else went along some edges.
    pub fn changed(&self, changes: &[EdgeChange]) -> Flows {
        let edge = |&(from, to, much): &(u32, u32, f32)| {
            let much = EdgeChange::of(changes, (from, to, much));
            (from, to, much)
        };
        let moments = self.moments.iter();
        let moments = moments.map(|edges| edges.iter().map(edge).collect());
        Flows::new(self.nodes, moments.collect())
    }

    /// For each pair between which something ever went `(from, to, least, most)` over the moments of which something is known, ascending.
    pub fn ranges(&self) -> Vec<(u32, u32, f32, f32)> {
        let known = self.moments.iter().filter(|edges| !edges.is_empty());
        let mut ranges = BTreeMap::new();
        for &(from, to, much) in known.clone().flatten() {
            let (seen, least, most) = ranges.entry((from, to)).or_insert((0, much, much));
            *seen += 1;
            *least = much.min(*least);
            *most = much.max(*most);
        }
        let count = known.count();
        let range = |((from, to), (seen, least, most)): ((u32, u32), (usize, f32, f32))| {
            // On some days nobody went.
            let least = if seen < count { 0.0 } else { least };
            (from, to, least, most)
        };
        ranges.into_iter().map(range).collect()
    }

    /// As if nothing were known but of the last `moments` of them.
    pub fn only_last(&self, moments: usize) -> Flows {
        let from = self.steps().saturating_sub(moments);
        let kept = |(moment, edges): (usize, &Vec<_>)| match moment >= from {
            true => edges.clone(),
            false => Vec::new(),
        };
        Flows {
            nodes: self.nodes,
            moments: self.moments.iter().enumerate().map(kept).collect(),
        }
    }

    /// Edges between the series, each with its sum over some moments; without those of a series to itself.
    pub fn graph(&self, moments: Range<usize>) -> SensorGraph {
        let edges: Vec<_> = moments
            .flat_map(|moment| self.at(moment))
            .copied()
            .collect();
        SensorGraph::new(self.nodes, &edges)
    }

    /// For each series who sends to it, and what part of all that is sent to it from elsewhere, over some moments.
    pub fn senders(&self, moments: Range<usize>) -> Vec<Vec<(usize, f32)>> {
        let mut senders = vec![Vec::new(); self.nodes];
        for (to, from, share) in self.graph(moments).shares(false) {
            senders[to as usize].push((from as usize, share));
        }
        senders
    }

    /// For each series who sends to it, and what part of the sender's own flow, with what stays, that is: how much of what the sender has
    /// comes here.
    pub fn inflows(&self, moments: Range<usize>) -> Vec<Vec<(usize, f32)>> {
        let mut sums = BTreeMap::new();
        let mut sent = vec![0.0f32; self.nodes];
        for &(from, to, much) in moments.flat_map(|moment| self.at(moment)) {
            *sums.entry((to, from)).or_insert(0.0f32) += much;
            sent[from as usize] += much;
        }
        let mut inflows = vec![Vec::new(); self.nodes];
        for ((to, from), much) in sums {
            if to != from {
                inflows[to as usize].push((from as usize, much / sent[from as usize]));
            }
        }
        inflows
    }

    /// Why these cannot be used, if so: they may come from a damaged file.
    ///
    /// # Errors
    /// The fault, in words.
    pub fn check(&self) -> Result<(), String> {
        let inside = |n: u32| (n as usize) < self.nodes;
        let sound = |&(from, to, much): &(u32, u32, f32)| {
            inside(from) && inside(to) && much.is_finite() && much > 0.0
        };
        match self.moments.iter().flatten().all(sound) {
            true => Ok(()),
            false => Err("its flows are damaged".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flows_become_shares_of_those_that_send_and_of_those_that_receive() {
        let flows = Flows::new(
            3,
            vec![
                vec![(0, 0, 6.0), (0, 2, 1.0), (1, 2, 3.0), (0, 2, 1.0)],
                vec![(2, 0, 4.0), (1, 1, 0.0)],
            ],
        );
        assert_eq!(flows.at(0), [(0, 0, 6.0), (0, 2, 2.0), (1, 2, 3.0)]);
        assert_eq!(flows.at(7), []);
        assert_eq!(flows.senders(0..1)[2], [(0, 0.4), (1, 0.6)]);
        assert_eq!(flows.inflows(0..1)[2], [(0, 0.25), (1, 1.0)]);
        assert_eq!(flows.graph(0..2).edges, [(0, 2), (1, 2), (2, 0)]);
        assert_eq!(flows.head(1).graph(0..2).edges, [(0, 2), (1, 2)]);
        assert_eq!(flows.tail(1).at(0), [(2, 0, 4.0)]);
        assert_eq!(flows.picked(&[2, 1]).at(0), [(1, 0, 3.0)]);
        assert_eq!(flows.only_last(1).at(0), []);
        assert_eq!(flows.only_last(1).at(1), flows.at(1));
        let change = |from, factor| EdgeChange {
            from: Some(from),
            to: None,
            factor,
        };
        let changed = flows.changed(&[change(0, 0.0), change(1, 2.0)]);
        assert_eq!(changed.at(0), [(0, 0, 6.0), (1, 2, 6.0)]);
        assert_eq!(
            flows.ranges(),
            [
                (0, 0, 0.0, 6.0),
                (0, 2, 0.0, 2.0),
                (1, 2, 0.0, 3.0),
                (2, 0, 0.0, 4.0)
            ]
        );
        assert!(flows.check().is_ok());
        assert!(Flows { nodes: 2, ..flows }.check().is_err());
    }
}
