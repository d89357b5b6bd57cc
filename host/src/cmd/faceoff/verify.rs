//! `counterfoil faceoff verify`: checks that a recorded game is consistent.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::Args;
use counterfoil_host::game::record::verified;
use counterfoil_host::game::referee::{EXHIBITS, TRANSCRIPT};
use counterfoil_models::sha256_hex;

/// Checks a recorded game: no byte was changed, the seal opens, and the outcome follows from the answers
#[derive(Args, Debug)]
#[command(after_help = "Example:
  counterfoil faceoff verify faceoff-2026-11-27-193000")]
pub(crate) struct Verify {
    /// The game's folder
    #[arg(value_name = "DIR")]
    game: PathBuf,
}

impl Verify {
    pub(crate) fn run(self) -> Result<()> {
        let path = self.game.join(TRANSCRIPT);
        let text = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let (begin, rounds, end) = verified(&text).with_context(|| format!("{} is not sound", path.display()))?;
        let mut pictures = 0;
        for round in &rounds {
            let Some(sha256) = &round.exhibit else { continue };
            let picture = self.game.join(EXHIBITS).join(format!("{:04}.png", round.round));
            let bytes = fs::read(&picture).with_context(|| format!("the exhibit {} is missing", picture.display()))?;
            ensure!(sha256_hex(&bytes) == *sha256, "{} is not the exhibit that was shown", picture.display());
            pictures += 1;
        }
        let sealed = if begin.seal.is_some() { "the seal opens" } else { "all cards open" };
        super::super::print(&format!(
            "sound: {} rounds, {pictures} exhibits as they were shown, {sealed}; {}\n",
            rounds.len(),
            end.outcome.sentence()
        ))
    }
}
