//! Tests of the detector from outside: fitted to drawn pictures and run by the engines.

use counterfoil_edge::inference::Engine;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::export::parity::{EngineOutputs, compare};
use crate::export::runtime::testing::onnx_runtime;

/// `n` pictures of soft discs and a fine grating under a little noise, u8 [N, C, H, W].
fn pictures(n: usize, (c, h, w): (usize, usize, usize), seed: u64) -> Vec<u8> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let one = |_| {
        let (x0, y0) = (rng.random_range(0.3..0.7) * w as f32, rng.random_range(0.3..0.7) * h as f32);
        let radius = rng.random_range(0.15..0.3) * h as f32;
        let inks = [rng.random_range(0.5..0.9), 0.6, 0.4];
        let pixel = |index: usize| {
            let (plane, y, x) = (index / (h * w), (index / w % h) as f32, (index % w) as f32);
            let disc = 1.0 / (1.0 + ((x - x0).hypot(y - y0) - radius).exp());
            let value = 0.1 + inks[plane] * disc + 0.05 * (1.3 * x + 0.7 * y).sin() + rng.random_range(-0.02..0.02);
            (value * 255.0).round() as u8
        };
        (0..c * h * w).map(pixel).collect::<Vec<u8>>()
    };
    (0..n).flat_map(one).collect()
}

/// A detector fitted to u8 [N, C, H, W].
fn fitted(rows: &[u8], (c, h, w): (usize, usize, usize), metadata: &[(String, String)]) -> Vec<u8> {
    fit(&Samples::new(c, h, w, rows.to_vec()).unwrap(), metadata).unwrap()
}

fn unit(rows: &[u8]) -> Vec<f32> {
    rows.iter().map(|&byte| f32::from(byte) / 255.0).collect()
}

/// The mean of each pixel with its neighbours along the row.
fn blurred(row: &[u8]) -> Vec<u8> {
    let at = |i: usize| u32::from(row[i.min(row.len() - 1)]);
    (0..row.len()).map(|i| ((at(i.saturating_sub(1)) + at(i) + at(i + 1)) / 3) as u8).collect()
}

#[test]
fn engines_agree_on_every_size() {
    for (n, size) in [
        (200, (1, 28, 28)),
        (100, (3, 48, 64)),
        (40, (1, 17, 33)),
        (10, (3, 192, 384)),
        (120, (3, 96, 192)),
        (10, (1, 400, 300)),
    ] {
        let (c, h, w) = size;
        let onnx = fitted(&pictures(n, size, 1), size, &[]);
        assert!(onnx.len() < 2_000_000, "{} bytes at {size:?}", onnx.len());
        // Genuine pictures, and two that are far off: uniform grey, and noise.
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let mut rows = pictures(6, size, 3);
        rows.extend(vec![128; c * h * w]);
        rows.extend((0..c * h * w).map(|_| rng.random::<u8>()));
        let (shape, rows) = ([8, c, h, w], unit(&rows));
        let opinion =
            |engine: &str, outputs| EngineOutputs { engine: engine.to_owned(), version: String::new(), outputs };
        let tract = Runnable::load(&onnx, &shape).unwrap().run(&rows).unwrap();
        let one_by_one = Engine::load(&onnx, 1, c, h, w).unwrap();
        for (row, &score) in rows.chunks(c * h * w).zip(&tract[0].values) {
            let alone = one_by_one.run(row).unwrap();
            assert!((alone.score[0] - score).abs() <= 1e-4 * score.abs().max(1.0), "{alone:?} is not {score}");
        }
        if let Some(runtime) = onnx_runtime() {
            let theirs = runtime.session(&onnx).unwrap().run(&rows, &shape).unwrap();
            let agreement = compare(&opinion("tract", tract), &[opinion("onnxruntime", theirs)]).unwrap();
            eprintln!("{size:?}: {:.1e} apart, {} bytes", agreement[0].max_difference, onnx.len());
        }
    }
}

#[test]
fn genuine_pictures_score_near_minus_one_and_forgeries_far_below() {
    let size = (1, 28, 28);
    let engine = Engine::load(&fitted(&pictures(400, size, 1), size, &[]), 1, 1, 28, 28).unwrap();
    let fresh = pictures(100, size, 2);
    let scores = |change: fn(&[u8]) -> Vec<u8>| -> Vec<f32> {
        fresh.chunks(28 * 28).map(|row| engine.run(&unit(&change(row))).unwrap().score[0]).collect()
    };
    let genuine = scores(<[u8]>::to_vec);
    let mean = genuine.iter().sum::<f32>() / 100.0;
    assert!((-1.2..-0.5).contains(&mean), "{mean}");
    let worst = genuine.iter().copied().fold(0.0, f32::min);
    let forged = scores(blurred).into_iter().fold(f32::NEG_INFINITY, f32::max);
    assert!(forged < worst, "a blurred picture scores {forged}, a genuine one {worst}");
}

#[test]
fn the_number_of_threads_changes_no_byte() {
    let size = (1, 20, 24);
    let rows = pictures(50, size, 5);
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| fitted(&rows, size, &[("name".to_owned(), "test".to_owned())]))
    };
    assert_eq!(with(1), with(3));
}

#[test]
fn the_file_says_what_it_was_fitted_to() {
    let onnx = fitted(&pictures(9, (3, 16, 16), 6), (3, 16, 16), &[("name".to_owned(), "test".to_owned())]);
    let model: tract_onnx::pb::ModelProto = prost::Message::decode(&onnx[..]).unwrap();
    let value = |key: &str| &*model.metadata_props.iter().find(|entry| entry.key == key).unwrap().value;
    assert_eq!((value("name"), value("fitted_on")), ("test", "9"));
    assert_eq!(value("statistics").split(',').count(), 22);
}

#[test]
fn pictures_it_cannot_be_fitted_to_are_refused() {
    let refused = |n: usize, side: usize| {
        fit(&Samples::new(1, side, side, vec![0; n * side * side]).unwrap(), &[]).unwrap_err().to_string()
    };
    assert!(refused(10, 8).contains("at least 16"));
    assert!(refused(7, 28).contains("at least 8"));
}
