//! `try-bundle`: the child of a trial. Not for people: `selftest` says more.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use counterfoil_edge::Detector;
use counterfoil_edge::store::trial;

/// Opens a bundle within the limits of a trial and prints its fingerprint
#[derive(Args)]
pub(crate) struct Cmd {
    /// The bundle's folder
    bundle: PathBuf,
}

impl Cmd {
    pub(crate) fn run(self, out: &mut impl Write) -> anyhow::Result<ExitCode> {
        trial::limit(&self.bundle)?;
        let detector = Detector::open_both_ways(&self.bundle)?;
        writeln!(out, "{}", detector.bundle().id())?;
        Ok(ExitCode::SUCCESS)
    }
}
