use serde::{Deserialize, Serialize};

use crate::ChallengeError;
use crate::labelled::{check_finite, check_length};

const INSTRUMENT: &str = "Mahalanobis score";

/// Strangeness by normal distributions of embeddings: one a class with a common covariance, against one of all units together.
///
/// The relative score is the squared distance to the nearest class less that to the mean of all: directions in which all units
/// differ alike count in both and cancel. Without classes (regression, labels) there is nothing to be relative to, and the score is
/// the distance to the mean of all. Rows are brought to unit length first; covariances are shrunk towards a multiple
/// of the identity, so that they can be inverted however few rows there are.
///
/// # Reference
/// Lee et al. 2018, equation 2; Ren et al. 2021, equation 2 (relative); Chen et al. 2010, equation 23 (oracle-approximating shrinkage).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mahalanobis {
    width: usize,
    /// All units together.
    background: Normal,
    /// The common covariance of the classes, and their means in the space where it is the identity; none without classes.
    classes: Option<(Vec<Vec<f64>>, Normal)>,
}

/// A normal distribution by its mean and the lower triangle `L` with `L L' = covariance`, row-major.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Normal {
    mean: Vec<f64>,
    factor: Vec<f64>,
}

impl Mahalanobis {
    /// Fits the distributions on embeddings `[rows, width]` of training rows and, where there are any, their classes.
    ///
    /// # Errors
    /// When there is no row or column, rows are not whole, a number is not finite, or there is not one class a row.
    pub fn fit(
        embeddings: &[f32],
        width: usize,
        classes: Option<&[u32]>,
    ) -> Result<Mahalanobis, ChallengeError> {
        for (what, got) in [("columns", width), ("numbers", embeddings.len())] {
            if got == 0 {
                return Err(ChallengeError::TooFew {
                    instrument: INSTRUMENT,
                    what,
                    needed: 1,
                    got,
                });
            }
        }
        let count = embeddings.len() / width;
        check_length(
            INSTRUMENT,
            "numbers in whole rows",
            count * width,
            embeddings.len(),
        )?;
        check_finite(INSTRUMENT, "embedding", width, embeddings)?;
        let rows: Vec<Vec<f64>> = embeddings.chunks_exact(width).map(directed).collect();
        let mean = mean_of(rows.iter(), width);
        let centred: Vec<Vec<f64>> = rows.iter().map(|row| less(row, &mean)).collect();
        let background = Normal::of(mean, &centred);
        let classes = match classes {
            None => None,
            Some(classes) => {
                check_length(INSTRUMENT, "classes of rows", count, classes.len())?;
                let most = classes.iter().copied().max().unwrap_or(0) as usize;
                let members = |class: usize| {
                    let rows = rows.iter().zip(classes);
                    rows.filter(move |(_, c)| **c as usize == class)
                        .map(|(row, _)| row)
                };
                let mut means = Vec::new();
                let mut place = vec![usize::MAX; most + 1];
                for (class, place) in place.iter_mut().enumerate() {
                    if members(class).next().is_some() {
                        *place = means.len();
                        means.push(mean_of(members(class), width));
                    }
                }
                let within: Vec<Vec<f64>> = rows
                    .iter()
                    .zip(classes)
                    .map(|(row, &class)| less(row, &means[place[class as usize]]))
                    .collect();
                (means.len() > 1).then(|| {
                    let within = Normal::of(vec![0.0; width], &within);
                    let means = means.iter().map(|mean| within.whiten(mean));
                    (means.collect(), within)
                })
            }
        };
        Ok(Mahalanobis {
            width,
            background,
            classes,
        })
    }

    /// The score of each row `[rows, width]`: greater is stranger. Infinite for a row with a number that is not finite.
    ///
    /// # Errors
    /// When rows are not whole.
    pub fn score(&self, embeddings: &[f32]) -> Result<Vec<f64>, ChallengeError> {
        let whole = embeddings.len() / self.width * self.width;
        check_length(INSTRUMENT, "numbers in whole rows", whole, embeddings.len())?;
        let rows = embeddings.chunks_exact(self.width);
        Ok(rows.map(|row| self.score_one(row)).collect())
    }

    fn score_one(&self, row: &[f32]) -> f64 {
        if row.iter().any(|v| !v.is_finite()) {
            return f64::INFINITY;
        }
        let row = directed(row);
        let all = squared_length(&self.background.whiten(&less(&row, &self.background.mean)));
        let Some((means, within)) = &self.classes else {
            return all;
        };
        let row = within.whiten(&row);
        let nearest = means
            .iter()
            .map(|mean| squared_length(&less(&row, mean)))
            .fold(f64::INFINITY, f64::min);
        nearest - all
    }
}

impl Normal {
    /// From rows less their mean.
    fn of(mean: Vec<f64>, centred: &[Vec<f64>]) -> Normal {
        let width = mean.len();
        let n = centred.len() as f64;
        let mut covariance = vec![0.0; width * width];
        for row in centred {
            for i in 0..width {
                let scaled = row[i] / n;
                let line = &mut covariance[i * width..i * width + i + 1];
                line.iter_mut().zip(row).for_each(|(c, v)| *c += scaled * v);
            }
        }
        shrink(&mut covariance, width, n);
        factorise(&mut covariance, width);
        Normal {
            mean,
            factor: covariance,
        }
    }

    /// `L^-1 x`.
    fn whiten(&self, x: &[f64]) -> Vec<f64> {
        let width = x.len();
        let mut white: Vec<f64> = Vec::with_capacity(width);
        for (i, &value) in x.iter().enumerate() {
            let line = &self.factor[i * width..i * width + i];
            let known: f64 = line.iter().zip(&white).map(|(l, w)| l * w).sum();
            white.push((value - known) / self.factor[i * width + i]);
        }
        white
    }
}

/// Shrinks a lower triangle of a covariance towards a multiple of the identity.
fn shrink(covariance: &mut [f64], width: usize, n: f64) {
    let p = width as f64;
    let diagonal = |c: &[f64]| c.iter().step_by(width + 1).sum::<f64>();
    let trace = diagonal(covariance);
    let mut squares = 0.0;
    for i in 0..width {
        let line = &covariance[i * width..i * width + i + 1];
        let below: f64 = line[..i].iter().map(|c| c * c).sum();
        squares += 2.0 * below + line[i] * line[i];
    }
    let above = (1.0 - 2.0 / p) * squares + trace * trace;
    let below = (n + 1.0 - 2.0 / p) * (squares - trace * trace / p);
    let share = if below > 0.0 {
        (above / below).clamp(0.0, 1.0)
    } else {
        1.0
    };
    // Equal rows have no covariance at all.
    let usual = if trace > 0.0 { trace / p } else { 1.0 };
    covariance.iter_mut().for_each(|c| *c *= 1.0 - share);
    let diagonal = covariance.iter_mut().step_by(width + 1);
    diagonal.for_each(|c| *c += (share + 1e-9) * usual);
}

/// Cholesky's factor of a positive definite lower triangle, in place.
fn factorise(a: &mut [f64], width: usize) {
    for i in 0..width {
        let (done, rest) = a.split_at_mut(i * width);
        let line = &mut rest[..width];
        for j in 0..i {
            let other = &done[j * width..j * width + j + 1];
            let known: f64 = other[..j].iter().zip(&line[..j]).map(|(a, b)| a * b).sum();
            line[j] = (line[j] - known) / other[j];
        }
        let known: f64 = line[..i].iter().map(|v| v * v).sum();
        line[i] = (line[i] - known).max(f64::MIN_POSITIVE).sqrt();
    }
}

/// At unit length; a zero row stays zero.
fn directed(row: &[f32]) -> Vec<f64> {
    let length = row
        .iter()
        .map(|&v| f64::from(v).powi(2))
        .sum::<f64>()
        .sqrt();
    let length = if length > 0.0 { length } else { 1.0 };
    row.iter().map(|&v| f64::from(v) / length).collect()
}

fn mean_of<'a>(rows: impl Iterator<Item = &'a Vec<f64>>, width: usize) -> Vec<f64> {
    let (mut sum, mut count) = (vec![0.0; width], 0.0f64);
    for row in rows {
        sum.iter_mut().zip(row).for_each(|(s, v)| *s += v);
        count += 1.0;
    }
    sum.iter_mut().for_each(|s| *s /= count.max(1.0));
    sum
}

fn less(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

fn squared_length(v: &[f64]) -> f64 {
    v.iter().map(|v| v * v).sum()
}

#[cfg(test)]
mod tests {
    use candor_core::Seed;
    use rand::RngExt;

    use super::*;
    use crate::Detection;

    #[test]
    fn a_factor_solves_its_system() {
        // [[4, 2], [2, 5]] = L L' with L = [[2, 0], [1, 2]].
        let mut a = vec![4.0, 0.0, 2.0, 5.0];
        factorise(&mut a, 2);
        assert_eq!([a[0], a[2], a[3]], [2.0, 1.0, 2.0]);
        let normal = Normal {
            mean: vec![0.0; 2],
            factor: a,
        };
        assert_eq!(normal.whiten(&[2.0, 5.0]), [1.0, 2.0]);
    }

    #[test]
    fn the_relative_score_forgets_a_direction_that_all_share() {
        // Two classes along the first axis; the second axis varies widely in all units, the third hardly ever.
        let mut rng = Seed(1).stream("embeddings", &[]);
        let mut row = |class: u32, third: f32| -> [f32; 3] {
            let mut noise = || rng.random::<f32>() - 0.5;
            let side = if class == 0 { -1.0 } else { 1.0 };
            [side + 0.2 * noise(), 2.0 * noise(), third + 0.1 * noise()]
        };
        let classes: Vec<u32> = (0..400).map(|i| i % 2).collect();
        let known: Vec<f32> = classes.iter().flat_map(|&c| row(c, 0.0)).collect();
        let usual: Vec<f32> = classes.iter().flat_map(|&c| row(c, 0.0)).collect();
        let strange: Vec<f32> = classes.iter().flat_map(|&c| row(c, 1.0)).collect();
        for classes in [Some(classes.as_slice()), None] {
            let fitted = Mahalanobis::fit(&known, 3, classes).unwrap();
            let auroc = Detection::of(
                &fitted.score(&usual).unwrap(),
                &fitted.score(&strange).unwrap(),
            )
            .unwrap()
            .auroc;
            match classes {
                // The third axis is as strange to the classes as to all units, so that only the plain score sees it.
                Some(_) => assert!(auroc > 0.2, "{auroc}"),
                None => assert!(auroc > 0.99, "{auroc}"),
            }
        }
        // Between the classes: usual over all, strange to each class.
        let between: Vec<f32> = (0..200).flat_map(|_| [0.02f32, 1.0, 0.0]).collect();
        let fitted = Mahalanobis::fit(&known, 3, Some(&classes)).unwrap();
        let scores = (
            fitted.score(&usual).unwrap(),
            fitted.score(&between).unwrap(),
        );
        assert!(Detection::of(&scores.0, &scores.1).unwrap().auroc > 0.95);
    }

    #[test]
    fn degenerate_embeddings_have_finite_scores() {
        let constant = Mahalanobis::fit(&[1.0; 12], 4, Some(&[0, 1, 1])).unwrap();
        assert!(constant.score(&[1.0, 1.0, 1.0, 2.0]).unwrap()[0].is_finite());
        let zero = Mahalanobis::fit(&[0.0; 8], 4, None).unwrap();
        assert!(zero.score(&[0.0; 4]).unwrap()[0].is_finite());
        assert_eq!(
            zero.score(&[f32::NAN, 0.0, 0.0, 0.0]).unwrap(),
            [f64::INFINITY]
        );
        // More columns than rows, one row, one class.
        let one = Mahalanobis::fit(&[1.0, 2.0, 3.0], 3, Some(&[5])).unwrap();
        assert!(one.score(&[3.0, 2.0, 1.0]).unwrap()[0].is_finite());
        assert!(Mahalanobis::fit(&[], 3, None).is_err());
        assert!(Mahalanobis::fit(&[1.0; 3], 2, None).is_err());
        assert!(Mahalanobis::fit(&[f32::INFINITY; 2], 2, None).is_err());
        assert!(Mahalanobis::fit(&[1.0; 4], 2, Some(&[0])).is_err());
    }
}
