//! What a network is made of: products with what follows them.
//!
//! Features are [B, N] and maps [B, H, W, C], channels last. Blocks are plain data; they hold no weights.

use candle_core::{Result, Tensor};

use super::activation::Activation;
use super::conv::{Maps, Window};
use super::layer::Layer;
use super::product::Finish;
use super::workspace::{Buffer, Workspace};

/// One step of a network in training form: a product, a bias or a batch norm, an activation and a dropout.
///
/// Its parameters are `NAME.weight` and `NAME.bias`, or with a norm `NAME.scale` and `NAME.shift`.
#[derive(Clone, Debug)]
pub struct Block {
    /// Prefix of its parameters.
    pub name: String,
    /// The product.
    pub map: Map,
    /// Batch norm instead of a bias.
    pub norm: bool,
    /// What follows.
    pub activation: Activation,
    /// Share of outputs set to zero while learning, 0..1.
    pub dropout: f32,
    /// Standard deviation of the first weights.
    pub deviation: f32,
}

impl Block {
    /// A product with bias, without dropout, its first weights of He's deviation.
    #[must_use]
    pub fn new(name: &str, map: Map, activation: Activation) -> Self {
        Self { name: name.to_owned(), map, norm: false, activation, dropout: 0.0, deviation: map.he(activation) }
    }

    /// How many numbers a bias, a scale or a shift has: a channel each, but a bias of features one each.
    pub(super) fn channels(&self) -> usize {
        match self.map {
            Map::Project(_, (channels, height, width)) if !self.norm => channels * height * width,
            Map::Project(_, (channels, _, _)) => channels,
            Map::Linear(_, outputs)
            | Map::Collapse(_, outputs)
            | Map::Conv(_, outputs, _)
            | Map::ConvTranspose(_, outputs, _) => outputs,
        }
    }
}

/// A product on inputs of one shape: the maps it goes between, and which way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fit {
    maps: Maps,
    /// Whether the input is the large one.
    is_down: bool,
}

impl Fit {
    /// The product of x and the weights.
    pub(super) fn forward(&self, workspace: &Workspace, x: &[f32], weight: &[f32], finish: Finish) -> Buffer {
        if self.is_down {
            self.maps.down(workspace, x, weight, finish)
        } else {
            self.maps.up(workspace, x, weight, finish)
        }
    }

    /// The gradient of x from that of the product.
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

/// The product of a block, I to O channels or features. Shapes of maps are written C, H, W.
#[derive(Clone, Copy, Debug)]
pub enum Map {
    /// [B, I] to [B, O]; weights [I, O].
    Linear(usize, usize),
    /// Features to maps: [B, I] to [B, H, W, C]; weights [I, HWC].
    Project(usize, (usize, usize, usize)),
    /// Maps to features: [B, H, W, C] to [B, O]; weights [HWC, O].
    Collapse((usize, usize, usize), usize),
    /// [B, H, W, I] to the smaller [B, h, w, O]; weights [K, K, I, O].
    Conv(usize, usize, Window),
    /// [B, h, w, I] to the larger [B, H, W, O]; weights [K, K, O, I].
    ConvTranspose(usize, usize, Window),
}

impl Map {
    /// Shape of the weights.
    pub(super) fn weight_shape(self) -> Vec<usize> {
        match self {
            Self::Linear(inputs, outputs) => vec![inputs, outputs],
            Self::Project(inputs, (channels, height, width)) => vec![inputs, height * width * channels],
            Self::Collapse((channels, height, width), outputs) => vec![height * width * channels, outputs],
            Self::Conv(inputs, outputs, window) => vec![window.kernel, window.kernel, inputs, outputs],
            Self::ConvTranspose(inputs, outputs, window) => vec![window.kernel, window.kernel, outputs, inputs],
        }
    }

    /// The deviation of weights that keeps the signal's size through a layer with this activation (He et al., 1502.01852, equation 14).
    #[must_use]
    pub fn he(self, activation: Activation) -> f32 {
        let fan_in = match self {
            Self::Linear(inputs, _) | Self::Project(inputs, _) => inputs,
            Self::Collapse((channels, height, width), _) => channels * height * width,
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

    /// The product as it is done on an input of this shape. None where it does not fit.
    pub(super) fn fit(&self, input: &[usize]) -> Option<Fit> {
        let pixel = |inputs: usize, outputs| {
            let fits = input.len() >= 2 && input[1..].iter().product::<usize>() == inputs;
            let maps = Maps { large: (1, 1), small: (1, 1), channels: (inputs, outputs), window: Window::PIXEL };
            fits.then_some(Fit { maps, is_down: true })
        };
        match *self {
            Self::Linear(inputs, outputs) => pixel(inputs, outputs),
            Self::Project(inputs, (channels, height, width)) => pixel(inputs, channels * height * width),
            Self::Collapse((channels, height, width), outputs) => pixel(channels * height * width, outputs),
            Self::Conv(inputs, outputs, window) => {
                let &[_, height, width, channels] = input else { return None };
                let small = (window.small(height), window.small(width));
                let maps = Maps { large: (height, width), small, channels: (inputs, outputs), window };
                (channels == inputs && small.0 * small.1 > 0).then_some(Fit { maps, is_down: true })
            }
            Self::ConvTranspose(inputs, outputs, window) => {
                let &[_, height, width, channels] = input else { return None };
                let fits = channels == inputs && height * width > 0;
                let large = fits.then(|| (window.large(height), window.large(width)))?;
                let maps = Maps { large, small: (height, width), channels: (outputs, inputs), window };
                (large.0 * large.1 > 0).then_some(Fit { maps, is_down: false })
            }
        }
    }

    /// Shape of the output for a batch.
    pub(super) fn output(self, batch: usize, Fit { maps, .. }: &Fit) -> Vec<usize> {
        match self {
            Self::Linear(_, outputs) | Self::Collapse(_, outputs) => vec![batch, outputs],
            Self::Project(_, (channels, height, width)) => vec![batch, height, width, channels],
            Self::Conv(_, outputs, _) => vec![batch, maps.small.0, maps.small.1, outputs],
            Self::ConvTranspose(_, outputs, _) => vec![batch, maps.large.0, maps.large.1, outputs],
        }
    }

    /// The weights with everything that makes output channel c multiplied by `scale[c]`: how a norm is folded into its product.
    pub(super) fn scale_channels(self, weight: &Tensor, scale: &Tensor) -> Result<Tensor> {
        match self {
            Self::Linear(..) | Self::Collapse(..) | Self::Conv(..) => weight.broadcast_mul(scale),
            Self::Project(inputs, (channels, height, width)) => {
                weight.reshape((inputs, height * width, channels))?.broadcast_mul(scale)?.reshape(weight.shape())
            }
            Self::ConvTranspose(_, outputs, _) => weight.broadcast_mul(&scale.reshape((outputs, 1))?),
        }
    }

    /// The product and its bias as inference layers: weights and features turn to ONNX's order, channels first.
    pub(super) fn layers(self, weight: &Tensor, bias: Tensor) -> Result<Vec<Layer>> {
        let kernels = || weight.permute((3, 2, 0, 1))?.contiguous(); // [S, L, K, K]
        Ok(match self {
            Self::Linear(..) => vec![Layer::Linear { weight: weight.t()?.contiguous()?, bias }],
            Self::Project(inputs, (channels, height, width)) => {
                let pixels = height * width;
                let bias = if bias.elem_count() == channels { bias.repeat(pixels)? } else { bias }; // [HWC]
                let bias = bias.reshape((pixels, channels))?.t()?.flatten_all()?; // [CHW]
                let weight = weight.reshape((inputs, pixels, channels))?.permute((2, 1, 0))?; // [C, HW, I]
                let weight = weight.reshape((channels * pixels, inputs))?;
                vec![Layer::Linear { weight, bias }, Layer::Reshape { channels, height, width }]
            }
            Self::Collapse((channels, height, width), outputs) => {
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
