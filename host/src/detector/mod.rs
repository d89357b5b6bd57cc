//! What can become a bundle's judge: one [`Kind`], one [`Recipe`] each.
//!
//! To add one: a module here that implements [`Recipe`], and a variant of [`Kind`]. Knows no run folder and no bundle.

pub mod detective;
pub mod statistics;
pub mod strokes;

use std::fmt;

use anyhow::Result;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::data::{InputDefaults, Samples};
use crate::net::Net;
use detective::Gan;
use statistics::Statistics;
use strokes::Strokes;

/// The kinds of detectors that can be trained. The first line of each is its help on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The articles' plain GAN of fully connected layers
    Mlp,
    /// The convolutional GAN
    Dcgan,
    /// No GAN: hand statistics and their distance to the genuine, the baseline
    Statistics,
    /// No GAN: descriptors of what is drawn in ink, such as signatures, to be held to references; needs --group
    Strokes,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Mlp, Self::Dcgan, Self::Statistics, Self::Strokes];

    /// How a detector of this kind is made.
    #[must_use]
    pub fn recipe(self) -> &'static dyn Recipe {
        match self {
            Self::Mlp => &Gan(Net::Mlp),
            Self::Dcgan => &Gan(Net::Dcgan),
            Self::Statistics => &Statistics,
            Self::Strokes => &Strokes,
        }
    }

    /// The pair of networks that is trained; `None` for a kind without a GAN.
    #[must_use]
    pub fn gan(self) -> Option<Net> {
        match self.recipe().training() {
            Training::Gan(net) => Some(net),
            Training::Fit(_) => None,
        }
    }

    /// Where a kind that is fitted has its network in a run folder; `None` for one that is trained with a GAN.
    #[must_use]
    pub fn fitted_file(self) -> Option<&'static str> {
        match self.recipe().training() {
            Training::Gan(_) => None,
            Training::Fit(file) => Some(file),
        }
    }

    /// The files of all fitted kinds.
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

/// The name on the command line, in run folders and in manifests.
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mlp => "mlp",
            Self::Dcgan => "dcgan",
            Self::Statistics => "statistics",
            Self::Strokes => "strokes",
        })
    }
}

/// How a detector is made and used.
pub trait Recipe: Sync {
    /// How pictures become its input where neither a flag nor the data set says.
    fn input(&self) -> InputDefaults;

    /// By what it is made.
    fn training(&self) -> Training;

    /// Fits it and returns its network as an ONNX file of the bundle's contract.
    ///
    /// # Errors
    /// For pictures it cannot be fitted to, and for a kind that is trained with a GAN.
    fn fit(&self, pictures: &FitData) -> Result<Vec<u8>>;

    /// What is taken from its outputs when pictures are held to references, where a picture's embedding has `length`
    /// numbers. `learned` is whether it learned from known fakes.
    fn enrolment(&self, length: usize, _learned: bool) -> EnrolmentOutputs {
        EnrolmentOutputs { parts: vec![length], weight_general: 1.0 }
    }
}

/// By what a detector is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Training {
    /// A GAN of this pair of networks is trained; it can be stopped and resumed.
    Gan(Net),
    /// It is fitted in one go. Its network is this file of the run folder.
    Fit(&'static str),
}

/// Pictures to fit to.
#[derive(Clone, Copy, Debug)]
pub struct FitData<'a> {
    /// Genuine pictures.
    pub genuine: &'a Samples,
    /// The number of each one's group; empty where every picture is its own.
    pub groups: &'a [u32],
    /// Known fakes, family by family.
    pub known: &'a [Samples],
}

/// What a network's outputs are good for when pictures are held to references.
#[derive(Clone, Debug, PartialEq)]
pub struct EnrolmentOutputs {
    /// Lengths of the embedding's parts.
    pub parts: Vec<usize>,
    /// Weight of a standard deviation of the general score, where one of distance weighs 1.
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
            assert_eq!(kind.to_possible_value().unwrap().get_name(), name);
            assert_eq!(kind.gan().is_none(), kind.fitted_file().is_some(), "{kind}");
            assert!(kind.gan().is_none_or(|net| Kind::from(net) == kind));
        }
        assert_eq!(Kind::fitted_files().collect::<Vec<_>>(), ["statistics.onnx", "strokes.onnx"]);
    }
}
