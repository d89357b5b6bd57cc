//! A pass on candle's own operations, whose output is a node of candle's graph.
//!
//! It runs on CUDA, where our products do not run, and it is the reference in their tests. Its numbers are those of
//! `pass` except for rounding. Candle's gradient of a convolution fails with an error where height and width leave
//! different remainders under its stride (28x56 pictures).

use candle_core::{Result, Tensor};
use counterfoil_kernels::Activation;
use counterfoil_kernels::activation::drop_out;
use counterfoil_kernels::norm::EPSILON;
use rand_chacha::ChaCha8Rng;

use super::block::{Block, LinearOp};
use super::network::Network;

/// Runs `network` on x as in training, with dropout masks from `rng`.
pub(super) fn pass(network: &Network, x: &Tensor, rng: &mut ChaCha8Rng) -> Result<Tensor> {
    network.blocks().iter().try_fold(x.clone(), |x, block| {
        let parameter = |kind| network.parameter(&block.name, kind);
        let sums = product(block.map, &x, parameter("weight")?)?; // [..., C]
        let sums = if block.norm {
            normalise(&sums)?.broadcast_mul(parameter("scale")?)?.broadcast_add(parameter("shift")?)?
        } else {
            let bias = parameter("bias")?;
            sums.flatten_from(1)?.reshape(((), bias.elem_count()))?.broadcast_add(bias)?.reshape(sums.shape())?
        };
        let y = activate(block.activation, &sums)?;
        if block.dropout > 0.0 { y.mul(&mask(block, &y, rng)?) } else { Ok(y) }
    })
}

/// The product of a block, with the shapes of [`LinearOp`].
fn product(map: LinearOp, x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    let batch = x.dim(0)?;
    let first = |maps: &Tensor| maps.permute((0, 3, 1, 2))?.contiguous(); // [B, C, H, W]
    let last = |maps: &Tensor| maps.permute((0, 2, 3, 1))?.contiguous(); // [B, H, W, C]
    let kernels = || weight.permute((3, 2, 0, 1))?.contiguous(); // [S, L, K, K]
    match map {
        LinearOp::Linear(..) | LinearOp::FlattenLinear(..) => x.flatten_from(1)?.matmul(weight),
        LinearOp::LinearToMap(_, (channels, height, width)) => {
            x.matmul(weight)?.reshape((batch, height, width, channels))
        }
        LinearOp::Conv(_, _, window) => last(&first(x)?.conv2d(&kernels()?, window.padding, window.stride, 1, 1)?),
        LinearOp::ConvTranspose(_, _, window) => {
            last(&first(x)?.conv_transpose2d(&kernels()?, window.padding, 0, window.stride, 1)?)
        }
    }
}

/// Normalises each channel: (x - mean) / sqrt(variance + epsilon).
fn normalise(x: &Tensor) -> Result<Tensor> {
    let rows = x.reshape(((), x.dims()[x.rank() - 1]))?; // [R, C]
    let centred = rows.broadcast_sub(&rows.mean_keepdim(0)?)?;
    let deviation = (centred.sqr()?.mean_keepdim(0)? + f64::from(EPSILON))?.sqrt()?;
    centred.broadcast_div(&deviation)?.reshape(x.shape())
}

fn activate(activation: Activation, x: &Tensor) -> Result<Tensor> {
    match activation {
        Activation::None => Ok(x.clone()),
        Activation::Relu => x.relu(),
        Activation::LeakyRelu(slope) => x.relu()? - (x.neg()?.relu()? * f64::from(slope))?,
        Activation::Tanh => x.tanh(),
    }
}

/// The dropout mask of a block's output. It comes from our own random stream on every device.
fn mask(block: &Block, like: &Tensor, rng: &mut ChaCha8Rng) -> Result<Tensor> {
    let mut mask = vec![1.0; like.elem_count()];
    drop_out(&mut mask, block.dropout, rng);
    Tensor::from_vec(mask, like.shape(), like.device())
}
