//! The players of a league besides the generators: a bundle's detector, and the genuine pictures for the matches.

use std::path::Path;

use anyhow::{Result, ensure};
use counterfoil_edge::Detector;
use counterfoil_models::{Frame, Verdict, sha256_hex};

use crate::data::{Dataset, Item, Part};
use crate::gan::sampler::FaceoffGenerator;

/// A bundle's detector as a player.
#[derive(Debug)]
pub struct Detective {
    name: String,
    detector: Detector,
}

/// The genuine pictures of a league.
#[derive(Debug)]
pub struct Genuine {
    pictures: Vec<Item>,
}

impl Detective {
    /// Opens the detector of a bundle.
    ///
    /// # Errors
    /// Returns an error when the bundle cannot be opened.
    pub fn of(dir: &Path) -> Result<Self> {
        let detector = Detector::open(dir)?;
        Ok(Self { name: detector.bundle().manifest().name.clone(), detector })
    }

    /// Name of the bundle.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Fingerprint of the bundle.
    #[must_use]
    pub fn id(&self) -> &str {
        self.detector.bundle().id()
    }

    pub(super) fn judge(&self, picture: &Frame) -> Result<Verdict> {
        Ok(self.detector.judge(picture)?.verdict())
    }

    /// The verdict on a generated picture. The generator makes one row per region of the detector's input.
    pub(super) fn judge_forgery(&self, forger: &FaceoffGenerator, number: u64) -> Result<Verdict> {
        let manifest = self.detector.bundle().manifest();
        let (rows, c) = (manifest.input.rows(), manifest.input.channels());
        let [w, h] = manifest.game_size().map(|side| side as usize);
        ensure!(
            forger.shape() == (c, h, w),
            "{} draws {:?} and {} judges {:?}; a league is of bundles that were trained on pictures of one size and colour",
            forger.name(),
            forger.shape(),
            self.name,
            [c, h, w]
        );
        if manifest.training.whole_picture.is_some() {
            return self.judge(&forger.picture(number)?);
        }
        Ok(self.detector.judge_outputs(&self.detector.run(&forger.rows(number, rows)?)?)?.verdict())
    }
}

impl Genuine {
    /// The first `count` genuine pictures of a folder, in the order of their names.
    ///
    /// # Errors
    /// Returns an error when the folder holds fewer pictures, or cannot be read.
    pub fn of(folder: &Path, count: usize) -> Result<Self> {
        let mut pictures = Dataset::open_genuine(folder, None, Part::Test)?.genuine;
        ensure!(
            pictures.len() >= count,
            "{} holds {} pictures; give --matches {} or fewer",
            folder.display(),
            pictures.len(),
            2 * pictures.len()
        );
        pictures.truncate(count);
        Ok(Self { pictures })
    }

    /// Number of pictures.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pictures.len()
    }

    /// Whether there are no pictures.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pictures.is_empty()
    }

    /// SHA-256 over the names of the pictures, in hex.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let names: Vec<String> = self.pictures.iter().map(Item::label).collect();
        sha256_hex(names.join("\n").as_bytes())
    }

    pub(super) fn picture(&self, number: usize) -> Result<Frame> {
        Ok(self.pictures[number].frame()?.into_frame())
    }
}
