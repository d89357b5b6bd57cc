//! `counterfoil calibrate`: genuine pictures from another camera become that site's calibration, beside the bundle.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use counterfoil_edge::Detector;
use counterfoil_host::data::{Dataset, Part};
use counterfoil_host::judging;
use counterfoil_models::{Calibration, Overlay, ensure_free};

/// Calibrates a bundle for another camera; the bundle itself is not changed
#[derive(Args, Debug)]
#[command(after_help = "Example:
  counterfoil calibrate --bundle bundles/label --genuine photos-through-the-box --state box-state
  counterfoil-edge detect --bundle bundles/label --state box-state note.jpg

Take pictures the training never saw: on those it did, any detector looks better than it is.
Pictures that could not be read are named, the others are calibrated on all the same, and the exit code is then 2.")]
pub(crate) struct Calibrate {
    /// The bundle
    #[arg(long, value_name = "BUNDLE")]
    bundle: PathBuf,
    /// Genuine pictures taken with the new camera; 99 or more for a false-alarm rate of 1 %
    #[arg(long, value_name = "DIR")]
    genuine: PathBuf,
    /// The box's state folder, or a folder to copy into it; created if it does not exist
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
    /// False-alarm rate to calibrate for [default: the bundle's]
    #[arg(long)]
    alpha: Option<f64>,
    /// Replace the state folder's existing calibration for this bundle
    #[arg(long)]
    force: bool,
}

impl Calibrate {
    pub(crate) fn run(self) -> Result<()> {
        let detector = Detector::open(&self.bundle)?;
        let bundle = detector.bundle();
        let overlay = Overlay::of(&self.state, bundle);
        ensure_free(&overlay.calibration_file(), self.force)?;
        let data = Dataset::open_genuine(&self.genuine, None, Part::Test)?;
        data.understood.tell(&super::tell);
        let judged = judging::judge(&detector, &data.genuine);
        super::tell_unreadable(&judged.unreadable);
        let scores: Vec<f32> = judged.scored.iter().map(|scored| scored.score).collect();
        let alpha = self.alpha.unwrap_or(bundle.manifest().calibration.alpha());
        let calibration = Calibration::new(alpha, scores)
            .with_context(|| format!("--genuine {}: it was not calibrated on", self.genuine.display()))?;
        overlay.calibrate(&calibration)?;
        // How many pictures the bundle's own calibration would have rejected: a measure of the cameras' difference.
        let own = &bundle.manifest().calibration;
        let refused = judged.scored.iter().filter(|scored| scored.p_value <= own.alpha()).count();
        eprintln!(
            "false-alarm rate {} % from {} genuine pictures, of which the bundle's own calibration would have refused {refused}; try: \
             counterfoil-edge detect --bundle {} --state {} PICTURES",
            100.0 * alpha,
            calibration.scores().len(),
            self.bundle.display(),
            self.state.display()
        );
        super::all_judged(&judged.unreadable)
    }
}
