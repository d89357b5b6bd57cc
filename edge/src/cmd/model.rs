//! `model`: manages the installed models, the one that runs and the one that ran before.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use counterfoil_edge::config::STATE;
use counterfoil_edge::store::slots::{Slot, Slots, short};
use counterfoil_edge::store::trial::Abandon;
use counterfoil_edge::store::trust::Trust;

/// Installs, lists and selects the models of this box
#[derive(Args)]
#[command(after_help = "\
Examples:
  counterfoil-edge model install my-bundle --select
  counterfoil-edge model list
  counterfoil-edge model rollback

A model is checked before it is installed: its files' hashes, its signature where a key is installed, that it is not older than another
of its name, and its golden pictures on this very box. A running `watch` takes another model within a second, without a pause.")]
pub(crate) struct Cmd {
    /// The box's state folder
    #[arg(long, value_name = "DIR", default_value = STATE, global = true)]
    state: PathBuf,
    /// Print one JSON object per model
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Checks a bundle and copies it into its own slot
    Install {
        /// The bundle's folder
        bundle: PathBuf,
        /// Install it even if a newer bundle of the same name is installed
        #[arg(long)]
        older: bool,
        /// Select it at once
        #[arg(long)]
        select: bool,
    },
    /// Lists the installed models and marks the one that runs
    List,
    /// Selects another model
    Select {
        /// The beginning of its fingerprint
        id: String,
    },
    /// Selects the model that ran before
    Rollback,
}

impl Cmd {
    pub(crate) fn run(self, out: &mut impl Write) -> anyhow::Result<ExitCode> {
        let slots = Slots::of(&self.state);
        let models = match self.what {
            What::Install { bundle, older, select } => {
                let install = if select { Slots::install_and_select } else { Slots::install };
                vec![install(&slots, &bundle, &Trust::of(&self.state)?, older, &Abandon::default())?]
            }
            What::List => slots.list()?,
            What::Select { id } => vec![slots.select(&id)?],
            What::Rollback => vec![slots.rollback()?],
        };
        if models.is_empty() && !self.json {
            writeln!(out, "no models are installed; `counterfoil-edge model install BUNDLE` does that")?;
        }
        for slot in &models {
            if self.json {
                writeln!(out, "{}", serde_json::to_string(slot)?)?;
            } else {
                writeln!(out, "{}", row(slot))?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn row(slot: &Slot) -> String {
    let mark = match (slot.current, slot.previous) {
        (true, _) => "runs",
        (_, true) => "ran before",
        _ => "",
    };
    format!("{}  {} (number {})  {mark}", short(&slot.id), slot.name, slot.counter).trim_end().to_owned()
}
