//! What is wrong with a graph before anything is learned from it.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use candor_core::{Evidence, Finding, Seed, Severity};
use candor_data::Table;
use rand::seq::SliceRandom;

use crate::graph::LeftOut;
use crate::{Graph, SparseFeatures};

/// Rows that a finding shows.
const SHOWN: usize = 20;
/// Share of nodes from which a finding is a warning.
const MANY: f64 = 0.05;
/// Shuffles of the classes that homophily is compared with.
const SHUFFLES: usize = 100;
/// Edges between nodes of known class, below which homophily is not judged.
const FEWEST_EDGES: usize = 30;
/// Numbers that are not zero, from which equal features are no accident.
const RICH: usize = 5;

fn finding(
    kind: &str,
    severity: Severity,
    message: String,
    nodes: &[usize],
    figure: String,
    remedy: &str,
) -> Finding {
    Finding {
        kind: kind.to_owned(),
        severity,
        columns: Vec::new(),
        message,
        evidence: Evidence {
            rows: nodes.iter().take(SHOWN).map(|node| node + 1).collect(),
            count: nodes.len(),
            figure,
        },
        remedy: remedy.to_owned(),
        action: None,
    }
}

fn by_share(count: usize, all: usize) -> Severity {
    match count as f64 > MANY * all as f64 {
        true => Severity::Warning,
        false => Severity::Note,
    }
}

fn percent(part: usize, whole: usize) -> String {
    format!("{:.1} %", 100.0 * part as f64 / whole.max(1) as f64)
}

/// What the edges alone show: loops and repetitions that were left out, nodes without edges, separate components.
pub(crate) fn structure_findings(graph: &Graph, left_out: LeftOut) -> Vec<Finding> {
    let nodes = graph.nodes();
    let mut findings = Vec::new();
    let mut dropped = |kind: &str, count: usize, what: &str, remedy: &str| {
        if count > 0 {
            findings.push(Finding {
                action: Some("left out".into()),
                ..finding(
                    kind,
                    Severity::Note,
                    format!("{count} edges {what}"),
                    &[],
                    format!("{count} beside {} others", graph.edges().len()),
                    remedy,
                )
            });
        }
    };
    dropped(
        "self-loops",
        left_out.loops,
        "lead from a node to itself",
        "none is needed: networks that want a node's own features add the loop themselves",
    );
    dropped(
        "duplicate-edges",
        left_out.repeated - left_out.mirrored,
        "stand more than once",
        "if the count means something, give it as a column `weight`",
    );
    let degrees = graph.degrees();
    let alone: Vec<usize> = (0..nodes).filter(|&n| degrees[n] == 0).collect();
    if !alone.is_empty() {
        findings.push(finding(
            "isolated-nodes",
            by_share(alone.len(), nodes),
            format!("{} of {nodes} nodes have no edge", alone.len()),
            &alone,
            percent(alone.len(), nodes),
            "their prediction rests on their features alone",
        ));
    }
    let mut sizes: HashMap<u32, usize> = HashMap::new();
    for component in graph.components() {
        *sizes.entry(component).or_default() += 1;
    }
    let several = sizes.values().filter(|size| **size > 1).count();
    let largest = sizes.values().max().copied().unwrap_or(0);
    if several > 1 {
        let rest = nodes - largest - alone.len();
        findings.push(finding(
            "components",
            by_share(rest, nodes),
            format!("the graph falls into {several} components of more than one node"),
            &[],
            format!("the largest has {} of the nodes", percent(largest, nodes)),
            "nothing is passed between components: one without a labelled node learns from features alone",
        ));
    }
    findings
}

/// Share of edges that join nodes of one class, beside the same with classes shuffled between nodes; `None` where too few edges join
/// nodes of known class.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Homophily {
    /// The share.
    pub share: f64,
    /// The mean share over shuffles.
    pub chance: f64,
    /// The standard deviation over shuffles.
    pub spread: f64,
    /// Edges between nodes of known class.
    pub edges: usize,
}

impl Homophily {
    /// Measures it; `classes` has nothing for a node whose class is not known.
    pub fn measure(graph: &Graph, classes: &[Option<u32>], seed: Seed) -> Option<Homophily> {
        let known: Vec<usize> = (0..graph.nodes())
            .filter(|&n| classes[n].is_some())
            .collect();
        let both =
            |&&(a, b): &&(u32, u32)| classes[a as usize].is_some() && classes[b as usize].is_some();
        let edges: Vec<(u32, u32)> = graph.edges().iter().filter(both).copied().collect();
        if edges.len() < FEWEST_EDGES {
            return None;
        }
        let share = |classes: &[Option<u32>]| {
            let same = |(a, b): &&(u32, u32)| classes[*a as usize] == classes[*b as usize];
            edges.iter().filter(same).count() as f64 / edges.len() as f64
        };
        let mut shuffled = classes.to_vec();
        let mut words: Vec<Option<u32>> = known.iter().map(|&n| classes[n]).collect();
        let stream = &mut seed.stream("homophily", &[]);
        let by_chance: Vec<f64> = (0..SHUFFLES)
            .map(|_| {
                words.shuffle(stream);
                known
                    .iter()
                    .zip(&words)
                    .for_each(|(&n, &w)| shuffled[n] = w);
                share(&shuffled)
            })
            .collect();
        let chance = by_chance.iter().sum::<f64>() / SHUFFLES as f64;
        let variance = by_chance.iter().map(|s| (s - chance).powi(2)).sum::<f64>();
        Some(Homophily {
            share: share(classes),
            chance,
            spread: (variance / (SHUFFLES - 1) as f64).sqrt(),
            edges: edges.len(),
        })
    }

    /// How many standard deviations lie between the share and chance.
    pub fn deviations(&self) -> f64 {
        (self.share - self.chance) / self.spread.max(1e-9)
    }

    /// The same as a finding.
    pub fn finding(&self) -> Finding {
        let z = self.deviations();
        let (severity, message, remedy) = if z > 4.0 {
            (
                Severity::Note,
                "nodes of one class are joined more often than by chance: neighbours tell the class",
                "nothing to do; networks on graphs and label propagation are likely to gain",
            )
        } else if z < -4.0 {
            (
                Severity::Warning,
                "nodes of one class are joined less often than by chance (heterophily)",
                "look on the leaderboard whether a network without edges does as well",
            )
        } else {
            (
                Severity::Warning,
                "nodes of one class are joined as often as by chance: neighbours alone do not tell the class",
                "look on the leaderboard whether a network without edges does as well",
            )
        };
        let figure = format!(
            "{:.1} % of {} edges, {:.1} % by chance (± {:.1})",
            100.0 * self.share,
            self.edges,
            100.0 * self.chance,
            100.0 * self.spread
        );
        let message = message.to_owned();
        finding("homophily", severity, message, &[], figure, remedy)
    }
}

/// For each node the first that is its duplicate, itself where there is none before it: two nodes with the same features, and either
/// the same neighbours or so many features that are not zero that this is no accident. `columns` are those of the table that are features.
pub fn duplicates(
    graph: &Graph,
    table: &Table,
    columns: &[&str],
    apart: Option<&SparseFeatures>,
) -> Vec<usize> {
    let senders = graph.senders();
    let columns: Vec<_> = columns
        .iter()
        .filter_map(|name| table.column(name))
        .collect();
    let (mut by_features, mut with_neighbours) = (HashMap::new(), HashMap::new());
    let first = |node: usize| {
        let mut features = DefaultHasher::new();
        let mut rich = 0;
        for column in &columns {
            rich += usize::from(!column.values.is_missing(node));
            column.values.text(node).hash(&mut features);
        }
        for (feature, value) in apart.iter().flat_map(|apart| apart.row(node)) {
            rich += 1;
            (feature, value.to_bits()).hash(&mut features);
        }
        let features = features.finish();
        let mut neighbours = senders.indices()[senders.row(node)].to_vec();
        neighbours.sort_unstable();
        let twin = match neighbours.is_empty() {
            true => node,
            false => *with_neighbours
                .entry((features, neighbours))
                .or_insert(node),
        };
        match rich >= RICH {
            true => *by_features.entry(features).or_insert(node),
            false => twin,
        }
    };
    (0..graph.nodes()).map(first).collect()
}

/// Rounds of refinement that tell graphs apart.
const ROUNDS: usize = 4;

/// For each of many graphs the first that is its duplicate, itself where there is none before it: two graphs whose nodes have the same
/// features and the same neighbours, as far as four rounds of colour refinement can tell.
///
/// # Reference
/// Weisfeiler & Leman, "The reduction of a graph to canonical form", 1968; as in Shervashidze et al., "Weisfeiler-Lehman Graph Kernels", JMLR
/// 2011, section 2.
pub fn same_graphs(graph: &Graph, starts: &[usize], nodes: &Table) -> Vec<usize> {
    let hash = |of: &dyn Fn(&mut DefaultHasher)| {
        let mut hasher = DefaultHasher::new();
        of(&mut hasher);
        hasher.finish()
    };
    let senders = graph.senders();
    let own = |node: usize| {
        hash(&|hasher| {
            let columns = nodes.columns.iter();
            columns.for_each(|column| column.values.text(node).hash(hasher));
        })
    };
    let mut colours: Vec<u64> = (0..graph.nodes()).map(own).collect();
    for _ in 0..ROUNDS {
        let refined = |node: usize| {
            let entries = senders.row(node);
            let mut around: Vec<u64> = senders.indices()[entries]
                .iter()
                .map(|&sender| colours[sender as usize])
                .collect();
            around.sort_unstable();
            hash(&|hasher| (colours[node], &around).hash(hasher))
        };
        colours = (0..graph.nodes()).map(refined).collect();
    }
    let mut firsts = HashMap::new();
    let first = |(number, ends): (usize, &[usize])| {
        let mut all = colours[ends[0]..ends[1]].to_vec();
        all.sort_unstable();
        *firsts.entry(all).or_insert(number)
    };
    starts.windows(2).enumerate().map(first).collect()
}

/// What duplicates of `units` ("nodes", "graphs") mean before there are parts, or, with `parts` (0 is learned from, any other number is set aside, nothing for nodes that
/// are in none), across them.
pub fn duplicate_findings(
    units: &str,
    firsts: &[usize],
    parts: Option<&[Option<u8>]>,
) -> Vec<Finding> {
    let nodes = firsts.len();
    let repeated = || (0..nodes).filter(|&node| firsts[node] != node);
    let Some(parts) = parts else {
        let copies: Vec<usize> = repeated().collect();
        if copies.is_empty() {
            return Vec::new();
        }
        return vec![finding(
            &format!("duplicate-{units}"),
            by_share(copies.len(), nodes),
            format!(
                "{} of {nodes} {units} have the features of an earlier one",
                copies.len()
            ),
            &copies,
            percent(copies.len(), nodes),
            "remove them if they are one thing told twice; copies on both sides of a split make scores too good",
        )];
    };
    let learned: std::collections::HashSet<usize> = (0..nodes)
        .filter(|&node| parts[node] == Some(0))
        .map(|node| firsts[node])
        .collect();
    let aside: Vec<usize> = (0..nodes)
        .filter(|&node| parts[node].is_some_and(|part| part != 0))
        .collect();
    let known: Vec<usize> = aside
        .iter()
        .copied()
        .filter(|&node| learned.contains(&firsts[node]))
        .collect();
    if known.is_empty() {
        return Vec::new();
    }
    vec![finding(
        &format!("{units}-across-parts"),
        by_share(known.len(), aside.len()),
        format!(
            "{} of {} {units} that are set aside are duplicates of one that is learned from",
            known.len(),
            aside.len()
        ),
        &known,
        percent(known.len(), aside.len()),
        "remove copies, or keep them together with `--group`: test scores are too good because of them",
    )]
}

/// Whether nodes that are tested on have other numbers of edges than those that are learned from (Kolmogorov & Smirnov, two samples).
pub fn degree_drift(graph: &Graph, train: &[usize], test: &[usize]) -> Option<Finding> {
    let degrees = graph.degrees();
    let sorted = |nodes: &[usize]| {
        let mut of: Vec<usize> = nodes.iter().map(|&node| degrees[node]).collect();
        of.sort_unstable();
        of
    };
    let (a, b) = (sorted(train), sorted(test));
    if a.is_empty() || b.is_empty() {
        return None;
    }
    let share =
        |of: &[usize], most: usize| of.partition_point(|&d| d <= most) as f64 / of.len() as f64;
    let apart = a
        .iter()
        .chain(&b)
        .map(|&d| (share(&a, d) - share(&b, d)).abs())
        .fold(0.0, f64::max);
    let effective = (a.len() * b.len()) as f64 / (a.len() + b.len()) as f64;
    // The first term of the limiting law is enough for small probabilities.
    let p = 2.0 * (-2.0 * effective * apart * apart).exp();
    (p < 1e-3 && apart > 0.1).then(|| {
        finding(
            "degree-drift",
            Severity::Warning,
            "nodes that are tested on have other numbers of edges than those that are learned from"
                .into(),
            &[],
            format!(
                "median {} against {}, distance {apart:.2}",
                b[b.len() / 2],
                a[a.len() / 2]
            ),
            "draw the test part at random, unless the world draws it so",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use candor_data::{Column, Values};

    /// Two cliques of ten nodes with one edge between them, a loop, a repetition, and a node alone.
    fn cliques() -> (Graph, LeftOut) {
        let mut pairs = vec![(0, 10), (3, 3), (1, 2), (1, 2)];
        for block in [0, 10] {
            for a in 0..10 {
                pairs.extend((a + 1..10).map(|b| (block + a, block + b)));
            }
        }
        Graph::new(21, &pairs, None, false)
    }

    #[test]
    fn loops_repetitions_and_lone_nodes_are_told() {
        let (graph, left_out) = cliques();
        let findings = structure_findings(&graph, left_out);
        let kinds: Vec<&str> = findings.iter().map(|f| f.kind.as_str()).collect();
        assert_eq!(kinds, ["self-loops", "duplicate-edges", "isolated-nodes"]);
        assert_eq!(findings[2].evidence.rows, [21]);
        let (two, left_out) = Graph::new(4, &[(0, 1), (2, 3)], None, false);
        assert_eq!(structure_findings(&two, left_out)[0].kind, "components");
    }

    #[test]
    fn homophily_is_told_from_chance() {
        let (graph, _) = cliques();
        let of = |class: &dyn Fn(u32) -> u32| {
            let classes: Vec<Option<u32>> = (0..21).map(|n| Some(class(n))).collect();
            Homophily::measure(&graph, &classes, Seed(1)).unwrap()
        };
        let blocks = of(&|n| n / 10);
        assert!((blocks.share - 90.0 / 91.0).abs() < 1e-9 && blocks.deviations() > 4.0);
        assert_eq!(blocks.finding().severity, Severity::Note);
        let mixed = of(&|n| n % 2);
        assert!(mixed.deviations().abs() < 4.0, "{mixed:?}");
        assert_eq!(mixed.finding().severity, Severity::Warning);
        assert_eq!(Homophily::measure(&graph, &[None; 21], Seed(1)), None);
    }

    #[test]
    fn duplicates_need_the_same_neighbours_or_many_features() {
        // Nodes 0 and 2 send to 1 alone, and have one feature; 3 and 4 have five, and other neighbours.
        let (graph, _) = Graph::new(6, &[(0, 1), (2, 1), (3, 1), (4, 5)], None, false);
        let rich = |node: u32| (0..5).map(move |f| (node, f, 1.0));
        let cells = [(0, 7, 1.0), (2, 7, 1.0), (5, 7, 1.0)];
        let cells = cells.into_iter().chain(rich(3)).chain(rich(4)).collect();
        let apart = SparseFeatures::new(6, 8, cells);
        let firsts = duplicates(&graph, &Table::default(), &[], Some(&apart));
        assert_eq!(firsts, [0, 1, 0, 3, 3, 5]);
        let across = duplicate_findings(
            "nodes",
            &firsts,
            Some(&[Some(0), Some(0), Some(1), None, Some(1), Some(1)]),
        );
        assert_eq!(across[0].evidence.rows, [3]);
        let colours = Column {
            name: "colour".into(),
            values: Values::Text {
                codes: vec![0, 0, 1, 0, 0, 0],
                dictionary: vec!["red".into(), "blue".into()],
            },
        };
        let table = Table {
            columns: vec![colours],
        };
        let firsts = duplicates(&graph, &table, &["colour"], Some(&apart));
        assert_eq!(firsts[2], 2, "another colour, another node");
    }

    #[test]
    fn graphs_are_the_same_whatever_the_order_of_their_nodes() {
        // A path of three, the same with its nodes in another order, a triangle, a path with other colours.
        let pairs = [
            (0, 1),
            (1, 2),
            (3, 4),
            (3, 5),
            (6, 7),
            (7, 8),
            (6, 8),
            (9, 10),
            (10, 11),
        ];
        let (graph, _) = Graph::new(12, &pairs, None, false);
        let colours = Column {
            name: "colour".into(),
            values: Values::Text {
                codes: vec![0, 1, 0, 1, 0, 0, 0, 1, 0, 1, 0, 1],
                dictionary: vec!["red".into(), "blue".into()],
            },
        };
        let nodes = Table {
            columns: vec![colours],
        };
        let firsts = same_graphs(&graph, &[0, 3, 6, 9, 12], &nodes);
        assert_eq!(firsts, [0, 0, 2, 3]);
        let across = duplicate_findings("graphs", &firsts, Some(&[Some(0), Some(1), None, None]));
        assert_eq!(across[0].kind, "graphs-across-parts");
    }

    #[test]
    fn a_test_part_of_hubs_is_noticed() {
        let mut pairs: Vec<(u32, u32)> = (0..100).map(|i| (i, (i + 1) % 100)).collect();
        pairs.extend((50..100).flat_map(|a| (a + 1..100).map(move |b| (a, b))));
        let (graph, _) = Graph::new(100, &pairs, None, false);
        let (low, high): (Vec<usize>, Vec<usize>) = ((0..50).collect(), (50..100).collect());
        assert!(degree_drift(&graph, &low, &high).is_some());
        let mixed: Vec<usize> = (0..100).step_by(2).collect();
        let others: Vec<usize> = (1..100).step_by(2).collect();
        assert_eq!(degree_drift(&graph, &mixed, &others), None);
    }
}
