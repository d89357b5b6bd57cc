//! The comparison in `eval` and `report`: other bundles, and simpler detectors as baselines.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use counterfoil_edge::Detector;
use counterfoil_host::data::{Dataset, Item, Part};
use counterfoil_host::eval::Baseline;
use counterfoil_host::judging::baseline::{self, BaselineInput};

/// The flags that `eval` and `report` share for the comparison.
#[derive(Args, Debug, Default)]
pub(crate) struct ComparisonArgs {
    /// Another bundle to compare with; may be repeated
    #[arg(long = "baseline", value_name = "BUNDLE")]
    pub(crate) bundles: Vec<PathBuf>,
    /// Other genuine pictures to fit the baselines to [default: those of train/ where --genuine is divided, or those that
    /// --run learned from; otherwise each half of --genuine is judged by baselines fitted to the other half]
    #[arg(long, value_name = "DIR")]
    reference: Option<PathBuf>,
    /// Counterfeits to train the supervised CNN on; without them, pictures by the bundle's generator; may be repeated
    #[arg(long, value_name = "DIR")]
    train_fakes: Vec<PathBuf>,
}

/// The pictures that the baselines may be fitted to.
#[derive(Debug, Default)]
pub(crate) struct BaselineTraining {
    /// Genuine pictures. `None` means that the judged genuine pictures are split into halves for fitting and judging.
    pub(crate) genuine: Option<Vec<Item>>,
    /// Counterfeits, for the supervised CNN.
    pub(crate) fakes: Vec<Item>,
}

impl ComparisonArgs {
    /// Lists the pictures that the flags name.
    pub(crate) fn baseline_training(&self) -> Result<BaselineTraining> {
        let mut baseline_training = BaselineTraining::default();
        if let Some(path) = &self.reference {
            let data = Dataset::open_genuine(path, None, Part::Train)?;
            data.understood.tell(&super::tell);
            baseline_training.genuine = Some(data.genuine);
        }
        for path in &self.train_fakes {
            let data = Dataset::open_fakes(path, None, Part::Train)?;
            data.understood.tell(&super::tell);
            baseline_training.fakes.extend(data.fake);
        }
        Ok(baseline_training)
    }
}

impl BaselineTraining {
    /// Takes the genuine training pictures of a data set, unless other pictures were given, or one of the judged ones
    /// is among them. A data set that cannot be opened is left out: it may be on another machine.
    pub(crate) fn or_training_pictures(&mut self, data: &Path, judged: &[Item]) {
        if self.genuine.is_some() {
            return;
        }
        let Ok(data) = Dataset::open_genuine(data, None, Part::Train) else { return };
        // The same file by two paths is one picture.
        let place = |item: &Item| {
            let path = item.path().and_then(|path| path.canonicalize().ok());
            path.unwrap_or_else(|| PathBuf::from(item.label()))
        };
        let judged: BTreeSet<PathBuf> = judged.iter().map(place).collect();
        if !data.genuine.iter().any(|item| judged.contains(&place(item))) {
            super::tell(&format!("the baselines are fitted to the {} pictures for training", data.genuine.len()));
            self.genuine = Some(data.genuine);
        }
    }

    /// Returns the baselines' rows on the judged pictures. A baseline that could not be fitted is named on stderr.
    pub(crate) fn rows(&self, detector: &Detector, items: &[Item]) -> Vec<Baseline> {
        let against = BaselineInput { detector, items, reference: self.genuine.as_deref(), fakes: &self.fakes };
        let found = baseline::rows(&against);
        for reason in found.left_out {
            eprintln!("note: without a row for the {reason}");
        }
        found.rows
    }
}
