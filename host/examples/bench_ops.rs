//! Measures every layer of the three cases of `scripts/bench-train`, forward and backward, as a share of the
//! fastest matrix product that this machine reaches.
//!
//! Run it with `cargo run --release -p counterfoil-host --example bench_ops [--json]`. Each figure is the best of
//! several runs on all threads. The operation count is that of the formula, zero padding included. Backward
//! computes both gradients, of the input and of the weights. Its time includes the work of candle's graph around an
//! operation (one copy of the input's gradient), which a whole network does only once. The peak is the fastest
//! product of this run; square products of 1024 by this crate and by candle are among the candidates.

use std::io::{self, Write};
use std::time::Instant;

use anyhow::Result;
use candle_core::{Device, Tensor, Var};
use counterfoil_host::math::random::{normal, stream};
use counterfoil_host::nn::{Activation, Block, LinearOp, Network, Window};

/// Time for the repeated runs of one measurement, in seconds.
const SECONDS: f64 = 0.4;
const HALVING: Window = Window { kernel: 4, stride: 2, padding: 1 };
const LEAK: Activation = Activation::LeakyRelu(0.2);

fn main() -> Result<()> {
    let json = std::env::args().any(|argument| argument == "--json");
    let down = |inputs, outputs| LinearOp::Conv(inputs, outputs, HALVING);
    let up = |inputs, outputs| LinearOp::ConvTranspose(inputs, outputs, HALVING);
    let maps = |batch, side, channels| vec![batch, side, side, channels];
    let layers: Vec<(&str, LinearOp, bool, Vec<usize>)> = vec![
        ("a D 1", down(1, 32), false, maps(128, 32, 1)),
        ("a D 2", down(32, 64), false, maps(128, 16, 32)),
        ("a D 3", down(64, 128), false, maps(128, 8, 64)),
        ("a D 4", LinearOp::FlattenLinear((128, 4, 4), 1), false, maps(128, 4, 128)),
        ("a G 1", LinearOp::LinearToMap(100, (128, 4, 4)), true, vec![64, 100]),
        ("a G 2", up(128, 64), true, maps(64, 4, 128)),
        ("a G 3", up(64, 32), true, maps(64, 8, 64)),
        ("a G 4", up(32, 1), false, maps(64, 16, 32)),
        ("b D 1", down(3, 64), false, maps(64, 64, 3)),
        ("b D 2", down(64, 128), false, maps(64, 32, 64)),
        ("b D 3", down(128, 256), false, maps(64, 16, 128)),
        ("b D 4", down(256, 512), false, maps(64, 8, 256)),
        ("b G 2", up(512, 256), true, maps(32, 4, 512)),
        ("b G 3", up(256, 128), true, maps(32, 8, 256)),
        ("b G 4", up(128, 64), true, maps(32, 16, 128)),
        ("b G 5", up(64, 3), false, maps(32, 32, 64)),
        ("c D 1", LinearOp::Linear(784, 1024), false, vec![256, 784]),
        ("c D 2", LinearOp::Linear(1024, 512), false, vec![256, 1024]),
        ("c D 3", LinearOp::Linear(512, 256), false, vec![256, 512]),
        ("c G 3", LinearOp::Linear(512, 1024), false, vec![128, 512]),
        ("c G 4", LinearOp::Linear(1024, 784), false, vec![128, 1024]),
    ];
    let mut measured = Vec::new();
    for (name, map, norm, dims) in layers {
        let activation = if norm { Activation::Relu } else { LEAK };
        measured.push((name, measure(map, norm, activation, &dims)?));
    }
    let peak = measured.iter().map(|(_, (forward, _))| *forward).fold(square()?, f64::max);
    if json {
        print_line(&format!(r#"{{"peak_gflops": {peak:.1}}}"#))?;
    } else {
        print_line(&format!("peak {peak:.0} GFLOP/s\nlayer      forward          backward"))?;
    }
    for (name, (forward, backward)) in measured {
        let [forward_share, backward_share] = [forward, backward].map(|rate| rate / peak);
        print_line(&if json {
            format!(
                r#"{{"layer": "{name}", "forward_gflops": {forward:.1}, "forward_share": {forward_share:.3}, "backward_gflops": {backward:.1}, "backward_share": {backward_share:.3}}}"#
            )
        } else {
            let (forward_share, backward_share) = (100.0 * forward_share, 100.0 * backward_share);
            format!("{name}   {forward:6.1} {forward_share:4.0} %    {backward:6.1} {backward_share:4.0} %")
        })?;
    }
    Ok(())
}

/// Speed of one layer with its norm and activation on inputs of shape `dims`, in GFLOP/s: forward, and backward
/// with both gradients.
fn measure(map: LinearOp, norm: bool, activation: Activation, dims: &[usize]) -> Result<(f64, f64)> {
    let block = Block { norm, ..Block::new("0", map, activation) };
    let network = Network::new(vec![block], 0, "bench")?;
    let rng = &mut stream(0, "none", 0);
    let x = Var::from_vec(normal(&mut stream(0, "x", 0), dims.iter().product()), dims, &Device::Cpu)?.into_inner();
    let (mut forward, mut backward) = (f64::INFINITY, f64::INFINITY);
    let mut flops = 0.0;
    let started = Instant::now();
    while started.elapsed().as_secs_f64() < SECONDS {
        let start = Instant::now();
        let pass = network.forward(&x, rng)?;
        forward = forward.min(start.elapsed().as_secs_f64());
        let loss = pass.output.sum_all()?;
        let start = Instant::now();
        let store = loss.backward()?;
        backward = backward.min(start.elapsed().as_secs_f64());
        flops = 2.0 * multiplications(map, dims, pass.output.dims());
        drop(pass.gradients(&store));
    }
    Ok((flops / forward / 1e9, 2.0 * flops / backward / 1e9))
}

/// Number of multiplications of a forward product, zero padding included.
fn multiplications(map: LinearOp, input: &[usize], output: &[usize]) -> f64 {
    let (input, output): (usize, usize) = (input.iter().product(), output.iter().product());
    (match map {
        LinearOp::Linear(inputs, _) | LinearOp::LinearToMap(inputs, _) => output * inputs,
        LinearOp::FlattenLinear((c, h, w), _) => output * c * h * w,
        LinearOp::Conv(inputs, _, window) => output * inputs * window.kernel * window.kernel,
        LinearOp::ConvTranspose(_, outputs, window) => input * outputs * window.kernel * window.kernel,
    }) as f64
}

/// Speed of a 1024 x 1024 x 1024 product in GFLOP/s: the better of this crate's and candle's.
fn square() -> Result<f64> {
    let (ours, _) = measure(LinearOp::Linear(1024, 1024), false, Activation::None, &[1024, 1024])?;
    let square = Tensor::ones((1024, 1024), candle_core::DType::F32, &Device::Cpu)?;
    let (mut best, started) = (f64::INFINITY, Instant::now());
    while started.elapsed().as_secs_f64() < SECONDS {
        let start = Instant::now();
        square.matmul(&square)?;
        best = best.min(start.elapsed().as_secs_f64());
    }
    Ok(ours.max(2.0 * 1024f64.powi(3) / best / 1e9))
}

/// Prints one line of the benchmark's result.
fn print_line(line: &str) -> Result<()> {
    Ok(writeln!(io::stdout(), "{line}")?)
}
