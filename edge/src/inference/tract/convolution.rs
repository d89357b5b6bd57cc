//! Convolutions by our own kernels, channels last, with the activation that follows in the same pass.
//!
//! They are put in the place of ONNX's nodes before tract reads the graph, so that it plans fewer nodes. tract moves the
//! axes around each of them; between two that follow each other it leaves the moves out.

use std::collections::HashMap;
use std::sync::Arc;

use counterfoil_kernels::{Ending, Filter, FilterShape};
use tract_onnx::pb;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::tract_core::op_out_of_plan;
use tract_onnx::tract_core::ops::change_axes::AxisOp;
use tract_onnx::tract_hir::internal::{
    Datum, DatumExt, DimLike, EvalContext, EvalOp, Expansion, InferenceOp, InferenceResult, Op, OutletId, ShapeFactoid,
    Solver, SpecialOps, StaticName, TDim, TValue, TVec, Tensor, TensorProxy, ToDim, TractErrorContext, TractResult,
    TypedFact, TypedModel, TypedOp, args_1, as_op, bail, check_output_arity, ensure, expand, op_as_typed_op, tvec,
};

/// The operator's name in a graph.
pub(super) const OPERATOR: &str = "Filter";
/// The domain of the operator, which no file may name.
pub(in crate::inference) const REPLACED: &str = "counterfoil.replaced";
/// Fewest channels of an output that fill enough of a vector.
const FEWEST: usize = 8;

/// Replaces convolutions of the graph by ours where these are faster: with constant weights, and enough channels to fill
/// a vector.
pub(super) fn replace(graph: &mut pb::GraphProto) {
    let constants: HashMap<&str, &pb::TensorProto> =
        graph.initializer.iter().map(|tensor| (tensor.name.as_str(), tensor)).collect();
    let mut readers: HashMap<&str, Vec<usize>> = HashMap::new();
    for (at, node) in graph.node.iter().enumerate() {
        node.input.iter().for_each(|name| readers.entry(name).or_default().push(at));
    }
    // What the caller reads must keep its name.
    graph.output.iter().for_each(|output| readers.entry(&output.name).or_default().push(usize::MAX));
    let mut replaced: Vec<(usize, Option<usize>, Ending)> = Vec::new();
    for (at, node) in graph.node.iter().enumerate().filter(|(_, node)| is_ours(node, &constants)) {
        let reader = match readers.get(node.output[0].as_str()).map(Vec::as_slice) {
            Some(&[reader]) => graph.node.get(reader).and_then(|node| Some((reader, ending(node, &constants)?))),
            _ => None,
        };
        replaced.push((at, reader.map(|(reader, _)| reader), reader.map_or(Ending::NONE, |(_, ending)| ending)));
    }
    let mut gone = vec![false; graph.node.len()];
    for (at, reader, Ending { slope, most }) in replaced {
        if let Some(reader) = reader {
            gone[reader] = true;
            graph.node[at].output = graph.node[reader].output.clone();
        }
        let float = |name: &str, f| pb::AttributeProto { name: name.to_owned(), f, ..Default::default() };
        let node = &mut graph.node[at];
        (node.op_type, node.domain) = (OPERATOR.to_owned(), REPLACED.to_owned());
        node.attribute.extend([float("slope", slope), float("most", most)]);
    }
    let mut gone = gone.into_iter();
    graph.node.retain(|_| gone.next() != Some(true));
}

/// Whether a node is a convolution that our kernels compute.
fn is_ours(node: &pb::NodeProto, constants: &HashMap<&str, &pb::TensorProto>) -> bool {
    let numbers = |name: &String| {
        constants.get(name.as_str()).filter(|t| t.data_type == DataType::Float as i32 && !t.raw_data.is_empty())
    };
    let (Some(weights), [_]) = (node.input.get(1).and_then(numbers), &node.output[..]) else { return false };
    let &[outputs, inputs, height, width] = &weights.dims[..] else { return false };
    let ints = |name: &str| node.attribute.iter().find(|held| held.name == name).map_or(&[][..], |held| &held.ints);
    let group = node.attribute.iter().find(|held| held.name == "group").map_or(1, |held| held.i);
    let padding = ints("pads");
    node.op_type == "Conv"
        && node.domain.is_empty()
        && node.input.get(2).is_none_or(|bias| numbers(bias).is_some())
        && outputs >= FEWEST as i64
        && (group == 1 || (group == outputs && inputs == 1))
        && ints("dilations").iter().all(|apart| *apart == 1)
        && matches!(ints("strides").len(), 0 | 2)
        && ints("strides").iter().all(|apart| *apart >= 1)
        && matches!(padding.len(), 0 | 4)
        && [height, width].iter().enumerate().all(|(axis, side)| {
            let around = [padding.get(axis), padding.get(axis + 2)];
            around.into_iter().flatten().all(|zeros| (0..*side).contains(zeros))
        })
        && node.attribute.iter().all(|held| held.name != "auto_pad" || held.s == b"NOTSET")
}

/// How an activation ends a convolution; `None` for another node.
fn ending(node: &pb::NodeProto, constants: &HashMap<&str, &pb::TensorProto>) -> Option<Ending> {
    let number = |name: &str| {
        let tensor = constants.get(name).filter(|tensor| tensor.data_type == DataType::Float as i32)?;
        Some(f32::from_le_bytes(*tensor.raw_data.as_array()?))
    };
    if !node.domain.is_empty() || node.output.len() != 1 {
        return None;
    }
    match &*node.op_type {
        "Relu" => Some(Ending { slope: 0.0, ..Ending::NONE }),
        "LeakyRelu" => {
            let alpha = node.attribute.iter().find(|held| held.name == "alpha").map_or(0.01, |held| held.f);
            Some(Ending { slope: alpha, ..Ending::NONE })
        }
        "Clip" => match &node.input[..] {
            [_, least, most] if number(least) == Some(0.0) => {
                number(most).filter(|most| *most > 0.0).map(|most| Ending { slope: 0.0, most })
            }
            _ => None,
        },
        _ => None,
    }
}

/// A convolution as it is read: its attributes.
#[derive(Clone, Debug, PartialEq)]
struct Read {
    stride: (usize, usize),
    padding: [usize; 4],
    depthwise: bool,
    ending: Ending,
}

/// Reads a node that [`replace`] made.
pub(super) fn read(node: &pb::NodeProto) -> Box<dyn InferenceOp> {
    let held = |name: &str| node.attribute.iter().find(|held| held.name == name);
    let ints = |name: &str| -> Vec<usize> {
        held(name).map_or(Vec::new(), |held| held.ints.iter().map(|&int| int.unsigned_abs() as usize).collect())
    };
    let float = |name: &str, otherwise: f32| held(name).map_or(otherwise, |held| held.f);
    expand(Read {
        stride: ints("strides").first_chunk::<2>().map_or((1, 1), |[down, across]| (*down, *across)),
        padding: ints("pads").first_chunk::<4>().copied().unwrap_or_default(),
        depthwise: held("group").is_some_and(|held| held.i != 1),
        ending: Ending { slope: float("slope", 1.0), most: float("most", f32::INFINITY) },
    })
}

impl Read {
    /// The filter's shape for weights [O, I, K, K] and pictures with this number of channels.
    fn shape(&self, weights: &[usize], channels: usize) -> TractResult<FilterShape> {
        let &[outputs, inputs, height, width] = weights else {
            bail!("weights of a shape that is none of a picture's")
        };
        let expected = if self.depthwise { outputs } else { inputs };
        ensure!(channels == expected, "weights {weights:?} do not fit maps of {channels} channels");
        Ok(FilterShape {
            channels: (channels, outputs),
            kernel: (height, width),
            stride: self.stride,
            padding: self.padding,
            depthwise: self.depthwise,
        })
    }
}

/// The shape [N, O, h, w] of the maps that a filter makes of [N, I, H, W].
fn made(shape: &FilterShape, rows: &TDim, sides: (usize, usize)) -> TractResult<TVec<TDim>> {
    let (height, width) = shape.output(sides).with_context(|| format!("no window of {shape:?} fits into {sides:?}"))?;
    Ok(tvec!(rows.clone(), shape.channels.1.to_dim(), height.to_dim(), width.to_dim()))
}

impl Expansion for Read {
    fn name(&self) -> StaticName {
        OPERATOR.into()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        solver: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        check_output_arity(outputs, 1)?;
        solver.equals(&inputs[0].datum_type, f32::datum_type())?;
        solver.equals(&outputs[0].datum_type, f32::datum_type())?;
        solver.equals(&inputs[0].rank, 4)?;
        solver.given_2(&inputs[0].shape, &inputs[1].shape, move |solver, maps, weights| {
            let sides = maps[1..].iter().map(TDim::to_usize).collect::<Result<Vec<_>, _>>()?;
            let weights = weights.iter().map(TDim::to_usize).collect::<Result<Vec<_>, _>>()?;
            let shape = self.shape(&weights, sides[0])?;
            solver.equals(&outputs[0].shape, ShapeFactoid::from(made(&shape, &maps[0], (sides[1], sides[2]))?))
        })
    }

    fn wire(&self, prefix: &str, model: &mut TypedModel, inputs: &[OutletId]) -> TractResult<TVec<OutletId>> {
        let constant = |at: usize| {
            let fact = model.outlet_fact(inputs[at])?;
            fact.konst.clone().with_context(|| format!("input {at} of {prefix} is no constant"))
        };
        let weights = constant(1)?;
        let channels = model.outlet_fact(inputs[0])?.shape[1].to_usize()?;
        let shape = self.shape(weights.shape(), channels)?;
        let bias = match inputs.len() {
            2 => vec![0.0; shape.channels.1],
            _ => constant(2)?.try_as_plain_ram()?.as_slice::<f32>()?.to_vec(),
        };
        ensure!(bias.len() == shape.channels.1, "{} biases for {} channels", bias.len(), shape.channels.1);
        let filter = Filter::new(shape, weights.try_as_plain_ram()?.as_slice::<f32>()?, &bias, self.ending);
        let last = model.wire_node(format!("{prefix}.last"), AxisOp::Move(1, 3), &inputs[..1])?;
        let made = model.wire_node(prefix, Filtered(Arc::new(filter)), &last)?;
        model.wire_node(format!("{prefix}.first"), AxisOp::Move(3, 1), &made)
    }
}

/// A filter in a plan. It takes maps [N, H, W, I] and makes [N, h, w, O].
#[derive(Clone, Debug)]
struct Filtered(Arc<Filter>);

impl PartialEq for Filtered {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Filtered {}

impl Op for Filtered {
    fn name(&self) -> StaticName {
        if self.0.shape().depthwise { "DepthwiseFilter".into() } else { OPERATOR.into() }
    }

    op_as_typed_op!();
}

impl EvalOp for Filtered {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let maps = args_1!(inputs);
        let &[rows, height, width, _] = maps.shape() else { bail!("maps of shape {:?}", maps.shape()) };
        let sides = (height, width);
        let (h, w) = self.0.shape().output(sides).context("the window fits")?;
        let all = self.0.apply(maps.try_as_plain_ram()?.as_slice::<f32>()?, sides);
        Ok(tvec!(Tensor::from_shape(&[rows, h, w, self.0.shape().channels.1], &all)?.into()))
    }
}

impl TypedOp for Filtered {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let shape = &inputs[0].shape;
        let sides = (shape[1].to_usize()?, shape[2].to_usize()?);
        let made = made(self.0.shape(), &shape[0], sides)?;
        Ok(tvec!(f32::fact([made[0].clone(), made[2].clone(), made[3].clone(), made[1].clone()])))
    }

    as_op!();
}
