//! The fully connected GAN of the well-known articles: two lists of blocks for a latent length and a picture's shape.

use counterfoil_kernels::Activation;

use super::block::{Block, LinearOp};

/// The leaky rectifiers, with the slope of 1511.06434, section 3.
const LEAKY_RELU: Activation = Activation::LeakyRelu(0.2);

/// The generator's blocks: latents `[B, Z]` to pictures `[B, H, W, C]` in -1..1. The sizes are Z -> 256 -> 512 ->
/// 1024 -> HWC, with leaky rectifiers and a tanh at the end.
#[must_use]
pub fn generator(latent: usize, picture: (usize, usize, usize)) -> Vec<Block> {
    vec![
        Block::new("1", LinearOp::Linear(latent, 256), LEAKY_RELU),
        Block::new("2", LinearOp::Linear(256, 512), LEAKY_RELU),
        Block::new("3", LinearOp::Linear(512, 1024), LEAKY_RELU),
        Block::new("4", LinearOp::LinearToMap(1024, picture), Activation::Tanh),
    ]
}

/// The discriminator's blocks: pictures `[B, H, W, C]` in -1..1 to logits `[B, 1]`. The sizes are HWC -> 1024 ->
/// 512 -> 256 -> 1, with leaky rectifiers and dropout 0.3.
#[must_use]
pub fn discriminator(picture: (usize, usize, usize)) -> Vec<Block> {
    let hidden = |name, map| Block { dropout: 0.3, ..Block::new(name, map, LEAKY_RELU) };
    vec![
        hidden("1", LinearOp::FlattenLinear(picture, 1024)),
        hidden("2", LinearOp::Linear(1024, 512)),
        hidden("3", LinearOp::Linear(512, 256)),
        Block::new("4", LinearOp::Linear(256, 1), Activation::None),
    ]
}
