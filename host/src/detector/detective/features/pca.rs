//! What the principal components of genuine pictures reconstruct of a row, and the residual: maps for the trunk,
//! beside the row's own.
//!
//! Most of what varies among genuine pictures is what may vary: camera, light, place, writer. The residual is faint
//! and telling, be it no larger than a serif. A row has two views: its greys pixel by pixel, and where it has colours
//! these in squares, for an ink is wider than a line.

use candle_core::{DType, Device, Result, Tensor};

use super::super::short;
use super::{Input, Shape};
use crate::math::pca::Pca;
use crate::math::random::stream;
use crate::onnx::{Eager, Ops, Var};

/// Numbers of a row for each component: with fewer the components reconstruct what is unusual too.
const SHARE: usize = 9;
/// Most numbers in the components of a view, so that a bundle stays a megabyte or two.
const NUMBERS: usize = 250_000;
/// Fewest genuine rows for each component: with fewer, those it was fitted to look more genuine than others.
const ROWS: usize = 16;
/// Sides of the squares in which colours are seen, the first that divides both sides of the picture.
const SQUARES: [usize; 3] = [4, 2, 1];
/// What the residual is multiplied with: it is faint.
const GAIN: f64 = 3.0;

/// The components of each view of genuine pictures.
#[derive(Clone, Debug)]
pub(crate) struct PcaFeatures {
    /// Channels, height, width.
    shape: Shape,
    views: Vec<(View, Pca)>,
}

/// What is seen of a row.
#[derive(Clone, Copy, Debug)]
enum View {
    /// The grey of each pixel.
    Grey,
    /// All channels, in squares of this side.
    Colors(usize),
}

impl View {
    fn of((channels, height, width): Shape) -> Vec<Self> {
        let square = SQUARES.into_iter().find(|side| height % side == 0 && width % side == 0).unwrap_or(1);
        if channels == 1 { vec![Self::Grey] } else { vec![Self::Grey, Self::Colors(square)] }
    }

    /// Channels, height and width of what it sees of a picture.
    fn seen(self, (channels, height, width): Shape) -> Shape {
        match self {
            Self::Grey => (1, height, width),
            Self::Colors(side) => (channels, height / side, width / side),
        }
    }

    fn size(self, shape: Shape) -> usize {
        let (channels, height, width) = self.seen(shape);
        channels * height * width
    }

    fn components(self, shape: Shape) -> usize {
        let size = self.size(shape);
        (size / SHARE).min(NUMBERS / size).max(1)
    }

    /// Of rows [N, C, H, W] in -1..1 what is seen, as vectors [N, D].
    fn vectors(self, ops: &mut dyn Ops, input: &mut Input) -> Result<Var> {
        let seen = match self {
            Self::Grey => input.grey(ops)?,
            Self::Colors(side) => ops.pool(input.centred, (side, side))?,
        };
        ops.flatten(seen)
    }

    /// Vectors [N, D] as maps [N, C or 1, H, W] of a row's size.
    fn maps(self, ops: &mut dyn Ops, vectors: Var, shape: Shape) -> Result<Var> {
        let (channels, height, width) = self.seen(shape);
        let maps = ops.reshape(vectors, &[0, channels as i64, height as i64, width as i64])?;
        match self {
            Self::Grey => Ok(maps),
            Self::Colors(side) => ops.enlarge(maps, channels, side),
        }
    }

    /// What a checkpoint calls its mean or components.
    fn name(self, constant: &str) -> String {
        let view = if matches!(self, Self::Grey) { "grey" } else { "colors" };
        format!("genuine.{view}.{constant}")
    }
}

/// How many maps there are for rows of `channels`: a reconstruction and a residual of the grey and of each colour.
pub(in super::super) fn count(channels: usize) -> usize {
    if channels == 1 { 2 } else { 2 + 2 * channels }
}

/// How many genuine rows of a shape are worth fitting to.
pub(in super::super) fn wanted(shape: Shape) -> usize {
    let most = View::of(shape).into_iter().map(|view| view.components(shape)).max().unwrap_or(0);
    2 * ROWS * most
}

impl PcaFeatures {
    /// Before anything was fitted: every reconstruction is 0.
    pub(in super::super) fn untrained(shape: Shape) -> Result<Self> {
        let zeros = |dims| Tensor::zeros(dims, DType::F32, &Device::Cpu);
        let view = |view: View| {
            let size = view.size(shape);
            let components = zeros((size, view.components(shape)))?;
            Ok((view, Pca { mean: zeros((1, size))?, components }))
        };
        Ok(Self { shape, views: View::of(shape).into_iter().map(view).collect::<Result<_>>()? })
    }

    /// Fits to genuine rows [N, C, H, W] in -1..1.
    pub(in super::super) fn fit(&mut self, rows: &Tensor, seed: u64) -> Result<()> {
        let mut ops = Eager::default();
        let centred = ops.var(rows.clone());
        let mut input = Input::new(self.shape, centred, centred);
        for (number, (view, pca)) in self.views.iter_mut().enumerate() {
            let vectors = view.vectors(&mut ops, &mut input)?;
            let vectors = ops.tensor(vectors);
            let (size, all) = pca.components.dims2()?;
            let some = (vectors.dim(0)? / ROWS).clamp(1, all);
            let found = Pca::fit(vectors, some, &mut stream(seed, "detective components", number as u64))?;
            let none = Tensor::zeros((size, all - some), DType::F32, &Device::Cpu)?;
            let components = Tensor::cat(&[&found.components, &none], 1)?;
            *pca = Pca { mean: found.mean, components: short(&components)? };
        }
        Ok(())
    }

    /// Reconstruction and residual of rows, the latter made stronger, view by view: maps [N, 1 or C, H, W].
    pub(in super::super) fn maps(&self, ops: &mut dyn Ops, input: &mut Input) -> Result<Vec<Var>> {
        let mut maps = Vec::new();
        for (view, Pca { mean, components }) in &self.views {
            let vectors = view.vectors(ops, input)?; // [N, D]
            let (mean, components) = (ops.constant(mean)?, ops.constant(components)?); // [1, D], [D, K]
            let centred = ops.sub(vectors, mean)?;
            let shares = ops.matmul(centred, components)?; // [N, K]
            let reconstruction = ops.matmul_transposed(shares, components)?;
            let reconstruction = ops.add(reconstruction, mean)?;
            let residual = ops.sub(vectors, reconstruction)?;
            let residual = ops.scale(residual, GAIN as f32)?;
            for vectors in [reconstruction, residual] {
                maps.push(view.maps(ops, vectors, self.shape)?);
            }
        }
        Ok(maps)
    }

    /// Its numbers by name.
    pub(in super::super) fn constants(&self) -> impl Iterator<Item = (String, &Tensor)> {
        self.views.iter().flat_map(|(view, pca)| {
            let Pca { mean, components } = pca;
            [(view.name("mean"), mean), (view.name("components"), components)]
        })
    }

    /// The same, to be filled.
    pub(in super::super) fn constants_mut(&mut self) -> impl Iterator<Item = (String, &mut Tensor)> {
        self.views.iter_mut().flat_map(|(view, pca)| {
            let Pca { mean, components } = pca;
            [(view.name("mean"), mean), (view.name("components"), components)]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_genuine_pictures_vary_in_is_reconstructed_and_a_new_mark_is_left() {
        // Plain pictures of any brightness, in any colour.
        let shade = |i: usize, channel: usize| (i * (5 + channel) % 17) as f32 / 17.0 - 0.5;
        let plain = (0..64).flat_map(|i| (0..256).flat_map(move |_| (0..3).map(move |channel| shade(i, channel))));
        let plain = Tensor::from_iter(plain, &Device::Cpu).unwrap().reshape((64, 16, 16, 3)).unwrap();
        let mut genuine = PcaFeatures::untrained((3, 16, 16)).unwrap();
        genuine.fit(&plain.permute((0, 3, 1, 2)).unwrap().contiguous().unwrap(), 1).unwrap();
        let mut marked: Vec<f32> = vec![0.2; 3 * 256];
        marked[17] = 0.9; // red, row 1, column 1
        let marked = Tensor::from_vec(marked, (1, 3, 16, 16), &Device::Cpu).unwrap();
        let mut ops = Eager::default();
        let centred = ops.var(marked);
        let maps = genuine.maps(&mut ops, &mut Input::new((3, 16, 16), centred, centred)).unwrap();
        let maps = ops.concat(&maps).unwrap();
        let maps = ops.tensor(maps);
        assert_eq!(maps.dims(), [1, count(3), 16, 16]);
        let at = |map: usize, y: usize, x: usize| -> f32 {
            maps.get(0).unwrap().get(map).unwrap().get(y).unwrap().get(x).unwrap().to_scalar().unwrap()
        };
        assert!((at(0, 9, 9) - 0.2).abs() < 0.01 && at(1, 9, 9).abs() < 0.05, "the ground is reconstructed");
        assert!((at(1, 1, 1) - 3.0 * 0.7 * 0.299).abs() < 0.05, "the mark is left: {}", at(1, 1, 1));
        // Of the colours red is left over its square of 4x4 pixels, and nothing of blue.
        let square = 3.0 * 0.7 / 16.0;
        assert!((at(5, 3, 3) - square).abs() < 0.05 && at(5, 9, 9).abs() < 0.05 && at(7, 3, 3).abs() < 0.05);
    }
}
