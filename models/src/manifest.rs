//! `manifest.json`: everything about a bundle that is not weights or pictures.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Calibration, Enrolment, Error, Golden, Join, Preprocess, Result};

/// The schema this program writes and the newest it reads.
pub const SCHEMA: u32 = 1;

/// The manifest of a bundle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this structure.
    pub schema: u32,
    /// The detector's name, for people.
    pub name: String,
    /// Grows with every bundle of this name, so that an older one does not silently replace a newer one.
    pub counter: u64,
    /// How a picture becomes the network's input.
    pub input: Preprocess,
    /// How the regions' scores become one.
    pub join: Join,
    /// How a score becomes a verdict.
    pub calibration: Calibration,
    /// How pictures are held to references of one item, where the training knew which pictures are of one. A program that does not
    /// know of it judges by `calibration` as ever, so the schema is the same with it and without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enrolment: Option<Enrolment>,
    /// Length of the generator's input `z`, where the bundle holds a generator.
    pub latent: Option<usize>,
    /// Where the weights came from.
    pub training: Training,
    /// Engines that gave the same numbers when the bundle was made.
    pub engines: Vec<Engine>,
    /// Pictures with known answers.
    pub golden: Vec<Golden>,
    /// Every other file of the bundle.
    pub files: BTreeMap<String, FileEntry>,
}

impl Manifest {
    /// Checks what serde cannot: that the parts fit each other.
    ///
    /// # Errors
    /// [`crate::Error::Setting`] or [`crate::Error::RowCount`], naming the part.
    pub fn validate(&self) -> Result<()> {
        self.input.validate()?;
        self.join.validate(self.input.rows())?;
        self.enrolment.as_ref().map_or(Ok(()), Enrolment::validate)
    }

    /// How pictures are held to references.
    ///
    /// # Errors
    /// [`Error::NoEnrolment`], saying what the training lacked, where the bundle holds nothing for it.
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
    /// The kind of network: `mlp`, `dcgan`, `statistics`, `strokes`.
    pub net: String,
    /// SHA-256 over the training pictures' hashes.
    pub data_sha256: String,
    /// Genuine pictures trained on.
    pub genuine: usize,
    /// Genuine pictures held out for calibration.
    pub held_out: usize,
    /// Items or writers these are of, where the training knew (`--group`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_out_groups: Option<usize>,
    /// Optimiser steps.
    pub steps: u64,
    /// Seed of every random stream.
    pub seed: u64,
    /// The whole training configuration.
    pub config: serde_json::Value,
    /// Version of the program that trained it, with its source revision where known.
    pub revision: String,
    /// What was measured on it.
    pub metrics: BTreeMap<String, Measured>,
}

/// A measured figure with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// The estimate.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// An engine that was compared with the trainer's own forward pass.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Engine {
    /// `tract` or `onnxruntime`.
    pub engine: String,
    /// Its version.
    pub version: String,
    /// Pictures compared.
    pub pictures: usize,
    /// The largest `|a - b| / max(1, |a|)` over all outputs.
    pub max_difference: f64,
}

/// A file of the bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256 in hex.
    pub sha256: String,
}
