//! Local patterns: how each pixel compares with the eight around it, counted over a picture at three distances.
//!
//! They are local binary patterns (Ojala, Pietikäinen and Mäenpää 2002, doi:10.1109/TPAMI.2002.1017623) with soft
//! comparisons: a difference within the noise counts in part, so that a rounding changes a count by little. Counted are
//! the number of brighter neighbours, and the number of changes between brighter and darker on the way around.

use pulp::Arch;

/// Distances of the neighbours, in pixels.
pub const DISTANCES: [usize; 3] = [1, 2, 3];
/// Steps to the eight neighbours on the way around: down, right.
pub const AROUND: [(isize, isize); 8] = [(-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1)];
/// The difference, 0..1, from which a neighbour counts wholly as brighter or darker: two levels of a byte.
pub const NOISE: f32 = 2.0 / 255.0;
/// Numbers of brighter neighbours that are counted.
pub const BRIGHTER: [f32; 9] = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0];
/// Numbers of changes that are counted.
pub const CHANGES: [f32; 5] = [0.0, 2.0, 4.0, 6.0, 8.0];
/// Added to a share before its logarithm.
pub const FLOOR: f32 = 1e-3;
/// Added to a mean difference, 0..1, before its logarithm: a third of a level of a byte.
pub const DIFFERENCE_FLOOR: f32 = 0.3 / 255.0;
/// Shortest side of a picture, in pixels, that has a pixel with neighbours at every distance.
pub const MIN_SIDE: usize = 2 * DISTANCES[2] + 1;

/// How many numbers describe a picture.
pub const COUNT: usize = DISTANCES.len() * (BRIGHTER.len() + CHANGES.len() + 2);

/// The patterns of a grey picture `[H, W]` in about 0..1, whose sides are at least [`MIN_SIDE`], as [`COUNT`] logarithms.
/// For each distance these are the shares of the numbers of brighter neighbours and of changes, and the mean and the
/// deviation of the mean absolute difference.
#[must_use]
pub fn local_patterns(grey: &[f32], (height, width): (usize, usize)) -> Vec<f32> {
    let mut all = Vec::with_capacity(COUNT);
    for distance in DISTANCES {
        let mut row = Row::new(width - 2 * distance);
        let mut brighter = [0f64; BRIGHTER.len() + 1];
        let mut changes = [0f64; CHANGES.len() + 1];
        let (mut sum, mut squares) = (0f64, 0f64);
        for y in distance..height - distance {
            Arch::new().dispatch(|| row.compare(grey, (y, width), distance));
            for x in 0..row.number.len() {
                count(&mut brighter, row.number[x]);
                count(&mut changes, row.changes[x] / (CHANGES[1] - CHANGES[0]));
                let size = f64::from(row.size[x]);
                (sum, squares) = (sum + size, squares + size * size);
            }
        }
        let pixels = (row.number.len() * (height - 2 * distance)) as f64;
        let share = |sum: &f64| (sum / pixels + f64::from(FLOOR)).ln() as f32;
        all.extend(brighter[..BRIGHTER.len()].iter().map(share));
        all.extend(changes[..CHANGES.len()].iter().map(share));
        let (mean, floor) = (sum / pixels, f64::from(DIFFERENCE_FLOOR));
        let deviation = ((squares / pixels - mean * mean).max(0.0) + floor * floor).sqrt();
        all.extend([mean, deviation].map(|number| (number + floor).ln() as f32));
    }
    all
}

/// Counts a number between two whole numbers for both, in proportion.
fn count(counts: &mut [f64], number: f32) {
    let last = counts.len() - 2;
    let below = (number as usize).min(last);
    let above = f64::from(number - below as f32);
    counts[below] += 1.0 - above;
    counts[below + 1] += above;
}

/// What is found at the pixels of one row that have all neighbours.
struct Row {
    /// The number of brighter neighbours of each pixel.
    number: Vec<f32>,
    /// The number of changes on the way around it.
    changes: Vec<f32>,
    /// The mean absolute difference of its neighbours.
    size: Vec<f32>,
    /// Whether each neighbour is brighter, 0..1, neighbour by neighbour.
    brighter: [Vec<f32>; AROUND.len()],
}

impl Row {
    fn new(length: usize) -> Self {
        let line = || vec![0.0; length];
        Self { number: line(), changes: line(), size: line(), brighter: std::array::from_fn(|_| line()) }
    }

    /// Compares the pixels of row `y` with their neighbours at this distance.
    #[inline(always)]
    fn compare(&mut self, grey: &[f32], (y, width): (usize, usize), distance: usize) {
        let length = self.number.len();
        let centre = &grey[y * width + distance..][..length];
        self.number.fill(0.0);
        self.size.fill(0.0);
        for ((down, right), brighter) in AROUND.into_iter().zip(&mut self.brighter) {
            let line = y.wrapping_add_signed(down * distance as isize);
            let first = distance.wrapping_add_signed(right * distance as isize);
            let neighbour = &grey[line * width + first..][..length];
            let lines = self.number.iter_mut().zip(&mut self.size).zip(brighter);
            for ((((number, size), brighter), neighbour), centre) in lines.zip(neighbour).zip(centre) {
                let step = neighbour - centre;
                *brighter = (step * (0.5 / NOISE) + 0.5).clamp(0.0, 1.0);
                *number += *brighter;
                *size += step.abs() * (1.0 / AROUND.len() as f32);
            }
        }
        self.changes.fill(0.0);
        for from in 0..AROUND.len() {
            let (from, to) = (&self.brighter[from], &self.brighter[(from + 1) % AROUND.len()]);
            for ((changes, from), to) in self.changes.iter_mut().zip(from).zip(to) {
                *changes += (from - to).abs();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns(picture: impl Fn(usize, usize) -> f32) -> Vec<f32> {
        let plane: Vec<f32> = (0..32 * 48).map(|i| picture(i / 48, i % 48)).collect();
        local_patterns(&plane, (32, 48))
    }

    /// By hand: on a ramp to the right, three neighbours are brighter, two equal (half each), three darker: 4 in all.
    /// There are four half changes on the way around, 2 in all.
    #[test]
    fn a_ramp_has_one_pattern() {
        let found = patterns(|_, x| x as f32 / 48.0);
        let (brighter, changes) = (&found[..9], &found[9..14]);
        for (index, share) in brighter.iter().enumerate() {
            let wanted = if index == 4 { 1.0f32 } else { 0.0 };
            assert!((share.exp() - wanted - FLOOR).abs() < 1e-3, "{index}: {}", share.exp());
        }
        assert!((changes[1].exp() - 1.0).abs() < 2e-3, "{changes:?}");
        // Six of eight neighbours differ, by 1 / 48.
        assert!((found[14].exp() - 6.0 / 8.0 / 48.0 - DIFFERENCE_FLOOR).abs() < 1e-4);
    }

    #[test]
    fn noise_and_smoothness_differ() {
        let smooth = patterns(|y, x| (y as f32 / 9.0).sin() * (x as f32 / 7.0).cos() / 2.0 + 0.5);
        let noisy = patterns(|y, x| ((y * 7919 + x * 104_729) % 251) as f32 / 251.0);
        assert!(noisy[14] - smooth[14] > 1.0 && smooth.iter().chain(&noisy).all(|x| x.is_finite()));
    }
}
