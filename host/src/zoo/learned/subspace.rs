//! The forger who reckons: an original leaves as the sum of the few pictures that best add up to the genuine ones (principal components,
//! Pearson 1901).

use candle_core::{Device, Tensor};
use rand::Rng;

use super::Lesson;
use crate::data::Samples;
use crate::gan::Error;
use crate::math::pca::Pca;
use crate::math::random::stream;
use crate::zoo::picture::Picture;

/// Genuine pictures looked at.
const SEEN: usize = 2000;
/// Components found; a forgery uses some of the first.
const COMPONENTS: usize = 40;

/// Copies originals with 12 to 40 components.
pub(in crate::zoo) fn pca(lesson: &Lesson) -> Result<Vec<Picture>, Error> {
    let subspace = components(lesson.samples, lesson.seed)?;
    let copied = |(i, original): (usize, &Picture)| {
        let used = stream(lesson.seed, "zoo pca", i as u64).random_range(12..=COMPONENTS);
        copy(&subspace, original, used)
    };
    lesson.originals.iter().enumerate().map(copied).collect()
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

/// The picture's shadow on the first `used` components.
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
