//! What a network is made of: products with what follows them, and the changes of shape between.
//!
//! Features are [N, B] and maps [C, B, H, W]: the batch is never the first axis, so that a bias, a scale or a norm is always one number
//! a row. Blocks are plain data; they hold no weights.

use candle_core::{Result, Tensor};

use super::activation::Activation;
use super::conv::{Window, down, up};
use super::layer::Layer;
use super::linear::linear;

/// One step of a network in training form.
#[derive(Clone, Debug)]
pub enum Block {
    /// A product, a bias or a batch norm, an activation and a dropout.
    Affine(Affine),
    /// Maps to features: [C, B, H, W] to [CHW, B].
    Flatten,
    /// Features to maps: [CHW, B] to [C, B, H, W]; C, H, W.
    Reshape(usize, usize, usize),
}

/// A product with what follows it. Its parameters are `NAME.weight` and `NAME.bias`, or with a norm `NAME.scale` and `NAME.shift`.
#[derive(Clone, Debug)]
pub struct Affine {
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

impl Affine {
    /// A product with bias, without dropout, its first weights of He's deviation.
    #[must_use]
    pub fn new(name: &str, map: Map, activation: Activation) -> Self {
        Self { name: name.to_owned(), map, norm: false, activation, dropout: 0.0, deviation: map.he(activation) }
    }
}

/// The product of an affine block, I to O channels or features.
#[derive(Clone, Copy, Debug)]
pub enum Map {
    /// [I, B] to [O, B].
    Linear(usize, usize),
    /// [I, B] to [C, B, H, W], with a bias or a norm a channel: I, then C, H, W.
    Project(usize, (usize, usize, usize)),
    /// [I, B, H, W] to the smaller [O, B, h, w].
    Conv(usize, usize, Window),
    /// [I, B, h, w] to the larger [O, B, H, W].
    ConvTranspose(usize, usize, Window),
}

impl Map {
    /// Shape of the weights.
    pub(super) fn weight_shape(self) -> Vec<usize> {
        match self {
            Self::Linear(inputs, outputs) => vec![outputs, inputs],
            Self::Project(inputs, (channels, height, width)) => vec![channels * height * width, inputs],
            Self::Conv(inputs, outputs, window) => vec![outputs, inputs, window.kernel, window.kernel],
            Self::ConvTranspose(inputs, outputs, window) => vec![inputs, outputs, window.kernel, window.kernel],
        }
    }

    /// Rows of the output: what has a bias each.
    pub(super) fn rows(self) -> usize {
        match self {
            Self::Linear(_, rows)
            | Self::Project(_, (rows, _, _))
            | Self::Conv(_, rows, _)
            | Self::ConvTranspose(_, rows, _) => rows,
        }
    }

    /// The deviation of weights that keeps the signal's size through a layer with this activation (He et al., 1502.01852, equation 14).
    #[must_use]
    pub fn he(self, activation: Activation) -> f32 {
        let fan_in = match self {
            Self::Linear(inputs, _) | Self::Project(inputs, _) => inputs,
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

    /// The product of x and the weights.
    pub(super) fn apply(self, x: &Tensor, weight: &Tensor) -> Result<Tensor> {
        match self {
            Self::Linear(..) => linear(x, weight),                          // [O, B]
            Self::Project(_, shape) => to_maps(&linear(x, weight)?, shape), // [C, B, H, W]
            Self::Conv(_, _, window) => down(x, weight, window),            // [O, B, h, w]
            Self::ConvTranspose(_, _, window) => up(x, weight, window),     // [O, B, H, W]
        }
    }

    /// The weights with everything that makes output row r multiplied by `scale[r]`: how a norm is folded into its product.
    pub(super) fn scale_rows(self, weight: &Tensor, scale: &Tensor) -> Result<Tensor> {
        let rows = self.rows();
        match self {
            Self::Linear(..) => weight.broadcast_mul(&scale.reshape((rows, 1))?),
            Self::Project(inputs, (_, height, width)) => weight
                .reshape((rows, height * width, inputs))?
                .broadcast_mul(&scale.reshape((rows, 1, 1))?)?
                .reshape(weight.shape()),
            Self::Conv(..) => weight.broadcast_mul(&scale.reshape((rows, 1, 1, 1))?),
            Self::ConvTranspose(..) => weight.broadcast_mul(&scale.reshape((1, rows, 1, 1))?),
        }
    }

    /// The product and its bias as inference layers.
    pub(super) fn layers(self, weight: Tensor, bias: Tensor) -> Result<Vec<Layer>> {
        Ok(match self {
            Self::Linear(..) => vec![Layer::Linear { weight, bias }],
            Self::Project(_, (channels, height, width)) => {
                let bias = bias.reshape((channels, 1))?.broadcast_as((channels, height * width))?.flatten_all()?;
                vec![Layer::Linear { weight, bias }, Layer::Reshape { channels, height, width }]
            }
            Self::Conv(_, _, Window { stride, padding, .. }) => vec![Layer::Conv2d { weight, bias, stride, padding }],
            Self::ConvTranspose(_, _, Window { stride, padding, .. }) => {
                vec![Layer::ConvTranspose2d { weight, bias, stride, padding }]
            }
        })
    }
}

/// [CHW, B] to [C, B, H, W].
pub(super) fn to_maps(features: &Tensor, (channels, height, width): (usize, usize, usize)) -> Result<Tensor> {
    let batch = features.dim(1)?;
    features.reshape((channels, height * width, batch))?.transpose(1, 2)?.reshape((channels, batch, height, width))
}

/// [C, B, H, W] to [CHW, B].
pub(super) fn to_features(maps: &Tensor) -> Result<Tensor> {
    let (channels, batch, height, width) = maps.dims4()?;
    maps.reshape((channels, batch, height * width))?.transpose(1, 2)?.reshape((channels * height * width, batch))
}
