//! What the loop that watches and the threads of the network share.
//!
//! The loop writes and never waits: a slow listener misses events. Requests for a verdict wait here until the loop
//! comes round.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, mpsc};
use std::time::{Duration, Instant};

use counterfoil_models::Judgement;
use counterfoil_models::protocol::Seen;
use tokio::sync::{broadcast, oneshot};

use crate::Detector;
use crate::camera::Shot;
use crate::watch::state::{Answer, Tally};
use crate::watch::vote::Statement;
use crate::watch::watcher::{Observer, Reply, VerdictRequest};

/// Events a slow listener may be behind before it misses some: a folder may get a thousand files at once.
const BEHIND: usize = 1024;
/// Requests for a verdict that wait at a time.
const REQUESTS: usize = 4;

/// A peer that waits for the answer to its request.
#[derive(Debug)]
struct Waiting(oneshot::Sender<Seen>);

impl Reply for Waiting {
    fn is_abandoned(&self) -> bool {
        self.0.is_closed()
    }

    fn send(self: Box<Self>, answer: Result<&Answer, &str>) {
        // A peer that has left gets no answer.
        let _ = self.0.send(answer.map_or_else(fault, seen));
    }
}

/// Shared by loop and network.
#[derive(Debug)]
pub struct Live {
    begun: Instant,
    detector: RwLock<Arc<Detector>>,
    now: Mutex<Now>,
    events: broadcast::Sender<Arc<Seen>>,
    requests: mpsc::SyncSender<VerdictRequest>,
}

/// What the loop saw last.
#[derive(Clone, Debug, Default)]
pub struct Now {
    /// Its newest frame.
    pub shot: Option<Arc<Shot>>,
    /// What it last said.
    pub seen: Option<Arc<Seen>>,
    /// What is wrong with the camera, while something is.
    pub fault: Option<String>,
    /// What it has seen.
    pub tally: Tally,
}

impl Live {
    /// Before the first shot. The receiver gets the requests for a verdict.
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
        };
        (Arc::new(live), asked)
    }

    /// The detector that judges.
    #[must_use]
    pub fn detector(&self) -> Arc<Detector> {
        Arc::clone(&self.detector.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn said(&self, seen: Seen) {
        let seen = Arc::new(seen);
        self.lock().seen = Some(Arc::clone(&seen));
        // An error means that there is no listener.
        let _ = self.events.send(seen);
    }

    /// What the loop saw last.
    #[must_use]
    pub fn now(&self) -> Now {
        self.lock().clone()
    }

    /// What the loop says from now on.
    #[must_use]
    pub fn listen(&self) -> broadcast::Receiver<Arc<Seen>> {
        self.events.subscribe()
    }

    /// Asks the loop for a verdict on what lies before the camera from now on; `None` when too many requests wait.
    #[must_use]
    pub fn ask(&self) -> Option<oneshot::Receiver<Seen>> {
        let (answer, answered) = oneshot::channel();
        self.requests.try_send(VerdictRequest { asked: Instant::now(), reply: Box::new(Waiting(answer)) }).ok()?;
        Some(answered)
    }

    /// How long the box has been up.
    #[must_use]
    pub fn uptime(&self) -> Duration {
        self.begun.elapsed()
    }

    fn lock(&self) -> MutexGuard<'_, Now> {
        // A panic leaves each field whole.
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer<Detector> for Live {
    fn replaced(&self, detector: Arc<Detector>) {
        *self.detector.write().unwrap_or_else(PoisonError::into_inner) = detector;
    }

    fn counted(&self, tally: Tally) {
        self.lock().tally = tally;
    }

    fn fault(&self, what: &str) {
        let news = self.lock().fault.replace(what.to_owned()).as_deref() != Some(what);
        if news {
            self.said(fault(what));
        }
    }

    /// After a fault the last statement, until there is a verdict, is that there is nothing.
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

/// An answer in the protocol's words.
fn seen(answer: &Answer) -> Seen {
    let (said, judgement) = match &answer.said {
        Statement::Nothing => ("nothing".to_owned(), None),
        Statement::Unjudged => ("unjudged".to_owned(), None),
        Statement::Verdict(verdict, judgement) => (verdict.to_string(), Some(judgement)),
    };
    Seen {
        said,
        p_value: judgement.map(Judgement::p_value),
        score: judgement.map(|judgement| judgement.score().get()),
        why: answer.why.as_ref().map(ToString::to_string),
        picture: Some(answer.picture.clone()),
        file: answer.name.as_ref().and_then(|name| Some(name.file_name()?.to_string_lossy().into_owned())),
    }
}

/// The statement before the first one, in the protocol's words.
pub(super) fn nothing() -> Seen {
    without_verdict("nothing", None)
}

/// A camera's fault in the protocol's words.
fn fault(what: &str) -> Seen {
    without_verdict("fault", Some(what.into()))
}

fn without_verdict(said: &str, why: Option<String>) -> Seen {
    Seen { said: said.into(), p_value: None, score: None, why, picture: None, file: None }
}
