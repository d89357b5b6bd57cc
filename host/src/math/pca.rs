//! Principal components (Pearson 1901), computed by subspace iteration (Halko, Martinsson and Tropp, 0909.4061,
//! section 4.5).

use candle_core::{Device, Result, Tensor};
use rand_chacha::ChaCha8Rng;

use crate::math::random::normal;

/// Rounds of the iteration. With these, the error equals that of the exact components to three digits.
const ROUNDS: usize = 6;

/// The mean of rows and the principal components around it.
#[derive(Clone, Debug)]
pub struct Pca {
    /// The mean, `[1, D]`.
    pub mean: Tensor,
    /// The components, `[D, K]`: orthonormal columns, or columns of zeros where rows vary in fewer directions.
    pub components: Tensor,
}

impl Pca {
    /// Fits `components` principal components to rows `[N, D]`. The iteration starts from draws of `rng`.
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub fn fit(rows: &Tensor, components: usize, rng: &mut ChaCha8Rng) -> Result<Self> {
        let mean = rows.mean_keepdim(0)?;
        let centred = rows.broadcast_sub(&mean)?;
        let transposed = centred.t()?.contiguous()?;
        let size = rows.dim(1)?;
        let draws = normal(rng, size * components);
        let mut components = orthonormal(&Tensor::from_vec(draws, (size, components), &Device::Cpu)?)?;
        for _ in 0..ROUNDS {
            components = orthonormal(&transposed.matmul(&centred.matmul(&components)?)?)?;
        }
        Ok(Self { mean, components })
    }

    /// Reconstructs rows from the components: `[N, D]` to `[N, D]`.
    ///
    /// # Errors
    /// When the rows have another length than D.
    pub fn reconstruct(&self, rows: &Tensor) -> Result<Tensor> {
        let shares = rows.broadcast_sub(&self.mean)?.matmul(&self.components)?; // [N, K]
        shares.matmul(&self.components.t()?.contiguous()?)?.broadcast_add(&self.mean)
    }
}

/// Makes the columns of [D, K] orthonormal, by the Gram-Schmidt process applied twice. A column that depends
/// linearly on the others becomes zero.
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
    Tensor::from_vec(rows.concat(), (k, d), &Device::Cpu)?.t()?.contiguous()
}
