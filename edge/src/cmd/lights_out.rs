//! `lights-out`: puts the lights out that a program left on that was killed.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use counterfoil_edge::config::{Config, PLACE};
use counterfoil_edge::show::board::Board;

/// Puts the lights out; the service does so whenever it ends
#[derive(Args)]
#[command(after_help = "\
Example:
  counterfoil-edge lights-out --config /etc/counterfoil/edge.toml")]
pub(crate) struct Cmd {
    /// The file that names the lights and their pins
    #[arg(long, value_name = "FILE", default_value = PLACE)]
    config: PathBuf,
}

impl Cmd {
    pub(crate) fn run(self, out: &mut impl Write) -> anyhow::Result<ExitCode> {
        // With a file that cannot be read, the header's usual pins are the best guess.
        let config = Config::read(&self.config).unwrap_or_default();
        let board = Board::open(config.lights, &config.pins)?;
        // Taken dark, and left dark.
        drop(board.lights);
        writeln!(out, "lights are out; they are had by {}", board.name)?;
        Ok(ExitCode::SUCCESS)
    }
}
