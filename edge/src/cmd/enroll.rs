//! `enroll`: stores genuine pictures of one item or writer as references in the state folder of the box.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow};
use clap::Args;
use counterfoil_edge::Detector;
use counterfoil_edge::detector::source::{self, SkippedFiles};
use counterfoil_models::{MAX_REFERENCES, Name, Overlay, References};
use serde_json::json;

use super::bundle::BundleOption;

/// Enrols 1 to 20 genuine pictures of one item or writer, with which `detect --as NAME` then compares pictures
#[derive(Args)]
#[command(after_help = "\
Examples:
  counterfoil-edge enroll --bundle signatures --state /var/lib/counterfoil --name ada ada-1.png ada-2.png ada-3.png
  counterfoil-edge detect --bundle signatures --state /var/lib/counterfoil --as ada cheque.png
  counterfoil-edge enroll --bundle signatures --state /var/lib/counterfoil --list

The false-alarm rate for each number of references was worked out at export, on items or writers the training never saw;
a bundle whose training knew none (`counterfoil train --group`) cannot enrol.")]
pub(crate) struct Cmd {
    #[command(flatten)]
    bundle: BundleOption,
    /// The folder of what this box has learned; created if it is missing
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
    /// The item's or writer's name: letters, digits, '-', '_' and '.'
    #[arg(long, required_unless_present = "list")]
    name: Option<Name>,
    /// Picture files, or folders of them
    #[arg(required_unless_present_any = ["list", "remove"], value_name = "PICTURE")]
    paths: Vec<PathBuf>,
    /// List the enrolled names
    #[arg(long, conflicts_with_all = ["name", "paths", "remove"])]
    list: bool,
    /// Remove the references of the name
    #[arg(long, conflicts_with = "paths")]
    remove: bool,
    /// Print one JSON object per line
    #[arg(long)]
    json: bool,
}

impl Cmd {
    pub(crate) fn run(self, out: &mut impl Write) -> Result<ExitCode> {
        let detector = self.bundle.open()?;
        let overlay = Overlay::of(&self.state, detector.bundle());
        let Some(name) = &self.name else {
            for name in overlay.names()? {
                self.tell(out, &detector, &name, &overlay.references(&name)?)?;
            }
            return Ok(ExitCode::SUCCESS);
        };
        if self.remove {
            overlay.remove(name)?;
            return Ok(ExitCode::SUCCESS);
        }
        detector.bundle().manifest().enrolment()?;
        let references = References::new(embeddings(&detector, self.paths.clone())?)?;
        overlay.enroll(name, &references)?;
        self.tell(out, &detector, name, &references)?;
        Ok(ExitCode::SUCCESS)
    }

    /// Prints an enrolled name, and the calibration on which a verdict about it is based.
    fn tell(&self, out: &mut impl Write, detector: &Detector, name: &Name, references: &References) -> Result<()> {
        let level = detector.bundle().manifest().enrolment()?.level(references.len());
        let (k, alpha, pictures) = (references.len(), level.calibration.alpha(), level.calibration.scores().len());
        if self.json {
            let line = json!({
                "name": name.to_string(),
                "references": k,
                "calibrated_for": level.references,
                "alpha": alpha,
                "pictures": pictures,
                "groups": level.groups,
                "effective": level.effective,
            });
            writeln!(out, "{line}").context("the results cannot be written")?;
            return Ok(());
        }
        writeln!(
            out,
            "{name}: {k} references; false-alarm rate {} % by the calibration for {}, on {pictures} pictures of {} groups, worth {:.0} \
             independent ones",
            100.0 * alpha,
            level.references,
            level.groups,
            level.effective
        )?;
        Ok(())
    }
}

/// The embedding of every picture. One picture that cannot be read makes the whole list fail. At most
/// one more than the maximum is read.
fn embeddings(detector: &Detector, paths: Vec<PathBuf>) -> Result<Vec<Vec<f32>>> {
    let mut passed = SkippedFiles::default();
    let embeddings = source::pictures(paths)
        .filter_map(|source| passed.sift(source))
        .take(MAX_REFERENCES + 1)
        .map(|source| {
            let path = source.path().to_path_buf();
            let embedding = || detector.embedding(&detector.plane(&*source.frame()?)?);
            embedding().map_err(|error| anyhow!("{}: {error}", path.display()))
        })
        .collect();
    if let Some(sentence) = passed.sentence() {
        let _ = writeln!(io::stderr(), "{sentence}");
    }
    embeddings
}
