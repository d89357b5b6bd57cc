//! What a report is made from: plain data, so that the report knows neither networks nor bundles.

use std::collections::BTreeMap;

use counterfoil_models::game::Outcome;
use serde::Serialize;

use crate::drift::Curve;
use crate::eval::{Baseline, Evaluation, Kinship, Scored, SingleNumbers};

/// So many of the last probes tell how steady a detective is.
const LAST: usize = 20;

/// All that a report shows. Whatever is empty is left out of the page.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// The heading.
    pub title: String,
    /// One sentence under it.
    pub about: String,
    /// What was trained on what: bundle, data, seed, steps, seconds.
    pub facts: Vec<Fact>,
    /// The course of each network's training.
    pub training: Vec<Training>,
    /// Grids of generated samples.
    pub grids: Vec<Picture>,
    /// Every detector on the same pictures, ours first.
    pub detectors: Vec<Detector>,
    /// What each family is to those that could be trained on, where the pictures are a fold of a zoo.
    pub kinship: Option<BTreeMap<String, Kinship>>,
    /// Genuine pictures that the first detector scored lowest, lowest first.
    pub doubted: Vec<Exhibit>,
    /// Counterfeits that it scored highest, highest first.
    pub believed: Vec<Exhibit>,
    /// Counterfeits that it caught, the surest first.
    pub caught: Vec<Exhibit>,
    /// What the first detector makes of genuine pictures as the camera drifts.
    pub drift: Vec<Curve>,
    /// The game, if one was played.
    pub face_off: Option<FaceOff>,
    /// Machine, versions, engines.
    pub environment: Vec<Fact>,
    /// The command lines that give this again.
    pub reproduce: Vec<String>,
}

/// A line of a list of particulars.
#[derive(Debug, Clone)]
pub struct Fact {
    /// What it is.
    pub label: String,
    /// How much or which.
    pub value: String,
}

impl Fact {
    /// A labelled line.
    pub fn new(label: impl Into<String>, value: impl Into<String>) -> Self {
        Self { label: label.into(), value: value.into() }
    }
}

/// One network's training.
#[derive(Debug, Clone)]
pub struct Training {
    /// Which network.
    pub network: String,
    /// Its metrics in order of steps. Points that are not finite leave gaps.
    pub points: Vec<Point>,
    /// Its detective's probes in order of steps; none where no detective looked on.
    pub probes: Vec<Probe>,
}

/// How well a detective told the same rows of its training from damaged ones at a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Probe {
    /// Steps done.
    pub step: u64,
    /// The AUROC.
    pub auroc: f64,
}

/// How little a detective's probes moved at the end.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Steadiness {
    /// How many probes, 20 or all that there are.
    pub probes: usize,
    /// The step of the first of them.
    pub since: u64,
    /// The least AUROC.
    pub least: f64,
    /// The largest.
    pub largest: f64,
    /// The largest less the least.
    pub spread: f64,
}

impl Training {
    /// Over the last twenty probes; none where there are no two.
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
    /// Steps done.
    pub step: u64,
    /// The discriminator's loss.
    pub loss_d: f64,
    /// The generator's loss.
    pub loss_g: f64,
    /// Mean D(x) of genuine pictures, 0..=1.
    pub d_real: f64,
    /// Mean D(G(z)) of generated pictures, 0..=1.
    pub d_fake: f64,
}

/// A picture to show.
#[derive(Debug, Clone)]
pub struct Picture {
    /// The PNG file's bytes.
    pub png: Vec<u8>,
    /// What it shows; also read out to whoever cannot see it.
    pub caption: String,
}

/// Which side of the comparison a detector stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A GAN's detective: the one to be judged.
    Ours,
    /// Something simpler that it should beat.
    Baseline,
}

/// A detector and what it did.
#[derive(Debug, Clone)]
pub struct Detector {
    /// What it is called.
    pub name: String,
    /// Ours or a baseline.
    pub role: Role,
    /// Its rates.
    pub evaluation: Evaluation,
    /// Its judgements, for histogram and ROC curve; empty if it makes none.
    pub scored: Vec<Scored>,
    /// What it promised of false alarms.
    pub stated: Option<Stated>,
    /// What to say beside its result on a family.
    pub notes: BTreeMap<String, String>,
}

impl Detector {
    /// A baseline that ranks only.
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

    /// The best single number, with the cue named beside each family.
    #[must_use]
    pub fn single_numbers(numbers: &SingleNumbers) -> Self {
        let note = |(family, best): (&String, &crate::eval::BestCue)| (family.clone(), best.to_string());
        Self { notes: numbers.families.iter().map(note).collect(), ..Self::baseline(numbers.baseline()) }
    }
}

/// The false-alarm rate that a calibration promised.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stated {
    /// The rate, 0..=1.
    pub alpha: f64,
    /// How many genuine pictures it was calibrated on.
    pub calibration: u64,
}

/// A picture that was judged, and where the detector looked.
#[derive(Debug, Clone)]
pub struct Exhibit {
    /// The picture, a PNG file's bytes.
    pub png: Vec<u8>,
    /// The same, what spoke for counterfeit in red.
    pub map: Vec<u8>,
    /// What was said of it.
    pub scored: Scored,
}

/// A game that was played.
#[derive(Debug, Clone)]
pub struct FaceOff {
    /// How many exhibits were shown.
    pub exhibits: u64,
    /// The digest of the sealed labels, published before the first round.
    pub seal: String,
    /// How it ended.
    pub outcome: Outcome,
}
