//! Measures the protobuf of an ONNX file before it is decoded, so that decoding takes memory in proportion to the
//! file.
//!
//! An empty message takes two bytes in a file and 200 in memory. So the messages are counted, and the bytes that are
//! not a tensor's values. Only the wire format is read: <https://protobuf.dev/programming-guides/encoding/>.

use super::{EngineError, cost};

/// Largest number of nodes, attributes and tensors together.
const MESSAGES: usize = 1 << 15;
/// Largest number of bytes that are not a tensor's values: names, shapes, attributes.
const STRUCTURE: usize = 1 << 20;

/// What a message is, as far as its parts are measured.
#[derive(Clone, Copy)]
enum Kind {
    Model,
    Graph,
    Function,
    Node,
    Attribute,
    Tensor,
}

impl Kind {
    /// The kind of the message in a length-delimited field; `None` for a field without measured parts.
    fn inside(self, field: u64) -> Option<Self> {
        match (self, field) {
            (Self::Model, 7) | (Self::Attribute, 6 | 11) => Some(Self::Graph),
            (Self::Model, 25) => Some(Self::Function),
            (Self::Graph, 1) | (Self::Function, 7) => Some(Self::Node),
            (Self::Node, 5) => Some(Self::Attribute),
            (Self::Graph, 5) | (Self::Attribute, 5 | 10) => Some(Self::Tensor),
            _ => None,
        }
    }

    /// Whether a field holds a tensor's values, which take the same room in memory: `raw_data`, `float_data` and
    /// `double_data`.
    fn is_values(self, field: u64) -> bool {
        matches!((self, field), (Self::Tensor, 4 | 9 | 10))
    }
}

#[derive(Default)]
struct Extent {
    nodes: usize,
    messages: usize,
    structure: usize,
}

/// Checks that a file holds no more nodes, messages and structure than a network of the largest accepted size.
///
/// # Errors
/// [`EngineError::Costly`] for more, [`EngineError::NotOnnx`] for bytes that are no protobuf.
pub(super) fn check(onnx: &[u8]) -> Result<(), EngineError> {
    let mut extent = Extent { structure: onnx.len(), ..Extent::default() };
    // The bytes of values are subtracted as they are found.
    measure(Kind::Model, onnx, &mut extent)?;
    cost::within("nodes", extent.nodes as u64, cost::NODES as u64)?;
    cost::within("nodes, attributes and tensors", extent.messages as u64, MESSAGES as u64)?;
    cost::within("bytes beside the values of its tensors", extent.structure as u64, STRUCTURE as u64)
}

fn measure(kind: Kind, mut bytes: &[u8], extent: &mut Extent) -> Result<(), EngineError> {
    while !bytes.is_empty() {
        let tag = varint(&mut bytes).ok_or_else(cut)?;
        let field = tag >> 3;
        let length = match tag & 7 {
            0 => {
                varint(&mut bytes).ok_or_else(cut)?;
                0
            }
            1 => 8,
            2 => usize::try_from(varint(&mut bytes).ok_or_else(cut)?).map_err(|_| cut())?,
            5 => 4,
            _ => return Err(EngineError::NotOnnx { reason: "it is no protobuf".to_owned() }),
        };
        let (inner, rest) = bytes.split_at_checked(length).ok_or_else(cut)?;
        bytes = rest;
        if tag & 7 != 2 {
            continue;
        }
        if kind.is_values(field) {
            extent.structure -= length;
        }
        let Some(inside) = kind.inside(field) else { continue };
        extent.nodes += usize::from(matches!(inside, Kind::Node));
        extent.messages += 1;
        // Only operators that are not accepted have graphs, and graphs in graphs could be of any depth.
        cost::within("graphs inside nodes", u64::from(matches!((kind, inside), (Kind::Attribute, Kind::Graph))), 0)?;
        measure(inside, inner, extent)?;
    }
    Ok(())
}

/// Takes a varint from the front of `bytes`.
fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..70).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

fn cut() -> EngineError {
    EngineError::NotOnnx { reason: "it ends within a field".to_owned() }
}
