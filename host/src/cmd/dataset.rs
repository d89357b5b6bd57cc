//! `counterfoil dataset`: draws the specimen notes, makes the forger zoo, or inspects a folder before training.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use counterfoil_host::data::{self, InputRule, Inspection, LEAK, Preview, ResolvedInput, inspect};
use counterfoil_host::detector::Kind;
use counterfoil_host::synthetic::specimen;
use counterfoil_host::synthetic::zoo::{self, Plan};
use counterfoil_models::{Preprocess, ensure_folder_free, ensure_free};
use serde::Serialize;

/// Draws or inspects pictures to train on
#[derive(Debug, Subcommand)]
pub(crate) enum Dataset {
    Specimen(Specimen),
    Zoo(Zoo),
    Inspect(Inspect),
}

/// Draws specimen banknotes: DIR/real, DIR/fake/FAMILY, and DIR/sheet.png to print
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  counterfoil dataset specimen --out notes --real 500 --fakes 50")]
pub(crate) struct Specimen {
    /// Output folder, new or empty
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Number of genuine notes
    #[arg(long, default_value_t = 500)]
    real: usize,
    /// Number of counterfeits of each family
    #[arg(long, default_value_t = 50)]
    fakes: usize,
    /// Random seed; the same seed draws the same notes
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Write a zoo for `eval --zoo`: half as many more genuine notes for judging, and the families in three folds
    #[arg(long)]
    zoo: bool,
}

/// Makes the forger zoo of an IDX folder: ZOO/train, ZOO/genuine, three folds of forger families, and ZOO/sheet.png
#[derive(Args, Debug)]
#[command(after_help = "Example:
  counterfoil dataset zoo --data mnist --out zoo
  counterfoil train --data zoo/train --out run --minutes 6
  counterfoil export run --out bundle
  counterfoil eval --bundle bundle --genuine zoo/genuine --fake zoo/fold-3

Families are whole and their folds fixed, zoo.toml names them. No picture of zoo/train or zoo/genuine is a forgery's original.")]
pub(crate) struct Zoo {
    /// A folder with train-images-idx3-ubyte[.gz], such as MNIST or Fashion-MNIST; its t10k files are not read
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Output folder, new or empty
    #[arg(long, value_name = "ZOO")]
    out: PathBuf,
    /// Random seed; the same seed makes the same zoo
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Number of forgeries of each family
    #[arg(long, default_value_t = 600, value_parser = at_least_one)]
    per_family: usize,
    /// Number of genuine pictures for judging
    #[arg(long, default_value_t = 3000, value_parser = at_least_one)]
    judge: usize,
    /// Make only these families, separated by commas
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    families: Vec<String>,
}

/// Shows counts, sizes, duplicates across groups, and what a single number can tell (the leakage check)
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  counterfoil dataset inspect notes")]
pub(crate) struct Inspect {
    /// A folder of pictures, a folder with real/ and fake/, or an IDX file
    path: PathBuf,
    /// Regular expression on file names; its first capture is the group, such as 'w(\d+)_'
    #[arg(long, value_name = "REGEX")]
    group: Option<String>,
    /// Draw what a detector would see of some pictures, with the defaults of `train`, into this PNG file
    #[arg(long, value_name = "FILE")]
    sheet: Option<PathBuf>,
    /// Print one JSON object instead of a table
    #[arg(long)]
    json: bool,
}

impl Dataset {
    pub(crate) fn run(self) -> Result<()> {
        match self {
            Self::Specimen(command) => command.run(),
            Self::Zoo(command) => command.run(),
            Self::Inspect(command) => command.run(),
        }
    }
}

impl Specimen {
    fn run(self) -> Result<()> {
        ensure_folder_free(&self.out, &[])?;
        if self.zoo {
            specimen::write_zoo(&self.out, self.seed, self.real, self.real.div_ceil(2), self.fakes)
                .with_context(|| format!("cannot draw a zoo of specimen notes into {}", self.out.display()))?;
            eprintln!("drew a zoo of specimen notes into {}", self.out.display());
            return Ok(());
        }
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

impl Zoo {
    fn run(self) -> Result<()> {
        let families =
            if self.families.is_empty() { zoo::FAMILIES.iter().collect() } else { zoo::chosen(&self.families)? };
        let plan = Plan { seed: self.seed, per_family: self.per_family, judge: self.judge, families };
        let made = zoo::make(&self.data, &self.out, &plan, |done| eprintln!("{done}"))?;
        eprintln!(
            "{} families of {} forgeries, {} genuine pictures to train on and {} to judge by; look at {}",
            made.families.len(),
            made.per_family,
            made.train,
            made.judge,
            self.out.join("sheet.png").display()
        );
        Ok(())
    }
}

impl Inspect {
    fn run(self) -> Result<()> {
        let dataset = data::Dataset::open(&self.path, self.group.as_deref())?;
        dataset.understood.tell(&super::tell);
        let found = inspect(&dataset)?;
        for line in data::unread(&found.unreadable, "counted") {
            super::tell(&line);
        }
        let seen = (found.genuine > 0).then(|| self.seen(&dataset)).and_then(|seen| {
            seen.inspect_err(|error| super::tell(&format!("`train` would not take these pictures: {error}"))).ok()
        });
        if let Some(file) = &self.sheet {
            draw_sheet(file, &dataset, seen.as_ref())?;
        }
        if self.json {
            let input = seen.as_ref().map(|seen| &seen.input);
            return super::print(&format!("{}\n", serde_json::to_string(&Json { found: &found, input })?));
        }
        let mut text = String::new();
        writeln!(text, "genuine   {} pictures in {} groups", found.genuine, found.groups)?;
        let fakes: usize = found.fake.values().sum();
        writeln!(text, "fake      {fakes} pictures in {} families", found.fake.len())?;
        writeln!(text, "sizes     {}", sizes(&found.sizes))?;
        if let Some(ResolvedInput { input, pool, placement }) = &seen {
            let [across, down] = *pool;
            let color = if input.channels() == 1 { "grey" } else { "rgb" };
            let size = format!("{}x{} {color}", input.width, input.height);
            let regions = if input.rows() > 1 { format!(", {} regions", input.rows()) } else { String::new() };
            let game = (input.width as usize / across, input.height as usize / down);
            let game = if *pool == [1, 1] { String::new() } else { format!(", {}x{} for the game", game.0, game.1) };
            writeln!(text, "input     {size}{regions}{game}, with the defaults of `train`")?;
            placement.iter().try_for_each(|placement| writeln!(text, "article   {placement}"))?;
        }
        if let Some(series) = &found.series {
            writeln!(text, "series    {series}")?;
        }
        found.differing.iter().try_for_each(|line| writeln!(text, "differs   {line}"))?;
        writeln!(text, "twins     {} pairs of pictures in different groups", found.duplicates.len())?;
        for [first, second] in found.duplicates.iter().take(5) {
            writeln!(text, "          {first} = {second}")?;
        }
        if !found.simple_statistics.is_empty() {
            writeln!(text, "\nWhat one number alone tells (AUROC, 0.5 is nothing):")?;
            for (family, best) in &found.simple_statistics {
                let auroc = best.metrics.auroc.value;
                let leak = if auroc > LEAK { "  LEAKS: a detector that does as well has learnt nothing" } else { "" };
                writeln!(text, "  {family:24} {auroc:.3}  {}{leak}", best.cue)?;
            }
        }
        super::print(&text)
    }
}

/// What `dataset inspect --json` prints.
#[derive(Serialize)]
struct Json<'a> {
    #[serde(flatten)]
    found: &'a Inspection,
    /// How `train` would make its input of the pictures; `None` without genuine pictures.
    input: Option<&'a Preprocess>,
}

impl Inspect {
    /// How `train` would see the genuine pictures.
    fn seen(&self, dataset: &data::Dataset) -> Result<ResolvedInput> {
        let defaults = Kind::Dcgan.recipe().input();
        InputRule::default().resolve(&dataset.settings, &defaults, &Preview::new(&dataset.genuine, &self.path))
    }
}

/// Draws what a detector sees of some genuine pictures and of some counterfeits.
fn draw_sheet(file: &Path, dataset: &data::Dataset, seen: Option<&ResolvedInput>) -> Result<()> {
    let seen = seen.context("--sheet: there are no genuine pictures that can be read")?;
    ensure_free(file, false)?;
    let fakes = dataset.fake.len().min(data::SHEET_PICTURES / 2);
    let genuine = data::spread(&dataset.genuine, data::SHEET_PICTURES - fakes);
    let items: Vec<&data::Item> = genuine.chain(data::spread(&dataset.fake, fakes)).collect();
    let sheet = data::sheet(&items, &seen.input, seen.pool).context("--sheet: no article was found in any picture")?;
    sheet.save(file).with_context(|| format!("cannot write {}; give a name that ends in .png", file.display()))
}

/// Parses a count of at least 1.
fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|count| *count > 0).ok_or_else(|| "expected a whole number of at least 1".to_owned())
}

/// The most frequent sizes, and how many others there are.
fn sizes(found: &BTreeMap<String, usize>) -> String {
    const SHOWN: usize = 5;
    let mut by_count: Vec<_> = found.iter().collect();
    by_count.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let (most, rest) = by_count.split_at(SHOWN.min(by_count.len()));
    let text = most.iter().map(|(size, count)| format!("{size} ({count})")).collect::<Vec<_>>().join(", ");
    let pictures: usize = rest.iter().map(|(_, count)| **count).sum();
    if rest.is_empty() { text } else { format!("{text} and {} others ({pictures})", rest.len()) }
}
