//! Tests that the forgeries are hard but not hopeless: no single number detects a family, but a supervised classifier
//! at full resolution does.
//!
//! The classifier is a ridge regression on local features: the light and the fine structure of each 16 x 16 block. It
//! is trained on genuine notes and the notes of one family, and judged on other notes. It is a test, not a product:
//! it is trained on labelled forgeries, which a user of a detector does not have.

use counterfoil_models::Frame;
use image::RgbImage;
use rayon::prelude::*;

use super::{Family, HEIGHT, WIDTH, forged, genuine};
use crate::data::simple_statistics;
use crate::eval::{Observation, Sample, auroc};

/// Numbers of genuine notes and of notes of each family: [for training, for judging].
const GENUINE: [u64; 2] = [220, 140];
const FORGED: [u64; 2] = [110, 70];
/// Seed of the notes. It is not a seed that was used to choose the strength of a forgery.
const SEED: u64 = 22;
/// Side of a block in pixels, and number of features per block.
const BLOCK: usize = 16;
const KINDS: usize = 15;
/// Ridge parameter, for features of unit variance and a kernel divided by the number of features.
const RIDGE: f64 = 0.02;

/// The numbers and features of one note.
struct Seen {
    numbers: Vec<(&'static str, f64)>,
    features: Vec<f32>,
}

fn see(picture: &RgbImage) -> Seen {
    Seen { numbers: simple_statistics(&Frame::Rgb(picture.clone())), features: features(picture) }
}

/// The most telling single number for one family, its AUC, and the AUC of the classifier.
struct Row {
    family: Family,
    cue: &'static str,
    cue_auc: f64,
    supervised: f64,
}

fn measure(seed: u64) -> Vec<Row> {
    let real: Vec<Seen> = (0..GENUINE[0] + GENUINE[1]).into_par_iter().map(|i| see(&genuine(seed, i))).collect();
    Family::ALL
        .iter()
        .map(|&family| {
            let count = FORGED[0] + FORGED[1];
            let fake: Vec<Seen> = (0..count).into_par_iter().map(|i| see(&forged(family, seed, i))).collect();
            let (cue, cue_auc) = worst_number(&real, &fake);
            let supervised = supervised(&real, &fake);
            Row { family, cue, cue_auc, supervised }
        })
        .collect()
}

fn worst_number(real: &[Seen], fake: &[Seen]) -> (&'static str, f64) {
    let column = |seen: &[Seen], i: usize| seen.iter().map(|s| s.numbers[i].1).collect::<Vec<_>>();
    (0..real[0].numbers.len())
        .map(|i| {
            let one_sided = auc(&column(real, i), &column(fake, i));
            (real[0].numbers[i].0, one_sided.max(1.0 - one_sided))
        })
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .unwrap()
}

/// Trains on the first notes of each side, judges the rest, and returns the AUC.
fn supervised(real: &[Seen], fake: &[Seen]) -> f64 {
    let (real, real_test) = real.split_at(GENUINE[0] as usize);
    let (fake, fake_test) = fake.split_at(FORGED[0] as usize);
    let (mean, spread) = standard(real);
    let scaled = |s: &Seen| -> Vec<f32> {
        let z = s.features.iter().zip(mean.iter().zip(&spread));
        z.map(|(v, (m, d))| ((v - m) / d).clamp(-6.0, 6.0)).collect()
    };
    let rows: Vec<Vec<f32>> = real.iter().chain(fake).map(scaled).collect();
    // The targets are weighted so that both sides have the same weight and the mean target is 0.
    let targets: Vec<f64> = (0..rows.len())
        .map(|i| if i < real.len() { -1.0 / real.len() as f64 } else { 1.0 / fake.len() as f64 })
        .collect();
    let dual = ridge(&rows, &targets);
    let mut weights = vec![0.0_f32; rows[0].len()];
    for (row, a) in rows.iter().zip(&dual) {
        for (w, v) in weights.iter_mut().zip(row) {
            *w += *a as f32 * v;
        }
    }
    let score = |s: &Seen| dot(&weights, &scaled(s));
    let scores = |seen: &[Seen]| seen.par_iter().map(score).collect::<Vec<_>>();
    auc(&scores(real_test), &scores(fake_test))
}

fn standard(real: &[Seen]) -> (Vec<f32>, Vec<f32>) {
    let n = real.len() as f32;
    let width = real[0].features.len();
    let column = |i: usize| real.iter().map(move |s| s.features[i]);
    let mean: Vec<f32> = (0..width).map(|i| column(i).sum::<f32>() / n).collect();
    let spread = (0..width).map(|i| (column(i).map(|v| (v - mean[i]).powi(2)).sum::<f32>() / n).sqrt().max(1e-3));
    let spread = spread.collect();
    (mean, spread)
}

/// Solves (K + ridge) a = y for the linear kernel K of the rows, by Cholesky decomposition.
fn ridge(rows: &[Vec<f32>], targets: &[f64]) -> Vec<f64> {
    let n = rows.len();
    let kernel: Vec<Vec<f64>> = (0..n)
        .into_par_iter()
        .map(|i| (0..=i).map(|j| dot(&rows[i], &rows[j]) / rows[i].len() as f64).collect())
        .collect();
    let mut lower = kernel;
    for i in 0..n {
        for j in 0..=i {
            let known: f64 = (0..j).map(|k| lower[i][k] * lower[j][k]).sum();
            let left = lower[i][j] - known;
            lower[i][j] = if i == j { (left + RIDGE).sqrt() } else { left / lower[j][j] };
        }
    }
    let mut solution = targets.to_vec();
    for i in 0..n {
        let known: f64 = (0..i).map(|k| lower[i][k] * solution[k]).sum();
        solution[i] = (solution[i] - known) / lower[i][i];
    }
    for i in (0..n).rev() {
        let known: f64 = (i + 1..n).map(|k| lower[k][i] * solution[k]).sum();
        solution[i] = (solution[i] - known) / lower[i][i];
    }
    solution
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    f64::from(a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>())
}

/// The features of each block: the mean of each channel, and the logarithm of the fine and coarse structure in each
/// direction, in lightness and in colour.
fn features(picture: &RgbImage) -> Vec<f32> {
    let (w, h) = (WIDTH as usize, HEIGHT as usize);
    let (across, down) = (w / BLOCK, h / BLOCK);
    let channel = |f: fn([f32; 3]) -> f32| -> Vec<f32> { picture.pixels().map(|p| f(p.0.map(f32::from))).collect() };
    let grey = channel(|[r, g, b]| 0.299 * r + 0.587 * g + 0.114 * b);
    let hue = channel(|[r, _, b]| r - b);
    let mut sums = vec![[0.0_f32; KINDS]; across * down];
    for y in 2..h - 2 {
        for x in 2..w - 2 {
            let i = y * w + x;
            let at = |dx: isize, dy: isize| grey[i.wrapping_add_signed(dy * w as isize + dx)];
            let tone = |dx: isize, dy: isize| hue[i.wrapping_add_signed(dy * w as isize + dx)];
            let sum = &mut sums[(y / BLOCK) * across + x / BLOCK];
            for (total, value) in sum.iter_mut().zip(picture.get_pixel(x as u32, y as u32).0) {
                *total += f32::from(value);
            }
            let structure = [
                at(1, 0) - at(0, 0),
                at(0, 1) - at(0, 0),
                at(2, 0) - 2.0 * at(0, 0) + at(-2, 0),
                at(0, 2) - 2.0 * at(0, 0) + at(0, -2),
                at(1, 1) + at(-1, -1) - at(1, -1) - at(-1, 1),
                at(1, 1) + at(0, 0) - at(1, 0) - at(0, 1),
                at(2, 2) - 2.0 * at(0, 0) + at(-2, -2),
                at(2, -2) - 2.0 * at(0, 0) + at(-2, 2),
                tone(1, 0) - tone(0, 0),
                tone(0, 1) - tone(0, 0),
                tone(1, 1) - tone(0, 0),
                tone(1, -1) - tone(0, 0),
            ];
            for (total, value) in sum[3..].iter_mut().zip(structure) {
                *total += value * value;
            }
        }
    }
    let logarithm = |v: f32| (v / (BLOCK * BLOCK) as f32 + 1.0).ln();
    sums.as_flattened().iter().map(|&v| logarithm(v)).collect()
}

#[test]
fn no_single_number_tells_a_family_and_a_supervised_classifier_does() {
    let rows = measure(SEED);
    for Row { family, cue, cue_auc, supervised } in &rows {
        let name = family.name();
        eprintln!("{name:<20} {cue:<14} {cue_auc:.3}   supervised {supervised:.4}");
    }
    for Row { family, cue, cue_auc, supervised } in &rows {
        let name = family.name();
        assert!(*cue_auc <= 0.9, "{name}: {cue} alone reaches {cue_auc:.3}");
        assert!(*supervised >= 0.99, "{name}: the classifier only reaches {supervised:.4}");
    }
}

/// The probability that a positive's number is above a negative's; ties count half.
fn auc(negatives: &[f64], positives: &[f64]) -> f64 {
    // In an evaluation the positives are counterfeits, which have low scores.
    let observe = |family| {
        move |value: &f64| Observation { path: "", family, group: None, score: -value, called_counterfeit: false }
    };
    let all = negatives.iter().map(observe(None)).chain(positives.iter().map(observe(Some("forged"))));
    auroc(&Sample::new(&all.collect::<Vec<_>>()).unwrap().steps())
}
