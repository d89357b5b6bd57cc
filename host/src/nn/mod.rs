//! The networks of the GAN and of the detective: from blocks and named parameters to tensors with
//! gradients, or to inference layers.
//!
//! `mlp` and `dcgan` define lists of blocks (`block`). `network` holds such a list with its weights and can freeze
//! them. `pass` runs it forward and backward over `counterfoil_kernels`, or `candle_backend` does so with candle's
//! own operations, and `fold` turns it into inference layers. `layer` is the inference form for the ONNX writer.
//! `loss` has the losses of the GAN, `adam` the optimiser.

pub mod adam;
pub mod average;
pub mod block;
mod candle_backend;
pub mod dcgan;
mod floats;
mod fold;
pub mod layer;
pub mod loss;
pub mod mlp;
pub mod network;
#[cfg(test)]
mod oracle;
mod pass;

use serde::{Deserialize, Serialize};

pub use average::moving_average;
pub use block::{Block, LinearOp};
pub use counterfoil_kernels::{Activation, Window};
pub(crate) use floats::with_floats;
pub(crate) use floats::{floats, floats_mut};
pub use layer::{Layer, embedding, infer};
pub use network::Network;
pub use pass::{Gradient, Gradients, Pass};

/// The kind of a GAN: a generator and its discriminator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Net {
    /// Fully connected, for any picture size.
    Mlp,
    /// Convolutional, for sides of 28 to 64 pixels.
    Dcgan,
}
