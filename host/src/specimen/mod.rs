//! A seed and an index enter, a banknote's photograph leaves: the embedded default dataset, drawn by our own code.
//!
//! The way of a note: `plates` (the fixed art: `canvas`, `glyphs`, `lettering`, `guilloche`, `emblem`) -> `piece` (what differs from note to
//! note, `wear` included) -> `forge` (what a forger gets wrong) -> `press` (inks on paper) -> `channel` (camera) -> a picture.
//! `dataset` writes folders of them, `sheet` a page to print. The test
//! `hardness` holds that no single number of `data::cues` can tell a forgery, and that a supervised classifier can.
//!
//! The same seed gives the same bytes on one platform; across platforms a mathematics library or a JPEG decoder may
//! move a grey level.

mod canvas;
mod channel;
mod dataset;
mod emblem;
mod family;
mod forge;
mod glyphs;
mod guilloche;
#[cfg(test)]
mod hardness;
mod lettering;
mod piece;
mod plates;
mod press;
mod sheet;
mod stream;
mod wear;

use image::RgbImage;

pub(crate) use self::canvas::Canvas;
pub use self::dataset::{write_dataset, write_zoo};
pub use self::family::Family;
pub(crate) use self::lettering::{Typeface, centred};
pub use self::sheet::sheet;
pub(crate) use self::stream::Field;

use self::channel::Shot;
use self::piece::Piece;
use self::stream::stream;

/// Width of a specimen's picture, in pixels.
pub const WIDTH: u32 = 384;
/// Height of a specimen's picture, in pixels.
pub const HEIGHT: u32 = 192;

/// The stream purpose of genuine notes; families count from 1.
const GENUINE: u64 = 0;

/// A genuine note, used, printed and photographed: [`WIDTH`] x [`HEIGHT`] pixels.
#[must_use]
pub fn genuine(seed: u64, index: u64) -> RgbImage {
    let mut rng = stream(seed, GENUINE, index);
    let piece = Piece::genuine(&mut rng);
    let shot = Shot::camera(&mut rng);
    shot.expose(press::print(&piece, &shot.view()), &mut rng)
}

/// A note of one forger's, used and photographed like a genuine one: [`WIDTH`] x [`HEIGHT`] pixels.
#[must_use]
pub fn forged(family: Family, seed: u64, index: u64) -> RgbImage {
    forge::photograph(family, &mut stream(seed, family.purpose(), index))
}

/// Where the security features are: crops of 48 x 48 pixels, as fractions (x, y, width, height) of the picture.
#[must_use]
pub fn regions() -> Vec<[f32; 4]> {
    // The left upper corner of each, in pixels.
    const CORNERS: [[f32; 2]; 10] = [
        [4.0, 140.0],   // corner panel, foot microprint, braid
        [58.0, 44.0],   // the leaf's cleft and the sky
        [58.0, 92.0],   // the leaf's base and stem
        [16.0, 72.0],   // the medallion's ring on the ground
        [150.0, 26.0],  // title, promise, the first serial
        [150.0, 80.0],  // SPECIMEN over its rosette
        [196.0, 132.0], // ground and the foot microprint
        [258.0, 80.0],  // the numeral's left figure on the rosette
        [308.0, 72.0],  // the numeral's right figure, the rosette's edge
        [300.0, 140.0], // the second serial and the foot microprint
    ];
    let (w, h) = (WIDTH as f32, HEIGHT as f32);
    CORNERS.iter().map(|[x, y]| [x / w, y / h, 48.0 / w, 48.0 / h]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_a_pure_function_of_seed_and_index() {
        let note = genuine(3, 7);
        assert_eq!(note.dimensions(), (WIDTH, HEIGHT));
        assert!(note == genuine(3, 7));
        assert!(note != genuine(3, 8));
        assert!(note != genuine(4, 7));
        for &family in Family::ALL {
            let fake = forged(family, 3, 7);
            assert_eq!(fake.dimensions(), (WIDTH, HEIGHT), "{}", family.name());
            assert!(fake == forged(family, 3, 7), "{}", family.name());
            assert!(fake != note, "{}", family.name());
        }
    }

    #[test]
    fn regions_are_whole_crops_of_48_pixels_on_the_note() {
        let regions = regions();
        assert!((8..=12).contains(&regions.len()));
        for [x, y, w, h] in regions {
            assert!(x >= 0.0 && y >= 0.0 && x + w <= 1.0 && y + h <= 1.0);
            let pixels = [x * WIDTH as f32, y * HEIGHT as f32, w * WIDTH as f32, h * HEIGHT as f32];
            assert!(pixels.iter().all(|v| (v - v.round()).abs() < 1e-3), "{pixels:?}");
            assert!((pixels[2] - 48.0).abs() < 1e-3 && (pixels[3] - 48.0).abs() < 1e-3);
        }
    }

    #[test]
    fn there_are_ten_families_or_more_with_names_of_their_own() {
        let names: std::collections::BTreeSet<_> = Family::ALL.iter().map(|f| f.name()).collect();
        assert_eq!(names.len(), Family::ALL.len());
        assert!(names.len() >= 10);
        assert!(names.iter().all(|n| n.chars().all(|c| c.is_ascii_lowercase() || c == '-')));
    }
}
