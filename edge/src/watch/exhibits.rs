//! Tells exhibits apart: results of single frames enter, one judgement for each piece that lay before the camera leaves.
//! Of picture files, a copy of a recent one is no new exhibit.
//!
//! A file of its own because a statement of the [`Vote`](super::vote::Vote) is about the moment, and statistics need
//! each piece once: a note that lies there for an hour is one note, and the hand that lays it down is none. A piece is
//! over when the empty scene is seen again. Its judgement is the median of its frames, so that hands at its beginning
//! and its end do not count.

use std::collections::VecDeque;

use counterfoil_models::Judgement;

use super::vote::{FrameResult, Quorum};

/// Number of the last frames of a piece that are kept.
const MOST: usize = 101;

/// Number of the last files with which a new one is compared.
const FILES: usize = 32;

/// Collects the frames of the piece before the camera.
#[derive(Debug)]
pub struct Exhibits {
    quorum: Quorum,
    frames: VecDeque<Judgement>,
    /// Number of frames in a row that show nothing.
    gone: usize,
    /// The fingerprints of the last files.
    files: VecDeque<String>,
}

impl Exhibits {
    /// Starts without a piece. A piece needs as many judged frames as the quorum needs. The same number of frames that
    /// show nothing ends it.
    #[must_use]
    pub fn new(quorum: Quorum) -> Self {
        Self { quorum, frames: VecDeque::new(), gone: 0, files: VecDeque::new() }
    }

    /// Adds the result of a frame. Returns the judgement of the piece that this frame shows to be gone.
    pub fn add(&mut self, result: FrameResult) -> Option<Judgement> {
        match result {
            FrameResult::Judged(judgement) => {
                self.gone = 0;
                if self.frames.len() == MOST {
                    self.frames.pop_front();
                }
                self.frames.push_back(judgement);
                None
            }
            FrameResult::Unjudged => {
                self.gone = 0;
                None
            }
            FrameResult::Nothing => {
                self.gone += 1;
                if self.gone < self.quorum.needed() {
                    return None;
                }
                let seen = std::mem::take(&mut self.frames);
                if seen.len() < self.quorum.needed() { None } else { median(seen.into()) }
            }
        }
    }

    /// Adds the fingerprint of a file. Returns whether it is another picture than the last ones.
    pub fn is_new(&mut self, fingerprint: &str) -> bool {
        if self.files.iter().any(|file| file == fingerprint) {
            return false;
        }
        if self.files.len() == FILES {
            self.files.pop_front();
        }
        self.files.push_back(fingerprint.to_owned());
        true
    }

    /// Number of judged frames of the piece that is there now, up to a hundred.
    #[must_use]
    pub fn frames(&self) -> usize {
        self.frames.len()
    }

    /// Forgets the piece that is there now: after a fault of the camera, it may be another.
    pub fn forget(&mut self) {
        *self = Self::new(self.quorum);
    }
}

/// The frame with the median score, the lower one of two.
fn median(mut frames: Vec<Judgement>) -> Option<Judgement> {
    frames.sort_by(|a, b| a.score().get().total_cmp(&b.score().get()));
    frames.get(frames.len().saturating_sub(1) / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use counterfoil_models::{Calibration, Score};

    /// The scores of the exhibits: a digit is a judged frame with that score, `.` an empty table, `x` not judged.
    fn scores(frames: &str) -> Vec<f32> {
        let calibration = Calibration::new(0.05, (0..19).map(|i| i as f32).collect()).unwrap();
        let mut exhibits = Exhibits::new(Quorum::default());
        let result = |frame: char| match frame {
            '.' => FrameResult::Nothing,
            'x' => FrameResult::Unjudged,
            digit => FrameResult::Judged(calibration.judge(Score::new(digit.to_digit(10).unwrap() as f32).unwrap())),
        };
        frames.chars().filter_map(|frame| exhibits.add(result(frame))).map(|one| one.score().get()).collect()
    }

    #[test]
    fn a_piece_counts_once_when_it_is_gone_and_by_its_median() {
        assert_eq!(scores("...077877600..."), [7.0], "hands at both ends");
        assert!(scores("55555555").is_empty(), "it is still there");
        assert_eq!(scores("555..55...44.4..."), [5.0, 4.0], "a flicker ends nothing");
        assert_eq!(scores("5...55xx5..x...."), [5.0], "one frame is no piece, and what cannot be judged is none");
        assert_eq!(scores(&format!("...{}9999999999...", "1".repeat(300))), [1.0]);
    }

    #[test]
    fn a_copy_of_a_recent_file_is_no_new_exhibit() {
        let mut exhibits = Exhibits::new(Quorum::ONE);
        let new: Vec<bool> = ["a", "b", "a", "b", "c"].map(|file| exhibits.is_new(file)).into();
        assert_eq!(new, [true, true, false, false, true]);
        assert!((0..FILES).all(|file| exhibits.is_new(&file.to_string())));
        assert!(exhibits.is_new("a") && exhibits.files.len() == FILES, "memory is bounded");
    }

    #[test]
    fn after_a_fault_it_is_another_piece() {
        let mut exhibits = Exhibits::new(Quorum::default());
        let calibration = Calibration::new(0.05, vec![0.0; 19]).unwrap();
        let judged = FrameResult::Judged(calibration.judge(Score::new(1.0).unwrap()));
        (0..4).for_each(|_| assert_eq!(exhibits.add(judged), None));
        exhibits.forget();
        assert_eq!(exhibits.frames(), 0);
        (0..9).for_each(|_| assert_eq!(exhibits.add(FrameResult::Nothing), None));
    }
}
