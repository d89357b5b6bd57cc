//! `counterfoil faceoff`: boxes, bundles and people judge the same exhibits, under sealed labels.

mod cards;
mod operator;
mod replay;
mod verify;

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, Subcommand};
use counterfoil_host::game::boxes::Remote;
use counterfoil_host::game::contestant::Contestant;
use counterfoil_host::game::exhibits::Collection;
use counterfoil_host::game::record::{End, Round};
use counterfoil_host::game::referee::{EXHIBITS, Game, Pace, Show};
use counterfoil_host::game::scoreboard::{self, GameView};
use counterfoil_host::gan::sampler::FaceoffGenerator;
use counterfoil_models::naming::look_alike;
use counterfoil_models::random_seed;
use time::OffsetDateTime;
use tokio::time::sleep;

use super::pair::Boxes;
use operator::Terminal;

/// Referees a face-off: boxes, bundles and people judge the same exhibits, under sealed labels
#[derive(Args, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:
  counterfoil faceoff --box till.local --box desk.local --exhibits notes --rounds 40 --web 0.0.0.0:8080 --pace 5s
  counterfoil faceoff --box till.local --bundle bundles/label --generator bundles/label --exhibits notes --rounds 100
  counterfoil faceoff --box till.local --box desk.local --look --cards 12

Right is +1, wrong is -1, unsure or late is 0, each at its own calibrated threshold; ties go to the quicker. Boxes are those that
`counterfoil pair` paired with. The game is kept in --out: transcript, exhibits, and until its end what is sealed."
)]
pub(crate) struct FaceOff {
    #[command(subcommand)]
    after: Option<After>,
    /// A box that plays; may be repeated
    #[arg(long = "box", value_name = "BOX")]
    players: Vec<String>,
    /// A bundle that plays, run on this machine; may be repeated
    #[arg(long = "bundle", value_name = "BUNDLE")]
    bundles: Vec<PathBuf>,
    /// Exhibits: a folder with real/ and fake/FAMILY/
    #[arg(long, value_name = "DIR")]
    exhibits: Option<PathBuf>,
    /// Add counterfeits by this bundle's generator
    #[arg(long, value_name = "BUNDLE", requires = "exhibits")]
    generator: Option<PathBuf>,
    /// Exhibits lie on the table, and boxes look through their own cameras
    #[arg(long, conflicts_with_all = ["exhibits", "generator", "bundles"])]
    look: bool,
    /// With --look: a text file that states for each exhibit, in the order of play, `genuine` or `counterfeit`
    #[arg(long, value_name = "FILE", requires = "look")]
    labels: Option<PathBuf>,
    /// With --look: the number of exhibits; each has a sealed card, which is scanned (or typed in)
    #[arg(long, value_name = "N", requires = "look", conflicts_with = "labels")]
    cards: Option<usize>,
    /// Exhibits to play [default: as many as can be mixed half and half]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    rounds: Option<u16>,
    /// Time for the unveiling after each round, such as 5s; max continues at once
    #[arg(long, value_name = "TIME", default_value = "max", value_parser = pace)]
    pace: Duration,
    /// Time to answer
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = time)]
    deadline: Duration,
    /// Address of the scoreboard; the page for the audience's phones is at /play
    #[arg(long, value_name = "ADDR")]
    web: Option<SocketAddr>,
    /// Seconds in which people may join before the game begins [default: until Enter, with --web and a terminal]
    #[arg(long, value_name = "SECONDS")]
    lobby: Option<u64>,
    /// The game's folder, new or empty [default: faceoff- and the time, in UTC]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Continue the game in --out
    #[arg(long, requires = "out")]
    resume: bool,
    #[command(flatten)]
    boxes: Boxes,
    /// Print JSON objects, one a line: each round, then the end
    #[arg(long)]
    json: bool,
}

/// How long the final scoreboard stays open when there is no terminal at which a person can close it.
const FAREWELL: Duration = Duration::from_secs(5);

#[derive(Subcommand, Debug)]
enum After {
    Verify(verify::Verify),
    Replay(replay::Replay),
    Cards(cards::Cards),
}

impl FaceOff {
    pub(crate) fn run(self) -> Result<()> {
        match self.after {
            Some(After::Verify(verify)) => verify.run(),
            Some(After::Replay(replay)) => replay.run(),
            Some(After::Cards(cards)) => cards.run(),
            None => self.play(),
        }
    }

    fn play(self) -> Result<()> {
        let contestants = self.contestants()?;
        let pace = Pace { deadline: self.deadline, pause: self.pace };
        let out = self.out.clone().unwrap_or_else(|| dated(OffsetDateTime::now_utc()));
        let game = if self.resume {
            Game::resume(&out, &contestants)?
        } else {
            Game::begin(&out, |folder| self.show(folder), &contestants, pace)?
        };
        let contestants: Vec<Arc<Contestant>> = contestants.into_iter().map(Arc::new).collect();
        let begun = game.begun();
        let what = begun
            .seal
            .as_ref()
            .map_or("each has a sealed card".to_owned(), |seal| format!("their labels are sealed, SHA-256 {seal}"));
        eprintln!("{} exhibits; {what}; the game is kept in {}", begun.rounds, out.display());
        if self.resume {
            eprintln!("{} of them were played", game.played());
        }
        let runtime = super::runtime()?;
        let end = runtime.block_on(async {
            let view = Arc::new(GameView::default());
            if let Some(web) = self.web {
                view.begin(game.begun());
                let at = scoreboard::open(&view, web).await?;
                eprintln!("scoreboard: http://{at}/    to play along: http://{at}/play");
                self.lobby().await?;
            }
            game.run_practice_round(&contestants, &view).await?;
            let tell = |round: &Round, genuine: bool| {
                // A closed stdout does not end the game.
                let _ = if self.json { tell_json(round, genuine) } else { tell(round, genuine) };
            };
            let end = game.play(&contestants, &view, pace, &mut Terminal, tell).await?;
            if self.web.is_some() {
                self.farewell().await?;
            }
            Ok::<End, anyhow::Error>(end)
        })?;
        if self.json {
            super::print(&format!("{}\n", serde_json::to_string(&end)?))
        } else {
            super::print(&format!("\n{}", end.outcome.table()))
        }
    }

    fn contestants(&self) -> Result<Vec<Contestant>> {
        let boxes = self.boxes.clone().open()?;
        let mut contestants = Vec::new();
        for name in &self.players {
            contestants.push(Contestant::Box(Remote::new(boxes.find(name)?)));
        }
        for bundle in &self.bundles {
            contestants.push(Contestant::bundle(bundle)?);
        }
        ensure!(!contestants.is_empty(), "there are no contestants; name some with --box or --bundle");
        let names: Vec<&str> = contestants.iter().map(Contestant::name).collect();
        for (place, one) in names.iter().enumerate() {
            if let Some(other) = names[..place].iter().find(|other| look_alike(one, other)) {
                bail!("two contestants are called {other} and {one}; a scoreboard could not tell them apart");
            }
        }
        Ok(contestants)
    }

    /// Prepares the exhibits. Pictures are drawn into the game's `folder`.
    fn show(&self, folder: &Path) -> Result<Show> {
        if let Some(count) = self.cards {
            ensure!(count > 0, "--cards 0: a game has at least one exhibit");
            return Ok(Show::Cards(count));
        }
        if let Some(path) = &self.labels {
            return Ok(Show::Listed(labels(path)?));
        }
        ensure!(!self.look, "--look wants to know what the exhibits are: --labels FILE or --cards N");
        let pictures = self.exhibits.as_deref().context("nothing is shown; name --exhibits, or --look")?;
        let generated = match &self.generator {
            Some(bundle) => {
                // A random seed: with a known seed, the generator's pictures would be known before they are shown.
                let forger = FaceoffGenerator::of(bundle, random_seed().context("the generator has no seed")?)?;
                Some(forger.with_context(|| {
                    format!("{} holds no generator; export it again without --lean", bundle.display())
                })?)
            }
            None => None,
        };
        let collection = Collection::open(pictures, generated, &super::tell)?;
        Ok(Show::Pictures(collection.draw(self.rounds.map(usize::from), &folder.join(EXHIBITS))?))
    }

    async fn lobby(&self) -> Result<()> {
        match self.lobby {
            Some(seconds) => sleep(Duration::from_secs(seconds)).await,
            None => {
                pressed("press Enter to begin ").await?;
            }
        }
        Ok(())
    }

    /// Keeps the final scoreboard open for the audience.
    async fn farewell(&self) -> Result<()> {
        if self.lobby.is_some() || !pressed("press Enter to close the scoreboard ").await? {
            sleep(self.pace.max(FAREWELL)).await;
        }
        Ok(())
    }
}

/// Waits for Enter. Returns false at once when stdin is not a terminal.
async fn pressed(what: &str) -> Result<bool> {
    let is_there = std::io::stdin().is_terminal();
    if is_there {
        eprint!("{what}");
        tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new())).await??;
    }
    Ok(is_there)
}

/// The default folder of a game, named after the time. Two games that begin in the same second get the same name: the
/// second is then refused.
fn dated(now: OffsetDateTime) -> PathBuf {
    let (year, month, day) = now.to_calendar_date();
    let (hour, minute, second) = now.to_hms();
    format!("faceoff-{year}-{:02}-{day:02}-{hour:02}{minute:02}{second:02}", u8::from(month)).into()
}

fn labels(path: &Path) -> Result<Vec<bool>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let lines = text.lines().map(str::trim).enumerate().filter(|(_, line)| !line.is_empty());
    let labels: Vec<bool> = lines
        .map(|(number, line)| match line {
            "genuine" => Ok(true),
            "counterfeit" => Ok(false),
            other => bail!("{}:{}: `{other}`; expected genuine or counterfeit", path.display(), number + 1),
        })
        .collect::<Result<_>>()?;
    ensure!(!labels.is_empty(), "{} holds no labels", path.display());
    Ok(labels)
}

fn tell_json(round: &Round, genuine: bool) -> Result<()> {
    let answers: serde_json::Map<_, _> =
        round.answers.iter().map(|(name, answer)| (name.clone(), serde_json::json!(answer))).collect();
    let line = serde_json::json!({ "round": round.round, "genuine": genuine, "answers": answers });
    super::print(&format!("{line}\n"))
}

fn tell(round: &Round, genuine: bool) -> Result<()> {
    let truth = if genuine { "genuine" } else { "counterfeit" };
    let said: Vec<String> = round
        .answers
        .iter()
        .map(|(name, answer)| {
            let verdict = answer.verdict.map_or_else(|| "nothing".to_owned(), |verdict| verdict.to_string());
            format!("{name} {verdict} ({:.2} s)", answer.seconds)
        })
        .collect();
    super::print(&format!("{:>4}  {truth:<11}  {}\n", round.round, said.join("  ")))
}

fn pace(text: &str) -> Result<Duration, String> {
    if text == "max" { Ok(Duration::ZERO) } else { time(text) }
}

fn time(text: &str) -> Result<Duration, String> {
    let number = text.strip_suffix('s').unwrap_or(text);
    let seconds = number.parse::<f64>().ok().filter(|seconds| (0.05..=3600.0).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| format!("`{text}` is no time; expected seconds, such as 5s"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_game_without_a_name_is_called_by_its_time() {
        let at = OffsetDateTime::from_unix_timestamp(1_795_740_181).expect("a time of this century");
        assert_eq!(dated(at), Path::new("faceoff-2026-11-27-004301"));
    }
}
