//! The contents of a report as plain data, so that the report depends on neither networks nor bundles.

use std::collections::BTreeMap;

use counterfoil_models::game::Outcome;
use serde::Serialize;

use crate::eval::{Baseline, Evaluation, Kinship, Scored, SingleNumbers};
use crate::judging::drift::Curve;

/// Number of last probes that show how steady a detector is.
const LAST: usize = 20;

/// Everything that a report shows. Empty parts are left out of the page.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Heading of the page.
    pub title: String,
    /// One sentence below the heading.
    pub about: String,
    /// Facts about the training: bundle, data, seed, steps, seconds.
    pub facts: Vec<Fact>,
    /// The course of each network's training.
    pub training: Vec<Training>,
    /// What the first detector sees of some pictures.
    pub seen: Option<Picture>,
    /// Grids of generated samples.
    pub grids: Vec<Picture>,
    /// Every detector's results on the same pictures. Our detectors come first.
    pub detectors: Vec<Detector>,
    /// The kinship of each family with those of the other folds; `None` when the pictures are not a fold of a zoo.
    pub kinship: Option<BTreeMap<String, Kinship>>,
    /// Genuine pictures with the lowest scores of the first detector, lowest first.
    pub hardest_genuine: Vec<Exhibit>,
    /// Counterfeits with the highest scores of the first detector, highest first.
    pub hardest_counterfeits: Vec<Exhibit>,
    /// Counterfeits that the first detector detected, lowest score first.
    pub caught: Vec<Exhibit>,
    /// The first detector's false alarms and p-values on genuine pictures as the camera drifts.
    pub drift: Vec<Curve>,
    /// The face-off, if one was played.
    pub face_off: Option<FaceOff>,
    /// Machine, versions and inference engines.
    pub environment: Vec<Fact>,
    /// Command lines that reproduce the report.
    pub reproduce: Vec<String>,
}

/// A line of a list of facts.
#[derive(Debug, Clone)]
pub struct Fact {
    /// What the value is.
    pub label: String,
    /// The value.
    pub value: String,
}

impl Fact {
    /// Makes a fact from its label and value.
    pub fn new(label: impl Into<String>, value: impl Into<String>) -> Self {
        Self { label: label.into(), value: value.into() }
    }
}

/// The training of one network.
#[derive(Debug, Clone)]
pub struct Training {
    /// Name of the network.
    pub network: String,
    /// Metrics in the order of the steps. Values that are not finite leave gaps in the chart.
    pub points: Vec<Point>,
    /// The detector's probes in the order of the steps; empty when no detector was trained beside the GAN.
    pub probes: Vec<Probe>,
}

/// A detector's AUROC at one training step, measured on a fixed set of genuine and damaged rows of its training set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Probe {
    /// Number of steps done.
    pub step: u64,
    /// The AUROC, 0..=1.
    pub auroc: f64,
}

/// How little a detector's probes changed at the end of the training.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Steadiness {
    /// Number of probes: the last 20, or all if there are fewer.
    pub probes: usize,
    /// Step of the first of these probes.
    pub since: u64,
    /// Lowest AUROC of these probes, 0..=1.
    pub least: f64,
    /// Highest AUROC of these probes, 0..=1.
    pub largest: f64,
    /// Difference of the highest and the lowest AUROC.
    pub spread: f64,
}

impl Training {
    /// The steadiness over the last 20 probes. `None` with fewer than two probes.
    #[must_use]
    pub fn steadiness(&self) -> Option<Steadiness> {
        let last = &self.probes[self.probes.len().saturating_sub(LAST)..];
        let least = last.iter().map(|probe| probe.auroc).fold(f64::INFINITY, f64::min);
        let largest = last.iter().map(|probe| probe.auroc).fold(f64::NEG_INFINITY, f64::max);
        let of = |first: &Probe| Steadiness {
            probes: last.len(),
            since: first.step,
            least,
            largest,
            spread: largest - least,
        };
        last.first().filter(|_| last.len() > 1).map(of)
    }
}

/// One line of a run's metrics.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Number of steps done.
    pub step: u64,
    /// Loss of the discriminator.
    pub loss_d: f64,
    /// Loss of the generator.
    pub loss_g: f64,
    /// Mean D(x) over genuine pictures, 0..=1.
    pub d_real: f64,
    /// Mean D(G(z)) over generated pictures, 0..=1.
    pub d_fake: f64,
}

/// A picture to show.
#[derive(Debug, Clone)]
pub struct Picture {
    /// Bytes of the PNG file.
    pub png: Vec<u8>,
    /// Caption of the picture; also its text alternative.
    pub caption: String,
}

/// The role of a detector in the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The detector under test, from a GAN training.
    Ours,
    /// A simpler detector for comparison.
    Baseline,
}

/// A detector and its results.
#[derive(Debug, Clone)]
pub struct Detector {
    /// Name of the detector.
    pub name: String,
    /// Role of the detector.
    pub role: Role,
    /// Rates of the detector.
    pub evaluation: Evaluation,
    /// Scores and verdicts for histogram and ROC curve; empty for a detector without them.
    pub scored: Vec<Scored>,
    /// The stated false-alarm rate; `None` for a detector without a calibration.
    pub stated: Option<Stated>,
    /// Notes beside the result on a family, by the family's name.
    pub notes: BTreeMap<String, String>,
}

impl Detector {
    /// A baseline that only ranks pictures and has no threshold.
    #[must_use]
    pub fn baseline(baseline: Baseline) -> Self {
        Self {
            name: baseline.name,
            role: Role::Baseline,
            evaluation: baseline.evaluation,
            scored: baseline.scored,
            stated: None,
            notes: BTreeMap::new(),
        }
    }

    /// The best single number as a baseline, with a note per family that names the number.
    #[must_use]
    pub fn single_numbers(numbers: &SingleNumbers) -> Self {
        let note = |(family, best): (&String, &crate::eval::BestStatistic)| (family.clone(), best.to_string());
        Self { notes: numbers.families.iter().map(note).collect(), ..Self::baseline(numbers.baseline()) }
    }
}

/// The false-alarm rate that a calibration states.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stated {
    /// The stated rate, 0..=1.
    pub alpha: f64,
    /// Number of genuine pictures in the calibration.
    pub calibration: u64,
}

/// A judged picture, with the map of its score.
#[derive(Debug, Clone)]
pub struct Exhibit {
    /// Bytes of the picture's PNG file.
    pub png: Vec<u8>,
    /// Bytes of the map's PNG file: the picture, with the places that lowered the score in red.
    pub map: Vec<u8>,
    /// Score and verdict of the picture.
    pub scored: Scored,
}

/// A face-off that was played.
#[derive(Debug, Clone)]
pub struct FaceOff {
    /// Number of exhibits that were shown.
    pub exhibits: u64,
    /// Digest of the sealed labels, published before the first round.
    pub seal: String,
    /// Outcome of the game.
    pub outcome: Outcome,
}
