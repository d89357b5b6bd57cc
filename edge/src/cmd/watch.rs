//! `watch`: parses the command line and connects camera, models, lights, network and journal with the loop.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::bail;
use clap::Args;
use counterfoil_edge::camera::{CameraThread, Spec};
use counterfoil_edge::config::{Config, Network};
use counterfoil_edge::net::live::Live;
use counterfoil_edge::net::pairing::SHOWN;
use counterfoil_edge::net::{self, Notifier};
use counterfoil_edge::show::board::{Board, Kind};
use counterfoil_edge::show::display;
use counterfoil_edge::show::panel::{NewsDevice, Notices, Panel};
use counterfoil_edge::show::screen::Words;
use counterfoil_edge::signals::{self, SignalRequest};
use counterfoil_edge::store::journal::Journal;
use counterfoil_edge::store::leftovers;
use counterfoil_edge::watch::empty_scene::EmptyScene;
use counterfoil_edge::watch::reporter::Reporter;
use counterfoil_edge::watch::state::{Mode, State};
use counterfoil_edge::watch::supervisor::Supervisor;
use counterfoil_edge::watch::unsure::UnsureStore;
use counterfoil_edge::watch::vote::Quorum;
use counterfoil_edge::watch::watchdog::Watchdog;
use counterfoil_edge::watch::watcher::{Observer, Watcher, held};
use counterfoil_edge::watch::{Log, SystemClock};
use counterfoil_models::{Article, Name, Region};

use crate::allocator;

/// Watches a camera or a folder, and shows verdicts with lights, display and journal
#[derive(Args)]
#[command(after_help = "\
Examples:
  counterfoil-edge watch --source rpicam --bundle my-bundle --state /var/lib/counterfoil
  counterfoil-edge watch --source dir:/srv/scans --bundle my-bundle --lights none --json
  ffmpeg -i rtsp://camera/ -f mjpeg - | counterfoil-edge watch --source stdin --bundle my-bundle

Without --bundle the model that `model select` chose runs, and another one takes its place within a second of being selected, or on
SIGHUP. In dir:FOLDER every file that comes is judged by itself once it is whole; a camera's frames have to agree. Exit codes: 0 told to
stop, or stdin ended; 2 trouble that trying again does not help, stdin that ended without a picture for one.")]
pub(crate) struct Cmd {
    /// A TOML file with any of the keys that /etc/counterfoil/edge.toml shows; flags take precedence
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where pictures come from: rpicam, rpicam:yuv420, `v4l2:/dev/v4l/by-id/...`, dir:FOLDER or stdin
    #[arg(long, value_name = "SPEC")]
    source: Option<Spec>,
    /// The bundle's folder [default: the model that `model select` chose]
    #[arg(long, value_name = "BUNDLE")]
    bundle: Option<PathBuf>,
    /// The folder for everything that this box stores; without it nothing is kept
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Compare each picture with the references that `enroll` stored under this name
    #[arg(long = "as", value_name = "NAME")]
    enrolled: Option<Name>,
    /// Judge only when the button is pressed
    #[arg(long)]
    on_button: bool,
    /// Lights: auto, rpi, gpiochip, console or none
    #[arg(long, value_name = "LIGHTS")]
    lights: Option<Kind>,
    /// Print one JSON object per statement: `said`, `score`, `p_value`, `picture`, and `path`,
    /// `error` or `drift` if there is one
    #[arg(long)]
    json: bool,
}

/// Most time between the request to stop and the end of the process; the service manager kills it after 10 s.
const STOP_TIMEOUT: Duration = Duration::from_secs(7);

impl Cmd {
    pub(crate) fn run(self, out: &mut impl Write) -> anyhow::Result<ExitCode> {
        self.run_on(out, |_| {})
    }

    /// Runs the loop after `on` has changed the network configuration.
    pub(crate) fn run_on(self, out: &mut impl Write, on: impl FnOnce(&mut Network)) -> anyhow::Result<ExitCode> {
        allocator::set_up();
        let mut config = self.configured()?;
        on(&mut config.network);
        let state = (self.config.is_some() || self.state.is_some()).then_some(config.state.as_path());
        if self.enrolled.is_some() && state.is_none() {
            bail!("--as names what was enrolled in a state folder; say which with --state");
        }
        let log: Log = Arc::new(say);
        if let Some(state) = state {
            leftovers::sweep(state);
        }
        let models = Supervisor::open(config.bundle.as_deref(), state, self.enrolled.clone(), Arc::clone(&log))?;
        let unsure = state.filter(|_| config.keep_unsure).map(UnsureStore::in_state);
        let mut journal = state.filter(|_| config.journal).map(|state| Journal::of(&state.join("journal")));
        if let Some(Err(error)) = journal.as_mut().map(Journal::open) {
            say(&error.to_string());
        }
        let board = Board::open(config.lights, &config.pins)?;
        say(&format!("watching {} by {}; lights: {}", config.source, models.what(), board.name));
        config.without_effect().iter().for_each(|what| say(what));

        let (stop, reload) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (asked_to_stop, asked_to_reload) = (Arc::clone(&stop), Arc::clone(&reload));
        signals::listen(move |asked| match asked {
            SignalRequest::Stop => {
                asked_to_stop.store(true, Ordering::Relaxed);
                signals::exit_after(STOP_TIMEOUT, || {
                    say("a camera, disk or network does not answer: stopped without waiting for it");
                });
            }
            SignalRequest::Reload => asked_to_reload.store(true, Ordering::Relaxed),
        })?;
        let mut parts: Vec<Box<dyn NewsDevice>> = Vec::new();
        parts.extend(board.lights.map(|lights| Box::new(lights) as Box<dyn NewsDevice>));
        parts.extend(display::open(config.screen));
        let panel = Panel::new(parts, |fault| say(&fault));

        let (live, requests) = Live::new(models.detector());
        let net = net::start(&config, &live, NetNotifier(panel.notices()))?;
        if let Some((address, fingerprint)) = net.as_ref().and_then(|net| net.listening.as_ref()) {
            say(&format!("listening on https://{address}; certificate {fingerprint}"));
        }

        let is_queue = config.source.is_queue();
        let quorum = if is_queue { Quorum::ONE } else { config.agree };
        let guide = if is_queue { Region::WHOLE } else { config.guide };
        let empty = state.filter(|_| !is_queue).map(EmptyScene::of).transpose()?.flatten();
        let drift = held(state, &*models.detector(), &log);
        if let Some(drift) = drift {
            say(&drift.to_string());
        }
        live.doubted(drift);
        let whole = models.detector().bundle().manifest().input.article == Article::Whole;
        if !is_queue && config.source.looks() && config.mode == Mode::Always && whole && empty.is_none() {
            say(
                "no empty scene is learned, so pieces are not told apart and a changed light goes unnoticed: press the button with nothing there",
            );
        }
        let mut watcher = Watcher {
            state: State::new(models.detector(), Arc::new(SystemClock), config.mode, quorum, guide, empty, drift),
            camera: CameraThread::open(config.source, config.size.into()),
            models,
            presses: board.button.map(|button| button.listen(Arc::clone(&stop), say)),
            requests,
            pending: Vec::new(),
            observer: live,
            reporter: Reporter::new(out, self.json, journal, panel, is_queue, Arc::clone(&log)),
            unsure,
            folder: state,
            log,
        };
        let mut watchdog = Watchdog::ready();
        let mut result = Ok(ControlFlow::Continue(()));
        while matches!(result, Ok(ControlFlow::Continue(()))) && !stop.load(Ordering::Relaxed) {
            result = watcher.round(reload.swap(false, Ordering::Relaxed));
            watchdog.beat(watcher.camera.heard());
        }
        say(&watcher.summary());
        match result? {
            // The stream ended and never gave a picture.
            ControlFlow::Break(Some(fault)) => bail!("{fault}"),
            _ => Ok(ExitCode::SUCCESS),
        }
    }

    /// The settings of the configuration file, overridden by the flags.
    fn configured(&self) -> anyhow::Result<Config> {
        let mut config = match &self.config {
            Some(path) => Config::read(path)?,
            None => Config { lights: Kind::None, screen: -1, ..Config::default() },
        };
        config.source = self.source.clone().unwrap_or(config.source);
        config.bundle = self.bundle.clone().or(config.bundle);
        config.state = self.state.clone().unwrap_or(config.state);
        config.lights = self.lights.unwrap_or(config.lights);
        if self.on_button {
            config.mode = Mode::Button;
        }
        Ok(config)
    }
}

/// Shows messages of the network services on the display and on stderr.
struct NetNotifier(Notices);

impl Notifier for NetNotifier {
    fn code(&self, visitor: &str, code: &str) {
        let small = ["pairing code for".into(), visitor.to_owned()];
        self.0.show(Words { large: code.to_owned(), small }, SHOWN);
        say(&format!("{visitor} wants to pair with this box; the code is {code}"));
    }

    fn complain(&self, what: &str) {
        say(what);
    }
}

/// Prints a message for the operator.
pub(super) fn say(what: &str) {
    // A closed stderr has no reader.
    let _ = writeln!(io::stderr(), "counterfoil-edge: {what}");
}
