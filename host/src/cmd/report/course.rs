//! A run folder becomes the report's training section: the curves of metrics.jsonl, and the newest grid of samples.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use counterfoil_host::gan::{METRICS, StepRecord, checkpoints, grids, step_of};
use counterfoil_host::report::{Picture, Point, Probe, Training};
use counterfoil_host::run::Record;

/// Maximum number of points of a training curve. More points than the page has pixels would only make it slow.
const CURVE_POINTS: usize = 400;

/// The training of the network `name`; `None` for a detector that is not a GAN.
pub(super) fn training(name: &str, run: &Path) -> Result<Option<Training>> {
    if Record::open(run)?.net.gan().is_none() {
        return Ok(None);
    }
    let lines = StepRecord::read(run).with_context(|| format!("cannot read {}", run.join(METRICS).display()))?;
    let stride = lines.len().div_ceil(CURVE_POINTS).max(1);
    let probe = |line: &StepRecord| Some(Probe { step: line.step, auroc: line.probe? });
    Ok(Some(Training {
        network: name.to_owned(),
        points: lines.iter().step_by(stride).map(point).collect(),
        probes: lines.iter().filter_map(probe).collect(),
    }))
}

/// The newest grid of samples; `None` when the run has none.
pub(super) fn grid(name: &str, run: &Path) -> Result<Option<Picture>> {
    let Some(grid) = grids(run).pop() else { return Ok(None) };
    let png = fs::read(&grid).with_context(|| format!("cannot read {}", grid.display()))?;
    Ok(Some(Picture { png, caption: caption(name, step_of(&grid), trained(run)) }))
}

/// The step of the newest checkpoint.
fn trained(run: &Path) -> Option<u64> {
    step_of(checkpoints(run).last()?)
}

/// The caption of a grid, with its step. A run that was killed may have trained further since its newest grid.
fn caption(name: &str, drawn: Option<u64>, trained: Option<u64>) -> String {
    let of = trained.filter(|steps| drawn.is_some_and(|drawn| drawn < *steps));
    let later = of.map_or_else(String::new, |steps| format!(" of {steps}, the newest picture there is"));
    match drawn {
        Some(0) => format!("What {name}'s forger drew before it was trained: step 0{later}"),
        Some(step) => format!("What {name}'s forger draws at step {step}{later}"),
        None => format!("What {name}'s forger draws, at a step its file's name does not tell"),
    }
}

fn point(record: &StepRecord) -> Point {
    let StepRecord { step, loss_d, loss_g, d_real, d_fake, .. } = *record;
    Point { step, loss_d, loss_g, d_real, d_fake }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grid_is_called_what_it_is() {
        assert_eq!(caption("dcgan", Some(438), Some(438)), "What dcgan's forger draws at step 438");
        assert!(caption("dcgan", Some(0), Some(77)).contains("before it was trained: step 0 of 77"));
        assert!(caption("dcgan", Some(400), Some(500)).contains("step 400 of 500"));
        assert!(caption("dcgan", Some(0), None).ends_with("step 0"));
    }
}
