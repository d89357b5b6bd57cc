//! Golden pictures: a bundle carries a few drawn pictures with the numbers they gave when it was made, and the box
//! works them out again at every load. A decoder, a scaler, an engine or a disk that went wrong is caught here.

use serde::{Deserialize, Serialize};

use crate::{Judgement, Plane, Verdict};

/// A score may move by this, times `max(1, |score|)`, from engine to engine and processor to processor.
pub const TOLERANCE: f32 = 1e-3;

/// One golden picture and what it must give.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Golden {
    /// The picture's file, relative to the bundle.
    pub file: String,
    /// SHA-256 of the plane it becomes.
    pub plane_sha256: String,
    /// The network's `score` for each region.
    pub rows: Vec<f32>,
    /// The joined score.
    pub score: f32,
    /// The verdict, the same for any score within the tolerance.
    pub verdict: Verdict,
}

impl Golden {
    /// Compares what this box works out with what the bundle's maker did.
    ///
    /// # Errors
    /// What moved, in words.
    pub fn check(&self, plane: &Plane, rows: &[f32], judgement: &Judgement) -> Result<(), String> {
        let found = plane.sha256();
        if found != self.plane_sha256 {
            return Err(format!("{} became other pixels than when the bundle was made", self.file));
        }
        let expected = self.rows.iter().chain([&self.score]);
        let score = judgement.score().get();
        for (expected, found) in expected.zip(rows.iter().chain([&score])) {
            // NaN fails this too.
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
