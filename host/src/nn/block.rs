//! The blocks of a network: products with what follows them.
//!
//! Features are [B, N] and maps [B, H, W, C], channels last. Blocks are plain data and hold no weights.

use candle_core::{Result, Tensor};
use counterfoil_kernels::{Activation, Buffer, Finish, Maps, Window, Workspace};

use super::layer::Layer;

/// One block of a network in training form: a product, a bias or a batch norm, an activation and a dropout.
///
/// Its parameters are `NAME.weight` and `NAME.bias`; with batch norm, `NAME.weight`, `NAME.scale` and `NAME.shift`.
#[derive(Clone, Debug)]
pub struct Block {
    /// Prefix of the names of its parameters.
    pub name: String,
    /// The linear product.
    pub map: LinearOp,
    /// Whether the block has a batch norm instead of a bias.
    pub norm: bool,
    /// The activation after bias or batch norm.
    pub activation: Activation,
    /// Dropout probability of the outputs in training, 0..1.
    pub dropout: f32,
    /// Standard deviation of the initial weights.
    pub deviation: f32,
}

impl Block {
    /// A block with a bias, without dropout, and with He's standard deviation for the initial weights, see
    /// [`LinearOp::he`].
    #[must_use]
    pub fn new(name: &str, map: LinearOp, activation: Activation) -> Self {
        Self { name: name.to_owned(), map, norm: false, activation, dropout: 0.0, deviation: map.he(activation) }
    }

    /// Length of a bias, a scale or a shift: one number per channel or output feature. The bias of
    /// [`LinearOp::LinearToMap`] has one number for each value of its maps.
    pub(super) fn channels(&self) -> usize {
        match self.map {
            LinearOp::LinearToMap(_, (channels, height, width)) if !self.norm => channels * height * width,
            LinearOp::LinearToMap(_, (channels, _, _)) => channels,
            LinearOp::Linear(_, outputs)
            | LinearOp::FlattenLinear(_, outputs)
            | LinearOp::Conv(_, outputs, _)
            | LinearOp::ConvTranspose(_, outputs, _) => outputs,
        }
    }
}

/// A product for inputs of one shape: the two maps that it links, and its direction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Geometry {
    maps: Maps,
    /// Whether the input is the large map.
    is_down: bool,
}

impl Geometry {
    /// The product of x and the weights.
    pub(super) fn forward(&self, workspace: &Workspace, x: &[f32], weight: &[f32], finish: Finish) -> Buffer {
        if self.is_down {
            self.maps.down(workspace, x, weight, finish)
        } else {
            self.maps.up(workspace, x, weight, finish)
        }
    }

    /// The gradient of x, from the gradient of the product.
    pub(super) fn input_gradient(&self, workspace: &Workspace, grad: &[f32], weight: &[f32]) -> Buffer {
        if self.is_down {
            self.maps.up(workspace, grad, weight, Finish::NONE)
        } else {
            self.maps.down(workspace, grad, weight, Finish::NONE)
        }
    }

    /// The gradient of the weights.
    pub(super) fn weight_gradient(&self, workspace: &Workspace, x: &[f32], grad: &[f32]) -> Buffer {
        if self.is_down {
            self.maps.weight_gradient(workspace, x, grad)
        } else {
            self.maps.weight_gradient(workspace, grad, x)
        }
    }
}

/// The linear product of a block, from I to O channels or features. Map shapes in the arguments are (C, H, W).
#[derive(Clone, Copy, Debug)]
pub enum LinearOp {
    /// Linear layer: `[B, I]` to `[B, O]`; weights `[I, O]`.
    Linear(usize, usize),
    /// Features to maps: `[B, I]` to `[B, H, W, C]`; weights `[I, HWC]`.
    LinearToMap(usize, (usize, usize, usize)),
    /// Maps to features: `[B, H, W, C]` to `[B, O]`; weights `[HWC, O]`.
    FlattenLinear((usize, usize, usize), usize),
    /// Convolution: `[B, H, W, I]` to the smaller `[B, h, w, O]`; weights `[K, K, I, O]`.
    Conv(usize, usize, Window),
    /// Transposed convolution: `[B, h, w, I]` to the larger `[B, H, W, O]`; weights `[K, K, O, I]`.
    ConvTranspose(usize, usize, Window),
}

impl LinearOp {
    /// Shape of the weights.
    pub(super) fn weight_shape(self) -> Vec<usize> {
        match self {
            Self::Linear(inputs, outputs) => vec![inputs, outputs],
            Self::LinearToMap(inputs, (channels, height, width)) => vec![inputs, height * width * channels],
            Self::FlattenLinear((channels, height, width), outputs) => vec![height * width * channels, outputs],
            Self::Conv(inputs, outputs, window) => vec![window.kernel, window.kernel, inputs, outputs],
            Self::ConvTranspose(inputs, outputs, window) => vec![window.kernel, window.kernel, outputs, inputs],
        }
    }

    /// The standard deviation of weights that keeps the signal's size through a layer with this activation (He et
    /// al., 1502.01852, equation 14).
    #[must_use]
    pub fn he(self, activation: Activation) -> f32 {
        let fan_in = match self {
            Self::Linear(inputs, _) | Self::LinearToMap(inputs, _) => inputs,
            Self::FlattenLinear((channels, height, width), _) => channels * height * width,
            Self::Conv(inputs, _, window) => inputs * window.kernel * window.kernel,
            Self::ConvTranspose(inputs, _, window) => inputs * (window.kernel / window.stride).pow(2),
        };
        let gain = match activation {
            Activation::Relu => 2.0,
            Activation::LeakyRelu(slope) => 2.0 / (1.0 + slope * slope),
            Activation::None | Activation::Tanh => 1.0,
        };
        (gain / fan_in as f32).sqrt()
    }

    /// The product for inputs of this shape; `None` if the shape does not fit.
    pub(super) fn fit(&self, input: &[usize]) -> Option<Geometry> {
        let pixel = |inputs: usize, outputs| {
            let fits = input.len() >= 2 && input[1..].iter().product::<usize>() == inputs;
            let maps = Maps { large: (1, 1), small: (1, 1), channels: (inputs, outputs), window: Window::PIXEL };
            fits.then_some(Geometry { maps, is_down: true })
        };
        match *self {
            Self::Linear(inputs, outputs) => pixel(inputs, outputs),
            Self::LinearToMap(inputs, (channels, height, width)) => pixel(inputs, channels * height * width),
            Self::FlattenLinear((channels, height, width), outputs) => pixel(channels * height * width, outputs),
            Self::Conv(inputs, outputs, window) => {
                let &[_, height, width, channels] = input else { return None };
                let small = (window.small(height), window.small(width));
                let maps = Maps { large: (height, width), small, channels: (inputs, outputs), window };
                (channels == inputs && small.0 * small.1 > 0).then_some(Geometry { maps, is_down: true })
            }
            Self::ConvTranspose(inputs, outputs, window) => {
                let &[_, height, width, channels] = input else { return None };
                let fits = channels == inputs && height * width > 0;
                let large = fits.then(|| (window.large(height), window.large(width)))?;
                let maps = Maps { large, small: (height, width), channels: (outputs, inputs), window };
                (large.0 * large.1 > 0).then_some(Geometry { maps, is_down: false })
            }
        }
    }

    /// Shape of the output for a batch of `batch` rows.
    pub(super) fn output(self, batch: usize, Geometry { maps, .. }: &Geometry) -> Vec<usize> {
        match self {
            Self::Linear(_, outputs) | Self::FlattenLinear(_, outputs) => vec![batch, outputs],
            Self::LinearToMap(_, (channels, height, width)) => vec![batch, height, width, channels],
            Self::Conv(_, outputs, _) => vec![batch, maps.small.0, maps.small.1, outputs],
            Self::ConvTranspose(_, outputs, _) => vec![batch, maps.large.0, maps.large.1, outputs],
        }
    }

    /// The weights, with all weights of output channel c multiplied by `scale[c]`. This folds a norm into its product.
    pub(super) fn scale_channels(self, weight: &Tensor, scale: &Tensor) -> Result<Tensor> {
        match self {
            Self::Linear(..) | Self::FlattenLinear(..) | Self::Conv(..) => weight.broadcast_mul(scale),
            Self::LinearToMap(inputs, (channels, height, width)) => {
                weight.reshape((inputs, height * width, channels))?.broadcast_mul(scale)?.reshape(weight.shape())
            }
            Self::ConvTranspose(_, outputs, _) => weight.broadcast_mul(&scale.reshape((outputs, 1))?),
        }
    }

    /// The product and its bias as inference layers. Weights and features are turned to ONNX's order, channels first.
    pub(super) fn layers(self, weight: &Tensor, bias: Tensor) -> Result<Vec<Layer>> {
        let kernels = || weight.permute((3, 2, 0, 1))?.contiguous(); // [S, L, K, K]
        Ok(match self {
            Self::Linear(..) => vec![Layer::Linear { weight: weight.t()?.contiguous()?, bias }],
            Self::LinearToMap(inputs, (channels, height, width)) => {
                let pixels = height * width;
                let bias = if bias.elem_count() == channels { bias.repeat(pixels)? } else { bias }; // [HWC]
                let bias = bias.reshape((pixels, channels))?.t()?.flatten_all()?; // [CHW]
                let weight = weight.reshape((inputs, pixels, channels))?.permute((2, 1, 0))?; // [C, HW, I]
                let weight = weight.reshape((channels * pixels, inputs))?;
                vec![Layer::Linear { weight, bias }, Layer::Reshape { channels, height, width }]
            }
            Self::FlattenLinear((channels, height, width), outputs) => {
                let weight = weight.reshape((height * width, channels, outputs))?.permute((2, 1, 0))?; // [O, C, HW]
                let weight = weight.reshape((outputs, channels * height * width))?;
                vec![Layer::Flatten, Layer::Linear { weight, bias }]
            }
            Self::Conv(_, _, Window { stride, padding, .. }) => {
                vec![Layer::Conv2d { weight: kernels()?, bias, stride, padding }]
            }
            Self::ConvTranspose(_, _, Window { stride, padding, .. }) => {
                vec![Layer::ConvTranspose2d { weight: kernels()?, bias, stride, padding }]
            }
        })
    }
}
