//! Which checkpoints a run keeps, and which one a selector means: the newest, the best or that of one step.
//!
//! A run keeps the newest `keep` checkpoints and the best one by each quality metric. Only checkpoints on the
//! schedule (their step is a multiple of `checkpoint_every`) can be the best, by the value in their own header. A
//! stopped run saves a checkpoint off the schedule. As that one does not count, the files that are kept depend on
//! the training and not on when it was stopped. There is no separate record: the files themselves hold everything.

use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::super::Error;
use super::super::config::Config;
use super::super::observe::note;
use super::file::{Checkpoint, Header, path};
use crate::detector::detective::Detective;
use crate::nn::Network;
use crate::quality;

/// Selects one checkpoint of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckpointSelector {
    /// The newest checkpoint that can be opened.
    Newest,
    /// The best checkpoint by the quality metric of this name; the newest is a candidate even off the schedule.
    Best(&'static str),
    /// The checkpoint of this step.
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

/// The trained networks of a finished or stopped run, for export.
#[derive(Debug)]
pub struct Trained {
    /// The configuration without `steps` and `minutes`.
    pub config: Config,
    /// The averaged generator.
    pub generator: Network,
    /// The discriminator after the last of these steps.
    pub discriminator: Network,
    /// The detective that was trained beside the GAN, if there was one.
    pub detective: Option<Detective>,
    /// Number of training steps made.
    pub steps: u64,
}

/// Loads the trained networks from the selected checkpoint of the run in folder `run`. Prints a warning on stderr
/// for each damaged checkpoint that it skips.
///
/// # Errors
/// When there is no such checkpoint or it cannot be opened.
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

/// The newest checkpoint of a run that can be opened, and a warning for each newer one that cannot.
///
/// # Errors
/// When none can be opened: the newest one's error, or that there is no checkpoint.
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

/// The checkpoint files of a run, oldest first.
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

/// Removes the checkpoints that a run at `step` does not keep. Newer files than that could not be opened and do not
/// count; they will be overwritten.
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

/// The best file by a metric among those on the schedule and `also`; of two equals, the older one. Files
/// that cannot be opened are skipped.
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
