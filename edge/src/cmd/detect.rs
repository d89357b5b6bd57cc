//! `detect`: judges the pictures on the command line. Verdicts go to stdout, a count to stderr, and the
//! result to the exit code.

use std::io::{self, IsTerminal, Write};
use std::num::NonZero;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::{self, ExitCode};
use std::sync::{Arc, Mutex, PoisonError};

use clap::Args;
use counterfoil_edge::Error;
use counterfoil_edge::detector::explain::Explanation;
use counterfoil_edge::detector::pipeline::{PictureResult, attempt, judge_all};
use counterfoil_edge::detector::source::{self, SkippedFiles, Source, printable};
use counterfoil_edge::show::board::{Board, Kind, Pins};
use counterfoil_edge::show::indicator::Signal;
use counterfoil_edge::signals;
use counterfoil_edge::threads::all_cores;
use counterfoil_models::{Judgement, Verdict};
use serde::Serialize;

use super::bundle::BundleOption;
use super::explain::Maps;
use super::state::{Basis, StateOption};

/// Judges pictures: genuine, unsure or counterfeit
#[derive(Args)]
#[command(after_help = "\
Examples:
  counterfoil-edge detect --bundle models/pretrained/specimen-note scans/ note.jpg
  curl -s http://camera/still | counterfoil-edge detect --bundle my-bundle --json -
  counterfoil-edge detect --bundle my-bundle --explain where.png note.jpg

In a folder every file is told by its content, not by its name, and links are followed. A picture that is damaged or of a kind that
is not read, and a file that is only called a picture, is not judged: it is named with the reason and ends in exit code 2. Other files
(notes, tables) are counted and named on stderr and change nothing; hidden files, Thumbs.db, __MACOSX and the like are left out.

Exit codes: 0 no counterfeit, 1 a counterfeit was found, 2 a picture could not be judged, or other trouble.")]
pub(crate) struct Cmd {
    #[command(flatten)]
    bundle: BundleOption,
    #[command(flatten)]
    state: StateOption,
    /// Picture files, folders of them, or - for one picture on stdin
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Print one JSON object per line: `path`, `score`, `p_value`, `verdict`, or `path` and `error`;
    /// with --state also the basis of the verdict
    #[arg(long)]
    json: bool,
    /// Number of threads [default: all cores]
    #[arg(long, value_name = "N")]
    threads: Option<NonZero<usize>>,
    /// Lights that show each verdict: on a Raspberry Pi's header (auto, or by name: rpi, gpiochip) or on the console;
    /// a picture then takes as long as its pulse
    #[arg(long, default_value = "none")]
    lights: Kind,
    /// Draw each picture with the evidence for counterfeit in red: a PNG file, or a folder for several
    /// pictures; takes about 50 times as long
    #[arg(long, value_name = "OUT")]
    explain: Option<PathBuf>,
    /// Let --explain overwrite existing files
    #[arg(long, requires = "explain")]
    force: bool,
}

/// Exit code that a shell shows for a program that SIGINT ended (128 + 2).
const INTERRUPTED: i32 = 130;

impl Cmd {
    pub(crate) fn run(self, out: &mut impl Write) -> anyhow::Result<ExitCode> {
        let lights = Board::open(self.lights, &Pins::default())?.lights;
        if let Some(lights) = lights.clone() {
            signals::listen(move |_| {
                let _dark = lights.put_out();
                process::exit(INTERRUPTED);
            })?;
        }
        let mut maps = self.explain.map(|out| Maps::at(out, &self.paths, self.force)).transpose()?;
        let (detector, basis) = self.state.apply(self.bundle.open()?)?;
        let colour = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty());
        if !self.json {
            writeln!(out, "{:<11}  {:>10}  {:>7}  picture", "verdict", "score", "p-value")?;
        }
        let mut count = Count::default();
        let mut written = Ok(());
        let threads = self.threads.unwrap_or_else(all_cores);
        let mut show = |judged: PictureResult| {
            count.add(&judged);
            written =
                if self.json { write_json(out, &judged, basis.as_ref()) } else { write_row(out, &judged, colour) };
            if written.is_err() {
                return ControlFlow::Break(());
            }
            if let Some(Err(fault)) = lights.as_ref().map(|lights| lights.show(Signal::from(&judged.outcome))) {
                let _ = writeln!(io::stderr(), "counterfoil-edge: {fault}");
            }
            ControlFlow::Continue(())
        };
        let passed = Arc::new(Mutex::new(SkippedFiles::default()));
        let sift = Arc::clone(&passed);
        let sources = source::pictures(self.paths)
            .filter_map(move |source| sift.lock().unwrap_or_else(PoisonError::into_inner).sift(source));
        match &mut maps {
            None => judge_all(&detector, sources, threads, show),
            // All threads work on the places of one picture, so the pictures are processed one by one.
            Some(maps) => {
                let explained = |source: Source| {
                    let path = source.path().to_path_buf();
                    attempt(source, |frame| {
                        let explanation = Explanation::of(&detector, frame, threads)?;
                        maps.draw(&path, frame, &explanation)?;
                        Ok(explanation.judgement)
                    })
                };
                let _ = sources.map(explained).try_for_each(&mut show);
            }
        }
        written?;
        if let Some(sentence) = passed.lock().unwrap_or_else(PoisonError::into_inner).sentence() {
            let _ = writeln!(io::stderr(), "{sentence}");
        }
        let _ = writeln!(io::stderr(), "{}", count.sentence());
        Ok(count.exit_code())
    }
}

#[derive(Default)]
struct Count {
    genuine: usize,
    unsure: usize,
    counterfeit: usize,
    errors: usize,
}

impl Count {
    fn add(&mut self, judged: &PictureResult) {
        *match judged.outcome.as_ref().map(Judgement::verdict) {
            Ok(Verdict::Genuine) => &mut self.genuine,
            Ok(Verdict::Unsure) => &mut self.unsure,
            Ok(Verdict::Counterfeit) => &mut self.counterfeit,
            Err(_) => &mut self.errors,
        } += 1;
    }

    fn sentence(&self) -> String {
        let Self { genuine, unsure, counterfeit, errors } = self;
        let all = genuine + unsure + counterfeit;
        format!("{all} judged: {genuine} genuine, {unsure} unsure, {counterfeit} counterfeit; {errors} not judged")
    }

    /// A picture that could not be judged outweighs a counterfeit: neither "found none" nor "found one"
    /// would be the full truth.
    fn exit_code(&self) -> ExitCode {
        match (self.errors, self.counterfeit) {
            (0, 0) => ExitCode::SUCCESS,
            (0, _) => ExitCode::from(1),
            _ => ExitCode::from(2),
        }
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum Line<'a> {
    Judged {
        path: &'a str,
        #[serde(flatten)]
        judgement: &'a Judgement,
        #[serde(flatten)]
        basis: Option<&'a Basis>,
    },
    Error {
        path: &'a str,
        error: String,
    },
}

fn write_json(out: &mut impl Write, judged: &PictureResult, basis: Option<&Basis>) -> io::Result<()> {
    let path = &judged.path.to_string_lossy();
    let line = match &judged.outcome {
        Ok(judgement) => Line::Judged { path, judgement, basis },
        Err(error) => Line::Error { path, error: error.to_string() },
    };
    writeln!(out, "{}", serde_json::to_string(&line)?)
}

fn write_row(out: &mut impl Write, judged: &PictureResult, colour: bool) -> io::Result<()> {
    let path = printable(&judged.path);
    match &judged.outcome {
        Ok(judgement) => {
            let verdict = judgement.verdict();
            let (paint, plain) = if colour { (paint(verdict), "\x1b[0m") } else { ("", "") };
            let (score, p) = (judgement.score().get(), judgement.p_value());
            writeln!(out, "{paint}{verdict:<11}{plain}  {score:>10.4}  {p:>7.4}  {path}")
        }
        Err(error) => write_error(out, &path, error),
    }
}

fn write_error(out: &mut impl Write, path: &str, error: &Error) -> io::Result<()> {
    writeln!(out, "{:<11}  {:>10}  {:>7}  {path}: {error}", "error", "-", "-")
}

fn paint(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Genuine => "\x1b[32m",
        Verdict::Unsure => "\x1b[33m",
        Verdict::Counterfeit => "\x1b[31m",
    }
}
