//! `counterfoil eval`: a bundle against pictures with known truth, beside the baselines.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use counterfoil_edge::Detector;
use counterfoil_host::data::{Dataset, Item};
use counterfoil_host::eval::{Baseline, Estimate, Evaluation, Realised};
use counterfoil_host::judge;
use serde::Serialize;

/// Judges pictures of known truth: AUROC, EER, TPR at 1 % FPR and realised false alarms, with intervals and baselines
#[derive(Args, Debug)]
#[command(after_help = "Example:
  counterfoil eval --bundle models/pretrained/specimen-note --genuine notes/real --fake notes/fake

The scores are those of `counterfoil-edge detect` on the same files. The hand statistics are fitted on one half of the
genuine pictures and judge the other. Intervals are 95 % bootstrap intervals.")]
pub(crate) struct Eval {
    /// The bundle
    #[arg(long, value_name = "BUNDLE")]
    bundle: PathBuf,
    /// Genuine pictures the training never saw: a folder, or an IDX file such as t10k-images-idx3-ubyte.gz
    #[arg(long, value_name = "DIR")]
    genuine: PathBuf,
    /// Counterfeits; folders in it are families
    #[arg(long, value_name = "DIR")]
    fake: PathBuf,
    /// Pattern on file names whose first capture names the group; intervals resample whole groups
    #[arg(long, value_name = "REGEX")]
    group: Option<String>,
    /// Another bundle to stand beside it; may be repeated
    #[arg(long = "baseline", value_name = "BUNDLE")]
    baselines: Vec<PathBuf>,
    /// Every picture's score, p-value and verdict, a JSON object a line
    #[arg(long, value_name = "FILE")]
    scores: Option<PathBuf>,
    /// One JSON object instead of a table
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    own: &'a Evaluation,
    alpha: f64,
    baselines: &'a [Baseline],
}

impl Eval {
    pub(crate) fn run(self) -> Result<()> {
        let detector = Detector::open(&self.bundle)?;
        let items = self.items()?;
        let judged = judge::judge(&detector, &items);
        super::tell_unreadable(&judged.unreadable);
        if let Some(path) = &self.scores {
            let lines = judged.scored.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>()?;
            fs::write(path, lines.join("\n") + "\n")
                .with_context(|| format!("cannot write --scores {}", path.display()))?;
        }
        let own = judge::rates(&judged)?;
        let baselines = self.baselines(&items)?;

        let calibration = &detector.bundle().manifest().calibration;
        if self.json {
            let line = Line { own: &own, alpha: calibration.alpha(), baselines: &baselines };
            super::print(&format!("{}\n", serde_json::to_string(&line)?))?;
        } else {
            let promise =
                Realised::interval(calibration.scores().len() as u64, calibration.alpha(), own.genuine as u64);
            super::print(&table(&super::name_of(&self.bundle), &own, &baselines, calibration.alpha(), promise)?)?;
        }
        if judged.unreadable.is_empty() {
            Ok(())
        } else {
            anyhow::bail!("{} pictures could not be judged", judged.unreadable.len())
        }
    }

    fn items(&self) -> Result<Vec<Item>> {
        let group = self.group.as_deref();
        let genuine = Dataset::open(&self.genuine, group)?.genuine;
        Ok([genuine, Dataset::open_fakes(&self.fake, group)?].concat())
    }

    fn baselines(&self, items: &[Item]) -> Result<Vec<Baseline>> {
        let mut rows = Vec::new();
        for bundle in &self.baselines {
            let judged = judge::judge(&Detector::open(bundle)?, items);
            rows.push(Baseline { name: super::name_of(bundle), evaluation: judge::rates(&judged)? });
        }
        match judge::cross_fitted_statistics(items)? {
            Some(row) => rows.push(row),
            None => {
                eprintln!("note: too few genuine pictures to fit the hand statistics on one half and judge the other");
            }
        }
        rows.push(judge::single_number(items)?.baseline());
        Ok(rows)
    }
}

fn table(name: &str, own: &Evaluation, baselines: &[Baseline], alpha: f64, promise: Realised) -> Result<String> {
    let mut text = String::new();
    writeln!(text, "{} genuine pictures, {} counterfeits; 95 % intervals in brackets\n", own.genuine, own.fake)?;
    writeln!(text, "{:26} {:>22} {:>22} {:>22}", "", "AUROC", "EER", "TPR at 1 % FPR")?;
    let rows = baselines.iter().map(|b| (b.name.as_str(), &b.evaluation));
    for (name, evaluation) in std::iter::once((name, own)).chain(rows) {
        let m = &evaluation.overall;
        writeln!(text, "{name:26} {:>22} {:>22} {:>22}", cell(m.auroc), cell(m.eer), cell(m.tpr_at_fpr01))?;
    }
    writeln!(
        text,
        "\nfalse alarms {} where {:.3} was stated (a correct calibration of this size gives {} to {} of {})",
        cell(own.overall.false_alarm_rate),
        alpha,
        promise.low,
        promise.high,
        own.genuine
    )?;
    writeln!(text, "\n{:26} {:>22} {:>22}", "family", "AUROC", "caught")?;
    for (family, found) in &own.families {
        let (auroc, caught) = (cell(found.metrics.auroc), cell(found.metrics.detection_rate));
        writeln!(text, "{family:26} {auroc:>22} {caught:>22}")?;
    }
    Ok(text)
}

fn cell(estimate: Estimate) -> String {
    if estimate.is_known() {
        format!("{:.3} [{:.3}, {:.3}]", estimate.value, estimate.low, estimate.high)
    } else {
        "-".to_owned()
    }
}
