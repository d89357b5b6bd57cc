//! The convolutional GAN after Radford et al. (1511.06434): two lists of blocks for a picture's shape and a width.
//!
//! There is one difference: the discriminator has no batch norm. With it, a picture's score would depend on the
//! other pictures of its batch, but a detector must judge each picture by itself. So its initial weights are He's,
//! which keep the signal's size without a norm.

use counterfoil_kernels::{Activation, Window};

use super::block::{Block, LinearOp};

/// The discriminator's leaky rectifier, with the slope of 1511.06434, section 3.
const LEAKY_RELU: Activation = Activation::LeakyRelu(0.2);
/// Standard deviation of the generator's initial weights [1511.06434, section 4].
const DEVIATION: f32 = 0.02;
/// The window that halves or doubles a map's sides exactly.
const HALVING: Window = Window { kernel: 4, stride: 2, padding: 1 };
/// Sides at which halving stops, in pixels.
const BASES: std::ops::RangeInclusive<usize> = 4..=7;
/// Sides that a picture may have, in pixels.
const SIDES: std::ops::RangeInclusive<usize> = 28..=64;

/// The DCGAN cannot make pictures of this size; the nearest size is given.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "the dcgan makes no pictures of {height}x{width} pixels: each side must be 4, 5, 6 or 7 doubled equally often, 28 to 64 \
     (the nearest size is {nearest_height}x{nearest_width}); prepare the data at that size or use --net mlp"
)]
pub struct SizeError {
    height: usize,
    width: usize,
    nearest_height: usize,
    nearest_width: usize,
}

/// The generator's blocks: latents `[B, Z]` to pictures `[B, H, W, C]` in -1..1. A projection is followed by
/// transposed convolutions that double the sides and halve the channels, with `width` channels before the last. All
/// but the last have batch norm and a rectifier; the last has a bias and a tanh.
///
/// # Errors
/// When the DCGAN cannot make pictures of this size, see [`halvings`].
pub fn generator(
    latent: usize,
    (channels, height, side): (usize, usize, usize),
    width: usize,
) -> Result<Vec<Block>, SizeError> {
    let doublings = halvings(height, side)?;
    let deep = width << (doublings - 1);
    let hidden =
        |name: &str, map| Block { norm: true, deviation: DEVIATION, ..Block::new(name, map, Activation::Relu) };
    let mut blocks = vec![hidden("0", LinearOp::LinearToMap(latent, (deep, height >> doublings, side >> doublings)))];
    for layer in 1..doublings {
        let inputs = deep >> (layer - 1);
        blocks.push(hidden(&layer.to_string(), LinearOp::ConvTranspose(inputs, inputs / 2, HALVING)));
    }
    let last = Block::new(&doublings.to_string(), LinearOp::ConvTranspose(width, channels, HALVING), Activation::Tanh);
    blocks.push(Block { deviation: DEVIATION, ..last });
    Ok(blocks)
}

/// The discriminator's blocks: pictures `[B, H, W, C]` in -1..1 to logits `[B, 1]`. Convolutions halve the sides
/// and double the channels, with `width` channels after the first, each with a leaky rectifier, until no side is
/// above 4. One linear layer follows.
///
/// A generator of 28 pixels starts at 7; its discriminator halves once more. On maps of 7, the linear layer would
/// only add up the results of windows of 10 pixels, and strokes of digits that form no digit would pass.
///
/// # Errors
/// When the DCGAN cannot make pictures of this size, see [`halvings`].
pub fn discriminator((channels, height, side): (usize, usize, usize), width: usize) -> Result<Vec<Block>, SizeError> {
    halvings(height, side)?;
    let mut blocks = Vec::new();
    let (mut inputs, mut outputs, mut sides) = (channels, width, (height, side));
    while sides.0.max(sides.1) > 4 {
        let name = blocks.len().to_string();
        blocks.push(Block::new(&name, LinearOp::Conv(inputs, outputs, HALVING), LEAKY_RELU));
        (inputs, outputs, sides) = (outputs, outputs * 2, (HALVING.small(sides.0), HALVING.small(sides.1)));
    }
    let name = blocks.len().to_string();
    blocks.push(Block::new(&name, LinearOp::FlattenLinear((inputs, sides.0, sides.1), 1), Activation::None));
    Ok(blocks)
}

/// How often a picture is halved until both sides are 4 to 7 pixels.
///
/// # Errors
/// When a side is odd on the way, the sides need different numbers, or a side is not 28 to 64 pixels. The error
/// names the nearest size that the DCGAN can make.
pub fn halvings(height: usize, width: usize) -> Result<usize, SizeError> {
    let distance = |(h, w, _): &(usize, usize, usize)| h.abs_diff(height).pow(2) + w.abs_diff(width).pow(2);
    let (nearest_height, nearest_width, halvings) = sizes().min_by_key(distance).expect("the ranges above hold sizes");
    if (nearest_height, nearest_width) == (height, width) {
        Ok(halvings)
    } else {
        Err(SizeError { height, width, nearest_height, nearest_width })
    }
}

/// Every height, width and number of halvings that the DCGAN can make.
fn sizes() -> impl Iterator<Item = (usize, usize, usize)> {
    let sides = |halvings: usize| BASES.map(move |base| base << halvings).filter(|side| SIDES.contains(side));
    (2..=4).flat_map(move |halvings| {
        sides(halvings).flat_map(move |height| sides(halvings).map(move |width| (height, width, halvings)))
    })
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Tensor};

    use super::*;
    use crate::math::random::stream;
    use crate::nn::Network;

    #[test]
    fn sizes_are_those_of_the_rule() {
        for (height, width, expected) in [(28, 28, 2), (32, 32, 3), (32, 56, 3), (48, 48, 3), (64, 64, 4)] {
            assert_eq!(halvings(height, width), Ok(expected));
        }
        let error = halvings(30, 33).unwrap_err().to_string();
        assert!(error.contains("30x33") && error.contains("nearest size is 32x32"), "{error}");
        assert!(halvings(28, 32).is_err() && halvings(16, 16).is_err() && halvings(128, 128).is_err());
    }

    #[test]
    fn the_pair_makes_and_takes_the_same_shape() {
        for shape in [(1, 28, 28), (3, 40, 32), (1, 64, 64)] {
            let rng = &mut stream(0, "none", 0);
            let generator = Network::new(generator(6, shape, 4).unwrap(), 1, "g").unwrap();
            let discriminator = Network::new(discriminator(shape, 4).unwrap(), 1, "d").unwrap();
            let pictures = generator
                .forward(&Tensor::ones((2, 6), candle_core::DType::F32, &Device::Cpu).unwrap(), rng)
                .unwrap()
                .output;
            assert_eq!(pictures.dims(), [2, shape.1, shape.2, shape.0]);
            assert_eq!(discriminator.forward(&pictures, rng).unwrap().output.dims(), [2, 1]);
        }
    }
}
