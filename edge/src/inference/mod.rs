//! ONNX bytes enter, numbers leave: the one place where a network is run.
//!
//! [`Graph`] runs any graph of one float32 input; [`Engine`] is a discriminator of the bundle's contract on top of it
//! (`image` in, `score`, `logit` and `embedding` out). A [`Backend`] does the arithmetic; [`tract`] is the one there
//! is. Bytes are checked before a backend sees them ([`check`]), because a model file is something a stranger can
//! hand in. The batch is fixed at load, so that every shape is planned ahead and a picture's score cannot depend on
//! the pictures it came with.

mod check;
pub mod tract;

use std::fmt::Debug;

pub use check::OPSETS;
use counterfoil_models::limits;
pub use tract::Tract;
use tract_onnx::pb;

/// Why a model was not loaded or not run. The caller adds which file it was.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The file is larger than any detector this box could hold.
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
    /// A tensor points to another file. It is refused unread, wherever it points.
    #[error(
        "tensor `{tensor}` has its data outside the bundle, at `{location}`; save the model as one file with the weights inside"
    )]
    ExternalData {
        /// The tensor's name.
        tensor: String,
        /// The path it names, never opened.
        location: String,
    },
    /// The operator set is outside what the backend is tested with.
    #[error("the model uses ONNX opset {found}, expected {low} to {high}; export it again with opset 17", low = OPSETS.start(), high = OPSETS.end())]
    Opset {
        /// The opset named by the model, 0 if it names none.
        found: i64,
    },
    /// The model's input is not what the caller will feed.
    #[error(
        "the model's input is {found}, expected {expected}; export it again, or correct the manifest's input size and colour"
    )]
    Input {
        /// Name, type and shape as the model declares them.
        found: String,
        /// Name, type and shape as the caller wants them.
        expected: String,
    },
    /// The model lacks an output of the contract, or has it in another type or shape.
    #[error(
        "the model's outputs are {found}, expected {expected}; give a bundle that `counterfoil export` made, since networks of other tools are not taken"
    )]
    Output {
        /// The outputs as the model has them.
        found: String,
        /// The output that was wanted.
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
    /// The backend does not run this graph.
    #[error(
        "{backend} cannot run this model: {reason}; see its list of ONNX operators, or export the network with plainer layers"
    )]
    Unsupported {
        /// The backend's name.
        backend: &'static str,
        /// The backend's own account.
        reason: String,
    },
    /// The caller's slice does not fill the input.
    #[error("{found} numbers were fed, the input {shape:?} takes {expected}")]
    InputLength {
        /// How many numbers came.
        found: usize,
        /// How many the input takes.
        expected: usize,
        /// The input's shape.
        shape: Vec<usize>,
    },
    /// The graph failed while running.
    #[error("the model failed while running: {reason}; run `counterfoil-edge selftest` on the bundle")]
    Run {
        /// The backend's own account.
        reason: String,
    },
}

/// One named result of a graph.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedOutput {
    /// The output's name in the graph.
    pub name: String,
    /// Its shape, batch first.
    pub shape: Vec<usize>,
    /// Its numbers, row-major.
    pub values: Vec<f32>,
}

/// An inference engine: plans a checked model for one input shape.
pub trait Backend {
    /// Its name, such as `tract`, as manifests and messages give it.
    fn name(&self) -> &'static str;

    /// Plans `model` for an input of `input_shape` (batch first) and the outputs of the names `outputs`, in that order.
    ///
    /// # Errors
    /// [`EngineError::Unsupported`], or [`EngineError::Output`] for an output that is not float32 of a known shape.
    fn load(
        &self,
        model: pb::ModelProto,
        input_shape: &[usize],
        outputs: &[String],
    ) -> Result<Box<dyn Runnable>, EngineError>;
}

/// A planned model. Shared by threads; each run uses the calling thread only.
pub trait Runnable: Debug + Send + Sync {
    /// The shape of each output, batch first.
    fn output_shapes(&self) -> &[Vec<usize>];

    /// Runs the model on row-major `input`, which fills the input's shape, and gives each output row-major.
    ///
    /// # Errors
    /// [`EngineError::Run`].
    fn run(&self, input: &[f32]) -> Result<Vec<Vec<f32>>, EngineError>;
}

/// A graph of one float32 input at one fixed shape, ready to run. Shared by threads; each run uses the calling thread only.
#[derive(Debug)]
pub struct Graph {
    runnable: Box<dyn Runnable>,
    input_shape: Vec<usize>,
    /// The outputs' names, in the graph's order.
    names: Vec<String>,
}

impl Graph {
    /// Checks `onnx`, fixes its input to `input_shape` (batch first) and plans it with [`Tract`].
    ///
    /// # Errors
    /// Anything but [`EngineError::InputLength`] and [`EngineError::Run`].
    pub fn load(onnx: &[u8], input_shape: &[usize]) -> Result<Self, EngineError> {
        let proto = check::read(onnx)?;
        let names = check::output_names(&proto)?;
        Self::from_proto(&Tract, proto, input_shape, None, names)
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

    /// Name and shape of each output, in the graph's order.
    pub fn outputs(&self) -> impl Iterator<Item = (&str, &[usize])> {
        let shapes = self.runnable.output_shapes().iter().map(Vec::as_slice);
        self.names.iter().map(String::as_str).zip(shapes)
    }

    /// Runs the graph on row-major `input`, which fills the shape given at load.
    ///
    /// # Errors
    /// [`EngineError::InputLength`] or [`EngineError::Run`].
    pub fn run(&self, input: &[f32]) -> Result<Vec<NamedOutput>, EngineError> {
        let values = self.run_in_order(input)?;
        let named = self.outputs().zip(values);
        Ok(named
            .map(|((name, shape), values)| NamedOutput { name: name.to_owned(), shape: shape.to_vec(), values })
            .collect())
    }

    /// The outputs' numbers in the graph's order.
    fn run_in_order(&self, input: &[f32]) -> Result<Vec<Vec<f32>>, EngineError> {
        let expected = self.input_shape.iter().product::<usize>();
        if input.len() != expected {
            return Err(EngineError::InputLength { found: input.len(), expected, shape: self.input_shape.clone() });
        }
        self.runnable.run(input)
    }
}

/// What a discriminator says about each row of a batch of `rows`.
#[derive(Debug, Clone, PartialEq)]
pub struct Outputs {
    /// The number that is calibrated and judged, higher is more genuine: `[rows]`.
    pub score: Vec<f32>,
    /// The discriminator's raw output: `[rows]`.
    pub logit: Vec<f32>,
    /// Where each row lies in the discriminator's own space: `[rows * E]`, row-major.
    pub embedding: Vec<f32>,
}

/// A discriminator of the bundle's contract, ready to score the regions of one picture at a time. Shared by threads.
#[derive(Debug)]
pub struct Engine {
    /// Of the outputs `score`, `logit` and `embedding`, in that order.
    graph: Graph,
}

impl Engine {
    /// Loads a discriminator that takes `image`, float32 `[rows, channels, height, width]` in 0..1, with [`Tract`].
    /// `rows` is the number of regions in a picture.
    ///
    /// # Errors
    /// Anything but [`EngineError::InputLength`] and [`EngineError::Run`].
    pub fn load(onnx: &[u8], rows: usize, channels: usize, height: usize, width: usize) -> Result<Self, EngineError> {
        Self::load_with(&Tract, onnx, [rows, channels, height, width])
    }

    /// Loads a discriminator that takes `image`, float32 of `shape` in 0..1, with a backend of the caller's.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_with(backend: &dyn Backend, onnx: &[u8], shape: [usize; 4]) -> Result<Self, EngineError> {
        let proto = check::read(onnx)?;
        let names = check::output_names(&proto)?;
        let contract = [("score", "[N, 1]"), ("logit", "[N, 1]"), ("embedding", "[N, E]")];
        if let Some((name, shape)) = contract.iter().find(|(name, _)| !names.iter().any(|found| found == name)) {
            let expected = format!("`{name}` of shape {shape}");
            return Err(EngineError::Output { found: names.join(", "), expected });
        }
        // An output outside the contract is not computed.
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

    /// E, the length of one row's embedding.
    #[must_use]
    pub fn embedding_len(&self) -> usize {
        self.graph.runnable.output_shapes()[2][1]
    }

    /// Scores one picture: `input` is `[rows, C, H, W]` in 0..1, row-major.
    ///
    /// # Errors
    /// [`EngineError::InputLength`] or [`EngineError::Run`].
    pub fn run(&self, input: &[f32]) -> Result<Outputs, EngineError> {
        let values: [Vec<f32>; 3] =
            self.graph.run_in_order(input)?.try_into().expect("three outputs were asked for at load");
        let [score, logit, embedding] = values;
        Ok(Outputs { score, logit, embedding })
    }
}

#[cfg(test)]
mod tests;
