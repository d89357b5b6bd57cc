//! The matrix product of a fully connected layer: weights [O, I] and features [I, B] go in, features [O, B] come out.
//!
//! Features are row-major (a row is one feature over the batch), as the maps of `conv` are: no weight is ever transposed in memory.
//! Own op only because candle's product computes both gradients whether or not anybody needs them.

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor};

/// W[O, I] · x[I, B], differentiable in both.
pub fn linear(x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    weight.apply_op2(&x.contiguous()?, Product)
}

struct Product;

impl CustomOp2 for Product {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(
        &self,
        weight: &CpuStorage,
        weight_layout: &Layout,
        x: &CpuStorage,
        x_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (outputs, inputs) = weight_layout.shape().dims2()?;
        let (rows, batch) = x_layout.shape().dims2()?;
        if rows != inputs {
            candle_core::bail!("linear: weights for {inputs} features, got {rows}");
        }
        let y = weight.matmul(x, (1, outputs, batch, inputs), weight_layout, x_layout)?;
        Ok((y, Shape::from((outputs, batch))))
    }

    fn bwd(&self, weight: &Tensor, x: &Tensor, _: &Tensor, grad: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (weight_tracks, x_tracks) = (weight.track_op(), x.track_op());
        let (weight, x) = (weight.detach(), x.detach());
        Ok((
            weight_tracks.then(|| grad.matmul(&x.t()?)).transpose()?,
            x_tracks.then(|| weight.t()?.matmul(grad)).transpose()?,
        ))
    }
}
