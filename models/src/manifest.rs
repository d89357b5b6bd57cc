//! `manifest.json`: everything in a bundle except weights and pictures.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::naming::{is_title, printable};
use crate::{Calibration, Enrolment, Error, Golden, Join, Preprocess, Result, limits};

/// Schema version that this program writes, and the newest that it reads.
pub const SCHEMA: u32 = 1;

/// The manifest of a bundle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Schema version of this structure.
    pub schema: u32,
    /// The detector's name, for display.
    pub name: String,
    /// A counter that grows with every bundle of this name, so that an older bundle does not silently replace a newer
    /// one.
    pub counter: u64,
    /// How a picture becomes the network's input.
    pub input: Preprocess,
    /// How the scores of the regions are joined into one score.
    pub join: Join,
    /// How a score becomes a verdict.
    pub calibration: Calibration,
    /// How pictures are compared with references of one item; present when the training knew which pictures are of
    /// one item (`--group`).
    ///
    /// A program that does not know this field judges by `calibration` as before, so the schema version is the same
    /// with and without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enrolment: Option<Enrolment>,
    /// Length of the generator's latent input `z`; `None` when the bundle holds no generator.
    pub latent: Option<usize>,
    /// How the weights were trained.
    pub training: Training,
    /// Inference engines that gave the same numbers when the bundle was made.
    pub engines: Vec<Engine>,
    /// Golden pictures, with the results they must give.
    pub golden: Vec<Golden>,
    /// Every other file of the bundle, by its path in the bundle.
    pub files: BTreeMap<String, FileEntry>,
}

impl Manifest {
    /// Checks what serde cannot: that the parts of the manifest are consistent.
    ///
    /// # Errors
    /// [`crate::Error::Setting`] or [`crate::Error::RowCount`], naming the part.
    pub fn validate(&self) -> Result<()> {
        if !is_title(&self.name) {
            return Err(Error::Setting {
                field: "name",
                found: format!("\"{}\"", printable(&self.name)),
                expected: "1 to 100 printable characters on one line",
            });
        }
        if self.golden.len() > limits::GOLDEN_PICTURES {
            return Err(Error::Setting {
                field: "golden",
                found: format!("a list of {} pictures", self.golden.len()),
                expected: "at most 16, which a box judges whenever it starts",
            });
        }
        self.input.validate()?;
        self.join.validate(self.input.rows())?;
        self.enrolment.as_ref().map_or(Ok(()), Enrolment::validate)
    }

    /// Width and height of the pictures that the game was played with: those of the input, or of the detector's smaller
    /// view of it.
    #[must_use]
    pub fn game_size(&self) -> [u32; 2] {
        self.training.whole_picture.as_ref().map_or([self.input.width, self.input.height], |whole| whole.detector)
    }

    /// How pictures are compared with references.
    ///
    /// # Errors
    /// [`Error::NoEnrolment`], stating what the training lacked, when the bundle holds no enrolment.
    pub fn enrolment(&self) -> Result<&Enrolment> {
        self.enrolment.as_ref().ok_or_else(|| Error::NoEnrolment {
            because: match self.training.held_out_groups {
                None => "its training did not know which pictures are of one item or writer: train again with --group".into(),
                Some(groups) => format!(
                    "the {} pictures of {groups} groups held out from its training do not support a false-alarm rate of {}: add groups \
                     or pictures of each and train again, or export with a larger --alpha",
                    self.training.held_out,
                    self.calibration.alpha()
                ),
            },
        })
    }
}

/// How a detector was trained.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Training {
    /// Kind of network: `mlp`, `dcgan`, `statistics`, `strokes` or `imported`.
    pub net: String,
    /// SHA-256 over the training pictures' hashes.
    pub data_sha256: String,
    /// Number of genuine pictures trained on.
    pub genuine: usize,
    /// Number of genuine pictures held out for calibration.
    pub held_out: usize,
    /// Number of items or writers among the held-out pictures, where they are known (`--group`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_out_groups: Option<usize>,
    /// Number of optimiser steps.
    pub steps: u64,
    /// Seed of all random streams.
    pub seed: u64,
    /// The complete training configuration.
    pub config: serde_json::Value,
    /// Version of the program that wrote the bundle, with its source revision where known.
    pub revision: String,
    /// Metrics measured on the detector, by name.
    pub metrics: BTreeMap<String, Measured>,
    /// How much the calibration pictures were changed, as a camera changes from shot to shot: `scanner`, `fixed` or
    /// `handheld`; `None` where they are as they were given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tolerance: Option<String>,
    /// What judges whole pictures beside the detector; `None` for a detector that judges alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whole_picture: Option<WholePicture>,
}

/// What judges whole pictures beside a detector that sees fewer pixels.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WholePicture {
    /// Width and height of the detector's own view of the picture, in pixels.
    pub detector: [u32; 2],
    /// Multiply-adds for one picture.
    pub multiply_adds: u64,
    /// Share of the calibration pictures that is called counterfeit when they are changed as much as each of these
    /// allows.
    pub false_alarms: BTreeMap<String, Measured>,
}

/// A measured value with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// The estimate.
    pub value: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

/// An inference engine that was compared with the trainer's own forward pass.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Engine {
    /// Name of the engine: `tract` or `onnxruntime`.
    pub engine: String,
    /// Version of the engine.
    pub version: String,
    /// Number of pictures compared.
    pub pictures: usize,
    /// The largest `|a - b| / max(1, |a|)` over all outputs.
    pub max_difference: f64,
}

/// Length and hash of a file of the bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Length of the file in bytes.
    pub bytes: u64,
    /// SHA-256 of the file, in hex.
    pub sha256: String,
}
