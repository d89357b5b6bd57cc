//! ZOO/zoo.toml: which families a zoo holds, in which folds, and how it was made. The zoo of digits and that of specimen notes write it.

use serde::Serialize;

use super::family::Family;

/// What a zoo says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Index {
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
    pub families: Vec<Entry>,
}

/// One family of a zoo.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// As its folder is called.
    pub name: &'static str,
    /// 1, 2 or 3.
    pub fold: usize,
    /// What it is like: families of one kind are kin.
    pub kind: &'static str,
    /// What it does, in one line.
    pub does: &'static str,
}

impl Entry {
    pub(super) fn of(family: &Family) -> Self {
        let Family { name, fold, kind, does, .. } = *family;
        Self { name, fold, kind: kind.name(), does }
    }
}

impl Index {
    /// The file's text.
    pub(crate) fn text(&self) -> String {
        toml::to_string(self).expect("a table of numbers, names and tables of them is TOML")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zoo::FAMILIES;

    #[test]
    fn the_text_names_every_family_with_its_fold_and_kind() {
        let families = FAMILIES.iter().map(Entry::of).collect();
        let index = Index { seed: 7, source: "a/b.gz".into(), train: 5, judge: 2, per_family: 1, families };
        let table: toml::Table = index.text().parse().unwrap();
        assert_eq!(table["seed"].as_integer(), Some(7));
        let entries = table["family"].as_array().unwrap();
        assert_eq!(entries.len(), FAMILIES.len());
        assert_eq!((entries[0]["name"].as_str(), entries[0]["fold"].as_integer()), (Some("dcgan-early"), Some(1)));
        assert_eq!(entries[0]["kind"].as_str(), Some("gan"));
    }
}
