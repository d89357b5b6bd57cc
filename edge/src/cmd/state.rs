//! The options `--state` and `--as` become the [`Standard`] pictures are held to, and what is said of it.

use std::io::{self, Write};
use std::path::PathBuf;

use counterfoil_edge::Detector;
use counterfoil_edge::detector::standard::Standard;
use counterfoil_models::Name;
use serde::Serialize;

/// What this box has learned on site.
#[derive(clap::Args)]
pub(crate) struct StateOption {
    /// The folder of what this box has learned: its camera's calibration, where there is one, takes the place of the bundle's
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Hold each picture to what `enroll` filed under this name
    #[arg(long = "as", value_name = "NAME", requires = "state")]
    enrolled: Option<Name>,
}

/// What a verdict rests on, beside every verdict where `--state` was given.
#[derive(Clone, Serialize)]
#[serde(tag = "calibration", rename_all = "lowercase")]
pub(crate) enum Basis {
    /// The bundle's own calibration.
    Bundle,
    /// One made on site.
    Site { pictures: usize },
    /// References, by the calibration for that many or the next fewer.
    Enrolled { name: String, references: usize, calibrated_for: usize },
}

impl StateOption {
    /// Makes the detector hold pictures to what was learned, and says what that is; `None` without `--state`.
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
        Ok((detector.held_to(standard)?, Some(basis)))
    }
}
