//! A frame enters; measures of its focus and its light leave: how sharp it is, and how much of it is burnt out or
//! lost in black.
//!
//! A file of its own because a guide that helps a user to hold the article right needs these numbers, before anything
//! is judged. They describe the article when the frame is a straightened one: a black table is not "too dark".

use image::GrayImage;

use crate::Frame;

/// The [`sharpness`] below which fine print is lost.
///
/// Measured on 60 drawn articles, each at full and half contrast and with noise of 3 levels. Blurred with a Gaussian
/// of sigma 1 pixel, all had 0.64 or more. With sigma 2, nineteen in twenty had 0.63 or less, and the rest (print
/// whose own lines are 8 pixels apart) 0.64. With sigma 3, all had 0.51 or less. At these three sigmas, 15 drawn
/// notes had 0.72 or more, 0.54, and 0.40 or less.
pub const SHARP: f64 = 0.64;
/// Smallest rise of an edge, in levels.
const RISE: i32 = 20;
/// Smallest rise of an edge as a share of the picture's range, so that contrast matters little.
const RISE_SHARE: f64 = 0.4;
/// Length of the piece of a line within which an edge rises, in pixels.
const PIECE: usize = 13;
/// Quantile of the edges' steepness that [`sharpness`] returns.
const STEEPEST: f64 = 0.75;
/// Smallest number of edges from which sharpness is measured.
const FEWEST: usize = 32;

/// Luma at and above which a pixel is burnt out: nothing is distinguished there.
const BURNT: u8 = 250;
/// Luma up to which a pixel is lost in black: most of its value is the camera's noise.
const BLACK: u8 = 12;
/// Largest share of burnt-out pixels; with more, a picture is too bright.
const MOST_BURNT: f64 = 0.2;
/// Largest share of pixels lost in black; with more, a picture is too dark.
const MOST_BLACK: f64 = 0.35;
/// A picture whose brightest hundredth stays below this luma is too dark as well: nothing in it reaches a third of
/// white.
const DIM: u8 = 84;

/// Measures the sharpness of a frame: the steepness of its steeper edges, from 0 to 1.
///
/// The steepness of an edge is the share of its rise that lies between the two neighbours of a pixel; a step has 1.
/// The edges compared are the highest of the picture, so that neither its contrast nor its content matters much. Each
/// edge is measured in the weighted mean of three lines, so that noise is not taken for steepness. Returns `None`
/// when there are too few edges.
#[must_use]
pub fn sharpness(frame: &Frame) -> Option<f64> {
    let grey = frame.to_grey();
    let (width, height) = (grey.width() as usize, grey.height() as usize);
    let counts = histogram(&grey);
    let range = i32::from(quantile(&counts, 0.98)) - i32::from(quantile(&counts, 0.02));
    let rise = RISE.max((RISE_SHARE * f64::from(range)) as i32);
    let at = |x: usize, y: usize| i32::from(grey.as_raw()[y * width + x]);
    let mut steepness = Vec::new();
    for y in 1..height - 1 {
        let row: Vec<i32> = (0..width).map(|x| at(x, y - 1) + 2 * at(x, y) + at(x, y + 1)).collect();
        edges(&row, rise, &mut steepness);
    }
    for x in 1..width - 1 {
        let column: Vec<i32> = (0..height).map(|y| at(x - 1, y) + 2 * at(x, y) + at(x + 1, y)).collect();
        edges(&column, rise, &mut steepness);
    }
    let rank = (steepness.len() as f64 * STEEPEST) as usize;
    (steepness.len() >= FEWEST).then(|| *steepness.select_nth_unstable_by(rank, f64::total_cmp).1)
}

/// Adds the steepness of each piece of a line that rises or falls by at least `rise` levels; the line holds four
/// times the levels.
fn edges(line: &[i32], rise: i32, steepness: &mut Vec<f64>) {
    for piece in line.windows(PIECE).step_by(PIECE / 2) {
        let (low, high) = piece.iter().fold((i32::MAX, 0), |(low, high), luma| (low.min(*luma), high.max(*luma)));
        if high - low >= 4 * rise {
            let steepest = piece.windows(3).map(|three| (three[2] - three[0]).abs()).max().unwrap_or(0);
            steepness.push(f64::from(steepest) / f64::from(high - low));
        }
    }
}

/// How much of a picture is too bright or too dark to be distinguished.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exposure {
    /// Share of the pixels that are burnt out, 0 to 1.
    pub burnt: f64,
    /// Share of the pixels that are lost in black, 0 to 1.
    pub black: f64,
    /// The 99 % quantile of luma: all but the brightest hundredth of the pixels have this value or less.
    pub brightest: u8,
}

/// Whether a picture has too little light, the right light or too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Light {
    /// Too dark: more light or a longer exposure is needed.
    TooDark,
    /// The light is as it should be.
    Right,
    /// Too bright: less light or a shorter exposure is needed, or the glare must be turned away.
    TooBright,
}

impl Exposure {
    /// Measures the exposure of a frame from its luma.
    #[must_use]
    pub fn of(frame: &Frame) -> Self {
        let grey = frame.to_grey();
        let counts = histogram(&grey);
        let share = |range: &[u32]| range.iter().sum::<u32>() as f64 / grey.as_raw().len() as f64;
        Self {
            burnt: share(&counts[usize::from(BURNT)..]),
            black: share(&counts[..=usize::from(BLACK)]),
            brightest: quantile(&counts, 0.99),
        }
    }

    /// Returns whether there is too much light or too little.
    #[must_use]
    pub fn light(&self) -> Light {
        if self.burnt > MOST_BURNT {
            Light::TooBright
        } else if self.black > MOST_BLACK || self.brightest < DIM {
            Light::TooDark
        } else {
            Light::Right
        }
    }
}

/// Number of pixels of each luma.
fn histogram(grey: &GrayImage) -> [u32; 256] {
    let mut counts = [0; 256];
    for luma in grey.as_raw() {
        counts[usize::from(*luma)] += 1;
    }
    counts
}

/// The least luma such that at least this share of the pixels has that luma or less.
fn quantile(counts: &[u32; 256], share: f64) -> u8 {
    let all: u32 = counts.iter().sum();
    let mut passed = 0;
    let at = counts.iter().position(|count| {
        passed += count;
        f64::from(passed) >= share * f64::from(all)
    });
    at.expect("all pixels are passed at white") as u8
}

#[cfg(test)]
mod tests {
    use image::{Luma, RgbImage};

    use super::*;
    use crate::article::scenes::{Dice, article};

    /// Sharpness of drawn articles that are blurred, with scaled contrast and noise in levels; those with too few
    /// edges are left out.
    fn sharpnesses(sigma: f32, contrast: f64, noise: f64) -> Vec<f64> {
        let mut dice = Dice::new(5);
        let one = |_| {
            let picture: RgbImage = image::imageops::blur(&article(&mut dice, [128.0; 3], 30.0), sigma);
            let mut grey = Frame::Rgb(picture).to_grey().into_owned();
            for luma in grey.iter_mut() {
                let noise = noise * (dice.between(-1.0, 1.0) + dice.between(-1.0, 1.0));
                *luma = (60.0 + (f64::from(*luma) - 60.0) * contrast + noise).round().clamp(0.0, 255.0) as u8;
            }
            sharpness(&Frame::Grey(grey))
        };
        (0..20).filter_map(one).collect()
    }

    #[test]
    fn blur_is_told_whatever_is_shown_and_however_faintly() {
        for (contrast, noise) in [(1.0, 0.0), (0.5, 0.0), (0.7, 3.0)] {
            let at = |sigma| sharpnesses(sigma, contrast, noise);
            let (fine, sharp, blurred, lost) = (at(0.5), at(1.0), at(2.0), at(3.0));
            assert!(fine.iter().chain(&sharp).all(|s| *s >= SHARP), "{fine:.2?} {sharp:.2?}");
            assert!(blurred.iter().filter(|s| **s >= SHARP).count() <= 1, "{blurred:.2?}");
            assert!(lost.iter().all(|s| *s < SHARP), "{lost:.2?}");
            assert!(fine.len() == 20 && sharp.len() == 20 && blurred.len() >= 19 && lost.len() >= 19);
        }
    }

    #[test]
    fn a_blank_picture_tells_nothing_about_sharpness() {
        assert_eq!(sharpness(&Frame::Grey(GrayImage::from_pixel(64, 64, Luma([90])))), None);
        assert_eq!(sharpness(&Frame::Grey(GrayImage::from_pixel(8, 8, Luma([0])))), None);
    }

    #[test]
    fn light_is_judged_by_what_it_leaves() {
        let picture = |dark: u8, bright: u8| {
            Exposure::of(&Frame::Grey(GrayImage::from_fn(64, 64, |x, _| Luma([if x < 32 { dark } else { bright }]))))
        };
        assert_eq!(picture(40, 220), Exposure { burnt: 0.0, black: 0.0, brightest: 220 });
        assert_eq!(picture(40, 220).light(), Light::Right);
        assert_eq!(picture(40, 255).light(), Light::TooBright);
        assert_eq!(picture(5, 220).light(), Light::TooDark);
        assert_eq!(picture(30, 60).light(), Light::TooDark);
    }
}
