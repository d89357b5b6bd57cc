//! What a picture is held to: the bundle's calibration, one made on this site, or the references of one item. Outputs of the network
//! enter, a [`Judgement`] leaves.
//!
//! A file because what a box has learned on site changes the verdict and nothing before it: preprocessing and network stay the
//! bundle's.

use std::path::Path;

use counterfoil_models::{Bundle, Calibration, Judgement, Manifest, Name, Overlay, References};

use crate::Result;
use crate::inference::Outputs;

/// What a picture is held to.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Standard {
    /// The calibration that came with the bundle.
    #[default]
    Bundle,
    /// A calibration on genuine pictures of this site's camera.
    Site(Calibration),
    /// Genuine pictures of one item or writer.
    Enrolled(References),
}

impl Standard {
    /// What a state folder holds for a bundle: under a name the references enrolled, otherwise the site's calibration, and the bundle's
    /// own where there is none.
    ///
    /// # Errors
    /// [`crate::Error::Contract`] when nobody is enrolled by that name, or a file cannot be read or believed.
    pub fn of(bundle: &Bundle, state: &Path, name: Option<&Name>) -> Result<Self> {
        let overlay = Overlay::of(state, bundle);
        Ok(match name {
            Some(name) => Self::Enrolled(overlay.references(name)?),
            None => overlay.calibration()?.map_or(Self::Bundle, Self::Site),
        })
    }

    /// The genuine scores that a picture's is held against.
    ///
    /// # Errors
    /// [`crate::Error::Contract`] when the bundle knows no references.
    pub fn calibration<'a>(&'a self, manifest: &'a Manifest) -> Result<&'a Calibration> {
        Ok(match self {
            Self::Bundle => &manifest.calibration,
            Self::Site(calibration) => calibration,
            Self::Enrolled(references) => &manifest.enrolment()?.level(references.len()).calibration,
        })
    }

    /// Judges what the network said of a picture's regions.
    ///
    /// # Errors
    /// [`crate::Error::Contract`] for a number that is none, or references of another network.
    pub fn judge(&self, manifest: &Manifest, outputs: &Outputs) -> Result<Judgement> {
        let general = manifest.join.join(&outputs.score)?;
        Ok(match self {
            Self::Enrolled(references) => manifest.enrolment()?.judge(references, general, &outputs.embedding)?,
            Self::Bundle | Self::Site(_) => self.calibration(manifest)?.judge(general),
        })
    }
}
