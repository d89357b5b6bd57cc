//! The learned forger families: trained on genuine pictures, they make forgeries, some by copying originals. One file
//! per kind, one function per family.
//!
//! They use the product's own networks, losses and GAN training. The numbers of steps are fixed, so that the bytes of
//! a zoo depend only on its data and its seed.

pub(super) mod autoencoder;
pub(super) mod gan;
pub(super) mod subspace;

use candle_core::{Device, Tensor};

use super::picture::Picture;
use crate::data::Samples;
use crate::gan::Error;

/// The input of a learned family.
pub(super) struct ForgerInput<'a> {
    /// Seed of all random streams.
    pub(super) seed: u64,
    /// The genuine pictures of ZOO/train.
    pub(super) samples: &'a Samples,
    /// One original per forgery. Families that generate from noise use only the number of originals.
    pub(super) originals: &'a [Picture],
}

/// Pictures of one size as a tensor [N, H, W, 1] in -1..1.
fn tensor(pictures: &[Picture]) -> candle_core::Result<Tensor> {
    let (height, width) = pictures.first().map_or((0, 0), |first| (first.height, first.width));
    let numbers: Vec<f32> = pictures.iter().flat_map(|picture| &picture.ink).map(|v| 2.0 * v - 1.0).collect();
    Tensor::from_vec(numbers, (pictures.len(), height, width, 1), &Device::Cpu)
}

/// The pictures of a network's output in -1..1: [N, H, W, 1] or [N, 1, H, W], which have the same memory layout.
fn pictures(tensor: &Tensor, (_, height, width): (usize, usize, usize)) -> Result<Vec<Picture>, Error> {
    let numbers = tensor.flatten_all()?.to_vec1::<f32>()?;
    let picture = |ink: &[f32]| Picture { width, height, ink: ink.iter().map(|v| 0.5 * (v + 1.0)).collect() };
    Ok(numbers.chunks_exact(height * width).map(picture).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Discs at changing positions.
    pub(super) fn samples() -> Samples {
        let blot = |i: usize, at: usize| (at % 28).abs_diff(10 + i % 7).pow(2) + (at / 28).abs_diff(9 + i % 5).pow(2);
        let bytes = (0..40 * 784).map(|i| if blot(i / 784, i % 784) < 30 { 240 } else { 0 }).collect();
        Samples::new(1, 28, 28, bytes).unwrap()
    }

    pub(super) fn originals(samples: &Samples) -> Vec<Picture> {
        let picture = |i| Picture {
            width: 28,
            height: 28,
            ink: samples.row(i).unwrap().iter().map(|byte| f32::from(*byte) / 255.0).collect(),
        };
        (0..5).map(picture).collect()
    }

    #[test]
    fn pictures_survive_the_tensor() {
        let originals = originals(&samples());
        let back = pictures(&tensor(&originals).unwrap(), (1, 28, 28)).unwrap();
        assert!(originals.iter().zip(&back).all(|(a, b)| a.distance(b) < 1e-6));
    }
}
