//! Networks as ONNX files: the writer of graphs, and the nodes for each kind of layer.

mod layers;
mod ops;
pub(crate) mod proto;
mod writer;

pub(crate) use layers::{Value, append, centred, flat};
pub use layers::{discriminator, generator};
pub use ops::{Append, DualOp, Eager, Ops, Var};
pub use writer::{Attribute, Dim, Graph, Operators, narrowed};

/// Why a network could not be written as an ONNX file.
#[derive(Debug, thiserror::Error)]
pub enum OnnxError {
    /// A layer cannot take the output of the layer before it.
    #[error(
        "layer {index} ({layer}) cannot take a value of shape {found:?}, expected {expected}; the network's layers do not fit together"
    )]
    Layer {
        /// The layer's index in the network, from 0.
        index: usize,
        /// The layer's kind.
        layer: &'static str,
        /// Shape of the layer's input, without the batch.
        found: Vec<usize>,
        /// The shape that the layer takes.
        expected: String,
    },
    /// The network's last output does not have the shape that the bundle's contract requires.
    #[error("the {network} ends in a value of shape {found:?}, expected {expected}; check the network's last layer")]
    Ending {
        /// `discriminator`, `detective` or `generator`.
        network: &'static str,
        /// Shape of the last output, without the batch.
        found: Vec<usize>,
        /// The shape that the contract requires.
        expected: String,
    },
    /// A weight could not be read as float32.
    #[error("a weight could not be read as float32: {0}; load the checkpoint again")]
    Weight(#[from] candle_core::Error),
}
