//! The spectrum: how much power a picture has at each scale and in each direction, wherever it lies. Fine lines that lean otherwise, are
//! coarser or were smeared show here though no pixel stands out.
//!
//! It is defined twice, side by side: for training, and as ONNX nodes. The parity of every export holds one against the other.

use std::collections::BTreeMap;
use std::f64::consts::{PI, SQRT_2};

use candle_core::{DType, Device, Result, Tensor};

use super::luma;
use crate::onnx::{Attribute, Graph};
use crate::statistics::{dft, mean_over};

/// How finely the power is told apart.
#[derive(Clone, Copy)]
pub(crate) enum Bands {
    /// Narrow rings, in [`DIRECTIONS`].
    Fine,
    /// The few [`COARSE`] rings.
    Coarse,
}

/// Width of a narrow ring in cycles a picture; in large pictures they are wider, for there are no more than [`RINGS`].
const RING: f64 = 2.0;
const RINGS: f64 = 13.0;
/// Directions that are told apart.
const DIRECTIONS: usize = 4;
/// Where a coarse ring ends and the next begins, in cycles a pixel.
const COARSE: [f64; 3] = [1.0 / 12.0, 1.0 / 6.0, 7.0 / 24.0];
/// Fewest frequencies that make a band.
const FEWEST: usize = 2;
/// Power, in greys of -1..1, that is no more than a good camera's noise: ten times what rounding to 8 bits leaves.
const FLOOR: f64 = 5e-5;

/// The constant products of a discrete Fourier transform.
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

/// [n, 2 * frequencies]: cosines, then sines, scaled so that white noise of variance 1 has power 1.
fn waves(n: usize, frequencies: usize) -> Vec<f32> {
    let waves = [f64::cos, f64::sin].map(|wave| dft(frequencies, n, wave)); // [frequencies, n]
    let row = |x: usize| waves.iter().flat_map(move |wave| wave.iter().skip(x).step_by(n).copied());
    (0..n).flat_map(row).collect()
}

impl Bands {
    /// The frequencies of each band, as places in a half spectrum [W/2 + 1, H].
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

    /// How many bands a picture of (height, width) has.
    pub(super) fn count(self, size: (usize, usize)) -> usize {
        self.of(size).len()
    }

    /// Which frequencies are in which band, [F * H, bands], and what each band's sum is multiplied with to be a mean.
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

/// The logarithm of the mean power in each band of each kind: pictures [B, H, W, C] in -1..1 to [B, S] each.
pub(super) fn spectra<const N: usize>(pictures: &Tensor, kinds: [Bands; N]) -> Result<[Tensor; N]> {
    let (batch, height, width, channels) = pictures.dims4()?;
    let Products { across, down, half } = Products::of((height, width));
    let constant = |numbers: Vec<f32>, dims: (usize, usize)| Tensor::from_vec(numbers, dims, &Device::Cpu);
    let luma = Tensor::from_slice(luma(channels), channels, &Device::Cpu)?;
    let grey = pictures.broadcast_mul(&luma)?.sum(3)?; // [B, H, W]
    let mean = grey.to_dtype(DType::F64)?.mean_keepdim((1, 2))?.to_dtype(DType::F32)?;
    let centred = grey.broadcast_sub(&mean)?;
    let rows = centred.reshape((batch * height, width))?.matmul(&constant(across, (width, 2 * half))?)?;
    let columns = rows.reshape((batch, height, 2 * half))?.transpose(1, 2)?.contiguous()?; // [B, 2F, H]
    let waves = columns.reshape((batch * 2 * half, height))?.matmul(&constant(down, (height, 2 * height))?)?;
    let waves = waves.reshape((batch, 2, half, 2, height))?;
    let part = |one: usize, other: usize| waves.narrow(1, one, 1)?.narrow(3, other, 1)?.reshape((batch, half * height));
    let real = (part(0, 0)? - part(1, 1)?)?;
    let imaginary = (part(0, 1)? + part(1, 0)?)?;
    let power = (real.sqr()? + imaginary.sqr()?)?; // [B, F * H]
    let spectrum = |bands: Bands| {
        let (members, shares) = bands.sums((height, width));
        let members = constant(members, (half * height, shares.len()))?;
        let means = power.matmul(&members)?.broadcast_mul(&Tensor::new(shares, &Device::Cpu)?)?;
        (means + FLOOR)?.log()
    };
    let found = kinds.map(spectrum).into_iter().collect::<Result<Vec<_>>>()?;
    Ok(found.try_into().expect("one of each kind"))
}

/// Appends the spectra of `pictures` ([N, C, H, W] in -1..1): [N, S] each.
pub(super) fn append<const N: usize>(
    graph: &mut Graph,
    pictures: &str,
    (channels, height, width): (usize, usize, usize),
    kinds: [Bands; N],
) -> [String; N] {
    let Products { across, down, half } = Products::of((height, width));
    let shares = graph.constant(&[1, channels, 1, 1], luma(channels));
    let grey = graph.node("Conv", &[pictures, &shares], &[]); // [N, 1, H, W]
    // Row by row: what a sum of all pixels drifts by would leak into every faint band.
    let mean = [3, 2].iter().fold(grey.clone(), |value, axis| mean_over(graph, &value, *axis)); // [N, 1, 1, 1]
    let centred = graph.node("Sub", &[&grey, &mean], &[]);
    let across = graph.constant(&[width, 2 * half], &across);
    let rows = graph.node("MatMul", &[&centred, &across], &[]); // [N, 1, H, 2F]
    let columns = graph.node("Transpose", &[&rows], &[("perm", Attribute::Ints(&[0, 1, 3, 2]))]); // [N, 1, 2F, H]
    let down = graph.constant(&[height, 2 * height], &down);
    let waves = graph.node("MatMul", &[&columns, &down], &[]); // [N, 1, 2F, 2H]
    let mut part = |one: usize, other: usize| {
        let starts = graph.integers(&[(one * half) as i64, (other * height) as i64]);
        let ends = graph.integers(&[((one + 1) * half) as i64, ((other + 1) * height) as i64]);
        let axes = graph.integers(&[2, 3]);
        graph.node("Slice", &[&waves, &starts, &ends, &axes], &[]) // [N, 1, F, H]
    };
    let [cc, ss, cs, sc] = [part(0, 0), part(1, 1), part(0, 1), part(1, 0)];
    let (real, imaginary) = (graph.node("Sub", &[&cc, &ss], &[]), graph.node("Add", &[&cs, &sc], &[]));
    let [real, imaginary] = [real, imaginary].map(|part| graph.node("Mul", &[&part, &part], &[]));
    let power = graph.node("Add", &[&real, &imaginary], &[]);
    let power = graph.node("Flatten", &[&power], &[("axis", Attribute::Int(1))]); // [N, F * H]
    kinds.map(|bands| {
        let (members, shares) = bands.sums((height, width));
        let members = graph.constant(&[half * height, shares.len()], &members);
        let shares = graph.constant(&[1, shares.len()], &shares);
        let sums = graph.node("MatMul", &[&power, &members], &[]);
        let means = graph.node("Mul", &[&sums, &shares], &[]);
        let means = graph.with_number("Add", &means, FLOOR as f32);
        graph.node("Log", &[&means], &[])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stripes_show_at_their_scale_and_in_their_direction() {
        // Six cycles across, none down, and the same turned by a quarter.
        let stripes = |turned: bool| -> Vec<f32> {
            let wave = |x: usize| (2.0 * PI * 6.0 * x as f64 / 24.0).cos() as f32;
            (0..24 * 24).map(|i| wave(if turned { i / 24 } else { i % 24 })).collect()
        };
        let pictures = [stripes(false), stripes(true)].concat();
        let pictures = Tensor::from_vec(pictures, (2, 24, 24, 1), &Device::Cpu).unwrap();
        let [fine, coarse] = spectra(&pictures, [Bands::Fine, Bands::Coarse]).unwrap();
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
