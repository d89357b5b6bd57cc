//! Reconstructions of a row from the principal components of genuine pictures, and the residuals. They are maps
//! that the trunk gets beside the row itself.
//!
//! Most variation among genuine pictures is harmless: camera, light, position, writer. The residual is faint but
//! informative, even where it is no larger than a serif. A row has two views: its grey values pixel by pixel and,
//! if it has colours, the colours averaged over squares, because areas of one ink are wider than lines.

use candle_core::{DType, Device, Result, Tensor};

use super::super::round_to_f16;
use super::{Input, Shape};
use crate::math::pca::Pca;
use crate::math::random::stream;
use crate::onnx::{Eager, Ops, Var};

/// Numbers of a row per component. With fewer, the components also reconstruct what is unusual.
const SHARE: usize = 9;
/// Most numbers in the components of one view, so that a bundle stays at one or two megabytes.
const NUMBERS: usize = 250_000;
/// Fewest genuine rows per component. With fewer, the rows used for fitting look more genuine than other rows.
const ROWS: usize = 16;
/// Sides in pixels of the squares over which colours are averaged. The first that divides both sides of the picture
/// is used.
const SQUARES: [usize; 3] = [4, 2, 1];
/// Factor on the residual, which is faint.
const GAIN: f64 = 3.0;

/// The principal components of each view, fitted to genuine pictures.
#[derive(Clone, Debug)]
pub(crate) struct PcaFeatures {
    /// Channels, height, width.
    shape: Shape,
    views: Vec<(View, Pca)>,
}

/// A view of a row; each view has its own principal components.
#[derive(Clone, Copy, Debug)]
enum View {
    /// The grey of each pixel.
    Grey,
    /// All channels, averaged over squares of this side in pixels.
    Colors(usize),
}

impl View {
    fn of((channels, height, width): Shape) -> Vec<Self> {
        let square = SQUARES.into_iter().find(|side| height % side == 0 && width % side == 0).unwrap_or(1);
        if channels == 1 { vec![Self::Grey] } else { vec![Self::Grey, Self::Colors(square)] }
    }

    /// Channels, height and width of this view of a picture.
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

    /// This view of rows `[N, C, H, W]` in -1..1, as vectors `[N, D]`.
    fn vectors(self, ops: &mut dyn Ops, input: &mut Input) -> Result<Var> {
        let seen = match self {
            Self::Grey => input.grey(ops)?,
            Self::Colors(side) => ops.pool(input.centred, (side, side))?,
        };
        ops.flatten(seen)
    }

    /// Turns vectors `[N, D]` into maps `[N, C or 1, H, W]` of a row's size.
    fn maps(self, ops: &mut dyn Ops, vectors: Var, shape: Shape) -> Result<Var> {
        let (channels, height, width) = self.seen(shape);
        let maps = ops.reshape(vectors, &[0, channels as i64, height as i64, width as i64])?;
        match self {
            Self::Grey => Ok(maps),
            Self::Colors(side) => ops.enlarge(maps, channels, side),
        }
    }

    /// The name of this view's mean or components in a checkpoint.
    fn name(self, constant: &str) -> String {
        let view = if matches!(self, Self::Grey) { "grey" } else { "colors" };
        format!("genuine.{view}.{constant}")
    }
}

/// Number of maps for rows of `channels`: a reconstruction and a residual of the grey and, in colour, of each channel.
pub(in super::super) fn count(channels: usize) -> usize {
    if channels == 1 { 2 } else { 2 + 2 * channels }
}

/// The number of genuine rows of a shape that is worth fitting to.
pub(in super::super) fn wanted(shape: Shape) -> usize {
    let most = View::of(shape).into_iter().map(|view| view.components(shape)).max().unwrap_or(0);
    2 * ROWS * most
}

impl PcaFeatures {
    /// Components before fitting: every reconstruction is 0.
    pub(in super::super) fn untrained(shape: Shape) -> Result<Self> {
        let zeros = |dims| Tensor::zeros(dims, DType::F32, &Device::Cpu);
        let view = |view: View| {
            let size = view.size(shape);
            let components = zeros((size, view.components(shape)))?;
            Ok((view, Pca { mean: zeros((1, size))?, components }))
        };
        Ok(Self { shape, views: View::of(shape).into_iter().map(view).collect::<Result<_>>()? })
    }

    /// Fits each view's components to genuine rows `[N, C, H, W]` in -1..1.
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
            *pca = Pca { mean: found.mean, components: round_to_f16(&components)? };
        }
        Ok(())
    }

    /// Reconstructions and residuals of the rows, view by view, as maps `[N, 1 or C, H, W]`. Residuals are
    /// multiplied by `GAIN`.
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

    /// The fitted constants with their names in checkpoints.
    pub(in super::super) fn constants(&self) -> impl Iterator<Item = (String, &Tensor)> {
        self.views.iter().flat_map(|(view, pca)| {
            let Pca { mean, components } = pca;
            [(view.name("mean"), mean), (view.name("components"), components)]
        })
    }

    /// The fitted constants with their names in checkpoints, mutable, to be filled.
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
        // Uniform pictures of any brightness, in any colour.
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
        // Among the colours, red has a residual over its square of 4x4 pixels, and blue has none.
        let square = 3.0 * 0.7 / 16.0;
        assert!((at(5, 3, 3) - square).abs() < 0.05 && at(5, 9, 9).abs() < 0.05 && at(7, 3, 3).abs() < 0.05);
    }
}
