//! The option `--bundle` of `detect`, `selftest` and `bench`: opens a [`Detector`].

use std::path::{Path, PathBuf};

use anyhow::bail;
use counterfoil_edge::Detector;
use counterfoil_edge::inference::Tract;

/// The bundle to use. Not required by clap, so that a missing option gets a message that says where to find a bundle.
#[derive(clap::Args)]
pub(crate) struct BundleOption {
    /// The bundle's folder, as `counterfoil export` wrote it
    #[arg(long, value_name = "BUNDLE")]
    bundle: Option<PathBuf>,
    /// Compute the network with tract's own operators only: slower, for comparison
    #[arg(long)]
    pub(crate) stock: bool,
}

impl BundleOption {
    /// Opens the bundle, including its test on the golden pictures.
    pub(crate) fn open(&self) -> anyhow::Result<Detector> {
        Ok(Detector::open_with(self.dir()?, &self.backend())?)
    }

    /// The bundle's folder.
    pub(crate) fn dir(&self) -> anyhow::Result<&Path> {
        let Some(dir) = &self.bundle else {
            bail!(
                "no --bundle given; name the folder that `counterfoil export` wrote, or one that comes with the source: \
                 --bundle models/pretrained/specimen-note"
            );
        };
        Ok(dir)
    }

    /// What computes the network.
    pub(crate) fn backend(&self) -> Tract {
        Tract { own: !self.stock }
    }
}
