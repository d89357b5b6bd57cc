//! What systemd hears of the loop: that it began, that it still works, and that it ends.

use std::time::{Duration, Instant};

use counterfoil_edge::camera::Eye;
use sd_notify::NotifyState;

/// A camera that was not heard of for so long hangs, and with it the box: systemd then starts it anew.
const HANGS: Duration = Duration::from_secs(15);

/// The watchdog's food.
pub(super) struct Pulse {
    every: Option<Duration>,
    fed: Instant,
}

impl Pulse {
    /// The loop begins.
    pub(super) fn ready() -> Self {
        // Without systemd nobody listens, and that is well.
        let _ = sd_notify::notify(&[NotifyState::Ready]);
        Self { every: sd_notify::watchdog_enabled().map(|period| period / 3), fed: Instant::now() }
    }

    /// The loop went round once. Only a camera that was looked through feeds the watchdog.
    pub(super) fn beat(&mut self, eye: &Eye) {
        if self.every.is_some_and(|every| self.fed.elapsed() >= every) && eye.heard() < HANGS {
            let _ = sd_notify::notify(&[NotifyState::Watchdog]);
            self.fed = Instant::now();
        }
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        let _ = sd_notify::notify(&[NotifyState::Stopping]);
    }
}
