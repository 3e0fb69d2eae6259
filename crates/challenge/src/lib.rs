//! Instruments that judge predictions, and the gates and verdicts made of them.
//!
//! Everything here works on values: predictive distributions, true values, scores and embeddings.
//! Nothing knows of tensors, networks or files. One instrument a file:
//!
//! | question | instrument |
//! | --- | --- |
//! | Do stated probabilities happen as often as stated? | [`CalibrationError`], [`IntervalCalibration`] |
//! | Can one number, or a curve, repair them? | [`Recalibration`], [`Isotonic`] |
//! | How exact is a score? | [`Bootstrap`] |
//! | Is one model better than another? | [`PairedComparison`], [`McNemar`] |
//! | Which sets or intervals hold the truth as often as promised? | [`ConformalClassifier`], [`ConformalLabelSets`], [`ConformalRegressor`], [`ConformalQuantileRegressor`]; for each group or class [`MondrianClassifier`]; lists of labels [`LabelRiskControl`] |
//! | Do they keep the promise, for every class and group? | [`CoverageReport`], [`ResplitReport`] |
//! | Is the doubt in the data or in the model? | [`Uncertainty`] |
//! | Is this input unlike the training data? | [`OodDetector`], [`Mahalanobis`], [`energy`], [`Detection`] |
//! | Is what came unlike what was forecast? | [`Surprise`] |
//! | Is a whole batch unlike it? | [`ShiftReference`], [`ShiftWatch`] |
//! | When should the model keep silent? | [`RiskCoverage`], [`Gate`], [`PromiseReport`], [`AbstentionRule`] |
//! | Which labels are probably wrong? | [`LabelReview`] of [`ConfidentJoint`] and [`OutlyingValues`] |
//! | Did it learn, or remember? | [`Memorisation`], [`MembershipInference`] |
//! | Is all that good enough? | [`Gates`] |

mod abstention;
mod binomial;
mod bootstrap;
mod calibration_error;
mod confident_learning;
mod conformal;
mod correctness;
mod coverage;
mod detection;
mod diebold_mariano;
mod empirical;
mod energy;
mod error;
mod error_law;
mod gate;
mod gates;
mod interval_calibration;
mod isotonic;
mod kolmogorov_smirnov;
mod label_review;
mod labelled;
mod mahalanobis;
mod membership;
mod memorisation;
mod ood;
mod outlying_values;
mod paired;
mod promise;
mod resplit;
mod risk_coverage;
mod shift;
mod spread_scale;
mod temperature;
mod uncertainty;

pub use abstention::{AbstentionRule, Reason};
pub use binomial::{ProportionInterval, clopper_pearson, clopper_pearson_upper};
pub use bootstrap::{Bootstrap, Interval, IntervalMethod};
pub use calibration_error::{
    CalibrationError, DEFAULT_BINS, NullDistribution, ReliabilityBin, reliability,
};
pub use confident_learning::ConfidentJoint;
pub use conformal::{
    AdaptiveConformal, AdaptiveIntervals, ConformalClassifier, ConformalLabelSets, ConformalMethod,
    ConformalQuantileRegressor, ConformalRegressor, Followed, LabelRiskControl, MissedLabels,
    MondrianClassifier, Surprise, Taxonomy, coverage_law, quantile,
};
pub use correctness::Correctness;
pub use coverage::{CoverageReport, Slice, SliceCoverage, SliceKind};
pub use detection::Detection;
pub use diebold_mariano::DieboldMariano;
pub use empirical::standard_deviation;
pub use energy::energy;
pub use error::ChallengeError;
pub use error_law::ErrorLaw;
pub use gate::{AcceptedRisk, Gate};
pub use gates::{Gates, Jury};
pub use interval_calibration::{IntervalCalibration, LevelCoverage};
pub use isotonic::{Isotonic, RisingCurve};
pub use kolmogorov_smirnov::KsTest;
pub use label_review::{LabelReview, LabelValue, Suspect};
pub use mahalanobis::Mahalanobis;
pub use membership::MembershipInference;
pub use memorisation::Memorisation;
pub use ood::{ConformalPValue, KnnBank, OodDetector, Space};
pub use outlying_values::OutlyingValues;
pub use paired::{McNemar, PairedComparison};
pub use promise::PromiseReport;
pub use resplit::ResplitReport;
pub use risk_coverage::{RiskCoverage, RiskPoint};
pub use shift::{BatchShift, ColumnShift, ShiftReference, ShiftWatch};
pub use spread_scale::SpreadScale;
pub use temperature::{Recalibration, Temperature, VarianceScale};
pub use uncertainty::{TargetUncertainty, Uncertainty, Voice};
