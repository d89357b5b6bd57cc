//! Activation and dropout, which follow a product, their gradients, and the gradient of the bias.

#![expect(clippy::needless_lifetimes, reason = "pulp's macro wants them named")]

use pulp::{Arch, Simd};
use rand::RngCore;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// Rows that one task sums, independent of the number of threads, so that the order of a sum never changes.
pub(crate) const CHUNK: usize = 256;
/// Numbers that one task changes in an element-wise operation.
const SPAN: usize = 16 * 1024;
/// Number of columns below which several rows are summed side by side, so that vector registers are full.
const NARROW: usize = 16;

/// An activation whose slope can be computed from its output, so that the backward pass needs no stored input.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// The identity, for a logit.
    None,
    /// Rectifier: max(x, 0).
    Relu,
    /// Leaky rectifier: x where positive, else x times this slope (above 0).
    LeakyRelu(f32),
    /// Hyperbolic tangent.
    Tanh,
}

impl Activation {
    /// The slope below zero of a piecewise linear activation; 1 for the others.
    #[must_use]
    pub fn slope(self) -> f32 {
        match self {
            Self::None | Self::Tanh => 1.0,
            Self::Relu => 0.0,
            Self::LeakyRelu(slope) => slope,
        }
    }

    /// Applies what [`Activation::slope`] does not cover: the tanh.
    pub fn apply(self, x: &mut [f32]) {
        if self == Self::Tanh {
            x.par_chunks_mut(SPAN).for_each(tanh);
        }
    }

    /// Turns the gradient of an output y into the gradient before the activation. The slope is computed from y.
    #[inline(always)]
    pub fn backward(self, y: &[f32], grad: &mut [f32]) {
        if self == Self::Tanh {
            grad.iter_mut().zip(y).for_each(|(grad, y)| *grad *= 1.0 - y * y);
        } else {
            let slope = self.slope();
            grad.iter_mut().zip(y).for_each(|(grad, y)| *grad *= if *y > 0.0 { 1.0 } else { slope });
        }
    }

    /// Turns the gradient of y [R, N] into the gradient before the activation, and returns the gradient of a bias:
    /// the sums of `columns` columns, where `columns` divides N.
    pub fn gradients(self, y: &[f32], grad: &mut [f32], columns: usize) -> Vec<f32> {
        let chunk = CHUNK * columns;
        let chunks = grad.par_chunks_mut(chunk).zip(y.par_chunks(chunk));
        let sums: Vec<Vec<f32>> = chunks.map(|(grad, y)| sum_chunk(self, y, grad, columns)).collect();
        add_up(&sums, columns)
    }
}

/// A leaky rectifier with this slope below zero. NaN stays NaN.
#[inline(always)]
pub(crate) fn leaky_relu(x: f32, slope: f32) -> f32 {
    if x > 0.0 { x } else { slope * x }
}

/// One chunk of [`Activation::gradients`].
#[pulp::with_simd(sum_chunk = Arch::new())]
#[inline(always)]
fn sum_chunk_with_simd<'a, S: Simd>(
    _: S,
    activation: Activation,
    y: &'a [f32],
    grad: &'a mut [f32],
    columns: usize,
) -> Vec<f32> {
    let wide = if columns < NARROW { columns * NARROW } else { columns };
    let mut sums = vec![0.0; wide];
    for (grad, y) in grad.chunks_mut(wide).zip(y.chunks(wide)) {
        activation.backward(y, grad);
        grad.iter().zip(&mut sums).for_each(|(grad, sum)| *sum += grad);
    }
    let (first, others) = sums.split_at_mut(columns);
    for other in others.chunks_exact(columns) {
        first.iter_mut().zip(other).for_each(|(sum, x)| *sum += x);
    }
    sums.truncate(columns);
    sums
}

/// tanh(x) = 1 - 2 / (exp(2x) + 1), within 2e-7 of the exact value. The standard library's tanh takes one number at
/// a time.
#[pulp::with_simd(tanh = Arch::new())]
#[inline(always)]
fn tanh_with_simd<'a, S: Simd>(_: S, x: &'a mut [f32]) {
    /// Adding and then subtracting this number rounds to a whole number.
    const ROUND: f32 = 12_582_912.0; // 1.5 * 2^23
    for x in x {
        // exp(2x) = 2^n exp(r) with |r| at most ln(2) / 2, by the power series of exp. Beyond 9 the result is 1 in
        // f32 precision.
        let double = 2.0 * x.clamp(-9.0, 9.0);
        let n = double * std::f32::consts::LOG2_E + ROUND - ROUND;
        let r = double - n * std::f32::consts::LN_2;
        let series =
            1.0 + r * (1.0 + r * (1.0 / 2.0 + r * (1.0 / 6.0 + r * (1.0 / 24.0 + r * (1.0 / 120.0 + r / 720.0)))));
        let power = f32::from_bits(((n as i32 + 127) << 23) as u32);
        *x = 1.0 - 2.0 / (series * power + 1.0);
    }
}

/// The sum of rows of `columns` numbers, in the order of the rows.
pub(crate) fn add_up(rows: &[Vec<f32>], columns: usize) -> Vec<f32> {
    rows.iter().fold(vec![0.0; columns], |mut sum, row| {
        sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
        sum
    })
}

/// Dropout: sets a random share `dropout` of the numbers to zero and multiplies the others by 1 / (1 - dropout)
/// (Srivastava et al. 2014, inverted). `rng` advances by two bytes per number.
pub fn drop_out(x: &mut [f32], dropout: f32, rng: &mut ChaCha8Rng) {
    let start = rng.get_word_pos();
    let threshold = (dropout * 65536.0) as u16;
    let keep = 1.0 / (1.0 - dropout);
    x.par_chunks_mut(SPAN).enumerate().for_each(|(index, x)| {
        let mut rng = rng.clone();
        rng.set_word_pos(start + (index * SPAN / 2) as u128);
        let mut bytes = vec![0u8; x.len() * 2];
        rng.fill_bytes(&mut bytes);
        mask(x, &bytes, threshold, keep);
    });
    rng.set_word_pos(start + x.len().div_ceil(2) as u128);
}

/// Sets numbers to zero where two bytes of noise are below the threshold, and multiplies the others by `keep`.
#[pulp::with_simd(mask = Arch::new())]
#[inline(always)]
fn mask_with_simd<'a, S: Simd>(_: S, x: &'a mut [f32], noise: &'a [u8], threshold: u16, keep: f32) {
    for (x, pair) in x.iter_mut().zip(noise.chunks_exact(2)) {
        *x *= if u16::from_le_bytes([pair[0], pair[1]]) < threshold { 0.0 } else { keep };
    }
}

/// Turns the gradient of y, the output of [`drop_out`], into the gradient of its input. Where y is zero the
/// gradient is zero: the number was dropped, or it was at the corner of its activation.
pub fn drop_out_backward(y: &[f32], grad: &mut [f32], dropout: f32) {
    let keep = 1.0 / (1.0 - dropout);
    grad.par_chunks_mut(SPAN).zip(y.par_chunks(SPAN)).for_each(|(grad, y)| {
        grad.iter_mut().zip(y).for_each(|(grad, y)| *grad *= if *y == 0.0 { 0.0 } else { keep });
    });
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn tanh_is_the_librarys_and_nan_stays() {
        let mut x: Vec<f32> =
            (-20_000..=20_000).map(|i| i as f32 * 6e-4).chain([1e-8, f32::MAX, f32::MIN, f32::NAN]).collect();
        let expected: Vec<f32> = x.iter().map(|x| x.tanh()).collect();
        tanh(&mut x);
        let gap = x.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(gap < 2e-7, "{gap}");
        assert!(x.last().unwrap().is_nan());
    }

    #[test]
    fn dropout_drops_its_share_and_its_gradient_the_same_places() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut x = vec![1.0; 3 * SPAN + 5];
        drop_out(&mut x, 0.3, &mut rng);
        let dropped = x.iter().filter(|x| **x == 0.0).count() as f32 / x.len() as f32;
        assert!((dropped - 0.3).abs() < 0.01, "{dropped}");
        assert!((x.iter().sum::<f32>() / x.len() as f32 - 1.0).abs() < 0.02);
        let mut grad = vec![1.0; x.len()];
        drop_out_backward(&x, &mut grad, 0.3);
        assert_eq!(grad, x);

        let mut again = vec![1.0; 10];
        drop_out(&mut again, 0.3, &mut rng);
        assert_ne!(again, x[..10], "the stream has moved on");
        let mut bytes = vec![0; 2 * x.len()];
        ChaCha8Rng::seed_from_u64(1).fill_bytes(&mut bytes);
        let low = |pair: &[u8]| u16::from_le_bytes([pair[0], pair[1]]) < (0.3 * 65536.0) as u16;
        assert!(bytes.chunks_exact(2).map(low).eq(x.iter().map(|x| *x == 0.0)), "chunks read one stream");
    }
}
