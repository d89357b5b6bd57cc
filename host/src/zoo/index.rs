//! ZOO/zoo.toml: which families a zoo holds, in which folds, and how it was made. It is written last, so that where it is the zoo is whole.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::family::{Family, Kind};
use super::{Error, Result};
use crate::durable;

const NAME: &str = "zoo.toml";

/// What a zoo says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Zoo {
    /// Of every random stream.
    pub seed: u64,
    /// The file the genuine pictures came from.
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// As its folder is called.
    pub name: String,
    /// 1, 2 or 3.
    pub fold: usize,
    /// What it is like.
    pub kind: Kind,
    /// What it does, in one line.
    pub does: String,
}

/// What a family is to a detector that has met the other folds only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// A family of its kind stands in another fold.
    Kin,
    /// None does.
    Alien,
}

impl Entry {
    pub(super) fn of(family: &Family) -> Self {
        let Family { name, fold, kind, does, .. } = *family;
        Self { name: name.to_owned(), fold, kind, does: does.to_owned() }
    }
}

impl Zoo {
    /// Reads ZOO/zoo.toml.
    ///
    /// # Errors
    /// When the file cannot be read or is no index of a zoo.
    pub fn open(folder: &Path) -> Result<Self> {
        let path = folder.join(NAME);
        let text = fs::read_to_string(&path).map_err(Error::io("read", &path))?;
        toml::from_str(&text).map_err(|e| Error::Index { path, what: e.message().to_owned() })
    }

    /// Writes ZOO/zoo.toml.
    pub(super) fn save(&self, folder: &Path) -> Result<()> {
        let path = folder.join(NAME);
        let text = toml::to_string(self).map_err(|e| Error::Index { path: path.clone(), what: e.to_string() })?;
        durable::write(&path, text.as_bytes()).map_err(Error::io("write", &path))
    }

    /// What a family of this zoo is when its fold is judged.
    #[must_use]
    pub fn standing(&self, judged: &Entry) -> Standing {
        let known = self.families.iter().any(|other| other.fold != judged.fold && other.kind == judged.kind);
        if known { Standing::Kin } else { Standing::Alien }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zoo::FAMILIES;

    #[test]
    fn an_index_survives_its_file_and_a_broken_one_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let families = FAMILIES.iter().map(Entry::of).collect();
        let zoo = Zoo { seed: 7, source: "a/b.gz".into(), train: 5, judge: 2, per_family: 1, families };
        zoo.save(dir.path()).unwrap();
        assert_eq!(Zoo::open(dir.path()).unwrap(), zoo);
        fs::write(dir.path().join(NAME), "seed = 1\n").unwrap();
        let message = Zoo::open(dir.path()).unwrap_err().to_string();
        assert!(message.contains(NAME) && message.contains("missing field"), "{message}");
    }

    #[test]
    fn kin_have_their_kind_in_another_fold() {
        let families: Vec<Entry> = FAMILIES.iter().map(Entry::of).collect();
        let zoo = Zoo { seed: 7, source: String::new(), train: 5, judge: 2, per_family: 1, families };
        let standing = |name| zoo.standing(zoo.families.iter().find(|family| family.name == name).unwrap());
        assert_eq!((standing("blur"), standing("jigsaw")), (Standing::Kin, Standing::Alien));
    }
}
