//! Lists the pictures of one fold of a zoo of counterfeit families: those to judge, and those that may be used for
//! training.
//!
//! ```text
//! ZOO/zoo.toml               [[family]] name, fold, kind
//! ZOO/train, ZOO/genuine     genuine pictures for training, and for judging
//! ZOO/fold-N/FAMILY/*.png    forgeries
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde::Deserialize;

use super::{DataError, Dataset, Item, Part, Result};
use crate::eval::Kinship;

/// The part of `zoo.toml` that is needed here.
#[derive(Deserialize)]
struct Index {
    #[serde(rename = "family")]
    families: Vec<Family>,
}

#[derive(Deserialize)]
struct Family {
    name: String,
    fold: u32,
    kind: String,
}

/// One fold of a zoo: its pictures to judge, and the pictures to train on.
#[derive(Debug)]
pub struct Fold {
    /// Genuine pictures and this fold's forgeries.
    pub judged: Vec<Item>,
    /// Genuine pictures for training.
    pub train: Vec<Item>,
    /// The forgeries of the other folds.
    pub known: Vec<Item>,
    /// For each judged family, whether the other folds hold a family of the same kind.
    pub kinship: BTreeMap<String, Kinship>,
}

impl Fold {
    /// Lists the pictures for fold number `fold`.
    ///
    /// # Errors
    /// [`DataError::Zoo`] when `zoo.toml` does not parse, names no family of this fold, or lacks a family that the
    /// fold's folder holds; [`DataError::Io`] when it cannot be read; and the errors of [`Dataset::open`].
    pub fn open(zoo: &Path, fold: u32) -> Result<Self> {
        let path = zoo.join("zoo.toml");
        let wrong = |what: String| DataError::Zoo { path: path.clone(), what };
        let text =
            fs::read_to_string(&path).map_err(|source| DataError::Io { doing: "read", path: path.clone(), source })?;
        let Index { families } = toml::from_str(&text).map_err(|e| wrong(e.message().to_owned()))?;
        let folds: BTreeSet<u32> = families.iter().map(|family| family.fold).collect();
        if !folds.contains(&fold) {
            return Err(wrong(format!("it names no family of fold {fold}; --fold takes one of {folds:?}")));
        }
        let forgeries = |fold: u32| {
            let folder = zoo.join(format!("fold-{fold}"));
            Dataset::open_fakes(&folder, None, Part::Train).map(|data| data.fake)
        };
        let fakes = forgeries(fold)?;
        let others: BTreeSet<&str> =
            families.iter().filter(|family| family.fold != fold).map(|family| family.kind.as_str()).collect();
        let kinship = |family: &Family| {
            let kinship = if others.contains(family.kind.as_str()) { Kinship::Seen } else { Kinship::Unseen };
            (family.name.clone(), kinship)
        };
        let kinship: BTreeMap<String, Kinship> =
            families.iter().filter(|family| family.fold == fold).map(kinship).collect();
        if let Some(stranger) = fakes.iter().filter_map(|item| item.family.as_ref()).find(|f| !kinship.contains_key(*f))
        {
            return Err(wrong(format!("it does not name {stranger}, a family in fold-{fold}; make the zoo again")));
        }
        Ok(Self {
            judged: [Dataset::open(&zoo.join("genuine"), None)?.genuine, fakes].concat(),
            train: Dataset::open(&zoo.join("train"), None)?.genuine,
            known: folds
                .iter()
                .filter(|&&other| other != fold)
                .map(|&other| forgeries(other))
                .collect::<Result<Vec<_>>>()?
                .concat(),
            kinship,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::GrayImage;
    use tempfile::TempDir;

    /// Two folds of two families each; in each fold one family is of kind `gan`.
    fn zoo() -> TempDir {
        let dir = tempfile::tempdir().unwrap();
        for below in ["train", "genuine", "fold-1/early", "fold-1/blur", "fold-2/late", "fold-2/jigsaw"] {
            fs::create_dir_all(dir.path().join(below)).unwrap();
            for i in 0..2 {
                GrayImage::new(8, 8).save(dir.path().join(below).join(format!("{i}.png"))).unwrap();
            }
        }
        let family = |name, fold, kind| format!("[[family]]\nname = {name:?}\nfold = {fold}\nkind = {kind:?}\n");
        let families = [
            family("early", 1, "gan"),
            family("blur", 1, "tone"),
            family("late", 2, "gan"),
            family("jigsaw", 2, "collage"),
        ];
        fs::write(dir.path().join("zoo.toml"), format!("seed = 7\n{}", families.concat())).unwrap();
        dir
    }

    #[test]
    fn a_fold_is_judged_and_the_others_are_learned_from() {
        let dir = zoo();
        let fold = Fold::open(dir.path(), 2).unwrap();
        assert_eq!((fold.judged.len(), fold.train.len(), fold.known.len()), (6, 2, 4));
        let known: BTreeSet<&str> = fold.known.iter().filter_map(|item| item.family.as_deref()).collect();
        assert_eq!(known, BTreeSet::from(["early", "blur"]));
        let kinship = [("jigsaw", Kinship::Unseen), ("late", Kinship::Seen)].map(|(name, k)| (name.to_owned(), k));
        assert_eq!(fold.kinship, BTreeMap::from(kinship));
    }

    #[test]
    fn a_fold_that_is_not_there_and_a_family_that_is_not_named_are_told() {
        let dir = zoo();
        let message = Fold::open(dir.path(), 3).unwrap_err().to_string();
        assert!(message.contains("zoo.toml") && message.contains("{1, 2}"), "{message}");
        fs::create_dir(dir.path().join("fold-1/new")).unwrap();
        GrayImage::new(8, 8).save(dir.path().join("fold-1/new/0.png")).unwrap();
        assert!(Fold::open(dir.path(), 1).unwrap_err().to_string().contains("does not name new"));
        fs::write(dir.path().join("zoo.toml"), "family = 3").unwrap();
        assert!(matches!(Fold::open(dir.path(), 1), Err(DataError::Zoo { .. })));
        assert!(matches!(Fold::open(&dir.path().join("none"), 1), Err(DataError::Io { .. })));
    }
}
