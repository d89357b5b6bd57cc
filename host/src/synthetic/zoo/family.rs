//! The table of forger families, each with its kind, fold and method.
//!
//! Folds are fixed, so that results can be compared across runs and versions. Tone families are only in fold 1,
//! autoencoders only in fold 2 and collages only in fold 3: these are the aliens when their fold is judged. All other
//! kinds are in several folds.

use super::drawn::{collage, resample, strokes, texture, tone, warp, weight};
use super::learned::{ForgerInput, autoencoder, gan, subspace};
use super::picture::Picture;
use super::{Error, Result};
use crate::data::ZooFamily;
use rand_chacha::ChaCha8Rng;

/// The kind of a family: what its method has in common with other families.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Copies or samples of a trained autoencoder or another learned compression.
    Autoencoder,
    /// Parts of genuine pictures put together.
    Collage,
    /// Samples of a GAN's generator.
    Gan,
    /// Copies through a process that loses detail.
    Resample,
    /// Lines drawn again with a pen, interrupted, or replaced with type.
    Strokes,
    /// Grain, dots and dirt.
    Texture,
    /// Wrong tones.
    Tone,
    /// Ink in the wrong place.
    Warp,
    /// Lines too thick or too thin.
    Weight,
}

impl Kind {
    /// The kind's name in zoo.toml.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Autoencoder => "autoencoder",
            Self::Collage => "collage",
            Self::Gan => "gan",
            Self::Resample => "resample",
            Self::Strokes => "strokes",
            Self::Texture => "texture",
            Self::Tone => "tone",
            Self::Warp => "warp",
            Self::Weight => "weight",
        }
    }
}

/// The method of a family.
#[derive(Clone, Copy, Debug)]
pub(super) enum Method {
    /// Changes one genuine picture.
    Alters(fn(&Picture, &mut ChaCha8Rng) -> Picture),
    /// Combines one genuine picture with others from a pool.
    Joins(fn(&Picture, &[Picture], &mut ChaCha8Rng) -> Picture),
    /// Trains a model first.
    Learns(fn(&ForgerInput) -> Result<Vec<Picture>, crate::gan::Error>),
}

/// A forger family.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// Name of the family, which is also the name of its folder.
    pub name: &'static str,
    /// Fold of the family: 1, 2 or 3.
    pub fold: usize,
    /// Kind of the family.
    pub kind: Kind,
    /// What the family does, in one line.
    pub does: &'static str,
    pub(super) method: Method,
}

impl Family {
    /// The family's entry in zoo.toml.
    pub(super) fn entry(&self) -> ZooFamily {
        let Self { name, fold, kind, does, .. } = *self;
        ZooFamily { name, fold, kind: kind.name(), does }
    }
}

/// All families, ordered by fold.
#[rustfmt::skip]
pub const FAMILIES: &[Family] = &[
    family("dcgan-early", 1, Kind::Gan, "a DCGAN after 400 steps", Method::Learns(gan::dcgan_early)),
    family("mlp-gan-late", 1, Kind::Gan, "an MLP GAN after 2,000 steps", Method::Learns(gan::mlp_gan_late)),
    family("pen", 1, Kind::Strokes, "lines traced with a round pen of one breadth", Method::Alters(strokes::pen)),
    family("broken", 1, Kind::Strokes, "gaps in the lines", Method::Alters(strokes::broken)),
    family("contrast", 1, Kind::Tone, "another gamma, faded ink, an unclean ground", Method::Alters(tone::contrast)),
    family("blur", 1, Kind::Resample, "out of focus", Method::Alters(resample::blur)),
    family("shear", 1, Kind::Warp, "leant or turned too far", Method::Alters(warp::shear)),
    family("noise", 1, Kind::Texture, "grain over ink and ground", Method::Alters(texture::noise)),
    family("posterise", 1, Kind::Tone, "three to five levels of ink", Method::Alters(tone::posterise)),
    family("threshold", 1, Kind::Tone, "sharpened, then all but black and white", Method::Alters(tone::threshold)),

    family("polygon", 2, Kind::Strokes, "lines traced with a ruler", Method::Alters(strokes::polygon)),
    family("lsgan", 2, Kind::Gan, "a least-squares DCGAN after 1,000 steps", Method::Learns(gan::lsgan)),
    family("autoencoder", 2, Kind::Autoencoder, "copied through twelve numbers", Method::Learns(autoencoder::autoencoder)),
    family("denoiser", 2, Kind::Autoencoder, "covered with noise and restored", Method::Learns(autoencoder::denoiser)),
    family("vae", 2, Kind::Autoencoder, "a variational autoencoder's samples", Method::Learns(autoencoder::vae)),
    family("pca", 2, Kind::Autoencoder, "copied with 12 to 40 principal components", Method::Learns(subspace::pca)),
    family("jpeg", 2, Kind::Resample, "through JPEG at quality 4 to 30", Method::Alters(resample::jpeg)),
    family("elastic", 2, Kind::Warp, "pulled this way here and that way there", Method::Alters(warp::elastic)),
    family("turned", 2, Kind::Warp, "turned a quarter", Method::Alters(warp::turned)),
    family("halftone", 2, Kind::Texture, "printed in dots", Method::Alters(texture::halftone)),
    family("thick", 2, Kind::Weight, "lines that swelled", Method::Alters(weight::thick)),

    family("typeface", 3, Kind::Strokes, "a figure set in type where the ink was", Method::Alters(strokes::typeface)),
    family("dcgan-late", 3, Kind::Gan, "the same DCGAN after 3,000 steps", Method::Learns(gan::dcgan_late)),
    family("mlp-gan-early", 3, Kind::Gan, "the same MLP GAN after 400 steps", Method::Learns(gan::mlp_gan_early)),
    family("jigsaw", 3, Kind::Collage, "tiles in each other's places", Method::Alters(collage::jigsaw)),
    family("stitched", 3, Kind::Collage, "halves of two pictures", Method::Joins(collage::stitched)),
    family("crossfade", 3, Kind::Collage, "two like pictures laid over each other", Method::Joins(collage::crossfade)),
    family("patch", 3, Kind::Collage, "a piece of another picture over the middle", Method::Joins(collage::patch)),
    family("pixelate", 3, Kind::Resample, "through a coarser grid and back", Method::Alters(resample::pixelate)),
    family("wave", 3, Kind::Warp, "rows or columns that slipped to and fro", Method::Alters(warp::wave)),
    family("specks", 3, Kind::Texture, "specks of ink, and specks without", Method::Alters(texture::specks)),
    family("thin", 3, Kind::Weight, "lines that shrank", Method::Alters(weight::thin)),
];

const fn family(name: &'static str, fold: usize, kind: Kind, does: &'static str, method: Method) -> Family {
    Family { name, fold, kind, does, method }
}

/// The families with these names, in the order of the table.
///
/// # Errors
/// Returns an error when a name is not in the table.
pub fn chosen(names: &[String]) -> Result<Vec<&'static Family>> {
    if let Some(name) = names.iter().find(|name| !FAMILIES.iter().any(|family| family.name == **name)) {
        let known: Vec<&str> = FAMILIES.iter().map(|family| family.name).collect();
        return Err(Error::Unknown { name: name.clone(), known: known.join(", ") });
    }
    Ok(FAMILIES.iter().filter(|family| names.iter().any(|name| name == family.name)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::ZooIndex;

    #[test]
    fn names_are_unique_and_every_fold_has_kin_and_aliens() {
        for (i, family) in FAMILIES.iter().enumerate() {
            assert!(FAMILIES[i + 1..].iter().all(|other| other.name != family.name), "{}", family.name);
        }
        for fold in 1..=3 {
            let (mut kin, mut aliens) = (0, 0);
            for family in FAMILIES.iter().filter(|family| family.fold == fold) {
                let known = FAMILIES.iter().any(|other| other.fold != fold && other.kind == family.kind);
                *if known { &mut kin } else { &mut aliens } += 1;
            }
            assert!(kin >= 3 && aliens >= 3, "fold {fold}: {kin} kin, {aliens} aliens");
        }
    }

    #[test]
    fn a_name_nobody_has_is_refused_with_those_there_are() {
        let names = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let picked: Vec<&str> = chosen(&names(&["noise", "blur"])).unwrap().iter().map(|family| family.name).collect();
        assert_eq!(picked, ["blur", "noise"]);
        let error = chosen(&names(&["blurr"])).unwrap_err().to_string();
        assert!(error.contains("blurr") && error.contains("halftone"), "{error}");
    }

    #[test]
    fn the_text_names_every_family_with_its_fold_and_kind() {
        let families = FAMILIES.iter().map(Family::entry).collect();
        let index = ZooIndex { seed: 7, source: "a/b.gz".into(), train: 5, judge: 2, per_family: 1, families };
        let table: toml::Table = index.text().parse().unwrap();
        assert_eq!(table["seed"].as_integer(), Some(7));
        let entries = table["family"].as_array().unwrap();
        assert_eq!(entries.len(), FAMILIES.len());
        assert_eq!((entries[0]["name"].as_str(), entries[0]["fold"].as_integer()), (Some("dcgan-early"), Some(1)));
        assert_eq!(entries[0]["kind"].as_str(), Some("gan"));
    }
}
