//! Colour and size of pictures, and what is usual in a set of pictures.
//!
//! A separate file because training and `dataset inspect` both name the pictures that differ from the rest.

use std::cmp::Ordering;

use counterfoil_models::Frame;

use super::understood::some;

/// Difference between a pixel's channels (0..255) above which the pixel is coloured. JPEG and sensors give grey
/// pixels smaller differences.
const COLOURED: u8 = 16;
/// A picture is grey if fewer than one pixel in this many is coloured.
const RARE: usize = 1000;
/// Ratio of aspect ratios at which a picture differs in shape from the usual one.
const OTHER_SHAPE: f64 = 1.25;
/// Ratio of scales (geometric mean of the two sides) at which a picture differs in size from the usual one.
const OTHER_SCALE: f64 = 2.0;

/// Colour and size of a picture, or the usual ones in a set of pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traits {
    /// Whether the pixels are coloured; an RGB file may hold a grey picture.
    pub colored: bool,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

impl Traits {
    /// Determines the colour and size of a picture.
    #[must_use]
    pub fn of(frame: &Frame) -> Self {
        let colored = match frame {
            Frame::Grey(_) => false,
            Frame::Rgb(image) => {
                let spread = |[r, g, b]: [u8; 3]| r.max(g).max(b) - r.min(g).min(b);
                let colored = image.pixels().filter(|pixel| spread(pixel.0) > COLOURED).count();
                colored * RARE > image.pixels().len()
            }
        };
        Self { colored, width: frame.width(), height: frame.height() }
    }

    /// The usual colour and size of several pictures; `None` for an empty list.
    ///
    /// They are in colour if at least half of the pictures are. Width and height are the medians over the pictures of
    /// the most frequent orientation: square, portrait or landscape.
    #[must_use]
    pub fn usual(all: &[Self]) -> Option<Self> {
        let colored = 2 * all.iter().filter(|one| one.colored).count() >= all.len();
        let lying = |way: Ordering| all.iter().filter(move |one| one.width.cmp(&one.height) == way);
        let ways = [Ordering::Equal, Ordering::Less, Ordering::Greater];
        let way = ways.into_iter().max_by_key(|way| lying(*way).count())?;
        let median = |side: fn(&Self) -> u32| {
            let mut sides: Vec<u32> = lying(way).map(side).collect();
            sides.sort_unstable();
            sides.get(sides.len().checked_sub(1)? / 2).copied()
        };
        Some(Self { colored, width: median(|one| one.width)?, height: median(|one| one.height)? })
    }

    fn is_shaped_as(self, other: Self) -> bool {
        let [across, down] =
            [(self.width, other.width), (self.height, other.height)].map(|(a, b)| f64::from(a) / f64::from(b));
        let within = |ratio: f64, factor: f64| ratio < factor && ratio > 1.0 / factor;
        within(across / down, OTHER_SHAPE) && within((across * down).sqrt(), OTHER_SCALE)
    }
}

/// Names the pictures that differ from the usual one: one line for those with a different colour, one for those with
/// a different shape or size.
pub(crate) fn differing<'a>(all: impl Iterator<Item = (&'a str, Traits)> + Clone) -> Vec<String> {
    let traits: Vec<Traits> = all.clone().map(|(_, traits)| traits).collect();
    let Some(usual) = Traits::usual(&traits) else { return Vec::new() };
    let (mut colour, mut shape) = (Vec::new(), Vec::new());
    for (name, traits) in all {
        if traits.colored != usual.colored {
            colour.push(name.to_owned());
        }
        if !traits.is_shaped_as(usual) {
            shape.push(format!("{name} ({}x{})", traits.width, traits.height));
        }
    }
    let count = traits.len();
    let is = |differing: usize| if differing == 1 { "is" } else { "are" };
    let mut lines = Vec::new();
    if !colour.is_empty() {
        let (these, those) = if usual.colored { ("grey", "in colour") } else { ("in colour", "grey") };
        let (differ, rest) = (colour.len(), count - colour.len());
        lines.push(format!(
            "{differ} of {count} pictures {} {these} where {rest} are {those}: {}",
            is(differ),
            some(&colour)
        ));
    }
    if !shape.is_empty() {
        let differ = shape.len();
        lines.push(format!(
            "{differ} of {count} pictures {} of another shape or size than the usual {}x{}: {}",
            is(differ),
            usual.width,
            usual.height,
            some(&shape)
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{GrayImage, Rgb, RgbImage};

    fn traits(colored: bool, width: u32, height: u32) -> Traits {
        Traits { colored, width, height }
    }

    #[test]
    fn colour_is_a_matter_of_pixels_and_not_of_the_file() {
        let rgb = |pixel: fn(u32) -> [u8; 3]| Frame::Rgb(RgbImage::from_fn(100, 100, |x, _| Rgb(pixel(x))));
        assert!(!Traits::of(&Frame::Grey(GrayImage::new(9, 9))).colored);
        assert!(!Traits::of(&rgb(|x| [x as u8 * 2, x as u8 * 2 + 3, x as u8 * 2])).colored, "what JPEG makes of grey");
        assert!(Traits::of(&rgb(|x| if x == 7 { [200, 20, 20] } else { [128; 3] })).colored, "a red line");
    }

    #[test]
    fn what_most_are_is_usual_and_what_differs_is_named() {
        let mut all = vec![traits(false, 40, 30)];
        all.resize(9, traits(true, 80, 60));
        all.extend([traits(true, 60, 80), traits(true, 82, 60)]);
        assert_eq!(Traits::usual(&all), Some(traits(true, 80, 60)));
        assert_eq!(Traits::usual(&[]), None);
        assert!(Traits::usual(&[traits(true, 9, 9), traits(false, 9, 9)]).unwrap().colored, "colour is lost by none");
        let names: Vec<String> = (0..all.len()).map(|i| format!("{i}.jpg")).collect();
        let lines = differing(names.iter().map(String::as_str).zip(all));
        assert_eq!(lines[0], "1 of 11 pictures is grey where 10 are in colour: 0.jpg");
        assert!(lines[1].contains("80x60: 0.jpg (40x30), 9.jpg (60x80)") && lines.len() == 2, "{lines:?}");
        assert_eq!(differing(std::iter::empty()), Vec::<String>::new());
    }
}
