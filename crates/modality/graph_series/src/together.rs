use crate::{Calendar, Flows, KnownAhead, SensorGraph, Series};

/// How far the beginnings of two sources may be from whole steps apart, in steps; and how far two steps may differ, as a share.
const TOLERANCE: f64 = 0.01;
/// Cells that may be without a reading because their source had not begun or was over, for each reading.
const MOST_EMPTY: usize = 20;

/// Why series cannot be joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Apart {
    /// The source that does not fit the others.
    pub source: usize,
    /// What is wrong with it, in words.
    pub problem: String,
}

/// The series of several sources as one, on one clock: a series is called SOURCE/NAME, and is without readings before its source begins and after it ends.
/// Series of two sources have no edge between them. Where some sources have edges that change with time, only those count.
///
/// # Errors
/// When a source has no times, another step than the first one, or moments between those of the others; when hardly any cell would hold a reading.
pub fn together(sources: &[(&str, &Series)]) -> Result<Series, Apart> {
    let (calendar, offsets) = one_clock(sources)?;
    let steps = steps(sources, &offsets);
    let names = sources.iter().flat_map(|(source, series)| {
        let nodes = series.nodes.iter();
        nodes.map(move |node| format!("{source}/{node}"))
    });
    let nodes: Vec<String> = names.collect();
    let mut values = vec![f32::NAN; steps * nodes.len()];
    let mut moments = vec![Vec::new(); steps];
    let mut edges = Vec::new();
    let mut before = 0;
    for ((_, series), offset) in sources.iter().zip(&offsets) {
        let count = series.nodes.len();
        for (moment, row) in series.values.chunks_exact(count.max(1)).enumerate() {
            let place = (moment + offset) * nodes.len() + before;
            values[place..place + count].copy_from_slice(row);
        }
        let first = before as u32;
        if let Some(flows) = &series.flows {
            for moment in 0..series.steps() {
                let moved = flows.at(moment).iter();
                moments[moment + offset]
                    .extend(moved.map(|&(a, b, much)| (a + first, b + first, much)));
            }
        }
        if let Some(graph) = &series.graph {
            let weighted = graph.edges.iter().zip(&graph.weights);
            edges.extend(weighted.map(|(&(a, b), weight)| (a + first, b + first, *weight)));
        }
        before += count;
    }
    let any = |has: fn(&Series) -> bool| sources.iter().any(|(_, series)| has(series));
    let flow = any(|series| series.flows.is_some());
    let stand = !flow && any(|series| series.graph.is_some());
    Ok(Series {
        graph: stand.then(|| SensorGraph::new(nodes.len(), &edges)),
        flows: flow.then(|| Flows::new(nodes.len(), moments)),
        known: known(sources, &offsets, nodes.len()),
        places: places(sources),
        nodes,
        values,
        calendar,
    })
}

/// Where the series of all sources are; `None` unless all say it.
fn places(sources: &[(&str, &Series)]) -> Option<Vec<(f64, f64)>> {
    let each = sources.iter().map(|(_, series)| series.places.as_deref());
    Some(each.collect::<Option<Vec<_>>>()?.concat())
}

fn steps(sources: &[(&str, &Series)], offsets: &[usize]) -> usize {
    let ends = sources.iter().zip(offsets);
    ends.map(|((_, series), offset)| offset + series.steps())
        .max()
        .unwrap_or(0)
}

/// The calendar of all, and how many moments of it there are before each.
fn one_clock(sources: &[(&str, &Series)]) -> Result<(Calendar, Vec<usize>), Apart> {
    let mut clocks = Vec::with_capacity(sources.len());
    for (source, (_, series)) in sources.iter().enumerate() {
        let clock = series.calendar.start.zip(series.calendar.step);
        clocks.push(clock.ok_or_else(|| Apart {
            source,
            problem: "it has no times, so nobody knows which of its moments go with which of the others".into(),
        })?);
    }
    let step = clocks.first().map_or(1.0, |clock| clock.1);
    let first = clocks.iter().map(|c| c.0).fold(f64::INFINITY, f64::min);
    let mut offsets = Vec::with_capacity(sources.len());
    for (source, (start, own)) in clocks.iter().enumerate() {
        let apart = |problem| Err(Apart { source, problem });
        if (own - step).abs() > TOLERANCE * step {
            return apart(format!(
                "its moments are {own} seconds apart, those of the first source {step}"
            ));
        }
        let offset = (start - first) / step;
        if (offset - offset.round()).abs() > TOLERANCE {
            return apart("its moments lie between those of the others".into());
        }
        let readings = sources[source].1.values.len();
        let count = sources[source].1.nodes.len();
        if offset * count as f64 > (MOST_EMPTY * readings) as f64 {
            return apart(format!(
                "it begins {offset:.0} moments after the first of the others, and has few of its own"
            ));
        }
        offsets.push(offset.round() as usize);
    }
    let steps = steps(sources, &offsets);
    Ok((Calendar::from_times(first, step, steps), offsets))
}

/// What is known ahead, for each series; `None` unless all sources say the same things.
fn known(sources: &[(&str, &Series)], offsets: &[usize], nodes: usize) -> Option<KnownAhead> {
    let each = sources.iter().map(|(_, series)| series.known.as_ref());
    let each: Vec<&KnownAhead> = each.collect::<Option<_>>()?;
    let names = &each.first()?.names;
    let ends = each.iter().zip(offsets);
    let moments = ends.map(|(known, offset)| offset + known.moments()).max()?;
    let mut values = Vec::with_capacity(moments * names.len() * nodes);
    for moment in 0..moments as i64 {
        for column in 0..names.len() {
            for (((_, series), known), offset) in sources.iter().zip(&each).zip(offsets) {
                let own = 0..series.nodes.len();
                values.extend(own.map(|node| known.at(moment - *offset as i64, column, node)));
            }
        }
    }
    Some(KnownAhead {
        names: names.clone(),
        series: nodes,
        values,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: f64 = 86_400.0;

    /// `values` by moments; begins on a day.
    fn daily(nodes: &[&str], day: f64, values: &[f32]) -> Series {
        let steps = values.len() / nodes.len();
        Series {
            nodes: nodes.iter().map(|n| (*n).to_owned()).collect(),
            values: values.to_vec(),
            calendar: Calendar::from_times(day * DAY, DAY, steps),
            graph: None,
            flows: None,
            known: None,
            places: None,
        }
    }

    #[test]
    fn sources_stand_side_by_side_on_one_clock() {
        let mut early = daily(&["a", "b"], 4.0, &[1.0, 2.0, 3.0, 4.0]);
        let mut late = daily(&["a"], 5.0, &[5.0, 6.0]);
        early.flows = Some(Flows::new(2, vec![vec![(0, 1, 7.0)], vec![]]));
        late.flows = Some(Flows::new(1, vec![vec![], vec![(0, 0, 8.0)]]));
        let prices = |series, values: &[f32]| KnownAhead {
            names: vec!["price".into()],
            series,
            values: values.to_vec(),
        };
        early.known = Some(prices(2, &[0.1, 0.2, 0.3, 0.4, 0.5, 0.6]));
        late.known = Some(prices(1, &[0.7, 0.8, 0.9]));
        let both = together(&[("x", &early), ("y", &late)]).unwrap();
        assert_eq!(both.nodes, ["x/a", "x/b", "y/a"]);
        assert_eq!((both.steps(), both.calendar.start), (3, Some(4.0 * DAY)));
        let whole = |moment: i64| [0, 1, 2].map(|node| both.at(moment, node));
        assert!(whole(0)[2].is_nan() && whole(2)[0].is_nan() && whole(2)[1].is_nan());
        assert_eq!((whole(0)[1], whole(1)[2], whole(2)[2]), (2.0, 5.0, 6.0));
        let flows = both.flows.as_ref().unwrap();
        assert_eq!(flows.at(0), [(0, 1, 7.0)]);
        assert_eq!(flows.at(2), [(2, 2, 8.0)]);
        // Known ahead, one moment after the last reading of each.
        let known = both.known.as_ref().unwrap();
        assert_eq!(
            (known.at(2, 0, 1), known.at(1, 0, 2), known.at(3, 0, 2)),
            (0.6, 0.7, 0.9)
        );
        assert!(known.at(0, 0, 2).is_nan());
        assert!(both.check().is_ok());
    }

    #[test]
    fn what_has_another_clock_is_refused_by_its_number() {
        let one = daily(&["a"], 4.0, &[1.0; 9]);
        let source = |other: &Series| together(&[("x", &one), ("y", other)]).map_err(|e| e.source);
        assert!(source(&daily(&["a"], 9.0, &[1.0; 3])).is_ok());
        assert_eq!(source(&daily(&["a"], 4.5, &[1.0; 9])), Err(1));
        assert_eq!(source(&daily(&["a"], 900.0, &[1.0; 9])), Err(1));
        let mut other = one.clone();
        other.calendar.step = Some(3_600.0);
        assert_eq!(source(&other), Err(1));
        other.calendar.step = None;
        assert_eq!(source(&other), Err(1));
        assert_eq!(
            together(&[("y", &other), ("x", &one)]).map_err(|e| e.source),
            Err(0)
        );
    }
}
