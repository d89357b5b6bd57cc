//! Converts float16 weights to float32: a `Cast` of a constant is computed before tract reads the model.
//!
//! tract converts the values one by one, which takes a tenth of the start time.

use std::collections::{HashMap, HashSet};
use std::mem;

use counterfoil_models::limits;
use half::f16;
use half::slice::HalfFloatSliceExt;
use tract_onnx::pb;
use tract_onnx::pb::tensor_proto::DataType;

/// Replaces each node that casts a float16 tensor to float32 by a float32 tensor, and removes tensors that are no
/// longer used. Casts whose results together exceed the size limit of a model are left to tract.
pub(in crate::inference) fn widen(graph: &mut pb::GraphProto) {
    let mut room = limits::NETWORK;
    let mut tensors = mem::take(&mut graph.initializer);
    // Only the tensors of the file are looked up: a tensor that was cast is no longer float16.
    let narrow: HashMap<&str, &pb::TensorProto> = tensors
        .iter()
        .filter(|tensor| tensor.data_type == DataType::Float16 as i32)
        .map(|tensor| (tensor.name.as_str(), tensor))
        .collect();
    let mut cast = Vec::new();
    for node in mem::take(&mut graph.node) {
        match wide(&node, &narrow, room) {
            Some(tensor) => {
                room -= tensor.raw_data.len();
                cast.push(tensor);
            }
            None => graph.node.push(node),
        }
    }
    tensors.append(&mut cast);
    let mut read = HashSet::new();
    readings(graph, &mut read);
    tensors.retain(|tensor| read.contains(tensor.name.as_str()));
    graph.initializer = tensors;
}

/// Adds to `names` the outputs of `graph` and every tensor that its nodes read, including the graphs in their
/// attributes, which can read tensors of the outer graph.
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

/// The float32 tensor that `node` computes, if it casts a float16 constant to float32 and the result has at most
/// `room` bytes.
fn wide(node: &pb::NodeProto, narrow: &HashMap<&str, &pb::TensorProto>, room: usize) -> Option<pb::TensorProto> {
    let to_float = |attribute: &pb::AttributeProto| attribute.name == "to" && attribute.i == DataType::Float as i64;
    let ([input], [output], [attribute]) = (&node.input[..], &node.output[..], &node.attribute[..]) else {
        return None;
    };
    if node.op_type != "Cast" || !to_float(attribute) {
        return None;
    }
    // Values in a typed list are left to tract.
    let tensor = narrow.get(input.as_str()).filter(|tensor| !tensor.raw_data.is_empty())?;
    if 2 * tensor.raw_data.len() > room {
        return None;
    }
    let halves: Vec<f16> = tensor.raw_data.as_chunks().0.iter().map(|&bytes| f16::from_le_bytes(bytes)).collect();
    let mut raw_data = vec![0; 4 * halves.len()];
    for (bytes, x) in raw_data.as_chunks_mut().0.iter_mut().zip(halves.to_f32_vec()) {
        *bytes = x.to_le_bytes();
    }
    let (name, dims) = (output.clone(), tensor.dims.clone());
    Some(pb::TensorProto { name, dims, data_type: DataType::Float as i32, raw_data, ..Default::default() })
}
