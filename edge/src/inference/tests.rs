//! Tests on models that are built message by message, as a stranger could build them.

use std::sync::Arc;

use half::f16;
use pb::attribute_proto::AttributeType;
use pb::tensor_proto::{DataLocation, DataType};
use pb::tensor_shape_proto::{Dimension, dimension};
use prost::Message;

use super::*;

fn value(name: &str, dims: &[i64]) -> pb::ValueInfoProto {
    let dim = |&length: &i64| {
        let named = dimension::Value::DimParam("N".to_owned());
        let value = if length < 0 { named } else { dimension::Value::DimValue(length) };
        Dimension { value: Some(value), ..Default::default() }
    };
    let shape = pb::TensorShapeProto { dim: dims.iter().map(dim).collect() };
    let tensor = pb::type_proto::Tensor { elem_type: DataType::Float as i32, shape: Some(shape) };
    let kind = pb::TypeProto { value: Some(pb::type_proto::Value::TensorType(tensor)), ..Default::default() };
    pb::ValueInfoProto { name: name.to_owned(), r#type: Some(kind), ..Default::default() }
}

fn weight(name: &str, dims: &[i64], values: &[f32]) -> pb::TensorProto {
    let raw_data = values.iter().flat_map(|x| x.to_le_bytes()).collect();
    let data_type = DataType::Float as i32;
    pb::TensorProto { name: name.to_owned(), dims: dims.to_vec(), data_type, raw_data, ..Default::default() }
}

fn node(op: &str, inputs: &[&str], output: &str) -> pb::NodeProto {
    let input = inputs.iter().map(|&input| input.to_owned()).collect();
    pb::NodeProto {
        op_type: op.to_owned(),
        name: output.to_owned(),
        input,
        output: vec![output.to_owned()],
        ..Default::default()
    }
}

/// A discriminator with two pixels: embedding = flattened image, logit = 2 a - b, score = logit.
fn detective() -> pb::ModelProto {
    let graph = pb::GraphProto {
        name: "detective".to_owned(),
        node: vec![
            node("Flatten", &["image"], "embedding"),
            node("MatMul", &["embedding", "w"], "logit"),
            node("Identity", &["logit"], "score"),
        ],
        initializer: vec![weight("w", &[2, 1], &[2.0, -1.0])],
        input: vec![value("image", &[-1, 1, 1, 2])],
        output: vec![value("embedding", &[-1, 2]), value("score", &[-1, 1]), value("logit", &[-1, 1])],
        ..Default::default()
    };
    let opset = pb::OperatorSetIdProto { domain: String::new(), version: 17 };
    pb::ModelProto { ir_version: 8, opset_import: vec![opset], graph: Some(graph), ..Default::default() }
}

fn load(change: impl FnOnce(&mut pb::ModelProto)) -> Result<Engine, EngineError> {
    let mut model = detective();
    change(&mut model);
    Engine::load(&model.encode_to_vec(), 2, 1, 1, 2)
}

/// Loads a changed model, which must be rejected with a message that contains all `parts`.
fn refused(change: impl FnOnce(&mut pb::ModelProto), parts: &[&str]) {
    let message = load(change).expect_err("must be refused").to_string();
    for part in parts {
        assert!(message.contains(part), "{message:?} lacks {part:?}");
    }
}

fn graph(model: &mut pb::ModelProto) -> &mut pb::GraphProto {
    model.graph.as_mut().unwrap()
}

#[test]
fn scores_each_row_by_name_not_by_order() {
    let engine = load(|_| ()).unwrap();
    let outputs = engine.run(&[1.0, 0.5, 0.25, 1.0]).unwrap();
    assert_eq!(outputs.score, [1.5, -0.5]);
    assert_eq!(outputs.logit, [1.5, -0.5]);
    assert_eq!(outputs.embedding, [1.0, 0.5, 0.25, 1.0]);
    assert_eq!(engine.embedding_len(), 2);
}

/// Stores the weights as float16, with a node that casts them to `w`.
fn narrow(model: &mut pb::ModelProto) {
    let graph = graph(model);
    let raw_data = [2.0, -1.0].into_iter().flat_map(|x| f16::from_f32(x).to_le_bytes()).collect();
    let data_type = DataType::Float16 as i32;
    graph.initializer =
        vec![pb::TensorProto { name: "half".to_owned(), dims: vec![2, 1], data_type, raw_data, ..Default::default() }];
    graph.node.insert(0, cast("half", "w", DataType::Float));
}

fn cast(input: &str, output: &str, to: DataType) -> pb::NodeProto {
    let to = to as i64;
    let kind = AttributeType::Int as i32;
    let attribute = pb::AttributeProto { name: "to".to_owned(), r#type: kind, i: to, ..Default::default() };
    pb::NodeProto { attribute: vec![attribute], ..node("Cast", &[input], output) }
}

#[test]
fn weights_in_half_precision_are_widened_before_tract_sees_them() {
    assert_eq!(load(narrow).unwrap().run(&[1.0, 0.5, 0.25, 1.0]).unwrap().score, [1.5, -0.5]);
    let held = |change: fn(&mut pb::GraphProto)| {
        let mut model = detective();
        narrow(&mut model);
        change(graph(&mut model));
        let mut read = model.graph.unwrap();
        tract::halves::widen(&mut read);
        let casts = read.node.iter().filter(|node| node.op_type == "Cast").count();
        (casts, read.initializer.into_iter().map(|tensor| tensor.name).collect::<Vec<_>>())
    };
    assert_eq!(held(|_| ()), (0, vec!["w".to_owned()]));
    // A tensor that another node reads is kept, and so is a cast to another type.
    let both = ["half", "w"].map(str::to_owned).to_vec();
    assert_eq!(held(|graph| graph.node.push(node("Identity", &["half"], "other"))), (0, both.clone()));
    assert_eq!(held(|graph| graph.node.push(cast("half", "other", DataType::Double))), (1, both));
    // A branch can read the tensors of the graph around it.
    let inner = |graph: &mut pb::GraphProto| {
        let branch = pb::GraphProto { node: vec![node("Identity", &["half"], "inner")], ..Default::default() };
        let kind = AttributeType::Graph as i32;
        let branch =
            pb::AttributeProto { name: "then_branch".to_owned(), r#type: kind, g: Some(branch), ..Default::default() };
        graph.node.push(pb::NodeProto { attribute: vec![branch], ..node("If", &["condition"], "other") });
    };
    assert_eq!(held(inner).1, ["half", "w"]);
}

#[test]
fn threads_share_one_engine() {
    let engine = Arc::new(load(|_| ()).unwrap());
    let threads: Vec<_> = (0..4)
        .map(|thread| {
            let engine = Arc::clone(&engine);
            std::thread::spawn(move || {
                for i in 0..200 {
                    let a = (thread * 200 + i) as f32;
                    assert_eq!(engine.run(&[a, 0.0, 0.0, a]).unwrap().score, [2.0 * a, -a]);
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn a_slice_of_another_length_is_refused() {
    let message = load(|_| ()).unwrap().run(&[0.0; 3]).unwrap_err().to_string();
    assert!(message.contains("3 numbers") && message.contains("takes 4"), "{message}");
}

#[test]
fn external_data_is_refused_unread() {
    let point_outside = |model: &mut pb::ModelProto| {
        let tensor = &mut graph(model).initializer[0];
        tensor.raw_data.clear();
        tensor.data_location = Some(DataLocation::External as i32);
        let value = "../../etc/passwd".to_owned();
        tensor.external_data = vec![pb::StringStringEntryProto { key: "location".to_owned(), value }];
    };
    refused(point_outside, &["`w`", "outside the bundle", "../../etc/passwd"]);
}

#[test]
fn other_opsets_are_refused() {
    refused(|model| model.opset_import[0].version = 21, &["opset 21", "9 to 18", "opset 17"]);
    refused(|model| model.opset_import.clear(), &["opset 0"]);
}

#[test]
fn another_input_is_refused() {
    let expected = "`image` float32 [2, 1, 1, 2]";
    refused(|model| graph(model).input[0].name = "x".to_owned(), &["`x` float32 [N, 1, 1, 2]", expected]);
    refused(
        |model| graph(model).input[0] = value("image", &[-1, 3, 1, 2]),
        &["`image` float32 [N, 3, 1, 2]", expected],
    );
    refused(|model| graph(model).input[0] = value("image", &[1, 1, 1, 2]), &["`image` float32 [1, 1, 1, 2]", expected]);
    refused(|model| graph(model).input.clear(), &["missing", expected]);
}

#[test]
fn missing_or_misshapen_outputs_are_refused() {
    refused(|model| graph(model).output.truncate(2), &["embedding, score", "`logit`"]);
    refused(
        |model| graph(model).node[2] = node("Identity", &["embedding"], "score"),
        &["`score` of shape [2, 2]", "[2, 1]"],
    );
    refused(|model| graph(model).output.push(value("ghost", &[-1])), &["ghost"]);
}

#[test]
fn weights_that_are_not_finite_are_refused() {
    for bad in [f32::NAN, f32::NEG_INFINITY] {
        refused(|model| graph(model).initializer[0] = weight("w", &[2, 1], &[bad, 0.0]), &["`w`", "NaN or infinity"]);
    }
}

#[test]
fn weights_that_do_not_fill_their_shape_are_refused() {
    refused(|model| graph(model).initializer[0].dims = vec![3, 1], &["`w`", "[3, 1]", "8 bytes"]);
    refused(|model| graph(model).initializer[0].dims = vec![i64::MAX, 9], &["`w`", "8 bytes"]);
    refused(|model| graph(model).initializer[0].dims = vec![-2, -1], &["`w`", "8 bytes"]);
}

#[test]
fn an_operator_that_tract_lacks_is_refused() {
    refused(
        |model| graph(model).node[2].op_type = "Upsample".to_owned(),
        &["`score`", "Upsample", "cost is not known"],
    );
    refused(|model| graph(model).node[2].op_type = "LpPool".to_owned(), &["tract cannot run"]);
}

/// A message quotes the model, but not without end.
#[test]
fn a_reason_is_of_readable_length() {
    let message = load(|model| graph(model).node[1].input[0] = "x".repeat(100_000)).unwrap_err().to_string();
    assert!(message.contains("xxx ...") && message.len() < 1000, "{} bytes", message.len());
}

#[test]
fn other_bytes_are_refused() {
    for bytes in [&b""[..], b"PK\x03\x04 not a model", &[0xff; 4096]] {
        let message = Engine::load(bytes, 1, 1, 1, 2).unwrap_err().to_string();
        assert!(message.contains("not a readable ONNX model"), "{message}");
    }
    let message = Engine::load(&vec![0; limits::NETWORK + 1], 1, 1, 1, 2).unwrap_err().to_string();
    assert!(message.contains("67108865 bytes"), "{message}");
}

/// Every truncated model, and every model with one flipped bit, either loads or is rejected; none panics.
#[test]
fn damaged_models_never_panic() {
    let whole = detective().encode_to_vec();
    for length in 0..whole.len() {
        let _ = Engine::load(&whole[..length], 2, 1, 1, 2);
    }
    for bit in 0..whole.len() * 8 {
        let mut damaged = whole.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        if let Ok(engine) = Engine::load(&damaged, 2, 1, 1, 2) {
            let _ = engine.run(&[0.5; 4]);
        }
    }
}

/// Numbers that look random, in -0.5..0.5.
fn noise(count: usize, seed: u32) -> Vec<f32> {
    let number = |i: u32| ((i + seed).wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 24) as f32 - 0.5;
    (0..count as u32).map(number).collect()
}

fn ints(name: &str, ints: &[i64]) -> pb::AttributeProto {
    let r#type = AttributeType::Ints as i32;
    pb::AttributeProto { name: name.to_owned(), r#type, ints: ints.to_vec(), ..Default::default() }
}

fn int(name: &str, i: i64) -> pb::AttributeProto {
    pb::AttributeProto { name: name.to_owned(), r#type: AttributeType::Int as i32, i, ..Default::default() }
}

/// A graph with the input `image` and the output `made`.
fn picture_graph(
    image: &[i64],
    made: &[i64],
    initializer: Vec<pb::TensorProto>,
    node: Vec<pb::NodeProto>,
) -> pb::ModelProto {
    let (input, output) = (vec![value("image", image)], vec![value("made", made)]);
    let graph = pb::GraphProto { name: "picture".to_owned(), node, initializer, input, output, ..Default::default() };
    let opset = pb::OperatorSetIdProto { domain: String::new(), version: 17 };
    pb::ModelProto { ir_version: 8, opset_import: vec![opset], graph: Some(graph), ..Default::default() }
}

/// The output of a graph with our own operators and with tract's alone.
fn both_ways(model: &pb::ModelProto, shape: &[usize], input: &[f32]) -> [Vec<f32>; 2] {
    [true, false].map(|own| {
        let tract = Tract { own };
        let proto = check::read(&model.encode_to_vec(), &tract).unwrap();
        let names = check::output_names(&proto).unwrap();
        Graph::from_proto(&tract, proto, shape, None, names).unwrap().run(input).unwrap().remove(0).values
    })
}

#[test]
fn convolutions_are_the_same_with_our_kernels() {
    // A chain as detectors have it: strides, zeros on one side only, depthwise, every activation, a sum, and a
    // convolution of too few channels for ours.
    let conv = |inputs: &[&str], output: &str, attribute: Vec<pb::AttributeProto>| pb::NodeProto {
        attribute,
        ..node("Conv", inputs, output)
    };
    let alpha = pb::AttributeProto { f: 0.2, ..pb::AttributeProto { name: "alpha".to_owned(), ..Default::default() } };
    let alpha = pb::AttributeProto { r#type: AttributeType::Float as i32, ..alpha };
    let nodes = vec![
        conv(&["image", "w1", "b"], "c1", vec![ints("strides", &[2, 2]), ints("pads", &[0, 0, 1, 1])]),
        node("Clip", &["c1", "zero", "most"], "a1"),
        conv(&["a1", "w2", "b"], "c2", vec![ints("pads", &[1; 4]), int("group", 20)]),
        pb::NodeProto { attribute: vec![alpha], ..node("LeakyRelu", &["c2"], "a2") },
        conv(&["a2", "w3"], "c3", vec![]),
        node("Add", &["c3", "a1"], "sum"),
        node("Relu", &["sum"], "a3"),
        conv(&["a3", "w4"], "c4", vec![]),
        node("Relu", &["c4"], "made"),
    ];
    let weights = vec![
        weight("w1", &[20, 3, 3, 3], &noise(540, 1)),
        weight("b", &[20], &noise(20, 2)),
        weight("w2", &[20, 1, 3, 3], &noise(180, 3)),
        weight("w3", &[20, 20, 1, 1], &noise(400, 4)),
        weight("w4", &[2, 20, 1, 1], &noise(40, 5)),
        weight("zero", &[], &[0.0]),
        weight("most", &[], &[0.4]),
    ];
    let mut model = picture_graph(&[-1, 3, 16, 24], &[-1, 2, 8, 12], weights, nodes);
    let input = noise(2 * 3 * 16 * 24, 6);
    for output in ["made", "a1", "c1", "a2", "c3"] {
        // A result that is read as an output keeps its name, though an activation follows.
        graph(&mut model).output[0].name = output.to_owned();
        let [ours, stock] = both_ways(&model, &[2, 3, 16, 24], &input);
        assert!(ours.len() == stock.len() && ours.iter().any(|x| x.abs() > 0.1), "{output}");
        assert!(ours.iter().zip(&stock).all(|(a, b)| (a - b).abs() < 1e-4), "{output}");
    }
}

/// A call of an operator of ours, and the function `made = flattened image * 0` that stands for it in the file.
fn own(operator: &str, columns: usize) -> (pb::NodeProto, pb::FunctionProto) {
    let constant = |name: &str, tensor| {
        let r#type = AttributeType::Tensor as i32;
        let attribute = pb::AttributeProto { name: "value".to_owned(), r#type, t: Some(tensor), ..Default::default() };
        pb::NodeProto { attribute: vec![attribute], ..node("Constant", &[], name) }
    };
    let body = vec![
        constant("w", weight("w", &[1, 1, 1, 1], &[0.0])),
        constant("zeros", weight("zeros", &[1, columns as i64], &vec![0.0; columns])),
        node("GlobalAveragePool", &["x"], "mean"),
        node("Mul", &["mean", "w"], "none"),
        pb::NodeProto { attribute: vec![int("axis", 1)], ..node("Flatten", &["none"], "flat") },
        node("Add", &["flat", "zeros"], "y"),
    ];
    let function = pb::FunctionProto {
        name: Some(operator.to_owned()),
        domain: Some(OWN_OPERATORS.to_owned()),
        input: vec!["x".to_owned()],
        output: vec!["y".to_owned()],
        node: body,
        opset_import: vec![pb::OperatorSetIdProto { domain: String::new(), version: 17 }],
        ..Default::default()
    };
    (pb::NodeProto { domain: OWN_OPERATORS.to_owned(), ..node(operator, &["image"], "made") }, function)
}

#[test]
fn an_own_operator_is_computed_by_its_kernel_or_by_the_files_function() {
    let input: Vec<f32> = noise(2 * 12 * 15, 1).iter().map(|x| x + 0.5).collect();
    for (operator, columns) in [("JointHistograms", 452), ("LocalPatterns", 48)] {
        let (call, function) = own(operator, columns);
        let mut model = picture_graph(&[-1, 1, 12, 15], &[-1, columns as i64], vec![], vec![call]);
        model.functions = vec![function];
        let [ours, stock] = both_ways(&model, &[2, 1, 12, 15], &input);
        assert_eq!((ours.len(), stock), (2 * columns, vec![0.0; 2 * columns]));
        assert!(ours.iter().all(|x| x.is_finite()) && ours.iter().any(|x| *x < -1.0));
        // Pictures that the kernel does not take.
        for (channels, side) in [(2, 12), (1, 2)] {
            let shape = [1, channels, side, side];
            let wrong = Graph::load(&model_for(&model, &shape), &shape.map(|length| length as usize));
            assert!(matches!(wrong, Err(EngineError::Unsupported { .. })), "{operator} {shape:?}: {wrong:?}");
        }
    }
}

/// The model for an input of another shape.
fn model_for(model: &pb::ModelProto, shape: &[i64]) -> Vec<u8> {
    let mut model = model.clone();
    graph(&mut model).input = vec![value("image", shape)];
    graph(&mut model).output = vec![value("made", &[-1, -1])];
    model.encode_to_vec()
}

#[test]
fn operators_of_other_domains_are_refused_and_functions_of_theirs_are_opened() {
    let opened = |domain: &str, operator: &str, with_function: bool| {
        let (mut call, mut function) = own("JointHistograms", 3);
        (call.domain, call.op_type) = (domain.to_owned(), operator.to_owned());
        (function.domain, function.name) = (Some(domain.to_owned()), Some(operator.to_owned()));
        let mut model = picture_graph(&[-1, 1, 4, 4], &[-1, 3], vec![], vec![call]);
        model.functions = if with_function { vec![function] } else { vec![] };
        Graph::load(&model.encode_to_vec(), &[1, 1, 4, 4])
    };
    assert!(opened("pkg.torch", "mean", true).is_ok());
    for (domain, operator) in
        [("pkg.torch", "mean"), (OWN_OPERATORS, "Other"), ("counterfoil.replaced", "Filter"), ("", "Filter")]
    {
        let refused = opened(domain, operator, false);
        assert!(matches!(refused, Err(EngineError::Operator { .. })), "{domain} {operator}: {refused:?}");
    }
}
