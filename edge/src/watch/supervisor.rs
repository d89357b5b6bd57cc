//! Selects the detector: a bundle that was named, or the model that is selected in the state folder. A change of that
//! selection is followed while the box runs.

use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use counterfoil_models::Name;

use super::Log;
use super::watcher::ModelSource;
use crate::detector::standard::Standard;
use crate::store::slots::{ActiveModel, Slots};
use crate::{Detector, Error, Result};

/// Time between two checks of the link to the selected model.
const LOOK: Duration = Duration::from_secs(1);
/// Minimum time of failures on every frame after which a newly selected model is rolled back.
const FAILING_FOR: Duration = Duration::from_secs(20);
/// Number of failed frames that must be exceeded for this rollback, besides the time.
const FAILURES: u32 = 10;

/// The detector in use, and a newly selected one while it is loaded.
pub struct Supervisor {
    slots: Option<Slots>,
    standard: (Option<PathBuf>, Option<Name>),
    running: Arc<Detector>,
    asked: Instant,
    loading: Option<mpsc::Receiver<Result<ActiveModel>>>,
    probation: Probation,
    log: Log,
}

impl Supervisor {
    /// Opens `bundle`, or, without one, the model that is selected in `state`. The standard is what
    /// `state` holds for `name`.
    ///
    /// # Errors
    /// As [`Detector::open`], [`Slots::open`] and [`Detector::with_standard`]; [`Error::NoModel`] without
    /// `bundle` and `state`.
    pub fn open(bundle: Option<&Path>, state: Option<&Path>, name: Option<Name>, log: Log) -> Result<Self> {
        let standard = (state.map(Path::to_path_buf), name);
        let (slots, running) = match (bundle, state) {
            (Some(bundle), _) => (None, ActiveModel { detector: Detector::open(bundle)?, rolled_back: None }),
            (None, Some(state)) => {
                let slots = Slots::of(state);
                let running = slots.open()?;
                (Some(slots), running)
            }
            (None, None) => {
                let what = "no model to judge by: name a bundle with --bundle, or a state folder with --state";
                return Err(Error::NoModel(what.to_owned()));
            }
        };
        if let Some(why) = running.rolled_back {
            log(&why);
        }
        let running = Arc::new(held(running.detector, &standard)?);
        let (asked, probation) = (Instant::now(), Probation::default());
        Ok(Self { slots, standard, running, asked, loading: None, probation, log })
    }

    /// Name and number of the model in use, for messages.
    #[must_use]
    pub fn what(&self) -> String {
        let manifest = self.running.bundle().manifest();
        format!("{} (number {})", manifest.name, manifest.counter)
    }

    /// The detector in use.
    #[must_use]
    pub fn detector(&self) -> Arc<Detector> {
        Arc::clone(&self.running)
    }

    fn take(&mut self, loaded: Result<ActiveModel>) -> Result<Arc<Detector>, String> {
        let kept = |error: String| format!("{error}. {} goes on", self.what());
        let ActiveModel { detector, rolled_back } = loaded.map_err(|e| kept(e.to_string()))?;
        if let Some(why) = rolled_back {
            (self.log)(&why);
        }
        self.running = Arc::new(held(detector, &self.standard).map_err(|e| kept(e.to_string()))?);
        self.probation = Probation::default();
        (self.log)(&format!("judging by {}", self.what()));
        Ok(self.detector())
    }
}

impl ModelSource<Detector> for Supervisor {
    /// Loads a newly selected model in its own thread, while the current one keeps running.
    fn changed(&mut self, reload: bool) -> Option<Result<Arc<Detector>, String>> {
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
        if !reload && self.asked.elapsed() < LOOK {
            return None;
        }
        self.asked = Instant::now();
        if slots.current().is_some_and(|id| id != self.running.bundle().id()) {
            let (slots, (done, loading)) = (slots.clone(), mpsc::channel());
            thread::spawn(move || {
                // The receiver is gone when the box is stopping.
                let _ = done.send(slots.open());
            });
            self.loading = Some(loading);
        }
        None
    }

    /// Rolls back a model that fails from its first frame on. The changed link is then followed as usual.
    fn failed(&mut self) {
        let Some(slots) = &self.slots else { return };
        if self.probation.failed(Instant::now()) {
            let message = match slots.rollback() {
                Ok(before) => format!(
                    "{} fails on every frame; going back to {} (number {})",
                    self.what(),
                    before.name,
                    before.counter
                ),
                Err(error) => format!("{} fails on every frame, and there is no other: {error}", self.what()),
            };
            (self.log)(&message);
        }
    }

    fn proven(&mut self) {
        if let (true, Some(slots)) = (self.probation.passed(), &self.slots)
            && let Err(error) = slots.proven()
        {
            (self.log)(&error.to_string());
        }
    }
}

/// Decides when a newly selected model is rolled back: when it fails on every frame before its first verdict.
#[derive(Debug, Default)]
struct Probation {
    passed: bool,
    /// Time of the first failure since the last verdict, and the number of failures.
    failing: Option<(Instant, u32)>,
}

impl Probation {
    /// Records that the neural network failed on a frame. Returns whether the model must be rolled back.
    fn failed(&mut self, now: Instant) -> bool {
        let (since, times) = self.failing.unwrap_or((now, 0));
        self.failing = Some((since, times + 1));
        let over = !self.passed && now.duration_since(since) >= FAILING_FOR && times >= FAILURES;
        if over {
            self.failing = None;
        }
        over
    }

    /// Records a verdict of the model. Returns whether it is the first.
    fn passed(&mut self) -> bool {
        self.failing = None;
        !std::mem::replace(&mut self.passed, true)
    }
}

fn held(detector: Detector, (state, name): &(Option<PathBuf>, Option<Name>)) -> Result<Detector, Error> {
    let Some(state) = state else { return Ok(detector) };
    let standard = Standard::of(detector.bundle(), state, name.as_ref())?;
    detector.with_standard(standard)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn a_model_that_fails_on_every_frame_is_rolled_back_once() {
        let (start, mut probation) = (Instant::now(), Probation::default());
        let rolled: Vec<u64> = (0..50).filter(|&s| probation.failed(second(start, s))).collect();
        assert_eq!(rolled, [20, 41], "after {FAILING_FOR:?}, and again that long after it");
    }

    #[test]
    fn few_failures_or_a_verdict_between_are_no_reason() {
        let (start, mut probation) = (Instant::now(), Probation::default());
        assert!((0..10).all(|s| !probation.failed(second(start, 10 * s))), "ten are not enough, however long");
        let mut probation = Probation::default();
        assert!((0..15).all(|s| !probation.failed(second(start, s))));
        assert!(probation.passed() && !probation.passed(), "the first verdict is told apart");
        assert!((15..100).all(|s| !probation.failed(second(start, s))), "a proven model stays");
    }
}
