//! What `eval` and `report` judge: flags go in; pictures of known truth, and what the baselines may learn from, come out.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use counterfoil_host::data::{Dataset, Fold, Item, Part};
use counterfoil_host::eval::Kinship;

use super::beside::{Beside, Lessons};

/// Flags of both: two folders, or a fold of a zoo.
#[derive(Args, Debug)]
pub(crate) struct Pictures {
    /// Genuine pictures the training never saw: a folder, or an IDX file such as t10k-images-idx3-ubyte.gz
    #[arg(long, value_name = "DIR", required_unless_present = "zoo", requires = "fake")]
    genuine: Option<PathBuf>,
    /// Counterfeits; folders in it are families
    #[arg(long, value_name = "DIR", required_unless_present = "zoo", requires = "genuine")]
    fake: Option<PathBuf>,
    /// A forger zoo, as `dataset zoo` makes it, instead of --genuine and --fake
    #[arg(long, value_name = "ZOO", requires = "fold", conflicts_with_all = ["genuine", "fake", "group", "reference", "train_fakes"])]
    zoo: Option<PathBuf>,
    /// The fold of the zoo that is judged
    #[arg(long, value_name = "N", requires = "zoo")]
    fold: Option<u32>,
    /// Pattern on file names whose first capture names the group; intervals resample whole groups
    #[arg(long, value_name = "REGEX")]
    group: Option<String>,
}

/// What is judged, and what the baselines may learn from.
#[derive(Debug)]
pub(crate) struct Material {
    /// Genuine pictures and counterfeits.
    pub(crate) items: Vec<Item>,
    /// For the baselines.
    pub(crate) lessons: Lessons,
    /// What each family is to those of the other folds, where a zoo is judged.
    pub(crate) kinship: Option<BTreeMap<String, Kinship>>,
}

impl Pictures {
    /// Lists what the flags name.
    pub(crate) fn material(&self, beside: &Beside) -> Result<Material> {
        if let (Some(zoo), Some(fold)) = (&self.zoo, self.fold) {
            let Fold { judged, train, known, kinship } = Fold::open(zoo, fold)?;
            let lessons = Lessons { genuine: Some(train), fakes: known };
            return Ok(Material { items: judged, lessons, kinship: Some(kinship) });
        }
        let group = self.group.as_deref();
        let mut items = Vec::new();
        if let (Some(genuine), Some(fake)) = (&self.genuine, &self.fake) {
            let genuine = Dataset::open_genuine(genuine, group, Part::Test)?;
            let fake = Dataset::open_fakes(fake, group, Part::Test)?;
            genuine.understood.tell(&super::tell);
            fake.understood.tell(&super::tell);
            items = [genuine.genuine, fake.fake].concat();
        }
        Ok(Material { items, lessons: beside.lessons()?, kinship: None })
    }
}
