//! The kinds of detectors that can become a bundle's judge: one [`Kind`] and one [`Recipe`] each.
//!
//! To add a kind: write a module here that implements [`Recipe`], and add a variant to [`Kind`]. This module does
//! not depend on run folders or bundles.

pub mod appearance;
pub(crate) mod augment;
pub mod detective;
pub mod imported;
mod plane;
pub mod statistics;
pub mod strokes;

use std::fmt;

use anyhow::Result;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::data::{InputDefaults, Samples};
use crate::nn::Net;
use appearance::Camera;
use detective::Gan;
use imported::Imported;
use statistics::Statistics;
use strokes::Strokes;

/// The kinds of detectors. The first line of each variant is its help on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The plain GAN of fully connected layers, as in the articles.
    Mlp,
    /// The convolutional GAN.
    Dcgan,
    /// No GAN: simple statistics and their distance to genuine pictures, the baseline.
    Statistics,
    /// No GAN: descriptors of ink lines, such as signatures, for comparison with references; needs --group.
    Strokes,
    /// A detector of another program, which is not trained here.
    #[value(skip)]
    Imported,
}

impl Kind {
    /// All kinds of detectors.
    pub const ALL: [Self; 5] = [Self::Mlp, Self::Dcgan, Self::Statistics, Self::Strokes, Self::Imported];

    /// The recipe by which a detector of this kind is made.
    #[must_use]
    pub fn recipe(self) -> &'static dyn Recipe {
        match self {
            Self::Mlp => &Gan(Net::Mlp),
            Self::Dcgan => &Gan(Net::Dcgan),
            Self::Statistics => &Statistics,
            Self::Strokes => &Strokes,
            Self::Imported => &Imported,
        }
    }

    /// The GAN's pair of networks; `None` for a kind without a GAN.
    #[must_use]
    pub fn gan(self) -> Option<Net> {
        match self.recipe().training() {
            Training::Gan(net) => Some(net),
            Training::Fit(_) => None,
        }
    }

    /// The name of the network's file in a run folder, for a kind that is fitted; `None` for a kind that is trained
    /// with a GAN.
    #[must_use]
    pub fn fitted_file(self) -> Option<&'static str> {
        match self.recipe().training() {
            Training::Gan(_) => None,
            Training::Fit(file) => Some(file),
        }
    }

    /// The names of the network files of all fitted kinds.
    pub fn fitted_files() -> impl Iterator<Item = &'static str> {
        Self::ALL.into_iter().filter_map(Self::fitted_file)
    }
}

impl From<Net> for Kind {
    fn from(net: Net) -> Self {
        match net {
            Net::Mlp => Self::Mlp,
            Net::Dcgan => Self::Dcgan,
        }
    }
}

/// Writes the kind's name on the command line, in run folders and in manifests.
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mlp => "mlp",
            Self::Dcgan => "dcgan",
            Self::Statistics => "statistics",
            Self::Strokes => "strokes",
            Self::Imported => "imported",
        })
    }
}

/// How a detector of one kind is made and used.
pub trait Recipe: Sync {
    /// Defaults for turning pictures into the detector's input, where neither a flag nor the data set specifies it.
    fn input(&self) -> InputDefaults;

    /// Whether the detector is trained with a GAN or fitted.
    fn training(&self) -> Training;

    /// Fits the detector and returns its network as an ONNX file that follows the bundle's contract.
    ///
    /// # Errors
    /// When the detector cannot be fitted to these pictures, and always for a kind that is trained with a GAN.
    fn fit(&self, pictures: &FitData) -> Result<Vec<u8>>;

    /// Fits what judges beside a detector that is trained with a GAN, and returns its file for the run folder; `None`
    /// for a kind that judges alone.
    ///
    /// # Errors
    /// When it cannot be fitted to these pictures.
    fn fit_beside(&self, _pictures: &FitData, _camera: Camera, _seed: u64) -> Result<Option<Vec<u8>>> {
        Ok(None)
    }

    /// Which of the detector's outputs are used when pictures are compared with references. A picture's embedding
    /// has `length` numbers; `learned` is true if the detector was trained on known fakes.
    fn enrolment(&self, length: usize, _learned: bool) -> EnrolmentOutputs {
        EnrolmentOutputs { parts: vec![length], weight_general: 1.0 }
    }
}

/// How a detector is trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Training {
    /// A GAN of this pair of networks is trained. Training can be stopped and resumed.
    Gan(Net),
    /// The detector is fitted in one go. Its network is this file of the run folder.
    Fit(&'static str),
}

/// The pictures to which a detector is fitted.
#[derive(Clone, Copy, Debug)]
pub struct FitData<'a> {
    /// Genuine pictures.
    pub genuine: &'a Samples,
    /// Group number of each genuine picture; empty where every picture is its own group.
    pub groups: &'a [u32],
    /// Known fakes, one set of pictures per counterfeit family.
    pub known: &'a [Samples],
}

/// Which outputs of a network are used when pictures are compared with references.
#[derive(Clone, Debug, PartialEq)]
pub struct EnrolmentOutputs {
    /// Lengths of the embedding's parts.
    pub parts: Vec<usize>,
    /// Weight of one standard deviation of the general score, relative to one standard deviation of the distance.
    pub weight_general: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_has_one_name_everywhere() {
        for kind in Kind::ALL {
            let name = kind.to_string();
            assert_eq!(serde_json::to_string(&kind).unwrap(), format!("\"{name}\""));
            assert!(kind.to_possible_value().is_none_or(|value| value.get_name() == name));
            assert_eq!(kind.gan().is_none(), kind.fitted_file().is_some(), "{kind}");
            assert!(kind.gan().is_none_or(|net| Kind::from(net) == kind));
        }
        assert_eq!(Kind::fitted_files().collect::<Vec<_>>(), ["statistics.onnx", "strokes.onnx", "imported.onnx"]);
    }
}
