//! Which checkpoints a run keeps and which of them is meant: the newest, the best, one step.
//!
//! The newest `keep` stay, and the best by each quality metric: the one on the schedule (its step a multiple of its
//! `checkpoint_every`) with the best value in its own header. A stop saves off the schedule; not counting it makes
//! what is kept a function of the training and not of when it was stopped. Nothing is written down about it: the
//! files say it themselves.

use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::super::Error;
use super::super::config::Config;
use super::super::observe::note;
use super::file::{Checkpoint, Header, path};
use crate::detector::detective::Detective;
use crate::net::Network;
use crate::quality;

/// Which checkpoint of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckpointSelector {
    /// The newest that opens.
    Newest,
    /// The one that is best by the quality metric of this name; the newest counts too.
    Best(&'static str),
    /// The one of this step.
    Step(u64),
}

impl FromStr for CheckpointSelector {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "newest" => Ok(Self::Newest),
            "best" => Ok(Self::Best(quality::DISTANCE)),
            text => match text.strip_prefix("best:") {
                None => {
                    text.parse().map(Self::Step).map_err(|_| "expected newest, best, best:METRIC or a step".to_owned())
                }
                Some(metric) => {
                    let names = || quality::METRICS.map(|metric| metric.name).join(", ");
                    let found = quality::named(metric).map(|metric| Self::Best(metric.name));
                    found.ok_or_else(|| format!("`{metric}` is no quality metric; expected {}", names()))
                }
            },
        }
    }
}

/// What a finished or stopped run has learned, for the exporter.
#[derive(Debug)]
pub struct Trained {
    /// The recipe, without an end.
    pub config: Config,
    /// The averaged generator.
    pub generator: Network,
    /// The discriminator as it last was.
    pub discriminator: Network,
    /// The detective that looked on, if one did.
    pub detective: Option<Detective>,
    /// Rounds played.
    pub steps: u64,
}

/// Opens what the run in folder `run` has learned; says on stderr which damaged checkpoints it passed over.
///
/// # Errors
/// When no such checkpoint is there or none of it opens.
pub fn load(run: &Path, which: CheckpointSelector) -> Result<Trained, Error> {
    let checkpoint = match which {
        CheckpointSelector::Newest => {
            let (checkpoint, warnings) = newest(run)?;
            for warning in &warnings {
                note(warning);
            }
            checkpoint
        }
        CheckpointSelector::Best(metric) => {
            let files = checkpoints(run);
            let best = best(&files, metric, files.last()).ok_or_else(|| Error::NoCheckpoint(run.to_owned()))?;
            Checkpoint::open(&best)?
        }
        CheckpointSelector::Step(step) => {
            let path = path(run, step);
            if !path.exists() {
                let name = |path: &PathBuf| path.file_stem().map(|name| name.to_string_lossy().into_owned());
                let there = checkpoints(run).iter().filter_map(name).collect();
                return Err(Error::NoSuchStep { run: run.to_owned(), step, there });
            }
            Checkpoint::open(&path)?
        }
    };
    let Checkpoint { step, config, average, discriminator, detective, .. } = checkpoint;
    Ok(Trained { config, generator: average, discriminator, detective, steps: step })
}

/// The newest checkpoint of a run that opens, and a sentence for each newer one that does not.
///
/// # Errors
/// When none opens: the newest one's fault, or that there is none.
pub(in super::super) fn newest(run: &Path) -> Result<(Checkpoint, Vec<String>), Error> {
    let mut faults = Vec::new();
    for path in checkpoints(run).iter().rev() {
        match Checkpoint::open(path) {
            Ok(checkpoint) => {
                let warnings = faults.iter().map(|fault| format!("{fault}; taking {}", path.display())).collect();
                return Ok((checkpoint, warnings));
            }
            Err(fault) => faults.push(fault),
        }
    }
    Err(faults.into_iter().next().unwrap_or_else(|| Error::NoCheckpoint(run.to_owned())))
}

/// The checkpoints of a run, oldest first.
#[must_use]
pub fn checkpoints(run: &Path) -> Vec<PathBuf> {
    let folder = fs::read_dir(run.join("checkpoints"));
    let is_checkpoint = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with("step-") && path.extension().is_some_and(|extension| extension == "safetensors")
    };
    let mut files: Vec<PathBuf> =
        folder.into_iter().flatten().flatten().map(|entry| entry.path()).filter(is_checkpoint).collect();
    files.sort();
    files
}

/// Removes what a run at a step does not keep. What is newer than the step did not open and does not count: it will be overwritten.
pub(in super::super) fn prune(run: &Path, step: u64, keep: usize) -> Result<(), Error> {
    let mut files = checkpoints(run);
    files.retain(|file| *file <= path(run, step));
    let old = &files[..files.len().saturating_sub(keep)];
    if old.is_empty() {
        return Ok(());
    }
    let best: Vec<PathBuf> = quality::METRICS.iter().filter_map(|metric| best(&files, metric.name, None)).collect();
    for old in old.iter().filter(|old| !best.contains(old)) {
        fs::remove_file(old).map_err(Error::io("remove the old checkpoint", old))?;
    }
    Ok(())
}

/// The best file by a metric among those on the schedule and `also`, the older of two equals. One that does not open
/// is not the best.
fn best(files: &[PathBuf], metric: &str, also: Option<&PathBuf>) -> Option<PathBuf> {
    let end = quality::named(metric)?.better;
    let candidate = |path: &PathBuf| -> Option<f64> {
        let Header { step, config, quality, .. } = Header::open(path).ok()?;
        let counts = step.is_multiple_of(config.checkpoint_every) || also == Some(path);
        quality.get(metric).copied().filter(|_| counts)
    };
    let candidates = files.iter().filter_map(|path| Some((candidate(path)?, path)));
    let better = |best: (f64, _), other: (f64, _)| if end.is_better(other.0, best.0) { other } else { best };
    candidates.reduce(better).map(|(_, path)| path.clone())
}
