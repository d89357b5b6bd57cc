//! The two matrix products under every layer, on pictures and panels of weights.
//!
//! With channels-last maps, a window of a convolution is a few runs of adjacent numbers. So nothing is unfolded:
//! [`window_product`] reads the left-hand rows of its product directly from the maps, and
//! [`weight_gradient_product`] sums the weights' gradient directly over them.
//!
//! | product | left | right | out |
//! |---|---|---|---|
//! | [`window_product`] | windows | weights | one pixel each: a convolution, its transpose, a linear layer |
//! | [`weight_gradient_product`] | windows, transposed | gradients of the other side | the weights' gradient |
//!
//! Both keep a tile of M pictures (or channels) by two vectors of columns in registers. M is chosen so that the
//! tile fits: 8 for AVX-512, 4 elsewhere. The vectors are those of `pulp`: AVX-512, AVX2 with FMA, NEON or plain
//! numbers, whichever the machine has. Both functions check
//! every offset of their plan before they start. The order of a sum never depends on the number of threads.

#![expect(
    unsafe_code,
    reason = "bounds are checked once a product; checking them once a number would cost most of the speed"
)]

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use crate::panels::Panels;
use crate::vectors::{leaky, load, store};
use crate::workspace::{Buffer, Workspace};

/// Number of channels in a tile of [`weight_gradient_product`].
const TILE: usize = 8;
/// Places over which [`weight_gradient_product`] sums before it goes to the next tile. Their part of both sides
/// stays in the first-level cache.
const PLACES: usize = 128;

/// A run of adjacent numbers in a picture, as many as the plan has channels, and the rows of weights that it is
/// multiplied with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tap {
    /// Offset in the input picture.
    pub(crate) input: usize,
    /// First row of the panels.
    pub(crate) row: usize,
}

/// The plan of [`window_product`] for each picture.
#[derive(Debug)]
pub(crate) struct Gather {
    /// Length of every tap.
    pub(crate) channels: usize,
    /// Number of values in an input picture.
    pub(crate) input: usize,
    /// Number of values in an output picture.
    pub(crate) output: usize,
    /// For each output pixel, its offset in the output picture and the taps that it sums over.
    pub(crate) places: Vec<(usize, Range<usize>)>,
    /// The taps of all places.
    pub(crate) taps: Vec<Tap>,
}

/// What is written for a sum s that starts at the bias: max(s, 0) + slope * min(s, 0).
#[derive(Clone, Copy, Debug)]
pub struct Finish<'a> {
    /// One number per column, or no bias.
    pub bias: Option<&'a [f32]>,
    /// Slope below zero; 1 writes s itself.
    pub slope: f32,
}

impl Finish<'_> {
    /// Writes the sum itself, without a bias.
    pub const NONE: Self = Self { bias: None, slope: 1.0 };
}

/// For each picture and place, the sum over its taps of run · rows: [B, input] and panels [rows, N] give [B, output].
pub(crate) fn window_product(
    workspace: &Workspace,
    plan: &Gather,
    input: &[f32],
    mut panels: Panels,
    finish: Finish,
) -> Buffer {
    let batch = input.len() / plan.input;
    assert!(batch > 0 && input.len() == batch * plan.input, "whole pictures");
    assert!(finish.bias.is_none_or(|bias| bias.len() == panels.columns), "a bias a column");
    for tap in &plan.taps {
        assert!(tap.input + plan.channels <= plan.input && tap.row + plan.channels <= panels.rows, "{tap:?}");
    }
    for (output, taps) in &plan.places {
        assert!(output + panels.columns <= plan.output && taps.end <= plan.taps.len(), "place at {output}");
        assert!(output.is_multiple_of(panels.columns), "places side by side: tasks must not share numbers");
    }
    let mut output = workspace.buffer(batch * plan.output);
    let shared = Shared(output.as_mut_ptr());
    let group = batch.div_ceil((4 * rayon::current_num_threads()).div_ceil(panels.count())).next_multiple_of(8);
    let groups = batch.div_ceil(group);
    if groups > 1 {
        panels.pack(workspace);
    }
    let (panels, arch) = (&panels, Arch::new());
    (0..panels.count() * groups).into_par_iter().for_each(|task| {
        let (index, first) = (task / groups, task % groups * group);
        let images = first..batch.min(first + group);
        let columns = index * panels.width..panels.columns.min((index + 1) * panels.width);
        // A panel that only this task reads is packed here, so that it is in this core's own cache.
        let panel = panels.panel(workspace, index);
        arch.dispatch(GatherTask { plan, input, panel: &panel, columns, finish, images, output: &shared });
    });
    output
}

/// The output that all tasks write: each task its own columns of its own rows.
struct Shared(*mut f32);
// SAFETY: the pointer is used by tasks that write disjoint numbers of one buffer, which outlives them; see the
// calls of `at`.
unsafe impl Sync for Shared {}

impl Shared {
    /// The `length` numbers from `offset` on.
    ///
    /// # Safety
    /// They must be in the buffer, and no other task may use them at the same time.
    #[inline(always)]
    #[expect(clippy::mut_from_ref, reason = "what this type is for")]
    unsafe fn at(&self, offset: usize, length: usize) -> &mut [f32] {
        // SAFETY: promised by the caller.
        unsafe { std::slice::from_raw_parts_mut(self.0.add(offset), length) }
    }
}

/// One task of [`window_product`]: one panel for some of the pictures.
struct GatherTask<'a> {
    plan: &'a Gather,
    input: &'a [f32],
    /// [rows, width]
    panel: &'a [f32],
    /// The columns of the output's pixels that it writes.
    columns: Range<usize>,
    finish: Finish<'a>,
    images: Range<usize>,
    output: &'a Shared,
}

impl WithSimd for GatherTask<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        if S::F32_LANES == 16 { self.run::<S, 8>(simd) } else { self.run::<S, 4>(simd) }
    }
}

impl GatherTask<'_> {
    /// Computes tiles of M pictures, then the rest one by one.
    #[inline(always)]
    fn run<S: Simd, const M: usize>(self, simd: S) {
        let whole = self.images.len() / M * M;
        for image in self.images.clone().take(whole).step_by(M) {
            self.tile::<S, M>(simd, image);
        }
        for image in self.images.clone().skip(whole) {
            self.tile::<S, 1>(simd, image);
        }
    }

    /// Computes all places of M pictures, beginning with `image`.
    #[inline(always)]
    fn tile<S: Simd, const M: usize>(&self, simd: S, image: usize) {
        let Self { plan, panel, columns, finish, .. } = self;
        let start = match finish.bias {
            Some(bias) => load(simd, &bias[columns.clone()]),
            None => [simd.splat_f32s(0.0); 2],
        };
        let pictures = &self.input[image * plan.input..(image + M) * plan.input];
        for (place, taps) in &plan.places {
            // SAFETY: `window_product` has checked every tap against one picture and the panel's rows; `pictures`
            // has M whole pictures.
            let sums = unsafe { dot::<S, M>(simd, start, pictures, plan, &plan.taps[taps.clone()], panel) };
            for (i, mut sum) in sums.into_iter().enumerate() {
                if finish.slope != 1.0 {
                    sum = sum.map(|s| leaky(simd, finish.slope, s));
                }
                let pixel = (image + i) * plan.output + place;
                // SAFETY: `window_product` has checked every place against one picture; only this task writes
                // these columns of these pictures.
                store(simd, unsafe { self.output.at(pixel + columns.start, columns.len()) }, sum);
            }
        }
    }
}

/// `start` plus the sum over taps of run · rows, for M consecutive pictures.
///
/// # Safety
/// Every tap must be inside a picture and inside the panel's rows.
#[inline(always)]
unsafe fn dot<S: Simd, const M: usize>(
    simd: S,
    start: [S::f32s; 2],
    pictures: &[f32],
    plan: &Gather,
    taps: &[Tap],
    panel: &[f32],
) -> [[S::f32s; 2]; M] {
    let mut sums = [start; M];
    for tap in taps {
        // SAFETY: promised by the caller.
        unsafe {
            let pictures = pictures.as_ptr().add(tap.input);
            let mut weights = panel.as_ptr().add(tap.row * 2 * S::F32_LANES).cast::<S::f32s>();
            for channel in 0..plan.channels {
                let (left, right) = (weights.read_unaligned(), weights.add(1).read_unaligned());
                for (i, sum) in sums.iter_mut().enumerate() {
                    let x = simd.splat_f32s(*pictures.add(i * plan.input + channel));
                    sum[0] = simd.mul_add_e_f32s(x, left, sum[0]);
                    sum[1] = simd.mul_add_e_f32s(x, right, sum[1]);
                }
                weights = weights.add(2);
            }
        }
    }
    sums
}

/// The windows of one tap in a picture: `length` of them from each start on, at a distance of `Outer::step`.
#[derive(Debug)]
pub(crate) struct Runs {
    /// Offset of the first window in the input picture, and its place on the other side.
    pub(crate) starts: Vec<(usize, usize)>,
    /// Number of windows in each run, at least one.
    pub(crate) length: usize,
}

/// The plan of [`weight_gradient_product`] for each picture.
#[derive(Debug)]
pub(crate) struct Outer {
    /// Length of every window.
    pub(crate) channels: usize,
    /// Number of values in an input picture.
    pub(crate) input: usize,
    /// Number of places in a picture on the other side.
    pub(crate) places: usize,
    /// Distance between two windows of a run, in numbers.
    pub(crate) step: usize,
    /// The windows of each tap.
    pub(crate) taps: Vec<Runs>,
}

/// For each tap, the sum over pictures and places of windowᵀ · row: [B, input] and panels [B * places, N] give
/// [taps * channels, N].
pub(crate) fn weight_gradient_product(
    workspace: &Workspace,
    plan: &Outer,
    input: &[f32],
    mut panels: Panels,
) -> Buffer {
    let batch = input.len() / plan.input;
    assert!(batch > 0 && input.len() == batch * plan.input, "whole pictures");
    assert_eq!(panels.rows, batch * plan.places, "a row a place");
    for Runs { starts, length } in &plan.taps {
        for (window, place) in starts {
            let end = window + (length - 1) * plan.step + plan.channels;
            assert!(end <= plan.input && place + length <= plan.places, "window at {window}, place {place}");
        }
    }
    let mut output = workspace.buffer(plan.taps.len() * plan.channels * panels.columns);
    let shared = Shared(output.as_mut_ptr());
    panels.pack(workspace);
    let panels = &panels;
    let tiles = plan.channels.div_ceil(TILE) * plan.taps.len();
    let tasks = tiles.min(2 * rayon::current_num_threads()); // each reads all of both sides
    let arch = Arch::new();
    (0..tasks).into_par_iter().for_each(|task| {
        let tiles = task * tiles / tasks..(task + 1) * tiles / tasks;
        arch.dispatch(OuterTask { plan, input, batch, panels, tiles, output: &shared });
    });
    output
}

/// One task of [`weight_gradient_product`]: some tiles of the gradient, over all pictures.
struct OuterTask<'a> {
    plan: &'a Outer,
    input: &'a [f32],
    batch: usize,
    panels: &'a Panels<'a>,
    tiles: Range<usize>,
    output: &'a Shared,
}

impl WithSimd for OuterTask<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let tiles_a_tap = self.plan.channels.div_ceil(TILE);
        let block = (PLACES / self.plan.places).max(1);
        for first in (0..self.batch).step_by(block) {
            let images = first..self.batch.min(first + block);
            for panel in 0..self.panels.count() {
                for tile in self.tiles.clone() {
                    let (tap, channel) = (tile / tiles_a_tap, tile % tiles_a_tap * TILE);
                    let end = self.plan.channels.min(channel + TILE);
                    self.channels(simd, &images, panel, tap, channel..end);
                }
            }
        }
    }
}

impl OuterTask<'_> {
    /// Adds to a tile, in as few pieces as the registers allow.
    #[inline(always)]
    fn channels<S: Simd>(&self, simd: S, images: &Range<usize>, panel: usize, tap: usize, channels: Range<usize>) {
        let Range { mut start, end } = channels;
        while start < end {
            match end - start {
                8.. if S::F32_LANES == 16 => start += self.add::<S, 8>(simd, images, panel, tap, start),
                4.. => start += self.add::<S, 4>(simd, images, panel, tap, start),
                _ => start += self.add::<S, 1>(simd, images, panel, tap, start),
            }
        }
    }

    /// Adds the sums over some pictures for M channels of a tap, and returns M.
    #[inline(always)]
    fn add<S: Simd, const M: usize>(
        &self,
        simd: S,
        images: &Range<usize>,
        panel: usize,
        tap: usize,
        channel: usize,
    ) -> usize {
        let Self { plan, input, panels, .. } = *self;
        let first = panel * panels.width;
        let columns = panels.width.min(panels.columns - first);
        // SAFETY: `weight_gradient_product` has checked every window against one picture and the panels' rows;
        // channel + M is at most the plan's.
        let sums =
            unsafe { walk::<S, M>(simd, plan, &plan.taps[tap], images, &input[channel..], panels.packed(panel)) };
        for (i, sum) in sums.into_iter().enumerate() {
            let row = tap * plan.channels + channel + i;
            // SAFETY: this row is in one of this task's tiles, and no other task has that tile.
            let to = unsafe { self.output.at(row * panels.columns + first, columns) };
            if images.start == 0 {
                store(simd, to, sum);
            } else {
                let [left, right] = load(simd, to);
                store(simd, to, [simd.add_f32s(left, sum[0]), simd.add_f32s(right, sum[1])]);
            }
        }
        M
    }
}

/// The sum over pictures and windows of the first M numbers of a window times the panel's row.
///
/// # Safety
/// Every window must be inside a picture, and every place inside the panel's rows of that picture.
#[inline(always)]
unsafe fn walk<S: Simd, const M: usize>(
    simd: S,
    plan: &Outer,
    runs: &Runs,
    images: &Range<usize>,
    input: &[f32],
    panel: &[f32],
) -> [[S::f32s; 2]; M] {
    let mut sums = [[simd.splat_f32s(0.0); 2]; M];
    for image in images.clone() {
        for (window, place) in &runs.starts {
            // SAFETY: promised by the caller; neither pointer is used after the last step.
            unsafe {
                let mut window = input.as_ptr().add(image * plan.input + window);
                let mut row = panel.as_ptr().add((image * plan.places + place) * 2 * S::F32_LANES).cast::<S::f32s>();
                for _ in 0..runs.length {
                    let (left, right) = (row.read_unaligned(), row.add(1).read_unaligned());
                    for (i, sum) in sums.iter_mut().enumerate() {
                        let x = simd.splat_f32s(*window.add(i));
                        sum[0] = simd.mul_add_e_f32s(x, left, sum[0]);
                        sum[1] = simd.mul_add_e_f32s(x, right, sum[1]);
                    }
                    window = window.wrapping_add(plan.step);
                    row = row.wrapping_add(2);
                }
            }
        }
    }
    sums
}
