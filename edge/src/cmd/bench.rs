//! `bench`: measures how fast this box judges the golden pictures of a bundle, stage by stage.

use std::collections::BTreeMap;
use std::fs;
use std::hint::black_box;
use std::io::{self, Write};
use std::num::NonZero;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use counterfoil_edge::inference::{Engine, NodeTime};
use counterfoil_edge::{Detector, threads};
use counterfoil_models::{DISCRIMINATOR, Frame};
use serde::Serialize;

use super::bundle::BundleOption;

/// Number of untimed runs before each block of timed runs.
const WARM_UP: usize = 10;
/// Number of single nodes that are shown.
const SLOWEST: usize = 20;

/// Measures speed and memory on this box: decoding, preprocessing, scoring, and all of them together
#[derive(Args)]
#[command(after_help = "\
Example:
  counterfoil-edge bench --bundle models/pretrained/specimen-note --seconds 5")]
pub(crate) struct Cmd {
    #[command(flatten)]
    bundle: BundleOption,
    /// Seconds to measure for
    #[arg(long, default_value_t = 3.0, value_parser = seconds)]
    seconds: f64,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
    /// Show how the time of a run divides among the operators of the network, and its slowest nodes
    #[arg(long, conflicts_with = "json")]
    nodes: bool,
    /// For each line on stdin, run the network K times on one thread and print `{"median_us": ...}`: for
    /// scripts/bench-edge, which alternates between this and another engine
    #[arg(long, value_name = "K", hide = true)]
    blocks: Option<NonZero<usize>>,
}

fn seconds(text: &str) -> Result<f64, String> {
    let expected = || "expected seconds between 0.1 and 3600".to_owned();
    text.parse().ok().filter(|s| (0.1..=3600.0).contains(s)).ok_or_else(expected)
}

/// Durations of one stage in microseconds.
#[derive(Serialize)]
struct Stage {
    median_us: f64,
    p99_us: f64,
}

#[derive(Serialize)]
struct Report {
    decode: Stage,
    preprocess: Stage,
    score: Stage,
    whole: Stage,
    pictures_per_second_one_thread: f64,
    pictures_per_second_all_threads: f64,
    threads: NonZero<usize>,
    load_ms: f64,
    peak_memory_mb: Option<f64>,
}

impl Cmd {
    pub(crate) fn run(self, out: &mut impl Write) -> anyhow::Result<ExitCode> {
        let begun = Instant::now();
        let detector = self.bundle.open()?;
        let load_ms = begun.elapsed().as_secs_f64() * 1e3;
        if let Some(scores) = self.blocks {
            blocks(&self.engine(&detector)?, scores.get(), out)?;
            return Ok(ExitCode::SUCCESS);
        }
        if self.nodes {
            nodes(&self.engine(&detector)?, Duration::from_secs_f64(self.seconds), out)?;
            return Ok(ExitCode::SUCCESS);
        }

        let golden = &detector.bundle().manifest().golden;
        let pictures: Vec<Vec<u8>> =
            golden.iter().map(|golden| detector.bundle().read(&golden.file)).collect::<Result<_, _>>()?;
        let third = Duration::from_secs_f64(self.seconds / 3.0);
        let threads = threads::all_cores();
        let [decode, preprocess, score, whole] = stages(&detector, &pictures, third)?;
        let report = Report {
            decode,
            preprocess,
            score,
            whole,
            pictures_per_second_one_thread: rate(&detector, &pictures, NonZero::<usize>::MIN, third)?,
            pictures_per_second_all_threads: rate(&detector, &pictures, threads, third)?,
            threads,
            load_ms,
            peak_memory_mb: peak_memory_mb(),
        };
        if self.json {
            writeln!(out, "{}", serde_json::to_string(&report)?)?;
        } else {
            report.table(out)?;
        }
        Ok(ExitCode::SUCCESS)
    }

    /// The network of the detector, and a fixed noise picture for it.
    fn engine(&self, detector: &Detector) -> anyhow::Result<(Engine, Vec<f32>)> {
        let shape = detector.bundle().manifest().input.shape();
        let onnx = detector.bundle().read(DISCRIMINATOR)?;
        // Knuth's multiplicative hash: noise that is the same on every machine. [R, C, H, W] in 0..1
        let noise =
            (0..shape.iter().product::<usize>() as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as f32 / 255.0);
        Ok((Engine::load_with(&self.bundle.backend(), &onnx, shape)?, noise.collect()))
    }
}

impl Report {
    fn table(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "{:<12} {:>12} {:>12}", "stage", "median us", "p99 us")?;
        let stages = [&self.decode, &self.preprocess, &self.score, &self.whole];
        for (name, stage) in ["decode", "preprocess", "score", "whole"].iter().zip(stages) {
            writeln!(out, "{name:<12} {:>12.1} {:>12.1}", stage.median_us, stage.p99_us)?;
        }
        writeln!(out, "pictures/s   {:>12.1} with one thread", self.pictures_per_second_one_thread)?;
        writeln!(out, "             {:>12.1} with {}", self.pictures_per_second_all_threads, self.threads)?;
        writeln!(out, "load ms      {:>12.1} golden check included", self.load_ms)?;
        match self.peak_memory_mb {
            Some(peak) => writeln!(out, "peak MB      {peak:>12.1}"),
            None => writeln!(out, "peak MB           unknown"),
        }
    }
}

/// Times decoding, preprocessing, scoring and their sum, picture after picture on this thread.
fn stages(detector: &Detector, pictures: &[Vec<u8>], span: Duration) -> anyhow::Result<[Stage; 4]> {
    let mut micros: [Vec<f64>; 4] = Default::default();
    let begun = Instant::now();
    for bytes in pictures.iter().cycle() {
        let start = Instant::now();
        let frame = Frame::decode(bytes)?;
        let decoded = Instant::now();
        let plane = detector.plane(&frame)?;
        let preprocessed = Instant::now();
        black_box(detector.score(&plane)?);
        let scored = Instant::now();
        let spans = [decoded - start, preprocessed - decoded, scored - preprocessed, scored - start];
        for (all, span) in micros.iter_mut().zip(spans) {
            all.push(span.as_secs_f64() * 1e6);
        }
        if begun.elapsed() >= span {
            break;
        }
    }
    Ok(micros.map(|mut all| Stage { median_us: quantile(&mut all, 0.5), p99_us: quantile(&mut all, 0.99) }))
}

/// Pictures per second from bytes to judgement, with `threads` threads.
fn rate(detector: &Detector, pictures: &[Vec<u8>], threads: NonZero<usize>, span: Duration) -> anyhow::Result<f64> {
    let begun = Instant::now();
    let judge_for_a_while = || {
        let mut judged = 0u64;
        for bytes in pictures.iter().cycle().take_while(|_| begun.elapsed() < span) {
            black_box(detector.judge(&*Frame::decode(bytes)?)?);
            judged += 1;
        }
        Ok(judged)
    };
    let counts: Vec<counterfoil_edge::Result<u64>> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads.get()).map(|_| scope.spawn(judge_for_a_while)).collect();
        workers.into_iter().map(|worker| worker.join().unwrap_or(Err(counterfoil_edge::Error::Panicked))).collect()
    });
    let judged = counts.into_iter().sum::<counterfoil_edge::Result<u64>>()?;
    Ok(judged as f64 / begun.elapsed().as_secs_f64())
}

/// For each line on stdin, prints a line with the median time of `scores` runs of the network.
fn blocks((engine, picture): &(Engine, Vec<f32>), scores: usize, out: &mut impl Write) -> anyhow::Result<()> {
    for line in io::stdin().lines() {
        line?;
        let mut micros = Vec::with_capacity(scores);
        for run in 0..WARM_UP + scores {
            let begun = Instant::now();
            black_box(engine.run(picture)?);
            if run >= WARM_UP {
                micros.push(begun.elapsed().as_secs_f64() * 1e6);
            }
        }
        writeln!(out, "{}", serde_json::json!({ "median_us": quantile(&mut micros, 0.5) }))?;
    }
    Ok(())
}

/// Runs the network for a while and prints the median time of each operator and of the slowest nodes.
fn nodes((engine, picture): &(Engine, Vec<f32>), span: Duration, out: &mut impl Write) -> anyhow::Result<()> {
    let mut runs = Vec::new();
    let begun = Instant::now();
    while runs.len() <= WARM_UP || begun.elapsed() < span {
        runs.push(engine.time_nodes(picture)?);
    }
    let median = |node: usize| {
        let mut micros: Vec<f64> = runs.iter().map(|run| run[node].took.as_secs_f64() * 1e6).collect();
        quantile(&mut micros, 0.5)
    };
    let mut times: Vec<(&NodeTime, f64)> = runs[0].iter().enumerate().map(|(at, node)| (node, median(at))).collect();
    let sum: f64 = times.iter().map(|(_, micros)| micros).sum();
    let mut operators: BTreeMap<&str, (usize, f64)> = BTreeMap::new();
    for (node, micros) in &times {
        let operator = operators.entry(&node.operator).or_default();
        *operator = (operator.0 + 1, operator.1 + micros);
    }
    let mut operators: Vec<_> = operators.into_iter().collect();
    operators.sort_by(|a, b| b.1.1.total_cmp(&a.1.1));
    times.sort_by(|a, b| b.1.total_cmp(&a.1));
    writeln!(out, "{:<32} {:>6} {:>12} {:>8}", "operator", "nodes", "median us", "share")?;
    for (operator, (count, micros)) in operators {
        writeln!(out, "{operator:<32} {count:>6} {micros:>12.1} {:>6.1} %", 100.0 * micros / sum)?;
    }
    writeln!(out, "{:<32} {:>6} {sum:>12.1}\n", "all", times.len())?;
    writeln!(out, "{:<32} {:<24} {:>12}", "slowest nodes", "operator", "median us")?;
    for (NodeTime { operator, node, .. }, micros) in times.iter().take(SLOWEST) {
        writeln!(out, "{node:<32} {operator:<24} {micros:>12.1}")?;
    }
    Ok(())
}

/// The nearest-rank quantile; 0 for an empty list.
fn quantile(numbers: &mut [f64], q: f64) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let rank = ((q * numbers.len() as f64).ceil() as usize).max(1);
    numbers.get(rank - 1).copied().unwrap_or(0.0)
}

/// Peak memory of this process in MB; `None` if the kernel does not report it.
fn peak_memory_mb() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok()? / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_numbers_of_the_list() {
        let mut numbers: Vec<f64> = (1..=200).rev().map(f64::from).collect();
        assert_eq!([quantile(&mut numbers, 0.5), quantile(&mut numbers, 0.99)], [100.0, 198.0]);
        assert_eq!(quantile(&mut [7.0], 0.99), 7.0);
    }

    #[test]
    fn the_kernel_tells_the_peak_memory() {
        assert!(peak_memory_mb().unwrap() > 1.0);
    }
}
