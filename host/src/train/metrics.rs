//! The record of a game: rounds go in, lines of RUN/metrics.jsonl come out.
//!
//! No line holds a time of day or a speed: the file's bytes, too, are a function of configuration, samples and steps.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::Error;
use super::game::Round;

/// The file, open for more.
pub(super) struct Metrics {
    path: PathBuf,
    file: File,
}

#[derive(Deserialize)]
struct Line {
    step: u64,
}

impl Metrics {
    /// Opens RUN/metrics.jsonl and drops the lines after `step`, which a run that stopped before its next checkpoint has left.
    pub(super) fn open(run: &Path, step: u64) -> Result<Self, Error> {
        let path = run.join("metrics.jsonl");
        let before = if step == 0 { String::new() } else { fs::read_to_string(&path).unwrap_or_default() };
        let kept: String = before
            .split_inclusive('\n')
            .take_while(|line| serde_json::from_str::<Line>(line).is_ok_and(|line| line.step <= step))
            .collect();
        fs::write(&path, kept).map_err(Error::io("write", &path))?;
        let file = OpenOptions::new().append(true).open(&path).map_err(Error::io("open", &path))?;
        Ok(Self { path, file })
    }

    /// Adds a line.
    pub(super) fn add(&mut self, round: &Round) -> Result<(), Error> {
        let Round { step, epoch, loss_d, loss_g, d_real, d_fake, norm_d, norm_g } = round;
        let line = format!(
            r#"{{"step":{step},"epoch":{epoch:.4},"loss_d":{loss_d:.6},"loss_g":{loss_g:.6},"d_real":{d_real:.6},"d_fake":{d_fake:.6},"norm_d":{norm_d:.6},"norm_g":{norm_g:.6}}}"#
        );
        writeln!(self.file, "{line}").map_err(Error::io("write", &self.path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resuming_drops_the_lines_after_the_checkpoint_and_a_torn_one() {
        let run = tempfile::tempdir().unwrap();
        let path = run.path().join("metrics.jsonl");
        fs::write(&path, "{\"step\":10}\n{\"step\":20}\n{\"step\":30}\n{\"st").unwrap();
        drop(Metrics::open(run.path(), 20).unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), "{\"step\":10}\n{\"step\":20}\n");
    }
}
