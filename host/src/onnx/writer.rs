//! Writes ONNX files from names and numbers. It depends on the file format and on no network.

use counterfoil_edge::inference::OWN_OPERATORS;
use half::f16;
use prost::Message;

use super::proto::{
    AttributeProto, AttributeType, DataType, Dimension, Entry, Function, GraphProto, Model, Node, OperatorSet, Shape,
    Tensor, TensorType, Type, ValueInfo,
};

/// Version of the file format: the newest that every engine since 2021 reads, and the usual one with opset 17.
const IR_VERSION: i64 = 8;
/// Version of the operator set, inside tract's 9..=18.
const OPSET: i64 = 17;
/// Version of our own operators' set.
const OWN_OPSET: i64 = 1;
/// Name of the one input of a function.
const ARGUMENT: &str = "argument";
/// Length of a constant from which float16 storage is worth an extra node that widens it.
const LARGE: usize = 1024;

/// One axis of an input or output.
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
    /// A string.
    Text(&'a str),
}

/// Which operators a graph is made of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Operators {
    /// ONNX's, and ours with their functions: the box computes these at once.
    #[default]
    Own,
    /// ONNX's alone, for tools that know no functions.
    Onnx,
}

/// A graph under construction. Values are referred to by their names; each method that adds a node or a constant
/// returns the name of its value.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    proto: GraphProto,
    /// The bodies of our own operators.
    functions: Vec<Function>,
    operators: Operators,
    /// The operator sets of a network of another program that the graph holds.
    foreign: Vec<OperatorSet>,
}

impl Graph {
    /// Creates an empty graph with this name.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { proto: GraphProto { name: Some(name.to_owned()), ..GraphProto::default() }, ..Self::default() }
    }

    /// Makes the graph of these operators.
    #[must_use]
    pub fn of(self, operators: Operators) -> Self {
        Self { operators, ..self }
    }

    /// Adds the nodes and constants of a network of another program, with its operator sets, of which ONNX's own is then
    /// that of the whole file. Their names must not be those of this graph.
    pub(crate) fn splice(&mut self, network: GraphProto, functions: Vec<Function>, sets: Vec<OperatorSet>) {
        self.proto.node.extend(network.node);
        self.proto.initializer.extend(network.initializer);
        self.functions.extend(functions);
        self.foreign.extend(sets);
    }

    /// Declares a float32 input and returns its name.
    pub fn input(&mut self, name: &str, dims: &[Dim]) -> String {
        self.proto.input.push(value_info(name, dims));
        name.to_owned()
    }

    /// Declares the input of every detector, `image` `[N, C, H, W]` in 0..1, and returns its name.
    pub fn image(&mut self, (c, h, w): (usize, usize, usize)) -> String {
        self.input("image", &[Dim::Batch, Dim::Fixed(c), Dim::Fixed(h), Dim::Fixed(w)])
    }

    /// Adds a float32 tensor, row-major. A large tensor whose numbers are all exact in float16 is stored as
    /// float16, in half the space; engines widen it when they load the file.
    ///
    /// # Panics
    /// When the number of `values` is not the product of `dims`, which is a mistake of the caller.
    pub fn constant(&mut self, dims: &[usize], values: &[f32]) -> String {
        assert_eq!(dims.iter().product::<usize>(), values.len(), "a constant of shape {dims:?}");
        let halves = || values.iter().map(|x| f16::from_f32(*x));
        if values.len() >= LARGE && halves().zip(values).all(|(half, x)| half.to_f32() == *x) {
            let bytes = halves().flat_map(f16::to_le_bytes).collect();
            let narrow = self.initializer(DataType::Float16, dims, bytes);
            return self.cast(&narrow, DataType::Float);
        }
        let bytes = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        self.initializer(DataType::Float, dims, bytes)
    }

    /// Adds a list of int64, the form in which shapes and axes are given.
    pub fn integers(&mut self, values: &[i64]) -> String {
        let bytes = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        self.initializer(DataType::Int64, &[values.len()], bytes)
    }

    /// Adds a constant. Numbers that the graph already holds are not stored twice.
    fn initializer(&mut self, kind: DataType, dims: &[usize], raw_data: Vec<u8>) -> String {
        let (kind, raw_data) = (Some(kind as i32), Some(raw_data));
        let dims: Vec<i64> = dims.iter().map(|&dim| dim as i64).collect();
        let held = &mut self.proto.initializer;
        if let Some(same) = held.iter().find(|t| t.data_type == kind && t.dims == dims && t.raw_data == raw_data) {
            return same.name().to_owned();
        }
        let name = format!("constant_{}", held.len());
        held.push(Tensor { name: Some(name.clone()), dims, data_type: kind, raw_data, ..Tensor::default() });
        name
    }

    /// Adds a conversion to another type of numbers.
    pub(crate) fn cast(&mut self, value: &str, to: DataType) -> String {
        self.node("Cast", &[value], &[("to", Attribute::Int(to as i64))])
    }

    /// Adds a node with one output and returns the output's name.
    pub fn node(&mut self, op: &str, inputs: &[&str], attributes: &[(&str, Attribute)]) -> String {
        let name = format!("{}_{}", op.to_lowercase(), self.proto.node.len());
        self.push(op, inputs, attributes, name.clone());
        name
    }

    /// Adds a node of our own operator `op` with one input and one output. The file also holds the operator as a function,
    /// whose body `body` adds to a graph: it takes the name of the input and returns that of the output. Engines that do
    /// not know the operator compute its body.
    ///
    /// # Panics
    /// When the graph holds the operator with another body, which is a mistake of the caller.
    pub fn own_node(&mut self, op: &str, input: &str, body: impl FnOnce(&mut Self, &str) -> String) -> String {
        if self.operators == Operators::Onnx {
            return body(self, input);
        }
        let mut inner = Self::new(op).of(Operators::Onnx);
        let output = body(&mut inner, ARGUMENT);
        let constants = inner.proto.initializer.into_iter().map(constant_node);
        let function = Function {
            name: Some(op.to_owned()),
            domain: Some(OWN_OPERATORS.to_owned()),
            input: vec![ARGUMENT.to_owned()],
            output: vec![output],
            attribute: Vec::new(),
            node: constants.chain(inner.proto.node).collect(),
            opset_import: vec![OperatorSet { domain: Some(String::new()), version: Some(OPSET) }],
        };
        match self.functions.iter().find(|held| held.name == function.name) {
            Some(held) => assert!(*held == function, "{op} has two bodies in one graph"),
            None => self.functions.push(function),
        }
        let name = self.node(op, &[input], &[]);
        self.proto.node.last_mut().expect("it was just added").domain = Some(OWN_OPERATORS.to_owned());
        name
    }

    /// Adds `op(value, number)`, for an operator with two inputs such as `Mul`.
    pub fn with_number(&mut self, op: &str, value: &str, number: f32) -> String {
        let number = self.constant(&[1], &[number]);
        self.node(op, &[value, &number], &[])
    }

    /// Adds the mean over one axis, which is kept with length 1.
    pub fn mean_over(&mut self, value: &str, axis: usize) -> String {
        let axes = [axis as i64];
        self.node("ReduceMean", &[value], &[("axes", Attribute::Ints(&axes)), ("keepdims", Attribute::Int(1))])
    }

    /// Adds the averages of blocks of (height, width) pixels: [N, C, H, W] to [N, C, H / height, W / width].
    pub fn average_pool(&mut self, maps: &str, (height, width): (usize, usize)) -> String {
        let block = [height as i64, width as i64];
        let sides = [("kernel_shape", Attribute::Ints(&block)), ("strides", Attribute::Ints(&block))];
        self.node("AveragePool", &[maps], &sides)
    }

    /// Joins values along axis 1, the first after the batch.
    pub fn concat(&mut self, values: &[impl AsRef<str>]) -> String {
        let values: Vec<&str> = values.iter().map(AsRef::as_ref).collect();
        self.node("Concat", &values, &[("axis", Attribute::Int(1))])
    }

    /// Declares `value` as the graph's float32 output `name`.
    pub fn output(&mut self, value: &str, name: &str, dims: &[Dim]) {
        // An Identity node gives the output its name, whatever made the value; engines remove it.
        self.push("Identity", &[value], &[], name.to_owned());
        self.proto.output.push(value_info(name, dims));
    }

    fn push(&mut self, op: &str, inputs: &[&str], attributes: &[(&str, Attribute)], output: String) {
        self.proto.node.push(Node {
            name: Some(output.clone()),
            op_type: Some(op.to_owned()),
            input: inputs.iter().map(|&input| input.to_owned()).collect(),
            output: vec![output],
            attribute: attributes.iter().map(|&(name, value)| attribute(name, value)).collect(),
            domain: None,
        });
    }

    /// The bytes of the finished file, with `metadata` as its key-value pairs.
    #[must_use]
    pub fn finish(self, metadata: &[(String, String)]) -> Vec<u8> {
        let entry = |(key, value): &(String, String)| Entry { key: Some(key.clone()), value: Some(value.clone()) };
        let set = |domain: &str, version| OperatorSet { domain: Some(domain.to_owned()), version: Some(version) };
        let is_own = |function: &Function| function.domain.as_deref() == Some(OWN_OPERATORS);
        let own = self.functions.iter().any(is_own).then(|| set(OWN_OPERATORS, OWN_OPSET));
        let standard = self.foreign.is_empty().then(|| set("", OPSET));
        let model = Model {
            ir_version: Some(IR_VERSION),
            opset_import: standard.into_iter().chain(self.foreign).chain(own).collect(),
            functions: self.functions,
            producer_name: Some("counterfoil".to_owned()),
            producer_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            graph: Some(self.proto),
            metadata_props: metadata.iter().map(entry).collect(),
        };
        model.encode_to_vec()
    }
}

/// A tensor as a node, the form of constants in a function.
fn constant_node(mut tensor: Tensor) -> Node {
    let name = tensor.name.take();
    let output = name.iter().cloned().collect();
    let kind = Some(AttributeType::Tensor as i32);
    let value = AttributeProto { name: Some("value".to_owned()), t: Some(tensor), kind, ..AttributeProto::default() };
    Node { name, op_type: Some("Constant".to_owned()), output, attribute: vec![value], ..Node::default() }
}

fn attribute(name: &str, value: Attribute) -> AttributeProto {
    let plain = AttributeProto { name: Some(name.to_owned()), ..AttributeProto::default() };
    let (kind, filled) = match value {
        Attribute::Int(i) => (AttributeType::Int, AttributeProto { i: Some(i), ..plain }),
        Attribute::Ints(ints) => (AttributeType::Ints, AttributeProto { ints: ints.to_vec(), ..plain }),
        Attribute::Float(f) => (AttributeType::Float, AttributeProto { f: Some(f), ..plain }),
        Attribute::Text(text) => (AttributeType::String, AttributeProto { s: Some(text.as_bytes().to_vec()), ..plain }),
    };
    AttributeProto { kind: Some(kind as i32), ..filled }
}

fn value_info(name: &str, dims: &[Dim]) -> ValueInfo {
    let dim = |dim: &Dim| match *dim {
        Dim::Batch => Dimension { dim_param: Some("N".to_owned()), dim_value: None },
        Dim::Fixed(length) => Dimension { dim_value: Some(length as i64), dim_param: None },
    };
    let shape = Some(Shape { dim: dims.iter().map(dim).collect() });
    let tensor = Some(TensorType { elem_type: Some(DataType::Float as i32), shape });
    ValueInfo { name: Some(name.to_owned()), kind: Some(Type { tensor }) }
}

/// Numbers rounded to float16 precision, of which [`Graph::constant`] stores many in half the space.
#[must_use]
pub fn narrowed(numbers: Vec<f32>) -> Vec<f32> {
    numbers.into_iter().map(|x| f16::from_f32(x).to_f32()).collect()
}
