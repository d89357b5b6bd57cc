//! How usual a row is: its spectrum and the colours of its squares, held to those of the genuine rows of the same region by their Mahalanobis
//! distance (Mahalanobis 1936). That needs no forgery to be learned from, so it fears one that resembles none of them.
//!
//! Each region of a picture has its own kind of rows; a row is held to the kind that it is nearest to, so whoever judges need not know
//! which region is which. It is defined twice, side by side: by candle, and as ONNX nodes. The parity of every export holds one against
//! the other.

use candle_core::{DType, Device, Result, Tensor};
use rayon::prelude::*;

use super::short;
use super::spectrum::{self, spectrum};
use crate::export::graph::{Attribute, Graph};
use crate::export::onnx::tensor;
use crate::statistics::Whitening;

/// Most squares along a side.
const SQUARES: usize = 6;
/// Fewest genuine rows of a kind whose spread is worth knowing.
const ROWS: usize = 8;
/// Most genuine rows of a kind that are looked at.
const LOOKED_AT: usize = 512;
/// Rows that are looked at together.
const TOGETHER: usize = 512;
/// How many uncorrelated rows are taken to have been seen, for each number that is seen.
const PRIOR: f64 = 0.1;
/// Mean square of a whitened row whose logarithm is still taken as it is.
const FLOOR: f64 = 1e-3;

type Shape = (usize, usize, usize);

/// What is usual among the rows of each of R kinds.
#[derive(Clone, Debug)]
pub struct Usual {
    /// Channels, height, width.
    shape: Shape,
    /// Mean of what is seen, [R, 1, V].
    mean: Tensor,
    /// What makes it uncorrelated and of unit spread, [R, V, V]; zeros while nothing is known.
    whitening: Tensor,
}

/// Sides of the squares, in pixels.
fn squares((_, height, width): Shape) -> (usize, usize) {
    (height.div_ceil(SQUARES), width.div_ceil(SQUARES))
}

/// How many numbers are seen of a row.
fn seen(shape: Shape) -> usize {
    let ((channels, height, width), (down, across)) = (shape, squares(shape));
    spectrum::count((height, width)) + channels * (height / down) * (width / across)
}

/// What is seen of pictures [B, H, W, C] in -1..1: [B, V].
fn see(pictures: &Tensor) -> Result<Tensor> {
    let (_, height, width, channels) = pictures.dims4()?;
    let squares = pictures.permute((0, 3, 1, 2))?.avg_pool2d(squares((channels, height, width)))?;
    Tensor::cat(&[&spectrum(pictures)?, &squares.flatten_from(1)?], 1)
}

/// How many genuine pictures are worth looking at.
pub(super) const fn wanted() -> usize {
    LOOKED_AT
}

impl Usual {
    /// Nothing is known of so many kinds, and everything is as usual.
    pub(super) fn unknown(kinds: usize, shape: Shape) -> Result<Self> {
        let count = seen(shape);
        let nothing = |dims| Tensor::zeros(dims, DType::F32, &Device::Cpu);
        Ok(Self { shape, mean: nothing((kinds, 1, count))?, whitening: nothing((kinds, count, count))? })
    }

    /// Looks at genuine pictures [N, H, W, C] in -1..1, row `i` being of kind `i % R`.
    pub(super) fn look_at(&mut self, pictures: &Tensor) -> Result<()> {
        let kinds = self.mean.dim(0)?;
        let each = (pictures.dim(0)? / kinds).min(LOOKED_AT);
        if each < ROWS {
            return Ok(());
        }
        let rows = each * kinds;
        let parts =
            (0..rows).step_by(TOGETHER).map(|first| see(&pictures.narrow(0, first, TOGETHER.min(rows - first))?));
        let rows: Vec<Vec<f32>> = Tensor::cat(&parts.collect::<Result<Vec<_>>>()?, 0)?.to_vec2()?;
        let fit = |kind: usize| {
            let own: Vec<Vec<f32>> = rows.iter().skip(kind).step_by(kinds).cloned().collect();
            Whitening::fit(&own, PRIOR)
        };
        let found: Vec<Whitening> = (0..kinds).into_par_iter().map(fit).collect();
        let mean = found.iter().flat_map(|kind| kind.mean.iter().copied());
        self.mean = Tensor::from_iter(mean, &Device::Cpu)?.reshape(self.mean.shape())?;
        let whitening = found.iter().flat_map(|kind| kind.matrix.iter().copied());
        self.whitening = short(&Tensor::from_iter(whitening, &Device::Cpu)?.reshape(self.whitening.shape())?)?;
        Ok(())
    }

    /// Minus the logarithm of the distance of pictures [B, H, W, C] in -1..1 to the nearest kind: [B, 1].
    pub(super) fn usualness(&self, pictures: &Tensor) -> Result<Tensor> {
        let seen = see(pictures)?.unsqueeze(0)?; // [1, B, V]
        let whitened = seen.broadcast_sub(&self.mean)?.matmul(&self.whitening)?; // [R, B, V]
        let nearest = whitened.sqr()?.mean(2)?.min(0)?; // [B]
        ((nearest + FLOOR)?.log()? * -0.5)?.unsqueeze(1)
    }

    /// Its numbers by name.
    pub(super) fn constants(&self) -> [(String, &Tensor); 2] {
        [("usual.mean".to_owned(), &self.mean), ("usual.whitening".to_owned(), &self.whitening)]
    }

    /// The same, to be filled.
    pub(super) fn constants_mut(&mut self) -> [(String, &mut Tensor); 2] {
        [("usual.mean".to_owned(), &mut self.mean), ("usual.whitening".to_owned(), &mut self.whitening)]
    }

    /// Appends what [`Self::usualness`] gives of `pictures` ([N, C, H, W] in -1..1): [N, 1].
    ///
    /// # Errors
    /// When its numbers cannot be read.
    pub(crate) fn append(&self, graph: &mut Graph, pictures: &str) -> Result<String> {
        let spectrum = spectrum::append(graph, pictures, self.shape);
        let (down, across) = squares(self.shape);
        let square = [down as i64, across as i64];
        let sides = [("kernel_shape", Attribute::Ints(&square)), ("strides", Attribute::Ints(&square))];
        let squares = graph.node("AveragePool", &[pictures], &sides);
        let squares = graph.node("Flatten", &[&squares], &[("axis", Attribute::Int(1))]);
        let seen = graph.node("Concat", &[&spectrum, &squares], &[("axis", Attribute::Int(1))]); // [N, V]
        let (mean, whitening) = (tensor(graph, &self.mean)?, tensor(graph, &self.whitening)?);
        let centred = graph.node("Sub", &[&seen, &mean], &[]); // [R, N, V]
        let whitened = graph.node("MatMul", &[&centred, &whitening], &[]);
        let square = graph.node("Mul", &[&whitened, &whitened], &[]);
        let over = |graph: &mut Graph, op: &str, value: &str, axis: i64, keep: i64| {
            graph.node(op, &[value], &[("axes", Attribute::Ints(&[axis])), ("keepdims", Attribute::Int(keep))])
        };
        let each = over(graph, "ReduceMean", &square, 2, 1); // [R, N, 1]
        let nearest = over(graph, "ReduceMin", &each, 0, 0); // [N, 1]
        let nearest = graph.with_number("Add", &nearest, FLOOR as f32);
        let distance = graph.node("Log", &[&nearest], &[]);
        Ok(graph.with_number("Mul", &distance, -0.5))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::{normal, stream};

    #[test]
    fn each_region_is_held_to_its_own_kind() {
        // Region 0 is dark, region 1 is bright; each varies a little.
        let noise = normal(&mut stream(3, "usual", 0), 64 * 256);
        let row = |i: usize, level: f32| noise[i * 256..][..256].iter().map(move |x| level + 0.05 * x);
        let level = |i: usize| if i.is_multiple_of(2) { -0.5 } else { 0.5 };
        let rows = (0..60).flat_map(|i| row(i, level(i)));
        let pictures = Tensor::from_iter(rows, &Device::Cpu).unwrap().reshape((60, 16, 16, 1)).unwrap();
        let mut usual = Usual::unknown(2, (1, 16, 16)).unwrap();
        usual.look_at(&pictures).unwrap();
        let of = |level: f32| -> f32 {
            let picture = Tensor::from_iter(row(61, level), &Device::Cpu).unwrap().reshape((1, 16, 16, 1)).unwrap();
            usual.usualness(&picture).unwrap().flatten_all().unwrap().to_vec1().unwrap()[0]
        };
        let (dark, bright, between) = (of(-0.5), of(0.5), of(0.0));
        assert!((dark - bright).abs() < 0.5, "{dark} {bright}");
        assert!(between < dark.min(bright) - 1.0, "what lies between two kinds is neither: {between} against {dark}");
    }
}
