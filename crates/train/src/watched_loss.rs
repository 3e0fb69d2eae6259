use candor_core::{Distribution, Metric, Targets};

/// The loss that early stopping watches: the metric itself, or a proper stand-in where it moves in jumps (accuracy and AUC do on
/// small sets; the proper score finds the better epoch) or is undefined.
pub fn watched_loss(metric: Metric, predicted: &Distribution, truth: &Targets) -> f64 {
    let metric = if metric.jumps() {
        Metric::LogLoss
    } else {
        metric
    };
    metric.score(predicted, truth).map_or_else(
        |_| {
            let stand_in = match predicted {
                Distribution::Categorical { .. } | Distribution::Bernoulli { .. } => {
                    Metric::LogLoss
                }
                Distribution::Gaussian { .. } | Distribution::Quantiles { .. } => Metric::Rmse,
            };
            stand_in.score(predicted, truth).unwrap_or(f64::NAN)
        },
        |score| metric.as_loss(score),
    )
}
