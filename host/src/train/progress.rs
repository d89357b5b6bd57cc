//! What a person sees while training: rounds go in, one live line on stderr comes out, when stderr is a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::config::Config;
use super::game::Round;

/// The live line.
pub(super) struct Progress {
    bar: ProgressBar,
    batch: usize,
    first: u64,
    /// Full length in milliseconds where the run ends by time.
    budget: Option<u64>,
}

impl Progress {
    /// A line for a run that stands at step `first`.
    pub(super) fn new(config: &Config, first: u64, quiet: bool) -> Self {
        let budget = config.minutes.map(|minutes| (minutes * 60_000.0) as u64);
        let length = budget.or(config.steps).unwrap_or_default();
        // indicatif draws nothing where stderr is no terminal.
        let target = if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr_with_hz(5) };
        let style = ProgressStyle::with_template("{elapsed} [{bar:24}] {eta} left  {msg}")
            .expect("the template above is well formed")
            .progress_chars("=> ");
        let bar = ProgressBar::with_draw_target(Some(length), target).with_style(style);
        if budget.is_none() {
            bar.set_position(first);
            bar.reset_eta();
        }
        Self { bar, batch: config.batch, first, budget }
    }

    /// Shows a round, `elapsed` after the start of this call.
    pub(super) fn show(&self, round: &Round, elapsed: Duration) {
        if self.bar.is_hidden() {
            return;
        }
        let Round { step, epoch, loss_d, loss_g, d_real, d_fake, .. } = round;
        let rate = (step - self.first) as f64 * self.batch as f64 / elapsed.as_secs_f64().max(1e-3);
        self.bar.set_position(if self.budget.is_some() { elapsed.as_millis() as u64 } else { *step });
        self.bar.set_message(format!(
            "step {step} (epoch {epoch:.1})  D(x) {d_real:.2}  D(G(z)) {d_fake:.2}  loss D {loss_d:.3} G {loss_g:.3}  {rate:.0} images/s"
        ));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Says something that a person should know, above the live line.
pub(super) fn note(text: &str) {
    eprintln!("counterfoil: {text}");
}
