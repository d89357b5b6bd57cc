//! Genuine pieces that are laid before the camera one after another: shots enter, the step that a person takes next
//! leaves, and in the end the judgement of each piece.
//!
//! A file of its own because a site's calibration must see pieces as the loop sees them afterwards: the same empty
//! scene, the same [`Exhibits`]. The wiring is in `cmd/calibrate.rs`.

use counterfoil_models::{Judgement, Region};

use super::Judge;
use super::empty_scene::EmptyScene;
use super::exhibits::Exhibits;
use super::state::frame_result;
use super::vote::{FrameResult, Quorum};
use crate::camera::Shot;
use crate::{Error, Result, threads};

/// Number of frames in a row that must look alike before they are taken as the empty scene.
const STEADY: usize = 5;

/// What a person does next.
#[derive(Debug)]
pub enum Step {
    /// Leave nothing before the camera, and wait.
    Clear,
    /// Lay the first piece, or the next one.
    Lay,
    /// Wait: too few frames of the piece are judged.
    Hold,
    /// Take the piece away: enough of its frames are judged.
    TakeAway,
    /// Lay the piece differently: it cannot be judged, for this reason.
    Again(Error),
}

/// The pieces so far.
#[derive(Debug)]
pub struct Pieces<'a, J> {
    judge: &'a J,
    guide: Region,
    quorum: Quorum,
    empty: Option<EmptyScene>,
    /// Number of frames in a row that show `empty`, until it is learned.
    steady: usize,
    exhibits: Exhibits,
    judged: Vec<Judgement>,
}

impl<'a, J: Judge> Pieces<'a, J> {
    /// Starts with an empty scene that is yet to be learned. Only the part `guide` of a frame is judged.
    #[must_use]
    pub fn new(judge: &'a J, guide: Region, quorum: Quorum) -> Self {
        let exhibits = Exhibits::new(quorum);
        Self { judge, guide, quorum, empty: None, steady: 0, exhibits, judged: Vec::new() }
    }

    /// The judgements of the pieces that were taken away.
    #[must_use]
    pub fn judged(&self) -> &[Judgement] {
        &self.judged
    }

    /// The empty scene, once it is learned.
    #[must_use]
    pub fn empty(&self) -> Option<&EmptyScene> {
        self.empty.as_ref().filter(|_| self.steady >= STEADY)
    }

    /// Handles a camera fault: the piece that is there now does not count.
    pub fn interrupted(&mut self) {
        self.exhibits.forget();
    }

    /// Processes a shot. A damaged one is dropped, as the loop does, and changes nothing.
    ///
    /// # Errors
    /// [`Error::Contract`] when a frame cannot be compared with the empty scene.
    pub fn look(&mut self, shot: &Shot) -> Result<Option<Step>> {
        let Ok(frame) = threads::guarded(|| Ok(shot.frame(self.judge.color())?.crop(self.guide)?)) else {
            return Ok(None);
        };
        let Some(empty) = self.empty() else {
            match &self.empty {
                Some(empty) if empty.is(&frame)? => self.steady += 1,
                _ => (self.empty, self.steady) = (Some(EmptyScene::learn(&frame)?), 1),
            }
            return Ok(Some(if self.steady >= STEADY { Step::Lay } else { Step::Clear }));
        };
        let (result, why) = frame_result(self.judge, Some(empty), Ok(frame));
        if let Some(judgement) = self.exhibits.add(result) {
            self.judged.push(judgement);
            return Ok(Some(Step::Lay));
        }
        Ok(match (result, why) {
            (FrameResult::Unjudged, Some(error)) => Some(Step::Again(error)),
            (FrameResult::Judged(_), _) if self.exhibits.frames() < self.quorum.of() => Some(Step::Hold),
            (FrameResult::Judged(_), _) => Some(Step::TakeAway),
            _ => None,
        })
    }
}
