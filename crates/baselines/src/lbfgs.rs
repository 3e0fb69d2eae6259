//! Limited-memory BFGS with a backtracking line search (Nocedal and Wright 2006, algorithms 7.4, 7.5 and 3.1).

use std::collections::VecDeque;

use candor_core::{Clock, Stop};

/// Pairs of steps and gradient changes that are remembered.
const MEMORY: usize = 10;

/// Share of the slope that a step must deliver.
const SUFFICIENT: f64 = 1e-4;

/// How a minimisation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The gradient is small, or no step is better.
    Converged,
    /// The iterations are used up.
    Iterations,
    /// The clock stopped it after this many iterations.
    Stopped(Stop, usize),
}

struct Pair {
    step: Vec<f64>,
    change: Vec<f64>,
    curvature: f64,
}

/// Moves `x` to a minimum of a convex function; `evaluate` returns its value and writes its gradient.
///
/// Ends when no component of the gradient exceeds `tolerance`.
pub(crate) fn minimise(
    x: &mut Vec<f64>,
    mut evaluate: impl FnMut(&[f64], &mut [f64]) -> f64,
    iterations: usize,
    tolerance: f64,
    clock: &Clock,
) -> End {
    let mut gradient = vec![0.0; x.len()];
    let mut value = evaluate(x, &mut gradient);
    let mut memory: VecDeque<Pair> = VecDeque::with_capacity(MEMORY);
    let (mut next, mut next_gradient) = (x.clone(), gradient.clone());
    for iteration in 0..iterations {
        if let Some(stop) = clock.stop() {
            return End::Stopped(stop, iteration);
        }
        if gradient.iter().all(|g| g.abs() <= tolerance) {
            return End::Converged;
        }
        let direction = direction(&gradient, &memory);
        let slope = dot(&direction, &gradient);
        let mut length = if memory.is_empty() {
            dot(&gradient, &gradient).sqrt().recip().min(1.0)
        } else {
            1.0
        };
        let next_value = loop {
            for ((next, x), d) in next.iter_mut().zip(&*x).zip(&direction) {
                *next = x + length * d;
            }
            let next_value = evaluate(&next, &mut next_gradient);
            if next_value <= value + SUFFICIENT * length * slope {
                break next_value;
            }
            length *= 0.5;
            if length < 1e-10 {
                return End::Converged;
            }
        };
        let step: Vec<f64> = next.iter().zip(&*x).map(|(a, b)| a - b).collect();
        let change: Vec<f64> = next_gradient
            .iter()
            .zip(&gradient)
            .map(|(a, b)| a - b)
            .collect();
        let curvature = dot(&step, &change);
        if curvature > 1e-12 * dot(&change, &change) {
            if memory.len() == MEMORY {
                memory.pop_front();
            }
            memory.push_back(Pair {
                step,
                change,
                curvature,
            });
        }
        std::mem::swap(x, &mut next);
        std::mem::swap(&mut gradient, &mut next_gradient);
        value = next_value;
    }
    End::Iterations
}

/// Minus the approximate inverse hessian times the gradient, by the two-loop recursion.
fn direction(gradient: &[f64], memory: &VecDeque<Pair>) -> Vec<f64> {
    let mut q: Vec<f64> = gradient.iter().map(|g| -g).collect();
    let mut weights = Vec::with_capacity(memory.len());
    for pair in memory.iter().rev() {
        let weight = dot(&pair.step, &q) / pair.curvature;
        add(&mut q, -weight, &pair.change);
        weights.push(weight);
    }
    if let Some(last) = memory.back() {
        let scale = last.curvature / dot(&last.change, &last.change);
        q.iter_mut().for_each(|q| *q *= scale);
    }
    for (pair, weight) in memory.iter().zip(weights.iter().rev()) {
        let back = dot(&pair.change, &q) / pair.curvature;
        add(&mut q, weight - back, &pair.step);
    }
    q
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn add(to: &mut [f64], factor: f64, from: &[f64]) {
    to.iter_mut()
        .zip(from)
        .for_each(|(to, from)| *to += factor * from);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use candor_core::Interrupt;

    use super::*;

    fn bowl(x: &[f64], gradient: &mut [f64]) -> f64 {
        // Curvatures 1, 100 and 10 000, minimum at (1, 2, 3).
        let mut value = 0.0;
        for (i, (x, g)) in x.iter().zip(gradient).enumerate() {
            let (curvature, off) = (100f64.powi(i as i32), x - (i as f64 + 1.0));
            value += 0.5 * curvature * off * off;
            *g = curvature * off;
        }
        value
    }

    #[test]
    fn an_ill_conditioned_bowl_is_descended() {
        let mut x = vec![0.0; 3];
        assert_eq!(
            minimise(&mut x, bowl, 100, 1e-8, &Clock::unlimited()),
            End::Converged
        );
        for (x, at) in x.iter().zip([1.0, 2.0, 3.0]) {
            assert!((x - at).abs() < 1e-6, "{x}");
        }
    }

    #[test]
    fn a_stopped_clock_stops_it() {
        let clock = Clock::start(Some(Duration::ZERO), Duration::ZERO, Interrupt::default());
        let mut x = vec![0.0; 3];
        assert_eq!(
            minimise(&mut x, bowl, 100, 1e-8, &clock),
            End::Stopped(Stop::OutOfTime, 0)
        );
        assert_eq!(x, vec![0.0; 3]);
    }
}
