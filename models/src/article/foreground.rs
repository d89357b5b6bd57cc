//! A [`Frame`] enters; the [`Foreground`] leaves: the one thing of any outline that lies on a plain ground.
//!
//! The ground is a plane of light per channel, fitted to the outer ring of the reduced picture. What differs from it
//! by more than the ground's own grain, and more than a soft shadow does, is foreground; its largest connected part,
//! with the holes filled, is the article. Its place, its long axis and its heavier end come from the moments of that mask
//! (Hu, Visual pattern recognition by moment invariants, 1962). All values are computed in `f64` with the four basic
//! operations and the square root, so that the workstation and the box find the same place.

use super::reduced::{Reduced, in_ring};
use super::{MARGIN, Outline, upright};
use crate::linear::solve;
use crate::{Frame, NotFound};

/// Smallest share of the frame that the foreground covers.
const SMALLEST: f64 = 0.01;
/// Smallest difference between the foreground and the ground, in levels of the channel that differs most.
const FAINTEST: f64 = 12.0;
/// The foreground differs from the ground by at least this many times the ground's grain.
const GRAINS: f64 = 4.0;
/// Thresholds that are tried one after another while the foreground touches the frame's edge, as multiples of the
/// lowest: a shadow that reaches the edge differs less from the ground than the article.
const SHADOWS: [f64; 3] = [1.0, 1.25, 1.5];
/// Share of the ring's pixels whose difference from the ground is at most its grain.
const GRAIN_SHARE: f64 = 0.9;
/// Pixels of the ring that differ by more than this many median differences are not used for the ground.
const OUTLIER: f64 = 3.0;
/// Number of times that the ground is fitted, each time without the outliers of the last.
const FITS: usize = 4;
/// Share of the mask that is left out at either end when its extent is measured: a hair does not make it longer.
const TRIM: f64 = 0.003;
/// Ground around the article, as a share of its longer side.
const AROUND: f64 = 0.04;

/// The article in a frame as the one thing on a plain ground.
#[derive(Clone, Debug)]
pub struct Foreground {
    /// The centres of the mask's pixels, in pixels of the frame.
    places: Vec<(f64, f64)>,
    /// Their mean.
    centre: (f64, f64),
    /// Unit vector along the long axis, from the heavier end to the lighter one.
    axis: (f64, f64),
    elongation: f64,
    /// Square pixels of the frame.
    area: f64,
    alone: f64,
}

impl Foreground {
    /// Finds the foreground of a frame; of several things, the largest.
    ///
    /// # Errors
    /// [`NotFound::NothingStandsOut`] when nothing differs from the ground, [`NotFound::CutOff`] when the foreground
    /// touches the frame's edge, [`NotFound::TooSmall`] when it covers less than 1 % of the frame.
    pub fn find(frame: &Frame) -> Result<Self, NotFound> {
        let reduced = Reduced::of(frame);
        let differences = differences(&reduced);
        let lowest = threshold(&differences, reduced.width, reduced.height);
        let mut attempts = SHADOWS.into_iter().map(|shadow| Self::above(shadow * lowest, &differences, &reduced));
        match attempts.next() {
            Some(Err(NotFound::CutOff)) | None => attempts.find_map(Result::ok).ok_or(NotFound::CutOff),
            Some(found) => found,
        }
    }

    /// The foreground of the pixels that differ from the ground by more than a threshold.
    fn above(threshold: f64, differences: &[f64], reduced: &Reduced) -> Result<Self, NotFound> {
        let (width, height) = (reduced.width, reduced.height);
        let above: Vec<bool> = differences.iter().map(|difference| *difference > threshold).collect();
        let (largest, alone) = largest_part(&above, width).ok_or(NotFound::NothingStandsOut)?;
        let mask = filled(&largest, width);
        let margin = (MARGIN * width.max(height) as f64).ceil() as usize;
        let at_edge = |at: usize| {
            let (x, y) = (at % width, at / width);
            x < margin || y < margin || x + margin >= width || y + margin >= height
        };
        let inside: Vec<usize> = (0..mask.len()).filter(|at| mask[*at]).collect();
        if inside.iter().any(|at| at_edge(*at)) {
            return Err(NotFound::CutOff);
        }
        if (inside.len() as f64) < SMALLEST * mask.len() as f64 {
            return Err(NotFound::TooSmall);
        }
        let place =
            |at: usize| (((at % width) as f64 + 0.5) * reduced.scale.0, ((at / width) as f64 + 0.5) * reduced.scale.1);
        let area = inside.len() as f64 * reduced.scale.0 * reduced.scale.1;
        Ok(Self::of_places(inside.into_iter().map(place).collect(), area, alone))
    }

    fn of_places(places: Vec<(f64, f64)>, area: f64, alone: f64) -> Self {
        let n = places.len() as f64;
        let mean = |of: &dyn Fn((f64, f64)) -> f64| places.iter().map(|place| of(*place)).sum::<f64>() / n;
        let centre = (mean(&|(x, _)| x), mean(&|(_, y)| y));
        let (xx, yy, xy) = (
            mean(&|(x, _)| (x - centre.0) * (x - centre.0)),
            mean(&|(_, y)| (y - centre.1) * (y - centre.1)),
            mean(&|(x, y)| (x - centre.0) * (y - centre.1)),
        );
        let (middle, half) = (f64::midpoint(xx, yy), (xx - yy) / 2.0);
        let root = (half * half + xy * xy).sqrt();
        let (long, short) = (middle + root, (middle - root).max(0.0));
        // Of the two forms of the eigenvector, the longer one, which does not vanish.
        let mut axis = if half > 0.0 { (half + root, xy) } else { (xy, root - half) };
        let length = (axis.0 * axis.0 + axis.1 * axis.1).sqrt();
        axis = if length > 0.0 { (axis.0 / length, axis.1 / length) } else { (1.0, 0.0) };
        let cubes = mean(&|(x, y)| {
            let along = (x - centre.0) * axis.0 + (y - centre.1) * axis.1;
            along * along * along
        });
        // The longer tail is the lighter end.
        if cubes < 0.0 {
            axis = (-axis.0, -axis.1);
        }
        let elongation = if short > 0.0 { (long / short).sqrt() } else { f64::INFINITY };
        Self { places, centre, axis, elongation, area, alone }
    }

    /// Ratio of the deviations along and across the long axis: 1 for a disc or a square.
    #[must_use]
    pub fn elongation(&self) -> f64 {
        self.elongation
    }

    /// Unit vector along the long axis, from the heavier end to the lighter one, in the frame's directions.
    #[must_use]
    pub fn axis(&self) -> (f64, f64) {
        self.axis
    }

    /// Its area with the holes filled, in square pixels of the frame.
    #[must_use]
    pub fn area(&self) -> f64 {
        self.area
    }

    /// Share of all pixels that differ from the ground which belong to the article.
    #[must_use]
    pub fn alone(&self) -> f64 {
        self.alone
    }

    /// The rectangle around the article, as it lies.
    #[must_use]
    pub fn cropped(&self) -> Outline {
        Outline { corners: self.rectangle((1.0, 0.0)) }
    }

    /// The rectangle along the long axis, turned least: its upper side is the one that is rotated least against the
    /// frame's upper side.
    #[must_use]
    pub fn upright(&self) -> Outline {
        Outline { corners: upright(self.rectangle(self.axis)) }
    }

    /// The rectangle along the long axis, with the heavier end on its left side.
    #[must_use]
    pub fn aligned(&self) -> Outline {
        Outline { corners: self.rectangle(self.axis) }
    }

    /// Corners of the rectangle around the article whose upper side runs along a unit vector, clockwise.
    fn rectangle(&self, along: (f64, f64)) -> [(f64, f64); 4] {
        let down = (-along.1, along.0);
        let extent = |by: (f64, f64)| {
            let mut offsets: Vec<f64> =
                self.places.iter().map(|(x, y)| (x - self.centre.0) * by.0 + (y - self.centre.1) * by.1).collect();
            let rank = (offsets.len() as f64 * TRIM) as usize;
            let last = offsets.len() - 1 - rank;
            let low = *offsets.select_nth_unstable_by(rank, f64::total_cmp).1;
            (low, *offsets.select_nth_unstable_by(last, f64::total_cmp).1)
        };
        let ((left, right), (top, bottom)) = (extent(along), extent(down));
        let around = AROUND * (right - left).max(bottom - top);
        let (left, right, top, bottom) = (left - around, right + around, top - around, bottom + around);
        [(left, top), (right, top), (right, bottom), (left, bottom)]
            .map(|(u, v)| (self.centre.0 + u * along.0 + v * down.0, self.centre.1 + u * along.1 + v * down.1))
    }
}

/// How much each pixel differs from the ground, in levels of the channel that differs most.
fn differences(reduced: &Reduced) -> Vec<f64> {
    let Reduced { pixels, channels, width, height, .. } = reduced;
    let in_ring = in_ring(*width, *height);
    let mut differences = vec![0f64; width * height];
    for channel in 0..*channels {
        let level = |at: usize| f64::from(pixels[at * channels + channel]);
        // From -1 to 1 across the picture.
        let place = |at: usize| {
            let centred = |at: usize, side: usize| (2 * at + 1) as f64 / side as f64 - 1.0;
            [1.0, centred(at % width, *width), centred(at / width, *height)]
        };
        let ring: Vec<usize> = (0..width * height).filter(|at| in_ring(*at)).collect();
        let mut used = ring.clone();
        let mut plane = [0.0; 3];
        for _ in 0..FITS {
            plane = fit(used.iter().map(|at| (place(*at), level(*at))));
            let off = |at: usize| (level(at) - value(plane, place(at))).abs();
            let mut offs: Vec<f64> = used.iter().map(|at| off(*at)).collect();
            let middle = offs.len() / 2;
            // A whole level, so that rounding makes no outliers of an even ground.
            let most = OUTLIER * offs.select_nth_unstable_by(middle, f64::total_cmp).1.max(1.0);
            used = ring.iter().copied().filter(|at| off(*at) <= most).collect();
        }
        for (at, difference) in differences.iter_mut().enumerate() {
            *difference = difference.max((level(at) - value(plane, place(at))).abs());
        }
    }
    differences
}

fn value(plane: [f64; 3], place: [f64; 3]) -> f64 {
    plane[0] * place[0] + plane[1] * place[1] + plane[2] * place[2]
}

/// The plane of least squares through levels at places; level where the places do not tell.
fn fit(points: impl Iterator<Item = ([f64; 3], f64)>) -> [f64; 3] {
    let (mut matrix, mut right) = ([[0.0; 3]; 3], [0.0; 3]);
    for (place, level) in points {
        for (at, factor) in place.into_iter().enumerate() {
            right[at] += factor * level;
            for (sum, other) in matrix[at].iter_mut().zip(place) {
                *sum += factor * other;
            }
        }
    }
    solve(matrix, right).unwrap_or([right[0] / matrix[0][0].max(1.0), 0.0, 0.0])
}

/// The difference above which a pixel is foreground.
fn threshold(differences: &[f64], width: usize, height: usize) -> f64 {
    let in_ring = in_ring(width, height);
    let mut ring: Vec<f64> = (0..differences.len()).filter(|at| in_ring(*at)).map(|at| differences[at]).collect();
    let rank = ((ring.len() as f64 * GRAIN_SHARE) as usize).min(ring.len() - 1);
    let grain = *ring.select_nth_unstable_by(rank, f64::total_cmp).1;
    FAINTEST.max(GRAINS * grain).max(dividing(differences))
}

/// The difference that divides the pixels best in two: the largest variance between the two classes (Otsu 1979).
fn dividing(differences: &[f64]) -> f64 {
    let mut counts = [0u64; 256];
    for difference in differences {
        counts[difference.min(255.0) as usize] += 1;
    }
    let (all, sum) =
        counts.iter().zip(0u64..).fold((0, 0), |(all, sum), (count, level)| (all + count, sum + count * level));
    let (mut below, mut sum_below, mut best) = (0, 0, (0.0, 0.0));
    for (count, level) in counts.iter().zip(0u64..) {
        (below, sum_below) = (below + count, sum_below + count * level);
        let above = all - below;
        if below == 0 || above == 0 {
            continue;
        }
        let apart = sum_below as f64 / below as f64 - (sum - sum_below) as f64 / above as f64;
        let variance = below as f64 * above as f64 * apart * apart;
        if variance > best.0 {
            best = (variance, level as f64);
        }
    }
    best.1
}

/// The largest part of a mask whose pixels touch at a side or a corner, and the share of the mask that it is; `None`
/// when the mask is empty.
fn largest_part(mask: &[bool], width: usize) -> Option<(Vec<bool>, f64)> {
    let mut part_of = vec![0usize; mask.len()];
    let mut sizes = vec![0usize];
    for start in 0..mask.len() {
        if !mask[start] || part_of[start] != 0 {
            continue;
        }
        let part = sizes.len();
        part_of[start] = part;
        sizes.push(0);
        let mut open = vec![start];
        while let Some(at) = open.pop() {
            sizes[part] += 1;
            for next in around(at, width, mask.len(), true) {
                if mask[next] && part_of[next] == 0 {
                    part_of[next] = part;
                    open.push(next);
                }
            }
        }
    }
    let all: usize = sizes.iter().sum();
    let (largest, size) =
        sizes.into_iter().enumerate().skip(1).max_by_key(|(part, size)| (*size, std::cmp::Reverse(*part)))?;
    Some((part_of.into_iter().map(|part| part == largest).collect(), size as f64 / all as f64))
}

/// The mask with its holes filled: what cannot be reached from the picture's edge.
fn filled(mask: &[bool], width: usize) -> Vec<bool> {
    let height = mask.len() / width;
    let mut outside = vec![false; mask.len()];
    let edge =
        |at: &usize| at.is_multiple_of(width) || at % width == width - 1 || at / width == 0 || at / width == height - 1;
    let mut open: Vec<usize> = (0..mask.len()).filter(|at| edge(at) && !mask[*at]).collect();
    for at in &open {
        outside[*at] = true;
    }
    while let Some(at) = open.pop() {
        for next in around(at, width, mask.len(), false) {
            if !mask[next] && !outside[next] {
                outside[next] = true;
                open.push(next);
            }
        }
    }
    outside.into_iter().map(|outside| !outside).collect()
}

/// The indices of the pixels that touch a pixel at a side, or also at a corner.
fn around(at: usize, width: usize, len: usize, corners: bool) -> impl Iterator<Item = usize> {
    let (x, y) = ((at % width) as isize, (at / width) as isize);
    let (width, height) = (width as isize, (len / width) as isize);
    const STEPS: [(isize, isize); 8] = [(1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1)];
    STEPS.into_iter().take(if corners { 8 } else { 4 }).filter_map(move |(dx, dy)| {
        let (x, y) = (x + dx, y + dy);
        (x >= 0 && y >= 0 && x < width && y < height).then(|| (y * width + x) as usize)
    })
}

#[cfg(test)]
mod tests {
    use image::{GrayImage, Luma, Rgb, RgbImage};

    use super::*;
    use crate::article::scenes::Dice;

    const SIZE: (u32, u32) = (480, 400);
    const CENTRE: (f64, f64) = (250.0, 190.0);

    /// Whether a nail of 240 x 16 pixels covers a place: its head, 20 x 60, is at the start of its length.
    fn nail((u, v): (f64, f64)) -> bool {
        (-120.0..120.0).contains(&u) && v.abs() < if u < -100.0 { 30.0 } else { 8.0 }
    }

    /// A shape turned so that its length runs along a vector, on a ground whose light falls off to one side, with
    /// noise and a soft shadow below.
    fn scene(shape: impl Fn((f64, f64)) -> bool, along: (f64, f64), ground: f64, article: f64, seed: u64) -> Frame {
        let mut dice = Dice::new(seed);
        let length = (along.0 * along.0 + along.1 * along.1).sqrt();
        let along = (along.0 / length, along.1 / length);
        let covers = |x: f64, y: f64| {
            let (x, y) = (x - CENTRE.0, y - CENTRE.1);
            shape((x * along.0 + y * along.1, y * along.0 - x * along.1))
        };
        Frame::Grey(GrayImage::from_fn(SIZE.0, SIZE.1, |x, y| {
            let (x, y) = (f64::from(x) + 0.5, f64::from(y) + 0.5);
            let shadow = if covers(x, y - 9.0) { -12.0 } else { 0.0 };
            let lit = if covers(x, y) { article } else { ground + shadow } + 0.05 * x - 0.03 * y;
            Luma([(lit + dice.between(-4.0, 4.0)).clamp(0.0, 255.0) as u8])
        }))
    }

    #[test]
    fn a_nail_lies_the_same_way_however_it_was_turned() {
        let straight = |along, ground, article, seed| {
            let frame = scene(nail, along, ground, article, seed);
            Foreground::find(&frame).unwrap().aligned().straighten(&frame).to_grey().into_owned()
        };
        let first = straight((1.0, 0.0), 190.0, 60.0, 1);
        assert!(first.width() > 2 * first.height(), "{:?}", first.dimensions());
        for (seed, along) in [(0.0, 1.0), (-1.0, 0.0), (0.3, -1.0), (-2.0, 1.5), (1.0, 0.1)].into_iter().enumerate() {
            let other = straight(along, 190.0, 60.0, seed as u64);
            assert!(first.width().abs_diff(other.width()) <= 6 && first.height().abs_diff(other.height()) <= 6);
            let size = (first.width(), first.height());
            let other = image::imageops::resize(&other, size.0, size.1, image::imageops::FilterType::Triangle);
            let is_article = |pixel: u8| pixel < 125;
            let differ = first.as_raw().iter().zip(other.as_raw()).filter(|(a, b)| is_article(**a) != is_article(**b));
            let differ = differ.count() as f64 / first.len() as f64;
            assert!(differ < 0.04, "{along:?}: {differ:.3}");
        }
        let found = Foreground::find(&scene(nail, (1.0, 0.4), 60.0, 180.0, 9)).unwrap();
        assert!(found.elongation() > 4.0 && found.axis().0 > 0.9 && found.alone() > 0.98, "bright on dark: {found:?}");
    }

    #[test]
    fn a_disc_is_cut_out_as_it_lies() {
        let disc = |(u, v): (f64, f64)| (400.0..3600.0).contains(&(u * u + v * v));
        let found = Foreground::find(&scene(disc, (1.0, 0.0), 200.0, 90.0, 1)).unwrap();
        let round = core::f64::consts::PI * 3600.0;
        assert!(found.elongation() < 1.1 && (found.area() / round - 1.0).abs() < 0.05, "the hole is filled");
        let [(left, top), _, (right, bottom), _] = found.cropped().corners();
        let expected = [CENTRE.0 - 64.8, CENTRE.1 - 64.8, CENTRE.0 + 64.8, CENTRE.1 + 64.8];
        let off = [left, top, right, bottom].into_iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(off < 3.0, "{:?}", found.cropped());
    }

    #[test]
    fn a_bare_ground_and_an_article_at_the_edge_are_refused() {
        let none = Foreground::find(&scene(|_| false, (1.0, 0.0), 150.0, 0.0, 3));
        assert!(matches!(none, Err(NotFound::NothingStandsOut | NotFound::TooSmall)), "{none:?}");
        let cut = Foreground::find(&scene(|(u, v)| u > 100.0 && v.abs() < 30.0, (1.0, 0.0), 200.0, 60.0, 4));
        assert_eq!(cut.unwrap_err(), NotFound::CutOff);
        let speck = Foreground::find(&scene(|(u, v)| u.abs() < 9.0 && v.abs() < 9.0, (1.0, 0.0), 200.0, 60.0, 5));
        assert_eq!(speck.unwrap_err(), NotFound::TooSmall);
        let two = |(u, v): (f64, f64)| v.abs() < 40.0 && (20.0..90.0).contains(&u.abs());
        assert!(Foreground::find(&scene(two, (1.0, 0.0), 200.0, 60.0, 6)).unwrap().alone() < 0.6);
    }

    #[test]
    fn every_machine_finds_the_same_corners() {
        let frame = Frame::Rgb(RgbImage::from_fn(500, 380, |x, y| {
            // A bent bar, computed in whole numbers only.
            let (u, v) = (3 * x + y, 3 * y + 900 - x);
            let inside = (500..1500).contains(&u) && (900..1020).contains(&(v + (u - 500) * (u - 500) / 9000));
            if inside { Rgb([40, 90 + (u % 50) as u8, 60]) } else { Rgb([170, (160 + x / 20) as u8, 190]) }
        }));
        let found = Foreground::find(&frame).unwrap();
        let corners = [found.cropped(), found.upright(), found.aligned()].map(|outline| outline.corners()).concat();
        let bits: Vec<u8> =
            corners.iter().flat_map(|(x, y)| [x, y].map(|at| at.to_bits().to_be_bytes())).flatten().collect();
        // Recorded on x86-64; the crate's tests run on aarch64 too.
        assert_eq!(crate::sha256_hex(&bits)[..16], *"a75e0723dcb09d0a");
    }

    #[test]
    fn any_frame_is_taken() {
        for (width, height) in [(1, 1), (1, 900), (900, 1), (3, 2), (2000, 3)] {
            let frame = Frame::Rgb(RgbImage::from_fn(width, height, |x, y| Rgb([(x * 7) as u8, (y * 13) as u8, 9])));
            let _ = Foreground::find(&frame).map(|found| found.aligned().straighten(&frame));
        }
    }
}
