//! `counterfoil dataset`: draws the embedded specimen notes, or looks at a folder before it is trained on.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use counterfoil_host::data::{self, LEAK, inspect};
use counterfoil_host::specimen;

/// Draws or inspects pictures to train on
#[derive(Debug, Subcommand)]
pub(crate) enum Dataset {
    Specimen(Specimen),
    Inspect(Inspect),
}

/// Draws specimen banknotes: DIR/real, DIR/fake/FAMILY, and DIR/sheet.png to print
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  counterfoil dataset specimen --out notes --real 500 --fakes 50")]
pub(crate) struct Specimen {
    /// Where to
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Genuine notes
    #[arg(long, default_value_t = 500)]
    real: usize,
    /// Counterfeits of each family
    #[arg(long, default_value_t = 50)]
    fakes: usize,
    /// The same seed draws the same notes
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Counts, sizes, twins, and what one number alone can tell (the leakage check)
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  counterfoil dataset inspect notes")]
pub(crate) struct Inspect {
    /// A folder of pictures, a folder with real/ and fake/, or an IDX file
    path: PathBuf,
    /// Pattern on file names whose first capture names the group, such as 'w(\d+)_'
    #[arg(long, value_name = "REGEX")]
    group: Option<String>,
    /// One JSON object instead of a table
    #[arg(long)]
    json: bool,
}

impl Dataset {
    pub(crate) fn run(self) -> Result<()> {
        match self {
            Self::Specimen(command) => command.run(),
            Self::Inspect(command) => command.run(),
        }
    }
}

impl Specimen {
    fn run(self) -> Result<()> {
        specimen::write_dataset(&self.out, self.seed, self.real, self.fakes)
            .with_context(|| format!("cannot draw specimen notes into {}", self.out.display()))?;
        let families = specimen::Family::ALL.len();
        eprintln!(
            "drew {} genuine notes and {families} families of {} counterfeits into {}; print {}",
            self.real,
            self.fakes,
            self.out.display(),
            self.out.join("sheet.png").display()
        );
        Ok(())
    }
}

impl Inspect {
    fn run(self) -> Result<()> {
        let dataset = data::Dataset::open(&self.path, self.group.as_deref())?;
        let found = inspect(&dataset)?;
        if self.json {
            return super::print(&format!("{}\n", serde_json::to_string(&found)?));
        }
        let mut text = String::new();
        writeln!(text, "genuine   {} pictures in {} groups", found.genuine, found.groups)?;
        let fakes: usize = found.fake.values().sum();
        writeln!(text, "fake      {fakes} pictures in {} families", found.fake.len())?;
        let sizes = found.sizes.iter().map(|(size, count)| format!("{size} ({count})")).collect::<Vec<_>>();
        writeln!(text, "sizes     {}", sizes.join(", "))?;
        writeln!(text, "twins     {} pairs of pictures in different groups", found.duplicates.len())?;
        for [first, second] in found.duplicates.iter().take(5) {
            writeln!(text, "          {first} = {second}")?;
        }
        if !found.cues.is_empty() {
            writeln!(text, "\nWhat one number alone tells (AUROC, 0.5 is nothing):")?;
            for (family, best) in &found.cues {
                let auroc = best.metrics.auroc.value;
                let leak = if auroc > LEAK { "  LEAKS: a detector that does as well has learnt nothing" } else { "" };
                writeln!(text, "  {family:24} {auroc:.3}  {}{leak}", best.cue)?;
            }
        }
        super::tell_unreadable(&found.unreadable);
        super::print(&text)
    }
}
