//! What a box knows between two shots, and what a shot or a press changes in it.
//!
//! A shot is decoded, compared with the empty scene, judged, and joins those before it until enough of them agree.
//! Lights, journal and display are told elsewhere.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use counterfoil_models::{Error as ContractError, Frame, Judgement, NotFound, Region, Verdict, sha256_hex};

use super::empty_scene::EmptyScene;
use super::vote::{FrameResult, Quorum, Statement, Vote};
use super::{Clock, Judge};
use crate::camera::{Fault, Pixels, Shot};
use crate::show::button::Press;
use crate::show::indicator::Signal;
use crate::show::panel::News;
use crate::show::screen::Words;
use crate::{Error, Result, threads};

/// Time after which a camera that gives damaged frames only has a fault.
const DAMAGED: Duration = Duration::from_secs(5);

/// When a camera's pictures are judged; files of a folder are judged as they come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// All the time. A press of the button learns the empty scene.
    #[default]
    Always,
    /// When the button is pressed. A long press learns the empty scene.
    Button,
}

/// A new statement about what lies before the box.
#[derive(Debug)]
pub struct Answer {
    /// What the frames agree on.
    pub said: Statement,
    /// The picture's file, where it has one.
    pub name: Option<PathBuf>,
    /// SHA-256 of the last picture it rests on.
    pub picture: String,
    /// Why it could not be judged, where that was said.
    pub why: Option<Error>,
    /// Whether it was asked for, by the button or from the network.
    pub asked: bool,
}

/// Counts of frames.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Frames judged.
    pub judged: u64,
    /// Frames that showed nothing, or that were not asked about.
    pub passed: u64,
    /// Frames that could not be judged.
    pub failed: u64,
    /// Frames of a camera that were damaged, and dropped.
    pub damaged: u64,
    /// The oldest that a frame was when its judging began.
    pub oldest: Duration,
    /// Time spent on frames.
    pub spent: Duration,
}

impl Tally {
    /// Mean time a frame took that showed something, in milliseconds.
    #[must_use]
    pub fn frame_ms(&self) -> f64 {
        self.spent.as_secs_f64() * 1e3 / (self.judged + self.failed).max(1) as f64
    }
}

/// The state of the loop. Judges by `J`.
#[derive(Debug)]
pub struct State<J> {
    judge: Arc<J>,
    clock: Arc<dyn Clock>,
    mode: Mode,
    quorum: Quorum,
    guide: Region,
    vote: Vote,
    empty: Option<EmptyScene>,
    /// Frames still to be judged for a request, and its time: older frames do not count.
    asked: usize,
    since: Option<Instant>,
    learning: bool,
    network_failed: bool,
    /// When the frames began to be damaged, and what was wrong with the first.
    damaged: Option<(Instant, String)>,
    tally: Tally,
}

impl<J: Judge> State<J> {
    /// Before the first shot. The part of a frame in `guide` is judged.
    #[must_use]
    pub fn new(
        judge: Arc<J>,
        clock: Arc<dyn Clock>,
        mode: Mode,
        quorum: Quorum,
        guide: Region,
        empty: Option<EmptyScene>,
    ) -> Self {
        Self {
            judge,
            clock,
            mode,
            quorum,
            guide,
            vote: Vote::new(quorum),
            empty,
            asked: 0,
            since: None,
            learning: false,
            network_failed: false,
            damaged: None,
            tally: Tally::default(),
        }
    }

    /// Counts of the frames so far.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// Whether the network, and not the picture, is why the last frame has no verdict.
    #[must_use]
    pub fn network_failed(&self) -> bool {
        self.network_failed
    }

    /// The present judge.
    #[must_use]
    pub fn judge(&self) -> &J {
        &self.judge
    }

    /// Judges by another detector from the next frame on.
    pub fn replace(&mut self, judge: Arc<J>) {
        self.judge = judge;
        self.vote.forget();
    }

    /// The camera failed: what comes next is another scene, and the fault answers what was asked for.
    pub fn interrupted(&mut self) {
        self.vote.forget();
        (self.asked, self.since) = (0, None);
    }

    /// The button was pressed.
    pub fn press(&mut self, press: Press) {
        match (self.mode, press) {
            (Mode::Button, Press::Short) => self.ask(self.clock.now()),
            (Mode::Always, _) | (Mode::Button, Press::Long) => self.learning = true,
        }
    }

    /// Asks for an answer from frames that are taken after `since`. It comes after as many frames as the quorum is
    /// of, at the latest.
    pub fn ask(&mut self, since: Instant) {
        self.vote.forget();
        self.asked = self.quorum.of();
        self.since = Some(since);
    }

    /// Takes a shot into account.
    ///
    /// # Errors
    /// [`Error::Panicked`], and [`Error::Contract`] for a frame that cannot be the empty scene. What is wrong with a
    /// picture that is judged is an answer.
    pub fn look(&mut self, shot: &Shot) -> Result<Outcome> {
        let begun = self.clock.now();
        self.tally.oldest = self.tally.oldest.max(begun.duration_since(shot.taken));
        let outcome = self.outcome(shot);
        self.tally.spent += self.clock.now().duration_since(begun);
        outcome
    }

    fn outcome(&mut self, shot: &Shot) -> Result<Outcome> {
        // A file was put there to be judged, whatever the button says.
        let file = shot.name.is_some();
        let idle = self.mode == Mode::Button && self.asked == 0;
        let old = self.asked > 0 && self.since.is_some_and(|since| shot.taken < since);
        let passes = (idle || old) && !self.learning && !file;
        if passes && self.damaged.is_none() {
            self.tally.passed += 1;
            return Ok(Outcome::Nothing);
        }
        let color = self.judge.color();
        let frame = threads::guarded(|| shot.frame(color));
        if !file {
            match &frame {
                Err(error) => return Ok(self.drop_damaged(shot.taken, error)),
                Ok(_) => self.damaged = None,
            }
        }
        if passes {
            self.tally.passed += 1;
            return Ok(Outcome::Nothing);
        }
        let frame = frame.and_then(|frame| match self.guide {
            Region::WHOLE => Ok(frame),
            guide => Ok(frame.crop(guide)?),
        });
        if let (true, false, Ok(frame)) = (self.learning, file, &frame) {
            self.learning = false;
            self.vote.forget();
            let empty = EmptyScene::learn(frame)?;
            self.empty = Some(empty.clone());
            return Ok(Outcome::Learned(empty));
        }
        let (result, why) = match frame.and_then(|frame| self.result(&frame)) {
            Ok(result) => (result, None),
            // A bare table is no fault.
            Err(error @ Error::Contract(ContractError::NotFound(NotFound::NothingStandsOut))) => {
                (FrameResult::Nothing, Some(error))
            }
            Err(error) => (FrameResult::Unjudged, Some(error)),
        };
        self.network_failed = why.as_ref().is_some_and(Error::is_the_networks);
        match result {
            FrameResult::Nothing => self.tally.passed += 1,
            FrameResult::Judged(_) => self.tally.judged += 1,
            FrameResult::Unjudged => self.tally.failed += 1,
        }
        let mut said = if file { Some(Statement::from(result)) } else { self.vote.add(result) };
        let asked = self.asked > 0 && !old;
        if asked {
            self.asked -= 1;
            // A request is always answered: frames that do not agree are unsure, or could not be judged.
            said = said.or_else(|| (self.asked == 0).then(|| Self::undecided(result)));
            if said.is_some() {
                self.asked = 0;
            }
        }
        Ok(match said {
            Some(said) => {
                Outcome::Answer(Answer { said, name: shot.name.clone(), picture: fingerprint(shot), why, asked })
            }
            None => Outcome::Nothing,
        })
    }

    /// Drops a damaged frame: it is no verdict and no part of one. When there is nothing else for a while, that is a
    /// fault.
    fn drop_damaged(&mut self, taken: Instant, why: &Error) -> Outcome {
        self.tally.damaged += 1;
        let (since, first) = self.damaged.get_or_insert_with(|| (taken, why.to_string()));
        if taken.duration_since(*since) < DAMAGED {
            return Outcome::Damaged;
        }
        let what = format!("every frame has been damaged for {} s ({first})", DAMAGED.as_secs());
        Outcome::Fault(Fault::new(
            what,
            "check the camera's cable, its power, and that it has a USB port of its own; a smaller `size` takes less bandwidth",
        ))
    }

    fn undecided(last: FrameResult) -> Statement {
        match last {
            FrameResult::Judged(judgement) => Statement::Verdict(Verdict::Unsure, judgement),
            FrameResult::Nothing => Statement::Nothing,
            FrameResult::Unjudged => Statement::Unjudged,
        }
    }

    fn result(&self, frame: &Frame) -> Result<FrameResult> {
        if let Some(empty) = &self.empty
            && empty.is(frame)?
        {
            return Ok(FrameResult::Nothing);
        }
        Ok(FrameResult::Judged(threads::guarded(|| self.judge.judge(frame))?))
    }
}

/// What came of a shot.
#[derive(Debug)]
pub enum Outcome {
    /// Nothing new to say.
    Nothing,
    /// Something to say.
    Answer(Answer),
    /// The empty scene, learned from it.
    Learned(EmptyScene),
    /// A camera's damaged frame, which was dropped.
    Damaged,
    /// One more of those, and nothing else for a while.
    Fault(Fault),
}

impl Answer {
    /// How it is shown.
    #[must_use]
    pub fn news(&self) -> News {
        let judged = |judgement: &Judgement| {
            [format!("p {:.4}", judgement.p_value()), format!("score {:.2}", judgement.score().get())]
        };
        let (signal, large, small) = match &self.said {
            Statement::Nothing => (Signal::Nothing, "READY", [String::new(), String::new()]),
            Statement::Verdict(Verdict::Genuine, judgement) => (Signal::Genuine, "GENUINE", judged(judgement)),
            Statement::Verdict(Verdict::Unsure, judgement) => (Signal::Unsure, "UNSURE", judged(judgement)),
            Statement::Verdict(Verdict::Counterfeit, judgement) => {
                (Signal::Counterfeit, "COUNTERFEIT", judged(judgement))
            }
            Statement::Unjudged => (
                Signal::Fault,
                "NOT JUDGED",
                [self.why.as_ref().map(ToString::to_string).unwrap_or_default(), String::new()],
            ),
        };
        News { signal, words: Words { large: large.to_owned(), small } }
    }
}

fn fingerprint(shot: &Shot) -> String {
    match &shot.pixels {
        Pixels::File(bytes) => sha256_hex(bytes),
        Pixels::Raw(yuv) => sha256_hex(yuv.bytes()),
        Pixels::Missing(_) => sha256_hex(&[]),
    }
}
