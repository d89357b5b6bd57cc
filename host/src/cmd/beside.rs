//! What `eval` and `report` set beside a bundle: other bundles, and everything simpler that it has to beat.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use counterfoil_edge::Detector;
use counterfoil_host::baseline::{self, Against};
use counterfoil_host::data::{Dataset, Item, Part};
use counterfoil_host::eval::Baseline;

/// Flags of both.
#[derive(Args, Debug, Default)]
pub(crate) struct Beside {
    /// Another bundle to stand beside it; may be repeated
    #[arg(long = "baseline", value_name = "BUNDLE")]
    pub(crate) bundles: Vec<PathBuf>,
    /// Other genuine pictures to fit the baselines to; without them, to one half of --genuine, judging the other
    #[arg(long, value_name = "DIR")]
    reference: Option<PathBuf>,
    /// Counterfeits to teach the supervised CNN; without them, what the bundle's generator draws; may be repeated
    #[arg(long, value_name = "DIR")]
    train_fakes: Vec<PathBuf>,
}

/// What the simpler detectors may learn from.
#[derive(Debug, Default)]
pub(crate) struct Lessons {
    /// Genuine pictures; none, if the judged ones are to be halved.
    pub(crate) genuine: Option<Vec<Item>>,
    /// Counterfeits.
    pub(crate) fakes: Vec<Item>,
}

impl Beside {
    /// What the flags name.
    pub(crate) fn lessons(&self) -> Result<Lessons> {
        let mut lessons = Lessons::default();
        if let Some(path) = &self.reference {
            let data = Dataset::open_genuine(path, None, Part::Train)?;
            data.understood.tell(&super::tell);
            lessons.genuine = Some(data.genuine);
        }
        for path in &self.train_fakes {
            let data = Dataset::open_fakes(path, None, Part::Train)?;
            data.understood.tell(&super::tell);
            lessons.fakes.extend(data.fake);
        }
        Ok(lessons)
    }
}

impl Lessons {
    /// The simpler detectors' rows on the judged pictures; what could not be fitted is told on stderr.
    pub(crate) fn rows(&self, detector: &Detector, items: &[Item]) -> Vec<Baseline> {
        let against = Against { detector, items, reference: self.genuine.as_deref(), fakes: &self.fakes };
        let found = baseline::rows(&against);
        for reason in found.left_out {
            eprintln!("note: without a row for the {reason}");
        }
        found.rows
    }
}
