//! The state of the loop between two shots, and how a shot or a press changes it.
//!
//! A shot is decoded, compared with the empty scene, judged, and added to the vote until enough frames agree. Lights,
//! journal and display are updated elsewhere.

use std::sync::Arc;
use std::time::{Duration, Instant};

use counterfoil_models::protocol::Drift;
use counterfoil_models::{Error as ContractError, Frame, NotFound, Region, Verdict, sha256_hex};

use super::answer::Answer;
use super::drift::DriftMonitor;
use super::empty_scene::EmptyScene;
use super::exhibits::Exhibits;
use super::vote::{FrameResult, Quorum, Statement, Vote};
use super::{Clock, Judge};
use crate::camera::{Fault, Pixels, Shot};
use crate::show::button::Press;
use crate::{Error, Result, threads};

/// A camera that gives only damaged frames for this time has a fault.
const DAMAGED: Duration = Duration::from_secs(5);

/// When the frames of a camera are judged. Files of a folder are judged as they arrive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Continuously. A press of the button learns the empty scene.
    #[default]
    Always,
    /// Only after a short press of the button. A long press learns the empty scene.
    Button,
}

/// Statistics on the frames so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Number of frames judged.
    pub judged: u64,
    /// Number of frames that showed nothing, or that no request asked for.
    pub passed: u64,
    /// Number of frames that could not be judged.
    pub failed: u64,
    /// Number of damaged camera frames, which were dropped.
    pub damaged: u64,
    /// Greatest age of a frame when its processing began.
    pub oldest: Duration,
    /// Time spent on frames.
    pub spent: Duration,
}

impl Tally {
    /// Time spent on all frames divided by the number of frames judged or failed, in milliseconds.
    #[must_use]
    pub fn frame_ms(&self) -> f64 {
        self.spent.as_secs_f64() * 1e3 / (self.judged + self.failed).max(1) as f64
    }
}

/// What an answer is asked for. Of two requests that wait, the later purpose holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// To know what is there; it may be asked about one piece many times.
    Look,
    /// To judge a piece, once.
    Exhibit,
    /// To see how a piece is judged that a person knows to be genuine.
    KnownGenuine,
}

/// A request for an answer.
#[derive(Debug)]
struct Request {
    /// Number of frames still to judge.
    left: usize,
    /// Its time: older frames do not count.
    since: Instant,
    purpose: Purpose,
}

/// The state of the loop, with the judge `J`.
#[derive(Debug)]
pub struct State<J> {
    judge: Arc<J>,
    clock: Arc<dyn Clock>,
    mode: Mode,
    quorum: Quorum,
    guide: Region,
    vote: Vote,
    exhibits: Exhibits,
    drift: DriftMonitor,
    empty: Option<EmptyScene>,
    asked: Option<Request>,
    learning: bool,
    network_failed: bool,
    /// When the frames began to be damaged, and the error of the first one.
    damaged: Option<(Instant, String)>,
    tally: Tally,
}

impl<J: Judge> State<J> {
    /// The state before the first shot. Only the part `guide` of a frame is judged. `drift` is why the verdicts of
    /// `judge` were doubted before.
    #[must_use]
    pub fn new(
        judge: Arc<J>,
        clock: Arc<dyn Clock>,
        mode: Mode,
        quorum: Quorum,
        guide: Region,
        empty: Option<EmptyScene>,
        drift: Option<Drift>,
    ) -> Self {
        Self {
            drift: DriftMonitor::new(judge.genuine_scores(), drift),
            judge,
            clock,
            mode,
            quorum,
            guide,
            vote: Vote::new(quorum),
            exhibits: Exhibits::new(quorum),
            empty,
            asked: None,
            learning: false,
            network_failed: false,
            damaged: None,
            tally: Tally::default(),
        }
    }

    /// The statistics on the frames so far.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// Whether the last frame has no verdict because the neural network failed, and not because of the picture.
    #[must_use]
    pub fn network_failed(&self) -> bool {
        self.network_failed
    }

    /// The judge in use.
    #[must_use]
    pub fn judge(&self) -> &J {
        &self.judge
    }

    /// Why the box doubts its verdicts, while it does.
    #[must_use]
    pub fn drift(&self) -> Option<Drift> {
        self.drift.drift()
    }

    /// Uses another judge from the next frame on, and starts a new vote. `drift` is why its verdicts were doubted
    /// before.
    pub fn replace(&mut self, judge: Arc<J>, drift: Option<Drift>) {
        self.drift = DriftMonitor::new(judge.genuine_scores(), drift);
        self.judge = judge;
        self.forget();
    }

    fn forget(&mut self) {
        self.vote.forget();
        self.exhibits.forget();
    }

    /// Handles a camera fault: starts a new vote, since the scene may have changed, and ends the
    /// request, which the fault answers.
    pub fn interrupted(&mut self) {
        self.forget();
        self.asked = None;
    }

    /// Handles a press of the button. While the box asks for a piece that is known to be genuine, a long press says
    /// that it lies there.
    pub fn press(&mut self, press: Press) {
        match (self.mode, press) {
            (_, Press::Long) if self.drift.asks() => self.ask(self.clock.now(), Purpose::KnownGenuine),
            (Mode::Button, Press::Short) => self.ask(self.clock.now(), Purpose::Exhibit),
            (Mode::Always, _) | (Mode::Button, Press::Long) => self.learning = true,
        }
    }

    /// Requests an answer from frames taken after `since`. The answer comes at the latest after as many
    /// frames as the quorum counts. It also answers a request that still waits.
    pub fn ask(&mut self, since: Instant, purpose: Purpose) {
        self.vote.forget();
        let purpose = self.asked.as_ref().map_or(purpose, |waiting| waiting.purpose.max(purpose));
        self.asked = Some(Request { left: self.quorum.of(), since, purpose });
    }

    /// Processes a shot.
    ///
    /// # Errors
    /// [`Error::Contract`] for a frame that cannot be learned as the empty scene. A picture that cannot be judged is
    /// no error here, but an [`Answer`].
    pub fn look(&mut self, shot: &Shot) -> Result<Outcome> {
        let begun = self.clock.now();
        self.tally.oldest = self.tally.oldest.max(begun.duration_since(shot.taken));
        let outcome = self.outcome(shot);
        self.tally.spent += self.clock.now().duration_since(begun);
        outcome
    }

    fn outcome(&mut self, shot: &Shot) -> Result<Outcome> {
        // A file in the folder is always judged, whatever the mode.
        let file = shot.name.is_some();
        let idle = self.mode == Mode::Button && self.asked.is_none();
        let old = self.asked.as_ref().is_some_and(|request| shot.taken < request.since);
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
            self.forget();
            let empty = EmptyScene::learn(frame)?;
            self.empty = Some(empty.clone());
            return Ok(Outcome::Learned(empty));
        }
        let (result, why) = frame_result(&*self.judge, self.empty.as_ref(), frame);
        self.network_failed = why.as_ref().is_some_and(Error::is_model_failure);
        match result {
            FrameResult::Nothing => self.tally.passed += 1,
            FrameResult::Judged(_) => self.tally.judged += 1,
            FrameResult::Unjudged => self.tally.failed += 1,
        }
        let mut said = if file { Some(Statement::from(result)) } else { self.vote.add(result) };
        let mut purpose = None;
        if let Some(request) = self.asked.as_mut().filter(|_| !old) {
            request.left -= 1;
            // A request always gets an answer: frames that do not agree give unsure, or not judged.
            said = said.or_else(|| (request.left == 0).then(|| Self::undecided(result)));
            purpose = Some(request.purpose);
        }
        if purpose.is_some() && said.is_some() {
            self.asked = None;
        }
        let picture = said.map(|_| fingerprint(shot)).unwrap_or_default();
        self.follow(result, said.zip(purpose), file.then_some(&picture));
        Ok(match said {
            Some(said) => Outcome::Answer(Answer {
                said,
                name: shot.name.clone(),
                picture,
                why,
                asked: purpose.is_some(),
                drift: self.drift(),
            }),
            None => Outcome::Nothing,
        })
    }

    /// Lets the drift monitor follow the exhibits. Each piece counts once: a file, what the button asks about, or, when
    /// a camera is judged all the time, what lies there between two empty scenes. `answer` is the answer to a request,
    /// and `file` the fingerprint of a file.
    fn follow(&mut self, result: FrameResult, answer: Option<(Statement, Purpose)>, file: Option<&String>) {
        let exhibit = match answer {
            Some((Statement::Verdict(verdict, _), Purpose::KnownGenuine)) => {
                self.drift.confirm_genuine(verdict);
                None
            }
            Some((Statement::Verdict(_, judgement), Purpose::Exhibit)) => Some(judgement),
            _ => None,
        };
        let exhibit = match (file, self.mode, result) {
            (Some(file), _, FrameResult::Judged(judgement)) => self.exhibits.is_new(file).then_some(judgement),
            (Some(_), ..) => None,
            (None, Mode::Always, _) => self.exhibits.add(result),
            (None, Mode::Button, _) => exhibit,
        };
        if let Some(judgement) = exhibit {
            self.drift.add(&judgement, self.clock.unix_ms());
        }
    }

    /// Drops a damaged frame, which takes no part in the vote. Reports a fault if there were only
    /// damaged frames for a while.
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
}

/// The result of a frame, and why there is no judgement if there is a reason. A frame that shows the empty scene shows
/// nothing, and neither does one in which no article is found: an empty table is no fault.
pub(super) fn frame_result<J: Judge>(
    judge: &J,
    empty: Option<&EmptyScene>,
    frame: Result<Frame>,
) -> (FrameResult, Option<Error>) {
    let result = |frame: Frame| {
        if let Some(empty) = empty
            && empty.is(&frame)?
        {
            return Ok(FrameResult::Nothing);
        }
        Ok(FrameResult::Judged(threads::guarded(|| judge.judge(&frame))?))
    };
    match frame.and_then(result) {
        Ok(result) => (result, None),
        Err(error @ Error::Contract(ContractError::NotFound(NotFound::NothingStandsOut))) => {
            (FrameResult::Nothing, Some(error))
        }
        Err(error) => (FrameResult::Unjudged, Some(error)),
    }
}

/// The result of a shot.
#[derive(Debug)]
pub enum Outcome {
    /// Nothing new.
    Nothing,
    /// A new answer.
    Answer(Answer),
    /// The empty scene that was learned from the shot.
    Learned(EmptyScene),
    /// A damaged camera frame, which was dropped.
    Damaged,
    /// A damaged camera frame, after only damaged frames for a while.
    Fault(Fault),
}

fn fingerprint(shot: &Shot) -> String {
    match &shot.pixels {
        Pixels::File(bytes) => sha256_hex(bytes),
        Pixels::Raw(yuv) => sha256_hex(yuv.bytes()),
        Pixels::Missing(_) => sha256_hex(&[]),
    }
}
