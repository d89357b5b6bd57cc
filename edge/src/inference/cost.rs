//! What a network may cost, and what one node of it costs by the shapes of its inputs and outputs.
//!
//! A picture is judged in a few seconds and in the memory of a small box. The largest network that this project
//! makes has a third of the nodes and costs a tenth of the other limits. An operator whose cost does not follow from
//! shapes is not accepted: the number of rounds of a `Loop`, for example, is decided while it runs.

use tract_onnx::pb;

use super::EngineError;
use super::tract::{OWN_OPERATORS, Own, REPLACED};

/// Largest number of nodes. tract's time for a plan grows with its square: this many take four seconds.
pub(super) const NODES: usize = 1536;
/// Largest number of outputs of the graph.
pub(super) const OUTPUTS: usize = 64;
/// Largest number of inputs or outputs of one node, and of integers in one attribute.
pub(super) const LIST: usize = 256;
/// Largest integer in an attribute, or in a constant that may be a length. tract casts lengths by way of 32 bits and
/// would plan for another one.
pub(super) const INTEGER: i64 = i32::MAX as i64;
/// Largest number of dimensions of a tensor.
pub(super) const RANK: usize = 8;
/// Largest number of elements of the results that are needed at the same time, with the patches that a convolution
/// copies.
pub(super) const ELEMENTS: u64 = 1 << 24;
/// Largest number of multiply-adds for one picture.
pub(super) const MULTIPLY_ADDS: u64 = 1 << 33;

/// Multiply-adds that take the time of reading or writing one element.
const ELEMENT: u64 = 4;
/// Multiply-adds that take the time of one value of an exponential or a logarithm.
const TRANSCENDENTAL: u64 = 16;

/// Refuses more of something than the limit.
pub(super) fn within(what: &'static str, found: u64, limit: u64) -> Result<(), EngineError> {
    if found > limit { Err(EngineError::Costly { what, found, limit }) } else { Ok(()) }
}

/// How the work of an operator follows from shapes.
#[derive(Clone, Copy)]
enum Work {
    /// Each element of the inputs and outputs this number of times.
    Elements(u64),
    /// Each element of the output for each element of the window.
    Pool,
    /// Each element of the output for each weight of its channel.
    Conv,
    /// Each element of the input for each weight of its channel.
    ConvTranspose,
    /// Each element of the output for each column of the first input.
    MatMul,
    /// The same, where the first input may be transposed.
    Gemm,
    /// One for each combination of indices.
    Einsum,
}

/// The work of an operator; `None` for one that is not accepted.
fn work(operator: &str) -> Option<Work> {
    Some(match operator {
        "Abs"
        | "Add"
        | "And"
        | "ArgMax"
        | "ArgMin"
        | "BatchNormalization"
        | "Cast"
        | "CastLike"
        | "Ceil"
        | "Clip"
        | "Concat"
        | "Constant"
        | "ConstantOfShape"
        | "DepthToSpace"
        | "DequantizeLinear"
        | "Div"
        | "Dropout"
        | "DynamicQuantizeLinear"
        | "Equal"
        | "Expand"
        | "Flatten"
        | "Floor"
        | "Gather"
        | "GatherElements"
        | "GatherND"
        | "GlobalAveragePool"
        | "GlobalMaxPool"
        | "Greater"
        | "GreaterOrEqual"
        | "HardSigmoid"
        | "HardSwish"
        | "Identity"
        | "InstanceNormalization"
        | "LayerNormalization"
        | "LeakyRelu"
        | "Less"
        | "LessOrEqual"
        | "Max"
        | "Mean"
        | "Min"
        | "Mod"
        | "Mul"
        | "Neg"
        | "Not"
        | "Or"
        | "PRelu"
        | "Pad"
        | "QuantizeLinear"
        | "Reciprocal"
        | "ReduceL1"
        | "ReduceL2"
        | "ReduceLogSum"
        | "ReduceLogSumExp"
        | "ReduceMax"
        | "ReduceMean"
        | "ReduceMin"
        | "ReduceProd"
        | "ReduceSum"
        | "ReduceSumSquare"
        | "Relu"
        | "Reshape"
        | "Resize"
        | "Round"
        | "Shape"
        | "Sign"
        | "Size"
        | "Slice"
        | "SpaceToDepth"
        | "Split"
        | "Sqrt"
        | "Squeeze"
        | "Sub"
        | "Sum"
        | "ThresholdedRelu"
        | "Tile"
        | "Transpose"
        | "Trilu"
        | "Unsqueeze"
        | "Where"
        | "Xor" => Work::Elements(ELEMENT),
        "Celu" | "Cos" | "Elu" | "Erf" | "Exp" | "Gelu" | "Log" | "LogSoftmax" | "Mish" | "Pow" | "Selu"
        | "Sigmoid" | "Sin" | "Softmax" | "Softplus" | "Softsign" | "Tanh" => Work::Elements(TRANSCENDENTAL),
        "AveragePool" | "LpPool" | "MaxPool" => Work::Pool,
        "Conv" | "ConvInteger" | "QLinearConv" => Work::Conv,
        "ConvTranspose" => Work::ConvTranspose,
        "MatMul" | "MatMulInteger" | "QLinearMatMul" => Work::MatMul,
        "Gemm" => Work::Gemm,
        "Einsum" => Work::Einsum,
        _ => return None,
    })
}

/// The work of a node by its domain and operator; `None` for one that is not accepted.
fn work_of(node: &pb::NodeProto) -> Option<Work> {
    match &*node.domain {
        "" | "ai.onnx" => work(&node.op_type),
        OWN_OPERATORS => Own::named(&node.op_type).map(|own| Work::Elements(own.work())),
        REPLACED => Some(Work::Conv),
        _ => None,
    }
}

/// Whether a file may have a node of this operator: one whose cost is known.
pub(super) fn is_known(node: &pb::NodeProto) -> bool {
    node.domain != REPLACED && work_of(node).is_some()
}

/// What has been counted of a graph.
#[derive(Debug, Default)]
pub(super) struct Cost {
    /// The elements that are in memory.
    elements: u64,
    multiply_adds: u64,
}

impl Cost {
    /// Adds a node with these shapes of its inputs and outputs.
    ///
    /// # Errors
    /// [`EngineError::Costly`] when the graph has become too large.
    pub(super) fn add(
        &mut self,
        node: &pb::NodeProto,
        inputs: &[Vec<u64>],
        outputs: &[Vec<u64>],
    ) -> Result<(), EngineError> {
        let (read, made) = (total(inputs), total(outputs));
        let input = |index: usize| inputs.get(index).map_or(&[][..], Vec::as_slice);
        // Weights are [M, C, k...]: each result is the sum of a patch of C * k values.
        let weights = |index: usize| product(input(index).get(1..).unwrap_or_default());
        let mut copied = 0;
        let work = match work_of(node).unwrap_or(Work::Elements(ELEMENT)) {
            Work::Elements(times) => times.saturating_mul(read.saturating_add(made)),
            Work::Pool => made.saturating_mul(ints(node, "kernel_shape").fold(1, u64::saturating_mul)),
            Work::Conv => {
                // `QLinearConv` has scale and zero point of the picture before the weights.
                let patch = weights(if node.op_type == "QLinearConv" { 3 } else { 1 });
                let places = outputs.first().map_or(0, |shape| product(shape.get(2..).unwrap_or_default()));
                let rows = input(0).first().copied().unwrap_or(1);
                copied = patch.saturating_mul(places).saturating_mul(rows);
                made.saturating_mul(patch)
            }
            Work::ConvTranspose => {
                let each = weights(1);
                copied = product(input(0)).saturating_mul(each) / input(0).get(1).copied().unwrap_or(1).max(1);
                product(input(0)).saturating_mul(each)
            }
            Work::MatMul => made.saturating_mul(input(0).last().copied().unwrap_or(1)),
            Work::Gemm => {
                let columns = if int(node, "transA") == 1 { input(0).first() } else { input(0).last() };
                made.saturating_mul(columns.copied().unwrap_or(1))
            }
            Work::Einsum => einsum(node, inputs),
        };
        self.elements = self.elements.saturating_add(made);
        self.multiply_adds = self.multiply_adds.saturating_add(work);
        within("elements in memory at once", self.elements.saturating_add(copied), ELEMENTS)?;
        within("multiply-adds for one picture", self.multiply_adds, MULTIPLY_ADDS)
    }

    /// Takes off elements that are no longer needed.
    pub(super) fn free(&mut self, elements: u64) {
        self.elements = self.elements.saturating_sub(elements);
    }
}

/// The product of the lengths of all indices of an `Einsum`. Another notation than letters and commas is counted as
/// everything combined with everything.
fn einsum(node: &pb::NodeProto, inputs: &[Vec<u64>]) -> u64 {
    let combined = inputs.iter().map(|shape| product(shape)).fold(1, u64::saturating_mul);
    let equation = node.attribute.iter().find(|attribute| attribute.name == "equation");
    let Some(equation) = equation.and_then(|attribute| str::from_utf8(&attribute.s).ok()) else { return combined };
    let terms = equation.split("->").next().unwrap_or_default().split(',');
    let mut lengths = std::collections::BTreeMap::new();
    for (term, shape) in terms.zip(inputs) {
        let letters: Vec<char> = term.trim().chars().collect();
        if letters.len() != shape.len() || !letters.iter().all(char::is_ascii_alphabetic) {
            return combined;
        }
        for (letter, &length) in letters.into_iter().zip(shape) {
            let longest: &mut u64 = lengths.entry(letter).or_default();
            *longest = length.max(*longest);
        }
    }
    lengths.into_values().fold(1, u64::saturating_mul)
}

fn ints<'a>(node: &'a pb::NodeProto, name: &str) -> impl Iterator<Item = u64> {
    let found: &'a [i64] =
        node.attribute.iter().find(|attribute| attribute.name == name).map_or(&[], |held| &held.ints);
    // A negative number is refused by the backend.
    found.iter().map(|&int| u64::try_from(int).unwrap_or(u64::MAX))
}

fn int(node: &pb::NodeProto, name: &str) -> i64 {
    node.attribute.iter().find(|attribute| attribute.name == name).map_or(0, |attribute| attribute.i)
}

/// The number of elements of a shape.
pub(super) fn product(shape: &[u64]) -> u64 {
    shape.iter().copied().fold(1, u64::saturating_mul)
}

fn total(shapes: &[Vec<u64>]) -> u64 {
    shapes.iter().map(|shape| product(shape)).fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(operator: &str, attribute: Vec<pb::AttributeProto>) -> pb::NodeProto {
        pb::NodeProto { op_type: operator.to_owned(), attribute, ..Default::default() }
    }

    fn counted(node: &pb::NodeProto, inputs: &[&[u64]], output: &[u64]) -> u64 {
        let inputs: Vec<Vec<u64>> = inputs.iter().map(|shape| shape.to_vec()).collect();
        let mut cost = Cost::default();
        cost.add(node, &inputs, &[output.to_vec()]).unwrap();
        cost.multiply_adds
    }

    #[test]
    fn the_work_of_a_node_follows_from_its_shapes() {
        let int = |name: &str, i| pb::AttributeProto { name: name.to_owned(), i, ..Default::default() };
        let conv = node("Conv", Vec::new());
        // 8 * 8 places of 16 channels, each from 3 * 5 * 5 values.
        assert_eq!(counted(&conv, &[&[1, 3, 12, 12], &[16, 3, 5, 5]], &[1, 16, 8, 8]), 16 * 64 * 75);
        // Depthwise: each channel from 5 * 5 values of its own.
        assert_eq!(counted(&conv, &[&[1, 16, 12, 12], &[16, 1, 5, 5]], &[1, 16, 8, 8]), 16 * 64 * 25);
        assert_eq!(counted(&node("MatMul", Vec::new()), &[&[7, 5], &[5, 3]], &[7, 3]), 7 * 5 * 3);
        assert_eq!(counted(&node("Gemm", vec![int("transA", 1)]), &[&[5, 7], &[5, 3]], &[7, 3]), 7 * 5 * 3);
        let kernel = pb::AttributeProto { name: "kernel_shape".to_owned(), ints: vec![4, 2], ..Default::default() };
        assert_eq!(counted(&node("AveragePool", vec![kernel]), &[&[1, 1, 8, 8]], &[1, 1, 2, 4]), 8 * 8);
        let equation =
            pb::AttributeProto { name: "equation".to_owned(), s: b"nahw,nbhw->nhab".to_vec(), ..Default::default() };
        let einsum = node("Einsum", vec![equation]);
        assert_eq!(counted(&einsum, &[&[2, 3, 5, 7], &[2, 4, 5, 7]], &[2, 5, 3, 4]), 2 * 3 * 4 * 5 * 7);
        assert_eq!(counted(&node("Tanh", Vec::new()), &[&[9]], &[9]), 2 * 9 * TRANSCENDENTAL);
    }

    #[test]
    fn more_than_the_limits_is_refused_without_overflow() {
        let mut cost = Cost::default();
        let huge = vec![u64::MAX, u64::MAX];
        let error = cost.add(&node("Relu", Vec::new()), std::slice::from_ref(&huge), std::slice::from_ref(&huge));
        assert!(matches!(error, Err(EngineError::Costly { .. })));
        let mut cost = Cost::default();
        let heavy = cost.add(&node("MatMul", Vec::new()), &[vec![1 << 11, 1 << 14], vec![]], &[vec![1 << 11, 1 << 11]]);
        let message = heavy.unwrap_err().to_string();
        assert!(message.contains("68719476736 multiply-adds") && message.contains("8589934592"), "{message}");
    }

    #[test]
    fn results_that_are_no_longer_needed_take_no_memory() {
        let (relu, shape) = (node("Relu", Vec::new()), vec![ELEMENTS / 2 + 1]);
        let mut cost = Cost::default();
        for _ in 0..3 {
            cost.add(&relu, std::slice::from_ref(&shape), std::slice::from_ref(&shape)).unwrap();
            cost.free(shape[0]);
        }
        cost.add(&relu, std::slice::from_ref(&shape), std::slice::from_ref(&shape)).unwrap();
        assert!(cost.add(&relu, std::slice::from_ref(&shape), std::slice::from_ref(&shape)).is_err());
    }

    #[test]
    fn operators_that_decide_their_cost_while_they_run_are_not_known() {
        for operator in ["Loop", "Scan", "If", "NonMaxSuppression", "NonZero", "Range", "LSTM", "EyeLike", "Custom"] {
            assert!(!is_known(&node(operator, Vec::new())), "{operator}");
        }
        assert!(is_known(&node("Conv", Vec::new())));
        assert!(!is_known(&pb::NodeProto { domain: "com.microsoft".to_owned(), ..node("Conv", Vec::new()) }));
    }
}
