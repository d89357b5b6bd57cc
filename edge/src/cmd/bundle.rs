//! The option `--bundle`, which `detect`, `selftest` and `bench` share, becomes a [`Detector`].

use std::path::PathBuf;

use anyhow::bail;
use counterfoil_edge::Detector;

/// Which bundle to use. Not one clap requires, so that leaving it out gets an answer that says where to find one.
#[derive(clap::Args)]
pub(crate) struct BundleOption {
    /// The bundle's folder, as `counterfoil export` wrote it
    #[arg(long, value_name = "BUNDLE")]
    bundle: Option<PathBuf>,
}

impl BundleOption {
    /// Opens the bundle, its golden check included.
    pub(crate) fn open(&self) -> anyhow::Result<Detector> {
        let Some(dir) = &self.bundle else {
            bail!(
                "no --bundle given; name the folder that `counterfoil export` wrote, or one that comes with the source: \
                 --bundle models/pretrained/specimen-note"
            );
        };
        Ok(Detector::open(dir)?)
    }
}
