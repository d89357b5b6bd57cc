//! `journal`: prints the recorded verdicts as CSV.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use counterfoil_edge::config::STATE;
use counterfoil_edge::store::journal;

/// Prints the journal of verdicts as CSV, oldest first
#[derive(Args)]
#[command(after_help = "\
Example:
  counterfoil-edge journal --state /var/lib/counterfoil > verdicts.csv

Columns: time_ms (since 1970, by the box's clock), verdict, p_value, score, picture and bundle (SHA-256), file (the picture's, where it had one).")]
pub(crate) struct Cmd {
    /// The box's state folder
    #[arg(long, value_name = "DIR", default_value = STATE)]
    state: PathBuf,
}

impl Cmd {
    pub(crate) fn run(self, out: &mut impl Write) -> anyhow::Result<ExitCode> {
        writeln!(out, "time_ms,verdict,p_value,score,picture,bundle,file")?;
        let damaged = journal::read(&self.state.join("journal"), |entry| {
            let journal::Entry { time_ms, picture, score, p_value, verdict, bundle, file } = entry;
            let file = field(&file.unwrap_or_default());
            writeln!(out, "{time_ms},{verdict},{p_value},{score},{picture},{bundle},{file}")
        })?;
        if damaged > 0 {
            let _ = writeln!(io::stderr(), "counterfoil-edge: {damaged} lines of the journal are damaged and left out");
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Quotes text as a CSV field if necessary (RFC 4180).
fn field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name_of_a_file_is_one_field() {
        assert_eq!([field("a b.png"), field("a,\"b\"\n")], ["a b.png".to_owned(), "\"a,\"\"b\"\"\n\"".to_owned()]);
    }
}
