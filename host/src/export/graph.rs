//! Names and numbers enter, the bytes of an ONNX file leave: a small builder over the protobuf messages that tract already
//! carries. It knows the file format and nothing about networks.

use half::f16;
use prost::Message;
use tract_onnx::pb;
use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension};

/// File format version: the newest that every engine since 2021 reads, and the one that goes with opset 17's makers.
const IR_VERSION: i64 = 8;
/// Operator set, inside tract's 9..=18.
const OPSET: i64 = 17;
/// Numbers of a constant that is worth a node that widens it.
const LARGE: usize = 1024;

/// An axis of an input or output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dim {
    /// The batch, `N`: any number of rows.
    Batch,
    /// A fixed length.
    Fixed(usize),
}

/// The value of a node's attribute.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Attribute<'a> {
    /// One integer.
    Int(i64),
    /// A list of integers.
    Ints(&'a [i64]),
    /// One float.
    Float(f32),
    /// A word.
    Text(&'a str),
}

/// A graph under construction. Values are referred to by their names; each node and constant returns the name of what it makes.
#[derive(Debug, Default)]
pub struct Graph {
    proto: pb::GraphProto,
}

impl Graph {
    /// An empty graph.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { proto: pb::GraphProto { name: name.to_owned(), ..Default::default() } }
    }

    /// Declares a float32 input.
    pub fn input(&mut self, name: &str, dims: &[Dim]) -> String {
        self.proto.input.push(value_info(name, dims));
        name.to_owned()
    }

    /// A float32 tensor, row-major. A large one whose numbers are all float16's travels as these, in half the space; engines widen it as
    /// they load.
    ///
    /// # Panics
    /// When `values` does not fill `dims`: a mistake of the caller's, not of its input.
    pub fn constant(&mut self, dims: &[usize], values: &[f32]) -> String {
        assert_eq!(dims.iter().product::<usize>(), values.len(), "a constant of shape {dims:?}");
        let halves = || values.iter().map(|x| f16::from_f32(*x));
        if values.len() >= LARGE && halves().zip(values).all(|(half, x)| half.to_f32() == *x) {
            let bytes = halves().flat_map(f16::to_le_bytes).collect();
            let narrow = self.initializer(DataType::Float16, dims, bytes);
            return self.node("Cast", &[&narrow], &[("to", Attribute::Int(DataType::Float as i64))]);
        }
        let bytes = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        self.initializer(DataType::Float, dims, bytes)
    }

    /// A list of int64, as shapes and axes are given.
    pub fn integers(&mut self, values: &[i64]) -> String {
        let bytes = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        self.initializer(DataType::Int64, &[values.len()], bytes)
    }

    /// Numbers that the graph holds already are not held twice.
    fn initializer(&mut self, kind: DataType, dims: &[usize], raw_data: Vec<u8>) -> String {
        let (kind, dims): (_, Vec<i64>) = (kind as i32, dims.iter().map(|&dim| dim as i64).collect());
        let held = &mut self.proto.initializer;
        if let Some(same) = held.iter().find(|t| t.data_type == kind && t.dims == dims && t.raw_data == raw_data) {
            return same.name.clone();
        }
        let name = format!("constant_{}", held.len());
        held.push(pb::TensorProto { name: name.clone(), dims, data_type: kind, raw_data, ..Default::default() });
        name
    }

    /// A node of one output, whose name is returned.
    pub fn node(&mut self, op: &str, inputs: &[&str], attributes: &[(&str, Attribute)]) -> String {
        let name = format!("{}_{}", op.to_lowercase(), self.proto.node.len());
        self.push(op, inputs, attributes, name.clone());
        name
    }

    /// `op(value, constant)` for an operator of two, such as `Mul`, with one number as its constant.
    pub fn with_number(&mut self, op: &str, value: &str, number: f32) -> String {
        let number = self.constant(&[1], &[number]);
        self.node(op, &[value, &number], &[])
    }

    /// Values one behind the other along the axis after the batch's.
    pub fn concat(&mut self, values: &[impl AsRef<str>]) -> String {
        let values: Vec<&str> = values.iter().map(AsRef::as_ref).collect();
        self.node("Concat", &values, &[("axis", Attribute::Int(1))])
    }

    /// Declares `value` as the graph's float32 output `name`.
    pub fn output(&mut self, value: &str, name: &str, dims: &[Dim]) {
        // An Identity gives the output its name whatever made the value; engines drop it.
        self.push("Identity", &[value], &[], name.to_owned());
        self.proto.output.push(value_info(name, dims));
    }

    fn push(&mut self, op: &str, inputs: &[&str], attributes: &[(&str, Attribute)], output: String) {
        self.proto.node.push(pb::NodeProto {
            name: output.clone(),
            op_type: op.to_owned(),
            input: inputs.iter().map(|&input| input.to_owned()).collect(),
            output: vec![output],
            attribute: attributes.iter().map(|&(name, value)| attribute(name, value)).collect(),
            ..Default::default()
        });
    }

    /// The finished file, with `metadata` as its key-value pairs.
    #[must_use]
    pub fn finish(self, metadata: &[(String, String)]) -> Vec<u8> {
        let entry =
            |(key, value): &(String, String)| pb::StringStringEntryProto { key: key.clone(), value: value.clone() };
        let model = pb::ModelProto {
            ir_version: IR_VERSION,
            opset_import: vec![pb::OperatorSetIdProto { domain: String::new(), version: OPSET }],
            producer_name: "counterfoil".to_owned(),
            producer_version: env!("CARGO_PKG_VERSION").to_owned(),
            graph: Some(self.proto),
            metadata_props: metadata.iter().map(entry).collect(),
            ..Default::default()
        };
        model.encode_to_vec()
    }
}

fn attribute(name: &str, value: Attribute) -> pb::AttributeProto {
    let mut proto = pb::AttributeProto { name: name.to_owned(), ..Default::default() };
    let kind = match value {
        Attribute::Int(i) => {
            proto.i = i;
            AttributeType::Int
        }
        Attribute::Ints(ints) => {
            proto.ints = ints.to_vec();
            AttributeType::Ints
        }
        Attribute::Float(f) => {
            proto.f = f;
            AttributeType::Float
        }
        Attribute::Text(text) => {
            proto.s = text.as_bytes().to_vec();
            AttributeType::String
        }
    };
    proto.r#type = kind as i32;
    proto
}

fn value_info(name: &str, dims: &[Dim]) -> pb::ValueInfoProto {
    let dim = |dim: &Dim| {
        let value = match *dim {
            Dim::Batch => dimension::Value::DimParam("N".to_owned()),
            Dim::Fixed(length) => dimension::Value::DimValue(length as i64),
        };
        Dimension { value: Some(value), ..Default::default() }
    };
    let shape = pb::TensorShapeProto { dim: dims.iter().map(dim).collect() };
    let tensor = pb::type_proto::Tensor { elem_type: DataType::Float as i32, shape: Some(shape) };
    let kind = pb::TypeProto { value: Some(pb::type_proto::Value::TensorType(tensor)), ..Default::default() };
    pb::ValueInfoProto { name: name.to_owned(), r#type: Some(kind), ..Default::default() }
}
