//! `calibrate`: genuine pieces, laid before the box's camera one after another, or pictures of them, become the
//! calibration of this site.

use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use counterfoil_edge::Detector;
use counterfoil_edge::camera::{CameraEvent, CameraThread, Spec};
use counterfoil_edge::config::{CONFIG_PATH, Config};
use counterfoil_edge::detector::pipeline::judge_all;
use counterfoil_edge::detector::source::{self, SkippedFiles};
use counterfoil_edge::detector::standard::Standard;
use counterfoil_edge::show::board::{Board, Kind};
use counterfoil_edge::show::display;
use counterfoil_edge::show::indicator::Signal;
use counterfoil_edge::show::panel::{News, NewsDevice, Panel};
use counterfoil_edge::show::screen::Words;
use counterfoil_edge::signals;
use counterfoil_edge::store::slots::Slots;
use counterfoil_edge::threads::all_cores;
use counterfoil_edge::watch::empty_scene::EmptyScene;
use counterfoil_edge::watch::pieces::{Pieces, Step};
use counterfoil_edge::watch::vote::Quorum;
use counterfoil_models::{Bundle, Calibration, Judgement, Overlay, Verdict};
use serde_json::json;

use super::watch::say;

/// How long the loop waits for a picture before it checks whether it must stop.
const PATIENCE: Duration = Duration::from_millis(200);

/// Calibrates this box for its light and camera, on genuine pieces laid before it one after another
#[derive(Args)]
#[command(after_help = "\
Examples:
  counterfoil-edge calibrate --count 36
  counterfoil-edge calibrate --bundle my-bundle --state state pictures-through-this-camera/
  counterfoil-edge calibrate --undo

Stop the service first, since it holds the camera, and start it again afterwards. Begin with nothing before the camera: that is learned as the
empty scene. Then lay down one genuine piece after another, each another one, and take each away when the display says so. Few pieces support
only a high false-alarm rate: 99 support 1 %, 36 support 2.71 %. Nothing is changed before the last piece; --undo returns to the calibration
before.")]
pub(crate) struct Cmd {
    /// Pictures of genuine pieces, or folders of them, instead of the camera
    #[arg(value_name = "PICTURE")]
    paths: Vec<PathBuf>,
    /// The bundle's folder [default: the configuration's, or the model that `model select` chose]
    #[arg(long, value_name = "BUNDLE")]
    bundle: Option<PathBuf>,
    /// The folder of what this box has learned [default: the configuration's]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Where pictures come from [default: the configuration's]
    #[arg(long, value_name = "SPEC", conflicts_with = "paths")]
    source: Option<Spec>,
    /// Number of genuine pieces to lay before the camera
    #[arg(long, value_name = "N", default_value_t = 36, value_parser = clap::value_parser!(u16).range(Calibration::FEWEST as i64..), conflicts_with = "paths")]
    count: u16,
    /// False-alarm rate to calibrate for [default: the bundle's, or the smallest that the pieces support]
    #[arg(long, value_name = "RATE")]
    alpha: Option<f64>,
    /// Return to the calibration before the last one: an older one of this site, or the bundle's
    #[arg(long, conflicts_with_all = ["paths", "source", "count", "alpha", "dismiss"])]
    undo: bool,
    /// Light and camera are as they were again: keep the calibration, and no longer doubt the verdicts
    #[arg(long, conflicts_with_all = ["paths", "source", "count", "alpha"])]
    dismiss: bool,
    /// The box's configuration, for its source, state folder, guide frame, lights and display
    #[arg(long, value_name = "FILE", default_value = CONFIG_PATH)]
    config: PathBuf,
    /// Print the result as one JSON object
    #[arg(long)]
    json: bool,
}

impl Cmd {
    pub(crate) fn run(self, out: &mut impl Write) -> Result<ExitCode> {
        let mut config = match self.config.as_path() {
            path if path.exists() => Config::read(path)?,
            path if path == Path::new(CONFIG_PATH) => Config { lights: Kind::None, screen: -1, ..Config::default() },
            path => bail!("--config {}: there is no such file", path.display()),
        };
        config.bundle = self.bundle.clone().or(config.bundle);
        config.state = self.state.clone().unwrap_or(config.state);
        config.source = self.source.clone().unwrap_or(config.source);
        let bundle = config.bundle.clone().map_or_else(|| Slots::of(&config.state).current_folder(), Ok)?;
        let overlay = Overlay::of(&config.state, &Bundle::open(&bundle)?);
        if self.undo {
            overlay.undo_calibration()?;
            say("the box uses the calibration before the last one from its next start on");
            return Ok(ExitCode::SUCCESS);
        }
        if self.dismiss {
            let doubted = overlay.set_drift(None, &[])?;
            say(if doubted {
                "verdicts are no longer doubted, from the box's next start on"
            } else {
                "no verdict was doubted"
            });
            return Ok(ExitCode::SUCCESS);
        }
        let detector = Detector::open(&bundle)?;
        let before = Standard::of(detector.bundle(), &config.state, None)?;
        let detector = detector.with_standard(before)?;
        let (judged, empty) = if self.paths.is_empty() {
            // A rate that so few pieces cannot support is refused before the first one is laid down.
            rate(&detector, self.alpha, self.count.into())?;
            let (judged, empty) = pieces(&config, &detector, self.count.into())?;
            (judged, Some(empty))
        } else {
            (pictures(&detector, self.paths)?, None)
        };
        let alpha = rate(&detector, self.alpha, judged.len())?;
        let calibration = Calibration::new(alpha, judged.iter().map(|one| one.score().get()).collect())?;
        overlay.calibrate(&calibration)?;
        overlay.set_drift(None, &[])?;
        if let Some(empty) = empty {
            empty.keep(&config.state)?;
        }
        let (pieces, refused) =
            (judged.len(), judged.iter().filter(|one| one.verdict() == Verdict::Counterfeit).count());
        if self.json {
            writeln!(out, "{}", json!({ "alpha": alpha, "pieces": pieces, "refused_before": refused }))?;
            return Ok(ExitCode::SUCCESS);
        }
        say("the box uses this calibration from its next start on");
        let asked = self.alpha.unwrap_or(detector.bundle().manifest().calibration.alpha());
        if alpha > asked {
            say(&format!(
                "{pieces} pieces do not support the bundle's rate of {} %, which needs {:.0}",
                percent(asked),
                (1.0 / asked - 1.0 - 1e-9).ceil()
            ));
        }
        writeln!(
            out,
            "false-alarm rate {} % from {pieces} genuine pieces, of which the calibration before would have refused {refused}",
            percent(alpha)
        )?;
        Ok(ExitCode::SUCCESS)
    }
}

/// A rate in percent, without the digits that rounding adds.
fn percent(rate: f64) -> f64 {
    (rate * 1e8).round() / 1e6
}

/// The false-alarm rate that was asked for; otherwise the bundle's, raised to the smallest that the pieces support.
fn rate(detector: &Detector, asked: Option<f64>, pieces: usize) -> Result<f64> {
    let supported = Calibration::supported_alpha(pieces);
    match (asked, supported) {
        (Some(alpha), _) => {
            // Only the number of pieces counts.
            Calibration::new(alpha, vec![0.0; pieces])?;
            Ok(alpha)
        }
        (None, Some(supported)) => Ok(supported.max(detector.bundle().manifest().calibration.alpha())),
        (None, None) => bail!(
            "{pieces} genuine pieces support no false-alarm rate; expected {} or more: lay down more, or add pictures",
            Calibration::FEWEST
        ),
    }
}

/// The judgement of every picture. One that cannot be judged makes the whole list fail.
fn pictures(detector: &Detector, paths: Vec<PathBuf>) -> Result<Vec<Judgement>> {
    let mut skipped = SkippedFiles::default();
    let sources: Vec<_> = source::pictures(paths).filter_map(|source| skipped.sift(source)).collect();
    if let Some(sentence) = skipped.sentence() {
        say(&sentence);
    }
    let mut judged = Ok(Vec::with_capacity(sources.len()));
    judge_all(detector, sources.into_iter(), all_cores(), |picture| match (&mut judged, picture.outcome) {
        (Ok(judged), Ok(judgement)) => {
            judged.push(judgement);
            ControlFlow::Continue(())
        }
        (_, outcome) => {
            judged = Err(anyhow!(
                "{}: {}",
                picture.path.display(),
                outcome.map_or_else(|e| e.to_string(), |_| String::new())
            ));
            ControlFlow::Break(())
        }
    });
    judged
}

/// Shows the way through the pieces before the camera, and returns their judgements and the empty scene.
fn pieces(config: &Config, detector: &Detector, count: usize) -> Result<(Vec<Judgement>, EmptyScene)> {
    if config.source.is_queue() || !config.source.looks() {
        bail!(
            "--source {}: expected a camera (rpicam, v4l2:... or stdin); pictures are named themselves: `calibrate FOLDER`",
            config.source
        );
    }
    let board = Board::open(config.lights, &config.pins)?;
    let mut parts: Vec<Box<dyn NewsDevice>> = Vec::new();
    parts.extend(board.lights.map(|lights| Box::new(lights) as Box<dyn NewsDevice>));
    parts.extend(display::open(config.screen));
    let mut guide = Guide { panel: Panel::new(parts, |fault| say(&fault)), said: String::new() };
    let stop = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&stop);
    signals::listen(move |_| asked.store(true, Ordering::Relaxed))?;
    let camera = CameraThread::open(config.source.clone(), config.size.into());
    let mut pieces = Pieces::new(detector, config.guide, Quorum::default());
    while pieces.judged().len() < count {
        let progress = format!("{} of {count}", pieces.judged().len());
        if stop.load(Ordering::Relaxed) {
            bail!("stopped after {progress} pieces; nothing was changed");
        }
        match camera.newest(PATIENCE) {
            None | Some(CameraEvent::Works) => {}
            Some(CameraEvent::Note(note)) => say(&note),
            Some(CameraEvent::Fault(fault)) => {
                pieces.interrupted();
                guide.tell(Signal::Fault, "NO CAMERA", fault.to_string());
            }
            Some(CameraEvent::End(fault)) => bail!(
                "{}, after {progress} pieces; nothing was changed",
                fault.map_or_else(|| "the pictures ended".into(), |fault| fault.to_string())
            ),
            Some(CameraEvent::Shot(shot)) => {
                let step = pieces.look(&shot)?;
                let progress = format!("{} of {count}", pieces.judged().len());
                match step {
                    None => {}
                    Some(Step::Clear) => guide.tell(Signal::Nothing, "CLEAR TABLE", "nothing in view".into()),
                    Some(Step::Lay) if pieces.judged().len() == count => {
                        guide.tell(Signal::Nothing, &progress, "that was the last".into());
                    }
                    Some(Step::Lay) => guide.tell(Signal::Nothing, &progress, "lay the next piece".into()),
                    Some(Step::Hold) => guide.tell(Signal::Nothing, &progress, "hold it still".into()),
                    Some(Step::TakeAway) => guide.tell(Signal::Genuine, &progress, "take it away".into()),
                    Some(Step::Again(error)) => guide.tell(Signal::Nothing, &progress, error.to_string()),
                }
            }
        }
    }
    let empty = pieces.empty().cloned().context("a piece was judged before the empty scene was learned")?;
    Ok((pieces.judged().to_vec(), empty))
}

/// Tells a person what to do, on the display, by the lights and on stderr.
struct Guide {
    panel: Panel,
    said: String,
}

impl Guide {
    /// Tells it, unless it was told last.
    fn tell(&mut self, signal: Signal, large: &str, small: String) {
        let said = format!("{large}: {small}");
        if self.said != said {
            say(&said);
            self.panel.show(News { signal, words: Words { large: large.into(), small: [small, String::new()] } });
            self.said = said;
        }
    }
}
