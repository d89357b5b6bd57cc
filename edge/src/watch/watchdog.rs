//! Tells systemd that the loop has started, that it still works, and that it stops.

use std::time::{Duration, Instant};

use sd_notify::NotifyState;

/// A camera that gave no sign for this time hangs. The watchdog is then no longer notified, and systemd
/// restarts the box.
const HANGS: Duration = Duration::from_secs(15);

/// systemd's watchdog. Dropping it announces that the program stops.
#[derive(Debug)]
pub struct Watchdog {
    every: Option<Duration>,
    fed: Instant,
}

impl Watchdog {
    /// Announces that the loop has started.
    #[must_use]
    pub fn ready() -> Self {
        // Without systemd there is no socket to write to, which is no error.
        let _ = sd_notify::notify(&[NotifyState::Ready]);
        Self { every: sd_notify::watchdog_enabled().map(|period| period / 3), fed: Instant::now() }
    }

    /// To be called after each round of the loop; `heard` is the time since the last sign of the camera.
    pub fn beat(&mut self, heard: Duration) {
        if self.every.is_some_and(|every| self.fed.elapsed() >= every) && heard < HANGS {
            let _ = sd_notify::notify(&[NotifyState::Watchdog]);
            self.fed = Instant::now();
        }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        let _ = sd_notify::notify(&[NotifyState::Stopping]);
    }
}
