//! A run folder: the input of a training run, so that resuming and exporting need nothing else.
//!
//! ```text
//! RUN/held-out.safetensors    planes of held-out genuine pictures, [P, R, C, H, W] bytes; group of each, [P], if known
//! RUN/config.toml             the GAN's configuration
//! RUN/run.json                source, preprocessing and split of the pictures; written last, marks the start of a run
//! RUN/appearance.safetensors  what judges beside the detective, fitted before the first step
//! RUN/metrics.jsonl, samples/, checkpoints/   written by `train`
//! RUN/statistics.onnx, strokes.onnx           instead of those, for detectors fitted without a GAN
//! ```

pub mod backup;
mod prepare;
mod record;

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::detector::Kind;
use crate::durable;
use crate::gan::checkpoints;
pub use prepare::{Prepared, Request, prepare};
pub use record::Record;

pub(crate) const RECORD: &str = "run.json";
pub(crate) const HELD_OUT: &str = "held-out.safetensors";
/// What is fitted beside a detector that is trained with a GAN.
pub(crate) const BESIDE: &str = "appearance.safetensors";
/// File name of the GAN's configuration in a run folder.
pub const CONFIG: &str = "config.toml";

/// Checks that a folder holds no trained run, which would be overwritten.
///
/// # Errors
/// When the folder holds a trained run, or any files but those of an unfinished attempt.
pub fn ensure_free(run: &Path) -> Result<()> {
    ensure!(
        checkpoints(run).is_empty() && Kind::fitted_files().all(|file| !run.join(file).exists()),
        "{} holds a run already; add --resume to go on with it, or choose another --out",
        run.display()
    );
    vacant_run(run)
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    durable::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

/// Refuses a folder that holds anything but an earlier attempt, which may have ended before it was recorded.
pub(crate) fn vacant_run(run: &Path) -> Result<()> {
    Ok(counterfoil_models::ensure_folder_free(run, &[RECORD, HELD_OUT, BESIDE, durable::PART])?)
}

fn make(run: &Path) -> Result<()> {
    fs::create_dir_all(run).with_context(|| format!("cannot create the run folder {}", run.display()))
}

/// Removes a file; a missing file is not an error.
pub(crate) fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// Claims a run's folder for this process until the handle is dropped. The operating system releases the claim when
/// the process ends, even if it is killed.
///
/// # Errors
/// When the folder cannot be created, or another process holds the claim: two processes would write the same files.
pub fn lock_folder(run: &Path) -> Result<File> {
    make(run)?;
    counterfoil_models::lock_folder(run).context("a run is trained by one process at a time, whose Ctrl-C saves")
}

/// The version of this program, with its source revision if the build knew it.
#[must_use]
pub fn revision() -> String {
    match option_env!("COUNTERFOIL_REVISION") {
        Some(revision) => format!("{} ({revision})", env!("CARGO_PKG_VERSION")),
        None => env!("CARGO_PKG_VERSION").to_owned(),
    }
}

#[cfg(test)]
mod tests;
