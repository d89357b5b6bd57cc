//! What the loop that watches and the people on the network know of each other.
//!
//! The loop tells what it saw and never waits for anyone: a listener who is slow misses things. Requests for a look wait here until
//! the loop comes round.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, mpsc};
use std::time::{Duration, Instant};

use counterfoil_models::Judgement;
use counterfoil_models::protocol::Seen;
use tokio::sync::{broadcast, oneshot};

use crate::Detector;
use crate::agreement::Said;
use crate::camera::Shot;
use crate::watch::{Answer, Tally};

/// Events a slow listener may be behind before it misses some: a folder may get a thousand files at once.
const BEHIND: usize = 1024;
/// Requests for a look that wait at a time.
const LOOKS: usize = 4;

/// Someone who wants to know what lies before the camera from now on.
#[derive(Debug)]
pub struct LookRequest {
    /// When it was asked: older frames do not count.
    pub asked: Instant,
    /// Where the answer goes.
    pub answer: oneshot::Sender<Seen>,
}

/// Shared by loop and network.
#[derive(Debug)]
pub struct Live {
    begun: Instant,
    detector: RwLock<Arc<Detector>>,
    now: Mutex<Now>,
    events: broadcast::Sender<Arc<Seen>>,
    looks: mpsc::SyncSender<LookRequest>,
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
    /// Nothing was seen yet. The requests for a look come out at the receiver.
    #[must_use]
    pub fn new(detector: Arc<Detector>) -> (Arc<Self>, mpsc::Receiver<LookRequest>) {
        let (looks, asked) = mpsc::sync_channel(LOOKS);
        let (events, _) = broadcast::channel(BEHIND);
        let live = Self {
            begun: Instant::now(),
            detector: RwLock::new(detector),
            now: Mutex::new(Now::default()),
            events,
            looks,
        };
        (Arc::new(live), asked)
    }

    /// Who judges.
    #[must_use]
    pub fn detector(&self) -> Arc<Detector> {
        Arc::clone(&self.detector.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Another detector judges from now on.
    pub fn replace(&self, detector: Arc<Detector>) {
        *self.detector.write().unwrap_or_else(PoisonError::into_inner) = detector;
    }

    /// The loop looked at a frame.
    pub fn looked(&self, shot: Shot) {
        self.lock().shot = Some(Arc::new(shot));
    }

    /// So much has been seen.
    pub fn counted(&self, tally: Tally) {
        self.lock().tally = tally;
    }

    /// The loop has something to say.
    pub fn said(&self, seen: Seen) {
        let seen = Arc::new(seen);
        self.lock().seen = Some(Arc::clone(&seen));
        // Nobody may be listening.
        let _ = self.events.send(seen);
    }

    /// There is no camera.
    pub fn fault(&self, what: &str) {
        let news = self.lock().fault.replace(what.to_owned()).as_deref() != Some(what);
        if news {
            self.said(fault(what));
        }
    }

    /// The fault is over: what was said last, until there is a verdict, is that there is nothing.
    pub fn works(&self) {
        let over = self.lock().fault.take();
        if over.is_some() {
            self.said(nothing());
        }
    }

    /// What the loop saw last.
    #[must_use]
    pub fn now(&self) -> Now {
        self.lock().clone()
    }

    /// What it says from now on.
    #[must_use]
    pub fn listen(&self) -> broadcast::Receiver<Arc<Seen>> {
        self.events.subscribe()
    }

    /// Asks the loop for a look; `None` when too many have.
    #[must_use]
    pub fn ask(&self) -> Option<oneshot::Receiver<Seen>> {
        let (answer, answered) = oneshot::channel();
        self.looks.try_send(LookRequest { asked: Instant::now(), answer }).ok()?;
        Some(answered)
    }

    /// How long the box has been up.
    #[must_use]
    pub fn uptime(&self) -> Duration {
        self.begun.elapsed()
    }

    fn lock(&self) -> MutexGuard<'_, Now> {
        // Each field is whole, whoever panicked.
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An answer in the protocol's words.
#[must_use]
pub fn seen(answer: &Answer) -> Seen {
    let (said, judgement) = match &answer.said {
        Said::Nothing => ("nothing".to_owned(), None),
        Said::Unjudged => ("unjudged".to_owned(), None),
        Said::Verdict(verdict, judgement) => (verdict.to_string(), Some(judgement)),
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

/// That there is nothing to judge, in the protocol's words.
#[must_use]
pub fn nothing() -> Seen {
    without_verdict("nothing", None)
}

/// A camera's fault in the protocol's words.
#[must_use]
pub fn fault(what: &str) -> Seen {
    without_verdict("fault", Some(what.into()))
}

fn without_verdict(said: &str, why: Option<String>) -> Seen {
    Seen { said: said.into(), p_value: None, score: None, why, picture: None, file: None }
}
