//! One judged picture as plain data, the input of an evaluation.

use counterfoil_models::Verdict;
use serde::Serialize;

/// A picture with its true class and the detector's result.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Scored {
    /// Path of the picture, converted lossily if it is not UTF-8.
    pub path: String,
    /// The family of a counterfeit; `None` for a genuine picture.
    pub family: Option<String>,
    /// Group of the picture. Pictures of the same note, writer or item share a group and are resampled together,
    /// since they are not independent. `None`: the picture is a group by itself.
    pub group: Option<String>,
    /// The detector's score; higher is more genuine.
    pub score: f32,
    /// The conformal p-value, 0..=1.
    pub p_value: f64,
    /// The verdict at the calibrated threshold.
    pub verdict: Verdict,
}

#[cfg(test)]
impl Scored {
    /// A picture with a score and no verdict. The score is a value in 0..1 of a low-discrepancy sequence, minus
    /// `shift`.
    pub(crate) fn ranked(index: usize, family: Option<&str>, shift: f32) -> Self {
        Self {
            path: index.to_string(),
            family: family.map(str::to_owned),
            group: None,
            score: (index as f32 * 0.618_034).fract() - shift,
            p_value: f64::NAN,
            verdict: Verdict::Unsure,
        }
    }
}
