//! The PCA family: an original becomes its reconstruction from a few principal components (Pearson 1901).

use candle_core::{Device, Tensor};
use rand::Rng;

use super::ForgerInput;
use crate::data::Samples;
use crate::gan::Error;
use crate::math::pca::Pca;
use crate::math::random::stream;
use crate::synthetic::zoo::picture::Picture;

/// Maximum number of genuine pictures to which the components are fitted.
const SEEN: usize = 2000;
/// Number of components. A forgery uses some of the first.
const COMPONENTS: usize = 40;

/// Copies the originals with 12 to 40 components.
pub(in crate::synthetic::zoo) fn pca(input: &ForgerInput) -> Result<Vec<Picture>, Error> {
    let subspace = components(input.samples, input.seed)?;
    let copied = |(i, original): (usize, &Picture)| {
        let used = stream(input.seed, "zoo pca", i as u64).random_range(12..=COMPONENTS);
        copy(&subspace, original, used)
    };
    input.originals.iter().enumerate().map(copied).collect()
}

fn components(samples: &Samples, seed: u64) -> Result<Pca, Error> {
    let count = samples.len().min(SEEN);
    let mut ink = Vec::new();
    for i in 0..count {
        ink.extend(samples.row(i)?.into_iter().map(|byte| f32::from(byte) / 255.0));
    }
    let size = ink.len() / count;
    let rows = Tensor::from_vec(ink, (count, size), &Device::Cpu)?;
    Ok(Pca::fit(&rows, COMPONENTS.min(size), &mut stream(seed, "zoo components", 0))?)
}

/// The reconstruction of a picture from the first `used` components.
fn copy(subspace: &Pca, original: &Picture, used: usize) -> Result<Picture, Error> {
    let used = used.min(subspace.components.dim(1)?);
    let first = Pca { components: subspace.components.narrow(1, 0, used)?.contiguous()?, ..subspace.clone() };
    let row = Tensor::from_slice(&original.ink, (1, original.ink.len()), &Device::Cpu)?;
    Ok(Picture { ink: first.reconstruct(&row)?.flatten_all()?.to_vec1()?, ..*original })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{originals, samples};
    use super::*;

    #[test]
    fn more_components_copy_better_and_all_that_vary_copy_exactly() {
        let samples = samples();
        let subspace = components(&samples, 1).unwrap();
        for original in originals(&samples) {
            let far = |used| original.distance(&copy(&subspace, &original, used).unwrap());
            assert!(far(1) > far(8) && far(8) > far(34) && far(34) < 0.01, "{} {} {}", far(1), far(8), far(34));
        }
    }
}
