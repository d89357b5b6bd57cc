//! RUN/metrics.jsonl: the measurements of a training run, one JSON object per line. Only this module defines their
//! format.
//!
//! There is a line for every tenth step and for every checkpoint on the schedule. The lines of checkpoints add the
//! quality metrics by their names. They and the lines of every fiftieth step add the probe of the detective, if
//! there is one. No line holds a time of day or a speed, so the bytes of this file, too, are a function of
//! configuration, samples and steps.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use super::super::Error;
use super::super::step::StepStats;
use super::{Observer, Step};
use crate::durable;

/// The file's name in the run folder.
pub const METRICS: &str = "metrics.jsonl";

/// Steps between two lines.
const EVERY: u64 = 10;

/// The measurements of one step. A number that is null or missing in an older record is NaN.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    /// Number of steps made, including this one.
    pub step: u64,
    /// Number of passes over the samples so far.
    #[serde(default = "none", serialize_with = "decimals::<4, _>", deserialize_with = "number")]
    pub epoch: f64,
    /// The discriminator's loss.
    #[serde(default = "none", serialize_with = "decimals::<6, _>", deserialize_with = "number")]
    pub loss_d: f64,
    /// The generator's loss.
    #[serde(default = "none", serialize_with = "decimals::<6, _>", deserialize_with = "number")]
    pub loss_g: f64,
    /// Mean D(x) over the real pictures, 0..1.
    #[serde(default = "none", serialize_with = "decimals::<6, _>", deserialize_with = "number")]
    pub d_real: f64,
    /// Mean D(G(z)) over the fakes, 0..1, before the discriminator's update.
    #[serde(default = "none", serialize_with = "decimals::<6, _>", deserialize_with = "number")]
    pub d_fake: f64,
    /// Norm of the discriminator's gradient.
    #[serde(default = "none", serialize_with = "decimals::<6, _>", deserialize_with = "number")]
    pub norm_d: f64,
    /// Norm of the generator's gradient.
    #[serde(default = "none", serialize_with = "decimals::<6, _>", deserialize_with = "number")]
    pub norm_g: f64,
    /// The detective's loss, if there is one. 1.39 is the loss of guessing, 2 ln 2.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "some_decimals::<6, _>")]
    pub loss_detective: Option<f64>,
    /// Quality metrics of the generator by name, for checkpoints on the schedule.
    #[serde(flatten, serialize_with = "quality", deserialize_with = "numbers")]
    pub quality: BTreeMap<String, f64>,
    /// AUROC of the detective on fixed rows, 0..1, at the steps where it was measured.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "some_decimals::<6, _>")]
    pub probe: Option<f64>,
}

impl From<&StepStats> for StepRecord {
    fn from(stats: &StepStats) -> Self {
        Self {
            step: stats.step,
            epoch: stats.epoch,
            loss_d: f64::from(stats.loss_d),
            loss_g: f64::from(stats.loss_g),
            d_real: f64::from(stats.d_real),
            d_fake: f64::from(stats.d_fake),
            norm_d: f64::from(stats.norm_d),
            norm_g: f64::from(stats.norm_g),
            loss_detective: stats.loss_detective.map(f64::from),
            quality: BTreeMap::new(),
            probe: None,
        }
    }
}

impl StepRecord {
    /// Reads the records of a run folder.
    ///
    /// # Errors
    /// When there is no file, it cannot be read, or a line is not a record.
    pub fn read(run: &Path) -> io::Result<Vec<Self>> {
        fs::read_to_string(run.join(METRICS))?.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
    }
}

/// Writes every number with the same number of decimals, so that lines are aligned.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn decimals<const N: usize, S: Serializer>(x: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    raw(format!("{x:.N$}")).serialize(serializer)
}

#[expect(clippy::ref_option, reason = "serde calls it so")]
fn some_decimals<const N: usize, S: Serializer>(x: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    x.map(|x| raw(format!("{x:.N$}"))).serialize(serializer)
}

fn quality<S: Serializer>(metrics: &BTreeMap<String, f64>, serializer: S) -> Result<S::Ok, S::Error> {
    let written: BTreeMap<&String, Box<RawValue>> =
        metrics.iter().map(|(name, x)| (name, raw(format!("{x:.4e}")))).collect();
    written.serialize(serializer)
}

fn none() -> f64 {
    f64::NAN
}

fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_else(none))
}

/// The numbers among the remaining fields.
fn numbers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, f64>, D::Error> {
    let rest = BTreeMap::<String, serde_json::Value>::deserialize(deserializer)?;
    Ok(rest.into_iter().filter_map(|(name, value)| Some((name, value.as_f64()?))).collect())
}

fn raw(number: String) -> Box<RawValue> {
    RawValue::from_string(number).expect("a finite number is JSON")
}

/// The file, opened for appending.
pub(in super::super) struct Recorder {
    path: PathBuf,
    file: File,
}

#[derive(Deserialize)]
struct Line {
    step: u64,
}

impl Recorder {
    /// Opens RUN/metrics.jsonl and removes the lines after `step`. They were left by a run that stopped before its
    /// next checkpoint.
    pub(in super::super) fn open(run: &Path, step: u64) -> Result<Self, Error> {
        let path = run.join(METRICS);
        let before = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            before => String::from_utf8_lossy(&before.map_err(Error::io("read", &path))?).into_owned(),
        };
        // Only whole lines are kept: a kill may have cut the last one anywhere.
        let fits = |line: &&str| {
            line.ends_with('\n') && serde_json::from_str::<Line>(line).is_ok_and(|line| line.step <= step)
        };
        let kept: String = before.split_inclusive('\n').take_while(fits).collect();
        durable::write(&path, kept.as_bytes()).map_err(Error::io("write", &path))?;
        let file = OpenOptions::new().append(true).open(&path).map_err(Error::io("open", &path))?;
        Ok(Self { path, file })
    }
}

impl Observer for Recorder {
    /// Adds a line if one is due. Before a checkpoint, the lines are synced to the disk, so that no
    /// checkpoint is newer than its lines.
    fn observe(&mut self, step: &Step) -> Result<(), Error> {
        if step.due.checkpoint || step.record.step.is_multiple_of(EVERY) {
            let line = serde_json::to_string(step.record).expect("numbers are JSON");
            self.file.write_all(format!("{line}\n").as_bytes()).map_err(Error::io("write", &self.path))?;
        }
        if step.due.checkpoint || step.due.end {
            self.file.sync_all().map_err(Error::io("write", &self.path))?;
        }
        Ok(())
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
            drop(Recorder::open(run.path(), step).unwrap());
            fs::read_to_string(&path).unwrap()
        };
        let twenty = "{\"step\":10}\n{\"step\":20}\n";
        assert_eq!(resumed(&format!("{twenty}{{\"step\":30}}\n{{\"st"), 20), twenty);
        assert_eq!(resumed(&format!("{twenty}{{\"step\":30}}"), 30), twenty, "a line without its end is torn");
        assert_eq!(resumed(twenty, 0), "");
    }

    #[test]
    fn a_line_has_the_form_that_readers_know() {
        let record = StepRecord {
            step: 1000,
            epoch: 0.5,
            loss_d: 1.386_294_4,
            loss_g: 0.7,
            d_real: 0.5,
            d_fake: 0.25,
            norm_d: 2.0,
            norm_g: 0.0,
            loss_detective: None,
            quality: BTreeMap::new(),
            probe: None,
        };
        let plain = concat!(
            r#"{"step":1000,"epoch":0.5000,"loss_d":1.386294,"loss_g":0.700000,"d_real":0.500000,"d_fake":0.250000,"#,
            r#""norm_d":2.000000,"norm_g":0.000000}"#
        );
        assert_eq!(serde_json::to_string(&record).unwrap(), plain);
        let quality = BTreeMap::from([("distance".to_owned(), 0.012_345_6)]);
        let full = StepRecord { loss_detective: Some(1.25), probe: Some(0.75), quality, ..record };
        let line = serde_json::to_string(&full).unwrap();
        assert!(line.ends_with(r#","loss_detective":1.250000,"distance":1.2346e-2,"probe":0.750000}"#), "{line}");
        let again: StepRecord = serde_json::from_str(&line).unwrap();
        assert_eq!((again.probe, again.quality["distance"]), (Some(0.75), 0.012_346));
    }

    #[test]
    fn records_of_older_programs_are_read() {
        let line = r#"{"step":10,"loss_d":null,"loss_g":0.5,"d_real":0.5,"d_fake":0.5,"by":"an older program","distance":null}"#;
        let record: StepRecord = serde_json::from_str(line).unwrap();
        assert!(record.loss_d.is_nan() && record.norm_d.is_nan() && record.quality.is_empty(), "{record:?}");
        assert_eq!((record.step, record.loss_g), (10, 0.5));
    }
}
