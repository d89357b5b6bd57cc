//! Replaces nodes that call a function of the model by the nodes of the function.
//!
//! A function is an operator that the file itself defines by others (ONNX IR, "Functions"). Exporters write them for
//! operators that are not in ONNX's own set; ours writes them for the operators that a backend may know natively.

use std::collections::HashMap;

use tract_onnx::pb;

use super::{EngineError, cost};

/// Functions that call functions, at most.
const DEPTH: usize = 8;

/// Replaces every node that calls a function, except those that `is_known` to the backend, and removes the functions.
///
/// # Errors
/// [`EngineError::NotOnnx`] for functions that call each other too deeply, [`EngineError::Costly`] for more nodes than a
/// network may have.
pub(super) fn inline(proto: &mut pb::ModelProto, is_known: impl Fn(&pb::NodeProto) -> bool) -> Result<(), EngineError> {
    let functions = std::mem::take(&mut proto.functions);
    let Some(graph) = proto.graph.as_mut().filter(|_| !functions.is_empty()) else { return Ok(()) };
    let bodies = functions.iter().map(|function| ((function.domain(), function.name()), function)).collect();
    let mut calls = Calls { bodies, is_known, nodes: Vec::with_capacity(graph.node.len()) };
    std::mem::take(&mut graph.node).into_iter().try_for_each(|node| calls.add(node, 0))?;
    graph.node = calls.nodes;
    Ok(())
}

struct Calls<'a, F> {
    /// The functions by domain and name.
    bodies: HashMap<(&'a str, &'a str), &'a pb::FunctionProto>,
    is_known: F,
    /// The nodes of the graph so far.
    nodes: Vec<pb::NodeProto>,
}

impl<F: Fn(&pb::NodeProto) -> bool> Calls<'_, F> {
    /// Adds a node, or the nodes of the function that it calls.
    fn add(&mut self, node: pb::NodeProto, depth: usize) -> Result<(), EngineError> {
        let body = self.bodies.get(&(&*node.domain, &*node.op_type)).copied();
        let Some(body) = body.filter(|_| !(self.is_known)(&node)) else {
            self.nodes.push(node);
            return cost::within("nodes", self.nodes.len() as u64, cost::NODES as u64);
        };
        if depth == DEPTH {
            let reason = format!("its functions call each other more than {DEPTH} deep, as far as `{}`", node.op_type);
            return Err(EngineError::NotOnnx { reason });
        }
        let call = node.output.iter().find(|name| !name.is_empty()).map_or("", String::as_str);
        let given = |names: &[String], given: &[String]| -> Vec<(String, String)> {
            let given = given.iter().cloned().chain(std::iter::repeat(String::new()));
            names.iter().cloned().zip(given).collect()
        };
        let mut names: HashMap<String, String> = given(&body.input, &node.input).into_iter().collect();
        names.extend(given(&body.output, &node.output).into_iter().filter(|(_, outer)| !outer.is_empty()));
        let rename = |name: &String| match names.get(name) {
            Some(outer) => outer.clone(),
            None if name.is_empty() => String::new(),
            None => format!("{call}/{name}"),
        };
        for inner in &body.node {
            let attribute = inner.attribute.iter().filter_map(|attribute| resolved(attribute, &node.attribute));
            let output: Vec<String> = inner.output.iter().map(rename).collect();
            let inner = pb::NodeProto {
                input: inner.input.iter().map(rename).collect(),
                // Results have names of their own; nodes need none, and two may have the same.
                name: output.iter().find(|name| !name.is_empty()).cloned().unwrap_or_default(),
                output,
                attribute: attribute.collect(),
                ..inner.clone()
            };
            self.add(inner, depth + 1)?;
        }
        Ok(())
    }
}

/// An attribute of a node in a function. One that refers to an attribute of the call is that one; `None` if the call has
/// none.
fn resolved(attribute: &pb::AttributeProto, given: &[pb::AttributeProto]) -> Option<pb::AttributeProto> {
    if attribute.ref_attr_name.is_empty() {
        return Some(attribute.clone());
    }
    let found = given.iter().find(|given| given.name == attribute.ref_attr_name)?;
    Some(pb::AttributeProto { name: attribute.name.clone(), ..found.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(op_type: &str, domain: &str, input: &[&str], output: &[&str]) -> pb::NodeProto {
        let [input, output] = [input, output].map(|names| names.iter().map(|&name| name.to_owned()).collect());
        pb::NodeProto { op_type: op_type.into(), domain: domain.into(), input, output, ..Default::default() }
    }

    fn function(name: &str, node: Vec<pb::NodeProto>) -> pb::FunctionProto {
        let (input, output) = (vec!["x".to_owned()], vec!["y".to_owned()]);
        pb::FunctionProto {
            name: Some(name.to_owned()),
            domain: Some("own".into()),
            input,
            output,
            node,
            ..Default::default()
        }
    }

    fn model(node: Vec<pb::NodeProto>, functions: Vec<pb::FunctionProto>) -> pb::ModelProto {
        pb::ModelProto { graph: Some(pb::GraphProto { node, ..Default::default() }), functions, ..Default::default() }
    }

    #[test]
    fn a_call_becomes_the_nodes_of_its_function_with_names_of_their_own() {
        let slope = pb::AttributeProto { name: "alpha".into(), ref_attr_name: "slope".into(), ..Default::default() };
        let leaky = pb::NodeProto { attribute: vec![slope], ..node("LeakyRelu", "", &["x"], &["inner"]) };
        let twice =
            function("Twice", vec![node("Once", "own", &["x"], &["inner"]), node("Once", "own", &["inner"], &["y"])]);
        let once = function("Once", vec![leaky, node("Neg", "", &["inner"], &["y"])]);
        let calls = vec![node("Twice", "own", &["image"], &["a"]), node("Once", "own", &["a"], &["score"])];
        let mut found = model(calls.clone(), vec![twice.clone(), once.clone()]);
        inline(&mut found, |_| false).unwrap();
        let nodes = found.graph.unwrap().node;
        let lines: Vec<String> =
            nodes.iter().map(|node| format!("{} {} {}", node.op_type, node.input[0], node.output[0])).collect();
        assert_eq!(
            lines,
            [
                "LeakyRelu image a/inner/inner",
                "Neg a/inner/inner a/inner",
                "LeakyRelu a/inner a/inner",
                "Neg a/inner a",
                "LeakyRelu a score/inner",
                "Neg score/inner score",
            ]
        );
        // A known operator stays, and its function is gone.
        let mut kept = model(calls, vec![twice, once]);
        inline(&mut kept, |node| node.op_type == "Once").unwrap();
        assert_eq!((kept.graph.unwrap().node.len(), kept.functions.len()), (3, 0));
    }

    #[test]
    fn functions_that_call_themselves_or_double_at_each_call_are_refused() {
        let mut endless = model(
            vec![node("F", "own", &["image"], &["score"])],
            vec![function("F", vec![node("F", "own", &["x"], &["y"])])],
        );
        assert!(matches!(inline(&mut endless, |_| false), Err(EngineError::NotOnnx { .. })));
        let doubling = |name: &str, next: &str| {
            let calls = (0..8).map(|i| node(next, "own", &["x"], &[&format!("y{i}")])).collect();
            function(name, calls)
        };
        let names = ["A", "B", "C", "D", "E", "F", "G", "H"];
        let functions = names.windows(2).map(|pair| doubling(pair[0], pair[1])).collect();
        let mut many = model(vec![node("A", "own", &["image"], &["score"])], functions);
        assert!(matches!(inline(&mut many, |_| false), Err(EngineError::Costly { .. })));
    }
}
