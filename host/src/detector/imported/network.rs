//! A network of another program: its file, its inputs and outputs, and its nodes as a part of another graph.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use counterfoil_edge::inference::OPSETS;
use counterfoil_models::limits;
use half::f16;
use prost::Message;

use super::external;
use crate::onnx::Graph;
use crate::onnx::proto::{DataType, Function, GraphProto, Model, OperatorSet, Tensor, TensorType, ValueInfo};

/// The newest operator set that is read.
const NEWEST: i64 = 22;
/// Operators that came, or got another meaning, after the newest operator set of the box. All others are the same there.
const NEW: [&str; 10] = [
    "AffineGrid",
    "DFT",
    "GridSample",
    "Gelu",
    "ImageDecoder",
    "RegexFullMatch",
    "StringConcat",
    "StringSplit",
    "DeformConv",
    "Attention",
];
/// Outputs that judge, in order of preference, where a network has several.
const JUDGING: [&str; 5] = ["pred_score", "anomaly_score", "score", "logits", "anomaly_map"];
/// What keeps the names of a network apart from those around it.
const PREFIX: &str = "model/";

/// An input or output: its name, type and lengths (`None` for any).
#[derive(Clone, Debug)]
pub(super) struct Input {
    pub(super) name: String,
    pub(super) kind: DataType,
    pub(super) dims: Vec<Option<i64>>,
}

pub(super) struct Network {
    /// The file's name, for messages.
    name: String,
    graph: GraphProto,
    functions: Vec<Function>,
    sets: Vec<OperatorSet>,
}

impl Network {
    /// Reads an ONNX file, with weights that lie beside it.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let length = fs::metadata(path).with_context(|| format!("cannot read {name}"))?.len();
        ensure!(
            length <= limits::NETWORK as u64,
            "{name} has {length} bytes, at most {} are accepted",
            limits::NETWORK
        );
        let bytes = fs::read(path).with_context(|| format!("cannot read {name}"))?;
        let not_onnx = || format!("{name} is no ONNX file; export the network as ONNX");
        let Model { graph, mut opset_import, functions, .. } = Model::decode(&*bytes).with_context(not_onnx)?;
        let mut graph = graph.filter(|graph| !graph.node.is_empty()).with_context(not_onnx)?;
        external::embed(&mut graph, path.parent().unwrap_or(Path::new(".")))
            .with_context(|| format!("{name} was not imported"))?;
        if let Some(node) = graph.node.iter().find(|node| node.attribute.iter().any(|held| held.g.is_some())) {
            bail!(
                "{name}: its node `{}` ({}) holds a network of its own, which a box does not run",
                node.name(),
                node.op_type()
            );
        }
        widen(&mut graph);
        lower(&mut opset_import, &graph).with_context(|| format!("{name} was not imported"))?;
        Ok(Self { name, graph, functions, sets: opset_import })
    }

    /// The input that takes the picture.
    pub(super) fn input(&self, told: Option<&str>) -> Result<Input> {
        let weights: HashSet<&str> = self.graph.initializer.iter().map(Tensor::name).collect();
        let inputs: Vec<&ValueInfo> = self.graph.input.iter().filter(|input| !weights.contains(input.name())).collect();
        let names = || inputs.iter().map(|input| format!("`{}`", input.name())).collect::<Vec<_>>().join(", ");
        let chosen = match (told, &inputs[..]) {
            (None, [one]) => one,
            (None, _) => bail!("{}: it has the inputs {}; a box has one picture to give", self.name, names()),
            (Some(told), _) => {
                let found = inputs.iter().find(|input| input.name() == told);
                found.with_context(|| format!("--input {told}: {} has the inputs {}", self.name, names()))?
            }
        };
        ensure!(inputs.len() == 1, "{}: it has the inputs {}; a box has one picture to give", self.name, names());
        let input = described(chosen);
        let is_known = matches!(input.kind, DataType::Float | DataType::Uint8);
        ensure!(is_known, "{}: its input `{}` takes neither floats nor bytes", self.name, input.name);
        Ok(input)
    }

    /// The output that judges, and its column if one was told as `NAME:COLUMN`.
    pub(super) fn output(&self, told: Option<&str>) -> Result<(Input, Option<usize>)> {
        let outputs = &self.graph.output;
        let named = |name: &str| outputs.iter().find(|output| output.name() == name);
        let Some(told) = told else {
            let chosen = match &outputs[..] {
                [one] => Some(one),
                _ => JUDGING.iter().find_map(|name| named(name)),
            };
            let chosen = chosen.with_context(|| {
                format!("{}: it has the outputs {}; say with --score which one judges", self.name, self.output_names())
            })?;
            return Ok((described(chosen), None));
        };
        // A name may hold a colon itself.
        let split = || {
            let (name, column) = told.rsplit_once(':')?;
            Some((named(name)?, Some(column.parse().ok()?)))
        };
        let chosen = named(told).map(|output| (output, None)).or_else(split);
        let (output, column) =
            chosen.with_context(|| format!("--score {told}: {} has the outputs {}", self.name, self.output_names()))?;
        Ok((described(output), column))
    }

    /// The names of the outputs, for messages.
    pub(super) fn output_names(&self) -> String {
        self.graph.output.iter().map(|output| format!("`{}`", output.name())).collect::<Vec<_>>().join(", ")
    }

    /// The value of which `output` is made by a softmax or a sigmoid.
    pub(super) fn before_probability(&self, output: &str) -> Option<&str> {
        let node = self.graph.node.iter().find(|node| node.output.iter().any(|made| made == output))?;
        match node.op_type() {
            "Identity" => self.before_probability(node.input.first()?),
            "Softmax" | "LogSoftmax" | "Sigmoid" => node.input.first().map(String::as_str),
            _ => None,
        }
    }

    /// Adds the network to a graph, with the value `taken` as its input. Its other values have the names of [`inner`].
    pub(super) fn append(&self, graph: &mut Graph, input: &str, taken: &str) {
        let rename = |name: &String| match name.as_str() {
            "" => String::new(),
            name if name == input => taken.to_owned(),
            name => inner(name),
        };
        let mut network = GraphProto { node: self.graph.node.clone(), ..GraphProto::default() };
        for node in &mut network.node {
            node.input = node.input.iter().map(rename).collect();
            node.output = node.output.iter().map(rename).collect();
            node.name = node.name.as_deref().map(inner);
        }
        network.initializer.clone_from(&self.graph.initializer);
        for tensor in &mut network.initializer {
            tensor.name = tensor.name.as_ref().map(rename);
        }
        graph.splice(network, self.functions.clone(), self.sets.clone());
    }
}

/// The name of a network's value in the graph that it is a part of.
pub(super) fn inner(name: &str) -> String {
    format!("{PREFIX}{name}")
}

/// Makes float32 of float16 throughout. Engines round halves differently, and a box has no faster arithmetic for them.
fn widen(graph: &mut GraphProto) {
    let (half, float) = (Some(DataType::Float16 as i32), Some(DataType::Float as i32));
    let values = graph.input.iter_mut().chain(&mut graph.output).filter_map(|value| value.kind.as_mut());
    for tensor in values.filter_map(|kind| kind.tensor.as_mut()).filter(|tensor| tensor.elem_type == half) {
        tensor.elem_type = float;
    }
    let attributes = graph.node.iter_mut().flat_map(|node| &mut node.attribute);
    for held in attributes.filter(|held| held.name() == "to" && held.i == Some(DataType::Float16 as i64)) {
        held.i = Some(DataType::Float as i64);
    }
    let constants = graph.node.iter_mut().flat_map(|node| &mut node.attribute).filter_map(|held| held.t.as_mut());
    for tensor in graph.initializer.iter_mut().chain(constants).filter(|tensor| tensor.data_type == half) {
        let halves: Vec<f16> = match &tensor.raw_data {
            Some(raw) => raw.as_chunks().0.iter().map(|&bytes| f16::from_le_bytes(bytes)).collect(),
            None => tensor.int32_data.drain(..).map(|bits| f16::from_bits(bits as u16)).collect(),
        };
        tensor.data_type = float;
        tensor.raw_data = Some(halves.iter().flat_map(|half| half.to_f32().to_le_bytes()).collect());
    }
}

/// Lowers ONNX's operator set to the newest one of the box, if the graph's operators are the same there.
fn lower(sets: &mut [OperatorSet], graph: &GraphProto) -> Result<()> {
    let is_standard = |set: &&mut OperatorSet| matches!(set.domain(), "" | "ai.onnx");
    let Some(set) = sets.iter_mut().find(is_standard) else { bail!("it names no operator set; export it again") };
    let found = set.version();
    ensure!(
        (*OPSETS.start()..=NEWEST).contains(&found),
        "it uses ONNX's operator set {found}, expected {} to {NEWEST}; export it again with opset 17",
        OPSETS.start()
    );
    if found > *OPSETS.end() {
        if let Some(node) = graph.node.iter().find(|node| NEW.contains(&node.op_type())) {
            bail!(
                "its node `{}` has the operator {} of ONNX's operator set {found}, which a box does not have; export it with opset 17",
                node.name(),
                node.op_type()
            );
        }
        set.version = Some(*OPSETS.end());
    }
    Ok(())
}

fn described(value: &ValueInfo) -> Input {
    let tensor = value.kind.as_ref().and_then(|kind| kind.tensor.as_ref());
    let dims = tensor.and_then(|tensor| tensor.shape.as_ref()).map_or(&[][..], |shape| &shape.dim);
    let kind = tensor.map_or(DataType::Float, TensorType::elem_type);
    Input { name: value.name().to_owned(), kind, dims: dims.iter().map(|dim| dim.dim_value).collect() }
}
