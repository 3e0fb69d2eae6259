use serde::{Deserialize, Serialize};

use crate::ChallengeError;
use crate::empirical::runs;
use crate::labelled::{check_finite, check_length};

const INSTRUMENT: &str = "risk-coverage curve";

/// Points of the curve that are kept for plots, at most.
const MAX_POINTS: usize = 200;

/// What accepting only the most confident units gives.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RiskPoint {
    /// Share of units that are accepted.
    pub coverage: f64,
    /// Their mean loss.
    pub risk: f64,
    /// The least confidence among them.
    pub min_confidence: f64,
}

/// The mean loss of the accepted units against their share, from the most confident down.
///
/// # Reference
/// El-Yaniv & Wiener 2010 for the curve; Geifman et al. 2019, section 3, for the areas.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RiskCoverage {
    /// At most 200 points, by rising coverage; the last accepts everything.
    pub points: Vec<RiskPoint>,
    /// Area under the curve: the mean risk over all coverages `1/n, 2/n, ..., 1`. Units of equal confidence
    /// count with the mean over their orders.
    pub aurc: f64,
    /// The area beyond that of the best possible order: how much is lost by confidence that does not
    /// know where the errors are. 0 is perfect.
    pub excess_aurc: f64,
    /// The mean loss of all units.
    pub full_risk: f64,
}

impl RiskCoverage {
    /// The curve of units with these confidences (greater is surer) and losses.
    ///
    /// # Errors
    /// When there are no units, lengths differ, or a number is not finite.
    pub fn of(confidence: &[f64], loss: &[f64]) -> Result<RiskCoverage, ChallengeError> {
        check_length(INSTRUMENT, "losses", confidence.len(), loss.len())?;
        check_finite(INSTRUMENT, "confidence", 1, confidence)?;
        check_finite(INSTRUMENT, "loss", 1, loss)?;
        if loss.is_empty() {
            return Err(ChallengeError::TooFew {
                instrument: INSTRUMENT,
                what: "units",
                needed: 1,
                got: 0,
            });
        }
        let mut order: Vec<usize> = (0..loss.len()).collect();
        order.sort_by(|&a, &b| confidence[b].total_cmp(&confidence[a]));
        let scores: Vec<f64> = order.iter().map(|&i| confidence[i]).collect();
        let losses: Vec<f64> = order.iter().map(|&i| loss[i]).collect();
        let (points, aurc) = walk(&scores, &losses);
        let mut best = loss.to_vec();
        best.sort_by(f64::total_cmp);
        let ranks: Vec<f64> = (0..best.len()).map(|i| -(i as f64)).collect();
        let (_, least) = walk(&ranks, &best);
        Ok(RiskCoverage {
            full_risk: points.last().map_or(0.0, |point| point.risk),
            points: thinned(points),
            aurc,
            excess_aurc: (aurc - least).max(0.0),
        })
    }
}

/// The points at distinct scores and the area; `scores` fall.
fn walk(scores: &[f64], losses: &[f64]) -> (Vec<RiskPoint>, f64) {
    let n = scores.len() as f64;
    let (mut points, mut sum, mut area) = (Vec::new(), 0.0, 0.0);
    for (start, end) in runs(scores) {
        let loss = losses[start..end].iter().sum::<f64>();
        let each = loss / (end - start) as f64;
        for accepted in start + 1..=end {
            area += (sum + each * (accepted - start) as f64) / accepted as f64;
        }
        sum += loss;
        points.push(RiskPoint {
            coverage: end as f64 / n,
            risk: sum / end as f64,
            min_confidence: scores[start],
        });
    }
    (points, area / n)
}

/// Evenly spaced points, the first and the last among them.
fn thinned(points: Vec<RiskPoint>) -> Vec<RiskPoint> {
    if points.len() <= MAX_POINTS {
        return points;
    }
    let last = points.len() - 1;
    (0..MAX_POINTS)
        .map(|i| points[i * last / (MAX_POINTS - 1)])
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn areas_worked_by_hand() {
        // Losses by falling confidence 0 1 0: risks 0, 1/2, 1/3; the best order has 0, 0, 1/3.
        let curve = RiskCoverage::of(&[0.9, 0.1, 0.5], &[0.0, 0.0, 1.0]).unwrap();
        let risks: Vec<f64> = curve.points.iter().map(|p| p.risk).collect();
        assert_eq!(risks, [0.0, 0.5, 1.0 / 3.0]);
        assert!((curve.aurc - (0.5 + 1.0 / 3.0) / 3.0).abs() < 1e-12);
        assert!((curve.excess_aurc - 0.5 / 3.0).abs() < 1e-12);
        assert_eq!(curve.points[1].min_confidence, 0.5);
    }

    #[test]
    fn constant_confidence_has_the_full_risk_everywhere() {
        let curve = RiskCoverage::of(&[0.7; 4], &[1.0, 0.0, 0.0, 0.0]).unwrap();
        assert_eq!(
            (curve.points.len(), curve.aurc, curve.full_risk),
            (1, 0.25, 0.25)
        );
    }

    #[test]
    fn one_unit_and_none() {
        let one = RiskCoverage::of(&[0.3], &[1.0]).unwrap();
        assert_eq!((one.aurc, one.excess_aurc), (1.0, 0.0));
        assert!(RiskCoverage::of(&[], &[]).is_err());
        assert!(RiskCoverage::of(&[1.0], &[]).is_err());
        assert!(RiskCoverage::of(&[f64::NAN], &[1.0]).is_err());
    }

    #[test]
    fn long_curves_are_thinned_and_keep_their_end() {
        let confidence: Vec<f64> = (0..1000).map(f64::from).collect();
        let curve = RiskCoverage::of(&confidence, &[1.0; 1000]).unwrap();
        assert_eq!(curve.points.len(), 200);
        assert_eq!(curve.points[199].coverage, 1.0);
    }

    proptest! {
        #[test]
        fn the_order_of_units_does_not_matter(
            units in prop::collection::vec((0u8..5, prop::bool::ANY), 1..30),
        ) {
            let of = |units: &[(u8, bool)]| {
                let confidence: Vec<f64> = units.iter().map(|u| f64::from(u.0)).collect();
                let loss: Vec<f64> = units.iter().map(|u| f64::from(u.1)).collect();
                RiskCoverage::of(&confidence, &loss).unwrap()
            };
            let mut reversed = units.clone();
            reversed.reverse();
            let (forth, back) = (of(&units), of(&reversed));
            prop_assert!((forth.aurc - back.aurc).abs() < 1e-12);
            prop_assert!(forth.excess_aurc >= 0.0);
        }
    }
}
