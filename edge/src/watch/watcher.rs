//! One round of the loop: reads button, network requests, models and camera, and informs reporter,
//! observer and waiting requests.

use std::fmt::Debug;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use counterfoil_models::protocol::Drift;
use counterfoil_models::{Overlay, Verdict};

use super::answer::Answer;
use super::reporter::Reporter;
use super::state::{Outcome, Purpose, State, Tally};
use super::unsure::UnsureStore;
use super::vote::Statement;
use super::{Judge, Log};
use crate::camera::{CameraEvent, CameraThread, Fault, Pixels, Shot};
use crate::show::button::Press;

/// Longest wait for a picture in one round.
const PATIENCE: Duration = Duration::from_millis(200);

/// A source of pictures for the loop, for example [`CameraThread`].
pub trait FrameSource {
    /// Takes the newest event that was not taken yet. Waits for one for at most `patience`.
    fn newest(&mut self, patience: Duration) -> Option<CameraEvent>;

    /// Number of frames that were dropped while an older one was judged.
    fn dropped(&self) -> u64;
}

impl FrameSource for CameraThread {
    fn newest(&mut self, patience: Duration) -> Option<CameraEvent> {
        Self::newest(self, patience)
    }

    fn dropped(&self) -> u64 {
        Self::dropped(self)
    }
}

/// A source of judges for the loop, for example [`Supervisor`](super::supervisor::Supervisor).
pub trait ModelSource<J> {
    /// A newly selected judge once it is loaded, or why it cannot be used; `None` if nothing changed.
    /// `reload` checks the selection at once.
    fn changed(&mut self, reload: bool) -> Option<Result<Arc<J>, String>>;

    /// Called when the neural network failed on a frame.
    fn failed(&mut self);

    /// Called when there was a verdict.
    fn proven(&mut self);
}

/// Follows the loop for other threads, such as the network services. No call may block.
pub trait Observer<J> {
    /// The button was pressed.
    fn pressed(&self) {}
    /// Another judge is in use.
    fn replaced(&self, judge: Arc<J>);
    /// The statistics changed.
    fn counted(&self, tally: Tally);
    /// Why the box doubts its verdicts, or that it does not.
    fn doubted(&self, drift: Option<Drift>);
    /// The camera has a fault.
    fn fault(&self, what: &str);
    /// The camera works, with or without a new picture.
    fn works(&self);
    /// There is a new answer.
    fn answered(&self, answer: &Answer);
    /// A shot was processed; it is the newest.
    fn looked(&self, shot: Shot);
}

/// A request for a verdict on what is in front of the camera.
#[derive(Debug)]
pub struct VerdictRequest {
    /// When the request was made: frames taken before this time do not count.
    pub asked: Instant,
    /// What it is made for.
    pub purpose: Purpose,
    /// Receives the answer.
    pub reply: Box<dyn Reply>,
}

/// Receives the answer to a [`VerdictRequest`].
pub trait Reply: Debug + Send {
    /// Whether the client has stopped waiting.
    fn is_abandoned(&self) -> bool;
    /// Sends the answer, or the camera's fault.
    fn send(self: Box<Self>, answer: Result<&Answer, &str>);
}

/// Why the verdicts of a judge were doubted when the box was stopped. A file that cannot be read is logged.
pub fn held(folder: Option<&Path>, judge: &impl Judge, log: &Log) -> Option<Drift> {
    let read = Overlay::of_id(folder?, judge.id()).drift(&judge.genuine_scores());
    read.unwrap_or_else(|error| {
        log(&error.to_string());
        None
    })
}

/// The loop: its state, its inputs and its outputs.
pub struct Watcher<'a, J, C, M, W> {
    /// State of the loop.
    pub state: State<J>,
    /// Source of pictures.
    pub camera: C,
    /// Source of judges.
    pub models: M,
    /// Presses of the button, if there is one.
    pub presses: Option<mpsc::Receiver<Press>>,
    /// New requests from the network.
    pub requests: mpsc::Receiver<VerdictRequest>,
    /// Requests that wait for an answer.
    pub pending: Vec<VerdictRequest>,
    /// Follows the loop for other threads.
    pub observer: Arc<dyn Observer<J>>,
    /// Writes the journal, the panel and standard output.
    pub reporter: Reporter<'a, W>,
    /// Keeps pictures with the verdict unsure, if that is configured.
    pub unsure: Option<UnsureStore>,
    /// The state folder, where the empty scene is kept.
    pub folder: Option<&'a Path>,
    /// Messages for the operator.
    pub log: Log,
}

impl<J: Judge, C: FrameSource, M: ModelSource<J>, W: Write> Watcher<'_, J, C, M, W> {
    /// Runs one round. `reload` checks the selected model at once. Breaks when no more pictures will
    /// come, with a fault if there never was one.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn round(&mut self, reload: bool) -> io::Result<ControlFlow<Option<Fault>>> {
        for press in self.presses.iter().flat_map(mpsc::Receiver::try_iter) {
            self.state.press(press);
            self.observer.pressed();
        }
        self.pending.retain(|request| !request.reply.is_abandoned());
        for request in self.requests.try_iter() {
            self.state.ask(request.asked, request.purpose);
            self.pending.push(request);
        }
        match self.models.changed(reload) {
            None => {}
            Some(Ok(judge)) => {
                self.observer.replaced(Arc::clone(&judge));
                let drift = held(self.folder, &*judge, &self.log);
                self.state.replace(judge, drift);
            }
            Some(Err(what)) => (self.log)(&what),
        }
        match self.camera.newest(PATIENCE) {
            None => {}
            Some(CameraEvent::End(fault)) => return Ok(ControlFlow::Break(fault)),
            Some(CameraEvent::Fault(fault)) => self.fault(&fault),
            Some(CameraEvent::Works) => self.works(),
            Some(CameraEvent::Note(note)) => (self.log)(&note),
            Some(CameraEvent::Shot(shot)) => self.look(shot)?,
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Handles a fault of the camera.
    fn fault(&mut self, fault: &Fault) {
        self.state.interrupted();
        let fault = fault.to_string();
        self.reporter.fault(&fault);
        self.observer.fault(&fault);
        self.pending.drain(..).for_each(|request| request.reply.send(Err(&fault)));
    }

    /// Handles a sign that the camera works.
    fn works(&mut self) {
        self.reporter.works();
        self.observer.works();
    }

    fn look(&mut self, shot: Shot) -> io::Result<()> {
        let before = self.state.drift();
        let outcome = self.state.look(&shot).unwrap_or_else(|error| {
            (self.log)(&error.to_string());
            Outcome::Nothing
        });
        self.observer.counted(self.state.tally());
        self.doubt(before);
        match outcome {
            Outcome::Damaged => return Ok(()),
            Outcome::Fault(fault) => {
                self.fault(&fault);
                return Ok(());
            }
            _ => self.works(),
        }
        let told = self.tell(&shot, outcome);
        if !matches!(shot.pixels, Pixels::Missing(_)) {
            self.observer.looked(shot);
        }
        told
    }

    /// Tells of a doubt that began or ended, and writes down whether the genuine ones look different: only then, since
    /// a card wears out.
    fn doubt(&self, before: Option<Drift>) {
        let drift = self.state.drift();
        self.observer.doubted(drift);
        let changed = |drift| matches!(drift, Some(Drift::Changed { .. }));
        match drift {
            _ if drift.map(|drift| drift.since_ms()) == before.map(|drift| drift.since_ms())
                && changed(drift) == changed(before) =>
            {
                return;
            }
            Some(drift) => (self.log)(&drift.to_string()),
            None => (self.log)("fewer are called counterfeit again, or a genuine piece was called genuine"),
        }
        if let (true, Some(folder)) = (changed(drift), self.folder) {
            let judge = self.state.judge();
            if let Err(error) = Overlay::of_id(folder, judge.id()).set_drift(drift, &judge.genuine_scores()) {
                (self.log)(&error.to_string());
            }
        }
    }

    fn tell(&mut self, shot: &Shot, outcome: Outcome) -> io::Result<()> {
        if self.state.network_failed() {
            self.models.failed();
        }
        match outcome {
            Outcome::Nothing | Outcome::Damaged | Outcome::Fault(_) => Ok(()),
            Outcome::Learned(empty) => {
                if let Some(Err(error)) = self.folder.map(|folder| empty.keep(folder)) {
                    (self.log)(&error.to_string());
                }
                (self.log)("this is the empty scene from now on");
                Ok(())
            }
            Outcome::Answer(answer) => self.answer(shot, &answer),
        }
    }

    fn answer(&mut self, shot: &Shot, answer: &Answer) -> io::Result<()> {
        if let (Some(unsure), Statement::Verdict(Verdict::Unsure, _)) = (&mut self.unsure, &answer.said)
            && let Err(error) = unsure.keep(&answer.picture, shot)
        {
            (self.log)(&error.to_string());
        }
        if matches!(answer.said, Statement::Verdict(..)) {
            self.models.proven();
        }
        self.observer.answered(answer);
        if answer.asked {
            self.pending.drain(..).for_each(|request| request.reply.send(Ok(answer)));
        }
        self.reporter.tell(answer, self.state.judge().id())
    }

    /// A sentence with the statistics on all frames.
    #[must_use]
    pub fn summary(&self) -> String {
        let (tally, dropped) = (self.state.tally(), self.camera.dropped());
        let each = tally.frame_ms();
        let (judged, failed, passed, damaged) = (tally.judged, tally.failed, tally.passed, tally.damaged);
        let oldest = tally.oldest.as_millis();
        format!(
            "{judged} frames judged, {each:.1} ms each; {failed} could not be, {passed} showed nothing, {damaged} were damaged, {dropped} were dropped; the oldest was {oldest} ms old"
        )
    }
}
