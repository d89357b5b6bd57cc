//! The contents of ZOO/zoo.toml: the families of a zoo, their folds, and how the zoo was made. The zoo of digits and
//! the zoo of specimen notes write this file.

use serde::Serialize;

/// The index of a zoo, written as `zoo.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ZooIndex {
    /// Seed of all random streams.
    pub seed: u64,
    /// Source of the genuine pictures.
    pub source: String,
    /// Number of genuine pictures to train on, in ZOO/train.
    pub train: usize,
    /// Number of genuine pictures for judging, in ZOO/genuine.
    pub judge: usize,
    /// Number of forgeries of each family, in ZOO/fold-N/FAMILY.
    pub per_family: usize,
    /// The families, sorted by fold.
    #[serde(rename = "family")]
    pub families: Vec<ZooFamily>,
}

/// One family of a zoo.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ZooFamily {
    /// Name of the family and of its folder.
    pub name: &'static str,
    /// Number of the fold: 1, 2 or 3.
    pub fold: usize,
    /// Kind of the family. Families of the same kind are related.
    pub kind: &'static str,
    /// What the family does, in one line.
    pub does: &'static str,
}

impl ZooIndex {
    /// The text of `zoo.toml`.
    pub(crate) fn text(&self) -> String {
        toml::to_string(self).expect("a table of numbers, names and tables of them is TOML")
    }
}
