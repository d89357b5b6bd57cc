//! `counterfoil export`: a run becomes a bundle.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Args;
use counterfoil_edge::Detector;
use counterfoil_host::data::{Dataset, Part, Side};
use counterfoil_host::export::{Measure, Measurement, Request, export};
use counterfoil_host::gan::CheckpointSelector;
use counterfoil_host::judging;
use counterfoil_host::judging::baseline;
use counterfoil_host::onnx::Operators;
use counterfoil_models::{Bundle, Calibration, Enrolment};

/// Exports a run as a bundle: ONNX, calibration, golden pictures, model card
#[derive(Args, Debug)]
#[command(after_help = "Example:
  counterfoil export runs/label --out bundles/label --measure photos-of-march

*Unsure* reaches up to five times the false-alarm rate. Refuses to write when candle, tract and ONNX Runtime disagree in a verdict, or in a
number by more than 0.3 % of its standard deviation.")]
pub(crate) struct Export {
    /// The run's folder
    run: PathBuf,
    /// Output folder for the bundle
    #[arg(long, value_name = "BUNDLE")]
    out: PathBuf,
    /// Which checkpoint: newest, best (whose generator came closest to the genuine pictures), best:METRIC or a step;
    /// the manifest states its step
    #[arg(long, default_value = "newest", value_name = "WHICH")]
    checkpoint: CheckpointSelector,
    /// The detector's name [default: the last part of --out]
    #[arg(long)]
    name: Option<String>,
    /// False-alarm rate to calibrate for, at most 0.1; `counterfoil train` prints what its pictures support
    #[arg(long, default_value_t = Calibration::DEFAULT_ALPHA)]
    alpha: f64,
    /// A folder with real/ and fake/ that the training did not see; the card states what was measured on it
    #[arg(long, value_name = "DIR")]
    measure: Option<PathBuf>,
    /// Leave out what a box does not need: the forger, and the GAN's own discriminator, which `eval` compares with
    /// the detective
    #[arg(long)]
    lean: bool,
    /// Write ONNX's own operators only, for tools that know no functions; a box takes longer over such a file
    #[arg(long)]
    plain: bool,
    /// Replace an existing bundle
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    runtime: super::OnnxRuntime,
}

impl Export {
    pub(crate) fn run(self) -> Result<()> {
        let runtime = self.runtime.load()?;
        let name = super::title(self.name.as_deref(), &self.out)?;
        let request = Request {
            run: &self.run,
            checkpoint: self.checkpoint,
            out: &self.out,
            force: self.force,
            name: &name,
            alpha: self.alpha,
            runtime: runtime.as_ref(),
            lean: self.lean,
            operators: if self.plain { Operators::Onnx } else { Operators::Own },
        };
        let on_data = self.measure.as_deref().map(|data| move |trial: &Path| measure(trial, data));
        let bundle = export(&request, on_data.as_ref().map(|measure| measure as Measure))
            .with_context(|| format!("{} was not exported", self.run.display()))?;
        tell(&bundle);
        Ok(())
    }
}

/// Judges a folder of pictures with a bundle that is about to be published.
fn measure(bundle: &Path, data: &Path) -> Result<Measurement> {
    let dataset = Dataset::list(data, None, Side::Both, Part::Test)?;
    dataset.understood.tell(&super::tell);
    ensure!(
        !dataset.fake.is_empty(),
        "--measure {}: it holds no fake/; expected folders real/ and fake/",
        data.display()
    );
    let items = [dataset.genuine, dataset.fake].concat();
    let judged = judging::judge(&Detector::open(bundle)?, &items);
    super::tell_unreadable(&judged.unreadable);
    let mut baselines = vec![judging::single_number(&items)?.baseline()];
    match baseline::hand_statistics(&items) {
        Ok(row) => baselines.push(row),
        Err(reason) => eprintln!("note: the card is without the hand statistics: {reason:#}"),
    }
    Ok(Measurement { on: super::name_of(data), own: judging::rates(&judged)?, baselines })
}

/// For each number of references: the pictures and groups that its false-alarm rate is based on.
fn told_levels(enrolment: &Enrolment) -> String {
    let levels = enrolment.levels.iter().map(|level| {
        let pictures = level.calibration.scores().len();
        format!(
            "{} (from {pictures} pictures of {} groups, worth {:.0})",
            level.references, level.groups, level.effective
        )
    });
    format!("references: {}", levels.collect::<Vec<_>>().join(", "))
}

/// Describes the new bundle on stderr.
pub(crate) fn tell(bundle: &Bundle) {
    let manifest = bundle.manifest();
    for engine in &manifest.engines {
        eprintln!(
            "{} {} agrees on {} pictures to {:.1e}",
            engine.engine, engine.version, engine.pictures, engine.max_difference
        );
    }
    match manifest.enrolment() {
        Ok(enrolment) => eprintln!("enrols with {}", told_levels(enrolment)),
        Err(why) if manifest.training.held_out_groups.is_some() => eprintln!("note: {why}"),
        Err(_) => {}
    }
    eprintln!(
        "{} is ready: false-alarm rate {} % from {} held-out genuine pictures; try: counterfoil-edge detect --bundle {} PICTURES",
        bundle.dir().display(),
        100.0 * manifest.calibration.alpha(),
        manifest.calibration.scores().len(),
        bundle.dir().display()
    );
}
