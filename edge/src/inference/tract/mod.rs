//! tract as a [`Backend`]: pure Rust, one thread per run, with a plan optimised for one input shape.

mod convolution;
mod guard;
pub(in crate::inference) mod halves;
mod measure;
mod own;

use std::sync::Arc;
use std::time::Instant;

use tract_onnx::model::ParseResult;
use tract_onnx::pb;
use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::anyhow;
use tract_onnx::tract_core::plan;

use super::{Backend, EngineError, NodeTime, Runnable};
pub(in crate::inference) use convolution::REPLACED;
use guard::guarded;
pub use own::OWN_OPERATORS;
pub(in crate::inference) use own::Own;

/// The tract backend, used on the box and on the workstation.
#[derive(Clone, Copy, Debug)]
pub struct Tract {
    /// Whether our own operators are computed by our own code; without it tract computes their functions.
    pub own: bool,
}

impl Default for Tract {
    fn default() -> Self {
        Self { own: true }
    }
}

const NAME: &str = "tract";

impl Backend for Tract {
    fn name(&self) -> &'static str {
        NAME
    }

    fn knows(&self, node: &pb::NodeProto) -> bool {
        self.own && node.domain == OWN_OPERATORS && Own::named(&node.op_type).is_some()
    }

    fn load(
        &self,
        mut model: pb::ModelProto,
        input_shape: &[usize],
        outputs: &[String],
    ) -> Result<Box<dyn Runnable>, EngineError> {
        keep_freed_memory();
        model.graph.iter_mut().for_each(halves::widen);
        if self.own {
            model.graph.iter_mut().for_each(convolution::replace);
        }
        let plan = || {
            // Declared shapes are not used: they follow from the input's, and a stranger may declare others.
            let mut onnx = tract_onnx::onnx().with_ignore_value_info(true).with_ignore_output_shapes(true);
            own::register(&mut onnx.op_register);
            let ParseResult { model: mut inference, unresolved_inputs, outlets_by_name } = onnx.parse(&model, None)?;
            if let Some(name) = unresolved_inputs.first() {
                return Err(anyhow!("no node makes `{name}`, which another reads"));
            }
            inference.select_outputs_by_name(outputs)?;
            let inference = inference.with_input_fact(0, InferenceFact::dt_shape(f32::datum_type(), input_shape))?;
            let graph = model.graph.as_ref().ok_or_else(|| anyhow!("it holds no graph"))?;
            if let Err(error) = measure::check(graph, &inference, &outlets_by_name)? {
                return Ok(Err(error));
            }
            let plan = inference.into_optimized()?;
            if let Err(error) = measure::check_plan(&plan)? {
                return Ok(Err(error));
            }
            Ok(Ok(plan.into_runnable()?))
        };
        let plan = guarded(plan).map_err(unsupported)??;
        let output_shapes = (0..outputs.len()).map(|slot| output_shape(&plan, slot)).collect::<Result<_, _>>()?;
        Ok(Box::new(Planned { plan, input_shape: input_shape.to_vec(), output_shapes }))
    }
}

#[derive(Debug)]
struct Planned {
    plan: Arc<TypedRunnableModel>,
    input_shape: Vec<usize>,
    output_shapes: Vec<Vec<usize>>,
}

impl Runnable for Planned {
    fn output_shapes(&self) -> &[Vec<usize>] {
        &self.output_shapes
    }

    fn run(&self, input: &[f32]) -> Result<Vec<Vec<f32>>, EngineError> {
        let run = || {
            let results = self.plan.run(tvec!(Tensor::from_shape(&self.input_shape, input)?.into()))?;
            results.iter().map(|value| Ok(value.try_as_plain_ram()?.as_slice::<f32>()?.to_vec())).collect()
        };
        guarded(run).map_err(|reason| EngineError::Run { reason })
    }

    fn time_nodes(&self, input: &[f32]) -> Result<Vec<NodeTime>, EngineError> {
        let run = || {
            let mut times = Vec::new();
            let input = tvec!(Tensor::from_shape(&self.input_shape, input)?.into());
            self.plan.spawn()?.run_plan_with_eval(input, |context, state, node, inputs| {
                let begun = Instant::now();
                let results = plan::eval(context, state, node, inputs);
                let (operator, node) = (node.op.name().into_owned(), node.name.clone());
                times.push(NodeTime { operator, node, took: begun.elapsed() });
                results
            })?;
            Ok(times)
        };
        guarded(run).map_err(|reason| EngineError::Run { reason })
    }
}

fn unsupported(reason: String) -> EngineError {
    EngineError::Unsupported { backend: NAME, reason }
}

/// The shape of one output, which tract knows once the input is fixed. The output must be float32.
fn output_shape(plan: &TypedRunnableModel, slot: usize) -> Result<Vec<usize>, EngineError> {
    let fact = plan.model().output_fact(slot).map_err(|error| unsupported(format!("{error:#}")))?;
    match fact.shape.as_concrete() {
        Some(shape) if fact.datum_type == f32::datum_type() => Ok(shape.to_vec()),
        _ => Err(EngineError::Output {
            found: format!("number {slot} as {:?} {:?}", fact.datum_type, fact.shape),
            expected: "float32 of a shape that follows from the input's".to_owned(),
        }),
    }
}

/// Makes glibc keep up to 8 MiB of freed memory in each heap of the process.
///
/// By default glibc returns most of it to the kernel after each run of a network, and the kernel zeroes the
/// pages again for the next run, which takes a sixth of the time of a run. glibc keeps twice the size of the
/// largest block that was freed (mallopt(3), `M_MMAP_THRESHOLD`). So this function allocates and frees one
/// block of 4 MiB; its pages are never touched.
fn keep_freed_memory() {
    const BLOCK: usize = 4 << 20;
    drop(std::hint::black_box(Vec::<u8>::with_capacity(BLOCK)));
}
