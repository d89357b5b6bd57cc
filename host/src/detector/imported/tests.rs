//! Networks as other programs write them, of four pixels each, whose scores are worked out by hand.

use std::fs;
use std::path::PathBuf;

use half::f16;
use prost::Message;

use super::*;
use crate::onnx::proto::{
    AttributeProto, AttributeType, Dimension, Entry, GraphProto, Model, Node, OperatorSet, Shape, Tensor, TensorType,
    Type, ValueInfo,
};

fn value(name: &str, kind: DataType, dims: &[i64]) -> ValueInfo {
    let dim = |&length: &i64| Dimension { dim_value: Some(length).filter(|length| *length > 0), dim_param: None };
    let shape = Some(Shape { dim: dims.iter().map(dim).collect() });
    let tensor = Some(TensorType { elem_type: Some(kind as i32), shape });
    ValueInfo { name: Some(name.to_owned()), kind: Some(Type { tensor }) }
}

fn node(op: &str, inputs: &[&str], output: &str) -> Node {
    Node {
        op_type: Some(op.to_owned()),
        name: Some(format!("{op} of {output}")),
        input: inputs.iter().map(|&name| name.to_owned()).collect(),
        output: vec![output.to_owned()],
        ..Node::default()
    }
}

fn floats(name: &str, dims: &[i64], values: &[f32]) -> Tensor {
    Tensor {
        name: Some(name.to_owned()),
        dims: dims.to_vec(),
        data_type: Some(DataType::Float as i32),
        raw_data: Some(values.iter().flat_map(|x| x.to_le_bytes()).collect()),
        ..Tensor::default()
    }
}

/// The mean of the channels' means, as `flat` `[N, 3]`, then `[N, 2]` logits: three times the first channel's mean and the
/// sum of all.
fn classifier() -> Model {
    let graph = GraphProto {
        node: vec![
            node("GlobalAveragePool", &["x"], "mean"),
            node("Flatten", &["mean"], "flat"),
            node("MatMul", &["flat", "w"], "logits"),
        ],
        initializer: vec![floats("w", &[3, 2], &[3.0, 1.0, 0.0, 1.0, 0.0, 1.0])],
        input: vec![value("x", DataType::Float, &[0, 3, 1, 4])],
        output: vec![value("logits", DataType::Float, &[0, 2])],
        ..GraphProto::default()
    };
    let set = OperatorSet { domain: Some(String::new()), version: Some(17) };
    Model { ir_version: Some(8), graph: Some(graph), opset_import: vec![set], ..Model::default() }
}

fn graph(model: &mut Model) -> &mut GraphProto {
    model.graph.as_mut().unwrap()
}

/// A folder with the network `model.onnx`.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn with(model: &Model) -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        fs::write(place.path(), model.encode_to_vec()).unwrap();
        place
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("model.onnx")
    }
}

/// What a user says about the classifier.
fn told() -> Told {
    Told {
        score: Some("logits:1".into()),
        higher_is: Some(HigherIs::Fake),
        scale: Some(PixelScale::Unit),
        ..Told::default()
    }
}

/// The score of a picture whose channels have the means 0.2, 0.4 and 0.6.
fn score(model: &Model, told: &Told) -> f32 {
    let wrapped = wrap(&Place::with(model).path(), told).unwrap();
    assert_eq!((wrapped.color, wrapped.size), (Color::Rgb, [4, 1]));
    let engine = Runnable::load(&wrapped.onnx, &[1, 3, 1, 4]).unwrap();
    let picture = [[0.1, 0.3, 0.2, 0.2], [0.4; 4], [0.6; 4]].concat();
    let outputs = engine.run(&picture).unwrap();
    let names: Vec<_> = outputs.iter().map(|output| (output.name.as_str(), output.shape.clone())).collect();
    assert_eq!(names, ["score", "logit", "embedding"].map(|name| (name, vec![1, 1])));
    outputs[0].values[0]
}

fn is_near(found: f32, wanted: f32) {
    assert!((found - wanted).abs() < 1e-3, "{found}, expected {wanted}");
}

fn refused(model: &Model, told: &Told, parts: &[&str]) {
    let error = wrap(&Place::with(model).path(), told).expect_err("must be refused");
    let message = format!("{error:#}");
    assert!(message.contains("model.onnx"), "{message:?} does not name the file");
    for part in parts {
        assert!(message.contains(part), "{message:?} lacks {part:?}");
    }
}

#[test]
fn a_column_counts_against_the_others_and_its_sign_is_told() {
    // Logits 0.6 and 1.2: the second column is 0.6 above the first.
    is_near(score(&classifier(), &told()), -0.6);
    is_near(score(&classifier(), &Told { higher_is: Some(HigherIs::Genuine), ..told() }), 0.6);
    is_near(score(&classifier(), &Told { score: Some("logits:0".into()), ..told() }), 0.6);
    // A softmax changes nothing: what it is made of counts.
    let mut model = classifier();
    graph(&mut model).node.push(node("Softmax", &["logits"], "likely"));
    graph(&mut model).output = vec![value("likely", DataType::Float, &[0, 2])];
    is_near(score(&model, &Told { score: Some("likely:1".into()), ..told() }), -0.6);
}

#[test]
fn pixels_come_in_the_scale_that_was_told() {
    let with = |scale| score(&classifier(), &Told { scale: Some(scale), ..told() });
    is_near(with(PixelScale::Bytes), -0.6 * 255.0);
    // Means -0.6, -0.2 and 0.2: logits -1.8 and -0.6.
    is_near(with(PixelScale::Centred), -1.2);
    let [red, green, blue] = [(0.2 - 0.485) / 0.229, (0.4 - 0.456) / 0.224, (0.6 - 0.406) / 0.225];
    is_near(with(PixelScale::Imagenet), 3.0 * red - (red + green + blue));
}

#[test]
fn channels_last_bytes_and_halves_are_found() {
    let mut last = classifier();
    graph(&mut last).input = vec![value("x", DataType::Float, &[0, 1, 4, 3])];
    let perm = AttributeProto {
        name: Some("perm".into()),
        ints: vec![0, 3, 1, 2],
        kind: Some(AttributeType::Ints as i32),
        ..AttributeProto::default()
    };
    graph(&mut last).node.insert(0, Node { attribute: vec![perm], ..node("Transpose", &["x"], "y") });
    graph(&mut last).node[1].input = vec!["y".into()];
    is_near(score(&last, &Told { layout: Some(Layout::Nhwc), ..told() }), -0.6);
    graph(&mut last).input = vec![value("x", DataType::Float, &[0, 2, 2, 3])];
    let found = wrap(&Place::with(&last).path(), &told()).unwrap().found;
    assert!(found.iter().any(|line| line.contains("--layout nhwc")), "{found:?}");

    let cast = |to: DataType, from: &str, output: &str| {
        let to = AttributeProto {
            name: Some("to".into()),
            i: Some(to as i64),
            kind: Some(AttributeType::Int as i32),
            ..AttributeProto::default()
        };
        Node { attribute: vec![to], ..node("Cast", &[from], output) }
    };
    let mut bytes = classifier();
    graph(&mut bytes).input = vec![value("x", DataType::Uint8, &[0, 3, 1, 4])];
    graph(&mut bytes).node.insert(0, cast(DataType::Float, "x", "y"));
    graph(&mut bytes).node[1].input = vec!["y".into()];
    // The means of whole bytes: 51, 102 and 153, but for the rounding of 0.1 and 0.3 (25.5 and 76.5, both up).
    let found = score(&bytes, &Told { scale: None, ..told() });
    assert!((found + 153.0).abs() < 1.5, "{found}");

    let mut halves = classifier();
    graph(&mut halves).input = vec![value("x", DataType::Float16, &[0, 3, 1, 4])];
    graph(&mut halves).output = vec![value("logits", DataType::Float16, &[0, 2])];
    let weights = &mut graph(&mut halves).initializer[0];
    weights.data_type = Some(DataType::Float16 as i32);
    let numbers = [3.0, 1.0, 0.0, 1.0, 0.0, 1.0].map(f16::from_f32);
    weights.raw_data = Some(numbers.iter().flat_map(|x| x.to_le_bytes()).collect());
    is_near(score(&halves, &told()), -0.6);
}

#[test]
fn the_highest_place_of_a_map_counts() {
    let mut model = classifier();
    graph(&mut model).initializer = vec![floats("w", &[1, 3, 1, 1], &[1.0, 0.0, 0.0])];
    graph(&mut model).node = vec![node("Conv", &["x", "w"], "anomaly_map")];
    graph(&mut model).output = vec![value("anomaly_map", DataType::Float, &[0, 1, 1, 4])];
    let told = Told { score: None, higher_is: None, ..told() };
    is_near(score(&model, &told), -0.3);
    let found = wrap(&Place::with(&model).path(), &told).unwrap().found;
    assert!(found.iter().any(|line| line.contains("--higher-is fake")), "{found:?}");
}

#[test]
fn newer_operator_sets_are_lowered_where_nothing_changed() {
    let mut model = classifier();
    model.opset_import[0].version = Some(22);
    is_near(score(&model, &told()), -0.6);
    graph(&mut model).node[1] = node("Gelu", &["mean"], "flat");
    refused(&model, &told(), &["Gelu of flat", "22", "opset 17"]);
    model.opset_import[0].version = Some(23);
    refused(&model, &told(), &["23", "9 to 22"]);
}

#[test]
fn weights_in_a_file_beside_it_are_taken_in() {
    let entry = |key: &str, value: &str| Entry { key: Some(key.into()), value: Some(value.into()) };
    let mut model = classifier();
    let weights = &mut graph(&mut model).initializer[0];
    let data = weights.raw_data.take().unwrap();
    weights.data_location = Some(1);
    weights.external_data = vec![entry("location", "weights.bin"), entry("offset", "8"), entry("length", "24")];
    let place = Place::with(&model);
    let missing = format!("{:#}", wrap(&place.path(), &told()).unwrap_err());
    assert!(missing.contains("`w`") && missing.contains("weights.bin"), "{missing}");
    fs::write(place.folder.path().join("weights.bin"), [&[0; 8], &*data].concat()).unwrap();
    assert!(wrap(&place.path(), &told()).is_ok());
    fs::write(place.folder.path().join("weights.bin"), &data).unwrap();
    let short = format!("{:#}", wrap(&place.path(), &told()).unwrap_err());
    assert!(short.contains("24 bytes"), "{short}");
    graph(&mut model).initializer[0].external_data[0] = entry("location", "../weights.bin");
    refused(&model, &told(), &["not in the folder"]);
}

#[test]
fn what_is_neither_told_nor_found_is_asked_for() {
    refused(&classifier(), &Told { scale: None, ..told() }, &["--scale", "imagenet"]);
    refused(&classifier(), &Told { higher_is: None, ..told() }, &["--higher-is fake"]);
    refused(&classifier(), &Told { score: None, ..told() }, &["2 columns", "--score logits:1"]);
    refused(&classifier(), &Told { score: Some("logits:2".into()), ..told() }, &["2 columns"]);
    refused(&classifier(), &Told { score: Some("other".into()), ..told() }, &["--score other", "`logits`"]);
    refused(&classifier(), &Told { input: Some("y".into()), ..told() }, &["--input y", "`x`"]);
    refused(&classifier(), &Told { size: Some([8, 8]), ..told() }, &["--size 8x8", "4x1"]);
    let mut any = classifier();
    graph(&mut any).input = vec![value("x", DataType::Float, &[0, 3, 0, 0])];
    refused(&any, &told(), &["--size WIDTHxHEIGHT"]);
    is_near(score(&any, &Told { size: Some([4, 1]), ..told() }), -0.6);
    graph(&mut any).input = vec![value("x", DataType::Float, &[0, 3, 4, 3])];
    refused(&any, &told(), &["--layout nhwc"]);
    let mut two = classifier();
    graph(&mut two).input.push(value("mask", DataType::Float, &[0, 1, 1, 4]));
    refused(&two, &told(), &["`mask`", "one picture"]);
}

#[test]
fn what_no_box_runs_is_refused_with_the_nodes_name() {
    let mut strange = classifier();
    graph(&mut strange).node[0] = Node { domain: Some("com.example".into()), ..node("Special", &["x"], "mean") };
    strange.opset_import.push(OperatorSet { domain: Some("com.example".into()), version: Some(1) });
    refused(&strange, &told(), &["Special"]);
    let mut nested = classifier();
    let inner =
        AttributeProto { name: Some("then_branch".into()), g: Some(Box::default()), ..AttributeProto::default() };
    graph(&mut nested).node[0].attribute.push(inner);
    refused(&nested, &told(), &["network of its own"]);
    let place = Place::with(&classifier());
    fs::write(place.path(), b"no network").unwrap();
    assert!(format!("{:#}", wrap(&place.path(), &told()).unwrap_err()).contains("no ONNX file"));
}
