use candor_core::{Distribution, PredictionError};
use candor_train::NetworkPrediction;

/// What a network says of units at which it looks so many times, once at least, the mean over the looks: the mixture, and the embeddings with their width.
///
/// # Errors
/// Never for what networks predict.
pub(crate) fn mean_of_votes(
    votes: usize,
    look: impl Fn(usize) -> NetworkPrediction,
) -> Result<(Distribution, Vec<f32>, usize), PredictionError> {
    let first = look(0);
    let mut said = vec![first.mixture()?];
    let mut embedding = first.embedding;
    for vote in 1..votes {
        let more = look(vote);
        said.push(more.mixture()?);
        for (sum, value) in embedding.iter_mut().zip(&more.embedding) {
            *sum += value;
        }
    }
    let share = 1.0 / said.len() as f32;
    embedding.iter_mut().for_each(|value| *value *= share);
    let weighed: Vec<(f64, &Distribution)> = said.iter().map(|said| (1.0, said)).collect();
    Ok((Distribution::mixture(&weighed)?, embedding, first.width))
}
