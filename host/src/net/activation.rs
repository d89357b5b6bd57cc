//! What follows every product: a row's bias and the activation, in one pass forward and one back.
//!
//! Own code because candle makes four passes of a leaky rectifier and its backward adds as many again.

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::floats::{floats, with_floats};

/// An activation whose slope can be told from its output, so that backward needs no input kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// The identity: a logit.
    None,
    /// max(x, 0)
    Relu,
    /// x where positive, else x times this slope (above 0).
    LeakyRelu(f32),
    /// Hyperbolic tangent.
    Tanh,
}

impl Activation {
    /// y = activation(x * factor + offset) over one row. The kind is told outside the loops, so that each of them is vectorised.
    pub(super) fn forward(self, y: &mut [f32], x: &[f32], factor: f32, offset: f32) {
        fn each(y: &mut [f32], x: &[f32], activate: impl Fn(f32) -> f32) {
            for (y, &x) in y.iter_mut().zip(x) {
                *y = activate(x);
            }
        }
        match self {
            Self::None => each(y, x, |x| x * factor + offset),
            Self::Relu => each(y, x, |x| (x * factor + offset).max(0.0)),
            Self::LeakyRelu(slope) => each(y, x, |x| {
                let x = x * factor + offset;
                x.max(0.0) + slope * x.min(0.0)
            }),
            Self::Tanh => each(y, x, |x| (x * factor + offset).tanh()),
        }
    }

    /// dx = grad * slope over one row, the slope told from the output y.
    pub(super) fn backward(self, dx: &mut [f32], y: &[f32], grad: &[f32]) {
        fn each(dx: &mut [f32], y: &[f32], grad: &[f32], slope: impl Fn(f32) -> f32) {
            for (dx, (&y, grad)) in dx.iter_mut().zip(y.iter().zip(grad)) {
                *dx = grad * slope(y);
            }
        }
        match self {
            Self::None => dx.copy_from_slice(grad),
            Self::Relu => each(dx, y, grad, |y| if y > 0.0 { 1.0 } else { 0.0 }),
            Self::LeakyRelu(slope) => each(dx, y, grad, |y| if y > 0.0 { 1.0 } else { slope }),
            Self::Tanh => each(dx, y, grad, |y| 1.0 - y * y),
        }
    }
}

/// activation(x + bias): x is [R, ...] and the bias [R], one number a row (an output feature or a channel). Differentiable in both.
pub fn bias_activate(x: &Tensor, bias: &Tensor, activation: Activation) -> Result<Tensor> {
    x.contiguous()?.apply_op2(bias, BiasActivate(activation))
}

struct BiasActivate(Activation);

impl CustomOp2 for BiasActivate {
    fn name(&self) -> &'static str {
        "bias and activation"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, bias) = (floats(x, x_layout, self.name())?, floats(bias, bias_layout, self.name())?);
        let row = x.len() / bias.len();
        let mut y = vec![0.0; x.len()];
        y.par_chunks_exact_mut(row).zip(x.par_chunks_exact(row)).zip(bias).for_each(|((y, x), bias)| {
            self.0.forward(y, x, 1.0, *bias);
        });
        Ok((CpuStorage::F32(y), x_layout.shape().clone()))
    }

    fn bwd(&self, _: &Tensor, bias: &Tensor, y: &Tensor, grad: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let row = y.elem_count() / bias.elem_count();
        let grad = grad.contiguous()?;
        let (dx, dbias) = with_floats(y, self.name(), |y| {
            with_floats(&grad, self.name(), |grad| {
                let mut dx = vec![0.0; y.len()];
                let dbias: Vec<f32> = dx
                    .par_chunks_exact_mut(row)
                    .zip(y.par_chunks_exact(row).zip(grad.par_chunks_exact(row)))
                    .map(|(dx, (y, grad))| {
                        self.0.backward(dx, y, grad);
                        sum(dx)
                    })
                    .collect();
                (dx, dbias)
            })
        })??;
        Ok((
            Some(Tensor::from_vec(dx, y.shape(), y.device())?),
            bias.track_op().then(|| Tensor::from_vec(dbias, bias.shape(), bias.device())).transpose()?,
        ))
    }
}

/// Sum in 16 lanes: vectorised, in an order that does not depend on the number of threads, and kinder to rounding than one long chain.
pub(crate) fn sum(x: &[f32]) -> f32 {
    let chunks = x.chunks_exact(16);
    let tail: f32 = chunks.remainder().iter().sum();
    let lanes = chunks.fold([0.0f32; 16], |mut lanes, chunk| {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *lane += x;
        }
        lanes
    });
    lanes.iter().sum::<f32>() + tail
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};

    use super::*;

    #[test]
    fn values_and_gradients_are_those_of_the_formulas() {
        let x = Var::new(&[[-1.5f32, 0.5, 2.0], [0.25, -0.5, -3.0]], &Device::Cpu).unwrap().into_inner();
        let bias = Var::new(&[0.25f32, -1.0], &Device::Cpu).unwrap().into_inner();
        for activation in [Activation::None, Activation::Relu, Activation::LeakyRelu(0.2), Activation::Tanh] {
            let ours = bias_activate(&x, &bias, activation).unwrap();
            let sum = x.broadcast_add(&bias.reshape((2, 1)).unwrap()).unwrap();
            let theirs = match activation {
                Activation::None => sum,
                Activation::Relu => sum.relu().unwrap(),
                Activation::LeakyRelu(slope) => {
                    (sum.relu().unwrap() - (sum.neg().unwrap().relu().unwrap() * f64::from(slope)).unwrap()).unwrap()
                }
                Activation::Tanh => sum.tanh().unwrap(),
            };
            let gradients = |y: &Tensor| y.sqr().unwrap().sum_all().unwrap().backward().unwrap();
            let (our_gradients, their_gradients) = (gradients(&ours), gradients(&theirs));
            for argument in [&x, &bias] {
                let gap = (our_gradients.get(argument).unwrap() - their_gradients.get(argument).unwrap()).unwrap();
                let gap = gap.abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
                assert!(gap < 1e-5, "{activation:?}: gradient off by {gap}");
            }
        }
    }
}
