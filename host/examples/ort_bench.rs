//! Times a bundle's discriminator in ONNX Runtime on one thread, in microseconds per run, for comparison with the
//! edge binary. It is an example, so that neither program links `ort` for it.
//!
//! ```text
//! cargo run --release --example ort_bench -- \
//!     --library "$(scripts/onnxruntime)" --shape 1,1,28,28 bundle/discriminator.onnx
//! ```
//! prints one JSON line. With `--interleave` it waits for lines on stdin instead. It answers each line `go` with
//! one block of runs and its JSON line, so that a script can let two programs take turns on one machine.

use std::io::{BufRead as _, Write as _};
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context as _, Result};
use clap::Parser;
use counterfoil_host::export::runtime::{Runtime, Session};

/// Times a discriminator in ONNX Runtime, one thread.
#[derive(Parser)]
struct Args {
    /// The ONNX file.
    onnx: PathBuf,
    /// ONNX Runtime's library, as scripts/onnxruntime prints it.
    #[arg(long)]
    library: PathBuf,
    /// The input's shape: regions, channels, height, width.
    #[arg(long, value_delimiter = ',', required = true)]
    shape: Vec<usize>,
    /// Runs in a block.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Runs before the first block, not counted.
    #[arg(long, default_value_t = 100)]
    warm_up: u32,
    /// Run one block for each line `go` on stdin.
    #[arg(long)]
    interleave: bool,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let onnx = std::fs::read(&args.onnx).with_context(|| format!("reading {}", args.onnx.display()))?;
    let runtime = Runtime::load(&args.library)?;
    let mut session = runtime.session(&onnx)?;
    // Any picture does: the time does not depend on the pixels.
    let input: Vec<f32> = (0..args.shape.iter().product()).map(|i: usize| (i % 256) as f32 / 255.0).collect();
    time(&mut session, &input, &args.shape, args.warm_up)?;
    if !args.interleave {
        return block(&mut session, &input, &args, runtime.version());
    }
    for line in std::io::stdin().lock().lines() {
        if line?.trim() == "go" {
            block(&mut session, &input, &args, runtime.version())?;
        }
    }
    Ok(())
}

/// Runs one block and prints its line.
fn block(session: &mut Session, input: &[f32], args: &Args, version: &str) -> Result<()> {
    let mut times = time(session, input, &args.shape, args.runs)?;
    times.sort_unstable_by(f64::total_cmp);
    let at = |part: f64| times[((times.len() - 1) as f64 * part).round() as usize];
    let line = serde_json::json!({
        "engine": "onnxruntime",
        "version": version,
        "runs": times.len(),
        "median_us": at(0.5),
        "p99_us": at(0.99),
    });
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{line}")?;
    Ok(stdout.flush()?)
}

/// The duration of each of `runs` runs, in microseconds.
fn time(session: &mut Session, input: &[f32], shape: &[usize], runs: u32) -> Result<Vec<f64>> {
    let one = |_| {
        let start = Instant::now();
        session.run(input, shape)?;
        Ok(start.elapsed().as_secs_f64() * 1e6)
    };
    (0..runs).map(one).collect()
}
