//! Checks the bytes of an ONNX model and decodes them into a message that is safe to give to a backend.
//!
//! The checks read only the protobuf message, before any network is built: sizes, operators, opset, external data,
//! NaN weights, and the declaration of the input.

use std::collections::HashSet;
use std::ops::RangeInclusive;

use counterfoil_models::limits;
use prost::Message;
use tract_onnx::pb;
use tract_onnx::pb::tensor_proto::{DataLocation, DataType};

use super::{Backend, EngineError, cost, extent, functions};

/// The range of ONNX operator sets with which tract 0.23 is tested.
pub const OPSETS: RangeInclusive<i64> = 9..=18;

/// Decodes `onnx` and rejects what must not reach a backend. Functions are replaced by their nodes, except those that
/// the backend knows.
pub(super) fn read(onnx: &[u8], backend: &dyn Backend) -> Result<pb::ModelProto, EngineError> {
    if onnx.len() > limits::NETWORK {
        return Err(EngineError::TooLarge { bytes: onnx.len() });
    }
    extent::check(onnx)?;
    let mut proto = pb::ModelProto::decode(onnx).map_err(|error| not_onnx(error.to_string()))?;
    functions::inline(&mut proto, |node| backend.knows(node))?;
    let graph = proto.graph.as_ref().ok_or_else(|| not_onnx("it holds no graph"))?;
    let opset = proto.opset_import.iter().find(|import| matches!(import.domain.as_str(), "" | "ai.onnx"));
    let found = opset.map_or(0, |import| import.version);
    if !OPSETS.contains(&found) {
        return Err(EngineError::Opset { found });
    }
    tensors(graph)?;
    bounds(graph)?;
    Ok(proto)
}

/// Checks that the lists of `graph` are no longer than those of a network, and that the cost of every node is known.
fn bounds(graph: &pb::GraphProto) -> Result<(), EngineError> {
    cost::within("nodes", graph.node.len() as u64, cost::NODES as u64)?;
    cost::within("outputs", graph.output.len() as u64, cost::OUTPUTS as u64)?;
    let mut made = HashSet::new();
    for node in &graph.node {
        if !cost::is_known(node) {
            let name = Some(&node.name).filter(|name| !name.is_empty()).or(node.output.first());
            let name = name.cloned().unwrap_or_default();
            return Err(EngineError::Operator { operator: node.op_type.clone(), node: name });
        }
        let lists = node.attribute.iter().flat_map(|held| [held.ints.len(), held.floats.len(), held.strings.len()]);
        let longest = lists.chain([node.input.len(), node.output.len()]).max().unwrap_or_default();
        cost::within("values in a list of one node", longest as u64, cost::LIST as u64)?;
        let integers = node.attribute.iter().flat_map(|held| held.ints.iter().chain([&held.i]));
        let largest = integers.map(|integer| integer.unsigned_abs()).max().unwrap_or_default();
        // The end of a slice may be larger than any length.
        if !matches!(&*node.op_type, "Slice" | "Constant") {
            cost::within("as an integer of one node", largest, cost::INTEGER.unsigned_abs())?;
        }
        if let Some(name) = node.output.iter().find(|name| !name.is_empty() && !made.insert(name.as_str())) {
            return Err(not_onnx(format!("two nodes make `{name}`")));
        }
    }
    Ok(())
}

/// Checks every tensor of `graph` and of the graphs in the attributes of its nodes.
fn tensors(graph: &pb::GraphProto) -> Result<(), EngineError> {
    let sparse = graph.sparse_initializer.iter().flat_map(|sparse| sparse.values.iter().chain(&sparse.indices));
    graph.initializer.iter().chain(sparse).try_for_each(tensor)?;
    for attribute in graph.node.iter().flat_map(|node| &node.attribute) {
        attribute.t.iter().chain(&attribute.tensors).try_for_each(tensor)?;
        attribute.g.iter().chain(&attribute.graphs).try_for_each(tensors)?;
    }
    Ok(())
}

fn tensor(tensor: &pb::TensorProto) -> Result<(), EngineError> {
    let name = || tensor.name.clone();
    cost::within("dimensions in one tensor", tensor.dims.len() as u64, cost::RANK as u64)?;
    if tensor.data_location == Some(DataLocation::External as i32) || !tensor.external_data.is_empty() {
        let location = tensor.external_data.iter().find(|entry| entry.key == "location");
        let location = location.map_or_else(String::new, |entry| entry.value.clone());
        return Err(EngineError::ExternalData { tensor: name(), location });
    }
    let kind = DataType::try_from(tensor.data_type).unwrap_or(DataType::Undefined);
    let bytes_each = match kind {
        DataType::Bool | DataType::Int8 | DataType::Uint8 => 1,
        DataType::Float16 | DataType::Int16 | DataType::Uint16 => 2,
        DataType::Float | DataType::Int32 | DataType::Uint32 => 4,
        DataType::Double | DataType::Int64 | DataType::Uint64 => 8,
        _ => return Err(not_onnx(format!("tensor `{}` has element type {}", tensor.name, tensor.data_type))),
    };
    let length =
        tensor.dims.iter().try_fold(bytes_each, |bytes: usize, &dim| bytes.checked_mul(usize::try_from(dim).ok()?));
    let Some(length) = length.filter(|&length| tensor.raw_data.is_empty() || tensor.raw_data.len() == length) else {
        let found = tensor.raw_data.len();
        return Err(not_onnx(format!("tensor `{}` of shape {:?} holds {found} bytes", tensor.name, tensor.dims)));
    };
    // Without raw data the values are in typed lists. A backend compares their length with the shape
    // before it builds a tensor.
    if length > limits::NETWORK {
        return Err(EngineError::TooLarge { bytes: length });
    }
    let raw = &tensor.raw_data;
    let finite = match kind {
        DataType::Float => raw.as_chunks().0.iter().all(|&bytes| f32::from_le_bytes(bytes).is_finite()),
        DataType::Double => raw.as_chunks().0.iter().all(|&bytes| f64::from_le_bytes(bytes).is_finite()),
        // IEEE 754 binary16: NaN and infinity have all five exponent bits set.
        DataType::Float16 => raw.as_chunks().0.iter().all(|&bytes| u16::from_le_bytes(bytes) & 0x7c00 != 0x7c00),
        _ => true,
    };
    let finite =
        finite && tensor.float_data.iter().all(|x| x.is_finite()) && tensor.double_data.iter().all(|x| x.is_finite());
    if finite { Ok(()) } else { Err(EngineError::NotFinite { tensor: name() }) }
}

/// Checks that the model has exactly one input that is not a weight, and that it fits what the caller feeds.
pub(super) fn input(proto: &pb::ModelProto, shape: &[usize], name: Option<&str>) -> Result<(), EngineError> {
    let graph = proto.graph.as_ref().ok_or_else(|| not_onnx("it holds no graph"))?;
    // Up to ONNX IR version 3, weights were listed among the inputs too.
    let weights: HashSet<&str> = graph.initializer.iter().map(|weight| weight.name.as_str()).collect();
    let is_weight = |input: &&pb::ValueInfoProto| weights.contains(input.name.as_str());
    let inputs: Vec<_> = graph.input.iter().filter(|input| !is_weight(input)).collect();
    let fits = |input: &pb::ValueInfoProto| {
        let Some(declared) = tensor_type(input) else { return false };
        let dims = declared.shape.as_ref().map_or(&[][..], |shape| &shape.dim);
        let same = |(dim, &wanted): (_, &usize)| dimension(dim).is_none_or(|fixed| fixed == wanted as i64);
        name.is_none_or(|name| name == input.name)
            && declared.elem_type == DataType::Float as i32
            && dims.len() == shape.len()
            && dims.iter().zip(shape).all(same)
    };
    match inputs[..] {
        [input] if fits(input) => Ok(()),
        _ => Err(EngineError::Input {
            found: if inputs.is_empty() {
                "missing".to_owned()
            } else {
                inputs.iter().map(|input| describe(input)).collect::<Vec<_>>().join(" and ")
            },
            expected: format!("{}float32 {shape:?}", name.map_or_else(String::new, |name| format!("`{name}` "))),
        }),
    }
}

/// The names of the outputs, in the order of the graph.
pub(super) fn output_names(proto: &pb::ModelProto) -> Result<Vec<String>, EngineError> {
    let graph = proto.graph.as_ref().ok_or_else(|| not_onnx("it holds no graph"))?;
    let results = graph.node.iter().flat_map(|node| &node.output);
    let weights = graph.initializer.iter().map(|weight| &weight.name);
    let produced: HashSet<&String> =
        results.chain(weights).chain(graph.input.iter().map(|input| &input.name)).collect();
    let names: Vec<String> = graph.output.iter().map(|output| output.name.clone()).collect();
    match names.iter().find(|name| !produced.contains(name)) {
        Some(name) => Err(not_onnx(format!("no node makes its output `{name}`"))),
        None => Ok(names),
    }
}

fn tensor_type(value: &pb::ValueInfoProto) -> Option<&pb::type_proto::Tensor> {
    let pb::type_proto::Value::TensorType(declared) = value.r#type.as_ref()?.value.as_ref()?;
    Some(declared)
}

/// The fixed length of a dimension; `None` for a name such as `N`, which leaves the length to the caller.
fn dimension(dim: &pb::tensor_shape_proto::Dimension) -> Option<i64> {
    match dim.value {
        Some(pb::tensor_shape_proto::dimension::Value::DimValue(fixed)) => Some(fixed),
        _ => None,
    }
}

fn describe(input: &pb::ValueInfoProto) -> String {
    let Some(declared) = tensor_type(input) else { return format!("`{}` of no tensor type", input.name) };
    let kind = DataType::try_from(declared.elem_type)
        .map_or_else(|_| "unknown".to_owned(), |kind| format!("{kind:?}").to_lowercase());
    let kind = if kind == "float" { "float32".to_owned() } else { kind };
    let dims = declared.shape.iter().flat_map(|shape| &shape.dim);
    let dims: Vec<_> =
        dims.map(|dim| dimension(dim).map_or_else(|| "N".to_owned(), |fixed| fixed.to_string())).collect();
    format!("`{}` {kind} [{}]", input.name, dims.join(", "))
}

fn not_onnx(reason: impl Into<String>) -> EngineError {
    EngineError::NotOnnx { reason: reason.into() }
}
