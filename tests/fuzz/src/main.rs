//! Feeds every parser of bytes from elsewhere with mutations of good files, and fails on a panic, an abort, a hang
//! or more memory than a parser may take.
//!
//! Every target runs in a child process with a limit on its address space. The child writes each input down before
//! it is tried, so that an input that kills it is kept as well. On stable Rust there is no coverage to steer by:
//! an input with a new outcome (the parser's message, without numbers) becomes a seed instead. A run is a function
//! of the seed and the number of executions, but for the key of the target `bundle`, which is new in each run.

mod mutation;
mod targets;

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::{Parser, Subcommand};
use rand::SeedableRng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use rustix::process::{Resource, Rlimit, setrlimit};

use targets::{TARGETS, Target};

/// Address space of a child in bytes. A box has 512 MB of memory; a reservation is not yet memory, hence the rest.
const MOST_MEMORY: u64 = 4 << 30;
/// Longest time for one input.
const LONGEST: Duration = Duration::from_secs(20);
/// Most seeds that are kept for new outcomes.
const MOST_SEEDS: usize = 2000;
/// Name of the file with the input that is being tried.
const CURRENT: &str = "current";

/// Fuzzes Counterfoil's parsers.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Fuzzes targets side by side and prints a line for each. Exit code 1 when something was found.
    Run {
        /// Targets; without any, all of them.
        targets: Vec<String>,
        /// Seconds for each target.
        #[arg(long, default_value_t = 30)]
        seconds: u64,
        /// Seed of the mutations.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Targets at a time.
        #[arg(long, default_value_t = 2)]
        jobs: usize,
        /// Folder for inputs that a parser did not survive.
        #[arg(long, default_value = "target/fuzz")]
        findings: PathBuf,
    },
    /// Feeds one file to a target and prints the outcome.
    Replay {
        /// Name of the target.
        target: String,
        /// The input.
        file: PathBuf,
    },
    /// Prints the names of the targets.
    List,
    /// Runs one target in this process; `run` calls it.
    #[command(hide = true)]
    Child { target: String, seconds: u64, seed: u64, folder: PathBuf },
}

fn main() -> Result<ExitCode> {
    match Arguments::parse().command {
        Action::Run { targets, seconds, seed, jobs, findings } => {
            run(&chosen(&targets)?, seconds, seed, jobs, &findings)
        }
        Action::Replay { target, file } => {
            let (target, folder) = (find(&target)?, tempfile::tempdir()?);
            (target.seeds)(folder.path())?;
            let input = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
            writeln!(std::io::stdout(), "{}", (target.run)(&input, folder.path()))?;
            Ok(ExitCode::SUCCESS)
        }
        Action::List => {
            TARGETS.iter().try_for_each(|target| writeln!(std::io::stdout(), "{}", target.name))?;
            Ok(ExitCode::SUCCESS)
        }
        Action::Child { target, seconds, seed, folder } => child(find(&target)?, seconds, seed, &folder),
    }
}

fn find(name: &str) -> Result<&'static Target> {
    let names = || TARGETS.map(|target| target.name).join(", ");
    TARGETS
        .iter()
        .find(|target| target.name == name)
        .with_context(|| format!("there is no target {name}: expected {}", names()))
}

fn chosen(names: &[String]) -> Result<Vec<&'static Target>> {
    if names.is_empty() { Ok(TARGETS.iter().collect()) } else { names.iter().map(|name| find(name)).collect() }
}

/// Runs children, `jobs` at a time, and prints what each did.
fn run(targets: &[&Target], seconds: u64, seed: u64, jobs: usize, findings: &Path) -> Result<ExitCode> {
    ensure!(jobs > 0, "--jobs 0: expected at least 1");
    fs::create_dir_all(findings).with_context(|| format!("cannot create {}", findings.display()))?;
    let next = AtomicU64::new(0);
    let failed = AtomicU64::new(0);
    let work = || -> Result<()> {
        while let Some(target) = targets.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
            if !one(target, seconds, seed, findings)? {
                failed.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(())
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("a worker does not panic"))
    })?;
    let failed = failed.into_inner();
    writeln!(std::io::stdout(), "{} targets, {failed} with findings", targets.len())?;
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs one child. False when it found something: its input is kept in `findings`.
fn one(target: &Target, seconds: u64, seed: u64, findings: &Path) -> Result<bool> {
    let folder = tempfile::tempdir()?;
    let ran = Command::new(std::env::current_exe()?)
        .args(["child", target.name, &seconds.to_string(), &seed.to_string()])
        .arg(folder.path())
        .stdin(Stdio::null())
        .output()?;
    let mut stdout = std::io::stdout().lock();
    if ran.status.success() {
        write!(stdout, "{}", String::from_utf8_lossy(&ran.stdout))?;
        return Ok(true);
    }
    let kept = findings.join(format!("{}-{seed}", target.name));
    let why = String::from_utf8_lossy(&ran.stderr);
    match fs::copy(folder.path().join(CURRENT), &kept) {
        Ok(_) => writeln!(stdout, "{}: {}; the input is {}\n{}", target.name, ran.status, kept.display(), why.trim())?,
        Err(_) => bail!("{} found no seeds to start from ({}): {}", target.name, ran.status, why.trim()),
    }
    Ok(false)
}

fn child(target: &Target, seconds: u64, seed: u64, folder: &Path) -> Result<ExitCode> {
    let (current, own) = (folder.join(CURRENT), folder.join("target"));
    fs::create_dir(&own)?;
    let mut seeds = (target.seeds)(&own)?;
    ensure!(!seeds.is_empty(), "{} has no seeds", target.name);
    setrlimit(Resource::As, Rlimit { current: Some(MOST_MEMORY), maximum: Some(MOST_MEMORY) })?;

    let done = Arc::new(AtomicU64::new(0));
    watch(Arc::clone(&done));
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (start, end) = (Instant::now(), Duration::from_secs(seconds));
    let (mut outcomes, mut input) = (BTreeSet::new(), Vec::new());
    let first = seeds.len();
    for number in 0.. {
        // The seeds themselves come first, unchanged.
        if number < first {
            input.clone_from(&seeds[number]);
        } else if start.elapsed() >= end {
            break;
        } else {
            let [seed, other] = [(); 2].map(|()| seeds.choose(&mut rng).expect("there is a seed"));
            input = mutation::mutate(seed, other, &mut rng);
        }
        fs::write(&current, &input)?;
        let Ok(outcome) = catch_unwind(|| (target.run)(&input, &own)) else {
            complain(&format!("{} panicked", target.name));
            return Ok(ExitCode::FAILURE);
        };
        if outcomes.insert(outcome) && number >= first && seeds.len() < MOST_SEEDS {
            seeds.push(input.clone());
        }
        done.fetch_add(1, Ordering::Relaxed);
    }
    let (count, seconds) = (done.load(Ordering::Relaxed), start.elapsed().as_secs_f64());
    let rate = count as f64 / seconds;
    writeln!(
        std::io::stdout(),
        "{:<11} {count:>8} executions, {rate:>7.0} a second, {:>4} outcomes, 0 findings",
        target.name,
        outcomes.len()
    )?;
    Ok(ExitCode::SUCCESS)
}

/// Ends the process when an input takes longer than [`LONGEST`].
fn watch(done: Arc<AtomicU64>) {
    thread::spawn(move || {
        let (mut last, mut since) = (0, Instant::now());
        loop {
            thread::sleep(Duration::from_secs(1));
            let now = done.load(Ordering::Relaxed);
            if now != last {
                (last, since) = (now, Instant::now());
            } else if since.elapsed() > LONGEST {
                complain(&format!("an input took more than {} s", LONGEST.as_secs()));
                std::process::exit(3);
            }
        }
    });
}

fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
