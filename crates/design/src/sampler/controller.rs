use candor_core::Seed;
use rand_chacha::ChaCha8Rng;

use super::notebook::{Notebook, Trials};
use super::policy::{Policy, Token, Trace};
use crate::space::Cube;
use crate::{Design, DesignError, Observation, Sampler, Space};

/// The controller: a recurrent network that proposes networks, trained by reinforcement on how they did.
///
/// The network is asked one choice after the other and sees its earlier answers. Its policy is trained after every
/// few results, on the latest trials by the policy gradient with a moving-average baseline and the clipped ratio of PPO, and
/// on the best of all trials by their likelihood (replay); a bonus for entropy keeps it from settling early. The
/// first trials, drawn at random or made by hand, train it before it proposes anything.
///
/// The reward of a trial is the share of all trials that it beats, times `(parameters / target)^exponent` where there is a
/// [`SizeTarget`]: ranks do not depend on the scale of the loss, and no outlier can dominate.
///
/// # Reference
/// Zoph & Le 2017 (policy, baseline); Schulman et al. 2017 (clipping); Abolafia et al. 2018, "Neural Program Synthesis with
/// Priority Queue Training" (replay of the best); Tan et al. 2019, "MnasNet" (the reward's second factor).
pub struct Controller {
    settings: ControllerSettings,
    seed: Seed,
    notebook: Notebook,
    learner: Option<Learner>,
}

/// The numbers of a [`Controller`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ControllerSettings {
    /// Hidden units of the recurrent network; at least 1.
    pub hidden: usize,
    /// Trials drawn at random before the policy proposes.
    pub start: usize,
    /// Results between two trainings; at least 1.
    pub every: usize,
    /// Steps of the optimiser in a training.
    pub steps: usize,
    /// Learning rate of Adam.
    pub learning_rate: f32,
    /// Latest trials that a step sees.
    pub latest: usize,
    /// Best trials that a step sees.
    pub best: usize,
    /// Weight of the policy gradient on the latest trials.
    pub gradient: f32,
    /// Weight of the likelihood of the best trials.
    pub replay: f32,
    /// Weight of the entropy.
    pub entropy: f32,
    /// How much of the baseline stays from one trial to the next.
    pub memory: f32,
    /// How far the ratio of new and old likelihood may leave 1 before a trial no longer counts (PPO's epsilon).
    pub clip: f32,
    /// Whether, and how strongly, smaller networks earn more.
    pub size: Option<SizeTarget>,
}

/// A wish for small networks: the reward is multiplied by `(parameters / target)^exponent`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SizeTarget {
    /// Parameters at which the factor is 1; above 0.
    pub parameters: f64,
    /// Below 0; -0.07 in MnasNet.
    pub exponent: f64,
}

impl Default for ControllerSettings {
    fn default() -> ControllerSettings {
        ControllerSettings {
            hidden: 16,
            start: 20,
            every: 2,
            steps: 1,
            learning_rate: 0.03,
            latest: 8,
            best: 4,
            gradient: 1.0,
            replay: 1.0,
            entropy: 0.3,
            memory: 0.9,
            clip: 0.2,
            size: None,
        }
    }
}

/// Draws from the policy before an untried design is drawn uniformly.
const TRIES: usize = 64;
/// How much hotter each draw is than the one before, once designs come up that were tried.
const HEATING: f32 = 0.1;

/// Designs over which preferences are averaged.
const PATHS: usize = 64;

/// The policy with what its training needs.
struct Learner {
    policy: Policy,
    adam: Adam,
    tokens: Vec<Vec<Token>>,
    gradient: Vec<f32>,
    trace: Trace,
}

impl Controller {
    /// A controller whose first weights come from `seed`.
    pub fn new(settings: ControllerSettings, seed: Seed) -> Controller {
        Controller {
            settings,
            seed,
            notebook: Notebook::default(),
            learner: None,
        }
    }

    /// Trains on what is new in the history, result by result: what comes out does not depend on how often it was called.
    fn study(&mut self, space: &Space, cube: &Cube, history: &[Observation]) {
        if !self.notebook.holds(space, history) {
            self.notebook = Notebook::default();
            self.learner = None;
        }
        let known = self.notebook.len();
        let learner = self.learner.get_or_insert_with(|| {
            let mut rng = self.seed.stream("policy", &[]);
            Learner::new(Policy::new(cube, self.settings.hidden.max(1), &mut rng))
        });
        for until in known + 1..=history.len() {
            let trials = self.notebook.read(space, cube, &history[..until]);
            if until % self.settings.every.max(1) == 0 {
                learner.train(cube, &trials, &self.settings);
            }
        }
    }

    /// What the policy has come to prefer after this history: for each choice of the space, the mean probability of each of its values over
    /// designs that are drawn from it; reals are cut into 16 equal parts. Empty for a choice that was never asked for.
    pub fn preferences(&mut self, space: &Space, history: &[Observation]) -> Vec<Vec<f32>> {
        let cube = Cube::new(space);
        self.study(space, &cube, history);
        let mut preferences = vec![Vec::new(); cube.axes.len()];
        let Some(learner) = &self.learner else {
            return preferences;
        };
        let mut rng = self.seed.stream("preferences", &[]);
        let mut asked = vec![0.0f32; cube.axes.len()];
        let mut trace = Trace::default();
        for _ in 0..PATHS {
            let point = learner.policy.sample(&cube, 1.0, &mut rng);
            learner
                .policy
                .read(&learner.policy.tokens(&cube, &point), &mut trace);
            for (choice, probabilities) in Policy::distributions(&trace) {
                preferences[choice].resize(probabilities.len(), 0.0);
                let sums = preferences[choice].iter_mut().zip(probabilities);
                sums.for_each(|(sum, p)| *sum += p);
                asked[choice] += 1.0;
            }
        }
        for (sums, asked) in preferences.iter_mut().zip(asked) {
            sums.iter_mut().for_each(|sum| *sum /= asked);
        }
        preferences
    }

    /// A design drawn from the policy as it is after this history, untried where possible; `None` when all that were drawn are excluded
    /// by the space's rule or were tried.
    fn propose(
        &mut self,
        space: &Space,
        cube: &Cube,
        history: &[Observation],
        rng: &mut ChaCha8Rng,
    ) -> Option<Design> {
        self.study(space, cube, history);
        let trials = self.notebook.read(space, cube, history);
        let policy = &self.learner.as_ref()?.policy;
        (0..TRIES).find_map(|attempt| {
            let point = policy.sample(cube, 1.0 + HEATING * attempt as f32, rng);
            if trials.seen.contains(&Cube::key(&point)) {
                return None;
            }
            cube.design(&point)
        })
    }
}

impl Sampler for Controller {
    fn name(&self) -> &'static str {
        "controller"
    }

    fn suggest(
        &mut self,
        space: &Space,
        history: &[Observation],
        rng: &mut ChaCha8Rng,
    ) -> Result<Design, DesignError> {
        let cube = Cube::new(space);
        if history.len() < self.settings.start {
            return space.sample(rng);
        }
        let proposed = self.propose(space, &cube, history, rng);
        proposed.map_or_else(|| space.sample(rng), Ok)
    }
}

impl Learner {
    fn new(policy: Policy) -> Learner {
        Learner {
            adam: Adam::new(policy.weights.len()),
            gradient: vec![0.0; policy.weights.len()],
            policy,
            tokens: Vec::new(),
            trace: Trace::default(),
        }
    }

    /// One training: some steps on the latest and the best trials.
    fn train(&mut self, cube: &Cube, trials: &Trials, settings: &ControllerSettings) {
        for trial in &trials.all[self.tokens.len().min(trials.all.len())..] {
            self.tokens.push(self.policy.tokens(cube, &trial.point));
        }
        let order = trials.ranked();
        let rewards = rewards(trials, &order, settings);
        let latest = trials.all.len().saturating_sub(settings.latest)..trials.all.len();
        let advantages = advantages(&rewards, settings.memory);
        let best = &order[..settings.best.min(order.len())];
        let best: Vec<usize> = best
            .iter()
            .copied()
            .filter(|&i| trials.all[i].loss.is_finite())
            .collect();
        let mut old: Vec<f32> = Vec::with_capacity(latest.len());
        for step in 0..settings.steps {
            self.gradient.fill(0.0);
            let share = 1.0 / latest.len().max(1) as f32;
            for (place, i) in latest.clone().enumerate() {
                self.policy.read(&self.tokens[i], &mut self.trace);
                if step == 0 {
                    old.push(self.trace.log_likelihood);
                }
                let ratio = (self.trace.log_likelihood - old[place]).exp();
                let advantage = advantages[i];
                let beyond = if advantage > 0.0 {
                    ratio > 1.0 + settings.clip
                } else {
                    ratio < 1.0 - settings.clip
                };
                let push = if beyond {
                    0.0
                } else {
                    settings.gradient * advantage * ratio
                };
                let entropy = settings.entropy * share;
                self.policy
                    .add_gradient(&self.trace, push * share, entropy, &mut self.gradient);
            }
            for &i in &best {
                self.policy.read(&self.tokens[i], &mut self.trace);
                let pull = settings.replay / best.len() as f32;
                self.policy
                    .add_gradient(&self.trace, pull, 0.0, &mut self.gradient);
            }
            self.adam.step(
                &mut self.policy.weights,
                &self.gradient,
                settings.learning_rate,
            );
        }
    }
}

/// The reward of each trial, see [`Controller`]; 0 for a failed one.
fn rewards(trials: &Trials, order: &[usize], settings: &ControllerSettings) -> Vec<f32> {
    let mut rewards = vec![0.0; order.len()];
    let most = order.len().saturating_sub(1).max(1) as f64;
    for (beaten, &i) in order.iter().rev().enumerate() {
        let trial = &trials.all[i];
        let factor = match settings.size {
            Some(size) if trial.parameters > 0 => {
                (trial.parameters as f64 / size.parameters).powf(size.exponent)
            }
            _ => 1.0,
        };
        if trial.loss.is_finite() {
            rewards[i] = (beaten as f64 / most * factor) as f32;
        }
    }
    rewards
}

/// Rewards less the moving average of those before.
fn advantages(rewards: &[f32], memory: f32) -> Vec<f32> {
    let mut baseline = 0.5;
    let advantage = |&reward: &f32| {
        let advantage = reward - baseline;
        baseline = memory * baseline + (1.0 - memory) * reward;
        advantage
    };
    rewards.iter().map(advantage).collect()
}

/// Adam (Kingma & Ba 2015) with its usual moments.
struct Adam {
    mean: Vec<f32>,
    square: Vec<f32>,
    steps: i32,
}

impl Adam {
    fn new(size: usize) -> Adam {
        Adam {
            mean: vec![0.0; size],
            square: vec![0.0; size],
            steps: 0,
        }
    }

    fn step(&mut self, weights: &mut [f32], gradient: &[f32], learning_rate: f32) {
        self.steps += 1;
        let unbiased = |decay: f32, steps: i32| 1.0 / (1.0 - decay.powi(steps));
        let (first, second) = (unbiased(0.9, self.steps), unbiased(0.999, self.steps));
        let moments = self.mean.iter_mut().zip(&mut self.square);
        for ((weight, &slope), (mean, square)) in weights.iter_mut().zip(gradient).zip(moments) {
            *mean = 0.9 * *mean + 0.1 * slope;
            *square = 0.999 * *square + 0.001 * slope * slope;
            *weight -= learning_rate * *mean * first / ((*square * second).sqrt() + 1e-8);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::{Choice, Random};

    fn space() -> Space {
        Space::new(
            (0..8)
                .map(|i| Choice::categorical(format!("x{i}"), ["a", "b", "c", "d"]))
                .collect(),
        )
        .unwrap()
    }

    /// Pairs of neighbouring choices must agree, and `c` is best: the policy must look at its earlier answers.
    fn observe(trial: usize, design: Design) -> Observation {
        let letter = |i: usize| {
            design
                .get(&format!("x{i}"))
                .and_then(Value::as_str)
                .unwrap_or("")
        };
        let discord = (0..7).filter(|&i| letter(i) != letter(i + 1)).count();
        let others = (0..8).filter(|&i| letter(i) != "c").count();
        let loss = discord as f64 + 0.3 * others as f64;
        Observation {
            trial,
            design,
            rung: 0,
            loss: Some(loss),
            parameters: 100 * (8 - others as u64) + 100,
        }
    }

    fn search(sampler: &mut dyn Sampler, seed: u64, trials: usize) -> Vec<Observation> {
        let space = space();
        let mut history: Vec<Observation> = Vec::new();
        for trial in 0..trials {
            let mut rng = Seed(seed).stream("suggest", &[trial as u64]);
            let design = sampler.suggest(&space, &history, &mut rng).unwrap();
            history.push(observe(trial, design));
        }
        history
    }

    fn best(history: &[Observation]) -> f64 {
        history
            .iter()
            .filter_map(|seen| seen.loss)
            .fold(f64::INFINITY, f64::min)
    }

    #[test]
    fn it_learns_and_beats_random_at_equal_evaluations() {
        let settings = ControllerSettings::default();
        let (mut learned, mut random) = (0.0, 0.0);
        for seed in 0..8 {
            learned += best(&search(
                &mut Controller::new(settings, Seed(seed)),
                seed,
                120,
            )) / 8.0;
            random += best(&search(&mut Random, seed, 120)) / 8.0;
        }
        assert!(
            learned < 0.6 * random,
            "mean best loss: controller {learned}, random {random}"
        );
    }

    #[test]
    fn its_preferences_sharpen() {
        let space = space();
        let history = search(
            &mut Controller::new(ControllerSettings::default(), Seed(2)),
            2,
            150,
        );
        let mut controller = Controller::new(ControllerSettings::default(), Seed(2));
        let entropy = |preferences: Vec<Vec<f32>>| {
            let terms = preferences.iter().flatten().map(|p| -p * p.max(1e-9).ln());
            terms.sum::<f32>() / 8.0
        };
        let before = entropy(controller.preferences(&space, &[]));
        let after = entropy(controller.preferences(&space, &history));
        assert!(
            (before - 4f32.ln()).abs() < 1e-5,
            "uniform before anything is known: {before}"
        );
        assert!(
            after < 0.7 * before,
            "mean entropy of a choice: {before} before, {after} after"
        );
    }

    #[test]
    fn a_wish_for_small_networks_is_heard() {
        let wish = SizeTarget {
            parameters: 300.0,
            exponent: -2.0,
        };
        let mean_size = |size| {
            let settings = ControllerSettings {
                size,
                ..ControllerSettings::default()
            };
            let history = search(&mut Controller::new(settings, Seed(1)), 1, 200);
            history[150..]
                .iter()
                .map(|seen| seen.parameters as f64)
                .sum::<f64>()
                / 50.0
        };
        let (wished, free) = (mean_size(Some(wish)), mean_size(None));
        assert!(
            wished < free,
            "mean parameters: {wished} with the wish, {free} without"
        );
    }

    #[test]
    fn rewards_are_ranks_and_failures_earn_nothing() {
        let space = space();
        let cube = Cube::new(&space);
        let mut rng = Seed(1).stream("test", &[]);
        let history: Vec<Observation> = [Some(3.0), Some(1.0), None, Some(2.0), Some(1e9)]
            .into_iter()
            .enumerate()
            .map(|(trial, loss)| Observation {
                loss,
                ..observe(trial, space.sample(&mut rng).unwrap())
            })
            .collect();
        let mut notebook = Notebook::default();
        let trials = notebook.read(&space, &cube, &history);
        let rewards = rewards(&trials, &trials.ranked(), &ControllerSettings::default());
        assert_eq!(rewards, [0.5, 1.0, 0.0, 0.75, 0.25]);
        // 0.5 to begin with, then nine tenths of it and a tenth of each reward.
        let advantages = advantages(&rewards, 0.9);
        assert!((advantages[1] - 0.5).abs() < 1e-6 && (advantages[2] + 0.55).abs() < 1e-6);
    }
}
