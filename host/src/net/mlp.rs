//! The fully connected pair of the well-known articles: latents and a picture's shape go in, two lists of blocks come out.

use super::activation::Activation;
use super::block::{Affine, Block, Map};

/// Slope of the leaky rectifiers [1511.06434, section 3].
const LEAK: Activation = Activation::LeakyRelu(0.2);

/// Z -> 256 -> 512 -> 1024 -> CHW with leaky rectifiers and a tanh: latents [Z, B] to pictures [C, B, H, W] in -1..1.
#[must_use]
pub fn generator(latent: usize, (channels, height, width): (usize, usize, usize)) -> Vec<Block> {
    let pixels = channels * height * width;
    vec![
        Block::Affine(Affine::new("1", Map::Linear(latent, 256), LEAK)),
        Block::Affine(Affine::new("2", Map::Linear(256, 512), LEAK)),
        Block::Affine(Affine::new("3", Map::Linear(512, 1024), LEAK)),
        Block::Affine(Affine::new("4", Map::Linear(1024, pixels), Activation::Tanh)),
        Block::Reshape(channels, height, width),
    ]
}

/// CHW -> 1024 -> 512 -> 256 -> 1 with leaky rectifiers and dropout 0.3: pictures [C, B, H, W] in -1..1 to logits [1, B].
#[must_use]
pub fn discriminator((channels, height, width): (usize, usize, usize)) -> Vec<Block> {
    let hidden = |name, inputs, outputs| {
        Block::Affine(Affine { dropout: 0.3, ..Affine::new(name, Map::Linear(inputs, outputs), LEAK) })
    };
    vec![
        Block::Flatten,
        hidden("1", channels * height * width, 1024),
        hidden("2", 1024, 512),
        hidden("3", 512, 256),
        Block::Affine(Affine::new("4", Map::Linear(256, 1), Activation::None)),
    ]
}
