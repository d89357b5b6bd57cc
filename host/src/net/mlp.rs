//! The fully connected pair of the well-known articles: latents and a picture's shape go in, two lists of blocks come out.

use super::activation::Activation;
use super::block::{Block, Map};

/// Slope of the leaky rectifiers [1511.06434, section 3].
const LEAK: Activation = Activation::LeakyRelu(0.2);

/// Z -> 256 -> 512 -> 1024 -> HWC with leaky rectifiers and a tanh: latents [B, Z] to pictures [B, H, W, C] in -1..1.
#[must_use]
pub fn generator(latent: usize, picture: (usize, usize, usize)) -> Vec<Block> {
    vec![
        Block::new("1", Map::Linear(latent, 256), LEAK),
        Block::new("2", Map::Linear(256, 512), LEAK),
        Block::new("3", Map::Linear(512, 1024), LEAK),
        Block::new("4", Map::Project(1024, picture), Activation::Tanh),
    ]
}

/// HWC -> 1024 -> 512 -> 256 -> 1 with leaky rectifiers and dropout 0.3: pictures [B, H, W, C] in -1..1 to logits [B, 1].
#[must_use]
pub fn discriminator(picture: (usize, usize, usize)) -> Vec<Block> {
    let hidden = |name, map| Block { dropout: 0.3, ..Block::new(name, map, LEAK) };
    vec![
        hidden("1", Map::Collapse(picture, 1024)),
        hidden("2", Map::Linear(1024, 512)),
        hidden("3", Map::Linear(512, 256)),
        Block::new("4", Map::Linear(256, 1), Activation::None),
    ]
}
