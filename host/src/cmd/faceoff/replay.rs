//! `counterfoil faceoff replay`: shows a recorded game on the scoreboard again.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use counterfoil_host::game::record::{outcome, verified};
use counterfoil_host::game::referee::{EXHIBITS, TRANSCRIPT};
use counterfoil_host::game::scoreboard::{self, GameView};
use tokio::time::sleep;

/// Shows a recorded game on the scoreboard again
#[derive(Args, Debug)]
#[command(after_help = "Example:
  counterfoil faceoff replay faceoff-2026-11-27-193000 --web 0.0.0.0:8080 --pace 3s")]
pub(crate) struct Replay {
    /// The game's folder
    #[arg(value_name = "DIR")]
    game: PathBuf,
    /// Address of the scoreboard
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    web: SocketAddr,
    /// Time for which each round is shown, and then unveiled
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = super::time)]
    pace: Duration,
    /// Seconds to open the page before the replay begins
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    lobby: u64,
}

impl Replay {
    pub(crate) fn run(self) -> Result<()> {
        let path = self.game.join(TRANSCRIPT);
        let text = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let (begin, rounds, end) = verified(&text).with_context(|| format!("{} is not sound", path.display()))?;
        super::super::runtime()?.block_on(async {
            let view = Arc::new(GameView::default());
            view.begin(&begin);
            let at = scoreboard::open(&view, self.web).await?;
            eprintln!("scoreboard: http://{at}/");
            sleep(Duration::from_secs(self.lobby)).await;
            for (place, round) in rounds.iter().enumerate() {
                let picture = round
                    .exhibit
                    .as_ref()
                    .and_then(|_| fs::read(self.game.join(EXHIBITS).join(format!("{:04}.png", round.round))).ok());
                view.show(round.round, picture.map(Into::into), self.pace);
                sleep(self.pace).await;
                view.unveil(round, end.opened.genuine[place]);
                view.scores(&outcome(&rounds[..=place], &end.opened.genuine[..=place]).standings);
                sleep(self.pace).await;
            }
            view.end(&end);
            sleep(self.pace.max(Duration::from_secs(5))).await;
            Ok(())
        })
    }
}
