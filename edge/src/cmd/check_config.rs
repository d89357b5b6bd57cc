//! `check-config`: reads the configuration as `watch` does, and reports what is wrong with it.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use clap::Args;
use counterfoil_edge::config::{CONFIG_PATH, Config};

/// Checks a configuration file: unknown keys, values of the wrong type, keys that have no effect with the other keys
#[derive(Args)]
#[command(after_help = "\
Example:
  counterfoil-edge check-config /etc/counterfoil/edge.toml

Exit codes: 0 the file is sound, 2 it is not; the reason is on stderr.")]
pub(crate) struct Cmd {
    /// The configuration file
    #[arg(default_value = CONFIG_PATH)]
    file: PathBuf,
}

impl Cmd {
    pub(crate) fn run(self, out: &mut impl Write) -> anyhow::Result<ExitCode> {
        let config = Config::read(&self.file)?;
        let idle = config.without_effect();
        if !idle.is_empty() {
            bail!("{}: {}", self.file.display(), idle.join("; "));
        }
        writeln!(out, "sound: {} is watched, what is learned lies in {}", config.source, config.state.display())?;
        Ok(ExitCode::SUCCESS)
    }
}
