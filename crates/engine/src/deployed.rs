use std::path::PathBuf;

use candor_core::{Metric, Modality, Outcome, Step, Verdict};
use candor_deploy::{Bundle, CardScore, ModelCard, write_file};
use serde::{Deserialize, Serialize};

use crate::challenged::{ChallengeResult, Challenged, Costs};
use crate::context::Context;
use crate::designed::Standing;
use crate::report::{Report, to_html};
use crate::trained::Voice;
use crate::{EngineError, sourced::name_of};

/// What a person is told when a run is done; state 7.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The run folder.
    pub run: PathBuf,
    /// The report in it.
    pub report: PathBuf,
    /// The bundle in it.
    pub bundle: PathBuf,
    /// The kind of data.
    pub modality: Modality,
    /// The metric that was optimised.
    pub metric: Metric,
    /// Its value on the test part with its 95 % interval; `None` without a test part.
    pub score: Option<[f64; 3]>,
    /// What the ensemble is made of.
    pub ensemble: Vec<Voice>,
    /// The best lines of the leaderboard.
    pub leaderboard: Vec<Standing>,
    /// What the challenges said.
    pub verdicts: Vec<Verdict>,
    /// What judging cost beside the training; `None` without a test part.
    #[serde(default)]
    pub costs: Option<Costs>,
    /// Seconds over all processes that worked on the run.
    pub seconds: f64,
}

impl Summary {
    /// Whether no gate failed.
    pub fn passed(&self) -> bool {
        self.verdicts.iter().all(|v| v.outcome != Outcome::Fail)
    }
}

/// Lines of the leaderboard in a summary.
const SHOWN: usize = 20;

impl Challenged {
    /// Writes the bundle with its card, and the report.
    pub fn deploy(self, context: &Context) -> Result<Summary, EngineError> {
        let folder = context.folder.step(Step::Deployed);
        let bundle_folder = folder.join("bundle");
        let report_path = context.folder.path().join("report.html");
        let summary = context.step(
            Step::Deployed,
            &["bundle/bundle.json", "../report.html"],
            || {
                let mut bundle = Bundle::read(&self.trained.bundle)?;
                bundle.parts.shift.clone_from(&self.result.shift);
                if let Some(followed) = &self.result.followed {
                    bundle.parts.adaptive = Some(followed.state.clone());
                    if followed.surprise.is_some() {
                        bundle.parts.surprise.clone_from(&followed.surprise);
                    }
                }
                let card = self.card(&bundle, context);
                Bundle { card, ..bundle }.write(&bundle_folder)?;
                let report = Report {
                    name: name_of(&context.settings.source),
                    settings: &context.settings,
                    source: &self.trained.prepared.curated.source,
                    curation: &self.trained.prepared.curated.curation,
                    split: &self.trained.prepared.split,
                    target: &self.trained.prepared.target,
                    metric: self.trained.prepared.metric,
                    designed: &self.trained.designed,
                    trained: &self.trained.result,
                    challenged: &self.result,
                    drawing: self.drawing(),
                    seconds: (context.spent_before + context.clock.elapsed()).as_secs_f64(),
                };
                write_file(&report_path, to_html(&report)?.as_bytes())?;
                Ok(self.summary(context, bundle_folder.clone(), report_path.clone()))
            },
        )?;
        // Only now is everything that the members of trials are needed for on the disk.
        self.trained.trials.remove()?;
        Ok(summary)
    }

    /// The best network that was trained on everything.
    fn drawing(&self) -> Option<(String, String)> {
        let board = &self.trained.designed.leaderboard;
        let best = board.iter().find(|s| s.complete && s.network)?;
        let svg = self.trained.prepared.subject.drawing(&best.design)?;
        Some((best.name.clone(), svg))
    }

    fn summary(&self, context: &Context, bundle: PathBuf, report: PathBuf) -> Summary {
        Summary {
            run: context.folder.path().to_owned(),
            report,
            bundle,
            modality: self.trained.prepared.curated.source.modality,
            metric: self.trained.prepared.metric,
            score: score_of(&self.result, self.trained.prepared.metric),
            ensemble: self.trained.result.ensemble.clone(),
            leaderboard: self
                .trained
                .designed
                .leaderboard
                .iter()
                .take(SHOWN)
                .cloned()
                .collect(),
            costs: self.result.costs.clone(),
            verdicts: self.result.verdicts.clone(),
            seconds: (context.spent_before + context.clock.elapsed()).as_secs_f64(),
        }
    }

    fn card(&self, bundle: &Bundle, context: &Context) -> String {
        let prepared = &self.trained.prepared;
        let source = &prepared.curated.source.source;
        let split = &prepared.split;
        let data = [
            format!("source: `{}`, SHA-256 {}", source.source, source.sha256),
            format!("parts ({}): {}", split.rule, split.reason),
            format!("calibration: {}", self.trained.result.calibration),
            format!("seed: {}", context.settings.seed.0),
        ];
        let findings: Vec<String> = prepared
            .curated
            .curation
            .findings
            .iter()
            .map(|f| match &f.action {
                Some(action) => format!("{} ({action})", f.message),
                None => f.message.clone(),
            })
            .collect();
        let scores: Vec<CardScore> = self
            .result
            .scores
            .iter()
            .map(|s| CardScore {
                name: s.metric.name().to_owned(),
                value: s.interval.estimate,
                interval: (s.interval.lower, s.interval.upper),
            })
            .collect();
        let members: Vec<(String, f64)> = self
            .trained
            .result
            .ensemble
            .iter()
            .map(|v| (v.name.clone(), v.weight))
            .collect();
        let card = ModelCard {
            parts: &bundle.parts,
            members: &members,
            data: &data,
            scores: &scores,
            verdicts: &self.result.verdicts,
            findings: &findings,
        };
        card.to_markdown()
    }
}

fn score_of(result: &ChallengeResult, metric: Metric) -> Option<[f64; 3]> {
    let score = result.scores.iter().find(|s| s.metric == metric)?;
    Some([
        score.interval.estimate,
        score.interval.lower,
        score.interval.upper,
    ])
}
