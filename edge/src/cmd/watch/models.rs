//! Which detector judges: a bundle that was named, or the model that is selected in the state folder, followed while the box runs.

use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::bail;
use counterfoil_edge::config::Config;
use counterfoil_edge::slots::{Running, Slots};
use counterfoil_edge::standard::Standard;
use counterfoil_edge::{Detector, Error};
use counterfoil_models::Name;

use super::say;

/// How often the link to the current model is read.
const LOOK: Duration = Duration::from_secs(1);
/// A model that has failed on every frame for so long, and on so many, is rolled back.
const FAILING: (Duration, u32) = (Duration::from_secs(20), 10);

/// The detector that judges, and whether another is to take its place.
pub(super) struct Models {
    slots: Option<Slots>,
    standard: (Option<PathBuf>, Option<Name>),
    running: Arc<Detector>,
    running_id: String,
    asked: Instant,
    loading: Option<mpsc::Receiver<Result<Running, Error>>>,
    proven: bool,
    /// Since when, and how often, it failed on frames without a verdict between.
    failing: Option<(Instant, u32)>,
}

impl Models {
    pub(super) fn of(config: &Config, state: Option<&Path>, name: Option<Name>) -> anyhow::Result<Self> {
        let standard = (state.map(Path::to_path_buf), name);
        let (slots, running) = match (&config.bundle, state) {
            (Some(bundle), _) => (None, Running { detector: Detector::open(bundle)?, rolled_back: None }),
            (None, Some(state)) => {
                let slots = Slots::of(state);
                let running = slots.open()?;
                (Some(slots), running)
            }
            (None, None) => bail!("no model to judge by: name a bundle with --bundle, or a state folder with --state"),
        };
        told(running.rolled_back.as_deref());
        let detector = held(running.detector, &standard)?;
        let running_id = detector.bundle().id().to_owned();
        Ok(Self {
            slots,
            standard,
            running: Arc::new(detector),
            running_id,
            asked: Instant::now(),
            loading: None,
            proven: false,
            failing: None,
        })
    }

    pub(super) fn what(&self) -> String {
        let manifest = self.running.bundle().manifest();
        format!("{} (number {})", manifest.name, manifest.counter)
    }

    pub(super) fn detector(&self) -> Arc<Detector> {
        Arc::clone(&self.running)
    }

    /// Another model, once it is loaded beside the one that runs.
    pub(super) fn changed(&mut self, now: bool) -> Option<Result<Arc<Detector>, String>> {
        let slots = self.slots.as_ref()?;
        if let Some(loading) = &self.loading {
            let loaded = match loading.try_recv() {
                Err(mpsc::TryRecvError::Empty) => return None,
                Err(mpsc::TryRecvError::Disconnected) => Err(Error::Panicked),
                Ok(loaded) => loaded,
            };
            self.loading = None;
            return Some(self.take(loaded));
        }
        if !now && self.asked.elapsed() < LOOK {
            return None;
        }
        self.asked = Instant::now();
        if slots.current().is_some_and(|id| id != self.running_id) {
            let (slots, (done, loading)) = (slots.clone(), mpsc::channel());
            thread::spawn(move || {
                // Whoever waited may have been told to stop.
                let _ = done.send(slots.open());
            });
            self.loading = Some(loading);
        }
        None
    }

    fn take(&mut self, loaded: Result<Running, Error>) -> Result<Arc<Detector>, String> {
        let kept = |error: String| format!("{error}. {} goes on", self.what());
        let Running { detector, rolled_back } = loaded.map_err(|e| kept(e.to_string()))?;
        told(rolled_back.as_deref());
        let detector = held(detector, &self.standard).map_err(|e| kept(e.to_string()))?;
        self.running_id = detector.bundle().id().to_owned();
        self.running = Arc::new(detector);
        (self.proven, self.failing) = (false, None);
        say(&format!("judging by {}", self.what()));
        Ok(self.detector())
    }

    /// It failed on a frame: not the picture, but the network. One that does so from its first frame on is rolled back; the link is then
    /// followed as ever.
    pub(super) fn failed(&mut self) {
        let Some(slots) = &self.slots else { return };
        let (since, times) = self.failing.unwrap_or_else(|| (Instant::now(), 0));
        self.failing = Some((since, times + 1));
        if !self.proven && since.elapsed() >= FAILING.0 && times >= FAILING.1 {
            self.failing = None;
            match slots.rollback() {
                Ok(before) => say(&format!(
                    "{} fails on every frame; going back to {} (number {})",
                    self.what(),
                    before.name,
                    before.counter
                )),
                Err(error) => say(&format!("{} fails on every frame, and there is no other: {error}", self.what())),
            }
        }
    }

    /// It gave a verdict.
    pub(super) fn proven(&mut self) {
        self.failing = None;
        if let (Some(slots), false) = (&self.slots, self.proven) {
            self.proven = true;
            slots.proven().unwrap_or_else(|e| say(&e.to_string()));
        }
    }
}

fn held(detector: Detector, (state, name): &(Option<PathBuf>, Option<Name>)) -> Result<Detector, Error> {
    let Some(state) = state else { return Ok(detector) };
    let standard = Standard::of(detector.bundle(), state, name.as_ref())?;
    detector.held_to(standard)
}

fn told(rolled_back: Option<&str>) {
    if let Some(why) = rolled_back {
        say(why);
    }
}
