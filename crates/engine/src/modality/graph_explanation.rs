//! What the prediction of a node, or of a graph, rests on.

use std::collections::BTreeMap;
use std::ops::Range;

use candor_deploy::LoadedMember;
use candor_graph::{
    Drawing, Explanation as Masks, GraphLearner, GraphUnits, InputSource, draw, without_edge,
    without_features,
};

use super::graph::Described;
use super::{Asked, EdgeWorth, Explanation, FeatureWorth};
use crate::EngineError;

/// Edges, and as many features, whose effect is measured.
const TRIED: usize = 12;
/// Nodes and edges of a graph up to which effects are measured: each is a prediction in a changed graph.
const MOST_TRIED: usize = 200_000;

/// Masks over edges and features, the weighted mean of those of all networks in the ensemble, and what the ensemble's value loses without the
/// edges and features that they hold for most important. `None` where there is no network.
pub(super) fn explained(
    described: &Described,
    asked: &Asked,
) -> Result<Option<Explanation>, EngineError> {
    let units = &asked.inputs.units;
    let graph = units.get::<GraphUnits>()?;
    let (masks, share) = masks(asked)?;
    let Some(masks) = masks else {
        return Ok(None);
    };
    let names = Names {
        described,
        graph,
        first: graph.nodes_of(asked.unit).start,
    };
    let value = |units: GraphUnits| -> Result<f64, EngineError> {
        let values = (asked.value)(&units.units())?;
        Ok(values.first().copied().unwrap_or(f64::NAN))
    };
    let whole = value(graph.at(&[asked.unit]))?;
    let small = graph.graph.nodes() + graph.graph.edges().len() <= MOST_TRIED;
    let tried = |place: usize| small && place < TRIED;

    let mut edges = Vec::new();
    for (place, &(a, b, worth)) in masks.edges.iter().enumerate() {
        let effect = match tried(place) {
            true => Some(whole - value(without_edge(graph, asked.unit, [a, b]))?),
            false => None,
        };
        edges.push(EdgeWorth {
            between: [names.node(a), names.node(b)],
            worth: worth.into(),
            effect,
        });
    }
    // Columns may be several features each; they have the worth of the greatest.
    let mut by_name: BTreeMap<String, (f32, InputSource)> = BTreeMap::new();
    for &(source, worth) in &masks.features {
        let held = by_name
            .entry(names.feature(source))
            .or_insert((worth, source));
        if worth > held.0 {
            *held = (worth, source);
        }
    }
    let mut by_worth: Vec<(String, (f32, InputSource))> = by_name.into_iter().collect();
    by_worth.sort_by(|a, b| b.1.0.total_cmp(&a.1.0).then(a.0.cmp(&b.0)));
    let mut features = Vec::new();
    for (place, (name, (worth, source))) in by_worth.into_iter().enumerate() {
        let range = names.range(source).filter(|_| tried(place));
        let effect = match range {
            Some((table, apart)) => {
                let changed = without_features(graph, asked.unit, &masks.nodes, table, apart);
                Some(whole - value(changed)?)
            }
            None => None,
        };
        features.push(FeatureWorth {
            name,
            worth: worth.into(),
            effect,
        });
    }
    let unit = asked.inputs.names().map(|names| names[asked.unit].clone());
    let unit = unit.unwrap_or_else(|| (asked.unit + 1).to_string());
    let svg = draw(&Drawing {
        explanation: &masks,
        node: &|node| names.node(node),
        feature: &|source| names.feature(source),
        title: &format!("What the prediction of {unit} rests on"),
    });
    Ok(Some(Explanation {
        unit,
        value: whole,
        weights: Vec::new(),
        edges,
        features,
        masked_share: Some(share),
        svg,
    }))
}

/// The masks of all networks, and the share of the ensemble's weight that is theirs. Networks without any weight speak where no other does.
fn masks(asked: &Asked) -> Result<(Option<Masks>, f64), EngineError> {
    let all: f64 = asked.members.iter().map(|m| m.weight).sum();
    let networks = || {
        let members = asked.members.iter();
        members.filter(|m| m.member.is_network())
    };
    let voices: f64 = networks().map(|m| m.weight).sum();
    let mut said = Vec::new();
    for LoadedMember { weight, member, .. } in networks() {
        let weight = if voices > 0.0 { *weight } else { 1.0 };
        if weight <= 0.0 {
            continue;
        }
        let saved = member.save()?;
        let learnt = GraphLearner::explain(
            &saved.description,
            &saved.numbers,
            &asked.inputs.units,
            asked.unit,
            Some(asked.place),
        );
        said.extend(learnt?.map(|masks| (weight, masks)));
    }
    let share = if all > 0.0 { voices / all } else { 0.0 };
    Ok((Masks::mean(&said), share))
}

/// What nodes and features are called.
struct Names<'a> {
    described: &'a Described,
    graph: &'a GraphUnits,
    /// The first node of the unit.
    first: usize,
}

impl Names<'_> {
    /// Nodes of one of many graphs are numbered, as their table has them.
    fn node(&self, node: u32) -> String {
        match self.graph.starts {
            None => self.graph.ids[node as usize].clone(),
            Some(_) => format!("node {}", node as usize + 1 - self.first),
        }
    }

    fn feature(&self, source: InputSource) -> String {
        match source {
            InputSource::Table(feature) => self
                .column(feature)
                .map_or_else(|| format!("column {feature}"), str::to_owned),
            InputSource::Apart(place) => {
                let names = self.described.names.as_ref();
                let name = names.and_then(|names| names.get(place));
                name.map_or_else(|| format!("feature {place}"), Clone::clone)
            }
            InputSource::Edges => "number of edges".to_owned(),
        }
    }

    fn column(&self, feature: usize) -> Option<&str> {
        let encoder = self.described.encoder.as_ref()?;
        let mut columns = encoder.columns().into_iter();
        columns.find(|column| encoder.features_of(column).contains(&feature))
    }

    /// The features of the table, and of those given apart, that go when the named one goes.
    fn range(&self, source: InputSource) -> Option<(Range<usize>, Range<usize>)> {
        match source {
            InputSource::Table(feature) => {
                let encoder = self.described.encoder.as_ref()?;
                Some((encoder.features_of(self.column(feature)?), 0..0))
            }
            InputSource::Apart(place) => Some((0..0, place..place + 1)),
            InputSource::Edges => None,
        }
    }
}
