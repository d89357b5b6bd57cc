//! Batch norm with the activation behind it, on rows of channels, and the gradients of both.
//!
//! It keeps no running statistics. Those that a generator needs for inference are computed from its own latents
//! when its layers are requested (`Network::layers`). They then fit the weights exactly, also those of an averaged
//! generator, and a checkpoint holds none.

#![expect(clippy::needless_lifetimes, reason = "pulp's macro wants them named")]

use pulp::{Arch, Simd};
use rayon::prelude::*;

use crate::activation::{Activation, CHUNK, add_up, leaky_relu};

/// Added to the variance before its root is taken; the default of PyTorch and ONNX.
pub const EPSILON: f32 = 1e-5;

/// Mean and inverse standard deviation of each channel of some rows.
#[derive(Clone, Debug)]
pub struct BatchStats {
    /// `[C]`
    pub mean: Vec<f32>,
    /// 1 / sqrt(variance + epsilon), with the biased variance: `[C]`
    pub inverse: Vec<f32>,
}

impl BatchStats {
    /// Computes them in one pass over rows [R, C]: in chunks that stay in the cache, then joined (Chan et al. 1979,
    /// equation 2.1).
    #[must_use]
    pub fn of(rows: &[f32], channels: usize) -> Self {
        let chunks: Vec<_> = rows.par_chunks(CHUNK * channels).map(|rows| chunk_moments(rows, channels)).collect();
        let (mut total, mut mean, mut squares) = (0.0, vec![0.0; channels], vec![0.0; channels]);
        for (count, other, spread) in chunks {
            let whole = total + count;
            for (((mean, square), other), spread) in mean.iter_mut().zip(&mut squares).zip(other).zip(spread) {
                let gap = other - *mean;
                *mean += gap * count / whole;
                *square += spread + gap * gap * total * count / whole;
            }
            total = whole;
        }
        Self { mean, inverse: squares.into_iter().map(|square| 1.0 / (square / total + EPSILON).sqrt()).collect() }
    }

    /// The norm as one factor `[C]` and one offset `[C]` for its input.
    #[must_use]
    pub fn fold(&self, scale: &[f32], shift: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let factor: Vec<f32> = self.inverse.iter().zip(scale).map(|(inverse, scale)| inverse * scale).collect();
        let offset = shift.iter().zip(&factor).zip(&self.mean).map(|((shift, factor), mean)| shift - mean * factor);
        let offset = offset.collect();
        (factor, offset)
    }
}

/// y = activation(scale * (x - mean) / sqrt(variance + epsilon) + shift) (Ioffe & Szegedy, 1502.03167,
/// algorithm 1); x and y are [R, C].
pub fn norm_activate(
    y: &mut [f32],
    x: &[f32],
    moments: &BatchStats,
    (scale, shift): (&[f32], &[f32]),
    activation: Activation,
) {
    let (factor, offset) = moments.fold(scale, shift);
    let chunk = CHUNK * scale.len();
    y.par_chunks_mut(chunk)
        .zip(x.par_chunks(chunk))
        .for_each(|(y, x)| apply(y, x, &factor, &offset, activation.slope()));
    activation.apply(y);
}

/// Turns the gradient of y [R, C] into the gradient of x, and returns the gradients of scale and shift (1502.03167,
/// section 3, where dscale and dshift are the sums over the rows): dx = scale / deviation * (g - (dshift + x̂
/// dscale) / n), where g is the gradient before the activation.
pub fn norm_gradients(
    grad: &mut [f32],
    (x, y): (&[f32], &[f32]),
    moments: &BatchStats,
    scale: &[f32],
    activation: Activation,
) -> (Vec<f32>, Vec<f32>) {
    let (channels, BatchStats { mean, inverse }) = (scale.len(), moments);
    let chunk = CHUNK * channels;
    let chunks = grad.par_chunks_mut(chunk).zip(x.par_chunks(chunk).zip(y.par_chunks(chunk)));
    let sums: Vec<(Vec<f32>, Vec<f32>)> =
        chunks.map(|(grad, (x, y))| sum_chunk(grad, x, y, mean, activation)).collect();
    let (products, shifts): (Vec<_>, Vec<_>) = sums.into_iter().unzip();
    let (mut dscale, dshift) = (add_up(&products, channels), add_up(&shifts, channels));
    dscale.iter_mut().zip(inverse).for_each(|(dscale, inverse)| *dscale *= inverse);

    let n = (x.len() / channels) as f32;
    let factor: Vec<f32> = scale.iter().zip(inverse).map(|(scale, inverse)| scale * inverse).collect();
    let tilt: Vec<f32> = (0..channels).map(|c| factor[c] * inverse[c] * dscale[c] / n).collect();
    let offset: Vec<f32> = (0..channels).map(|c| factor[c] * dshift[c] / n).collect();
    grad.par_chunks_mut(chunk)
        .zip(x.par_chunks(chunk))
        .for_each(|(grad, x)| tilt_chunk(grad, x, mean, &factor, &tilt, &offset));
    (dscale, dshift)
}

/// Count, mean and sum of squared deviations of each channel of some rows.
#[pulp::with_simd(chunk_moments = Arch::new())]
#[inline(always)]
fn chunk_moments_with_simd<'a, S: Simd>(_: S, rows: &'a [f32], channels: usize) -> (f32, Vec<f32>, Vec<f32>) {
    let count = (rows.len() / channels) as f32;
    let (mut mean, mut squares) = (vec![0.0; channels], vec![0.0; channels]);
    for row in rows.chunks_exact(channels) {
        mean.iter_mut().zip(row).for_each(|(mean, x)| *mean += x);
    }
    for mean in &mut mean {
        *mean /= count;
    }
    for row in rows.chunks_exact(channels) {
        for ((square, x), mean) in squares.iter_mut().zip(row).zip(&mean) {
            *square += (x - mean) * (x - mean);
        }
    }
    (count, mean, squares)
}

/// y = lines(x * factor + offset, slope).
#[pulp::with_simd(apply = Arch::new())]
#[inline(always)]
fn apply_with_simd<'a, S: Simd>(
    _: S,
    y: &'a mut [f32],
    x: &'a [f32],
    factor: &'a [f32],
    offset: &'a [f32],
    slope: f32,
) {
    let channels = factor.len();
    for (y, x) in y.chunks_exact_mut(channels).zip(x.chunks_exact(channels)) {
        for (((y, x), factor), offset) in y.iter_mut().zip(x).zip(factor).zip(offset) {
            *y = leaky_relu(x * factor + offset, slope);
        }
    }
}

/// For some rows: turns the gradient into g, and returns the sums over the rows of g * (x - mean) and of g.
#[pulp::with_simd(sum_chunk = Arch::new())]
#[inline(always)]
fn sum_chunk_with_simd<'a, S: Simd>(
    _: S,
    grad: &'a mut [f32],
    x: &'a [f32],
    y: &'a [f32],
    mean: &'a [f32],
    activation: Activation,
) -> (Vec<f32>, Vec<f32>) {
    let channels = mean.len();
    let (mut products, mut sums) = (vec![0.0; channels], vec![0.0; channels]);
    let rows = grad.chunks_exact_mut(channels).zip(x.chunks_exact(channels).zip(y.chunks_exact(channels)));
    for (grad, (x, y)) in rows {
        activation.backward(y, grad);
        for (((grad, x), mean), product) in grad.iter().zip(x).zip(mean).zip(&mut products) {
            *product += grad * (x - mean);
        }
        for (grad, sum) in grad.iter().zip(&mut sums) {
            *sum += grad;
        }
    }
    (products, sums)
}

/// grad = factor * grad - tilt * (x - mean) - offset.
#[pulp::with_simd(tilt_chunk = Arch::new())]
#[inline(always)]
fn tilt_chunk_with_simd<'a, S: Simd>(
    _: S,
    grad: &'a mut [f32],
    x: &'a [f32],
    mean: &'a [f32],
    factor: &'a [f32],
    tilt: &'a [f32],
    offset: &'a [f32],
) {
    let channels = mean.len();
    for (grad, x) in grad.chunks_exact_mut(channels).zip(x.chunks_exact(channels)) {
        let terms = mean.iter().zip(factor).zip(tilt).zip(offset);
        for ((grad, x), (((mean, factor), tilt), offset)) in grad.iter_mut().zip(x).zip(terms) {
            *grad = factor * *grad - tilt * (x - mean) - offset;
        }
    }
}
