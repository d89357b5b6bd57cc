//! `counterfoil eval`: evaluates a bundle and the baselines on labelled pictures.

mod enrolled;
mod table;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use counterfoil_edge::Detector;
use counterfoil_host::eval::{Baseline, CalibrationCheck, Evaluation, Kinship, Lead, ZooSummary};
use counterfoil_host::judging;
use counterfoil_models::ensure_free;
use serde::Serialize;

use enrolled::Asked;

use super::beside::ComparisonArgs;
use super::material::{Material, Pictures};

/// Judges labelled pictures: AUROC, EER, TPR at 1 % FPR and realised false alarms, with intervals and baselines
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil eval --bundle models/pretrained/specimen-note --genuine notes/real --fake notes/fake
  counterfoil eval --bundle bundles/digits --zoo zoo --fold 3
  counterfoil eval --bundle bundles/hands --genuine hands/real --fake hands/fake --group 'w(\\d+)_' --enroll 4 --enroll 8

The scores are those of `counterfoil-edge detect` on the same files. Every baseline judges the same pictures; intervals are 95 %
bootstrap intervals, and all detectors share their resamples. Of a zoo, the baselines learn from ZOO/train and the other folds.

How each folder was understood is said on stderr; of one with train/ and test/ in it, test/ is judged. Pictures that could not be read
are named, the others are judged all the same, and the exit code is then 2.")]
pub(crate) struct Eval {
    /// The bundle
    #[arg(long, value_name = "BUNDLE")]
    bundle: PathBuf,
    #[command(flatten)]
    pictures: Pictures,
    /// Judge each group against K of its genuine pictures as references, as the box does after enrolment; may be
    /// repeated
    #[arg(long, value_name = "K", requires = "group", conflicts_with_all = ["zoo", "scores"])]
    enroll: Vec<usize>,
    /// How often the references are drawn
    #[arg(long, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), requires = "enroll")]
    draws: u64,
    #[command(flatten)]
    beside: ComparisonArgs,
    /// Evaluate the bundle only; fit and judge no baselines
    #[arg(long, conflicts_with_all = ["bundles", "reference", "train_fakes"])]
    no_baselines: bool,
    /// Write every picture's score, p-value and verdict to this file, one JSON object per line
    #[arg(long, value_name = "FILE")]
    scores: Option<PathBuf>,
    /// Replace an existing file of scores
    #[arg(long, requires = "scores")]
    force: bool,
    /// Print one JSON object instead of a table
    #[arg(long)]
    json: bool,
}

/// The whole result of an evaluation.
#[derive(Serialize)]
struct Outcome {
    #[serde(skip)]
    name: String,
    #[serde(flatten)]
    own: Evaluation,
    alpha: f64,
    false_alarms: Vec<CalibrationCheck>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kinship: Option<BTreeMap<String, Kinship>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    zoo: Option<ZooSummary>,
    baselines: Vec<Row>,
}

/// A baseline, and the bundle's lead over it.
#[derive(Serialize)]
struct Row {
    #[serde(flatten)]
    baseline: Baseline,
    #[serde(flatten)]
    lead: Lead,
    #[serde(skip_serializing_if = "Option::is_none")]
    zoo: Option<ZooSummary>,
}

impl Eval {
    pub(crate) fn run(self) -> Result<()> {
        if let Some(path) = &self.scores {
            ensure_free(path, self.force)?;
        }
        let detector = Detector::open(&self.bundle)?;
        let material = self.pictures.material(&self.beside)?;
        if !self.enroll.is_empty() {
            let asked = Asked { references: &self.enroll, draws: self.draws, seed: 0 };
            let (text, unreadable) = enrolled::text(&detector, &material.items, &asked, self.json)?;
            super::tell_unreadable(&unreadable);
            super::print(&text)?;
            return super::all_judged(&unreadable);
        }
        let judged = judging::judge(&detector, &material.items);
        super::tell_unreadable(&judged.unreadable);
        judging::refuse_both_sides(&detector, &material.items, &judged)?;
        if let Some(path) = &self.scores {
            let lines = judged.scored.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>()?;
            fs::write(path, lines.join("\n") + "\n")
                .with_context(|| format!("cannot write --scores {}", path.display()))?;
        }
        let own = judging::rates(&judged)?;
        let baselines = self.baselines(&detector, &material)?;

        let calibration = &detector.bundle().manifest().calibration;
        let summary =
            |evaluation: &Evaluation| material.kinship.as_ref().map(|kinship| ZooSummary::of(evaluation, kinship));
        let own_zoo = summary(&own);
        let row = |baseline: Baseline| {
            let zoo = summary(&baseline.evaluation);
            let lead = match (&own_zoo, &zoo) {
                (Some(ours), Some(theirs)) => Lead::in_zoo(ours, theirs),
                _ => Lead::of(&own, &baseline.evaluation),
            };
            Row { baseline, lead, zoo }
        };
        let baselines = baselines.into_iter().map(row).collect();
        let outcome = Outcome {
            name: super::name_of(&self.bundle),
            alpha: calibration.alpha(),
            false_alarms: CalibrationCheck::all(calibration.alpha(), calibration.scores().len() as u64, &judged.scored),
            zoo: own_zoo,
            baselines,
            own,
            kinship: material.kinship,
        };
        super::print(&if self.json {
            format!("{}\n", serde_json::to_string(&outcome)?)
        } else {
            table::text(&outcome)?
        })?;
        super::all_judged(&judged.unreadable)
    }

    fn baselines(&self, detector: &Detector, material: &Material) -> Result<Vec<Baseline>> {
        let mut rows = Vec::new();
        if self.no_baselines {
            return Ok(rows);
        }
        for bundle in &self.beside.bundles {
            let judged = judging::judge(&Detector::open(bundle)?, &material.items);
            rows.push(Baseline {
                name: super::name_of(bundle),
                evaluation: judging::rates(&judged)?,
                scored: judged.scored,
            });
        }
        rows.extend(material.baseline_training.rows(detector, &material.items));
        rows.push(judging::single_number(&material.items)?.baseline());
        Ok(rows)
    }
}
