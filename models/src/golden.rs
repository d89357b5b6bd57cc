//! Golden pictures: a few drawn pictures in a bundle, with the numbers they gave when the bundle was made.
//!
//! The box computes these numbers again at every load. This detects a faulty decoder, scaler, inference engine or
//! disk.

use serde::{Deserialize, Serialize};

use crate::{Judgement, Plane, Verdict};

/// Largest difference of a score that is allowed between engines and processors, in units of `max(1, |score|)`.
pub const TOLERANCE: f32 = 1e-3;

/// One golden picture and the results it must give.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Golden {
    /// Path of the picture's file, relative to the bundle.
    pub file: String,
    /// SHA-256, in hex, of the plane that the picture becomes.
    pub plane_sha256: String,
    /// The network's `score` for each region.
    pub rows: Vec<f32>,
    /// The joined score.
    pub score: f32,
    /// The verdict, which is the same for any score within the tolerance.
    pub verdict: Verdict,
}

impl Golden {
    /// Compares the results of this machine with those stored in the bundle.
    ///
    /// # Errors
    /// A message that says what differs.
    pub fn check(&self, plane: &Plane, rows: &[f32], judgement: &Judgement) -> Result<(), String> {
        let found = plane.sha256();
        if found != self.plane_sha256 {
            return Err(format!("{} became other pixels than when the bundle was made", self.file));
        }
        let expected = self.rows.iter().chain([&self.score]);
        let score = judgement.score().get();
        for (expected, found) in expected.zip(rows.iter().chain([&score])) {
            // NaN fails this comparison too.
            let near = (expected - found).abs() <= TOLERANCE * expected.abs().max(1.0);
            if !near {
                return Err(format!("{} scored {found} and the bundle says {expected}", self.file));
            }
        }
        if judgement.verdict() != self.verdict {
            return Err(format!(
                "{} was judged {} and the bundle says {}",
                self.file,
                judgement.verdict(),
                self.verdict
            ));
        }
        Ok(())
    }
}
