//! The networks of the game: blocks and named parameters go in, tensors with gradients or inference layers come out.
//!
//! `mlp` and `dcgan` write lists of blocks (`block`); `network` draws and freezes any such list, `pass` runs it
//! forward and back, by candle's own operations where `stock` says so, and `fold` makes inference layers of it. Below
//! it are `conv` (windows over maps), `norm` and `activation`, each with its own gradient; `product` (the two
//! kernels), `panels` (what they read) and `workspace` (what is used again). `layer` is the form that leaves for the
//! ONNX writer.

pub mod activation;
pub mod average;
pub mod block;
pub mod conv;
pub mod dcgan;
mod floats;
mod fold;
pub mod layer;
pub mod mlp;
pub mod network;
mod norm;
#[cfg(test)]
mod oracle;
mod panels;
mod pass;
mod product;
mod stock;
mod workspace;

use serde::{Deserialize, Serialize};

pub use activation::Activation;
pub use average::moving_average;
pub use block::{Block, Map};
pub use conv::Window;
pub(crate) use floats::with_floats;
pub(crate) use floats::{floats, floats_mut};
pub use layer::{Layer, embedding, infer};
pub use network::Network;
pub use pass::{Gradient, Gradients, Pass};
#[cfg(test)]
pub(crate) use workspace::Workspace;

/// A generator and its discriminator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Net {
    /// Fully connected, any picture size.
    Mlp,
    /// Convolutional, 28 to 64 pixels a side.
    Dcgan,
}
