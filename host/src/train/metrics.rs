//! The record of a game: rounds go in, lines of RUN/metrics.jsonl come out.
//!
//! A line every tenth round and at every checkpoint on the schedule, which adds how far the forger's pictures are from the genuine; every
//! fiftieth and the checkpoints' add the probe of the detective, where one looks on.
//! No line holds a time of day or a speed: the file's bytes, too, are a function of configuration, samples and steps.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::Error;
use super::game::Round;
use crate::durable;

/// The file's name in the run folder.
pub const METRICS: &str = "metrics.jsonl";

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
        let path = run.join(METRICS);
        let before = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            before => String::from_utf8_lossy(&before.map_err(Error::io("read", &path))?).into_owned(),
        };
        // Whole lines only: a kill may have cut the last one anywhere.
        let fits = |line: &&str| {
            line.ends_with('\n') && serde_json::from_str::<Line>(line).is_ok_and(|line| line.step <= step)
        };
        let kept: String = before.split_inclusive('\n').take_while(fits).collect();
        durable::write(&path, kept.as_bytes()).map_err(Error::io("write", &path))?;
        let file = OpenOptions::new().append(true).open(&path).map_err(Error::io("open", &path))?;
        Ok(Self { path, file })
    }

    /// Adds a line.
    pub(super) fn add(&mut self, round: &Round, distance: Option<f64>, probe: Option<f64>) -> Result<(), Error> {
        let Round { step, epoch, loss_d, loss_g, d_real, d_fake, norm_d, norm_g, loss_detective } = round;
        let distance = distance.map_or_else(String::new, |distance| format!(r#","distance":{distance:.4e}"#));
        let detective = loss_detective.map_or_else(String::new, |loss| format!(r#","loss_detective":{loss:.6}"#));
        let probe = probe.map_or_else(String::new, |auroc| format!(r#","probe":{auroc:.6}"#));
        let line = format!(
            r#"{{"step":{step},"epoch":{epoch:.4},"loss_d":{loss_d:.6},"loss_g":{loss_g:.6},"d_real":{d_real:.6},"d_fake":{d_fake:.6},"norm_d":{norm_d:.6},"norm_g":{norm_g:.6}{detective}{distance}{probe}}}"#
        );
        self.file.write_all(format!("{line}\n").as_bytes()).map_err(Error::io("write", &self.path))
    }

    /// Sees the lines onto the disk: they come before the checkpoint that they led to.
    pub(super) fn sync(&self) -> Result<(), Error> {
        self.file.sync_all().map_err(Error::io("write", &self.path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resuming_drops_the_lines_after_the_checkpoint_and_a_torn_one() {
        let run = tempfile::tempdir().unwrap();
        let path = run.path().join("metrics.jsonl");
        let resumed = |left: &str, step| {
            fs::write(&path, left).unwrap();
            drop(Metrics::open(run.path(), step).unwrap());
            fs::read_to_string(&path).unwrap()
        };
        let twenty = "{\"step\":10}\n{\"step\":20}\n";
        assert_eq!(resumed(&format!("{twenty}{{\"step\":30}}\n{{\"st"), 20), twenty);
        assert_eq!(resumed(&format!("{twenty}{{\"step\":30}}"), 30), twenty, "a line without its end is torn");
        assert_eq!(resumed(twenty, 0), "");
    }
}
