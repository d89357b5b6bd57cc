//! `counterfoil import`: a detector of another program becomes a bundle.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use counterfoil_host::data::{InputRule, StorageLimits};
use counterfoil_host::detector::Kind;
use counterfoil_host::detector::appearance::Tolerance;
use counterfoil_host::detector::imported::{HigherIs, Layout, PixelScale, Told, wrap};
use counterfoil_host::export::{Request, export, supported_alpha};
use counterfoil_host::gan::CheckpointSelector;
use counterfoil_host::onnx::Operators;
use counterfoil_host::run;
use counterfoil_models::{Article, Calibration, JoinRule};

/// Share of the genuine pictures to calibrate on: a network that was trained elsewhere learns from none of them.
const CALIBRATION: f64 = 0.99;

/// Makes a bundle of an ONNX detector that another program trained
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil import model.onnx --genuine photos --scale imagenet --score logits:1 --higher-is fake --out bundles/theirs
  counterfoil import patchcore.onnx --genuine photos --scale 0..1 --size 256x256 --out bundles/patchcore

Shapes, layout and outputs are found in the file; what is not in it has to be said, and the message names the flag. The pictures of --genuine
must not have been trained on: they set the threshold. The bundle is deployed, played and measured like any other.")]
pub(crate) struct Import {
    /// The network, as ONNX; weights in a file beside it are taken in
    model: PathBuf,
    /// Genuine pictures that the network was not trained on, to calibrate with
    #[arg(long, value_name = "DIR")]
    genuine: PathBuf,
    /// Output folder for the bundle
    #[arg(long, value_name = "BUNDLE")]
    out: PathBuf,
    /// The input that takes the picture [default: the only one]
    #[arg(long, value_name = "NAME")]
    input: Option<String>,
    /// The output that judges, with its column from 0 if it has several [default: the only one, or an anomaly detector's]
    #[arg(long, value_name = "NAME[:COLUMN]")]
    score: Option<String>,
    /// What a higher number of it says
    #[arg(long)]
    higher_is: Option<HigherIs>,
    /// Order of the input's axes [default: by its shape]
    #[arg(long)]
    layout: Option<Layout>,
    /// The numbers that it takes for a pixel
    #[arg(long, allow_hyphen_values = true)]
    scale: Option<PixelScale>,
    /// Width and height of the input in pixels, for a network that takes any
    #[arg(long, value_name = "WxH", value_parser = super::train::size)]
    size: Option<[u32; 2]>,
    /// The detector's name [default: the last part of --out]
    #[arg(long)]
    name: Option<String>,
    /// False-alarm rate to calibrate for, at most 0.1 [default: 0.01, or the smallest that the pictures support]
    #[arg(long)]
    alpha: Option<f64>,
    /// Replace an existing bundle
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    runtime: super::OnnxRuntime,
}

impl Import {
    pub(crate) fn run(self) -> Result<()> {
        let name = super::title(self.name.as_deref(), &self.out)?;
        let told = Told {
            input: self.input,
            score: self.score,
            higher_is: self.higher_is,
            layout: self.layout,
            scale: self.scale,
            size: self.size,
        };
        let wrapped = wrap(&self.model, &told)?;
        for line in &wrapped.found {
            eprintln!("found: {line}");
        }
        let runtime = self.runtime.load()?;
        let folder = tempfile::tempdir().context("cannot create a temporary folder")?;
        let run = folder.path().join("run");
        let look = InputRule {
            color: Some(wrapped.color),
            size: Some(wrapped.size),
            article: Some(Article::Whole),
            ..InputRule::default()
        };
        let request = run::Request {
            net: Kind::Imported,
            data: &self.genuine,
            group: None,
            known_fakes: &[],
            more: &[],
            look: &look,
            tolerance: Tolerance::None,
            join: JoinRule::Shortfall,
            held_out: CALIBRATION,
            seed: 1,
            room: StorageLimits::of(&run),
        };
        let prepared = run::prepare(&request, &super::tell)?;
        prepared.write(&run, None)?;
        prepared.take(&run, &wrapped.onnx)?;
        let supported = supported_alpha(prepared.record.held_out, false).with_context(|| {
            format!(
                "--genuine {}: {} pictures support no false-alarm rate; expected at least {}",
                self.genuine.display(),
                prepared.record.held_out,
                Calibration::FEWEST
            )
        })?;
        let alpha = self.alpha.unwrap_or(supported.max(Calibration::DEFAULT_ALPHA));
        let request = Request {
            run: &run,
            checkpoint: CheckpointSelector::Newest,
            out: &self.out,
            force: self.force,
            name: &name,
            alpha,
            runtime: runtime.as_ref(),
            lean: true,
            operators: Operators::Own,
        };
        let bundle = export(&request, None).with_context(|| format!("{} was not imported", self.model.display()))?;
        super::export::tell(&bundle);
        Ok(())
    }
}
