//! `token`: who may have this box judge.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use clap::{Args, Subcommand};
use counterfoil_edge::config::STATE;
use counterfoil_edge::net::certificate::Certificate;
use counterfoil_edge::net::pairing::Tokens;

/// Lists, gives and takes back the tokens of those who may have this box judge
#[derive(Args)]
#[command(after_help = "\
Examples:
  counterfoil-edge token list
  counterfoil-edge token revoke referee")]
pub(crate) struct Cmd {
    #[command(subcommand)]
    action: Action,
    /// The box's state folder
    #[arg(long, value_name = "DIR", default_value = STATE, global = true)]
    state: PathBuf,
}

#[derive(Subcommand)]
enum Action {
    /// Everyone who has one, and since when
    List,
    /// Gives one without a code, to whoever may run this here; prints it and the certificate's fingerprint
    New {
        /// Who gets it; who had one by that name has it no longer
        name: String,
    },
    /// Takes one back, at once
    Revoke {
        /// Whose
        name: String,
    },
}

impl Cmd {
    pub(crate) fn run(self, out: &mut impl Write) -> anyhow::Result<ExitCode> {
        let tokens = Tokens::of(&self.state);
        match self.action {
            Action::List => {
                for token in tokens.list()? {
                    writeln!(out, "{:<40}  since {} days", token.name, token.age().as_secs() / 86_400)?;
                }
            }
            Action::New { name } => {
                let certificate = Certificate::of(&self.state)?;
                writeln!(
                    out,
                    "{}",
                    serde_json::json!({ "name": name, "token": tokens.give(&name)?, "fingerprint": certificate.fingerprint() })
                )?;
            }
            Action::Revoke { name } => {
                if !tokens.revoke(&name)? {
                    bail!("nobody called {name} has a token; `counterfoil-edge token list` says who has");
                }
                writeln!(out, "{name} is out")?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
