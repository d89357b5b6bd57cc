//! Convolutions, transposed convolutions and linear layers on plain numbers, and their gradients.
//!
//! This is our own code because candle's transposed convolution uses no GEMM on the CPU, and its gradients are
//! computed whether they are needed or not; together this is many times slower than PyTorch. Maps are channels
//! last, [B, H, W, C], and weights are [K, K, L, S], with L channels of the large map and S of the small one.
//! A window links these two maps:
//!
//! | `Maps` | from | to | product |
//! |---|---|---|---|
//! | `down`, the convolution | large | small | `window_product` over the window of each small pixel |
//! | `up`, its transpose | small | large | `window_product` over the windows that contain each large pixel |
//! | `weight_gradient` of both | large, small | weights | `weight_gradient_product` |
//!
//! `up` is the adjoint of `down`, so each is the other's gradient, and the third row serves both (Dumoulin & Visin,
//! 1603.07285, chapter 4). A linear layer is a window of one pixel on maps of one pixel. Where `up` makes a map of
//! few channels (a picture), a pixel would leave most of a vector register empty. There the product makes whole
//! windows, which are folded into the map afterwards.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use rayon::prelude::*;

use crate::activation::leaky_relu;
use crate::panels::Panels;
use crate::product::{Finish, Gather, Outer, Runs, Tap, weight_gradient_product, window_product};
use crate::workspace::{Buffer, Workspace};

/// Number of channels below which a large map is folded from windows: a quarter of a panel of AVX-512.
const THIN: usize = 8;

/// The sliding window that a convolution and its transpose share: a square kernel, its stride and its zero padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// Side of the kernel, in pixels.
    pub kernel: usize,
    /// Distance between two windows, in pixels.
    pub stride: usize,
    /// Zeros added on each side, in pixels.
    pub padding: usize,
}

impl Window {
    /// The window of a linear layer.
    pub const PIXEL: Self = Self { kernel: 1, stride: 1, padding: 0 };

    /// The side of the small map that belongs to a `large` side: the number of windows that fit, or zero if none does.
    #[must_use]
    pub fn small(self, large: usize) -> usize {
        (large + 2 * self.padding).checked_sub(self.kernel).map_or(0, |room| room / self.stride + 1)
    }

    /// The smallest side of a large map whose small map has side `small` (at least 1): the output of a transposed
    /// convolution.
    #[must_use]
    pub fn large(self, small: usize) -> usize {
        ((small - 1) * self.stride + self.kernel).saturating_sub(2 * self.padding)
    }

    /// For one offset in the kernel, the small coordinates for which the pixel at that offset is inside the large
    /// side.
    fn inside(self, offset: usize, large: usize, small: usize) -> std::ops::Range<usize> {
        let first = self.padding.saturating_sub(offset).div_ceil(self.stride);
        let end = (large + self.padding).saturating_sub(offset).div_ceil(self.stride).min(small);
        first.min(end)..end
    }
}

/// A large map [B, H, W, L], a small map [B, h, w, S] and the window that links them.
///
/// ```
/// use counterfoil_kernels::{Finish, Maps, Window, Workspace};
///
/// // A 2x2 window that sums the pixels of a 4x4 picture, one channel each.
/// let window = Window { kernel: 2, stride: 2, padding: 0 };
/// let maps = Maps { large: (4, 4), small: (2, 2), channels: (1, 1), window };
/// let sums = maps.down(&Workspace::default(), &[1.0; 16], &[1.0; 4], Finish::NONE); // [1, 2, 2, 1]
/// assert_eq!(sums[..], [4.0; 4]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Maps {
    /// Height and width of the large map.
    pub large: (usize, usize),
    /// Height and width of the small map.
    pub small: (usize, usize),
    /// L and S, the channels of the large and of the small map.
    pub channels: (usize, usize),
    /// The window that links the two maps.
    pub window: Window,
}

/// The plans by which the products go over a pair of maps.
#[derive(Debug)]
struct Plans {
    down: Gather,
    up: Gather,
    weight_gradient: Outer,
}

impl Maps {
    /// Convolution: computes the small map from the large map and the weights.
    #[must_use]
    pub fn down(&self, workspace: &Workspace, large: &[f32], weight: &[f32], finish: Finish) -> Buffer {
        window_product(workspace, &self.plans().down, large, Panels::of(weight, self.channels.1), finish) // [KKL, S]
    }

    /// Transposed convolution: computes the large map from the small map and the weights.
    #[must_use]
    pub fn up(&self, workspace: &Workspace, small: &[f32], weight: &[f32], finish: Finish) -> Buffer {
        let plans = self.plans();
        if self.is_thin() {
            let panels = Panels::transposed(weight, 1, self.window_size()); // [S, KKL]
            self.fold(workspace, &window_product(workspace, &plans.up, small, panels, Finish::NONE), finish)
        } else {
            let taps = self.window.kernel * self.window.kernel;
            let panels = Panels::transposed(weight, taps, self.channels.0); // [KKS, L]
            window_product(workspace, &plans.up, small, panels, finish)
        }
    }

    /// The gradient [K, K, L, S] of the weights, from a large map and the gradient of a small one, or the other way
    /// round.
    #[must_use]
    pub fn weight_gradient(&self, workspace: &Workspace, large: &[f32], small: &[f32]) -> Buffer {
        let panels = Panels::of(small, self.channels.1); // [Bhw, S]
        if self.window == Window::PIXEL {
            weight_gradient_product(workspace, &one_run(self.channels.0, panels.rows), large, panels) // the batch is one long picture
        } else {
            weight_gradient_product(workspace, &self.plans().weight_gradient, large, panels)
        }
    }

    /// The plans of these maps, cached for the whole process: they depend on nothing else, and a network has few
    /// kinds of maps.
    fn plans(&self) -> Arc<Plans> {
        static KNOWN: LazyLock<Mutex<HashMap<Maps, Arc<Plans>>>> = LazyLock::new(Mutex::default);
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(known.entry(*self).or_insert_with(|| Arc::new(self.planned())))
    }

    fn planned(&self) -> Plans {
        let up = if self.is_thin() { rows(self.channels.1, self.window_size()) } else { self.overlaps() };
        Plans { down: self.windows(), up, weight_gradient: self.runs() }
    }

    fn is_thin(&self) -> bool {
        self.channels.0 < THIN && self.large_pixels() > 1
    }

    fn large_pixels(&self) -> usize {
        self.large.0 * self.large.1
    }

    fn small_pixels(&self) -> usize {
        self.small.0 * self.small.1
    }

    /// Number of values in a window: K * K * L.
    fn window_size(&self) -> usize {
        self.window.kernel * self.window.kernel * self.channels.0
    }

    /// Every offset in the kernel: its number, ky and kx.
    fn offsets(&self) -> impl Iterator<Item = (usize, usize, usize)> + use<> {
        let kernel = self.window.kernel;
        (0..kernel * kernel).map(move |tap| (tap, tap / kernel, tap % kernel))
    }

    /// Every link of a small pixel to a pixel of its window inside the large map: number of the small pixel, of the
    /// large pixel and of the offset in the kernel.
    fn links(&self) -> impl Iterator<Item = (usize, usize, usize)> {
        let Window { stride, padding, .. } = self.window;
        self.offsets().flat_map(move |(tap, ky, kx)| {
            let xs = self.window.inside(kx, self.large.1, self.small.1);
            self.window.inside(ky, self.large.0, self.small.0).flat_map(move |y| {
                let line = (y * stride + ky - padding) * self.large.1;
                xs.clone().map(move |x| (y * self.small.1 + x, line + x * stride + kx - padding, tap))
            })
        })
    }

    /// The plan of `down`: a small pixel sums over the large pixels in its window.
    fn windows(&self) -> Gather {
        let (large, small) = self.channels;
        let links = self.links().map(|(to, from, tap)| (to, from, tap * large));
        plan((self.large_pixels(), large), (self.small_pixels(), small), links)
    }

    /// The plan of `up`: a large pixel sums over the small pixels whose windows contain it.
    fn overlaps(&self) -> Gather {
        let (large, small) = self.channels;
        let links = self.links().map(|(from, to, tap)| (to, from, tap * small));
        plan((self.small_pixels(), small), (self.large_pixels(), large), links)
    }

    /// The plan of `weight_gradient`: an offset in the kernel sums over the windows in which it is inside the map,
    /// line by line.
    fn runs(&self) -> Outer {
        let (Window { stride, padding, .. }, channels) = (self.window, self.channels.0);
        let taps = self.offsets().map(|(_, ky, kx)| {
            let xs = self.window.inside(kx, self.large.1, self.small.1);
            let ys = if xs.is_empty() { 0..0 } else { self.window.inside(ky, self.large.0, self.small.0) };
            let start = |y: usize| {
                let pixel = (y * stride + ky - padding) * self.large.1 + xs.start * stride + kx - padding;
                (pixel * channels, y * self.small.1 + xs.start)
            };
            Runs { starts: ys.map(start).collect(), length: xs.len().max(1) }
        });
        Outer {
            channels,
            input: self.large_pixels() * channels,
            places: self.small_pixels(),
            step: stride * channels,
            taps: taps.collect(),
        }
    }

    /// col2im: [Bhw, KKL] to [B, H, W, L]. Each pixel is the sum of its values in all windows.
    fn fold(&self, workspace: &Workspace, rows: &[f32], finish: Finish) -> Buffer {
        let (channels, size) = (self.channels.0, self.window_size());
        let mut large = workspace.buffer(rows.len() / (self.small_pixels() * size) * self.large_pixels() * channels);
        large
            .par_chunks_exact_mut(self.large_pixels() * channels)
            .zip(rows.par_chunks_exact(self.small_pixels() * size))
            .for_each(|(large, rows)| {
                match finish.bias {
                    Some(bias) => large.chunks_exact_mut(channels).for_each(|pixel| pixel.copy_from_slice(bias)),
                    None => large.fill(0.0),
                }
                self.pieces(|row, pixel, length| {
                    for (to, from) in large[pixel..pixel + length].iter_mut().zip(&rows[row..row + length]) {
                        *to += from;
                    }
                });
                if finish.slope != 1.0 {
                    for x in large {
                        *x = leaky_relu(*x, finish.slope);
                    }
                }
            });
        large
    }

    /// Calls `each` with every line of every window of a picture, as far as it is inside the picture: its offset in
    /// the rows, its offset in the large map, and its length.
    fn pieces(&self, mut each: impl FnMut(usize, usize, usize)) {
        let (Window { kernel, stride, padding }, channels) = (self.window, self.channels.0);
        for ky in 0..kernel {
            for y in self.window.inside(ky, self.large.0, self.small.0) {
                for x in 0..self.small.1 {
                    let (left, right) = (x * stride, x * stride + kernel); // in the padded line
                    let (from, to) = (left.max(padding), right.min(padding + self.large.1));
                    if from < to {
                        let row = ((y * self.small.1 + x) * kernel + ky) * kernel + from - left;
                        let pixel = (y * stride + ky - padding) * self.large.1 + from - padding;
                        each(row * channels, pixel * channels, (to - from) * channels);
                    }
                }
            }
        }
    }
}

/// Builds a plan from its links (target pixel, source pixel, row of the weights). `from` and `to` are the numbers
/// of pixels and channels of the two sides.
fn plan(from: (usize, usize), to: (usize, usize), links: impl Iterator<Item = (usize, usize, usize)>) -> Gather {
    let mut places: Vec<Vec<Tap>> = vec![Vec::new(); to.0];
    for (place, pixel, row) in links {
        places[place].push(Tap { input: pixel * from.1, row });
    }
    let mut taps = Vec::new();
    let place = |(place, own): (usize, Vec<Tap>)| {
        let start = taps.len();
        taps.extend(own);
        (place * to.1, start..taps.len())
    };
    let places = places.into_iter().enumerate().map(place).collect();
    Gather { channels: from.1, input: from.0 * from.1, output: to.0 * to.1, places, taps }
}

/// The plan of a plain matrix product: rows of `from` numbers to rows of `to` numbers.
fn rows(from: usize, to: usize) -> Gather {
    plan((1, from), (1, to), std::iter::once((0, 0, 0)))
}

/// The plan of the weight gradient of a plain matrix product: pictures of `length` rows of `channels` numbers.
fn one_run(channels: usize, length: usize) -> Outer {
    let taps = vec![Runs { starts: vec![(0, 0)], length }];
    Outer { channels, input: length * channels, places: length, step: channels, taps }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_that_is_no_number_stays_none_on_thin_maps_and_wide_ones() {
        let window = Window { kernel: 4, stride: 2, padding: 1 };
        for channels in [1, THIN] {
            let maps = Maps { large: (4, 4), small: (2, 2), channels: (channels, 3), window };
            let large = maps.up(
                &Workspace::default(),
                &[f32::NAN; 12],
                &vec![1.0; 16 * channels * 3],
                Finish { bias: None, slope: 0.2 },
            );
            assert!(large.iter().all(|x| x.is_nan()), "{channels} channels");
        }
    }
}
