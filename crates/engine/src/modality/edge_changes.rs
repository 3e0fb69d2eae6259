//! What if other things went between series: changes as a person writes them, and whether models learned from as much.

use candor_core::did_you_mean;
use candor_core::wording::figure;
use candor_graph_series::{EdgeChange, SeriesUnits};

use crate::EngineError;

/// Edges that are named in an error, at most.
const NAMED: usize = 5;

/// `(from, to, least, most)`: what was seen to go from one series to another; of edges that stay the weight, twice. Ascending.
pub(super) type Range = (u32, u32, f32, f32);

fn refuse(problem: String) -> EngineError {
    EngineError::Setting {
        setting: "change",
        problem,
    }
}

/// Reads `FROM,TO=FACTOR`, where each end is a series or `*`.
pub(super) fn read(
    text: &str,
    nodes: &[String],
    ranges: &[Range],
) -> Result<EdgeChange, EngineError> {
    let (ends, factor) = text.rsplit_once('=').unwrap_or((text, "0"));
    let factor: f32 = factor
        .trim()
        .parse()
        .ok()
        .filter(|factor: &f32| factor.is_finite() && *factor >= 0.0)
        .ok_or_else(|| {
            refuse(format!(
                "`{factor}` in `{text}` is no factor: give a number from 0 on"
            ))
        })?;
    let place = |name: &str| match name.trim() {
        "*" => Some(None),
        name => {
            let found = nodes.iter().position(|node| node == name)?;
            Some(Some(found as u32))
        }
    };
    // A name may hold commas, too.
    let mut cuts = ends.match_indices(',').map(|(at, _)| ends.split_at(at));
    let (from, to) = cuts
        .find_map(|(from, to)| Some((place(from)?, place(&to[1..])?)))
        .ok_or_else(|| match ends.split_once(',') {
            None => refuse(format!(
                "`{text}` names no two series: write FROM,TO=FACTOR"
            )),
            Some((from, to)) => {
                let unknown = if place(from).is_none() { from } else { to }.trim();
                refuse(format!(
                    "there is no series `{unknown}`{}",
                    did_you_mean(unknown, nodes)
                ))
            }
        })?;
    let change = EdgeChange { from, to, factor };
    let meets = |&(a, b, _, most): &Range| EdgeChange::of(&[change], (a, b, most)) != most;
    if factor == 1.0 || ranges.iter().any(meets) {
        return Ok(change);
    }
    let name = |node: u32| nodes[node as usize].as_str();
    let beside = ranges
        .iter()
        .filter(|range| Some(range.0) == from && range.0 != range.1);
    let beside: Vec<String> = beside
        .take(NAMED)
        .map(|range| format!("`{}`", name(range.1)))
        .collect();
    let leads = match (from, beside.is_empty()) {
        (Some(from), false) => format!("; from `{}` it goes to {}", name(from), beside.join(", ")),
        _ => String::new(),
    };
    Err(refuse(format!("nothing goes where `{text}` says{leads}")))
}

/// Why what is told of units under some changes is extrapolation, in a sentence; nothing where each changed flow stays within what was seen between the same
/// two series.
pub(super) fn extrapolation(
    changes: &[EdgeChange],
    given: &SeriesUnits,
    nodes: &[String],
    ranges: &[Range],
) -> Option<String> {
    let Some(flows) = &given.series.flows else {
        return Some(
            "what joins the series never changed while the model learned: what it tells of other edges was not learned from any"
                .to_owned(),
        );
    };
    let end = given.windows.first()?.end as usize + 1;
    let (mut count, mut outside, mut example) = (0usize, 0usize, None);
    for moment in end.saturating_sub(given.history)..end {
        for &(from, to, much) in flows.at(moment) {
            let now = EdgeChange::of(changes, (from, to, much));
            if now == much {
                continue;
            }
            count += 1;
            let found = ranges.binary_search_by_key(&(from, to), |range| (range.0, range.1));
            let (least, most) = found.map_or((0.0, 0.0), |at| (ranges[at].2, ranges[at].3));
            if now < least || now > most {
                outside += 1;
                example.get_or_insert((from, to, now, least, most));
            }
        }
    }
    let (from, to, now, least, most) = example?;
    let name = |node: u32| nodes[node as usize].as_str();
    let [now, least, most] = [now, least, most].map(|v| figure(f64::from(v)));
    Some(format!(
        "{outside} of {count} changed flows are outside of what was seen between the same two series: {now} from `{}` to `{}`, where the model learned \
         from {least} to {most}",
        name(from),
        name(to)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_read_by_the_names_of_series() {
        let nodes = ["a", "b,c", "d"].map(str::to_owned);
        let ranges = [(0, 1, 1.0, 4.0), (1, 2, 2.0, 2.0)];
        let of = |text| read(text, &nodes, &ranges).map_err(|e| e.to_string());
        let change = |from, to, factor| EdgeChange { from, to, factor };
        assert_eq!(of("a,b,c=0.5"), Ok(change(Some(0), Some(1), 0.5)));
        assert_eq!(of("b,c,d"), Ok(change(Some(1), Some(2), 0.0)));
        assert_eq!(of("*, d = 2"), Ok(change(None, Some(2), 2.0)));
        for (text, said) in [
            ("a", "names no two series"),
            ("a,e", "there is no series `e`"),
            (
                "a,d",
                "nothing goes where `a,d` says; from `a` it goes to `b,c`",
            ),
            ("a,b,c=-1", "`-1` in `a,b,c=-1` is no factor"),
            ("a,b,c=x", "is no factor"),
        ] {
            let error = of(text).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }
}
