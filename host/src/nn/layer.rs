//! A network in inference form, which the ONNX writer writes and the parity check runs.
//!
//! Batch norm is folded into the layer before it, dropout is removed, and maps are [B, C, H, W]. `infer` runs on
//! candle's own convolutions and not on ours, so that it is an independent reference.

use candle_core::{Result, Tensor, bail};

/// One layer in inference form.
#[derive(Clone, Debug)]
pub enum Layer {
    /// Linear layer: `[B, I]` to `[B, O]`.
    Linear {
        /// Weights, `[O, I]`.
        weight: Tensor,
        /// Bias, `[O]`.
        bias: Tensor,
    },
    /// Convolution: `[B, I, H, W]` to `[B, O, h, w]`.
    Conv2d {
        /// Weights, `[O, I, K, K]`.
        weight: Tensor,
        /// Bias, `[O]`.
        bias: Tensor,
        /// Distance between two windows, in pixels.
        stride: usize,
        /// Zeros added on each side, in pixels.
        padding: usize,
    },
    /// Transposed convolution: `[B, I, h, w]` to `[B, O, H, W]`.
    ConvTranspose2d {
        /// Weights, `[I, O, K, K]`, as in ONNX and PyTorch.
        weight: Tensor,
        /// Bias, `[O]`.
        bias: Tensor,
        /// Distance between two windows, in pixels.
        stride: usize,
        /// Zeros on each side of the large map, in pixels.
        padding: usize,
    },
    /// Leaky rectifier: x where positive, else x times this slope.
    LeakyRelu(f32),
    /// Rectifier: max(x, 0).
    Relu,
    /// Hyperbolic tangent.
    Tanh,
    /// Features to maps: `[B, N]` to `[B, C, H, W]`, row-major.
    Reshape {
        /// C, the number of channels.
        channels: usize,
        /// H, the height in pixels.
        height: usize,
        /// W, the width in pixels.
        width: usize,
    },
    /// Maps to features: `[B, C, H, W]` to `[B, N]`, row-major.
    Flatten,
}

/// Runs `layers` on `x`: `[B, C, H, W]` in -1..1 for a discriminator, `[B, Z]` for a generator.
///
/// # Errors
/// When the shape of `x` does not fit the layers.
pub fn infer(layers: &[Layer], x: &Tensor) -> Result<Tensor> {
    layers.iter().try_fold(x.clone(), |x, layer| layer.apply(&x))
}

/// The index of the layer whose output is a discriminator's embedding `[B, E]`, the input of the last linear layer.
///
/// # Errors
/// When no linear layer has a layer before it.
pub fn embedding(layers: &[Layer]) -> Result<usize> {
    match layers.iter().rposition(|layer| matches!(layer, Layer::Linear { .. })) {
        Some(last @ 1..) => Ok(last - 1),
        _ => bail!("a network without a last linear layer has no embedding"),
    }
}

impl Layer {
    fn apply(&self, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::Linear { weight, bias } => x.matmul(&weight.t()?)?.broadcast_add(bias), // [B, O]
            Self::Conv2d { weight, bias, stride, padding } => {
                add_bias(&x.conv2d(weight, *padding, *stride, 1, 1)?, bias) // [B, O, h, w]
            }
            Self::ConvTranspose2d { weight, bias, stride, padding } => {
                add_bias(&x.conv_transpose2d(weight, *padding, 0, *stride, 1)?, bias) // [B, O, H, W]
            }
            Self::LeakyRelu(slope) => x.relu()? - (x.neg()?.relu()? * f64::from(*slope))?,
            Self::Relu => x.relu(),
            Self::Tanh => x.tanh(),
            Self::Reshape { channels, height, width } => x.reshape((x.dim(0)?, *channels, *height, *width)),
            Self::Flatten => x.flatten_from(1),
        }
    }
}

/// Adds a bias [C] to every pixel of [B, C, H, W].
fn add_bias(x: &Tensor, bias: &Tensor) -> Result<Tensor> {
    x.broadcast_add(&bias.reshape((1, bias.elem_count(), 1, 1))?)
}
