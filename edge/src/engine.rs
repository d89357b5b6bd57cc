//! ONNX bytes enter, numbers leave: the one place where the box runs a network, with tract and nothing else.
//!
//! [`Graph`] runs any graph of one float32 input; [`Engine`] is a discriminator of the bundle's contract on top of it
//! (`image` in, `score`, `logit` and `embedding` out). Bytes are checked before tract sees them ([`check`]), because a
//! model file is something a stranger can hand in. The batch is fixed at load: tract then plans every shape ahead, and
//! a picture's score cannot depend on how many neighbours it came with.

mod check;
mod guard;
mod halves;

use std::sync::Arc;

use tract_onnx::pb;
use tract_onnx::prelude::*;

pub use check::OPSETS;
use guard::guarded;

/// Largest model read, in bytes. The box has 256 MB of memory, and tract holds the weights twice while it packs them.
pub const MAX_BYTES: usize = 64 << 20;

/// Why a model was not loaded or not run. The caller adds which file it was.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The file is larger than any detector this box could hold.
    #[error("the model has {bytes} bytes, at most {max} were expected; export a narrower network", max = MAX_BYTES)]
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
    /// The operator set is outside what tract is tested with.
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
    /// tract does not run this graph.
    #[error(
        "tract cannot run this model: {reason}; see its list of ONNX operators, or export the network with plainer layers"
    )]
    Unsupported {
        /// tract's own account.
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
        /// tract's own account.
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

/// A graph of one float32 input at one fixed shape, ready to run. Shared by threads; each run uses the calling thread only.
#[derive(Debug)]
pub struct Graph {
    plan: Arc<TypedRunnableModel>,
    input_shape: Vec<usize>,
    /// Name and shape of each output, in the graph's order.
    outputs: Vec<(String, Vec<usize>)>,
}

impl Graph {
    /// Checks `onnx`, fixes its input to `input_shape` (batch first) and optimises it.
    ///
    /// # Errors
    /// Anything but [`EngineError::InputLength`] and [`EngineError::Run`].
    pub fn load(onnx: &[u8], input_shape: &[usize]) -> Result<Self, EngineError> {
        let proto = check::read(onnx)?;
        let names = check::output_names(&proto)?;
        Self::from_proto(&proto, input_shape, None, names)
    }

    fn from_proto(
        proto: &pb::ModelProto,
        input_shape: &[usize],
        input_name: Option<&str>,
        names: Vec<String>,
    ) -> Result<Self, EngineError> {
        check::input(proto, input_shape, input_name)?;
        let plan = plan(proto, input_shape, &names)?;
        let outputs = names.into_iter().enumerate().map(|(slot, name)| Ok((name, output_shape(&plan, slot)?)));
        Ok(Self { outputs: outputs.collect::<Result<_, _>>()?, plan, input_shape: input_shape.to_vec() })
    }

    /// Name and shape of each output, in the graph's order.
    #[must_use]
    pub fn outputs(&self) -> &[(String, Vec<usize>)] {
        &self.outputs
    }

    /// Runs the graph on row-major `input`, which fills the shape given at load.
    ///
    /// # Errors
    /// [`EngineError::InputLength`] or [`EngineError::Run`].
    pub fn run(&self, input: &[f32]) -> Result<Vec<NamedOutput>, EngineError> {
        let values = self.run_in_order(input)?;
        let named = self.outputs.iter().zip(values);
        Ok(named
            .map(|((name, shape), values)| NamedOutput { name: name.clone(), shape: shape.clone(), values })
            .collect())
    }

    /// The outputs' numbers in the graph's order.
    fn run_in_order(&self, input: &[f32]) -> Result<Vec<Vec<f32>>, EngineError> {
        let expected = self.input_shape.iter().product::<usize>();
        if input.len() != expected {
            return Err(EngineError::InputLength { found: input.len(), expected, shape: self.input_shape.clone() });
        }
        let run = || {
            let results = self.plan.run(tvec!(Tensor::from_shape(&self.input_shape, input)?.into()))?;
            results.iter().map(|value| Ok(value.try_as_plain_ram()?.as_slice::<f32>()?.to_vec())).collect()
        };
        guarded(run).map_err(|reason| EngineError::Run { reason })
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
    /// Loads a discriminator that takes `image`, float32 `[rows, channels, height, width]` in 0..1. `rows` is the number
    /// of regions in a picture.
    ///
    /// # Errors
    /// Anything but [`EngineError::InputLength`] and [`EngineError::Run`].
    pub fn load(onnx: &[u8], rows: usize, channels: usize, height: usize, width: usize) -> Result<Self, EngineError> {
        let proto = check::read(onnx)?;
        let names = check::output_names(&proto)?;
        let contract = [("score", "[N, 1]"), ("logit", "[N, 1]"), ("embedding", "[N, E]")];
        if let Some((name, shape)) = contract.iter().find(|(name, _)| !names.iter().any(|found| found == name)) {
            let expected = format!("`{name}` of shape {shape}");
            return Err(EngineError::Output { found: names.join(", "), expected });
        }
        // What else it holds is left out: a box works out no output that nobody reads.
        let names = contract.map(|(name, _)| name.to_owned()).to_vec();
        let graph = Graph::from_proto(&proto, &[rows, channels, height, width], Some("image"), names)?;
        for ((name, shape), columns) in graph.outputs.iter().zip([Some(1), Some(1), None]) {
            let fits = matches!(shape[..], [n, e] if n == rows && e > 0 && columns.is_none_or(|wanted| wanted == e));
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
        self.graph.outputs[2].1[1]
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

/// Lets freed memory stay with the process, up to 8 MiB in each of its heaps.
///
/// By default glibc gives most of it back after each run of a network, and the kernel zeroes it anew, page by page, for the next: a sixth
/// of a run's time. It keeps twice as much as the largest block that was freed (mallopt(3), `M_MMAP_THRESHOLD`), so one is; none of its
/// pages are touched.
fn keep_freed_memory() {
    const BLOCK: usize = 4 << 20;
    drop(std::hint::black_box(Vec::<u8>::with_capacity(BLOCK)));
}

/// Parses, fixes the input's shape and optimises: the part that is tract's own.
fn plan(
    proto: &pb::ModelProto,
    input_shape: &[usize],
    outputs: &[String],
) -> Result<Arc<TypedRunnableModel>, EngineError> {
    keep_freed_memory();
    let plan = || {
        let mut model = tract_onnx::onnx().model_for_proto_model(proto)?;
        model.select_outputs_by_name(outputs)?;
        model
            .with_input_fact(0, InferenceFact::dt_shape(f32::datum_type(), input_shape))?
            .into_optimized()?
            .into_runnable()
    };
    guarded(plan).map_err(|reason| EngineError::Unsupported { reason })
}

/// The shape of one output, which tract knows once the input is fixed; it must be float32.
fn output_shape(plan: &TypedRunnableModel, slot: usize) -> Result<Vec<usize>, EngineError> {
    let unsupported = |error: TractError| EngineError::Unsupported { reason: format!("{error:#}") };
    let fact = plan.model().output_fact(slot).map_err(unsupported)?;
    let shape = fact.shape.as_concrete();
    match shape {
        Some(shape) if fact.datum_type == f32::datum_type() => Ok(shape.to_vec()),
        _ => Err(EngineError::Output {
            found: format!("number {slot} as {:?} {:?}", fact.datum_type, fact.shape),
            expected: "float32 of a shape that follows from the input's".to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests;
