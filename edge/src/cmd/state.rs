//! The options `--state` and `--as`: select the [`Standard`] for the verdicts, and describe it.

use std::io::{self, Write};
use std::path::PathBuf;

use counterfoil_edge::Detector;
use counterfoil_edge::detector::standard::Standard;
use counterfoil_models::Name;
use serde::Serialize;

/// What this box has learned on site.
#[derive(clap::Args)]
pub(crate) struct StateOption {
    /// The folder of what this box has learned; a calibration for its camera, if there is one, replaces the bundle's
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Compare each picture with the references that `enroll` stored under this name
    #[arg(long = "as", value_name = "NAME", requires = "state")]
    enrolled: Option<Name>,
}

/// The basis of a verdict, printed with every verdict if `--state` is given.
#[derive(Clone, Serialize)]
#[serde(tag = "calibration", rename_all = "lowercase")]
pub(crate) enum Basis {
    /// The bundle's own calibration.
    Bundle,
    /// A calibration made on site.
    Site { pictures: usize },
    /// Enrolled references, with the calibration for their number or the next smaller one.
    Enrolled { name: String, references: usize, calibrated_for: usize },
}

impl StateOption {
    /// Sets the standard of the detector and returns a description of it; `None` without `--state`.
    pub(crate) fn apply(&self, detector: Detector) -> anyhow::Result<(Detector, Option<Basis>)> {
        let Some(state) = &self.state else { return Ok((detector, None)) };
        let manifest = detector.bundle().manifest();
        if self.enrolled.is_some() {
            manifest.enrolment()?;
        }
        let standard = Standard::of(detector.bundle(), state, self.enrolled.as_ref())?;
        let basis = match &standard {
            Standard::Bundle => {
                let state = state.display();
                let _ = writeln!(io::stderr(), "note: {state} holds no calibration for this bundle; its own is used");
                Basis::Bundle
            }
            Standard::Site(calibration) => Basis::Site { pictures: calibration.scores().len() },
            Standard::Enrolled(references) => Basis::Enrolled {
                name: self.enrolled.as_ref().map(ToString::to_string).unwrap_or_default(),
                references: references.len(),
                calibrated_for: manifest.enrolment()?.level(references.len()).references,
            },
        };
        Ok((detector.with_standard(standard)?, Some(basis)))
    }
}
