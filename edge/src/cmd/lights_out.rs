//! `lights-out`: turns off the lights that a killed program left on.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use counterfoil_edge::config::{CONFIG_PATH, Config};
use counterfoil_edge::show::board::Board;

/// Turns the lights off; the service does so whenever it ends
#[derive(Args)]
#[command(after_help = "\
Example:
  counterfoil-edge lights-out --config /etc/counterfoil/edge.toml")]
pub(crate) struct Cmd {
    /// The file that names the lights and their pins
    #[arg(long, value_name = "FILE", default_value = CONFIG_PATH)]
    config: PathBuf,
}

impl Cmd {
    pub(crate) fn run(self, out: &mut impl Write) -> anyhow::Result<ExitCode> {
        // If the file cannot be read, the default pins are the best guess.
        let config = Config::read(&self.config).unwrap_or_default();
        let board = Board::open(config.lights, &config.pins)?;
        // Opening the board and dropping the lights both turn them off.
        drop(board.lights);
        writeln!(out, "lights are out; they are had by {}", board.name)?;
        Ok(ExitCode::SUCCESS)
    }
}
