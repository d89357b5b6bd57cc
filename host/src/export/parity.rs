//! The same pictures' outputs from several engines enter, their agreement leaves, or the refusal to ship: a number that was
//! evaluated here must be the number the box gives.

use std::fmt::Debug;

use counterfoil_edge::engine::NamedOutput;

use super::ExportError;

/// Largest |a - b| / max(1, |a|) at which two engines still agree: some hundred roundings of float32.
pub const BOUND: f32 = 1e-4;

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
/// [`ExportError::Disagreement`] at the first number beyond [`BOUND`] (NaN is beyond it), [`ExportError::Outputs`] when an
/// output lacks or has another shape.
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
        for (index, (&a, &b)) in wanted.values.iter().zip(&found.values).enumerate() {
            let difference = (a - b).abs() / a.abs().max(1.0);
            // Negated so that NaN, which compares as false, is refused.
            #[allow(clippy::neg_cmp_op_on_partial_ord)]
            if !(difference <= BOUND) {
                return Err(ExportError::Disagreement {
                    engine: other.engine.clone(),
                    reference: reference.engine.clone(),
                    output: wanted.name.clone(),
                    picture: index / columns,
                    found: b,
                    wanted: a,
                    difference,
                    bound: BOUND,
                });
            }
            agreement.max_difference = agreement.max_difference.max(difference);
        }
    }
    Ok(agreement)
}

/// Holds each engine's verdicts against the reference's. `verdict` turns one picture's scores (its row of `score`) into whatever is judged.
///
/// # Errors
/// [`ExportError::Verdict`] at the first picture on which two engines differ.
pub fn same_verdicts<V: PartialEq + Debug>(
    reference: (&str, &[f32]),
    others: &[(&str, &[f32])],
    verdict: impl Fn(f32) -> V,
) -> Result<(), ExportError> {
    let (name, scores) = reference;
    for (engine, found) in others {
        for (picture, (&a, &b)) in scores.iter().zip(*found).enumerate() {
            let (wanted, found) = (verdict(a), verdict(b));
            if wanted != found {
                return Err(ExportError::Verdict {
                    engine: (*engine).to_owned(),
                    reference: name.to_owned(),
                    picture,
                    found: format!("{found:?}").to_lowercase(),
                    wanted: format!("{wanted:?}").to_lowercase(),
                });
            }
        }
    }
    Ok(())
}

fn describe(outputs: &[NamedOutput]) -> String {
    let each: Vec<_> = outputs.iter().map(|output| format!("{} {:?}", output.name, output.shape)).collect();
    each.join(", ")
}
