use rand::{Rng, RngExt};

use crate::space::Cube;

/// Values that a choice of reals, or of very many integers, is cut into.
const BINS: usize = 16;

/// The controller's network: a recurrent policy that answers the choices of a space one after the other.
///
/// An LSTM of one layer is asked once for each active choice. What it sees is an embedding of the choice that is asked for and
/// an embedding of the last answer; embedding and input matrix are one, so an embedding has four numbers a hidden unit. A linear layer for
/// each choice turns the hidden state into the logits of its values. The last layers begin at zero: an untrained policy is uniform.
///
/// # Reference
/// Zoph & Le 2017, "Neural Architecture Search with Reinforcement Learning", section 3; Hochreiter & Schmidhuber 1997.
#[derive(Clone)]
pub(super) struct Policy {
    hidden: usize,
    /// For each choice, where its weights are; `None` for one that has a single value.
    choices: Vec<Option<Layout>>,
    /// All weights. First the recurrent ones, `[hidden, 4 * hidden]`, then the gates' biases.
    pub(super) weights: Vec<f32>,
}

/// Where the weights of one choice are.
#[derive(Clone, Copy)]
struct Layout {
    values: usize,
    /// `[4 * hidden]`: the embedding of the question.
    question: usize,
    /// `[values, 4 * hidden]`: embeddings of the answers.
    answers: usize,
    /// `[values, hidden]`, then `[values]`.
    head: usize,
}

/// One answered choice: which, and with what.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Token {
    choice: usize,
    value: usize,
}

/// What a pass through the network leaves for the way back, one entry a token.
#[derive(Default, Clone)]
pub(super) struct Trace {
    steps: Vec<Step>,
    /// Log-likelihood of all tokens.
    pub(super) log_likelihood: f32,
}

#[derive(Clone)]
struct Step {
    token: Token,
    before: Option<Token>,
    /// Gates after their nonlinearities: input, forget, candidate, output.
    gates: Vec<f32>,
    cell_before: Vec<f32>,
    cell: Vec<f32>,
    hidden_before: Vec<f32>,
    hidden: Vec<f32>,
    /// The distribution over the values.
    probabilities: Vec<f32>,
}

/// The state of the recurrence.
struct State {
    cell: Vec<f32>,
    hidden: Vec<f32>,
    gates: Vec<f32>,
    logits: Vec<f32>,
    last: Option<Token>,
}

impl Policy {
    pub(super) fn new<R: Rng>(cube: &Cube, hidden: usize, rng: &mut R) -> Policy {
        let mut size = hidden * 4 * hidden + 4 * hidden;
        let choices: Vec<Option<Layout>> = cube
            .axes
            .iter()
            .map(|axis| {
                let values = axis.levels.unwrap_or(BINS);
                let layout = Layout {
                    values,
                    question: size,
                    answers: size + 4 * hidden,
                    head: size + 4 * hidden * (values + 1),
                };
                if !axis.is_open() {
                    return None;
                }
                size = layout.head + values * (hidden + 1);
                Some(layout)
            })
            .collect();
        let mut policy = Policy {
            hidden,
            choices,
            weights: vec![0.0; size],
        };
        policy.draw(rng);
        policy
    }

    /// Draws all weights but those of the last layers; forget gates begin open.
    fn draw<R: Rng>(&mut self, rng: &mut R) {
        let gates = 4 * self.hidden;
        let recurrent = (3.0 / self.hidden as f32).sqrt();
        let (matrix, rest) = self.weights.split_at_mut(self.hidden * gates);
        matrix.fill_with(|| recurrent * rng.random_range(-1.0..1.0));
        rest[self.hidden..2 * self.hidden].fill(1.0);
        for layout in self.choices.iter().flatten() {
            self.weights[layout.question..layout.head].fill_with(|| rng.random_range(-1.0..1.0));
        }
    }

    /// The tokens of a point.
    pub(super) fn tokens(&self, cube: &Cube, point: &[f64]) -> Vec<Token> {
        let token = |(choice, layout): (usize, &Option<Layout>)| {
            let (layout, u) = (layout.as_ref()?, point[choice]);
            let axis = &cube.axes[choice];
            let value = match axis.levels {
                _ if u.is_nan() => return None,
                Some(_) => axis.level(u),
                None => ((u * layout.values as f64) as usize).min(layout.values - 1),
            };
            Some(Token { choice, value })
        };
        self.choices.iter().enumerate().filter_map(token).collect()
    }

    /// A point drawn from the policy at a temperature; 1 is the policy itself, more is closer to uniform.
    pub(super) fn sample<R: Rng>(&self, cube: &Cube, temperature: f32, rng: &mut R) -> Vec<f64> {
        let mut state = State::new(self.hidden);
        cube.build(|choice, axis| {
            let Some(layout) = self.choices[choice] else {
                return 0.0;
            };
            self.advance(&mut state, choice, layout);
            state
                .logits
                .iter_mut()
                .for_each(|logit| *logit /= temperature);
            softmax(&mut state.logits);
            let mut left = rng.random::<f32>();
            let drawn = state.logits.iter().position(|p| {
                left -= p;
                left < 0.0
            });
            let value = drawn.unwrap_or(layout.values - 1);
            state.last = Some(Token { choice, value });
            match axis.levels {
                Some(_) => axis.centre(value),
                None => (value as f64 + rng.random::<f64>()) / layout.values as f64,
            }
        })
    }

    /// The distribution over the values of each choice on the way of these tokens.
    pub(super) fn read(&self, tokens: &[Token], trace: &mut Trace) {
        let mut state = State::new(self.hidden);
        trace.log_likelihood = 0.0;
        trace.steps.truncate(tokens.len());
        for (place, &token) in tokens.iter().enumerate() {
            let Some(layout) = self.choices[token.choice] else {
                continue;
            };
            if trace.steps.len() == place {
                trace.steps.push(Step::new(token));
            }
            let step = &mut trace.steps[place];
            step.token = token;
            step.before = state.last;
            step.cell_before.clone_from(&state.cell);
            step.hidden_before.clone_from(&state.hidden);
            self.advance(&mut state, token.choice, layout);
            softmax(&mut state.logits);
            trace.log_likelihood += state.logits[token.value].max(f32::MIN_POSITIVE).ln();
            step.gates.clone_from(&state.gates);
            step.cell.clone_from(&state.cell);
            step.hidden.clone_from(&state.hidden);
            step.probabilities.clone_from(&state.logits);
            state.last = Some(token);
        }
    }

    /// One step of the recurrence; leaves the logits of the choice in the state.
    fn advance(&self, state: &mut State, choice: usize, layout: Layout) {
        debug_assert!(self.choices[choice].is_some());
        let (hidden, gates) = (self.hidden, 4 * self.hidden);
        let weights = &self.weights;
        let bias = &weights[hidden * gates..hidden * gates + gates];
        let question = &weights[layout.question..layout.question + gates];
        for ((gate, bias), question) in state.gates.iter_mut().zip(bias).zip(question) {
            *gate = bias + question;
        }
        if let Some((last, token)) = state.last.and_then(|t| Some((self.choices[t.choice]?, t))) {
            let answer = last.answers + token.value * gates;
            add_scaled(&mut state.gates, &weights[answer..answer + gates], 1.0);
        }
        for (row, &h) in weights[..hidden * gates]
            .chunks_exact(gates)
            .zip(&state.hidden)
        {
            add_scaled(&mut state.gates, row, h);
        }
        let (input, rest) = state.gates.split_at_mut(hidden);
        let (forget, rest) = rest.split_at_mut(hidden);
        let (candidate, output) = rest.split_at_mut(hidden);
        for unit in 0..hidden {
            input[unit] = sigmoid(input[unit]);
            forget[unit] = sigmoid(forget[unit]);
            candidate[unit] = tanh(candidate[unit]);
            output[unit] = sigmoid(output[unit]);
            state.cell[unit] = forget[unit] * state.cell[unit] + input[unit] * candidate[unit];
            state.hidden[unit] = output[unit] * tanh(state.cell[unit]);
        }
        let head = &weights[layout.head..layout.head + layout.values * (hidden + 1)];
        let (rows, bias) = head.split_at(layout.values * hidden);
        state.logits.clear();
        state.logits.extend(
            rows.chunks_exact(hidden)
                .zip(bias)
                .map(|(row, bias)| bias + product(row, &state.hidden)),
        );
    }

    /// Adds to `gradient` that of `-likelihood * (log-likelihood of the tokens) - entropy * (mean entropy of the answers)`.
    pub(super) fn add_gradient(
        &self,
        trace: &Trace,
        likelihood: f32,
        entropy: f32,
        gradient: &mut [f32],
    ) {
        let (hidden, gates) = (self.hidden, 4 * self.hidden);
        let entropy = entropy / trace.steps.len().max(1) as f32;
        let mut to_hidden = vec![0.0f32; hidden];
        let mut to_cell = vec![0.0f32; hidden];
        let mut to_gates = vec![0.0f32; gates];
        let mut to_logits = Vec::new();
        for step in trace.steps.iter().rev() {
            let Some(layout) = self.choices[step.token.choice] else {
                continue;
            };
            slope_of_logits(step, likelihood, entropy, &mut to_logits);
            let rows = layout.head..layout.head + layout.values * hidden;
            let bias = rows.end;
            for (value, &slope) in to_logits.iter().enumerate() {
                let row = rows.start + value * hidden;
                add_scaled(&mut gradient[row..row + hidden], &step.hidden, slope);
                add_scaled(&mut to_hidden, &self.weights[row..row + hidden], slope);
                gradient[bias + value] += slope;
            }
            step.slope_of_gates(&mut to_hidden, &mut to_cell, &mut to_gates);
            let biases = hidden * gates;
            add_scaled(&mut gradient[biases..biases + gates], &to_gates, 1.0);
            let question = layout.question;
            add_scaled(&mut gradient[question..question + gates], &to_gates, 1.0);
            if let Some((last, token)) =
                step.before.and_then(|t| Some((self.choices[t.choice]?, t)))
            {
                let answer = last.answers + token.value * gates;
                add_scaled(&mut gradient[answer..answer + gates], &to_gates, 1.0);
            }
            for (unit, to_hidden) in to_hidden.iter_mut().enumerate() {
                let row = unit * gates..(unit + 1) * gates;
                add_scaled(
                    &mut gradient[row.clone()],
                    &to_gates,
                    step.hidden_before[unit],
                );
                *to_hidden = product(&self.weights[row], &to_gates);
            }
        }
    }

    /// The distributions on the way of a trace, with the number of the choice of each.
    pub(super) fn distributions(trace: &Trace) -> impl Iterator<Item = (usize, &[f32])> {
        trace
            .steps
            .iter()
            .map(|step| (step.token.choice, step.probabilities.as_slice()))
    }
}

impl Step {
    fn new(token: Token) -> Step {
        Step {
            token,
            before: None,
            gates: Vec::new(),
            cell_before: Vec::new(),
            cell: Vec::new(),
            hidden_before: Vec::new(),
            hidden: Vec::new(),
            probabilities: Vec::new(),
        }
    }

    /// From the slopes of hidden state and cell to those of the gates before their nonlinearities; leaves the slope of the cell before.
    fn slope_of_gates(&self, to_hidden: &mut [f32], to_cell: &mut [f32], to_gates: &mut [f32]) {
        let hidden = to_hidden.len();
        for unit in 0..hidden {
            let gate = |which: usize| self.gates[which * hidden + unit];
            let (input, forget, candidate, output) = (gate(0), gate(1), gate(2), gate(3));
            let squashed = tanh(self.cell[unit]);
            let cell = to_cell[unit] + to_hidden[unit] * output * (1.0 - squashed * squashed);
            to_gates[unit] = cell * candidate * input * (1.0 - input);
            to_gates[hidden + unit] = cell * self.cell_before[unit] * forget * (1.0 - forget);
            to_gates[2 * hidden + unit] = cell * input * (1.0 - candidate * candidate);
            to_gates[3 * hidden + unit] = to_hidden[unit] * squashed * output * (1.0 - output);
            to_cell[unit] = cell * forget;
        }
    }
}

/// The gradient by the logits of one step, see [`Policy::add_gradient`].
fn slope_of_logits(step: &Step, likelihood: f32, entropy: f32, slopes: &mut Vec<f32>) {
    let log = |p: f32| p.max(f32::MIN_POSITIVE).ln();
    let total: f32 = step.probabilities.iter().map(|&p| -p * log(p)).sum();
    slopes.clear();
    slopes.extend(step.probabilities.iter().enumerate().map(|(value, &p)| {
        let chosen = f32::from(u8::from(value == step.token.value));
        likelihood * (p - chosen) + entropy * p * (log(p) + total)
    }));
}

impl State {
    fn new(hidden: usize) -> State {
        State {
            cell: vec![0.0; hidden],
            hidden: vec![0.0; hidden],
            gates: vec![0.0; 4 * hidden],
            logits: Vec::new(),
            last: None,
        }
    }
}

fn add_scaled(to: &mut [f32], from: &[f32], scale: f32) {
    for (to, from) in to.iter_mut().zip(from) {
        *to += scale * from;
    }
}

/// The sum of products, in eight sums side by side: one sum alone would wait for itself.
fn product(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0; 8];
    let (eights_a, rest_a) = a.as_chunks::<8>();
    let (eights_b, rest_b) = b.as_chunks::<8>();
    for (a, b) in eights_a.iter().zip(eights_b) {
        for lane in 0..8 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest: f32 = rest_a.iter().zip(rest_b).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}

fn sigmoid(x: f32) -> f32 {
    0.5 + 0.5 * tanh(0.5 * x)
}

/// The hyperbolic tangent as a fraction (Lambert's, cut after the seventh term), within 1e-4: it has no branches, so that several are worked out at once.
fn tanh(x: f32) -> f32 {
    let x = x.clamp(-4.97, 4.97);
    let s = x * x;
    let above = x * (135_135.0 + s * (17_325.0 + s * (378.0 + s)));
    let below = 135_135.0 + s * (62_370.0 + s * (3_150.0 + s * 28.0));
    above / below
}

fn softmax(logits: &mut [f32]) {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut total = 0.0;
    for logit in logits.iter_mut() {
        *logit = (*logit - most).exp();
        total += *logit;
    }
    logits.iter_mut().for_each(|p| *p /= total);
}

#[cfg(test)]
mod tests {
    use candor_core::Seed;

    use super::*;
    use crate::{Choice, Space};

    fn space() -> Space {
        Space::new(vec![
            Choice::categorical("kind", ["a", "b", "c"]),
            Choice::ordered("width", [1, 2, 4, 8]).when("kind", ["a", "b"]),
            Choice::reals("rate", 0.0, 1.0),
            Choice::categorical("fixed", ["only"]),
        ])
        .unwrap()
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        let space = space();
        let cube = Cube::new(&space);
        let mut rng = Seed(1).stream("test", &[]);
        let mut policy = Policy::new(&cube, 5, &mut rng);
        // Not at the uniform policy, where many slopes vanish.
        policy
            .weights
            .iter_mut()
            .for_each(|w| *w += rng.random_range(-0.5..0.5));
        let tokens = policy.tokens(&cube, &[0.5, 0.9, 0.33, 0.0]);
        assert_eq!(tokens.len(), 3, "one token for each choice that is open");
        let (likelihood, entropy) = (0.7, 0.4);
        let mut trace = Trace::default();
        let mut loss = |policy: &Policy| {
            policy.read(&tokens, &mut trace);
            let entropies = trace.steps.iter().map(|step| {
                let terms = step
                    .probabilities
                    .iter()
                    .map(|&p| -f64::from(p) * f64::from(p).ln());
                terms.sum::<f64>()
            });
            let mean = entropies.sum::<f64>() / 3.0;
            -likelihood * f64::from(trace.log_likelihood) - entropy * mean
        };
        let mut steps = Vec::new();
        for at in 0..policy.weights.len() {
            let step = 1e-2;
            let here = policy.weights[at];
            policy.weights[at] = here + step;
            let above = loss(&policy);
            policy.weights[at] = here - step;
            let below = loss(&policy);
            policy.weights[at] = here;
            steps.push((above - below) / f64::from(2.0 * step));
        }
        loss(&policy);
        let mut gradient = vec![0.0; policy.weights.len()];
        policy.add_gradient(&trace, likelihood as f32, entropy as f32, &mut gradient);
        let largest = steps.iter().fold(0.0, |a: f64, b| a.max(b.abs()));
        assert!(largest > 0.1);
        for (at, (slope, by_steps)) in gradient.iter().zip(&steps).enumerate() {
            assert!(
                (f64::from(*slope) - by_steps).abs() < 2e-3 * largest + 5e-5,
                "weight {at}: {slope}, by finite differences {by_steps}"
            );
        }
        assert!(gradient.iter().filter(|g| g.abs() > 1e-4).count() > gradient.len() / 4);
    }

    #[test]
    fn an_untrained_policy_is_uniform_and_draws_every_design() {
        let space = space();
        let cube = Cube::new(&space);
        let mut rng = Seed(2).stream("test", &[]);
        let policy = Policy::new(&cube, 8, &mut rng);
        let mut kinds = [0; 3];
        for _ in 0..3000 {
            let point = policy.sample(&cube, 1.0, &mut rng);
            kinds[cube.axes[0].level(point[0])] += 1;
            assert_eq!(point[1].is_nan(), point[0] > 0.7);
            assert!((0.0..1.0).contains(&point[2]) && cube.design(&point).is_some());
        }
        assert!(
            kinds.iter().all(|&count| (850..1150).contains(&count)),
            "{kinds:?}"
        );
    }
}
