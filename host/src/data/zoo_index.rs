//! ZOO/zoo.toml: which families a zoo holds, in which folds, and how it was made. The zoo of digits and that of specimen notes write it.

use serde::Serialize;

/// What a zoo says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ZooIndex {
    /// Of every random stream.
    pub seed: u64,
    /// Where the genuine pictures came from.
    pub source: String,
    /// Genuine pictures to train on, in ZOO/train.
    pub train: usize,
    /// Genuine pictures to judge by, in ZOO/genuine.
    pub judge: usize,
    /// Forgeries of each family, in ZOO/fold-N/FAMILY.
    pub per_family: usize,
    /// The families, fold by fold.
    #[serde(rename = "family")]
    pub families: Vec<ZooFamily>,
}

/// One family of a zoo.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ZooFamily {
    /// As its folder is called.
    pub name: &'static str,
    /// 1, 2 or 3.
    pub fold: usize,
    /// What it is like: families of one kind are kin.
    pub kind: &'static str,
    /// What it does, in one line.
    pub does: &'static str,
}

impl ZooIndex {
    /// The file's text.
    pub(crate) fn text(&self) -> String {
        toml::to_string(self).expect("a table of numbers, names and tables of them is TOML")
    }
}
