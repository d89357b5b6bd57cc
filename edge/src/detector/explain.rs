//! Explains a judgement: for each place of a picture, how much the score rises when that place is hidden.
//!
//! The method is occlusion (Zeiler and Fergus, arXiv 1311.2901): a patch slides over every region and blurs what it
//! covers. Where the score rises, the hidden place lowered it, so it is evidence for counterfeit. A gradient would
//! need the network as it is in training; occlusion needs only what the box has, and it explains the score that was
//! judged, references included. Each run of the network hides one place in one region. The regions of a picture are
//! scored together, so hiding places in several regions at once would mix their effects.

use std::borrow::Cow;
use std::num::NonZero;
use std::ops::{ControlFlow, Range, RangeInclusive};

use counterfoil_models::{Color, Frame, Judgement, Preprocess, Region};
use image::{Rgb, RgbImage};

use crate::threads::in_order;
use crate::{Detector, Result};

/// Number of patches that fit side by side along a side of a region; the step to the next patch is half a patch.
const PATCHES_A_SIDE: usize = 4;
/// Range of the longer side of a drawn map, in pixels.
const SIDE: RangeInclusive<u32> = 512..=1024;
/// Colour and maximum opacity of the overlay at the strongest place.
const RED: Rgb<u8> = Rgb([225, 10, 20]);
const OPACITY: f64 = 0.8;

/// The effect of hiding one place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Patch {
    /// The hidden rectangle, in fractions of the article.
    pub place: Region,
    /// How much the score rises when the place is hidden, in standard deviations of genuine scores. Above
    /// 0 the place is evidence for counterfeit.
    pub rise: f64,
}

/// A judgement and the effect of each place on its score.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The judgement of the whole picture.
    pub judgement: Judgement,
    /// Every place that was hidden. The places overlap.
    pub patches: Vec<Patch>,
    /// The article that was found in the picture; `None` if the article is the whole picture.
    article: Option<Frame>,
}

impl Explanation {
    /// Judges a picture, and then again with each place hidden, on `threads` threads.
    ///
    /// # Errors
    /// As [`Detector::judge`].
    pub fn of(detector: &Detector, frame: &Frame, threads: NonZero<usize>) -> Result<Self> {
        let input = &detector.bundle().manifest().input;
        let [_, _, height, width] = input.shape();
        let article = input.article_in(frame)?;
        let image = input.laid_out(&article)?.to_f32(); // [R, C, H, W]
        let judgement = detector.judge_outputs(&detector.run(&image)?)?;
        let unit = spread(detector.calibration()?.scores());
        let layouts = input.layouts(&article)?;

        let (patch_height, tops) = slide(height);
        let (patch_width, lefts) = slide(width);
        let blurred = blur(&image, (height, width), (patch_height, patch_width));
        let corners = tops.iter().flat_map(|top| lefts.iter().map(move |left| (*left, *top)));
        let shown = |(row, left, top): (usize, usize, usize)| {
            let place = layouts[row].shown([left, top, patch_width, patch_height])?;
            Some((row, left, top, place))
        };
        let places = corners.flat_map(|(left, top)| (0..layouts.len()).map(move |row| (row, left, top)));
        let row_length = image.len() / layouts.len(); // C * H * W

        let hide = |(row, left, top, place): (usize, usize, usize, Region)| -> Result<Patch> {
            let mut hidden = image.clone();
            let region = row * row_length..(row + 1) * row_length;
            let (rows, columns) = (top..top + patch_height, left..left + patch_width);
            cover(&mut hidden[region.clone()], &blurred[region], (height, width), rows, columns);
            let without = detector.judge_outputs(&detector.run(&hidden)?)?.score();
            Ok(Patch { place, rise: f64::from(without.get() - judgement.score().get()) / unit })
        };
        let mut found = Vec::new();
        in_order(places.filter_map(shown), threads, hide, |patch| {
            let flow = if patch.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) };
            found.push(patch);
            flow
        });
        let patches = found.into_iter().collect::<Result<_>>()?;
        let article = matches!(article, Cow::Owned(_)).then(|| article.into_owned());
        Ok(Self { judgement, patches, article })
    }

    /// The place with the strongest evidence for counterfeit; `None` if no place lowers the score.
    #[must_use]
    pub fn strongest(&self) -> Option<&Patch> {
        self.patches.iter().filter(|patch| patch.rise > 0.0).max_by(|a, b| a.rise.total_cmp(&b.rise))
    }

    /// Draws the picture, or the article found in it, in its own proportions. The stronger the evidence for
    /// counterfeit at a place, the redder it is. Full red stands for the largest rise, or for one standard deviation
    /// of genuine scores if that is more, so a picture without suspicious places stays pale.
    ///
    /// # Errors
    /// [`crate::Error::Contract`] when the picture cannot be scaled to the size of the map.
    pub fn draw(&self, frame: &Frame) -> Result<RgbImage> {
        let frame = self.article.as_ref().unwrap_or(frame);
        let longest = frame.width().max(frame.height());
        let scaled = |side: u32| {
            let scaled = u64::from(side) * u64::from(longest.clamp(*SIDE.start(), *SIDE.end())) / u64::from(longest);
            (scaled as u32).max(1)
        };
        let (width, height) = (scaled(frame.width()), scaled(frame.height()));
        let plane = Preprocess::whole(width, height, Color::Rgb).plane(frame)?;
        let bytes = plane.bytes(); // [1, 3, H, W]
        let heat = self.heat(width as usize, height as usize);
        let area = heat.len();
        Ok(RgbImage::from_fn(width, height, |x, y| {
            let at = y as usize * width as usize + x as usize;
            let strength = OPACITY * heat[at];
            let mixed = |channel: usize| {
                let paper = f64::from(bytes[channel * area + at]);
                (paper + strength * (f64::from(RED.0[channel]) - paper)).round() as u8
            };
            Rgb([mixed(0), mixed(1), mixed(2)])
        }))
    }

    /// Relative strength of each pixel, 0..=1, row-major `[height * width]`.
    fn heat(&self, width: usize, height: usize) -> Vec<f64> {
        let mut sums = vec![(0.0, 0.0); width * height];
        for Patch { place, rise } in &self.patches {
            let side = |from: f64, length: f64, whole: usize| {
                let from = from * whole as f64;
                let length = length * whole as f64;
                // Triangular weights over the patch: patches that overlap by half blend without steps.
                let pixels = from.floor() as usize..((from + length).ceil() as usize).min(whole);
                pixels.map(move |pixel| {
                    let within = ((pixel as f64 + 0.5 - from) / length).clamp(0.0, 1.0);
                    (pixel, 1.0 - (2.0 * within - 1.0).abs() + 1e-3)
                })
            };
            for (y, down) in side(place.y, place.height, height) {
                for (x, across) in side(place.x, place.width, width) {
                    let (sum, weight) = &mut sums[y * width + x];
                    *sum += rise.max(0.0) * down * across;
                    *weight += down * across;
                }
            }
        }
        let full = self.strongest().map_or(1.0, |patch| patch.rise.max(1.0));
        sums.into_iter().map(|(sum, weight)| if weight > 0.0 { (sum / weight / full).min(1.0) } else { 0.0 }).collect()
    }
}

/// The length of a patch along a side, and the starts of the patches, which cover the side from end to end.
fn slide(side: usize) -> (usize, Vec<usize>) {
    let patch = side.div_ceil(PATCHES_A_SIDE);
    let last = side - patch;
    let mut starts: Vec<usize> = (0..last).step_by((patch / 2).max(1)).collect();
    starts.push(last);
    (patch, starts)
}

/// Standard deviation of the genuine scores, the unit of [`Patch::rise`].
fn spread(scores: &[f32]) -> f64 {
    let n = scores.len() as f64;
    let mean = scores.iter().map(|s| f64::from(*s)).sum::<f64>() / n;
    let variance = scores.iter().map(|s| (f64::from(*s) - mean).powi(2)).sum::<f64>() / n;
    variance.sqrt().max(1e-6)
}

/// Copies a rectangle of `other` into `image`, in every channel of every row.
fn cover(image: &mut [f32], other: &[f32], (height, width): (usize, usize), rows: Range<usize>, columns: Range<usize>) {
    for (image, other) in image.chunks_exact_mut(height * width).zip(other.chunks_exact(height * width)) {
        for y in rows.clone() {
            let line = y * width + columns.start..y * width + columns.end;
            image[line.clone()].copy_from_slice(&other[line]);
        }
    }
}

/// Box blur: each pixel becomes the mean of the pixels up to `reach` away. It removes the detail of a
/// patch and keeps its tone.
fn blur(image: &[f32], (height, width): (usize, usize), reach: (usize, usize)) -> Vec<f32> {
    let mut blurred = image.to_vec();
    for map in blurred.chunks_exact_mut(height * width) {
        for y in 0..height {
            blur_line(map, y * width, 1, width, reach.1);
        }
        for x in 0..width {
            blur_line(map, x, width, height, reach.0);
        }
    }
    blurred
}

fn blur_line(map: &mut [f32], start: usize, step: usize, length: usize, reach: usize) {
    let mut sums = Vec::with_capacity(length + 1);
    let mut sum = 0.0;
    sums.push(sum);
    for i in 0..length {
        sum += f64::from(map[start + i * step]);
        sums.push(sum);
    }
    for i in 0..length {
        let (from, to) = (i.saturating_sub(reach), (i + reach + 1).min(length));
        map[start + i * step] = ((sums[to] - sums[from]) / (to - from) as f64) as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patches_reach_from_end_to_end_whatever_the_side() {
        for side in [1, 2, 3, 28, 32, 33, 384] {
            let (patch, starts) = slide(side);
            assert_eq!((starts[0], starts[starts.len() - 1] + patch), (0, side));
            assert!(starts.windows(2).all(|pair| pair[0] < pair[1] && pair[1] <= pair[0] + patch), "{side}");
            assert!(starts.len() <= 9, "{side}: {starts:?}");
        }
    }

    #[test]
    fn a_blur_takes_the_detail_and_keeps_the_tone() {
        let checks: Vec<f32> = (0..64).map(|i| ((i / 8 + i) % 2) as f32).collect();
        let blurred = blur(&checks, (8, 8), (2, 2));
        assert!(blurred.iter().all(|x| (x - 0.5).abs() < 0.1), "{blurred:?}");
        assert_eq!(blur(&[0.25; 12], (3, 4), (1, 1)), [0.25; 12]);
    }

    #[test]
    fn only_the_rectangle_is_covered_in_every_map() {
        let mut image = vec![0.0; 2 * 6];
        cover(&mut image, &[1.0; 12], (2, 3), 1..2, 0..2);
        assert_eq!(image, [0.0, 0.0, 0.0, 1.0, 1.0, 0.0].repeat(2));
    }
}
