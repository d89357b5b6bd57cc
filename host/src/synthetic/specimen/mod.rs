//! The embedded default data set: photographs of banknotes drawn by this module, from a seed and an index.
//!
//! The pipeline: `plates` (the fixed art: `canvas`, `glyphs`, `lettering`, `guilloche`, `emblem`) -> `piece` (the
//! differences between notes, including `wear`) -> `forge` (the forger's mistake) -> `press` (ink on paper) ->
//! `channel` (the camera) -> a picture. `dataset` writes folders of pictures, `sheet` a page to print. The test
//! `hardness` checks that no single number of `data::simple_statistics` can detect a forgery, and that a
//! supervised classifier can.
//!
//! The same seed gives the same bytes on one platform. On another platform, a mathematics library or a JPEG decoder
//! may change a pixel by a grey level.

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

/// Purpose number of the random streams of genuine notes. Families count from 1.
const GENUINE: u64 = 0;

/// Draws a genuine note, used, printed and photographed: [`WIDTH`] x [`HEIGHT`] pixels.
#[must_use]
pub fn genuine(seed: u64, index: u64) -> RgbImage {
    let mut rng = stream(seed, GENUINE, index);
    let piece = Piece::genuine(&mut rng);
    let shot = Shot::camera(&mut rng);
    shot.expose(press::print(&piece, &shot.view()), &mut rng)
}

/// Draws a note of one forger family, used and photographed like a genuine one: [`WIDTH`] x [`HEIGHT`] pixels.
#[must_use]
pub fn forged(family: Family, seed: u64, index: u64) -> RgbImage {
    forge::photograph(family, &mut stream(seed, family.purpose(), index))
}

/// The regions with the security features: crops of 48 x 48 pixels, as fractions (x, y, width, height).
#[must_use]
pub fn regions() -> Vec<[f32; 4]> {
    // The upper left corner of each region, in pixels.
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
