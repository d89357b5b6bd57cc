//! This crate's side of `scripts/bench-train`: GAN training in one of three sizes, timed block by block, or a trace
//! of the training that PyTorch can replay.
//!
//! `bench_train CASE` reads lines on stdin. Each line is a number of steps. The program runs them at once and
//! prints the speed in pictures a second and the peak memory in MiB.
//!
//! `bench_train CASE --trace FILE STEPS` writes the first weights and the inputs of each step to FILE, and
//! prints the losses of each step.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Write};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use candle_core::Tensor;
use counterfoil_host::data::Samples;
use counterfoil_host::gan::{Batch, Config, DataLoader, GanTrainer, Net};
use counterfoil_host::math::random::stream;
use rand::RngCore;

/// Number of training pictures: enough that a batch is seldom in the cache.
const PICTURES: usize = 256;
/// Output sizes of the layers of the MLP's discriminator that dropout follows, and the dropout probability.
const DROPPED: ([usize; 3], f32) = ([1024, 512, 256], 0.3);

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let case = arguments.first().copied().unwrap_or_default();
    let (config, channels, side) = match case {
        "a" => (Config { detective: false, ..Config::new(Net::Dcgan) }, 1, 32),
        "b" => (Config { width: 64, batch: 32, detective: false, ..Config::new(Net::Dcgan) }, 3, 64),
        "c" => (Config::new(Net::Mlp), 1, 28),
        _ => bail!("case {case:?}: expected a, b or c"),
    };
    let samples = Samples::new(channels, side, side, discs(channels, side))?;
    match arguments[1..] {
        [] => play(&config, &samples),
        ["--trace", file, steps] => trace(&config, &samples, file, steps.parse().context("STEPS")?),
        _ => bail!("expected CASE or CASE --trace FILE STEPS"),
    }
}

/// Pictures of bright discs on dark grounds, as `[N, C, H, W]` bytes.
fn discs(channels: usize, side: usize) -> Vec<u8> {
    let mut rng = stream(0, "bench", 0);
    let mut picture = || {
        let [y, x, radius, ground] = [(); 4].map(|()| rng.next_u32() as usize);
        let (y, x, radius, ground) =
            ((y % side) as f32, (x % side) as f32, 3.0 + (radius % 8) as f32, (ground % 60) as u8);
        let inside = move |i: usize| ((i / side % side) as f32 - y).hypot((i % side) as f32 - x) < radius;
        (0..channels * side * side).map(move |i| if inside(i) { 250 - ground } else { ground }).collect::<Vec<u8>>()
    };
    (0..PICTURES).flat_map(|_| picture()).collect()
}

fn play(config: &Config, samples: &Samples) -> Result<()> {
    let mut game = GanTrainer::new(config, samples)?;
    thread::scope(|scope| {
        let loader = DataLoader::start(scope, config, samples.into(), 0);
        for line in io::stdin().lock().lines() {
            let steps: u64 = line?.trim().parse().context("a number of steps a line")?;
            let started = Instant::now();
            for _ in 0..steps {
                game.train_step(&loader.batch()?)?;
            }
            let rate = (steps * config.batch as u64) as f64 / started.elapsed().as_secs_f64();
            print_line(&format!(r#"{{"images_per_s": {rate:.1}, "peak_mib": {}}}"#, peak_mib()?))?;
        }
        Ok(())
    })
}

fn trace(config: &Config, samples: &Samples, file: &str, steps: u64) -> Result<()> {
    let mut game = GanTrainer::new(config, samples)?;
    let mut tensors = BTreeMap::new();
    for (prefix, network) in [("g", game.generator()), ("d", game.discriminator())] {
        for (name, tensor) in network.parameters() {
            tensors.insert(format!("{prefix}.{name}"), tensor.copy()?);
        }
    }
    let mut deck = counterfoil_host::math::random::Deck::new(config.seed, samples.len());
    let (mut real, mut z, mut masks) = (Vec::new(), Vec::new(), BTreeMap::<String, Vec<u8>>::new());
    for step in 0..steps {
        let draw = Batch::of(config, samples.into(), &mut deck, step)?;
        let round = game.train_step(&draw)?;
        print_line(&format!(r#"{{"loss_d": {}, "loss_g": {}}}"#, round.loss_d, round.loss_g))?;
        real.push(draw.real);
        z.push(draw.z);
        let mut rng = stream(config.seed, "dropout", step);
        for (turn, batch) in [("d", 2 * config.batch), ("g", config.batch)] {
            for (layer, outputs) in DROPPED.0.iter().enumerate().filter(|_| config.net == Net::Mlp) {
                let mut bytes = vec![0; batch * outputs * 2];
                rng.fill_bytes(&mut bytes);
                let kept =
                    |pair: &[u8]| u8::from(u16::from_le_bytes([pair[0], pair[1]]) >= (DROPPED.1 * 65536.0) as u16);
                masks.entry(format!("mask.{layer}.{turn}")).or_default().extend(bytes.chunks_exact(2).map(kept));
            }
        }
    }
    tensors.insert("real".to_owned(), Tensor::stack(&real, 0)?); // [T, B, H, W, C] in -1..1
    tensors.insert("z".to_owned(), Tensor::stack(&z, 0)?); // [T, B, Z]
    for (name, mask) in masks {
        let mask = Tensor::new(mask, &candle_core::Device::Cpu)?; // [T, B or 2B, N]
        let batch = config.batch * if name.ends_with('d') { 2 } else { 1 };
        tensors.insert(name, mask.reshape((steps as usize, batch, ()))?);
    }
    safetensors::serialize_to_file(tensors, None, file.as_ref())?;
    Ok(())
}

/// Prints one line of the benchmark's result.
fn print_line(line: &str) -> Result<()> {
    Ok(writeln!(io::stdout(), "{line}")?)
}

/// The peak resident memory of this process in MiB.
fn peak_mib() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("VmHWM in /proc/self/status")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? / 1024)
}
