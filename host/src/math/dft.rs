//! The discrete Fourier transform as constant matrices, so that a graph without an FFT can compute a spectrum with
//! products.

use std::f64::consts::PI;

/// A `frequencies` x `n` matrix, row-major, of the transform's cosines or sines (`wave`) under a Hann window. The
/// window keeps a picture's border from showing as a bright cross (Harris 1978, doi:10.1109/PROC.1978.10837). It is
/// scaled so that white noise of variance 1 has power 1.
#[must_use]
pub fn dft(frequencies: usize, n: usize, wave: fn(f64) -> f64) -> Vec<f32> {
    let window: Vec<f64> = (0..n).map(|x| (PI * (x as f64 + 0.5) / n as f64).sin().powi(2)).collect();
    let scale = window.iter().map(|weight| weight * weight).sum::<f64>().sqrt();
    // The phase is reduced modulo n in integers, where it is exact.
    let entry = |f: usize, x: usize| (window[x] * wave(2.0 * PI * ((f * x) % n) as f64 / n as f64) / scale) as f32;
    (0..frequencies).flat_map(|f| (0..n).map(move |x| (f, x))).map(|(f, x)| entry(f, x)).collect()
}
