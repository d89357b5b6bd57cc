//! What the genuine pictures' principal components cannot draw: the linear autoencoder's error (Hotelling 1933).

use anyhow::Result;
use candle_core::{Device, Tensor};
use counterfoil_models::{Plane, unit};

use super::exhibits::region;
use super::fit::Scorer;
use crate::stream::{normal, stream};

/// Components: about what leaves a tenth of the variance of handwritten digits.
const COMPONENTS: usize = 32;
/// Rounds of subspace iteration; the error is already that of the exact components to three digits (Halko et al., 0909.4061, section 4.5).
const ROUNDS: usize = 6;

/// Mean and components of each region.
#[derive(Debug)]
pub(super) struct Pca {
    regions: Vec<Region>,
}

#[derive(Debug)]
struct Region {
    /// [D]
    mean: Vec<f32>,
    /// [D, K], orthonormal columns.
    components: Tensor,
}

impl Pca {
    pub(super) fn fit(planes: &[&Plane]) -> Result<Self> {
        let [rows, ..] = planes[0].shape();
        Ok(Self { regions: (0..rows).map(|index| Region::fit(planes, index)).collect::<Result<_>>()? })
    }
}

impl Scorer for Pca {
    fn score(&self, planes: &[&Plane]) -> Result<Vec<Vec<f32>>> {
        let mut scores = vec![Vec::with_capacity(self.regions.len()); planes.len()];
        for (index, region) in self.regions.iter().enumerate() {
            for (picture, score) in scores.iter_mut().zip(region.score(planes, index)?) {
                picture.push(score);
            }
        }
        Ok(scores)
    }
}

impl Region {
    fn fit(planes: &[&Plane], index: usize) -> Result<Self> {
        let (n, d) = (planes.len(), region(planes[0], index).len());
        let mut mean = vec![0.0f64; d];
        for plane in planes {
            for (sum, byte) in mean.iter_mut().zip(region(plane, index)) {
                *sum += f64::from(*byte) / 255.0 / n as f64;
            }
        }
        let mean: Vec<f32> = mean.into_iter().map(|m| m as f32).collect();
        let centred = centred(planes, index, &mean)?; // [N, D]
        let k = COMPONENTS.min(n / 2).min(d);
        let draws = normal(&mut stream(0, "pca", index as u64), d * k);
        let mut components = orthonormal(&Tensor::from_vec(draws, (d, k), &Device::Cpu)?)?; // [D, K]
        let transposed = centred.t()?.contiguous()?;
        for _ in 0..ROUNDS {
            components = orthonormal(&transposed.matmul(&centred.matmul(&components)?)?)?;
        }
        Ok(Self { mean, components })
    }

    /// Minus the root mean square of what is left of each picture, in 0..1.
    fn score(&self, planes: &[&Plane], index: usize) -> Result<Vec<f32>> {
        let x = centred(planes, index, &self.mean)?; // [N, D]
        let drawn = x.matmul(&self.components)?; // [N, K]
        // The components are orthonormal: what is left of |x|^2 is |x|^2 - |drawn|^2.
        let left = (x.sqr()?.sum(1)? - drawn.sqr()?.sum(1)?)?.relu()?;
        Ok((left / self.mean.len() as f64)?.sqrt()?.neg()?.to_vec1()?)
    }
}

/// One region of each picture in 0..1, less the mean: [N, D].
fn centred(planes: &[&Plane], index: usize, mean: &[f32]) -> Result<Tensor> {
    let rows = planes.iter().flat_map(|plane| unit(region(plane, index)).into_iter().zip(mean).map(|(x, m)| x - m));
    Ok(Tensor::from_vec(rows.collect(), (planes.len(), mean.len()), &Device::Cpu)?)
}

/// The columns of [D, K] made orthonormal, by Gram and Schmidt's rule applied twice. A column that hangs on the others becomes nothing.
fn orthonormal(columns: &Tensor) -> Result<Tensor> {
    let mut rows: Vec<Vec<f32>> = columns.t()?.to_vec2()?; // K of [D]
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    for place in 0..rows.len() {
        let (done, rest) = rows.split_at_mut(place);
        let row = &mut rest[0];
        let before = dot(row, row).sqrt();
        for other in [&*done, &*done].into_iter().flatten() {
            let along = dot(row, other) as f32;
            for (x, o) in row.iter_mut().zip(other) {
                *x -= along * o;
            }
        }
        let after = dot(row, row).sqrt();
        let scale = if after > 1e-6 * before { 1.0 / after } else { 0.0 };
        for x in row.iter_mut() {
            *x *= scale as f32;
        }
    }
    let (k, d) = (rows.len(), rows.first().map_or(0, Vec::len));
    Ok(Tensor::from_vec(rows.concat(), (k, d), &Device::Cpu)?.t()?.contiguous()?)
}

#[cfg(test)]
mod tests {
    use super::super::tests::plane;
    use super::*;

    #[test]
    fn what_lies_in_the_genuine_plane_is_drawn_and_the_rest_is_left() {
        // Genuine pictures of two shades: the upper half bright by a, the lower by b.
        let halves = |a: u8, b: u8| plane(&[[a; 32], [b; 32]].concat());
        let genuine: Vec<Plane> = (0..40u8).map(|i| halves(100 + i, 150 - i % 8 * 5)).collect();
        let pca = Pca::fit(&genuine.iter().collect::<Vec<_>>()).unwrap();
        let stripes: Vec<u8> = (0..64).map(|i| if i % 2 == 0 { 90 } else { 150 }).collect();
        let scores = pca.score(&[&halves(111, 122), &halves(0, 255), &plane(&stripes)]).unwrap();
        assert!(scores[0][0] > -1e-3 && scores[1][0] > -1e-3, "{scores:?}");
        // The stripes' deviation from their own mean is 30 grey levels everywhere.
        assert!((scores[2][0] + 30.0 / 255.0).abs() < 2e-3, "{scores:?}");
    }
}
