//! Instruments that judge predictions, and the gates and verdicts made of them.
//!
//! Everything here works on values: predictive distributions, true values, scores and embeddings.
//! Nothing knows of tensors, networks or files. One instrument a file:
//!
//! | question | instrument |
//! | --- | --- |
//! | Do stated probabilities happen as often as stated? | [`CalibrationError`], [`IntervalCalibration`] |
//! | Can one number repair them? | [`Recalibration`] |
//! | How exact is a score? | [`Bootstrap`] |
//! | Is one model better than another? | [`PairedComparison`], [`McNemar`] |
//! | Which sets or intervals hold the truth as often as promised? | [`ConformalClassifier`], [`ConformalLabelSets`], [`ConformalRegressor`], [`ConformalQuantileRegressor`] |
//! | Do they keep the promise, for every class and group? | [`CoverageReport`], [`ResplitReport`] |
//! | Is the doubt in the data or in the model? | [`Uncertainty`] |
//! | Is this input unlike the training data? | [`OodDetector`], [`Detection`] |
//! | When should the model keep silent? | [`RiskCoverage`], [`Gate`], [`AbstentionRule`] |
//! | Did it learn, or remember? | [`Memorisation`] |
//! | Is all that good enough? | [`Gates`] |

mod abstention;
mod binomial;
mod bootstrap;
mod calibration_error;
mod conformal;
mod correctness;
mod coverage;
mod detection;
mod empirical;
mod error;
mod gate;
mod gates;
mod interval_calibration;
mod kolmogorov_smirnov;
mod labelled;
mod memorisation;
mod ood;
mod paired;
mod resplit;
mod risk_coverage;
mod spread_scale;
mod temperature;
mod uncertainty;

pub use abstention::{AbstentionRule, Reason};
pub use binomial::{ProportionInterval, clopper_pearson, clopper_pearson_upper};
pub use bootstrap::{Bootstrap, Interval, IntervalMethod};
pub use calibration_error::{
    CalibrationError, DEFAULT_BINS, NullDistribution, ReliabilityBin, reliability,
};
pub use conformal::{
    AdaptiveConformal, ConformalClassifier, ConformalLabelSets, ConformalMethod,
    ConformalQuantileRegressor, ConformalRegressor, coverage_law, quantile,
};
pub use correctness::Correctness;
pub use coverage::{CoverageReport, Slice, SliceCoverage, SliceKind};
pub use detection::Detection;
pub use error::ChallengeError;
pub use gate::{AcceptedRisk, Gate};
pub use gates::{Gates, Jury};
pub use interval_calibration::{IntervalCalibration, LevelCoverage};
pub use kolmogorov_smirnov::KsTest;
pub use memorisation::Memorisation;
pub use ood::{ConformalPValue, KnnBank, OodDetector, Space};
pub use paired::{McNemar, PairedComparison};
pub use resplit::ResplitReport;
pub use risk_coverage::{RiskCoverage, RiskPoint};
pub use spread_scale::SpreadScale;
pub use temperature::{Recalibration, Temperature, VarianceScale};
pub use uncertainty::{TargetUncertainty, Uncertainty};
