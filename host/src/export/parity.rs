//! The same pictures' outputs from several engines enter, their agreement leaves, or the refusal to ship: a number that was
//! evaluated here must be the number the box gives.

use counterfoil_edge::inference::NamedOutput;
use counterfoil_models::{Calibration, Score, Verdict};

use super::ExportError;

/// How far apart two engines may be, in standard deviations: of an output over the pictures that are compared, or of the genuine scores
/// that a joined score is held against. This much of these moves a false-alarm rate of 1 % by about a hundredth of it.
const OF_SPREAD: f64 = 3e-3;
/// What is added to that, in parts of the number itself: some hundred roundings of float32.
const OF_NUMBER: f64 = 1e-5;

/// What one engine gave for the pictures, which are the rows of each output.
#[derive(Debug, Clone)]
pub struct Opinion {
    /// The engine's name: `candle`, `tract`, `onnxruntime`.
    pub engine: String,
    /// Its version.
    pub version: String,
    /// Its outputs, each of shape [pictures, ...].
    pub outputs: Vec<NamedOutput>,
}

/// How well one engine agrees with the reference.
#[derive(Debug, Clone, PartialEq)]
pub struct Agreement {
    /// The engine's name.
    pub engine: String,
    /// Its version.
    pub version: String,
    /// How many pictures were compared.
    pub pictures: usize,
    /// The largest |a - b| / max(1, |a|) over all outputs.
    pub max_difference: f32,
}

/// Compares every engine with `reference`, output by output. The reference's outputs are looked up by name; an engine may
/// give them in another order.
///
/// # Errors
/// [`ExportError::Disagreement`] at the first number that is too far off (NaN is), [`ExportError::Outputs`] when an output lacks or has
/// another shape.
pub fn compare(reference: &Opinion, others: &[Opinion]) -> Result<Vec<Agreement>, ExportError> {
    others.iter().map(|other| compare_one(reference, other)).collect()
}

fn compare_one(reference: &Opinion, other: &Opinion) -> Result<Agreement, ExportError> {
    let mut agreement =
        Agreement { engine: other.engine.clone(), version: other.version.clone(), pictures: 0, max_difference: 0.0 };
    for wanted in &reference.outputs {
        let same = |found: &&NamedOutput| found.name == wanted.name && found.shape == wanted.shape;
        let found = other.outputs.iter().find(same).ok_or_else(|| ExportError::Outputs {
            engine: other.engine.clone(),
            reference: reference.engine.clone(),
            found: describe(&other.outputs),
            wanted: describe(&reference.outputs),
        })?;
        agreement.pictures = wanted.shape[0];
        let columns = wanted.values.len() / wanted.shape[0].max(1);
        let pair = Pair { reference: &reference.engine, other: &other.engine, output: &wanted.name, columns };
        let largest = pair.compare(&wanted.values, &found.values, spread(&wanted.values, columns))?;
        agreement.max_difference = agreement.max_difference.max(largest);
    }
    Ok(agreement)
}

/// Holds each engine's joined scores, one a picture, and the verdicts on them against the reference's.
///
/// # Errors
/// [`ExportError::Verdict`] or [`ExportError::Disagreement`] at the first picture on which two engines differ.
pub fn compare_judgements(
    reference: (&str, &[f32]),
    others: &[(&str, &[f32])],
    calibration: &Calibration,
) -> Result<(), ExportError> {
    let (name, scores) = reference;
    let verdict = |score: f32| Score::new(score).map(|score| calibration.judge(score).verdict()).ok();
    let spread = spread(calibration.scores(), 1);
    for (engine, found) in others {
        for (picture, (&a, &b)) in scores.iter().zip(*found).enumerate() {
            // A score that lies on the threshold, but for what engines may differ by, is no evidence of a difference.
            let margin = tolerance(a, spread) as f32;
            let steady = verdict(a - margin) == verdict(a + margin);
            let (wanted, found) = (verdict(a), verdict(b));
            if steady && wanted != found {
                let said = |verdict: Option<Verdict>| verdict.map_or("no number".to_owned(), |v| v.to_string());
                return Err(ExportError::Verdict {
                    engine: (*engine).to_owned(),
                    reference: name.to_owned(),
                    picture,
                    found: said(found),
                    wanted: said(wanted),
                });
            }
        }
        Pair { reference: name, other: engine, output: "joined score", columns: 1 }.compare(scores, found, spread)?;
    }
    Ok(())
}

/// Two engines' numbers of one output.
struct Pair<'a> {
    reference: &'a str,
    other: &'a str,
    output: &'a str,
    /// Numbers a picture.
    columns: usize,
}

impl Pair<'_> {
    /// The largest |a - b| / max(1, |a|), where every |a - b| is within its tolerance.
    fn compare(&self, wanted: &[f32], found: &[f32], spread: f64) -> Result<f32, ExportError> {
        let mut largest = 0f32;
        for (index, (&a, &b)) in wanted.iter().zip(found).enumerate() {
            let (difference, tolerance) = ((f64::from(a) - f64::from(b)).abs(), tolerance(a, spread));
            let near = difference <= tolerance; // false for NaN
            if !near {
                return Err(ExportError::Disagreement {
                    engine: self.other.to_owned(),
                    reference: self.reference.to_owned(),
                    output: self.output.to_owned(),
                    picture: index / self.columns,
                    found: b,
                    wanted: a,
                    difference,
                    tolerance,
                });
            }
            largest = largest.max(difference as f32 / a.abs().max(1.0));
        }
        Ok(largest)
    }
}

/// How far from the reference's number `a` another engine's may be.
fn tolerance(a: f32, spread: f64) -> f64 {
    OF_SPREAD * spread + OF_NUMBER * f64::from(a).abs()
}

/// Standard deviation of a row's numbers over the rows, their mean square taken over the columns.
fn spread(values: &[f32], columns: usize) -> f64 {
    let rows = (values.len() / columns) as f64;
    let variance = |column: usize| {
        let numbers = values.iter().skip(column).step_by(columns).map(|x| f64::from(*x));
        let mean = numbers.clone().sum::<f64>() / rows;
        numbers.map(|x| (x - mean).powi(2)).sum::<f64>() / rows
    };
    ((0..columns).map(variance).sum::<f64>() / columns as f64).sqrt()
}

fn describe(outputs: &[NamedOutput]) -> String {
    let each: Vec<_> = outputs.iter().map(|output| format!("{} {:?}", output.name, output.shape)).collect();
    each.join(", ")
}
