//! Who plays in a league beside the forgers: a bundle's detective, and the genuine articles between them.

use std::path::Path;

use anyhow::{Result, ensure};
use counterfoil_edge::Detector;
use counterfoil_models::{Frame, Verdict, sha256_hex};

use crate::data::{Dataset, Item, Part};
use crate::gan::sampler::Forger;

/// A detective.
#[derive(Debug)]
pub struct Detective {
    name: String,
    detector: Detector,
}

/// Genuine articles.
#[derive(Debug)]
pub struct Genuine {
    pictures: Vec<Item>,
}

impl Detective {
    /// The detective of a bundle.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn of(dir: &Path) -> Result<Self> {
        let detector = Detector::open(dir)?;
        Ok(Self { name: detector.bundle().manifest().name.clone(), detector })
    }

    /// The bundle's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The bundle's fingerprint.
    #[must_use]
    pub fn id(&self) -> &str {
        self.detector.bundle().id()
    }

    pub(super) fn judge(&self, picture: &Frame) -> Result<Verdict> {
        Ok(self.detector.judge(picture)?.verdict())
    }

    /// What it says of a forgery, whose rows are its own regions.
    pub(super) fn judge_forgery(&self, forger: &Forger, number: u64) -> Result<Verdict> {
        let [rows, c, h, w] = self.detector.bundle().manifest().input.shape();
        ensure!(
            forger.shape() == (c, h, w),
            "{} draws {:?} and {} judges {:?}; a league is of bundles that were trained on pictures of one size and colour",
            forger.name(),
            forger.shape(),
            self.name,
            [c, h, w]
        );
        Ok(self.detector.judge_outputs(&self.detector.run(&forger.rows(number, rows)?)?)?.verdict())
    }
}

impl Genuine {
    /// So many genuine pictures of a folder, in the order of their names.
    ///
    /// # Errors
    /// When there are fewer.
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

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pictures.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pictures.is_empty()
    }

    /// SHA-256 over what they are called.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let names: Vec<String> = self.pictures.iter().map(Item::label).collect();
        sha256_hex(names.join("\n").as_bytes())
    }

    pub(super) fn picture(&self, number: usize) -> Result<Frame> {
        Ok(self.pictures[number].frame()?.into_frame())
    }
}
