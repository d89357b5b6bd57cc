//! `key`: manages the public keys whose bundles this box accepts.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use counterfoil_edge::config::STATE;
use counterfoil_edge::store::trust::Trust;

/// Installs and lists the public keys whose bundles this box accepts; without a key it accepts every bundle
#[derive(Args)]
#[command(after_help = "\
Example:
  counterfoil-edge key install counterfoil.pub")]
pub(crate) struct Cmd {
    /// The box's state folder
    #[arg(long, value_name = "DIR", default_value = STATE, global = true)]
    state: PathBuf,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Installs a public key: from then on only bundles signed with its secret key are installed
    Install {
        /// The .pub file that `counterfoil key new` wrote
        file: PathBuf,
    },
    /// Lists the files of the keys
    List,
}

impl Cmd {
    pub(crate) fn run(self, out: &mut impl Write) -> anyhow::Result<ExitCode> {
        match self.what {
            What::Install { file } => {
                let place = Trust::install(&self.state, &file)?;
                writeln!(
                    out,
                    "{}: only bundles signed with its secret key are installed from now on",
                    place.display()
                )?;
            }
            What::List => {
                for key in Trust::of(&self.state)?.keys() {
                    writeln!(out, "{}", key.display())?;
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
