//! `token`: manages the tokens of visitors who may have this box judge pictures.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use clap::{Args, Subcommand};
use counterfoil_edge::config::STATE;
use counterfoil_edge::net::certificate::Certificate;
use counterfoil_edge::net::pairing::Tokens;

/// Lists, issues and revokes the tokens of visitors who may have this box judge pictures
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
    /// Lists the names that have a token, and since when
    List,
    /// Issues a token without a code, for a user of this computer; prints it and the certificate's fingerprint
    New {
        /// Name of the visitor; an earlier token of that name is revoked
        name: String,
    },
    /// Revokes a token at once
    Revoke {
        /// Name of the visitor
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
                    bail!("{name} has no token; `counterfoil-edge token list` lists those who have one");
                }
                writeln!(out, "{name} is out")?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
