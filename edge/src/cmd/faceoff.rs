//! `faceoff`: bundles compete on the same pictures, and the audience follows the scoreboard.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::bail;
use clap::Args;
use counterfoil_edge::Detector;
use counterfoil_edge::detector::faceoff::{Event, Played, Rules, play};
use counterfoil_edge::detector::source::{self, SkippedFiles};
use counterfoil_models::game::Answer;
use serde_json::{Map, json};

/// Lets bundles judge the same pictures, one against the other, under sealed labels
#[derive(Args)]
#[command(after_help = "\
Example:
  counterfoil-edge faceoff --bundle gan --bundle statistics --genuine notes/real --fake notes/fake --rounds 40

Right is +1, wrong is -1, unsure is 0, each bundle at its own calibrated threshold; ties go to the quicker.")]
pub(crate) struct Cmd {
    /// A contestant; give two or more
    #[arg(long = "bundle", required = true, value_name = "BUNDLE")]
    bundles: Vec<PathBuf>,
    /// A genuine picture or a folder of them; may be given again
    #[arg(long, required = true, value_name = "DIR")]
    genuine: Vec<PathBuf>,
    /// A counterfeit picture or a folder of them; may be given again
    #[arg(long, required = true, value_name = "DIR")]
    fake: Vec<PathBuf>,
    /// Seed of the shuffle; the same seed gives the same exhibits in the same order, so the labels can be computed
    /// before the seal is opened [default: random and secret]
    #[arg(long)]
    seed: Option<u64>,
    /// Number of exhibits to show, drawn at random [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    rounds: Option<u64>,
    /// Print one JSON object per line: the seal, each round, the outcome
    #[arg(long)]
    json: bool,
}

impl Cmd {
    pub(crate) fn run(self, out: &mut impl Write) -> anyhow::Result<ExitCode> {
        let contestants = named(&self.bundles)?;
        let mut exhibits = labelled(self.genuine, true)?;
        exhibits.extend(labelled(self.fake, false)?);
        let rules = Rules { seed: self.seed, rounds: self.rounds.map(|rounds| rounds as usize) };
        let names: Vec<&str> = contestants.iter().map(|(name, _)| name.as_str()).collect();
        let played = play(&contestants, &exhibits, rules, |event| {
            if self.json { tell_json(out, &names, &event) } else { tell(out, &names, &event) }
        })?;
        if self.json {
            close_json(out, &played)?;
        } else {
            close(out, &played)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Opens the bundles. Two with the same name are distinguished by their folders.
fn named(bundles: &[PathBuf]) -> anyhow::Result<Vec<(String, Detector)>> {
    let detectors = bundles.iter().map(|dir| Detector::open(dir)).collect::<Result<Vec<_>, _>>()?;
    let names: Vec<String> = detectors.iter().map(|detector| detector.bundle().manifest().name.clone()).collect();
    let unique = |name: &str, dir: &Path| match names.iter().filter(|other| *other == name).count() {
        1 => name.to_owned(),
        _ => format!("{name} ({})", dir.display()),
    };
    let unique: Vec<String> = names.iter().zip(bundles).map(|(name, dir)| unique(name, dir)).collect();
    Ok(unique.into_iter().zip(detectors).collect())
}

fn labelled(paths: Vec<PathBuf>, genuine: bool) -> anyhow::Result<Vec<(PathBuf, bool)>> {
    let mut passed = SkippedFiles::default();
    let exhibits = source::pictures(paths)
        .filter_map(|found| passed.sift(found))
        .map(|found| match found {
            source::Source::File(path) | source::Source::NotAPicture(path) => Ok((path, genuine)),
            source::Source::Stdin => bail!("a face-off cannot take an exhibit from stdin; name files or folders"),
            source::Source::Refused { path, error } => bail!("{}: {error}", path.display()),
        })
        .collect();
    if let Some(sentence) = passed.sentence() {
        let _ = writeln!(io::stderr(), "{sentence}");
    }
    exhibits
}

/// Width of a contestant's column: fits the name and every answer.
fn column(name: &str) -> usize {
    name.chars().count().max("counterfeit".len())
}

fn said(answer: &Answer) -> String {
    answer.verdict.map_or_else(|| "nothing".to_owned(), |verdict| verdict.to_string())
}

fn tell(out: &mut impl Write, names: &[&str], event: &Event) -> io::Result<()> {
    match event {
        Event::Sealed { digest, rounds } => {
            writeln!(out, "{rounds} exhibits; their labels are sealed until the end, SHA-256 {digest}\n")?;
            write!(out, "round")?;
            names.iter().try_for_each(|name| write!(out, "  {name:<width$}", width = column(name)))?;
        }
        Event::Answered { round, answers } => {
            write!(out, "{round:>5}")?;
            for (answer, name) in answers.iter().zip(names) {
                write!(out, "  {:<width$}", said(answer), width = column(name))?;
            }
        }
    }
    writeln!(out)
}

fn tell_json(out: &mut impl Write, names: &[&str], event: &Event) -> io::Result<()> {
    let line = match event {
        Event::Sealed { digest, rounds } => json!({ "sealed": digest, "rounds": rounds }),
        Event::Answered { round, answers } => {
            let answers: Map<_, _> =
                names.iter().zip(*answers).map(|(name, answer)| ((*name).to_owned(), json!(answer))).collect();
            json!({ "round": round, "answers": answers })
        }
    };
    writeln!(out, "{line}")
}

fn close(out: &mut impl Write, played: &Played) -> io::Result<()> {
    let labels: String = played.seal.genuine.iter().map(|genuine| if *genuine { 'G' } else { 'C' }).collect();
    writeln!(out, "\nthe seal is opened: salt {}\nlabels {labels}\n", played.seal.salt)?;
    write!(out, "{}", played.outcome.table())
}

fn close_json(out: &mut impl Write, played: &Played) -> io::Result<()> {
    let exhibits = played.transcript.iter().map(|round| round.exhibit.to_string_lossy());
    let line = json!({
        "opened": played.seal,
        "exhibits": exhibits.collect::<Vec<_>>(),
        "standings": played.outcome.standings,
        "p_value": played.outcome.p_value,
        "decided": played.outcome.decided,
        "sentence": played.outcome.sentence(),
    });
    writeln!(out, "{line}")
}
