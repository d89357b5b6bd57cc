//! Spectral features: the power of a picture at each scale and in each direction, independent of position. Fine
//! lines that run in another direction, are coarser or were smeared show here even if no single pixel stands out.

use std::collections::BTreeMap;
use std::f64::consts::{PI, SQRT_2};

use candle_core::{Device, Result, Tensor};

use crate::math::dft::dft;
use crate::onnx::{Ops, Var};

/// How finely the spectrum is divided into bands.
#[derive(Clone, Copy)]
pub(super) enum Bands {
    /// Narrow rings, each divided into [`DIRECTIONS`].
    Fine,
    /// The few [`COARSE`] rings.
    Coarse,
}

/// Least width of a narrow ring, in cycles per picture. In large pictures rings are wider, so that there are at
/// most [`RINGS`].
const RING: f64 = 2.0;
/// Most narrow rings.
const RINGS: f64 = 13.0;
/// Number of directions into which a narrow ring is divided.
const DIRECTIONS: usize = 4;
/// Boundaries between the coarse rings, in cycles per pixel.
const COARSE: [f64; 3] = [1.0 / 12.0, 1.0 / 6.0, 7.0 / 24.0];
/// Fewest frequencies in a band; smaller bands are left out.
const FEWEST: usize = 2;
/// Power floor for greys in -1..1, no more than the noise of a good camera: ten times the power of rounding to 8 bits.
const FLOOR: f64 = 5e-5;

/// Constant matrices of the discrete Fourier transform.
struct Products {
    /// [W, 2F]: cosines, then sines, of F = W/2 + 1 frequencies across.
    across: Vec<f32>,
    /// [H, 2H]: cosines, then sines, of H frequencies down.
    down: Vec<f32>,
    half: usize,
}

impl Products {
    fn of((height, width): (usize, usize)) -> Self {
        let half = width / 2 + 1;
        Self { across: waves(width, half), down: waves(height, height), half }
    }
}

/// The transform as a matrix `[n, 2 * frequencies]`: cosines, then sines, scaled so that white noise of variance 1
/// has power 1.
fn waves(n: usize, frequencies: usize) -> Vec<f32> {
    let waves = [f64::cos, f64::sin].map(|wave| dft(frequencies, n, wave)); // [frequencies, n]
    let row = |x: usize| waves.iter().flat_map(move |wave| wave.iter().skip(x).step_by(n).copied());
    (0..n).flat_map(row).collect()
}

impl Bands {
    /// The frequencies of each band, as indices into a half spectrum [W/2 + 1, H].
    fn of(self, (height, width): (usize, usize)) -> Vec<Vec<usize>> {
        let side = height.min(width) as f64;
        let ring = RING.max(side / SQRT_2 / RINGS);
        let mut found = BTreeMap::<(usize, usize), Vec<usize>>::new();
        for across in 0..=width / 2 {
            for down in 0..height {
                let signed = if 2 * down > height { down as f64 - height as f64 } else { down as f64 };
                let (x, y) = (across as f64 / width as f64, signed / height as f64); // cycles a pixel
                let radius = x.hypot(y);
                let turn = (y.atan2(x) / PI + 0.5 / DIRECTIONS as f64).rem_euclid(1.0);
                let band = match self {
                    Self::Fine => ((radius * side / ring) as usize, (turn * DIRECTIONS as f64) as usize % DIRECTIONS),
                    Self::Coarse => (COARSE.iter().filter(|end| radius >= **end).count(), 0),
                };
                if radius > 0.0 {
                    found.entry(band).or_default().push(across * height + down);
                }
            }
        }
        found.into_values().filter(|frequencies| frequencies.len() >= FEWEST).collect()
    }

    /// Number of bands of a picture of (height, width).
    pub(super) fn count(self, size: (usize, usize)) -> usize {
        self.of(size).len()
    }

    /// A matrix [F * H, bands] of ones where a frequency is in a band, and the factor that turns each band's sum
    /// into a mean.
    fn sums(self, size: (usize, usize)) -> (Vec<f32>, Vec<f32>) {
        let which = self.of(size);
        let mut members = vec![0f32; (size.1 / 2 + 1) * size.0 * which.len()];
        for (band, frequencies) in which.iter().enumerate() {
            for frequency in frequencies {
                members[frequency * which.len() + band] = 1.0;
            }
        }
        (members, which.iter().map(|frequencies| 1.0 / frequencies.len() as f32).collect())
    }
}

/// The power of each frequency of `grey` ([N, 1, H, W] in -1..1), as a half spectrum: [N, F * H].
pub(super) fn power(ops: &mut dyn Ops, grey: Var, (height, width): (usize, usize)) -> Result<Var> {
    let Products { across, down, half } = Products::of((height, width));
    let mean = ops.mean_of_maps(grey)?; // [N, 1, 1, 1]
    let centred = ops.sub(grey, mean)?;
    let across = ops.constant(&Tensor::from_vec(across, (width, 2 * half), &Device::Cpu)?)?;
    let rows = ops.matmul(centred, across)?; // [N, 1, H, 2F]
    let columns = ops.transpose(rows)?; // [N, 1, 2F, H]
    let down = ops.constant(&Tensor::from_vec(down, (height, 2 * height), &Device::Cpu)?)?;
    let waves = ops.matmul(columns, down)?; // [N, 1, 2F, 2H]
    let part = |ops: &mut dyn Ops, one: usize, other: usize| {
        ops.window(waves, &[(2, one * half, half), (3, other * height, height)]) // [N, 1, F, H]
    };
    let (cc, ss) = (part(ops, 0, 0)?, part(ops, 1, 1)?);
    let (cs, sc) = (part(ops, 0, 1)?, part(ops, 1, 0)?);
    let (real, imaginary) = (ops.sub(cc, ss)?, ops.add(cs, sc)?);
    let (real, imaginary) = (ops.mul(real, real)?, ops.mul(imaginary, imaginary)?);
    let power = ops.add(real, imaginary)?;
    ops.flatten(power)
}

/// The logarithm of the mean power in each band: `power` [N, F * H] to [N, S].
pub(super) fn bands(ops: &mut dyn Ops, power: Var, bands: Bands, size: (usize, usize)) -> Result<Var> {
    let (members, shares) = bands.sums(size);
    let (count, frequencies) = (shares.len(), members.len() / shares.len());
    let members = ops.constant(&Tensor::from_vec(members, (frequencies, count), &Device::Cpu)?)?;
    let shares = ops.constant(&Tensor::from_vec(shares, (1, count), &Device::Cpu)?)?;
    let sums = ops.matmul(power, members)?;
    let means = ops.mul(sums, shares)?;
    let means = ops.shift(means, FLOOR as f32)?;
    ops.log(means)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::Eager;

    #[test]
    fn stripes_show_at_their_scale_and_in_their_direction() {
        // Six cycles across and none down; then the same turned by a quarter turn.
        let stripes = |turned: bool| -> Vec<f32> {
            let wave = |x: usize| (2.0 * PI * 6.0 * x as f64 / 24.0).cos() as f32;
            (0..24 * 24).map(|i| wave(if turned { i / 24 } else { i % 24 })).collect()
        };
        let pictures = [stripes(false), stripes(true)].concat();
        let mut ops = Eager::default();
        let grey = ops.var(Tensor::from_vec(pictures, (2, 1, 24, 24), &Device::Cpu).unwrap());
        let power = power(&mut ops, grey, (24, 24)).unwrap();
        let mut of = |kind: Bands| {
            let bands = bands(&mut ops, power, kind, (24, 24)).unwrap();
            ops.tensor(bands).clone()
        };
        let (fine, coarse) = (of(Bands::Fine), of(Bands::Coarse));
        let loudest = |rows: &Tensor| -> Vec<usize> {
            let rows: Vec<Vec<f32>> = rows.to_vec2().unwrap();
            rows.iter().map(|row| (0..row.len()).max_by(|a, b| row[*a].total_cmp(&row[*b])).unwrap()).collect()
        };
        let [across, down] = loudest(&fine)[..] else { panic!("two pictures") };
        assert_eq!(
            across % DIRECTIONS + 2,
            down % DIRECTIONS,
            "a quarter turn is two of four directions: {across}, {down}"
        );
        assert_eq!(loudest(&coarse), [2, 2], "6 of 24 is a quarter of a cycle a pixel");
    }
}
