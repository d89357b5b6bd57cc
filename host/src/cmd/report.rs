//! `counterfoil report`: runs, bundles and labelled pictures become one HTML page.

mod course;
mod exhibits;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Args;
use counterfoil_edge::Detector;
use counterfoil_host::judging;
use counterfoil_host::judging::drift;
use counterfoil_host::report::{self, Fact, Report as Page, Role, Stated, render};
use counterfoil_host::run::Record;
use counterfoil_models::ensure_free;

use super::beside::ComparisonArgs;
use super::material::{Material, Pictures};

/// Writes one self-contained HTML page: curves, samples, ROC, families, the hardest cases, and the baselines
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil report --bundle bundles/label --run runs/label --genuine test/real --fake test/fake --out report.html
  counterfoil report --bundle bundles/digits --run runs/digits --zoo zoo --fold 3")]
pub(crate) struct Report {
    /// The bundle to report on
    #[arg(long, value_name = "BUNDLE")]
    bundle: PathBuf,
    /// The bundle's run, for its curves and samples
    #[arg(long, value_name = "RUN")]
    run: Option<PathBuf>,
    #[command(flatten)]
    pictures: Pictures,
    #[command(flatten)]
    beside: ComparisonArgs,
    /// Output page
    #[arg(long, value_name = "FILE", default_value = "report.html")]
    out: PathBuf,
    /// Replace an existing file
    #[arg(long)]
    force: bool,
}

/// A detector that appears in a report.
#[derive(Debug)]
pub(crate) struct Shown {
    /// Folder of its bundle.
    pub(crate) bundle: PathBuf,
    /// Folder of the run that the bundle was exported from.
    pub(crate) run: Option<PathBuf>,
    /// Whether the detector is under test or a baseline.
    pub(crate) role: Role,
}

impl Report {
    pub(crate) fn run(self) -> Result<()> {
        ensure_free(&self.out, self.force)?;
        let mut shown = vec![Shown { bundle: self.bundle.clone(), run: self.run.clone(), role: Role::Ours }];
        shown.extend(self.beside.bundles.iter().map(|b| Shown { bundle: b.clone(), run: None, role: Role::Baseline }));
        let mut material = self.pictures.material(&self.beside)?;
        if let Some(run) = &self.run {
            material.baseline_training.or_training_pictures(&Record::open(run)?.data, &material.items);
        }
        let mut page = gather(&shown, &material)?;
        page.reproduce = vec![std::env::args().collect::<Vec<_>>().join(" ")];
        write(&page, &self.out)?;
        eprintln!("{} is ready", self.out.display());
        Ok(())
    }
}

/// Judges the pictures with every detector and collects the page's contents. The first detector is the page's subject.
pub(crate) fn gather(shown: &[Shown], material: &Material) -> Result<Page> {
    let Material { items, baseline_training, kinship } = material;
    let mut page = Page { kinship: kinship.clone(), ..Page::default() };
    let mut simpler = Vec::new();
    for one in shown {
        let detector = Detector::open(&one.bundle)?;
        let judged = judging::judge(&detector, items);
        let manifest = detector.bundle().manifest();
        if page.detectors.is_empty() {
            ensure!(!judged.scored.is_empty(), "none of the pictures could be judged");
            super::tell_unreadable(&judged.unreadable);
            judging::refuse_both_sides(&detector, items, &judged)?;
            describe(&mut page, &detector);
            exhibits::add(&mut page, &detector, items, &judged.scored)?;
            simpler = baseline_training.rows(&detector, items);
            page.drift = drift::curves(&detector, items)?;
        }
        let calibration = &manifest.calibration;
        page.detectors.push(report::Detector {
            name: manifest.name.clone(),
            role: one.role,
            evaluation: judging::rates(&judged)?,
            scored: judged.scored,
            stated: Some(Stated { alpha: calibration.alpha(), calibration: calibration.scores().len() as u64 }),
            notes: std::collections::BTreeMap::new(),
        });
        if let Some(run) = &one.run {
            page.training.extend(course::training(&manifest.name, run)?);
            page.grids.extend(course::grid(&manifest.name, run)?);
        }
    }
    page.detectors.extend(simpler.into_iter().map(report::Detector::baseline));
    page.detectors.push(report::Detector::single_numbers(&judging::single_number(items)?));
    page.environment.push(Fact::new("Counterfoil", counterfoil_host::run::revision()));
    page.environment
        .push(Fact::new("Processors", std::thread::available_parallelism().map_or(1, usize::from).to_string()));
    Ok(page)
}

/// Sets the title and the facts of the page's subject.
fn describe(page: &mut Page, detector: &Detector) {
    let manifest = detector.bundle().manifest();
    let training = &manifest.training;
    page.title.clone_from(&manifest.name);
    page.about = "A counterfeit detector, judged on pictures that its training never saw.".to_owned();
    page.facts = vec![
        Fact::new("Network", &training.net),
        Fact::new("Learned from", format!("{} genuine pictures", training.genuine)),
        Fact::new("Calibrated on", format!("{} held-out genuine pictures", manifest.calibration.scores().len())),
        Fact::new("Steps", training.steps.to_string()),
        Fact::new("Seed", training.seed.to_string()),
        Fact::new("Bundle", &detector.bundle().id()[..12]),
    ];
    for engine in &manifest.engines {
        let value =
            format!("{}, {} pictures, at most {:.1e} apart", engine.version, engine.pictures, engine.max_difference);
        page.environment.push(Fact::new(&engine.engine, value));
    }
}

/// Renders the page into a file.
pub(crate) fn write(page: &Page, out: &Path) -> Result<()> {
    fs::write(out, render(page)?).with_context(|| format!("cannot write {}", out.display()))
}
