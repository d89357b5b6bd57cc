//! The loop of a box: shots and presses enter, [`Answer`]s leave.
//!
//! A shot is decoded, held to the empty scene, judged, and joins those before it until enough of them agree. What the world needs (lights,
//! journal, screen) happens outside: this file is what a box thinks, and can be tested without one.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use counterfoil_models::{Error as ContractError, Frame, Judgement, NotFound, Region, Verdict, sha256_hex};

use crate::agreement::{Agreement, Glimpse, Quorum, Said};
use crate::button::Press;
use crate::camera::{Fault, Pixels, Shot};
use crate::empty::Empty;
use crate::indicator::Signal;
use crate::panel::News;
use crate::screen::Words;
use crate::threads;
use crate::{Detector, Error, Result};

/// A camera whose frames have all been damaged for so long has a fault.
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

/// What the box says about what lies before it.
#[derive(Debug)]
pub struct Answer {
    /// It.
    pub said: Said,
    /// The picture's file, where it has one.
    pub name: Option<PathBuf>,
    /// SHA-256 of the last picture it rests on.
    pub picture: String,
    /// Why it could not be judged, where that was said.
    pub why: Option<Error>,
    /// Whether somebody asked for it, by the button or from the network.
    pub asked: bool,
}

/// What the box has seen.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Frames judged.
    pub judged: u64,
    /// Frames that showed nothing, or that nobody asked about.
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

/// The box's thoughts.
#[derive(Debug)]
pub struct Watch {
    detector: Arc<Detector>,
    mode: Mode,
    quorum: Quorum,
    guide: Region,
    agreement: Agreement,
    empty: Option<Empty>,
    /// Frames still to be judged since somebody asked, and when that was: older ones do not count.
    asked: usize,
    since: Option<Instant>,
    learning: bool,
    network_failed: bool,
    /// Since when all frames have been damaged, and what was wrong with the first.
    damaged: Option<(Instant, String)>,
    tally: Tally,
}

impl Watch {
    /// Nothing was seen yet. Of a frame the part in `guide` is looked at.
    #[must_use]
    pub fn new(detector: Arc<Detector>, mode: Mode, quorum: Quorum, guide: Region, empty: Option<Empty>) -> Self {
        let agreement = Agreement::new(quorum);
        Self {
            detector,
            mode,
            quorum,
            guide,
            agreement,
            empty,
            asked: 0,
            since: None,
            learning: false,
            network_failed: false,
            damaged: None,
            tally: Tally::default(),
        }
    }

    /// What was seen so far.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// Whether the last frame was judged by nobody because the network failed on it.
    #[must_use]
    pub fn network_failed(&self) -> bool {
        self.network_failed
    }

    /// Who judges.
    #[must_use]
    pub fn detector(&self) -> &Detector {
        &self.detector
    }

    /// Judges by another detector from the next frame on.
    pub fn replace(&mut self, detector: Arc<Detector>) {
        self.detector = detector;
        self.agreement.forget();
    }

    /// The camera failed: what comes next is another scene, and what was asked for was answered by the fault.
    pub fn interrupted(&mut self) {
        self.agreement.forget();
        (self.asked, self.since) = (0, None);
    }

    /// A damaged frame is dropped: it is no verdict and no part of one. When there is nothing else for a while, that is a fault.
    fn drop_damaged(&mut self, taken: Instant, why: &Error) -> Looked {
        self.tally.damaged += 1;
        let (since, first) = self.damaged.get_or_insert_with(|| (taken, why.to_string()));
        if taken.duration_since(*since) < DAMAGED {
            return Looked::Damaged;
        }
        let what = format!("every frame has been damaged for {} s ({first})", DAMAGED.as_secs());
        Looked::Fault(Fault::new(
            what,
            "check the camera's cable, its power, and that it has a USB port of its own; a smaller `size` takes less bandwidth",
        ))
    }

    /// The button was pressed.
    pub fn press(&mut self, press: Press) {
        match (self.mode, press) {
            (Mode::Button, Press::Short) => self.ask(Instant::now()),
            (Mode::Always, _) | (Mode::Button, Press::Long) => self.learning = true,
        }
    }

    /// Somebody wants to know what lies there, from frames that were taken after `since`. There will be an answer after as many frames
    /// as the quorum is of.
    pub fn ask(&mut self, since: Instant) {
        self.agreement.forget();
        self.asked = self.quorum.of();
        self.since = Some(since);
    }

    /// Looks at a shot.
    ///
    /// # Errors
    /// [`Error::Panicked`]; what is merely wrong with the picture is an answer.
    pub fn look(&mut self, shot: &Shot) -> Result<Looked> {
        let begun = Instant::now();
        self.tally.oldest = self.tally.oldest.max(begun.duration_since(shot.taken));
        let looked = self.looked(shot);
        self.tally.spent += begun.elapsed();
        looked
    }

    fn looked(&mut self, shot: &Shot) -> Result<Looked> {
        // A file was put there to be judged, whatever the button says.
        let file = shot.name.is_some();
        let idle = self.mode == Mode::Button && self.asked == 0;
        let old = self.asked > 0 && self.since.is_some_and(|since| shot.taken < since);
        let passes = (idle || old) && !self.learning && !file;
        if passes && self.damaged.is_none() {
            self.tally.passed += 1;
            return Ok(Looked::Nothing);
        }
        let color = self.detector.bundle().manifest().input.color;
        let frame = threads::guarded(|| shot.frame(color));
        if !file {
            match &frame {
                Err(error) => return Ok(self.drop_damaged(shot.taken, error)),
                Ok(_) => self.damaged = None,
            }
        }
        if passes {
            self.tally.passed += 1;
            return Ok(Looked::Nothing);
        }
        let frame = frame.and_then(|frame| match self.guide {
            Region::WHOLE => Ok(frame),
            guide => Ok(frame.crop(guide)?),
        });
        if let (true, false, Ok(frame)) = (self.learning, file, &frame) {
            self.learning = false;
            self.agreement.forget();
            let empty = Empty::learn(frame)?;
            self.empty = Some(empty.clone());
            return Ok(Looked::Learned(empty));
        }
        let (glimpse, why) = match frame.and_then(|frame| self.glimpse(&frame)) {
            Ok(glimpse) => (glimpse, None),
            // A bare table is no fault.
            Err(error @ Error::Contract(ContractError::NotFound(NotFound::NothingStandsOut))) => {
                (Glimpse::Nothing, Some(error))
            }
            Err(error) => (Glimpse::Unjudged, Some(error)),
        };
        self.network_failed = why.as_ref().is_some_and(Error::is_the_networks);
        match glimpse {
            Glimpse::Nothing => self.tally.passed += 1,
            Glimpse::Judged(_) => self.tally.judged += 1,
            Glimpse::Unjudged => self.tally.failed += 1,
        }
        let mut said = if file { Some(Said::from(glimpse)) } else { self.agreement.add(glimpse) };
        let asked = self.asked > 0 && !old;
        if asked {
            self.asked -= 1;
            // Whoever asks is answered: frames that do not agree are unsure, or could not be judged.
            said = said.or_else(|| (self.asked == 0).then(|| Self::undecided(glimpse)));
            if said.is_some() {
                self.asked = 0;
            }
        }
        Ok(match said {
            Some(said) => {
                Looked::Answer(Answer { said, name: shot.name.clone(), picture: fingerprint(shot), why, asked })
            }
            None => Looked::Nothing,
        })
    }

    fn undecided(last: Glimpse) -> Said {
        match last {
            Glimpse::Judged(judgement) => Said::Verdict(Verdict::Unsure, judgement),
            Glimpse::Nothing => Said::Nothing,
            Glimpse::Unjudged => Said::Unjudged,
        }
    }

    fn glimpse(&self, frame: &Frame) -> Result<Glimpse> {
        if let Some(empty) = &self.empty
            && empty.is(frame)?
        {
            return Ok(Glimpse::Nothing);
        }
        Ok(Glimpse::Judged(threads::guarded(|| self.detector.judge(frame))?))
    }
}

/// What came of a shot.
#[derive(Debug)]
pub enum Looked {
    /// Nothing new to say.
    Nothing,
    /// Something to say.
    Answer(Answer),
    /// The empty scene, learned from it.
    Learned(Empty),
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
            Said::Nothing => (Signal::Nothing, "READY", [String::new(), String::new()]),
            Said::Verdict(Verdict::Genuine, judgement) => (Signal::Genuine, "GENUINE", judged(judgement)),
            Said::Verdict(Verdict::Unsure, judgement) => (Signal::Unsure, "UNSURE", judged(judgement)),
            Said::Verdict(Verdict::Counterfeit, judgement) => (Signal::Counterfeit, "COUNTERFEIT", judged(judgement)),
            Said::Unjudged => (
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
