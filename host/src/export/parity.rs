//! Compares the outputs of several engines on the same pictures: an export is refused unless they agree, because the
//! box must give the numbers that were evaluated here.

use counterfoil_edge::inference::NamedOutput;
use counterfoil_models::{Calibration, Score, Verdict};

use super::ExportError;

/// Allowed difference between two engines, in standard deviations: those of an output over the compared pictures, or
/// those of the calibration scores for a joined score. A shift of this size changes a false-alarm rate of 1 % by
/// about a hundredth of its value.
const SPREAD_TOLERANCE: f64 = 3e-3;
/// Additional allowed difference, relative to the number itself: about a hundred float32 rounding errors.
const RELATIVE_TOLERANCE: f64 = 1e-5;

/// The outputs of one engine. Each row of an output is a picture, or a region where a picture has several.
#[derive(Debug, Clone)]
pub struct EngineOutputs {
    /// The engine's name: `candle`, `tract` or `onnxruntime`.
    pub engine: String,
    /// The engine's version.
    pub version: String,
    /// The engine's outputs, each of shape `[rows, ...]`.
    pub outputs: Vec<NamedOutput>,
}

/// The result of comparing one engine with the reference.
#[derive(Debug, Clone, PartialEq)]
pub struct Agreement {
    /// The engine's name.
    pub engine: String,
    /// The engine's version.
    pub version: String,
    /// Number of rows compared.
    pub pictures: usize,
    /// The largest `|a - b| / max(1, |a|)` over all outputs.
    pub max_difference: f32,
}

/// Compares every engine with `reference`, output by output. Outputs are matched by name, so an engine may give them
/// in another order.
///
/// # Errors
/// [`ExportError::Disagreement`] at the first number that differs too much (also NaN); [`ExportError::Outputs`] when
/// an output is missing or has another shape.
pub fn compare(reference: &EngineOutputs, others: &[EngineOutputs]) -> Result<Vec<Agreement>, ExportError> {
    others.iter().map(|other| compare_one(reference, other)).collect()
}

fn compare_one(reference: &EngineOutputs, other: &EngineOutputs) -> Result<Agreement, ExportError> {
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

/// Compares each engine's joined scores, one for each picture, and the verdicts on them with those of the reference.
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
            // Near the threshold, within the allowed difference, different verdicts do not show that the engines
            // differ.
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

/// The numbers of two engines for one output.
struct Pair<'a> {
    reference: &'a str,
    other: &'a str,
    output: &'a str,
    /// Number of values in each row.
    columns: usize,
}

impl Pair<'_> {
    /// Returns the largest `|a - b| / max(1, |a|)`; fails if any `|a - b|` exceeds its tolerance.
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

/// Largest allowed difference from the reference's number `a`.
fn tolerance(a: f32, spread: f64) -> f64 {
    SPREAD_TOLERANCE * spread + RELATIVE_TOLERANCE * f64::from(a).abs()
}

/// Root mean square, over the columns, of each column's standard deviation over the rows.
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
