//! The pictures that `eval` and `report` judge, and the pictures for fitting the baselines, as the flags name them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use counterfoil_host::data::{Dataset, Fold, Item, Part};
use counterfoil_host::eval::Kinship;

use super::beside::{BaselineTraining, ComparisonArgs};

/// The flags that `eval` and `report` share for the pictures: two folders, or a fold of a zoo.
#[derive(Args, Debug)]
pub(crate) struct Pictures {
    /// Genuine pictures that the training did not see: a folder, or an IDX file such as t10k-images-idx3-ubyte.gz
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
    /// Regular expression on file names; its first capture is the group; intervals resample whole groups
    #[arg(long, value_name = "REGEX")]
    group: Option<String>,
}

/// The judged pictures, and the pictures for fitting the baselines.
#[derive(Debug)]
pub(crate) struct Material {
    /// Genuine pictures and counterfeits to judge.
    pub(crate) items: Vec<Item>,
    /// Pictures for fitting the baselines.
    pub(crate) baseline_training: BaselineTraining,
    /// The kinship of each family with the families of the other folds; `None` without a zoo.
    pub(crate) kinship: Option<BTreeMap<String, Kinship>>,
}

impl Pictures {
    /// Lists the pictures that the flags name.
    pub(crate) fn material(&self, beside: &ComparisonArgs) -> Result<Material> {
        if let (Some(zoo), Some(fold)) = (&self.zoo, self.fold) {
            let Fold { judged, train, known, kinship } = Fold::open(zoo, fold)?;
            let baseline_training = BaselineTraining { genuine: Some(train), fakes: known };
            return Ok(Material { items: judged, baseline_training, kinship: Some(kinship) });
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
        let mut baseline_training = beside.baseline_training()?;
        if let Some(genuine) = &self.genuine {
            baseline_training.or_training_pictures(genuine, &items);
        }
        Ok(Material { items, baseline_training, kinship: None })
    }
}
