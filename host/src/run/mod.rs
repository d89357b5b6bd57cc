//! A run folder: what a training was given, so that resuming and exporting need nothing else.
//!
//! ```text
//! RUN/held-out.safetensors   planes of the held-out genuine pictures, [P, R, C, H, W] bytes; where known, the group of each, [P]
//! RUN/config.toml            the game's configuration
//! RUN/run.json               where the pictures came from, how they are looked at, who was held out; written last: with it a run has begun
//! RUN/metrics.jsonl, samples/, checkpoints/                      (written by `train`)
//! RUN/statistics.onnx, strokes.onnx                              instead of those, for the detectives that play no game
//! ```

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
/// The GAN's configuration in a run.
pub const CONFIG: &str = "config.toml";

/// Checks that a folder holds no trained run, which would be overwritten.
///
/// # Errors
/// When it does.
pub fn vacant(run: &Path) -> Result<()> {
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

/// Refuses to put a run into a folder that holds anything but an earlier try, which may have ended before it was
/// recorded.
pub(crate) fn vacant_run(run: &Path) -> Result<()> {
    Ok(counterfoil_models::vacant_folder(run, &[RECORD, HELD_OUT, durable::PART])?)
}

fn make(run: &Path) -> Result<()> {
    fs::create_dir_all(run).with_context(|| format!("cannot create the run folder {}", run.display()))
}

/// Removes a file that may not be there.
pub(crate) fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// Claims a run's folder for this process, as long as the handle lives; a kill gives it back.
///
/// # Errors
/// When the folder cannot be made, or another process has it: two would write the same files.
pub fn claim(run: &Path) -> Result<File> {
    make(run)?;
    counterfoil_models::claim(run).context("a run is trained by one process at a time, whose Ctrl-C saves")
}

/// This program's version with its source revision, where the build knew it.
#[must_use]
pub fn revision() -> String {
    match option_env!("COUNTERFOIL_REVISION") {
        Some(revision) => format!("{} ({revision})", env!("CARGO_PKG_VERSION")),
        None => env!("CARGO_PKG_VERSION").to_owned(),
    }
}

#[cfg(test)]
mod tests;
