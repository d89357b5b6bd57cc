//! Tests of the detector from outside: fitted to drawn strokes and run by the engines.

use std::f32::consts::PI;

use counterfoil_edge::inference::Engine;
use rand::Rng as _;

use super::*;
use crate::export::parity::{EngineOutputs, compare};
use crate::export::runtime::testing::onnx_runtime;
use crate::math::random::stream;

const SIZE: (usize, usize, usize) = (1, 40, 64);

/// Simulated handwriting: waves with each hand's own slant, pitch and pen, and small differences between
/// pictures. u8 [C, H, W], ink on white.
fn written(hand: u64, picture: u64, (c, h, w): (usize, usize, usize)) -> Vec<u8> {
    let mut own = stream(hand, "hand", 0);
    let (pitch, slant, pen) = (own.random_range(0.15..0.6), own.random_range(-0.8..0.8), own.random_range(0.8..2.0));
    let mut each = stream(hand, "picture", picture);
    let (phase, tall) = (each.random_range(0.0..PI), each.random_range(0.2..0.25) * h as f32);
    let pixel = |index: usize| {
        let (y, x) = ((index / w % h) as f32 - h as f32 / 2.0, (index % w) as f32);
        let line = tall * (pitch * (x + slant * y) + phase).sin();
        let ink = (pen + 1.0 - (y - line).abs()).clamp(0.0, 1.0);
        (255.0 * (1.0 - ink)).round() as u8
    };
    (0..c * h * w).map(pixel).collect()
}

/// A detector fitted to `each` pictures of each of `hands` hands.
fn fitted(hands: u64, each: u64, (c, h, w): (usize, usize, usize)) -> Result<Vec<u8>, StrokesError> {
    let pictures = (0..hands).flat_map(|hand| (0..each).map(move |picture| (hand, picture)));
    let (groups, rows): (Vec<u32>, Vec<Vec<u8>>) =
        pictures.map(|(hand, picture)| (hand as u32, written(hand, picture, (c, h, w)))).unzip();
    fit(&Samples::new(c, h, w, rows.concat()).unwrap(), &groups, &[], &[])
}

/// The descriptors of one picture.
fn described(picture: &[u8], (c, h, w): (usize, usize, usize)) -> Vec<f32> {
    let (mut graph, image) = open((c, h, w));
    let descriptors = append(&mut graph, &image, (c, h, w));
    graph.output(&descriptors, "descriptors", &[Dim::Batch, Dim::Fixed(LENGTH)]);
    let runnable = Runnable::load(&graph.finish(&[]), &[1, c, h, w]).unwrap();
    runnable.run(&unit(picture)).unwrap().swap_remove(0).values
}

#[test]
fn engines_agree_on_ink_on_none_and_on_what_is_no_stroke() {
    for size in [SIZE, (3, 32, 48)] {
        let (c, h, w) = size;
        let onnx = fitted(5, 3, size).unwrap();
        let mut rng = stream(0, "noise", 0);
        let mut rows = [written(7, 0, size), written(8, 0, size)].concat();
        rows.extend(vec![255; c * h * w]);
        rows.extend((0..c * h * w).map(|_| rng.random::<u8>()));
        let (shape, rows) = ([4, c, h, w], unit(&rows));
        let tract = Runnable::load(&onnx, &shape).unwrap().run(&rows).unwrap();
        let one_by_one = Engine::load(&onnx, 1, c, h, w).unwrap();
        assert_eq!(one_by_one.embedding_len(), LENGTH);
        for (row, &score) in rows.chunks(c * h * w).zip(&tract[0].values) {
            let alone = one_by_one.run(row).unwrap().score[0];
            assert!((alone - score).abs() <= 1e-4 * score.abs().max(1.0), "{alone} is not {score}");
        }
        if let Some(runtime) = onnx_runtime() {
            let theirs = runtime.session(&onnx).unwrap().run(&rows, &shape).unwrap();
            let opinion =
                |engine: &str, outputs| EngineOutputs { engine: engine.to_owned(), version: String::new(), outputs };
            let agreement = compare(&opinion("tract", tract), &[opinion("onnxruntime", theirs)]).unwrap();
            eprintln!("{size:?}: {:.1e} apart, {} bytes", agreement[0].max_difference, onnx.len());
        }
    }
}

#[test]
fn a_hand_is_nearer_to_itself_than_to_another() {
    let engine = Engine::load(&fitted(8, 4, SIZE).unwrap(), 1, 1, 40, 64).unwrap();
    let embedding = |hand, picture| engine.run(&unit(&written(hand, picture, SIZE))).unwrap().embedding;
    let apart = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f32>();
    for hand in 20..30 {
        let (first, second, other) = (embedding(hand, 0), embedding(hand, 1), embedding(hand + 20, 0));
        assert!(apart(&first, &second) < apart(&first, &other), "hand {hand}");
    }
}

/// Forged lines tremble. The tested hands are not among those that were forged for training.
#[test]
fn what_known_forgers_have_in_common_tells_others() {
    let forged = |hand, picture| -> Vec<u8> {
        // Every second column is shifted by a pixel.
        let own = written(hand, picture, SIZE);
        (0..40 * 64).map(|i| if i % 2 == 0 { own[i] } else { *own.get(i + 64).unwrap_or(&255) }).collect()
    };
    let rows: Vec<u8> = (0..36).flat_map(|i| written(i / 3, i % 3, SIZE)).collect();
    let fakes: Vec<u8> = (0..36).flat_map(|i| forged(i / 3, i % 3)).collect();
    let [genuine, fakes] = [rows, fakes].map(|rows| Samples::new(1, 40, 64, rows).unwrap());
    let groups: Vec<u32> = (0..36).map(|i| i / 3).collect();
    let engine = Engine::load(&fit(&genuine, &groups, &[fakes], &[]).unwrap(), 1, 1, 40, 64).unwrap();
    let score = |picture: &[u8]| engine.run(&unit(picture)).unwrap().score[0];
    let told = (20..40).filter(|hand| score(&written(*hand, 0, SIZE)) > score(&forged(*hand, 1))).count();
    assert!(told >= 18, "{told} of 20 hands");
}

/// Upright and horizontal bars: the mass of the directions moves by half of the bins.
#[test]
fn directions_are_those_of_the_strokes() {
    let square = (1, 64, 64);
    let bars = |upright: bool| -> Vec<u8> {
        (0..64 * 64).map(|i| if (if upright { i % 64 } else { i / 64 }) / 8 % 2 == 0 { 0 } else { 255 }).collect()
    };
    let mass = |picture: &[u8], direction: usize| {
        let cells = PARTS[0] / 18;
        described(picture, square)[direction * cells..(direction + 1) * cells].iter().map(|x| x * x).sum::<f32>()
    };
    // The gradient of upright bars points along x: direction 0 of 18. That of horizontal bars is perpendicular:
    // direction 9.
    let (upright, lying) = (bars(true), bars(false));
    assert!(mass(&upright, 0) > 0.8 && mass(&upright, 9) < 0.05, "{} {}", mass(&upright, 0), mass(&upright, 9));
    assert!(mass(&lying, 9) > 0.8 && mass(&lying, 0) < 0.05, "{} {}", mass(&lying, 9), mass(&lying, 0));
}

/// Each of the eight pixels around one pixel of ink has exactly one neighbour of ink.
#[test]
fn patterns_are_counted_one_by_one() {
    let mut dot = vec![255; 40 * 64];
    dot[20 * 64 + 30] = 0;
    let near = &described(&dot, SIZE)[PARTS[0]..PARTS[0] + 256];
    let found: Vec<usize> = (0..256).filter(|code| near[*code] > 0.1).collect();
    assert_eq!(found.len(), 8);
    assert!(found.iter().all(|code| (near[*code] - 0.125f32.sqrt()).abs() < 1e-3), "{found:?}");
    // The first four neighbours are the high half of a code.
    assert_eq!(found, [1, 2, 4, 8, 16, 32, 64, 128]);
}

#[test]
fn the_number_of_threads_changes_no_byte() {
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| fitted(5, 3, SIZE).unwrap())
    };
    assert_eq!(with(1), with(3));
}

#[test]
fn pictures_it_cannot_be_fitted_to_are_refused() {
    let refused = |hands, each, size| fitted(hands, each, size).unwrap_err().to_string();
    assert!(refused(5, 3, (1, 30, 64)).contains("multiples of 4 from 32"));
    assert!(refused(3, 3, SIZE).contains("found 3") && refused(9, 1, SIZE).contains("found 0"));
}
