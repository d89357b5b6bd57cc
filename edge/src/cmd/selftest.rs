//! `selftest`: opens a bundle as `detect` does, and reports what was checked.

use std::io::Write;
use std::process::ExitCode;

use clap::Args;
use counterfoil_edge::Detector;
use serde_json::json;

use super::bundle::BundleOption;

/// Checks a bundle: the hashes of its files, its network, and its golden pictures from file to verdict
#[derive(Args)]
#[command(after_help = "\
Example:
  counterfoil-edge selftest --bundle models/pretrained/specimen-note

Exit codes: 0 the bundle is sound on this computer, 2 it is not; the reason is on stderr.")]
pub(crate) struct Cmd {
    #[command(flatten)]
    bundle: BundleOption,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

impl Cmd {
    pub(crate) fn run(self, out: &mut impl Write) -> anyhow::Result<ExitCode> {
        let detector =
            if self.bundle.stock { self.bundle.open()? } else { Detector::open_both_ways(self.bundle.dir()?)? };
        let bundle = detector.bundle();
        let manifest = bundle.manifest();
        if self.json {
            let report = json!({
                "bundle": bundle.dir().to_string_lossy(),
                "id": bundle.id(),
                "name": manifest.name,
                "counter": manifest.counter,
                "files": manifest.files,
                "golden": manifest.golden.len(),
                "max_deviation": detector.deviation(),
            });
            writeln!(out, "{report}")?;
            return Ok(ExitCode::SUCCESS);
        }
        writeln!(out, "{} (number {}), {}", manifest.name, manifest.counter, bundle.dir().display())?;
        writeln!(out, "{}  manifest.json", bundle.id())?;
        for (name, file) in &manifest.files {
            writeln!(out, "{}  {name} ({} bytes)", file.sha256, file.bytes)?;
        }
        for golden in &manifest.golden {
            writeln!(out, "golden {}: {}, score {}", golden.file, golden.verdict, golden.score)?;
        }
        writeln!(
            out,
            "sound: {} files and {} golden pictures as the manifest has them, largest deviation of a score {:.1e}",
            manifest.files.len(),
            manifest.golden.len(),
            detector.deviation()
        )?;
        Ok(ExitCode::SUCCESS)
    }
}
