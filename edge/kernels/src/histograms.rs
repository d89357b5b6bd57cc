//! Joint histograms: how often each grey level occurs next to each other grey level, and each step between pixels
//! next to each other step.
//!
//! Joint histograms of neighbouring pixels are those of Haralick, Shanmugam and Dinstein 1973
//! (doi:10.1109/TSMC.1973.4309314), of neighbouring steps those of steganalysis (Pevný, Bas and Fridrich 2010,
//! doi:10.1109/TIFS.2010.2045842).

use crate::luma::{TO_BLUE, TO_RED, luma};

/// Levels of grey, 0..1. A value between two levels counts for both, in proportion.
const GREYS: [f32; 8] = [0.0, 1.0 / 7.0, 2.0 / 7.0, 3.0 / 7.0, 4.0 / 7.0, 5.0 / 7.0, 6.0 / 7.0, 1.0];
/// Levels of the step in grey from one pixel to the next, in the same way.
const STEPS: [f32; 7] = [-0.6, -0.25, -0.06, 0.0, 0.06, 0.25, 0.6];
/// Levels of a pixel's blue and red difference to grey, in the same way.
const TINTS: [f32; 7] = [-0.3, -0.12, -0.04, 0.0, 0.04, 0.12, 0.3];
/// Room for the cells of a pair: the square of the number of levels, at most.
const CELLS: usize = GREYS.len() * GREYS.len();
/// A number this close to a level, as part of the distance to the next level, counts as the level. It is ten times
/// float32's rounding there, and far less than the distance from one byte value to the next.
pub const EDGE: f32 = 2e-5;
/// Shortest side of a picture, in pixels, that has two consecutive steps.
pub const MIN_SIDE: usize = 3;
/// Added to each share before its logarithm, so that shares below one pixel in a thousand matter little.
pub const FLOOR: f32 = 1e-3;

/// A quantity of each pixel that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// The grey of each pixel.
    Grey,
    /// The step to the pixel on its right.
    Right,
    /// The step to the pixel below.
    Down,
    /// The blue difference of the pixel to its grey (Cb).
    Blue,
    /// The red difference of the pixel to its grey (Cr).
    Red,
}

/// All quantities. A grey picture has the first [`GREY_QUANTITIES`].
const QUANTITIES: [Quantity; 5] = [Quantity::Grey, Quantity::Right, Quantity::Down, Quantity::Blue, Quantity::Red];
const GREY_QUANTITIES: usize = 3;

impl Quantity {
    /// The levels at which it is counted, in rising order.
    #[must_use]
    pub fn levels(self) -> &'static [f32] {
        match self {
            Self::Grey => &GREYS,
            Self::Right | Self::Down => &STEPS,
            Self::Blue | Self::Red => &TINTS,
        }
    }

    /// Rows and columns at the end of a picture where this quantity does not exist.
    #[must_use]
    pub fn margin(self) -> (usize, usize) {
        match self {
            Self::Grey | Self::Blue | Self::Red => (0, 0),
            Self::Right => (0, 1),
            Self::Down => (1, 0),
        }
    }
}

/// Two quantities with equally many levels. The second is read some rows down and some columns to the right of the
/// first.
#[derive(Clone, Copy, Debug)]
pub struct Pair(pub Quantity, pub Quantity, (usize, isize));

/// All pairs. A grey picture has the first [`GREY_PAIRS`].
const PAIRS: [Pair; 9] = [
    Pair(Quantity::Grey, Quantity::Grey, (0, 1)),
    Pair(Quantity::Grey, Quantity::Grey, (1, 0)),
    Pair(Quantity::Grey, Quantity::Grey, (1, 1)),
    Pair(Quantity::Grey, Quantity::Grey, (1, -1)),
    Pair(Quantity::Right, Quantity::Right, (0, 1)),
    Pair(Quantity::Down, Quantity::Down, (1, 0)),
    Pair(Quantity::Right, Quantity::Right, (1, 0)),
    Pair(Quantity::Right, Quantity::Down, (0, 0)),
    Pair(Quantity::Blue, Quantity::Red, (0, 0)),
];
const GREY_PAIRS: usize = 8;

/// Where a pair is counted, as (row, column) and (rows, columns).
#[derive(Clone, Copy, Debug)]
pub struct Area {
    /// The first pixel of the first quantity.
    pub first: (usize, usize),
    /// The first pixel of the second quantity.
    pub second: (usize, usize),
    /// Number of rows and columns of both.
    pub size: (usize, usize),
}

impl Pair {
    /// The number of levels of either quantity.
    #[must_use]
    pub fn levels(&self) -> usize {
        self.0.levels().len()
    }

    /// The pair's area in a picture of (height, width), each at least [`MIN_SIDE`].
    #[must_use]
    pub fn area(&self, (height, width): (usize, usize)) -> Area {
        let Self(one, other, (down, right)) = self;
        let (one, other) = (one.margin(), other.margin());
        Area {
            first: (0, (-right).max(0) as usize),
            second: (*down, (*right).max(0) as usize),
            size: (height - one.0.max(other.0) - down, width - one.1.max(other.1) - right.unsigned_abs()),
        }
    }
}

/// The pairs of a picture with 1 or 3 channels, in the order of [`joint_histograms`].
#[must_use]
pub fn pairs(channels: usize) -> &'static [Pair] {
    if channels == 1 { &PAIRS[..GREY_PAIRS] } else { &PAIRS }
}

/// The quantities of a picture with 1 or 3 channels, in the order of their numbers.
#[must_use]
pub fn quantities(channels: usize) -> &'static [Quantity] {
    if channels == 1 { &QUANTITIES[..GREY_QUANTITIES] } else { &QUANTITIES }
}

/// How many numbers [`joint_histograms`] returns for a picture with 1 or 3 channels.
#[must_use]
pub fn count(channels: usize) -> usize {
    pairs(channels).iter().map(|pair| pair.levels().pow(2)).sum()
}

/// The logarithm of the share of each pair of levels, for a picture `[C, H, W]` in 0..1 with 1 or 3 channels and sides of
/// at least [`MIN_SIDE`]. Sums are float64, so they do not depend on the order of the pixels.
#[must_use]
pub fn joint_histograms(picture: &[f32], (channels, height, width): (usize, usize, usize)) -> Vec<f32> {
    let mixed = |shares: &[f32]| -> Vec<f32> {
        let mut sum = vec![0f32; height * width];
        for (map, share) in picture.chunks_exact(height * width).zip(shares) {
            sum.iter_mut().zip(map).for_each(|(sum, x)| *sum += share * x);
        }
        sum
    };
    let grey = mixed(luma(channels));
    // Where no next pixel exists, the step has an arbitrary value; no area includes it.
    let steps = |step: usize| -> Vec<f32> {
        let last = grey[grey.len() - 1];
        let next = grey[step..].iter().chain(std::iter::repeat(&last));
        grey.iter().zip(next).map(|(this, next)| next - this).collect()
    };
    let levels_of = |quantity: &Quantity| {
        let values = match quantity {
            Quantity::Grey => grey.clone(),
            Quantity::Right => steps(1),
            Quantity::Down => steps(width),
            Quantity::Blue => mixed(&TO_BLUE),
            Quantity::Red => mixed(&TO_RED),
        };
        located(&values, quantity.levels())
    };
    let seen: Vec<Vec<Level>> = quantities(channels).iter().map(levels_of).collect();
    let mut all = Vec::with_capacity(count(channels));
    for pair in pairs(channels) {
        let (levels, area) = (pair.levels(), pair.area((height, width)));
        let [first, second] = [(pair.0, area.first), (pair.1, area.second)]
            .map(|(quantity, (y, x))| &seen[quantity as usize][y * width + x..]);
        // What is found between two levels of both quantities: its shares of the four pairs of levels around it.
        let mut between = [[0f64; 4]; CELLS];
        for y in 0..area.size.0 {
            let (first, second) = (&first[y * width..][..area.size.1], &second[y * width..][..area.size.1]);
            for (one, other) in first.iter().zip(second) {
                let both = one.above * other.above;
                let shares = [1.0 - one.above - other.above + both, other.above - both, one.above - both, both];
                let at = (one.index as usize * levels + other.index as usize) % CELLS;
                between[at].iter_mut().zip(shares).for_each(|(sum, share)| *sum += f64::from(share));
            }
        }
        let share = 1.0 / (area.size.0 * area.size.1) as f64;
        for at in 0..levels * levels {
            let corners = [0, 1, levels, levels + 1].into_iter().enumerate();
            let cell: f64 =
                corners.map(|(corner, back)| at.checked_sub(back).map_or(0.0, |at| between[at][corner])).sum();
            all.push((cell * share + f64::from(FLOOR)).ln() as f32);
        }
    }
    all
}

/// A number, given by its position between two levels.
#[derive(Clone, Copy)]
struct Level {
    /// Index of the lower level.
    index: u32,
    /// Share of the way to the upper level, 0..1.
    above: f32,
}

/// The positions of numbers between the levels.
fn located(numbers: &[f32], levels: &[f32]) -> Vec<Level> {
    let inner = &levels[1..levels.len() - 1];
    let slopes: Vec<f32> = levels.windows(2).map(|pair| (1.0 + 2.0 * EDGE) / (pair[1] - pair[0])).collect();
    let locate = |x: &f32| {
        let index = inner.iter().map(|level| u32::from(x >= level)).sum::<u32>();
        let (low, slope) = (levels[index as usize], slopes[index as usize]);
        Level { index, above: ((x - low) * slope - EDGE).clamp(0.0, 1.0) }
    };
    numbers.iter().map(locate).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chequered_picture_has_two_pairs_of_greys_and_of_steps() {
        // Black and white alternate across and down; the same in three channels.
        for channels in [1, 3] {
            let board: Vec<f32> =
                (0..36 * channels).map(|i| if (i / 6 + i % 6) % 2 == 0 { 0.0 } else { 1.0 }).collect();
            let shares = joint_histograms(&board, (channels, 6, 6));
            assert_eq!(shares.len(), count(channels));
            let shares: Vec<f32> = shares.iter().map(|x| x.exp() - FLOOR).collect();
            let mut rest = shares.as_slice();
            let mut next = |levels: usize| {
                let (joint, tail) = rest.split_at(levels * levels);
                rest = tail;
                let last = levels - 1;
                let corners = [joint[0], joint[last], joint[levels * last], joint[levels * last + last]];
                let total: f32 = joint.iter().sum();
                assert!((total - 1.0).abs() < 1e-4 && (corners.iter().sum::<f32>() - 1.0).abs() < 1e-4, "{joint:?}");
                corners.map(|share| (share * 2.0).round() / 2.0)
            };
            let (differ, agree) = ([0.0, 0.5, 0.5, 0.0], [0.5, 0.0, 0.0, 0.5]);
            assert_eq!([(); 4].map(|()| next(GREYS.len())), [differ, differ, agree, agree]);
            assert_eq!([(); 4].map(|()| next(STEPS.len())), [differ, differ, differ, agree]);
            // There is no blue or red difference: all pixels are at the middle level.
            assert!(rest.iter().enumerate().all(|(at, share)| (share - f32::from(at == 24)).abs() < 1e-4), "{rest:?}");
            assert_eq!(rest.len(), if channels == 1 { 0 } else { 49 });
        }
    }
}
