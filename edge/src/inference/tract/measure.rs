//! Measures a parsed graph before tract plans it: the shape of every result for the fixed input, and so its cost.
//!
//! tract's own analysis evaluates what depends only on constants, whatever its size, while it infers shapes. Here
//! the shapes of a node's outputs are inferred first and counted, and only small constants are evaluated, because the
//! shape of a `Reshape`, for example, may depend on them.

use std::collections::HashMap;

use tract_onnx::pb;
use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::{TVec, anyhow};
use tract_onnx::tract_hir::infer::{Factoid, InferenceOp};
use tract_onnx::tract_hir::internal::InferenceNode;

use super::super::{EngineError, cost};

/// Largest input or output of a node that is evaluated, in elements.
const SMALL: u64 = 4096;

/// Checks that `graph`, which was parsed as `model`, costs no more than a network may. `outlets` are the results of
/// the model by their names in the graph.
///
/// # Errors
/// [`EngineError::Costly`] when it costs more, or tract's own error for a node.
pub(super) fn check(
    graph: &pb::GraphProto,
    model: &InferenceModel,
    outlets: &HashMap<String, OutletId>,
) -> TractResult<Result<(), EngineError>> {
    let mut facts: HashMap<OutletId, InferenceFact> = HashMap::new();
    // Weights and the input have no inputs of their own and are known.
    for node in model.nodes().iter().filter(|node| node.inputs.is_empty()) {
        for (slot, output) in node.outputs.iter().enumerate() {
            facts.insert(OutletId::new(node.id, slot), output.fact.clone());
        }
    }
    let mut cost = cost::Cost::default();
    let mut results = Results::new(graph, model, outlets)?;
    for (described, node) in graph.node.iter().zip(results.nodes.clone()) {
        let node = model.node(node);
        let late = || anyhow!("`{}` reads what a later node makes", node.name);
        let known = |outlet| facts.get(outlet).cloned().ok_or_else(late);
        let inputs = node.inputs.iter().map(known).collect::<TractResult<Vec<InferenceFact>>>()?;
        // The end of a slice may be larger than any length. It is looked up here only for a constant, since the shapes
        // of what depends on the input are checked once more when the graph is planned.
        let is_constant = node.inputs.iter().all(|outlet| results.is_constant(*outlet));
        if (is_constant || described.op_type != "Slice")
            && !inputs.iter().try_fold(true, |all, fact| are_integers(fact).map(|are| all && are))?
        {
            return Err(anyhow!("an integer at `{}` is larger than any length", node.name));
        }
        let read = inputs.iter().map(|fact| shape(fact, &node.name)).collect::<TractResult<Vec<_>>>()?;
        let count = |made: &[InferenceFact]| {
            let made = made.iter().map(|fact| shape(fact, &node.name)).collect::<TractResult<Vec<_>>>()?;
            Ok(cost.add(described, &read, &made))
        };
        let found = match infer(node, &inputs, count)? {
            Ok(found) => found,
            Err(error) => return Ok(Err(error)),
        };
        for (slot, fact) in found.into_iter().enumerate() {
            results.add(OutletId::new(node.id, slot), cost::product(&shape(&fact, &node.name)?), is_constant);
            facts.insert(OutletId::new(node.id, slot), fact);
        }
        cost.free(results.read(node));
    }
    Ok(Ok(()))
}

/// Infers the outputs of a node, has them counted, and evaluates them if they are small constants.
fn infer(
    node: &InferenceNode,
    inputs: &[InferenceFact],
    count: impl FnOnce(&[InferenceFact]) -> TractResult<Result<(), EngineError>>,
) -> TractResult<Result<TVec<InferenceFact>, EngineError>> {
    let inputs: TVec<&InferenceFact> = inputs.iter().collect();
    let unknown = vec![InferenceFact::default(); node.outputs.len()];
    let unknown: TVec<&InferenceFact> = unknown.iter().collect();
    let mut op: Box<dyn InferenceOp> = node.op.clone();
    let (_, mut found, _) = op.infer_facts(inputs.clone(), unknown.clone(), TVec::new())?;
    if let Err(error) = count(&found)? {
        return Ok(Err(error));
    }
    let is_small = |fact: &&InferenceFact| {
        let shape = shape(fact, &node.name);
        shape.is_ok_and(|shape| cost::product(&shape) <= SMALL)
    };
    let are_small = inputs.iter().all(is_small) && found.iter().all(|fact| is_small(&fact));
    if are_small && inputs.iter().all(|fact| fact.value.concretize().is_some()) {
        found = op.infer(inputs, unknown, TVec::new())?.1;
    }
    for fact in &found {
        // A length is an expression in tract, which may grow with every operation.
        let is_length = fact.datum_type.concretize() == Some(TDim::datum_type());
        if is_length && (fact.value.concretize().is_none() || !are_integers(fact)?) {
            return Err(anyhow!("`{}` computes a length that no tensor has", node.name));
        }
    }
    Ok(Ok(found))
}

/// Whether the integers of a small constant are no larger than [`cost::INTEGER`]. Other values are not looked at.
fn are_integers(fact: &InferenceFact) -> TractResult<bool> {
    let Some(value) = fact.value.concretize().filter(|value| value.len() as u64 <= SMALL) else { return Ok(true) };
    let kind = value.datum_type();
    let accepted = |integer: i64| (-cost::INTEGER..=cost::INTEGER).contains(&integer);
    if kind == TDim::datum_type() {
        let lengths = value.try_as_plain_ram()?.as_slice::<TDim>()?;
        return Ok(lengths.iter().all(|length| length.to_i64().is_ok_and(accepted)));
    }
    if !kind.is_integer() {
        return Ok(true);
    }
    let value = value.cast_to::<i64>()?;
    Ok(value.try_as_plain_ram()?.as_slice::<i64>()?.iter().copied().all(accepted))
}

/// Checks that no result of a planned graph has more elements than all results together may have.
pub(super) fn check_plan(plan: &TypedModel) -> TractResult<Result<(), EngineError>> {
    for output in plan.nodes().iter().flat_map(|node| &node.outputs) {
        let elements = output.fact.shape.volume().to_i64()?;
        let checked =
            cost::within("elements in one result", u64::try_from(elements).unwrap_or(u64::MAX), cost::ELEMENTS);
        if checked.is_err() {
            return Ok(checked);
        }
    }
    Ok(Ok(()))
}

/// When each result of the graph is no longer needed.
struct Results {
    /// The model's nodes, in the order of the graph's.
    nodes: Vec<usize>,
    /// How many nodes have still to read a result; the outputs of the graph are read once more at the end.
    readers: HashMap<OutletId, usize>,
    /// The elements of the results that depend on the input. The others are kept: tract computes them once.
    sizes: HashMap<OutletId, u64>,
}

impl Results {
    fn new(graph: &pb::GraphProto, model: &InferenceModel, outlets: &HashMap<String, OutletId>) -> TractResult<Self> {
        let node = |described: &pb::NodeProto| {
            let name = described.output.iter().find(|name| !name.is_empty());
            let outlet = name.and_then(|name| outlets.get(name));
            outlet
                .map(|outlet| outlet.node)
                .ok_or_else(|| anyhow!("a node of operator {} has no output", described.op_type))
        };
        let nodes = graph.node.iter().map(node).collect::<TractResult<Vec<usize>>>()?;
        let mut readers = HashMap::new();
        for &outlet in model.nodes().iter().flat_map(|node| &node.inputs).chain(model.output_outlets()?) {
            *readers.entry(outlet).or_default() += 1;
        }
        let sizes = model.input_outlets()?.iter().map(|&input| (input, 0)).collect();
        Ok(Self { nodes, readers, sizes })
    }

    /// Whether a result does not depend on the input of the graph.
    fn is_constant(&self, outlet: OutletId) -> bool {
        !self.sizes.contains_key(&outlet)
    }

    fn add(&mut self, outlet: OutletId, elements: u64, is_constant: bool) {
        if !is_constant {
            self.sizes.insert(outlet, elements);
        }
    }

    /// Records that a node has read its inputs. Returns the elements that are no longer needed.
    fn read(&mut self, node: &InferenceNode) -> u64 {
        let mut free = 0;
        for outlet in &node.inputs {
            let Some(left) = self.readers.get_mut(outlet) else { continue };
            *left -= 1;
            if *left == 0 {
                free += self.sizes.get(outlet).copied().unwrap_or_default();
            }
        }
        free
    }
}

/// The shape of an input or output of the node `node`, which is known once the input of the graph is fixed.
fn shape(fact: &InferenceFact, node: &str) -> TractResult<Vec<u64>> {
    let unknown = || anyhow!("a shape at `{node}` does not follow from the input's: {}", fact.format_dt_shape());
    let shape = fact.shape.as_concrete_finite()?.ok_or_else(unknown)?;
    if shape.len() > cost::RANK {
        return Err(anyhow!(
            "a tensor at `{node}` has {} dimensions, at most {} are accepted",
            shape.len(),
            cost::RANK
        ));
    }
    Ok(shape.iter().map(|&length| length as u64).collect())
}
