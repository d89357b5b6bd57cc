//! Inference: checks ONNX bytes and runs the network. This is the one place where a network is run.
//!
//! [`Graph`] runs any graph with one float32 input. [`Engine`] is built on it and runs a discriminator of the
//! bundle contract: `image` in; `score`, `logit` and `embedding` out. A [`Backend`] does the arithmetic; [`tract`]
//! is the only one. A model file may come from a stranger. So its bytes are checked before a backend reads them (modules
//! `extent` and `check`), and what it costs is known before it is planned (module `cost`). The batch size is fixed at
//! load, so that every shape is planned in advance and the score of a picture does not depend on other pictures.

mod check;
mod cost;
mod extent;
mod functions;
pub mod tract;

use std::fmt::Debug;
use std::time::Duration;

pub use check::OPSETS;
use counterfoil_models::limits;
pub use tract::{OWN_OPERATORS, Tract};
use tract_onnx::pb;

/// Why a model cannot be loaded or run. The caller adds the name of the file.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The file is larger than the largest network that is accepted.
    #[error("the model has {bytes} bytes, at most {max} were expected; export a narrower network", max = limits::NETWORK)]
    TooLarge {
        /// Size of the model in bytes.
        bytes: usize,
    },
    /// The bytes do not decode as an ONNX model, or decode to something that contradicts itself.
    #[error("not a readable ONNX model: {reason}; export the bundle again or copy it again")]
    NotOnnx {
        /// What was wrong with the bytes.
        reason: String,
    },
    /// A tensor refers to data in another file. The model is rejected without reading that file.
    #[error(
        "tensor `{tensor}` has its data outside the bundle, at `{location}`; save the model as one file with the weights inside"
    )]
    ExternalData {
        /// The tensor's name.
        tensor: String,
        /// The path it names, never opened.
        location: String,
    },
    /// The operator set is outside the range with which the backend is tested.
    #[error("the model uses ONNX opset {found}, expected {low} to {high}; export it again with opset 17", low = OPSETS.start(), high = OPSETS.end())]
    Opset {
        /// The opset named by the model, 0 if it names none.
        found: i64,
    },
    /// The input of the model does not fit what the caller feeds.
    #[error(
        "the model's input is {found}, expected {expected}; export it again, or correct the manifest's input size and colour"
    )]
    Input {
        /// Name, type and shape of the input, as declared by the model.
        found: String,
        /// Name, type and shape of the input, as expected by the caller.
        expected: String,
    },
    /// The model lacks an output of the contract, or declares it with another type or shape.
    #[error(
        "the model's outputs are {found}, expected {expected}; give a bundle that `counterfoil export` made, since networks of other tools are not taken"
    )]
    Output {
        /// The outputs that the model has.
        found: String,
        /// The output that the contract requires.
        expected: String,
    },
    /// A weight is NaN or infinite: training diverged, or the file was damaged.
    #[error(
        "tensor `{tensor}` holds NaN or infinity; the training diverged or the file is damaged: export an earlier checkpoint"
    )]
    NotFinite {
        /// The tensor's name.
        tensor: String,
    },
    /// The network has more of something than a network may have.
    #[error("the model has {found} {what}, at most {limit} are accepted; export a smaller network")]
    Costly {
        /// What is counted.
        what: &'static str,
        /// Its number in the model, or in the part of it that was counted.
        found: u64,
        /// The largest number that is accepted.
        limit: u64,
    },
    /// The cost of an operator does not follow from the shapes of its inputs.
    #[error(
        "the model's node `{node}` has the operator {operator}, whose cost is not known before it runs; export the network with plainer layers"
    )]
    Operator {
        /// The operator's name.
        operator: String,
        /// The node's name, which may be empty.
        node: String,
    },
    /// The backend cannot run this graph.
    #[error(
        "{backend} cannot run this model: {reason}; see its list of ONNX operators, or export the network with plainer layers"
    )]
    Unsupported {
        /// The name of the backend.
        backend: &'static str,
        /// The error message of the backend.
        reason: String,
    },
    /// The length of the caller's slice does not fit the input.
    #[error("{found} numbers were fed, the input {shape:?} takes {expected}")]
    InputLength {
        /// Number of values that were given.
        found: usize,
        /// Number of values that the input takes.
        expected: usize,
        /// Shape of the input.
        shape: Vec<usize>,
    },
    /// The graph failed while running.
    #[error("the model failed while running: {reason}; run `counterfoil-edge selftest` on the bundle")]
    Run {
        /// The error message of the backend.
        reason: String,
    },
}

/// One named output of a graph.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedOutput {
    /// The output's name in the graph.
    pub name: String,
    /// Its shape, batch dimension first.
    pub shape: Vec<usize>,
    /// Its values, row-major.
    pub values: Vec<f32>,
}

/// An inference backend: plans a checked model for one input shape.
pub trait Backend {
    /// Name of the backend, such as `tract`, for manifests and messages.
    fn name(&self) -> &'static str;

    /// Whether it computes this node by itself, though the model defines the node's operator as a function.
    fn knows(&self, node: &pb::NodeProto) -> bool;

    /// Plans `model` for an input of `input_shape` (batch dimension first) and for the outputs named in
    /// `outputs`, in that order.
    ///
    /// # Errors
    /// [`EngineError::Unsupported`] when the graph cannot be planned, or [`EngineError::Output`] for an output
    /// that is not float32 or has no fixed shape.
    fn load(
        &self,
        model: pb::ModelProto,
        input_shape: &[usize],
        outputs: &[String],
    ) -> Result<Box<dyn Runnable>, EngineError>;
}

/// A planned model. Can be shared by threads; each run uses only the calling thread.
pub trait Runnable: Debug + Send + Sync {
    /// The shape of each output, batch dimension first.
    fn output_shapes(&self) -> &[Vec<usize>];

    /// Runs the model on row-major `input`, whose length must fit the input shape. Returns each output row-major.
    ///
    /// # Errors
    /// [`EngineError::Run`] when the model fails.
    fn run(&self, input: &[f32]) -> Result<Vec<Vec<f32>>, EngineError>;

    /// Runs the model and measures each node of the plan, in the order of the run.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    fn time_nodes(&self, input: &[f32]) -> Result<Vec<NodeTime>, EngineError>;
}

/// How long one node of a plan took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeTime {
    /// The operator, in the backend's words.
    pub operator: String,
    /// The node's name in the plan.
    pub node: String,
    /// The time of one run.
    pub took: Duration,
}

/// A graph with one float32 input of a fixed shape, ready to run. Can be shared by threads; each run
/// uses only the calling thread.
#[derive(Debug)]
pub struct Graph {
    runnable: Box<dyn Runnable>,
    input_shape: Vec<usize>,
    /// The names of the outputs, in the order of the graph.
    names: Vec<String>,
}

impl Graph {
    /// Checks `onnx`, fixes its input to `input_shape` (batch dimension first) and plans it with [`Tract`].
    ///
    /// # Errors
    /// Any [`EngineError`] except [`EngineError::InputLength`] and [`EngineError::Run`].
    pub fn load(onnx: &[u8], input_shape: &[usize]) -> Result<Self, EngineError> {
        let tract = Tract::default();
        let proto = check::read(onnx, &tract)?;
        let names = check::output_names(&proto)?;
        Self::from_proto(&tract, proto, input_shape, None, names)
    }

    fn from_proto(
        backend: &dyn Backend,
        proto: pb::ModelProto,
        input_shape: &[usize],
        input_name: Option<&str>,
        names: Vec<String>,
    ) -> Result<Self, EngineError> {
        check::input(&proto, input_shape, input_name)?;
        let runnable = backend.load(proto, input_shape, &names)?;
        Ok(Self { runnable, input_shape: input_shape.to_vec(), names })
    }

    /// The name and shape of each output, in the order of the graph.
    pub fn outputs(&self) -> impl Iterator<Item = (&str, &[usize])> {
        let shapes = self.runnable.output_shapes().iter().map(Vec::as_slice);
        self.names.iter().map(String::as_str).zip(shapes)
    }

    /// Runs the graph on row-major `input`, whose length must fit the shape given at load.
    ///
    /// # Errors
    /// [`EngineError::InputLength`] for another length, or [`EngineError::Run`] when the model fails.
    pub fn run(&self, input: &[f32]) -> Result<Vec<NamedOutput>, EngineError> {
        let values = self.run_in_order(input)?;
        let named = self.outputs().zip(values);
        Ok(named
            .map(|((name, shape), values)| NamedOutput { name: name.to_owned(), shape: shape.to_vec(), values })
            .collect())
    }

    /// Runs the graph and returns the values of the outputs in the order of the graph.
    fn run_in_order(&self, input: &[f32]) -> Result<Vec<Vec<f32>>, EngineError> {
        self.checked(input)?.runnable.run(input)
    }

    /// Checks the length of an input.
    fn checked(&self, input: &[f32]) -> Result<&Self, EngineError> {
        let expected = self.input_shape.iter().product::<usize>();
        if input.len() != expected {
            return Err(EngineError::InputLength { found: input.len(), expected, shape: self.input_shape.clone() });
        }
        Ok(self)
    }
}

/// The outputs of a discriminator for a batch of `rows` rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Outputs {
    /// The score that is calibrated and judged, `[rows]`; higher means more genuine.
    pub score: Vec<f32>,
    /// The raw output of the discriminator, `[rows]`.
    pub logit: Vec<f32>,
    /// The embedding of each row in the feature space of the discriminator, `[rows * E]`, row-major.
    pub embedding: Vec<f32>,
}

/// A discriminator of the bundle contract, ready to score the regions of one picture at a time. Can be
/// shared by threads.
#[derive(Debug)]
pub struct Engine {
    /// Its outputs are `score`, `logit` and `embedding`, in that order.
    graph: Graph,
}

impl Engine {
    /// Loads a discriminator with [`Tract`]. Its input `image` is float32 `[rows, channels, height, width]` in 0..1,
    /// and `rows` is the number of regions of a picture.
    ///
    /// # Errors
    /// Any [`EngineError`] except [`EngineError::InputLength`] and [`EngineError::Run`].
    pub fn load(onnx: &[u8], rows: usize, channels: usize, height: usize, width: usize) -> Result<Self, EngineError> {
        Self::load_with(&Tract::default(), onnx, [rows, channels, height, width])
    }

    /// Loads a discriminator with the given backend. Its input `image` is float32 of the shape `[R, C, H, W]`, in
    /// 0..1.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_with(backend: &dyn Backend, onnx: &[u8], shape: [usize; 4]) -> Result<Self, EngineError> {
        let proto = check::read(onnx, backend)?;
        let names = check::output_names(&proto)?;
        let contract = [("score", "[N, 1]"), ("logit", "[N, 1]"), ("embedding", "[N, E]")];
        if let Some((name, shape)) = contract.iter().find(|(name, _)| !names.iter().any(|found| found == name)) {
            let expected = format!("`{name}` of shape {shape}");
            return Err(EngineError::Output { found: names.join(", "), expected });
        }
        // Outputs outside the contract are not computed.
        let names = contract.map(|(name, _)| name.to_owned()).to_vec();
        let graph = Graph::from_proto(backend, proto, &shape, Some("image"), names)?;
        let rows = shape[0];
        for ((name, shape), columns) in graph.outputs().zip([Some(1), Some(1), None]) {
            let fits = matches!(*shape, [n, e] if n == rows && e > 0 && columns.is_none_or(|wanted| wanted == e));
            if !fits {
                let expected = columns.map_or_else(|| format!("[{rows}, E]"), |columns| format!("[{rows}, {columns}]"));
                return Err(EngineError::Output {
                    found: format!("`{name}` of shape {shape:?}"),
                    expected: format!("`{name}` of shape {expected}"),
                });
            }
        }
        Ok(Self { graph })
    }

    /// The length E of one row's embedding.
    #[must_use]
    pub fn embedding_len(&self) -> usize {
        self.graph.runnable.output_shapes()[2][1]
    }

    /// Scores one picture. `input` is row-major `[rows, C, H, W]` in 0..1.
    ///
    /// # Errors
    /// [`EngineError::InputLength`] for another length, or [`EngineError::Run`] when the model fails.
    pub fn run(&self, input: &[f32]) -> Result<Outputs, EngineError> {
        let values: [Vec<f32>; 3] =
            self.graph.run_in_order(input)?.try_into().expect("three outputs were asked for at load");
        let [score, logit, embedding] = values;
        Ok(Outputs { score, logit, embedding })
    }

    /// Scores one picture as [`run`](Self::run) does, and measures each node of the plan.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn time_nodes(&self, input: &[f32]) -> Result<Vec<NodeTime>, EngineError> {
        self.graph.checked(input)?.runnable.time_nodes(input)
    }
}

#[cfg(test)]
mod tests;
