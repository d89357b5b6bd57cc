//! The PCA baseline: the residual that the genuine pictures' principal components leave, which is the error of a
//! linear autoencoder (Hotelling 1933).

use anyhow::Result;
use candle_core::{Device, Tensor};
use counterfoil_models::{Plane, unit};

use super::eval_planes::region;
use super::fit::Scorer;
use crate::math::pca;
use crate::math::random::stream;

/// Number of principal components: about as many as leave a tenth of the variance of handwritten digits.
const COMPONENTS: usize = 32;

/// The principal subspace of each region.
#[derive(Debug)]
pub(super) struct Pca {
    regions: Vec<pca::Pca>,
}

impl Pca {
    pub(super) fn fit(planes: &[&Plane]) -> Result<Self> {
        let [count, ..] = planes[0].shape();
        let regions = (0..count).map(|index| {
            let rows = rows(planes, index)?;
            let components = COMPONENTS.min(planes.len() / 2).min(rows.dim(1)?);
            Ok(pca::Pca::fit(&rows, components, &mut stream(0, "pca", index as u64))?)
        });
        Ok(Self { regions: regions.collect::<Result<_>>()? })
    }
}

impl Scorer for Pca {
    fn score(&self, planes: &[&Plane]) -> Result<Vec<Vec<f32>>> {
        let mut scores = vec![Vec::with_capacity(self.regions.len()); planes.len()];
        for (index, region) in self.regions.iter().enumerate() {
            for (picture, score) in scores.iter_mut().zip(left(region, &rows(planes, index)?)?) {
                picture.push(score);
            }
        }
        Ok(scores)
    }
}

/// One region of each picture, as rows `[N, D]` in 0..1.
fn rows(planes: &[&Plane], index: usize) -> Result<Tensor> {
    let rows: Vec<f32> = planes.iter().flat_map(|plane| unit(region(plane, index))).collect();
    let size = rows.len() / planes.len();
    Ok(Tensor::from_vec(rows, (planes.len(), size), &Device::Cpu)?)
}

/// Minus the root mean square of each picture's residual.
fn left(region: &pca::Pca, rows: &Tensor) -> Result<Vec<f32>> {
    let left = (rows - region.reconstruct(rows)?)?;
    Ok(left.sqr()?.mean(1)?.sqrt()?.neg()?.to_vec1()?)
}

#[cfg(test)]
mod tests {
    use super::super::tests::plane;
    use super::*;

    #[test]
    fn what_lies_in_the_genuine_plane_is_drawn_and_the_rest_is_left() {
        // Genuine pictures with two grey levels: the upper half has level a, the lower half level b.
        let halves = |a: u8, b: u8| plane(&[[a; 32], [b; 32]].concat());
        let genuine: Vec<Plane> = (0..40u8).map(|i| halves(100 + i, 150 - i % 8 * 5)).collect();
        let pca = Pca::fit(&genuine.iter().collect::<Vec<_>>()).unwrap();
        let stripes: Vec<u8> = (0..64).map(|i| if i % 2 == 0 { 90 } else { 150 }).collect();
        let scores = pca.score(&[&halves(111, 122), &halves(0, 255), &plane(&stripes)]).unwrap();
        assert!(scores[0][0] > -1e-3 && scores[1][0] > -1e-3, "{scores:?}");
        // The stripes differ from their own mean by 30 grey levels everywhere.
        assert!((scores[2][0] + 30.0 / 255.0).abs() < 2e-3, "{scores:?}");
    }
}
