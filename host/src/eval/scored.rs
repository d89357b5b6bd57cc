//! One judged picture, as plain data: what an evaluation is made of.

use counterfoil_models::Verdict;
use serde::Serialize;

/// A picture, what it truly is, and what the detector made of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Scored {
    /// Where the picture lies, shown lossily when it is not UTF-8.
    pub path: String,
    /// The counterfeiter's family; `None` for a genuine picture.
    pub family: Option<String>,
    /// Pictures of one note, writer or item carry one group: they are resampled together, since they are not
    /// independent. `None`: the picture stands for itself.
    pub group: Option<String>,
    /// The detector's score, higher is more genuine.
    pub score: f32,
    /// The conformal p-value, 0..=1.
    pub p_value: f64,
    /// The verdict at the calibrated threshold.
    pub verdict: Verdict,
}

#[cfg(test)]
impl Scored {
    /// A picture ranked and not judged, its score `shift` below one of 0..1 that a low-discrepancy sequence gives.
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
