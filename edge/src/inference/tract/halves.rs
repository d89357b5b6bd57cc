//! Weights that travel as float16 leave as float32: a `Cast` of a constant is worked out before tract sees it. tract does it number by
//! number, and on the way to a start that is a tenth of the time.

use std::collections::HashSet;
use std::mem;

use counterfoil_models::limits;
use half::f16;
use half::slice::HalfFloatSliceExt;
use tract_onnx::pb;
use tract_onnx::pb::tensor_proto::DataType;

/// Puts a float32 tensor in the place of each node that casts a float16 one to it, and leaves out tensors that nobody reads any more.
/// What grows beyond the size of the largest model is left to tract.
pub(in crate::inference) fn widen(graph: &mut pb::GraphProto) {
    let mut room = limits::NETWORK;
    let mut tensors = mem::take(&mut graph.initializer);
    for node in mem::take(&mut graph.node) {
        match wide(&node, &tensors).filter(|tensor| tensor.raw_data.len() <= room) {
            Some(tensor) => {
                room -= tensor.raw_data.len();
                tensors.push(tensor);
            }
            None => graph.node.push(node),
        }
    }
    let mut read = HashSet::new();
    readings(graph, &mut read);
    tensors.retain(|tensor| read.contains(tensor.name.as_str()));
    graph.initializer = tensors;
}

/// Adds the names of all that `graph` reads and gives, with the graphs in its nodes' attributes, which see what it holds.
fn readings<'a>(graph: &'a pb::GraphProto, names: &mut HashSet<&'a str>) {
    names.extend(graph.output.iter().map(|output| output.name.as_str()));
    for node in &graph.node {
        names.extend(node.input.iter().map(String::as_str));
        node.attribute
            .iter()
            .flat_map(|held| held.g.iter().chain(&held.graphs))
            .for_each(|inner| readings(inner, names));
    }
}

/// What `node` gives, where it is such a cast.
fn wide(node: &pb::NodeProto, tensors: &[pb::TensorProto]) -> Option<pb::TensorProto> {
    let to_float = |attribute: &pb::AttributeProto| attribute.name == "to" && attribute.i == DataType::Float as i64;
    let ([input], [output], [attribute]) = (&node.input[..], &node.output[..], &node.attribute[..]) else {
        return None;
    };
    if node.op_type != "Cast" || !to_float(attribute) {
        return None;
    }
    // Numbers that stand in a typed list are tract's to read.
    let narrow = |tensor: &&pb::TensorProto| tensor.name == *input && tensor.data_type == DataType::Float16 as i32;
    let tensor = tensors.iter().find(narrow).filter(|tensor| !tensor.raw_data.is_empty())?;
    let halves: Vec<f16> = tensor.raw_data.as_chunks().0.iter().map(|&bytes| f16::from_le_bytes(bytes)).collect();
    let mut raw_data = vec![0; 4 * halves.len()];
    for (bytes, x) in raw_data.as_chunks_mut().0.iter_mut().zip(halves.to_f32_vec()) {
        *bytes = x.to_le_bytes();
    }
    let (name, dims) = (output.clone(), tensor.dims.clone());
    Some(pb::TensorProto { name, dims, data_type: DataType::Float as i32, raw_data, ..Default::default() })
}
