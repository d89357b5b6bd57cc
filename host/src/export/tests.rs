//! Exported files give the same outputs on three engines: candle is the reference; tract and (if its library is
//! found) ONNX Runtime are compared with it.

use candle_core::{Device, Tensor};
use counterfoil_edge::inference::{Engine, Graph, NamedOutput};
use counterfoil_models::Calibration;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::parity::{EngineOutputs, compare, compare_judgements};
use super::runtime::{Runtime, find, testing::onnx_runtime};

use crate::nn::{Layer, infer};
use crate::onnx;

fn random(rng: &mut ChaCha8Rng, shape: &[usize], scale: f32) -> Tensor {
    let values: Vec<f32> = (0..shape.iter().product()).map(|_: usize| rng.random_range(-scale..scale)).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

fn linear(rng: &mut ChaCha8Rng, i: usize, o: usize) -> Layer {
    Layer::Linear { weight: random(rng, &[o, i], (3.0 / i as f32).sqrt()), bias: random(rng, &[o], 0.1) }
}

fn conv(rng: &mut ChaCha8Rng, (i, o): (usize, usize), k: usize, stride: usize, padding: usize) -> Layer {
    let weight = random(rng, &[o, i, k, k], (3.0 / (i * k * k) as f32).sqrt());
    Layer::Conv2d { weight, bias: random(rng, &[o], 0.1), stride, padding }
}

fn deconv(rng: &mut ChaCha8Rng, (i, o): (usize, usize), k: usize, stride: usize, padding: usize) -> Layer {
    let weight = random(rng, &[i, o, k, k], (3.0 / (i * k) as f32).sqrt());
    Layer::ConvTranspose2d { weight, bias: random(rng, &[o], 0.1), stride, padding }
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

fn opinion(engine: &str, outputs: Vec<NamedOutput>) -> EngineOutputs {
    EngineOutputs { engine: engine.to_owned(), version: "test".to_owned(), outputs }
}

fn named(name: &str, tensor: &Tensor) -> NamedOutput {
    NamedOutput { name: name.to_owned(), shape: tensor.dims().to_vec(), values: values(tensor) }
}

/// Compares tract and ONNX Runtime with candle's outputs.
fn assert_agree(onnx: &[u8], input: &Tensor, reference: Vec<NamedOutput>) {
    let (shape, numbers) = (input.dims(), values(input));
    let tract = Graph::load(onnx, shape).unwrap().run(&numbers).unwrap();
    let mut others = vec![opinion("tract", tract)];
    if let Some(runtime) = onnx_runtime() {
        assert!(runtime.version().starts_with("1."), "{}", runtime.version());
        others.push(opinion("onnxruntime", runtime.session(onnx).unwrap().run(&numbers, shape).unwrap()));
    }
    for agreement in compare(&opinion("candle", reference), &others).unwrap() {
        assert_eq!(agreement.pictures, shape[0]);
    }
}

fn assert_discriminator(layers: &[Layer], embedding_at: usize, size: (usize, usize, usize), rng: &mut ChaCha8Rng) {
    let (c, h, w) = size;
    let onnx = onnx::discriminator(layers, embedding_at, size, &[]).unwrap();
    let image = (random(rng, &[5, c, h, w], 0.5) + 0.5).unwrap(); // [5, C, H, W] in 0..1
    let signed = ((&image * 2.0).unwrap() - 1.0).unwrap();
    let embedding = infer(&layers[..=embedding_at], &signed).unwrap().flatten_from(1).unwrap();
    let logit = infer(layers, &signed).unwrap();
    let reference = vec![named("score", &logit), named("logit", &logit), named("embedding", &embedding)];
    assert_agree(&onnx, &image, reference);

    // One row at a time on the box's engine: a picture's score does not depend on its neighbours.
    let engine = Engine::load(&onnx, 1, c, h, w).unwrap();
    assert_eq!(engine.embedding_len(), embedding.dim(1).unwrap());
    for (row, &wanted) in values(&image).chunks(c * h * w).zip(&values(&logit)) {
        let found = engine.run(row).unwrap().score[0];
        assert!((found - wanted).abs() < 1e-4 * wanted.abs().max(1.0), "{found} is not {wanted}");
    }
}

#[test]
fn an_mlp_discriminator_reads_alike_everywhere() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let layers = [
        Layer::Flatten,
        linear(&mut rng, 108, 40),
        Layer::LeakyRelu(0.2),
        linear(&mut rng, 40, 16),
        Layer::Tanh,
        linear(&mut rng, 16, 1),
    ];
    assert_discriminator(&layers, 4, (3, 6, 6), &mut rng);
}

#[test]
fn a_convolutional_discriminator_reads_alike_everywhere() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let layers = [
        conv(&mut rng, (1, 8), 4, 2, 1),
        Layer::LeakyRelu(0.2),
        conv(&mut rng, (8, 12), 3, 1, 1),
        Layer::Relu,
        conv(&mut rng, (12, 6), 4, 2, 1),
        Layer::Tanh,
        Layer::Flatten,
        linear(&mut rng, 6 * 4 * 6, 1),
    ];
    // The embedding here is a map, which the writer flattens.
    assert_discriminator(&layers, 5, (1, 16, 24), &mut rng);
}

#[test]
fn generators_read_alike_everywhere() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let mlp = vec![
        linear(&mut rng, 10, 30),
        Layer::LeakyRelu(0.2),
        linear(&mut rng, 30, 75),
        Layer::Tanh,
        Layer::Reshape { channels: 3, height: 5, width: 5 },
    ];
    let dcgan = vec![
        linear(&mut rng, 10, 6 * 4 * 3),
        Layer::Reshape { channels: 6, height: 4, width: 3 },
        Layer::Relu,
        deconv(&mut rng, (6, 5), 4, 2, 1),
        Layer::Relu,
        deconv(&mut rng, (5, 4), 3, 1, 1),
        Layer::Relu,
        deconv(&mut rng, (4, 3), 4, 2, 1),
        Layer::Tanh,
    ];
    for layers in [mlp, dcgan] {
        let onnx = onnx::generator(&layers, 10, &[]).unwrap();
        let z = random(&mut rng, &[4, 10], 2.0);
        let image = ((infer(&layers, &z).unwrap() + 1.0).unwrap() * 0.5).unwrap();
        assert_agree(&onnx, &z, vec![named("image", &image)]);
    }
}

#[test]
fn the_same_layers_give_the_same_bytes_and_carry_metadata() {
    let layers = [Layer::Flatten, linear(&mut ChaCha8Rng::seed_from_u64(4), 4, 1)];
    let metadata = [("name".to_owned(), "specimen-note".to_owned())];
    let write = || onnx::discriminator(&layers, 0, (1, 2, 2), &metadata).unwrap();
    assert_eq!(write(), write());
    let model: tract_onnx::pb::ModelProto = prost::Message::decode(&write()[..]).unwrap();
    assert_eq!((model.ir_version, model.opset_import[0].version, &*model.producer_name), (8, 17, "counterfoil"));
    assert_eq!((&*model.metadata_props[0].key, &*model.metadata_props[0].value), ("name", "specimen-note"));
}

#[test]
fn layers_that_do_not_fit_are_refused_by_number() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let refused = |layers: &[Layer]| onnx::discriminator(layers, 0, (1, 8, 8), &[]).unwrap_err().to_string();
    let message = refused(&[Layer::Flatten, linear(&mut rng, 63, 1)]);
    assert!(message.contains("layer 1 (Linear)") && message.contains("[64]") && message.contains("[63]"), "{message}");
    let message = refused(&[conv(&mut rng, (3, 2), 3, 1, 1)]);
    assert!(message.contains("layer 0 (Conv2d)") && message.contains("[3, H, W]"), "{message}");
    let message = refused(&[conv(&mut rng, (1, 2), 11, 1, 1)]);
    assert!(message.contains("at least 11 pixels"), "{message}");
    let message = refused(&[Layer::Flatten, linear(&mut rng, 64, 2)]);
    assert!(message.contains("the discriminator ends in a value of shape [2], expected [1]"), "{message}");
    let message = onnx::generator(&[linear(&mut rng, 4, 9)], 4, &[]).unwrap_err().to_string();
    assert!(message.contains("the generator ends in a value of shape [9]"), "{message}");
}

fn scores(values: &[f32]) -> Vec<NamedOutput> {
    vec![NamedOutput { name: "score".to_owned(), shape: vec![values.len(), 1], values: values.to_vec() }]
}

#[test]
fn parity_names_engine_output_and_picture() {
    // The standard deviation is 0.41, so a difference of at most 1.2e-3 is allowed.
    let reference = opinion("candle", scores(&[0.5, 0.0, 1.0]));
    let near = compare(&reference, &[opinion("tract", scores(&[0.5, 0.0004, 1.0]))]).unwrap();
    assert!((near[0].max_difference - 4e-4).abs() < 1e-6, "{near:?}");
    for bad in [1.0015, f32::NAN, f32::INFINITY] {
        let message = compare(&reference, &[opinion("tract", scores(&[0.5, 0.0, bad]))]).unwrap_err().to_string();
        assert!(message.contains("tract gives") && message.contains("`score`, picture 2"), "{message}");
    }
    let message = compare(&reference, &[opinion("tract", scores(&[0.5]))]).unwrap_err().to_string();
    assert!(message.contains("score [1, 1]") && message.contains("score [3, 1]"), "{message}");
}

#[test]
fn an_output_that_never_varies_may_differ_by_roundings_alone() {
    let reference = opinion("candle", scores(&[200.0; 3]));
    assert!(compare(&reference, &[opinion("tract", scores(&[200.001; 3]))]).is_ok());
    assert!(compare(&reference, &[opinion("tract", scores(&[200.01; 3]))]).is_err());
}

#[test]
fn a_wrong_weight_and_swapped_channels_are_refused() {
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    let (first, last) = (conv(&mut rng, (3, 8), 4, 2, 1), linear(&mut rng, 8 * 8 * 8, 1));
    let layers = [first.clone(), Layer::LeakyRelu(0.2), Layer::Flatten, last.clone()];
    let image = (random(&mut rng, &[32, 3, 16, 16], 0.5) + 0.5).unwrap();
    let signed = ((&image * 2.0).unwrap() - 1.0).unwrap();
    let logit = infer(&layers, &signed).unwrap();
    let embedding = infer(&layers[..3], &signed).unwrap();
    let outputs = vec![named("score", &logit), named("logit", &logit), named("embedding", &embedding)];
    let reference = opinion("candle", outputs);
    let compared = |layers: &[Layer], image: &Tensor| {
        let onnx = onnx::discriminator(layers, 2, (3, 16, 16), &[]).unwrap();
        let outputs = Graph::load(&onnx, image.dims()).unwrap().run(&values(image)).unwrap();
        compare(&reference, &[opinion("tract", outputs)])
    };
    assert!(compared(&layers, &image).unwrap()[0].max_difference < 1e-5);

    let swapped = Tensor::cat(&[2, 1, 0].map(|channel| image.narrow(1, channel, 1).unwrap()), 1).unwrap();
    assert!(compared(&layers, &swapped).is_err());
    // One weight of 384 or of 512 is a tenth too large.
    let altered = |layer: &Layer| {
        let enlarged = |weight: &Tensor| {
            let mut numbers = values(weight);
            numbers[100] *= 1.1;
            Tensor::from_vec(numbers, weight.dims(), &Device::Cpu).unwrap()
        };
        match layer.clone() {
            Layer::Conv2d { weight, bias, stride, padding } => {
                Layer::Conv2d { weight: enlarged(&weight), bias, stride, padding }
            }
            Layer::Linear { weight, bias } => Layer::Linear { weight: enlarged(&weight), bias },
            other => other,
        }
    };
    for at in [0, 3] {
        let mut wrong = layers.clone();
        wrong[at] = altered(&wrong[at]);
        assert!(compared(&wrong, &image).is_err(), "layer {at}");
    }
}

#[test]
fn verdicts_must_be_equal_and_scores_near_each_other() {
    let calibration = Calibration::new(0.05, (0..99).map(|i| i as f32).collect()).unwrap();
    let compared = |a: f32, b: f32| compare_judgements(("candle", &[50.5, a]), &[("tract", &[50.5, b])], &calibration);
    assert!(compared(60.0, 60.01).is_ok());
    let message = compared(60.0, 60.1).unwrap_err().to_string();
    assert!(message.contains("`joined score`, picture 1"), "{message}");
    let message = compared(2.5, 5.5).unwrap_err().to_string();
    assert!(message.contains("tract calls picture 1 unsure where candle calls it counterfeit"), "{message}");
    // At the threshold itself a rounding error decides, on any engine.
    assert!(compared(4.0, 3.9999).is_ok());
}

#[test]
fn the_library_is_looked_for_in_order() {
    let root = tempfile::tempdir().unwrap();
    let capi = root.path().join(".venv/lib/python3.11/site-packages/onnxruntime/capi");
    std::fs::create_dir_all(&capi).unwrap();
    let library = capi.join("libonnxruntime.so.1.31.1");
    std::fs::write(&library, b"").unwrap();
    std::fs::write(capi.join("libonnxruntime_providers_shared.so"), b"").unwrap();
    let near = [root.path().join("target/debug/counterfoil")];
    let (flag, env) = (std::path::Path::new("/flag.so"), std::ffi::OsStr::new("/env.so"));
    assert_eq!(find(Some(flag), Some(env), &near).unwrap(), flag);
    assert_eq!(find(None, Some(env), &near).unwrap(), std::path::Path::new("/env.so"));
    assert_eq!(find(None, Some(std::ffi::OsStr::new("")), &near).unwrap(), library);
    assert_eq!(find(None, None, &[]), None);
    let message = Runtime::load(flag).unwrap_err().to_string();
    assert!(message.contains("/flag.so") && message.contains("scripts/onnxruntime"), "{message}");
}

#[test]
fn a_manifest_names_the_engines_that_this_program_is_built_with() {
    let lock: toml::Table = include_str!("../../../Cargo.lock").parse().unwrap();
    for (package, version) in [("candle-core", env!("CANDLE_VERSION")), ("tract-onnx", env!("TRACT_VERSION"))] {
        let packages = lock["package"].as_array().unwrap().iter();
        let versions: Vec<&str> = packages
            .filter(|entry| entry["name"].as_str() == Some(package))
            .map(|entry| entry["version"].as_str().unwrap())
            .collect();
        assert_eq!(versions, [version], "{package}");
    }
}
