//! `counterfoil demo`: runs the whole pipeline on the embedded data set, from drawn notes to a refereed face-off.

mod folder;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::Args;
use counterfoil_edge::Detector;
use counterfoil_edge::detector::faceoff::{Played, Rules, play};
use counterfoil_host::data::{Dataset, HELD_OUT, InputRule, StorageLimits};
use counterfoil_host::detector::Kind;
use counterfoil_host::detector::appearance::Tolerance;
use counterfoil_host::export::{Request, export, runtime::Runtime};
use counterfoil_host::gan::{self, CheckpointSelector, Config};
use counterfoil_host::onnx::Operators;
use counterfoil_host::report::{FaceOff, Fact, Report, Role, Training};
use counterfoil_host::run;
use counterfoil_host::synthetic::specimen::{self, Family};
use counterfoil_models::game::Standing;
use counterfoil_models::{Bundle, Calibration, JoinRule};
use serde_json::json;

use super::beside::BaselineTraining;
use super::material::Material;
use super::report::{Shown, gather, write};

/// Genuine notes for training and calibration.
const NOTE_COUNT: usize = 700;
/// Genuine notes used only for judging.
const TEST_COUNT: usize = 200;
/// Counterfeits of each family. All of them are used only for judging, never in training.
const TEST_FAKES: usize = 30;
/// Distance between the seed of the test notes and the seed of the training notes.
const TEST_SEED: u64 = 1_000_000;
/// Input size of the networks in pixels [width, height], and the DCGAN's channels at its highest resolution. Both are
/// smaller than the defaults for notes, so that the training steps are fast.
const SIZE: [u32; 2] = [32, 32];
const WIDTH: usize = 20;
/// Training steps of each GAN. On two free cores this takes 48 seconds for the DCGAN and half as long for the MLP. A
/// busy machine takes longer and trains the same networks.
const STEPS: u64 = 438;
/// Number of exhibits in the face-off.
const ROUNDS: usize = 100;
/// Names of the files and folders that the demo makes in its folder.
const NOTES: &str = "notes";
const TEST_NOTES: &str = "test";
const RUNS: &str = "runs";
const BUNDLES: &str = "bundles";
const REPORT: &str = "report.html";

/// Draws specimen notes, trains, exports, judges unseen forgers, and plays a face-off; ends with DIR/report.html
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  counterfoil demo --out demo\n\nTakes some three minutes on two free cores, and longer on busy ones, to the same end."
)]
pub(crate) struct Demo {
    /// Output folder: new, empty, or filled by an earlier demo, whose files are replaced
    #[arg(long, value_name = "DIR", default_value = "demo")]
    out: PathBuf,
    /// Training steps of each GAN
    #[arg(long, value_name = "N", default_value_t = STEPS, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    steps: u64,
    /// Random seed of notes and networks
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print one JSON object as the last line of stdout
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    runtime: super::OnnxRuntime,
}

/// The detectors of the face-off, each with its role in the report.
const CONTESTANTS: [(Kind, Role); 3] =
    [(Kind::Dcgan, Role::Ours), (Kind::Mlp, Role::Ours), (Kind::Statistics, Role::Baseline)];

impl Demo {
    pub(crate) fn run(self) -> Result<()> {
        let started = Instant::now();
        let runtime = self.runtime.load()?;
        let _claim = folder::prepare(&self.out)?;
        let (notes, test) = (self.out.join(NOTES), self.out.join(TEST_NOTES));
        say(
            started,
            "draws banknotes, trains three detectives, exports them, judges forgers they never saw, plays a face-off: some three minutes on \
             two free cores",
        );
        say(started, &format!("drawing {NOTE_COUNT} specimen notes to learn from and {TEST_COUNT} to judge"));
        specimen::write_dataset(&notes, self.seed, NOTE_COUNT, 0).context("cannot draw the notes")?;
        specimen::write_dataset(&test, self.seed + TEST_SEED, TEST_COUNT, TEST_FAKES)
            .context("cannot draw the notes")?;

        let mut shown = Vec::new();
        for (kind, role) in CONTESTANTS {
            let run = self.train(started, kind, &notes)?;
            let bundle = self.export(&kind.to_string(), &run, runtime.as_ref())?;
            shown.push(Shown { bundle: bundle.dir().to_path_buf(), run: Some(run), role });
        }

        say(started, &format!("judging {} families of forgers that nothing was trained on", Family::ALL.len()));
        let data = Dataset::open(&test, None)?;
        data.understood.tell(&super::tell);
        let items = [data.genuine, data.fake].concat();
        let baseline_training =
            BaselineTraining { genuine: Some(Dataset::open(&notes, None)?.genuine), fakes: Vec::new() };
        let material = Material { items, baseline_training, kinship: None };
        let mut page = gather(&shown, &material)?;

        say(started, "playing the face-off");
        let played = self.face_off(&shown, &material.items)?;
        self.finish(started, &mut page, &played)?;
        self.tell(started, &page, &played, &shown)
    }

    /// Trains one detector and returns the run's folder.
    fn train(&self, started: Instant, kind: Kind, notes: &Path) -> Result<PathBuf> {
        let run = self.out.join(RUNS).join(kind.to_string());
        let prepared = run::prepare(
            &run::Request {
                tolerance: Tolerance::default(),
                net: kind,
                data: notes,
                group: None,
                known_fakes: &[],
                more: &[],
                look: &InputRule { size: kind.gan().map(|_| SIZE), ..InputRule::default() },
                join: JoinRule::Shortfall,
                held_out: HELD_OUT,
                seed: self.seed,
                room: StorageLimits::of(&run),
            },
            &super::tell,
        )?;
        let Some(net) = kind.gan() else {
            prepared.write(&run, None)?;
            say(started, "fitting the statistics detective");
            prepared.fit(&run)?;
            return Ok(run);
        };
        say(started, &format!("training the {kind} for {} steps", self.steps));
        let config = Config { steps: Some(self.steps), seed: self.seed, width: WIDTH, ..Config::new(net) };
        prepared.write(&run, Some(&config))?;
        let (stop, quiet) = (AtomicBool::new(false), !super::is_watched());
        let outcome = gan::train(&config, prepared.training_set(), &run, false, &stop, quiet, &mut || ())?;
        let gan::Outcome { steps, seconds, images_per_second, .. } = outcome;
        say(started, &format!("{steps} steps in {seconds:.0} s, {images_per_second:.0} rows a second"));
        Ok(run)
    }

    fn export(&self, name: &str, run: &Path, runtime: Option<&Runtime>) -> Result<Bundle> {
        let request = Request {
            run,
            checkpoint: CheckpointSelector::Newest,
            out: &self.out.join(BUNDLES).join(name),
            force: false,
            name,
            alpha: Calibration::DEFAULT_ALPHA,
            runtime,
            lean: false,
            operators: Operators::Own,
        };
        export(&request, None).with_context(|| format!("the {name} was not exported"))
    }

    fn face_off(&self, shown: &[Shown], items: &[counterfoil_host::data::Item]) -> Result<Played> {
        let contestants = shown
            .iter()
            .map(|one| {
                let detector = Detector::open(&one.bundle)?;
                Ok((detector.bundle().manifest().name.clone(), detector))
            })
            .collect::<Result<Vec<_>>>()?;
        // Half of the exhibits are genuine notes, half are counterfeits drawn evenly from the families.
        let (fakes, genuine): (Vec<_>, Vec<_>) = items.iter().partition(|item| item.family.is_some());
        let half = ROUNDS / 2;
        let stride = (fakes.len() / half).max(1);
        let chosen = genuine.into_iter().take(half).chain(fakes.into_iter().step_by(stride).take(half));
        let exhibits: Vec<(PathBuf, bool)> =
            chosen.filter_map(|item| Some((item.path()?.to_path_buf(), item.family.is_none()))).collect();
        let rules = Rules { seed: Some(self.seed), rounds: None };
        Ok(play(&contestants, &exhibits, rules, |_| Ok(()))?)
    }

    /// Completes the page and writes it.
    fn finish(&self, started: Instant, page: &mut Report, played: &Played) -> Result<()> {
        page.title = "Specimen notes: forger against detective".to_owned();
        page.about = format!(
            "{NOTE_COUNT} drawn specimen notes to learn from; {TEST_COUNT} others and {} families of forgers, none of which any \
             training step ever saw, to be judged on.",
            Family::ALL.len()
        );
        page.face_off = Some(FaceOff {
            exhibits: played.transcript.len() as u64,
            seal: played.digest.clone(),
            outcome: played.outcome.clone(),
        });
        page.facts.push(Fact::new("Seconds", started.elapsed().as_secs().to_string()));
        let reproduce = format!("counterfoil demo --out DIR --seed {} --steps {}", self.seed, self.steps);
        page.reproduce = vec![reproduce];
        write(page, &self.out.join(REPORT))
    }

    /// Prints the result: one JSON line for programs, or a few lines of text for people.
    fn tell(&self, started: Instant, page: &Report, played: &Played, shown: &[Shown]) -> Result<()> {
        let own = &page.detectors[0].evaluation;
        let auroc: BTreeMap<&str, f64> =
            own.families.iter().map(|(name, found)| (name.as_str(), found.metrics.auroc.value)).collect();
        let parity = shown.iter().map(|one| {
            let bundle = Bundle::open(&one.bundle)?;
            Ok(bundle.manifest().engines.iter().map(|engine| engine.max_difference).fold(0.0, f64::max))
        });
        let parity_max = parity.collect::<Result<Vec<f64>>>()?.into_iter().fold(0.0, f64::max);
        let report = self.out.join(REPORT);
        if self.json {
            let line = json!({
                "seconds": started.elapsed().as_secs_f64(),
                "parity_max": parity_max,
                "false_alarm_rate": own.overall.false_alarm_rate.value,
                "auroc": auroc,
                "drift": page.drift,
                "steadiness": page.training.first().and_then(Training::steadiness),
                "faceoff": played.outcome,
                "report": report,
            });
            return super::print(&format!("{line}\n"));
        }
        let mut text = String::from("\nAUROC of the dcgan's detective, forger by forger (0.5 is a coin toss):\n");
        for (family, auroc) in auroc {
            writeln!(text, "  {family:22} {auroc:.3}")?;
        }
        writeln!(text, "\nFace-off:")?;
        for Standing { name, points, right, wrong, abstained, .. } in &played.outcome.standings {
            writeln!(text, "  {name:12} {points:+4} points  {right:3} right {wrong:3} wrong {abstained:3} unsure")?;
        }
        writeln!(text, "  {}\n\nOpen {}", played.outcome.sentence(), report.display())?;
        super::print(&text)
    }
}

fn say(started: Instant, what: &str) {
    eprintln!("[{:3.0} s] {what}", started.elapsed().as_secs_f64());
}
