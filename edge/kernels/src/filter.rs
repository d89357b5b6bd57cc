//! Convolutions for inference: one picture at a time, on the calling thread, with what follows a convolution done in the
//! same pass.
//!
//! Maps are channels last, so a window is one run of adjacent numbers a line, and a tile of some pixels by one or two
//! vectors of output channels stays in registers. Nothing is unfolded; only the zeros around a picture are copied. The
//! training's products ([`crate::Maps`]) go over many pictures at the same pixel instead.

#![expect(
    unsafe_code,
    reason = "bounds are checked once a line of a window; checking them once a number costs most of the speed"
)]

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use crate::vectors::{lanes, leaky, load, store};

/// Numbers of the input that are gone over at once: they stay in the second-level cache of a small processor.
const BLOCK: usize = 1 << 15;

/// The sides of a filter and where it is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FilterShape {
    /// Channels of the input and of the output.
    pub channels: (usize, usize),
    /// Height and width of the window.
    pub kernel: (usize, usize),
    /// Distance between two windows, down and across.
    pub stride: (usize, usize),
    /// Zeros above, left of, below and right of a picture.
    pub padding: [usize; 4],
    /// Whether each channel of the output comes from the same channel of the input alone.
    pub depthwise: bool,
}

impl FilterShape {
    /// Height and width of the output for a picture of (height, width); `None` if the window does not fit.
    #[must_use]
    pub fn output(&self, (height, width): (usize, usize)) -> Option<(usize, usize)> {
        let [top, left, bottom, right] = self.padding;
        let side = |side: usize, kernel: usize, stride: usize| Some(side.checked_sub(kernel)? / stride + 1);
        let rows = side(height + top + bottom, self.kernel.0, self.stride.0)?;
        Some((rows, side(width + left + right, self.kernel.1, self.stride.1)?))
    }

    /// Number of weights for each channel of the output.
    fn window(&self) -> usize {
        self.kernel.0 * self.kernel.1 * if self.depthwise { 1 } else { self.channels.0 }
    }
}

/// What is written for a sum s: max(s, 0) + slope * min(s, 0), at most `most`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ending {
    /// Slope below zero; 1 leaves s as it is.
    pub slope: f32,
    /// The largest number that is written.
    pub most: f32,
}

impl Ending {
    /// Writes the sum itself.
    pub const NONE: Self = Self { slope: 1.0, most: f32::INFINITY };
}

/// A convolution with its weights in the order in which this processor reads them.
#[derive(Clone, Debug)]
pub struct Filter {
    shape: FilterShape,
    /// For a depthwise filter [K, K, C]. Else panels of one or two vectors of output channels, each [K, K, I, width]; the
    /// last one is filled up with zeros.
    weights: Vec<f32>,
    bias: Vec<f32>,
    ending: Ending,
}

impl Filter {
    /// Packs weights `[O, I, K, K]` and biases `[O]`.
    ///
    /// # Panics
    /// When the numbers of weights and biases do not fit the shape, or a depthwise filter has other channels behind it
    /// than before.
    #[must_use]
    pub fn new(shape: FilterShape, weights: &[f32], bias: &[f32], ending: Ending) -> Self {
        let (inputs, outputs) = shape.channels;
        assert!(weights.len() == outputs * shape.window() && bias.len() == outputs, "{shape:?}");
        assert!(!shape.depthwise || inputs == outputs, "{shape:?}");
        let area = shape.kernel.0 * shape.kernel.1;
        let packed = if shape.depthwise {
            (0..area).flat_map(|tap| (0..outputs).map(move |channel| weights[channel * area + tap])).collect()
        } else {
            let (mut packed, lanes) = (Vec::new(), lanes());
            for panel in panels(outputs, lanes) {
                let width = panel.len().next_multiple_of(lanes);
                let row = |at: usize| {
                    let (tap, input) = (at / inputs, at % inputs);
                    let columns = panel.clone().map(move |output| weights[(output * inputs + input) * area + tap]);
                    columns.chain(std::iter::repeat(0.0)).take(width)
                };
                packed.extend((0..shape.window()).flat_map(row));
            }
            packed
        };
        Self { shape, weights: packed, bias: bias.to_vec(), ending }
    }

    /// The shape that the filter was made with.
    #[must_use]
    pub fn shape(&self) -> &FilterShape {
        &self.shape
    }

    /// Applies the filter to pictures `[B, H, W, I]`. Returns `[B, h, w, O]`.
    ///
    /// # Panics
    /// When the numbers are no whole pictures, or the window does not fit into a picture.
    #[must_use]
    pub fn apply(&self, pictures: &[f32], sides @ (height, width): (usize, usize)) -> Vec<f32> {
        let (inputs, outputs) = self.shape.channels;
        let (rows, columns) = self.shape.output(sides).expect("the window fits");
        let (picture, line) = (height * width * inputs, columns * outputs);
        assert!(pictures.len().is_multiple_of(picture), "whole pictures");
        let mut all = vec![0.0; pictures.len() / picture * rows * line];
        let mut room = Vec::new();
        let [_, left, _, right] = self.shape.padding;
        let wide = left + width + right;
        let at_once = (BLOCK / (self.shape.stride.0 * wide * inputs)).max(1);
        for (picture, made) in pictures.chunks_exact(picture).zip(all.chunks_exact_mut(rows * line)) {
            for (block, output) in made.chunks_mut(at_once * line).enumerate() {
                let rows = output.len() / line;
                let input = self.lines(picture, sides, (block * at_once, rows), &mut room);
                let task = Task { filter: self, input, width: wide, output, sides: (rows, columns) };
                Arch::new().dispatch(task);
            }
        }
        all
    }

    /// The lines of a picture that some rows of the output (first, number) are made of, with the zeros around them.
    fn lines<'a>(
        &self,
        picture: &'a [f32],
        (height, width): (usize, usize),
        (first, rows): (usize, usize),
        room: &'a mut Vec<f32>,
    ) -> &'a [f32] {
        let FilterShape { channels: (channels, _), kernel, stride, padding, .. } = self.shape;
        let (first, count) = (first * stride.0, (rows - 1) * stride.0 + kernel.0);
        let line = width * channels;
        if padding == [0; 4] {
            return &picture[first * line..][..count * line];
        }
        let [top, left, _, right] = padding;
        let wide = (left + width + right) * channels;
        room.resize(count * wide, 0.0);
        for (at, to) in room.chunks_exact_mut(wide).enumerate() {
            match (first + at).checked_sub(top).filter(|from| *from < height) {
                Some(from) => {
                    let (before, rest) = to.split_at_mut(left * channels);
                    let (inside, after) = rest.split_at_mut(line);
                    before.fill(0.0);
                    inside.copy_from_slice(&picture[from * line..][..line]);
                    after.fill(0.0);
                }
                None => to.fill(0.0),
            }
        }
        room
    }
}

/// The output channels of each panel: two vectors of so many `lanes`, or one where the rest fits into one.
fn panels(outputs: usize, lanes: usize) -> impl Iterator<Item = Range<usize>> {
    let mut first = 0;
    std::iter::from_fn(move || {
        let width = if outputs - first <= lanes { lanes } else { 2 * lanes };
        let panel = first..outputs.min(first + width);
        first = panel.end;
        Some(panel).filter(|panel| !panel.is_empty())
    })
}

/// Some rows of one picture's output.
struct Task<'a> {
    filter: &'a Filter,
    /// The lines that they are made of, with the zeros around them.
    input: &'a [f32],
    /// Pixels of a line of the input.
    width: usize,
    output: &'a mut [f32],
    /// Rows and columns of the output.
    sides: (usize, usize),
}

impl WithSimd for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        if self.filter.shape.depthwise {
            return self.depthwise(simd);
        }
        for y in 0..self.sides.0 {
            let mut from = 0;
            for panel in panels(self.filter.shape.channels.1, S::F32_LANES) {
                let vectors = panel.len().div_ceil(S::F32_LANES);
                let (weights, _) = S::as_simd_f32s(&self.filter.weights[from..]);
                let count = self.filter.shape.window() * vectors;
                from += count * S::F32_LANES;
                let weights = &weights[..count];
                // As many pixels as the registers hold beside the weights.
                match (vectors, S::F32_LANES) {
                    (1, 16) => self.row::<S, 16, 1>(simd, weights, y, &panel),
                    (1, 8) => self.row::<S, 8, 1>(simd, weights, y, &panel),
                    (1, _) => self.row::<S, 12, 1>(simd, weights, y, &panel),
                    (_, 16) => self.row::<S, 12, 2>(simd, weights, y, &panel),
                    (_, 8) => self.row::<S, 6, 2>(simd, weights, y, &panel),
                    _ => self.row::<S, 8, 2>(simd, weights, y, &panel),
                }
            }
        }
    }
}

impl Task<'_> {
    /// Computes a row of one panel, M pixels at a time.
    #[inline(always)]
    fn row<S: Simd, const M: usize, const V: usize>(
        &mut self,
        simd: S,
        weights: &[S::f32s],
        y: usize,
        panel: &Range<usize>,
    ) {
        let columns = self.sides.1;
        let bias = load::<S, V>(simd, &self.filter.bias[panel.clone()]);
        let mut x = 0;
        while x < columns {
            // What is left at the end of a long row is done at the same width, over pixels that are done already.
            x += match columns - x {
                left if left >= M => self.pixels::<S, M, V>(simd, weights, bias, (y, x), panel),
                left if columns >= M => self.pixels::<S, M, V>(simd, weights, bias, (y, columns - M), panel).min(left),
                4.. => self.pixels::<S, 4, V>(simd, weights, bias, (y, x), panel),
                _ => self.pixels::<S, 1, V>(simd, weights, bias, (y, x), panel),
            };
        }
    }

    /// Computes M pixels of a line, and returns M.
    #[inline(always)]
    fn pixels<S: Simd, const M: usize, const V: usize>(
        &mut self,
        simd: S,
        weights: &[S::f32s],
        bias: [S::f32s; V],
        (y, x): (usize, usize),
        panel: &Range<usize>,
    ) -> usize {
        let FilterShape { channels: (inputs, outputs), kernel, stride, .. } = self.filter.shape;
        let (run, step) = (kernel.1 * inputs, stride.1 * inputs);
        let mut sums = [bias; M];
        for (line, weights) in weights.chunks_exact(run * V).enumerate() {
            let first = ((y * stride.0 + line) * self.width + x * stride.1) * inputs;
            let windows = &self.input[first..][..(M - 1) * step + run];
            // SAFETY: the slice holds a run for each of the M pixels, a step apart; the chunk holds V vectors for each
            // number of a run.
            unsafe { add::<S, M, V>(simd, &mut sums, windows, weights, run, step) };
        }
        let ending = self.filter.ending;
        for (pixel, mut sums) in sums.into_iter().enumerate() {
            for sum in &mut sums {
                *sum = ended(simd, ending, *sum);
            }
            let at = (y * self.sides.1 + x + pixel) * outputs;
            store::<S, V>(simd, &mut self.output[at + panel.start..at + panel.end], sums);
        }
        M
    }

    /// Computes all pixels of a depthwise filter.
    #[inline(always)]
    fn depthwise<S: Simd>(&mut self, simd: S) {
        let (rows, columns) = self.sides;
        let channels = self.filter.shape.channels.0;
        for y in 0..rows {
            for first in (0..channels).step_by(S::F32_LANES) {
                let group = first..channels.min(first + S::F32_LANES);
                let mut x = 0;
                while x < columns {
                    x += match columns - x {
                        8.. => self.group::<S, 8>(simd, (y, x), &group),
                        4.. => self.group::<S, 4>(simd, (y, x), &group),
                        _ => self.group::<S, 1>(simd, (y, x), &group),
                    };
                }
            }
        }
    }

    /// Computes one vector of channels of M pixels of a line, and returns M.
    #[inline(always)]
    fn group<S: Simd, const M: usize>(&mut self, simd: S, (y, x): (usize, usize), group: &Range<usize>) -> usize {
        let FilterShape { channels: (channels, _), kernel, stride, .. } = self.filter.shape;
        let step = stride.1 * channels;
        let mut sums = [load::<S, 1>(simd, &self.filter.bias[group.clone()])[0]; M];
        for line in 0..kernel.0 {
            for column in 0..kernel.1 {
                let weight = &self.filter.weights[(line * kernel.1 + column) * channels..];
                let [weight] = load::<S, 1>(simd, &weight[group.clone()]);
                let first = ((y * stride.0 + line) * self.width + x * stride.1 + column) * channels + group.start;
                let numbers = &self.input[first..][..(M - 1) * step + group.len()];
                if group.len() == S::F32_LANES {
                    for (pixel, sum) in sums.iter_mut().enumerate() {
                        // SAFETY: the slice holds a vector for each of the M pixels, a step apart.
                        let number = unsafe { numbers.as_ptr().add(pixel * step).cast::<S::f32s>().read_unaligned() };
                        *sum = simd.mul_add_e_f32s(number, weight, *sum);
                    }
                } else {
                    for (pixel, sum) in sums.iter_mut().enumerate() {
                        let number = simd.partial_load_f32s(&numbers[pixel * step..][..group.len()]);
                        *sum = simd.mul_add_e_f32s(number, weight, *sum);
                    }
                }
            }
        }
        let ending = self.filter.ending;
        for (pixel, sum) in sums.into_iter().enumerate() {
            let at = (y * self.sides.1 + x + pixel) * channels;
            store::<S, 1>(simd, &mut self.output[at + group.start..at + group.end], [ended(simd, ending, sum)]);
        }
        M
    }
}

/// Adds to the sums of M pixels the products of a run of numbers of each with its rows of weights.
///
/// # Safety
/// `windows` must hold `run` numbers from every multiple of `step` below M on, and `weights` V vectors for each of them.
#[inline(always)]
unsafe fn add<S: Simd, const M: usize, const V: usize>(
    simd: S,
    sums: &mut [[S::f32s; V]; M],
    windows: &[f32],
    weights: &[S::f32s],
    run: usize,
    step: usize,
) {
    let (windows, weights) = (windows.as_ptr(), weights.as_ptr());
    for at in 0..run {
        let mut row = [simd.splat_f32s(0.0); V];
        for (vector, weight) in row.iter_mut().enumerate() {
            // SAFETY: promised by the caller.
            *weight = unsafe { weights.add(at * V + vector).read_unaligned() };
        }
        for (pixel, sums) in sums.iter_mut().enumerate() {
            // SAFETY: promised by the caller.
            let number = simd.splat_f32s(unsafe { *windows.add(pixel * step + at) });
            for (sum, weight) in sums.iter_mut().zip(&row) {
                *sum = simd.mul_add_e_f32s(number, *weight, *sum);
            }
        }
    }
}

#[inline(always)]
fn ended<S: Simd>(simd: S, ending: Ending, mut sum: S::f32s) -> S::f32s {
    if ending.slope != 1.0 {
        sum = leaky(simd, ending.slope, sum);
    }
    if ending.most < f32::INFINITY {
        sum = simd.min_f32s(simd.splat_f32s(ending.most), sum);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The convolution by its definition, in float64.
    fn plain(shape: &FilterShape, weights: &[f32], bias: &[f32], picture: &[f32], sides: (usize, usize)) -> Vec<f64> {
        let ((inputs, outputs), (rows, columns)) = (shape.channels, shape.output(sides).unwrap());
        let area = shape.kernel.0 * shape.kernel.1;
        let one = |at: usize| {
            let (y, x, output) = (at / (columns * outputs), at / outputs % columns, at % outputs);
            let mut sum = f64::from(bias[output]);
            for tap in 0..area {
                let line = (y * shape.stride.0 + tap / shape.kernel.1).wrapping_sub(shape.padding[0]);
                let column = (x * shape.stride.1 + tap % shape.kernel.1).wrapping_sub(shape.padding[1]);
                if line >= sides.0 || column >= sides.1 {
                    continue;
                }
                let pixel = &picture[(line * sides.1 + column) * inputs..][..inputs];
                if shape.depthwise {
                    sum += f64::from(pixel[output]) * f64::from(weights[output * area + tap]);
                } else {
                    let filter = |input: usize| f64::from(weights[(output * inputs + input) * area + tap]);
                    sum += pixel.iter().enumerate().map(|(input, x)| f64::from(*x) * filter(input)).sum::<f64>();
                }
            }
            sum
        };
        (0..rows * columns * outputs).map(one).collect()
    }

    fn numbers(count: usize, seed: u32) -> Vec<f32> {
        let number = |i: u32| ((i + seed).wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 24) as f32 - 0.5;
        (0..count as u32).map(number).collect()
    }

    #[test]
    fn every_shape_is_the_convolution_by_its_definition() {
        let cases = [
            // Channels, kernel, stride, padding, depthwise, sides.
            ((3, 32), (3, 3), (2, 2), [0, 0, 1, 1], false, (14, 18)),
            ((24, 40), (1, 1), (1, 1), [0; 4], false, (5, 31)),
            ((5, 7), (4, 4), (2, 2), [1; 4], false, (12, 12)),
            ((1, 97), (2, 5), (1, 3), [0, 2, 1, 0], false, (6, 9)),
            ((16, 16), (3, 3), (1, 1), [1; 4], true, (9, 23)),
            ((37, 37), (5, 5), (2, 2), [1, 1, 2, 2], true, (16, 12)),
            ((8, 8), (7, 1), (1, 1), [3, 0, 3, 0], true, (7, 3)),
        ];
        for (channels, kernel, stride, padding, depthwise, sides) in cases {
            let shape = FilterShape { channels, kernel, stride, padding, depthwise };
            let weights = numbers(channels.1 * shape.window(), 1);
            let (bias, pictures) = (numbers(channels.1, 2), numbers(2 * sides.0 * sides.1 * channels.0, 3));
            for ending in [Ending::NONE, Ending { slope: 0.2, most: f32::INFINITY }, Ending { slope: 0.0, most: 0.3 }] {
                let found = Filter::new(shape, &weights, &bias, ending).apply(&pictures, sides);
                let pictures = pictures.chunks_exact(pictures.len() / 2);
                let wanted: Vec<f64> =
                    pictures.flat_map(|picture| plain(&shape, &weights, &bias, picture, sides)).collect();
                assert_eq!(found.len(), wanted.len());
                for (found, wanted) in found.iter().zip(wanted) {
                    let wanted = (wanted.max(0.0) + f64::from(ending.slope) * wanted.min(0.0)).min(ending.most.into());
                    assert!((f64::from(*found) - wanted).abs() < 1e-5, "{shape:?} {ending:?}: {found} {wanted}");
                }
            }
        }
    }

    #[test]
    fn a_sum_that_is_no_number_stays_none() {
        let shape = FilterShape { channels: (1, 3), kernel: (1, 1), stride: (1, 1), padding: [0; 4], depthwise: false };
        let filter = Filter::new(shape, &[1.0; 3], &[0.0; 3], Ending { slope: 0.0, most: 6.0 });
        assert!(filter.apply(&[f32::NAN; 4], (2, 2)).iter().all(|x| x.is_nan()));
    }
}
