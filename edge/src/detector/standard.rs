//! The standard of a verdict: the calibration of the bundle, a calibration made on this site, or the references of
//! one item. Turns the outputs of the network into a [`Judgement`].
//!
//! A file of its own because what a box learns on site changes the verdict and nothing before it:
//! preprocessing and network stay those of the bundle.

use std::path::Path;

use counterfoil_models::{Bundle, Calibration, Judgement, Manifest, Name, Overlay, References};

use crate::Result;
use crate::inference::Outputs;

/// What the outputs of the network are compared with.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Standard {
    /// The calibration of the bundle.
    #[default]
    Bundle,
    /// A calibration on genuine pictures from the camera of this site.
    Site(Calibration),
    /// Genuine reference pictures of one item or writer.
    Enrolled(References),
}

impl Standard {
    /// The standard that a state folder holds for a bundle. With `name`, the references enrolled under it; without,
    /// the calibration of the site, or that of the bundle if the site has none.
    ///
    /// # Errors
    /// [`crate::Error::Contract`] when nothing is enrolled under `name`, or when a file cannot be read or is invalid.
    pub fn of(bundle: &Bundle, state: &Path, name: Option<&Name>) -> Result<Self> {
        let overlay = Overlay::of(state, bundle);
        Ok(match name {
            Some(name) => Self::Enrolled(overlay.references(name)?),
            None => overlay.calibration()?.map_or(Self::Bundle, Self::Site),
        })
    }

    /// The calibration in use: the genuine scores with which a picture's score is compared.
    ///
    /// # Errors
    /// [`crate::Error::Contract`] when the bundle does not support enrolment.
    pub fn calibration<'a>(&'a self, manifest: &'a Manifest) -> Result<&'a Calibration> {
        Ok(match self {
            Self::Bundle => &manifest.calibration,
            Self::Site(calibration) => calibration,
            Self::Enrolled(references) => &manifest.enrolment()?.level(references.len()).calibration,
        })
    }

    /// Turns the outputs of the network for a picture's regions into a judgement.
    ///
    /// # Errors
    /// [`crate::Error::Contract`] for NaN or infinity, or for references of another network.
    pub fn judge(&self, manifest: &Manifest, outputs: &Outputs) -> Result<Judgement> {
        let general = manifest.join.join(&outputs.score)?;
        Ok(match self {
            Self::Enrolled(references) => manifest.enrolment()?.judge(references, general, &outputs.embedding)?,
            Self::Bundle | Self::Site(_) => self.calibration(manifest)?.judge(general),
        })
    }
}
