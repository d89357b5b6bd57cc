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
    for described in &graph.node {
        let name = described.output.iter().find(|name| !name.is_empty());
        let outlet = name.and_then(|name| outlets.get(name));
        let outlet = outlet.ok_or_else(|| anyhow!("a node of operator {} has no output", described.op_type))?;
        let node = model.node(outlet.node);
        let late = || anyhow!("`{}` reads what a later node makes", node.name);
        let known = |outlet| facts.get(outlet).cloned().ok_or_else(late);
        let inputs = node.inputs.iter().map(known).collect::<TractResult<Vec<InferenceFact>>>()?;
        let inputs: TVec<&InferenceFact> = inputs.iter().collect();
        let outputs: Vec<InferenceFact> = vec![InferenceFact::default(); node.outputs.len()];
        let outputs: TVec<&InferenceFact> = outputs.iter().collect();
        let mut op: Box<dyn InferenceOp> = node.op.clone();
        let (_, mut found, _) = op.infer_facts(inputs.clone(), outputs.clone(), TVec::new())?;

        let read = inputs.iter().map(|fact| shape(fact, &node.name)).collect::<TractResult<Vec<_>>>()?;
        let made = found.iter().map(|fact| shape(fact, &node.name)).collect::<TractResult<Vec<_>>>()?;
        if let Err(error) = cost.add(described, &read, &made) {
            return Ok(Err(error));
        }
        let is_small = read.iter().chain(&made).all(|shape| cost::product(shape) <= SMALL);
        if is_small && inputs.iter().all(|fact| fact.value.concretize().is_some()) {
            found = op.infer(inputs, outputs, TVec::new())?.1;
        }
        for (slot, fact) in found.into_iter().enumerate() {
            facts.insert(OutletId::new(node.id, slot), fact);
        }
    }
    Ok(Ok(()))
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
