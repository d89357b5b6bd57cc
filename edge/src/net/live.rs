//! State shared by the loop that watches and the network threads.
//!
//! The loop writes and never waits: a slow listener misses events. Requests for a verdict wait here
//! until the next round of the loop.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, mpsc};
use std::time::{Duration, Instant};

use counterfoil_models::Judgement;
use counterfoil_models::protocol::{CameraStatement, Drift};
use tokio::sync::{broadcast, oneshot};

use crate::Detector;
use crate::camera::Shot;
use crate::watch::answer::Answer;
use crate::watch::state::{Purpose, Tally};
use crate::watch::vote::Statement;
use crate::watch::watcher::{Observer, Reply, VerdictRequest};

/// Number of events that a listener may lag behind before it misses some: a folder may get a thousand files at once.
const BEHIND: usize = 1024;
/// Maximum number of requests for a verdict that wait.
const REQUESTS: usize = 4;
/// Two presses of the button within this time are a double press.
const TWICE: Duration = Duration::from_secs(2);

/// A client that waits for the answer to its request.
#[derive(Debug)]
struct Waiting(oneshot::Sender<CameraStatement>);

impl Reply for Waiting {
    fn is_abandoned(&self) -> bool {
        self.0.is_closed()
    }

    fn send(self: Box<Self>, answer: Result<&Answer, &str>) {
        // A client that has left gets no answer.
        let _ = self.0.send(answer.map_or_else(fault, seen));
    }
}

/// State shared by the loop and the network services.
#[derive(Debug)]
pub struct Live {
    begun: Instant,
    detector: RwLock<Arc<Detector>>,
    now: Mutex<Now>,
    events: broadcast::Sender<Arc<CameraStatement>>,
    requests: mpsc::SyncSender<VerdictRequest>,
    presses: Mutex<Presses>,
}

/// Presses of the button.
#[derive(Debug, Default)]
struct Presses {
    last: Option<Instant>,
    /// The last one that came soon after another.
    twice: Option<Instant>,
}

impl Presses {
    fn press(&mut self, now: Instant) {
        if self.last.replace(now).is_some_and(|last| now.duration_since(last) <= TWICE) {
            self.twice = Some(now);
        }
    }
}

/// The newest state of the loop.
#[derive(Clone, Debug, Default)]
pub struct Now {
    /// The newest shot.
    pub shot: Option<Arc<Shot>>,
    /// The last statement.
    pub seen: Option<Arc<CameraStatement>>,
    /// The fault of the camera, while there is one.
    pub fault: Option<String>,
    /// Why the box doubts its own verdicts, while it does.
    pub drift: Option<Drift>,
    /// Statistics on the frames.
    pub tally: Tally,
}

impl Live {
    /// The state before the first shot. The receiver gets the requests for a verdict.
    #[must_use]
    pub fn new(detector: Arc<Detector>) -> (Arc<Self>, mpsc::Receiver<VerdictRequest>) {
        let (requests, asked) = mpsc::sync_channel(REQUESTS);
        let (events, _) = broadcast::channel(BEHIND);
        let live = Self {
            begun: Instant::now(),
            detector: RwLock::new(detector),
            now: Mutex::new(Now::default()),
            events,
            requests,
            presses: Mutex::default(),
        };
        (Arc::new(live), asked)
    }

    /// The detector in use.
    #[must_use]
    pub fn detector(&self) -> Arc<Detector> {
        Arc::clone(&self.detector.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn said(&self, seen: CameraStatement) {
        let seen = Arc::new(seen);
        self.lock().seen = Some(Arc::clone(&seen));
        // An error means that there is no listener.
        let _ = self.events.send(seen);
    }

    /// The newest state of the loop.
    #[must_use]
    pub fn now(&self) -> Now {
        self.lock().clone()
    }

    /// Subscribes to the statements of the loop from now on.
    #[must_use]
    pub fn listen(&self) -> broadcast::Receiver<Arc<CameraStatement>> {
        self.events.subscribe()
    }

    /// Requests a verdict on what is in front of the camera from now on; `None` when too many requests wait.
    #[must_use]
    pub fn ask(&self, purpose: Purpose) -> Option<oneshot::Receiver<CameraStatement>> {
        let (answer, answered) = oneshot::channel();
        self.requests
            .try_send(VerdictRequest { asked: Instant::now(), purpose, reply: Box::new(Waiting(answer)) })
            .ok()?;
        Some(answered)
    }

    /// When the button was last pressed twice within two seconds.
    #[must_use]
    pub fn pressed_twice(&self) -> Option<Instant> {
        self.presses.lock().unwrap_or_else(PoisonError::into_inner).twice
    }

    /// Time since the box started.
    #[must_use]
    pub fn uptime(&self) -> Duration {
        self.begun.elapsed()
    }

    fn lock(&self) -> MutexGuard<'_, Now> {
        // A panic in another thread leaves each field complete.
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer<Detector> for Live {
    fn pressed(&self) {
        self.presses.lock().unwrap_or_else(PoisonError::into_inner).press(Instant::now());
    }

    fn replaced(&self, detector: Arc<Detector>) {
        *self.detector.write().unwrap_or_else(PoisonError::into_inner) = detector;
    }

    fn counted(&self, tally: Tally) {
        self.lock().tally = tally;
    }

    fn doubted(&self, drift: Option<Drift>) {
        self.lock().drift = drift;
    }

    fn fault(&self, what: &str) {
        let news = self.lock().fault.replace(what.to_owned()).as_deref() != Some(what);
        if news {
            self.said(fault(what));
        }
    }

    /// After a fault, the statement is "nothing" until there is a verdict.
    fn works(&self) {
        let over = self.lock().fault.take();
        if over.is_some() {
            self.said(nothing());
        }
    }

    fn answered(&self, answer: &Answer) {
        self.said(seen(answer));
    }

    fn looked(&self, shot: Shot) {
        self.lock().shot = Some(Arc::new(shot));
    }
}

/// An answer as a message of the protocol.
fn seen(answer: &Answer) -> CameraStatement {
    let (said, judgement) = match answer.shown() {
        Statement::Nothing => ("nothing".to_owned(), None),
        Statement::Unjudged => ("unjudged".to_owned(), None),
        Statement::Verdict(verdict, judgement) => (verdict.to_string(), Some(judgement)),
    };
    CameraStatement {
        said,
        p_value: judgement.as_ref().map(Judgement::p_value),
        score: judgement.map(|judgement| judgement.score().get()),
        why: answer.reason(),
        picture: Some(answer.picture.clone()),
        file: answer.name.as_ref().and_then(|name| Some(name.file_name()?.to_string_lossy().into_owned())),
    }
}

/// The statement before the first answer, as a message of the protocol.
pub(super) fn nothing() -> CameraStatement {
    without_verdict("nothing", None)
}

/// A fault of the camera, as a message of the protocol.
fn fault(what: &str) -> CameraStatement {
    without_verdict("fault", Some(what.into()))
}

fn without_verdict(said: &str, why: Option<String>) -> CameraStatement {
    CameraStatement { said: said.into(), p_value: None, score: None, why, picture: None, file: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_presses_close_together_are_a_double_press() {
        let (mut presses, begun) = (Presses::default(), Instant::now());
        let mut twice_after = |seconds: u64| {
            presses.press(begun + Duration::from_secs(seconds));
            presses.twice.map(|twice| (twice - begun).as_secs())
        };
        assert_eq!([0, 10, 20].map(&mut twice_after), [None; 3]);
        assert_eq!([21, 40].map(&mut twice_after), [Some(21); 2]);
    }
}
