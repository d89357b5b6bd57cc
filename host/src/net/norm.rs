//! Batch norm and the activation behind it, in one op: maps go in, normalised maps come out.
//!
//! It keeps no running statistics. Those a generator needs for inference are taken afresh from its own latents when its layers are
//! asked for (`Network::layers`): they then fit the weights exactly, those of an averaged generator too, and a checkpoint holds none.

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::activation::{Activation, sum};
use super::floats::{floats, with_floats};

/// Added to the variance before its root is taken: PyTorch's and ONNX's default.
pub const EPSILON: f32 = 1e-5;

/// activation(scale * (x - mean) / sqrt(variance + epsilon) + shift) with mean and variance of each row (Ioffe & Szegedy, 1502.03167,
/// algorithm 1): x is [R, ...], scale and shift are [R]. Differentiable in all three.
pub fn norm_activate(x: &Tensor, scale: &Tensor, shift: &Tensor, activation: Activation) -> Result<Tensor> {
    x.contiguous()?.apply_op3(scale, shift, NormActivate(activation))
}

/// Mean and variance of each row of a contiguous [R, ...].
pub fn statistics(x: &Tensor) -> Result<Vec<(f32, f32)>> {
    let row = x.elem_count() / x.dim(0)?;
    with_floats(x, "batch norm statistics", |x| x.par_chunks_exact(row).map(moments).collect())
}

fn moments(row: &[f32]) -> (f32, f32) {
    let n = row.len() as f32;
    let mean = sum(row) / n;
    let mut squares = [0.0f32; 16];
    for chunk in row.chunks(16) {
        for (square, x) in squares.iter_mut().zip(chunk) {
            *square += (x - mean) * (x - mean);
        }
    }
    (mean, squares.iter().sum::<f32>() / n)
}

struct NormActivate(Activation);

impl CustomOp3 for NormActivate {
    fn name(&self) -> &'static str {
        "batch norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        scale: &CpuStorage,
        scale_layout: &Layout,
        shift: &CpuStorage,
        shift_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let x = floats(x, x_layout, self.name())?;
        let scale = floats(scale, scale_layout, self.name())?;
        let shift = floats(shift, shift_layout, self.name())?;
        let row = x.len() / scale.len();
        let mut y = vec![0.0; x.len()];
        y.par_chunks_exact_mut(row).zip(x.par_chunks_exact(row)).enumerate().for_each(|(r, (y, x))| {
            let (mean, variance) = moments(x);
            let factor = scale[r] / (variance + EPSILON).sqrt();
            self.0.forward(y, x, factor, shift[r] - mean * factor);
        });
        Ok((CpuStorage::F32(y), x_layout.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        scale: &Tensor,
        _: &Tensor,
        y: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let row = x.elem_count() / scale.elem_count();
        let grad = grad.contiguous()?;
        let scales = scale.to_vec1::<f32>()?;
        let mut dx = vec![0.0; x.elem_count()];
        let rows: Vec<(f32, f32)> = with_floats(x, self.name(), |x| {
            with_floats(y, self.name(), |y| {
                with_floats(&grad, self.name(), |grad| {
                    dx.par_chunks_exact_mut(row)
                        .zip(x.par_chunks_exact(row).zip(y.par_chunks_exact(row).zip(grad.par_chunks_exact(row))))
                        .zip(&scales)
                        .map(|((dx, (x, (y, grad))), &scale)| self.row_gradient(dx, x, y, grad, scale))
                        .collect()
                })
            })
        })???;
        let (dscale, dshift): (Vec<f32>, Vec<f32>) = rows.into_iter().unzip();
        Ok((
            Some(Tensor::from_vec(dx, x.shape(), x.device())?),
            Some(Tensor::from_vec(dscale, scale.shape(), x.device())?),
            Some(Tensor::from_vec(dshift, scale.shape(), x.device())?),
        ))
    }
}

impl NormActivate {
    /// Fills one row of dx and gives that row's gradients of scale and shift (1502.03167, section 3, with the sums over the row as dscale
    /// and dshift): dx = scale / deviation * (g - (dshift + x̂ dscale) / n).
    fn row_gradient(&self, dx: &mut [f32], x: &[f32], y: &[f32], grad: &[f32], scale: f32) -> (f32, f32) {
        let n = x.len() as f32;
        let (mean, variance) = moments(x);
        let inverse = 1.0 / (variance + EPSILON).sqrt();
        self.0.backward(dx, y, grad);
        let mut products = [0.0f32; 16];
        for (dx, x) in dx.chunks(16).zip(x.chunks(16)) {
            for ((product, dx), x) in products.iter_mut().zip(dx).zip(x) {
                *product += dx * (x - mean) * inverse;
            }
        }
        let (dscale, dshift) = (products.iter().sum::<f32>(), sum(dx));
        for (dx, x) in dx.iter_mut().zip(x) {
            *dx = scale * inverse * (*dx - (dshift + (x - mean) * inverse * dscale) / n);
        }
        (dscale, dshift)
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{D, Device, Var};

    use super::*;
    use crate::stream::{normal, stream};

    #[test]
    fn values_and_gradients_agree_with_candles_own_ops() {
        let var = |purpose, dims: &[usize]| {
            let data = normal(&mut stream(2, purpose, 0), dims.iter().product());
            Var::from_vec(data, dims, &Device::Cpu).unwrap().into_inner()
        };
        let (x, scale, shift) = (var("x", &[3, 37]), var("scale", &[3]), var("shift", &[3]));
        let probe = var("probe", &[3, 37]).detach();

        let ours = norm_activate(&x, &scale, &shift, Activation::Tanh).unwrap();
        let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1).unwrap()).unwrap();
        let variance = centred.sqr().unwrap().mean_keepdim(D::Minus1).unwrap();
        let normal = centred.broadcast_div(&(variance + f64::from(EPSILON)).unwrap().sqrt().unwrap()).unwrap();
        let column = |t: &Tensor| t.reshape((3, 1)).unwrap();
        let theirs =
            normal.broadcast_mul(&column(&scale)).unwrap().broadcast_add(&column(&shift)).unwrap().tanh().unwrap();

        let gap =
            |a: &Tensor, b: &Tensor| (a - b).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
        assert!(gap(&ours, &theirs) < 1e-5);
        let gradients = |y: &Tensor| y.mul(&probe).unwrap().sum_all().unwrap().backward().unwrap();
        let (our_gradients, their_gradients) = (gradients(&ours), gradients(&theirs));
        for argument in [&x, &scale, &shift] {
            let gap = gap(our_gradients.get(argument).unwrap(), their_gradients.get(argument).unwrap());
            assert!(gap < 1e-4, "gradient off by {gap}");
        }
    }
}
