//! Networks as ONNX files: the writer of graphs, and the nodes that each kind of layer becomes.

mod layers;
mod ops;
mod proto;
mod writer;

pub(crate) use layers::{Value, append, centred, flat};
pub use layers::{discriminator, generator};
pub use ops::{Append, Eager, Ops, Twofold, Var};
pub use writer::{Attribute, Dim, Graph};

/// Why a network was not written.
#[derive(Debug, thiserror::Error)]
pub enum OnnxError {
    /// A layer does not take what the layer before it gives.
    #[error(
        "layer {index} ({layer}) cannot take a value of shape {found:?}, expected {expected}; the network's layers do not fit together"
    )]
    Layer {
        /// The layer's place in the list, from 0.
        index: usize,
        /// The layer's kind.
        layer: &'static str,
        /// Shape before it, without the batch.
        found: Vec<usize>,
        /// What it takes.
        expected: String,
    },
    /// The whole network does not end as its part in the bundle asks.
    #[error("the {network} ends in a value of shape {found:?}, expected {expected}; check the network's last layer")]
    Ending {
        /// `discriminator`, its `embedding`, or `generator`.
        network: &'static str,
        /// Shape it has, without the batch.
        found: Vec<usize>,
        /// Shape the contract asks for.
        expected: String,
    },
    /// A weight could not be read as float32.
    #[error("a weight could not be read as float32: {0}; load the checkpoint again")]
    Weight(#[from] candle_core::Error),
}
