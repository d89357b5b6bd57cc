//! The networks of the game: blocks and named parameters go in, tensors with gradients or inference layers come out.
//!
//! `mlp` and `dcgan` write lists of blocks (`block`); `network` draws, runs, freezes and folds any such list; `conv`, `linear`, `norm`
//! and `activation` are the ops below, each with its own gradient; `layer` is the form that leaves for the ONNX writer.

pub mod activation;
pub mod average;
pub mod block;
pub mod conv;
pub mod dcgan;
mod floats;
pub mod layer;
pub mod linear;
pub mod mlp;
pub mod network;
pub mod norm;

pub use activation::Activation;
pub use average::moving_average;
pub use block::{Block, Map};
pub(crate) use floats::{floats, floats_mut};
pub use layer::{Layer, embedding, infer};
pub use network::Network;
