//! The convolutions under the networks: maps and weights go in, maps go out, each with its gradients.
//!
//! Own code because candle's transposed convolution has no gemm on the CPU and its gradients are computed needed or not: together a
//! factor of six against PyTorch. Here a convolution is one unfold and one matrix product, its transpose one product and one fold:
//!
//! | op | from | to | product |
//! |---|---|---|---|
//! | [`down`], the convolution | large [L,B,H,W] | small [S,B,h,w] | W[S,LKK] · unfold(large)[LKK,Bhw] |
//! | [`up`], its transpose | small | large | fold(Wᵀ[LKK,S] · small[S,Bhw]) |
//! | weight gradient of both | small, large | [S,L,K,K] | small[S,Bhw] · unfold(large)ᵀ[Bhw,LKK] |
//!
//! `up` is the adjoint of `down`, so each is the other's gradient and the third row serves both (Dumoulin & Visin, 1603.07285, chapter 4).
//! Maps are channel-major, [C, B, H, W]: then every product reads and writes them as they lie, and nothing large is ever transposed.
//! Weights are [S, L, K, K]: PyTorch's and ONNX's order for a convolution (out, in) and for a transposed one (in, out) alike.

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use super::floats::floats;

/// The sliding window that a convolution and its transpose share: a square kernel, its stride and its zero padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Side of the kernel, pixels.
    pub kernel: usize,
    /// Step between two windows, pixels.
    pub stride: usize,
    /// Zeros added on each side, pixels.
    pub padding: usize,
}

impl Window {
    /// A side of the small map made from a `large` one: how many windows fit. Zero when none does.
    #[must_use]
    pub fn small(self, large: usize) -> usize {
        (large + 2 * self.padding).checked_sub(self.kernel).map_or(0, |room| room / self.stride + 1)
    }

    /// The least side of a large map whose small map has side `small` (at least 1): what a transposed convolution makes.
    #[must_use]
    pub fn large(self, small: usize) -> usize {
        ((small - 1) * self.stride + self.kernel).saturating_sub(2 * self.padding)
    }
}

/// Convolution: [L, B, H, W] with weights [S, L, K, K] gives [S, B, h, w]. Differentiable in both.
pub fn down(large: &Tensor, weight: &Tensor, window: Window) -> Result<Tensor> {
    large.contiguous()?.apply_op2(weight, Down(window))
}

/// Transposed convolution: [S, B, h, w] with weights [S, L, K, K] gives [L, B, H, W]. Differentiable in both.
pub fn up(small: &Tensor, weight: &Tensor, window: Window) -> Result<Tensor> {
    let (_, _, h, w) = small.dims4()?;
    small.contiguous()?.apply_op2(weight, Up { window, large: (window.large(h), window.large(w)) })
}

struct Down(Window);

impl CustomOp2 for Down {
    fn name(&self) -> &'static str {
        "convolution"
    }

    fn cpu_fwd(
        &self,
        large: &CpuStorage,
        large_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (channels, batch, height, width) = large_layout.shape().dims4()?;
        let (small_channels, _, _, _) = weight_layout.shape().dims4()?;
        let maps = Maps::new(channels, batch, (height, width), self.0, weight_layout)?;
        let columns = CpuStorage::F32(maps.unfold(floats(large, large_layout, self.name())?)); // [LKK, Bhw]
        let (rows, places) = (maps.rows(), maps.places());
        let small = weight.matmul(
            &columns,
            (1, small_channels, places, rows),
            &Layout::contiguous_with_offset((small_channels, rows), weight_layout.start_offset()),
            &Layout::contiguous((rows, places)),
        )?; // [S, Bhw]
        Ok((small, Shape::from((small_channels, batch, maps.small.0, maps.small.1))))
    }

    fn bwd(
        &self,
        large: &Tensor,
        weight: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let grad = grad.contiguous()?;
        let (_, _, height, width) = large.dims4()?;
        let up = Up { window: self.0, large: (height, width) };
        Ok((
            large.track_op().then(|| grad.apply_op2_no_bwd(weight, &up)).transpose()?,
            weight.track_op().then(|| grad.apply_op2_no_bwd(large, &WeightGradient(self.0))).transpose()?,
        ))
    }
}

struct Up {
    window: Window,
    /// Height and width of the large map: several sizes have the same small map.
    large: (usize, usize),
}

impl CustomOp2 for Up {
    fn name(&self) -> &'static str {
        "transposed convolution"
    }

    fn cpu_fwd(
        &self,
        small: &CpuStorage,
        small_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (small_channels, batch, _, _) = small_layout.shape().dims4()?;
        let (_, channels, _, _) = weight_layout.shape().dims4()?;
        let maps = Maps::new(channels, batch, self.large, self.window, weight_layout)?;
        floats(small, small_layout, self.name())?;
        let (rows, places) = (maps.rows(), maps.places());
        let columns = weight.matmul(
            small,
            (1, rows, places, small_channels),
            &Layout::new(Shape::from((rows, small_channels)), vec![1, rows], weight_layout.start_offset()),
            &Layout::contiguous_with_offset((small_channels, places), small_layout.start_offset()),
        )?; // [LKK, Bhw]
        let large = maps.fold(columns.as_slice()?);
        Ok((CpuStorage::F32(large), Shape::from((channels, batch, self.large.0, self.large.1))))
    }

    fn bwd(
        &self,
        small: &Tensor,
        weight: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let grad = grad.contiguous()?;
        Ok((
            small.track_op().then(|| grad.apply_op2_no_bwd(weight, &Down(self.window))).transpose()?,
            weight.track_op().then(|| small.apply_op2_no_bwd(&grad, &WeightGradient(self.window))).transpose()?,
        ))
    }
}

/// Of a small map [S, B, h, w] and a large one [L, B, H, W]: the gradient [S, L, K, K] of the weights between them.
struct WeightGradient(Window);

impl CustomOp2 for WeightGradient {
    fn name(&self) -> &'static str {
        "convolution weight gradient"
    }

    fn cpu_fwd(
        &self,
        small: &CpuStorage,
        small_layout: &Layout,
        large: &CpuStorage,
        large_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (small_channels, _, h, w) = small_layout.shape().dims4()?;
        let (channels, batch, height, width) = large_layout.shape().dims4()?;
        let maps = Maps { channels, batch, large: (height, width), small: (h, w), window: self.0 };
        floats(small, small_layout, self.name())?;
        let columns = CpuStorage::F32(maps.unfold(floats(large, large_layout, self.name())?)); // [LKK, Bhw]
        let (rows, places) = (maps.rows(), maps.places());
        let gradient = small.matmul(
            &columns,
            (1, small_channels, rows, places),
            &Layout::contiguous_with_offset((small_channels, places), small_layout.start_offset()),
            &Layout::new(Shape::from((places, rows)), vec![1, places], 0),
        )?; // [S, LKK]
        Ok((gradient, Shape::from((small_channels, channels, self.0.kernel, self.0.kernel))))
    }
}

/// A large map, the window that slides over it and the small map of the window's places.
struct Maps {
    /// Channels of the large map.
    channels: usize,
    batch: usize,
    /// Height and width.
    large: (usize, usize),
    /// Height and width.
    small: (usize, usize),
    window: Window,
}

impl Maps {
    fn new(channels: usize, batch: usize, large: (usize, usize), window: Window, weight: &Layout) -> Result<Self> {
        let small = (window.small(large.0), window.small(large.1));
        let (_, weight_channels, kh, kw) = weight.shape().dims4()?;
        if weight_channels != channels || (kh, kw) != (window.kernel, window.kernel) || !weight.is_contiguous() {
            bail!("weights {weight:?} do not fit maps of {channels} channels under {window:?}");
        }
        if small.0 * small.1 == 0 {
            bail!("no {window:?} fits into a map of {} x {} pixels", large.0, large.1);
        }
        Ok(Self { channels, batch, large, small, window })
    }

    /// L * K * K
    fn rows(&self) -> usize {
        self.channels * self.window.kernel * self.window.kernel
    }

    /// B * h * w
    fn places(&self) -> usize {
        self.batch * self.small.0 * self.small.1
    }

    /// For one offset in the kernel along one axis: the range of small coordinates whose pixel lies inside the picture.
    fn inside(&self, offset: usize, large: usize, small: usize) -> std::ops::Range<usize> {
        let Window { stride, padding, .. } = self.window;
        let first = padding.saturating_sub(offset).div_ceil(stride);
        let end = (large + padding).saturating_sub(offset).div_ceil(stride).min(small);
        first.min(end)..end
    }

    /// im2col: [L, B, H, W] to [LKK, Bhw]; row (l, ky, kx) holds the pixel at offset (ky, kx) of every window, zero outside.
    fn unfold(&self, large: &[f32]) -> Vec<f32> {
        let Window { kernel, stride, padding } = self.window;
        let ((height, width), (h, w)) = (self.large, self.small);
        let mut columns = vec![0.0; self.rows() * self.places()];
        columns.par_chunks_exact_mut(self.places()).enumerate().for_each(|(row, columns)| {
            let (l, ky, kx) = (row / (kernel * kernel), row / kernel % kernel, row % kernel);
            let (ys, xs) = (self.inside(ky, height, h), self.inside(kx, width, w));
            if xs.is_empty() {
                return;
            }
            for (b, columns) in columns.chunks_exact_mut(h * w).enumerate() {
                let plane = &large[(l * self.batch + b) * height * width..][..height * width];
                for y in ys.clone() {
                    let line = &plane[(y * stride + ky - padding) * width..][..width];
                    let line = &line[xs.start * stride + kx - padding..];
                    let columns = &mut columns[y * w..][xs.clone()];
                    gather(columns, line, stride);
                }
            }
        });
        columns
    }

    /// col2im, the adjoint of `unfold`: [LKK, Bhw] to [L, B, H, W]; every pixel sums what all windows say of it.
    fn fold(&self, columns: &[f32]) -> Vec<f32> {
        let Window { kernel, stride, padding } = self.window;
        let ((height, width), (h, w)) = (self.large, self.small);
        let mut large = vec![0.0; self.channels * self.batch * height * width];
        large.par_chunks_exact_mut(height * width).enumerate().for_each(|(plane_index, plane)| {
            let (l, b) = (plane_index / self.batch, plane_index % self.batch);
            for (ky, kx) in (0..kernel).flat_map(|ky| (0..kernel).map(move |kx| (ky, kx))) {
                let row = (l * kernel + ky) * kernel + kx;
                let columns = &columns[row * self.places() + b * h * w..][..h * w];
                let xs = self.inside(kx, width, w);
                if xs.is_empty() {
                    continue;
                }
                for y in self.inside(ky, height, h) {
                    let line = &mut plane[(y * stride + ky - padding) * width..][..width];
                    let line = &mut line[xs.start * stride + kx - padding..];
                    scatter(line, &columns[y * w..][xs.clone()], stride);
                }
            }
        });
        large
    }
}

/// `columns[i] = line[i * stride]`
fn gather(columns: &mut [f32], line: &[f32], stride: usize) {
    for (column, &pixel) in columns.iter_mut().zip(line.iter().step_by(stride)) {
        *column = pixel;
    }
}

/// `line[i * stride] += columns[i]`
fn scatter(line: &mut [f32], columns: &[f32], stride: usize) {
    for (pixel, &column) in line.iter_mut().step_by(stride).zip(columns) {
        *pixel += column;
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};

    use super::*;
    use crate::stream::{normal, stream};

    /// Both sides leave the same remainder: candle's own gradient fails where they differ.
    const CASES: [(Window, (usize, usize), usize); 6] = [
        (Window { kernel: 4, stride: 2, padding: 1 }, (8, 8), 3),
        (Window { kernel: 4, stride: 2, padding: 1 }, (7, 9), 1),
        (Window { kernel: 4, stride: 2, padding: 1 }, (3, 5), 2),
        (Window { kernel: 3, stride: 1, padding: 1 }, (5, 6), 2),
        (Window { kernel: 3, stride: 2, padding: 0 }, (8, 6), 2),
        (Window { kernel: 5, stride: 3, padding: 4 }, (6, 3), 1),
    ];
    const UNEQUAL: [(Window, (usize, usize), usize); 2] = [
        (Window { kernel: 4, stride: 2, padding: 1 }, (2, 5), 1),
        (Window { kernel: 5, stride: 3, padding: 4 }, (6, 4), 3),
    ];

    fn var(purpose: &str, dims: [usize; 4]) -> Tensor {
        let data = normal(&mut stream(11, purpose, 0), dims.iter().product());
        Var::from_vec(data, &dims[..], &Device::Cpu).unwrap().into_inner()
    }

    fn assert_close(ours: &Tensor, theirs: &Tensor) {
        assert_eq!(ours.dims(), theirs.dims());
        let flat = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        for (a, b) in flat(ours).into_iter().zip(flat(theirs)) {
            assert!((a - b).abs() < 1e-4 * (1.0 + b.abs()), "{a} is not {b}");
        }
    }

    fn swap(t: &Tensor) -> Tensor {
        t.transpose(0, 1).unwrap().contiguous().unwrap()
    }

    /// The gradients of sum(result * probe) with respect to the two arguments.
    fn gradients(result: &Tensor, probe: &Tensor, arguments: [&Tensor; 2]) -> [Tensor; 2] {
        let grads = result.mul(probe).unwrap().sum_all().unwrap().backward().unwrap();
        arguments.map(|argument| grads.get(argument).unwrap().clone())
    }

    #[test]
    fn down_and_its_gradients_agree_with_candles_conv2d() {
        for (window, (height, width), batch) in CASES {
            let (x, weight) = (var("x", [3, batch, height, width]), var("w", [5, 3, window.kernel, window.kernel]));
            let ours = down(&x, &weight, window).unwrap();
            let theirs = swap(&swap(&x).conv2d(&weight, window.padding, window.stride, 1, 1).unwrap());
            assert_close(&ours, &theirs);
            let probe = var("probe", ours.dims4().map(|(a, b, c, d)| [a, b, c, d]).unwrap()).detach();
            for (a, b) in gradients(&ours, &probe, [&x, &weight]).iter().zip(gradients(&theirs, &probe, [&x, &weight]))
            {
                assert_close(a, &b);
            }
        }
    }

    #[test]
    fn up_and_its_gradients_agree_with_candles_conv_transpose2d() {
        for (window, (height, width), batch) in CASES {
            let (h, w) = (window.small(height), window.small(width));
            if window.padding * 2 >= (h.min(w) - 1) * window.stride + window.kernel {
                continue; // nothing would be left of the large map
            }
            let (x, weight) = (var("x", [5, batch, h, w]), var("w", [5, 3, window.kernel, window.kernel]));
            let ours = up(&x, &weight, window).unwrap();
            let theirs = swap(&swap(&x).conv_transpose2d(&weight, window.padding, 0, window.stride, 1).unwrap());
            assert_close(&ours, &theirs);
            let probe = var("probe", ours.dims4().map(|(a, b, c, d)| [a, b, c, d]).unwrap()).detach();
            for (a, b) in gradients(&ours, &probe, [&x, &weight]).iter().zip(gradients(&theirs, &probe, [&x, &weight]))
            {
                assert_close(a, &b);
            }
        }
    }

    #[test]
    fn fold_is_the_adjoint_of_unfold() {
        for (window, large, batch) in CASES.into_iter().chain(UNEQUAL) {
            let small = (window.small(large.0), window.small(large.1));
            let maps = Maps { channels: 2, batch, large, small, window };
            let x = normal(&mut stream(5, "x", 0), 2 * batch * large.0 * large.1);
            let y = normal(&mut stream(5, "y", 0), maps.rows() * maps.places());
            let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
            let (left, right) = (dot(&maps.unfold(&x), &y), dot(&x, &maps.fold(&y)));
            assert!((left - right).abs() < 1e-4 * (1.0 + left.abs()), "{left} is not {right}");
        }
    }

    #[test]
    fn gradients_that_nobody_needs_are_not_computed() {
        let window = Window { kernel: 4, stride: 2, padding: 1 };
        let (x, weight) = (var("x", [2, 1, 6, 6]), var("w", [3, 2, 4, 4]));
        let grads = down(&x.detach(), &weight, window).unwrap().sum_all().unwrap().backward().unwrap();
        assert!(grads.get(&x).is_none() && grads.get(&weight).is_some());
        let grads = down(&x, &weight.detach(), window).unwrap().sum_all().unwrap().backward().unwrap();
        assert!(grads.get(&x).is_some() && grads.get(&weight).is_none());
    }

    #[test]
    fn maps_that_do_not_fit_are_refused() {
        let window = Window { kernel: 4, stride: 2, padding: 0 };
        assert!(down(&var("x", [2, 1, 3, 8]), &var("w", [3, 2, 4, 4]), window).is_err());
        assert!(down(&var("x", [3, 1, 8, 8]), &var("w", [3, 2, 4, 4]), window).is_err());
    }
}
