//! One live line on stderr while training runs, if stderr is a terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::super::Error;
use super::super::config::Config;
use super::{Observer, Step, StepRecord};

/// The live progress line.
pub(in super::super) struct Progress {
    bar: ProgressBar,
    batch: usize,
    first: u64,
    /// Full length in milliseconds, if the run ends by time.
    budget: Option<u64>,
}

impl Progress {
    /// A line for a run that is at step `first`; `quiet` hides it.
    pub(in super::super) fn new(config: &Config, first: u64, quiet: bool) -> Self {
        let budget = config.minutes.map(|minutes| (minutes * 60_000.0) as u64);
        let length = budget.or(config.steps).unwrap_or_default();
        // indicatif draws nothing if stderr is not a terminal.
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
}

impl Observer for Progress {
    fn observe(&mut self, step: &Step) -> Result<(), Error> {
        if self.bar.is_hidden() {
            return Ok(());
        }
        let StepRecord { step: number, epoch, loss_d, loss_g, d_real, d_fake, .. } = step.record;
        let rate = (number - self.first) as f64 * self.batch as f64 / step.elapsed.as_secs_f64().max(1e-3);
        self.bar.set_position(if self.budget.is_some() { step.elapsed.as_millis() as u64 } else { *number });
        self.bar.set_message(format!(
            "step {number} (epoch {epoch:.1})  D(x) {d_real:.2}  D(G(z)) {d_fake:.2}  loss D {loss_d:.3} G {loss_g:.3}  {rate:.0} images/s"
        ));
        Ok(())
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Prints a message for the user on stderr.
pub(in super::super) fn note(text: &str) {
    eprintln!("counterfoil: {text}");
}
