//! Golden pictures: a few drawn pictures in a bundle, with the numbers they gave when the bundle was made.
//!
//! The box computes these numbers again at every load. This detects a faulty decoder, scaler, inference engine or
//! disk.

use serde::{Deserialize, Serialize};

use crate::{Judgement, Plane, Verdict};

/// Largest difference of a score that is allowed between engines and processors, in units of `max(1, |score|)`.
pub const TOLERANCE: f32 = 1e-3;

/// Number of sums in a sketch of an embedding.
const SUMS: usize = 8;

/// A short summary of an embedding, which may have thousands of numbers: eight sums of them with random signs, each
/// divided by the square root of their number. Another order or other numbers give other sums (random projection,
/// Achlioptas 2003, doi:10.1016/S0022-0000(03)00025-4).
#[must_use]
pub fn sketch(embedding: &[f32]) -> Vec<f32> {
    let mut sums = [0f64; SUMS];
    for (index, &number) in embedding.iter().enumerate() {
        let bits = mixed(index as u64);
        for (bit, sum) in sums.iter_mut().enumerate() {
            *sum += if bits >> bit & 1 == 1 { f64::from(number) } else { -f64::from(number) };
        }
    }
    let scale = (embedding.len().max(1) as f64).sqrt();
    sums.iter().map(|sum| (sum / scale) as f32).collect()
}

/// 64 random bits for an index, the same on every machine (`SplitMix64`, Steele et al. 2014,
/// doi:10.1145/2660193.2660195).
fn mixed(index: u64) -> u64 {
    let mut z = index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

/// One golden picture and the results it must give.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Golden {
    /// Path of the picture's file, relative to the bundle.
    pub file: String,
    /// SHA-256, in hex, of the plane that the picture becomes.
    pub plane_sha256: String,
    /// The network's `score` for each region.
    pub rows: Vec<f32>,
    /// The [`sketch`] of the embedding, on which comparing with references rests; empty in bundles of earlier
    /// versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub embedding: Vec<f32>,
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
    pub fn check(&self, plane: &Plane, rows: &[f32], embedding: &[f32], judgement: &Judgement) -> Result<(), String> {
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
        self.check_embedding(embedding)?;
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

    /// Compares an embedding with the sketch, within the tolerance in units of `max(1, root mean square)`.
    fn check_embedding(&self, embedding: &[f32]) -> Result<(), String> {
        if self.embedding.is_empty() {
            return Ok(());
        }
        let squares = embedding.iter().map(|&number| f64::from(number).powi(2)).sum::<f64>();
        let unit = (squares / embedding.len().max(1) as f64).sqrt().max(1.0) as f32;
        let found = sketch(embedding);
        // NaN fails this comparison too.
        let near = |(a, b): (&f32, &f32)| (a - b).abs() <= TOLERANCE * unit;
        if unit.is_finite() && self.embedding.len() == found.len() && self.embedding.iter().zip(&found).all(near) {
            return Ok(());
        }
        Err(format!("{} has another embedding than when the bundle was made", self.file))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn golden(embedding: &[f32]) -> Golden {
        let verdict = Verdict::Genuine;
        Golden {
            file: "a.png".into(),
            plane_sha256: String::new(),
            rows: Vec::new(),
            embedding: sketch(embedding),
            score: 0.0,
            verdict,
        }
    }

    #[test]
    fn an_embedding_is_known_by_its_sketch() {
        let embedding: Vec<f32> = (0..300).map(|i| (i as f32 * 0.7).sin() * 5.0).collect();
        let golden = golden(&embedding);
        golden.check_embedding(&embedding).unwrap();
        let rounded: Vec<f32> = embedding.iter().map(|number| number * 1.0002).collect();
        golden.check_embedding(&rounded).unwrap();
        let mut swapped = embedding.clone();
        swapped.swap(10, 200);
        let mut other = embedding.clone();
        other[299] += 1.0;
        let mut infinite = embedding.clone();
        infinite[0] = f32::INFINITY;
        let reversed: Vec<f32> = embedding.iter().rev().copied().collect();
        for changed in [swapped, other, infinite, reversed, embedding[..299].to_vec(), vec![f32::NAN; 300], Vec::new()]
        {
            let refused = golden.check_embedding(&changed).unwrap_err();
            assert!(refused.contains("another embedding"), "{refused}");
        }
    }

    #[test]
    fn a_bundle_without_sketches_is_still_accepted() {
        let text = r#"{"file":"a.png","plane_sha256":"","rows":[],"score":0.0,"verdict":"genuine"}"#;
        let golden: Golden = serde_json::from_str(text).unwrap();
        golden.check_embedding(&[1.0, 2.0]).unwrap();
        assert_eq!(serde_json::to_string(&golden).unwrap(), text);
    }
}
