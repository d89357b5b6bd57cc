//! `watch`: the firmware's loop, from the camera to light, screen and journal, until it is told to stop.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::bail;
use clap::Args;
use counterfoil_edge::agreement::{Quorum, Said};
use counterfoil_edge::board::{Board, Input, Kind};
use counterfoil_edge::button::{Button, Press};
use counterfoil_edge::camera::{Eye, Fault, Look, Pixels, Shot, Spec};
use counterfoil_edge::config::{Config, Network};
use counterfoil_edge::empty::Empty;
use counterfoil_edge::journal::Journal;
use counterfoil_edge::net::door::SHOWN;
use counterfoil_edge::net::live::{self, Live, LookRequest};
use counterfoil_edge::net::{self, Herald};
use counterfoil_edge::panel::{Notices, Panel, Shows};
use counterfoil_edge::screen::Words;
use counterfoil_edge::signals::{self, Asked};
use counterfoil_edge::watch::{Looked, Mode, Watch};
use counterfoil_models::{Name, Region, Verdict};

use models::Models;
use service::Pulse;
use teller::Teller;
use unsure::Unsure;

pub(super) mod display;
mod models;
mod service;
mod teller;
mod unsure;

/// How long the loop waits for a picture before it looks at everything else.
const PATIENCE: Duration = Duration::from_millis(200);
/// Time between two looks at a button's pin.
const BUTTON: Duration = Duration::from_millis(5);

/// Watches a camera or a folder, and shows what it thinks by lights, screen and journal
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
    /// A TOML file with any of the keys that /etc/counterfoil/edge.toml shows; flags go before it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where pictures come from: rpicam, rpicam:yuv420, `v4l2:/dev/v4l/by-id/...`, dir:FOLDER or stdin
    #[arg(long, value_name = "SPEC")]
    source: Option<Spec>,
    /// The bundle's folder [default: the model that `model select` chose]
    #[arg(long, value_name = "BUNDLE")]
    bundle: Option<PathBuf>,
    /// The folder of what this box learns and records; without it nothing is kept
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Hold each picture to what `enroll` filed under this name
    #[arg(long = "as", value_name = "NAME")]
    enrolled: Option<Name>,
    /// Judge only when the button is pressed
    #[arg(long)]
    on_button: bool,
    /// Lights: auto, rpi, gpiochip, console or none
    #[arg(long, value_name = "LIGHTS")]
    lights: Option<Kind>,
    /// Print a JSON object for everything that is said: `said`, `score`, `p_value`, `picture`, and `path` or `error` where there is one
    #[arg(long)]
    json: bool,
}

impl Cmd {
    pub(crate) fn run(self, out: &mut impl Write) -> anyhow::Result<ExitCode> {
        self.run_on(out, |_| {})
    }

    /// The same on a network that the caller has a say in.
    pub(crate) fn run_on(self, out: &mut impl Write, on: impl FnOnce(&mut Network)) -> anyhow::Result<ExitCode> {
        let mut config = self.configured()?;
        on(&mut config.network);
        let state = (self.config.is_some() || self.state.is_some()).then_some(config.state.as_path());
        if self.enrolled.is_some() && state.is_none() {
            bail!("--as names what was enrolled in a state folder; say which with --state");
        }
        let models = Models::of(&config, state, self.enrolled.clone())?;
        let unsure = state.filter(|_| config.keep_unsure).map(Unsure::in_state).transpose()?;
        let journal =
            state.filter(|_| config.journal).map(|state| Journal::open(&state.join("journal"))).transpose()?;
        let board = Board::open(config.lights, &config.pins)?;
        say(&format!("watching {} by {}; lights: {}", config.source, models.what(), board.name));
        config.without_effect().iter().for_each(|what| say(what));

        let (stop, reload) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (asked_to_stop, asked_to_reload) = (Arc::clone(&stop), Arc::clone(&reload));
        signals::listen(move |asked| match asked {
            Asked::Stop => asked_to_stop.store(true, Ordering::Relaxed),
            Asked::Reload => asked_to_reload.store(true, Ordering::Relaxed),
        })?;
        let mut parts: Vec<Box<dyn Shows>> = Vec::new();
        parts.extend(board.lights.map(|lights| Box::new(lights) as Box<dyn Shows>));
        parts.extend(display::open(config.screen));
        let panel = Panel::new(parts, |fault| say(&fault));

        let (live, looks) = Live::new(models.detector());
        let net = net::start(&config, &live, Voice(panel.notices()))?;
        if let Some((address, fingerprint)) = net.as_ref().and_then(|net| net.listening.as_ref()) {
            say(&format!("listening on https://{address}; certificate {fingerprint}"));
        }

        let is_queue = config.source.is_queue();
        let quorum = if is_queue { Quorum::ONE } else { config.agree };
        let guide = if is_queue { Region::WHOLE } else { config.guide };
        let empty = state.filter(|_| !is_queue).map(Empty::of).transpose()?.flatten();
        let mut watching = Watching {
            state,
            watch: Watch::new(models.detector(), config.mode, quorum, guide, empty),
            models,
            presses: board.button.map(|button| listen(button, Arc::clone(&stop))),
            eye: Eye::open(config.source, config.size.into()),
            unsure,
            teller: Teller { out, json: self.json, journal, panel, each: is_queue, said_fault: None },
            live,
            looks,
            looking: Vec::new(),
        };
        let mut pulse = Pulse::ready();
        let mut result = Ok(ControlFlow::Continue(()));
        while matches!(result, Ok(ControlFlow::Continue(()))) && !stop.load(Ordering::Relaxed) {
            result = watching.round(reload.swap(false, Ordering::Relaxed));
            pulse.beat(&watching.eye);
        }
        say(&watching.summary());
        match result? {
            // A stream that never gave a picture.
            ControlFlow::Break(Some(fault)) => bail!("{fault}"),
            _ => Ok(ExitCode::SUCCESS),
        }
    }

    /// The file's settings with the flags before them.
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

/// Everything that goes round with each picture.
struct Watching<'a, W> {
    state: Option<&'a Path>,
    watch: Watch,
    models: Models,
    presses: Option<mpsc::Receiver<Press>>,
    eye: Eye,
    unsure: Option<Unsure>,
    teller: Teller<'a, W>,
    live: Arc<Live>,
    looks: mpsc::Receiver<LookRequest>,
    /// Who waits for the answer to a look.
    looking: Vec<LookRequest>,
}

impl<W: Write> Watching<'_, W> {
    /// Does what was asked for by button and model, and looks at a picture if there is one. Breaks when there will be no more, with a
    /// fault where there never was one; fails when stdout is closed.
    fn round(&mut self, reload: bool) -> io::Result<ControlFlow<Option<Fault>>> {
        for press in self.presses.iter().flat_map(mpsc::Receiver::try_iter) {
            self.watch.press(press);
        }
        self.looking.retain(|look| !look.answer.is_closed());
        for look in self.looks.try_iter() {
            self.watch.ask(look.asked);
            self.looking.push(look);
        }
        match self.models.changed(reload) {
            None => {}
            Some(Ok(detector)) => {
                self.live.replace(Arc::clone(&detector));
                self.watch.replace(detector);
            }
            Some(Err(what)) => say(&what),
        }
        match self.eye.newest(PATIENCE) {
            None => {}
            Some(Look::End(fault)) => return Ok(ControlFlow::Break(fault)),
            Some(Look::Fault(fault)) => self.fault(&fault),
            Some(Look::Works) => self.works(),
            Some(Look::Note(note)) => say(&note),
            Some(Look::Shot(shot)) => self.look(shot)?,
        }
        Ok(ControlFlow::Continue(()))
    }

    /// There are no pictures: everything that shows how the box is shows that, until there are.
    fn fault(&mut self, fault: &Fault) {
        self.watch.interrupted();
        let fault = fault.to_string();
        self.teller.fault(&fault);
        self.live.fault(&fault);
        for look in self.looking.drain(..) {
            // A visitor that has left gets no answer.
            let _ = look.answer.send(live::fault(&fault));
        }
    }

    /// There are pictures, or could be.
    fn works(&mut self) {
        self.teller.works();
        self.live.works();
    }

    fn look(&mut self, shot: Shot) -> io::Result<()> {
        let looked = self.watch.look(&shot).unwrap_or_else(|error| {
            say(&error.to_string());
            Looked::Nothing
        });
        self.live.counted(self.watch.tally());
        match looked {
            Looked::Damaged => return Ok(()),
            Looked::Fault(fault) => {
                self.fault(&fault);
                return Ok(());
            }
            _ => self.works(),
        }
        let told = self.tell(&shot, looked);
        if !matches!(shot.pixels, Pixels::Missing(_)) {
            self.live.looked(shot);
        }
        told
    }

    fn tell(&mut self, shot: &Shot, looked: Looked) -> io::Result<()> {
        if self.watch.network_failed() {
            self.models.failed();
        }
        match looked {
            Looked::Nothing | Looked::Damaged | Looked::Fault(_) => Ok(()),
            Looked::Learned(empty) => {
                self.state.map_or(Ok(()), |state| empty.keep(state)).unwrap_or_else(|e| say(&e.to_string()));
                say("this is the empty scene from now on");
                Ok(())
            }
            Looked::Answer(answer) => {
                if let (Some(unsure), Said::Verdict(Verdict::Unsure, _)) = (&mut self.unsure, &answer.said) {
                    unsure.keep(&answer.picture, shot).unwrap_or_else(|e| say(&e.to_string()));
                }
                if matches!(answer.said, Said::Verdict(..)) {
                    self.models.proven();
                }
                let seen = live::seen(&answer);
                self.live.said(seen.clone());
                if answer.asked {
                    for look in self.looking.drain(..) {
                        let _ = look.answer.send(seen.clone());
                    }
                }
                self.teller.tell(&answer, self.watch.detector().bundle().id())
            }
        }
    }

    /// What came of all pictures.
    fn summary(&self) -> String {
        let (tally, dropped) = (self.watch.tally(), self.eye.dropped());
        let each = tally.frame_ms();
        let (judged, failed, passed, damaged) = (tally.judged, tally.failed, tally.passed, tally.damaged);
        let oldest = tally.oldest.as_millis();
        format!(
            "{judged} frames judged, {each:.1} ms each; {failed} could not be, {passed} showed nothing, {damaged} were damaged, {dropped} were dropped; the oldest was {oldest} ms old"
        )
    }
}

/// What the network has to say, on the display and on stderr.
struct Voice(Notices);

impl Herald for Voice {
    fn code(&self, visitor: &str, code: &str) {
        let small = ["pairing code for".into(), visitor.to_owned()];
        self.0.show(Words { large: code.to_owned(), small }, SHOWN);
        say(&format!("{visitor} wants to pair with this box; the code is {code}"));
    }

    fn complain(&self, what: &str) {
        say(what);
    }
}

pub(super) fn say(what: &str) {
    // Whoever closed stderr does not want to know.
    let _ = writeln!(io::stderr(), "counterfoil-edge: {what}");
}

/// A thread that looks at the button.
fn listen(mut button: Button<Input>, stop: Arc<AtomicBool>) -> mpsc::Receiver<Press> {
    let (presses, pressed) = mpsc::channel();
    thread::spawn(move || {
        let mut failing = false;
        while !stop.load(Ordering::Relaxed) {
            match button.poll(Instant::now()) {
                Ok(press) => {
                    failing = false;
                    if press.is_some_and(|press| presses.send(press).is_err()) {
                        return;
                    }
                }
                Err(_) if failing => {}
                Err(error) => {
                    failing = true;
                    say(&format!(
                        "the button's pin cannot be read ({error:?}); check its wiring. Verdicts go on without it"
                    ));
                }
            }
            thread::sleep(BUTTON);
        }
    });
    pressed
}
