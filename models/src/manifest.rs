//! `manifest.json`: everything about a bundle that is not weights or pictures.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Calibration, Golden, Join, Preprocess, Result};

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
        self.join.validate(self.input.rows())
    }
}

/// How a detector was trained.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Training {
    /// The kind of network: `mlp`, `dcgan`, `statistics`.
    pub net: String,
    /// SHA-256 over the training pictures' hashes.
    pub data_sha256: String,
    /// Genuine pictures trained on.
    pub genuine: usize,
    /// Genuine pictures held out for calibration.
    pub held_out: usize,
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
