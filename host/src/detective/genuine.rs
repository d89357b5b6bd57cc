//! What genuine pictures are made up of: they go in, principal components come out, and whatever is judged is seen beside what these draw
//! of it. Most of what varies among them is what may vary: camera, light, place, writer. What is left after that is faint and telling,
//! be it no larger than a serif.
//!
//! A picture is drawn twice: its greys pixel by pixel, and where it has colours these in squares, for an ink is wider than a line. Both ways
//! stand here side by side, by candle and as ONNX nodes; the parity of every export holds one against the other.

use candle_core::{DType, Device, Result, Tensor};

use super::luma;
use super::short;
use crate::onnx::{Attribute, Graph, tensor};
use crate::stream::stream;
use crate::subspace::Subspace;

/// Numbers of a row for each component: with fewer the components draw what is unusual too.
const SHARE: usize = 9;
/// Most numbers in the components of a view, so that a bundle stays a megabyte or two.
const NUMBERS: usize = 250_000;
/// Fewest genuine rows for each component: with fewer, those it was fitted to look more genuine than others.
const ROWS: usize = 16;
/// Sides of the squares in which colours are seen, the first that divides both sides of the picture.
const SQUARES: [usize; 3] = [4, 2, 1];
/// What the components cannot draw is faint, and seen this much stronger.
const GAIN: f64 = 3.0;

type Shape = (usize, usize, usize);

/// The components of each view of genuine pictures.
#[derive(Clone, Debug)]
pub struct Genuine {
    /// Channels, height, width.
    shape: Shape,
    views: Vec<(View, Subspace)>,
}

/// What is looked at.
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

    /// Pictures [N, C, H, W] as rows [N, D].
    fn rows(self, pictures: &Tensor) -> Result<Tensor> {
        let seen = match self {
            Self::Grey => {
                let channels = pictures.dim(1)?;
                let luma = Tensor::from_slice(luma(channels), (1, channels, 1, 1), &Device::Cpu)?;
                pictures.broadcast_mul(&luma)?.sum(1)?
            }
            Self::Colors(side) => pictures.avg_pool2d(side)?,
        };
        seen.flatten_from(1)?.contiguous()
    }

    /// Rows [N, D] as maps [N, C or 1, H, W] of a picture's size.
    fn maps(self, rows: &Tensor, shape: Shape) -> Result<Tensor> {
        let (channels, height, width) = self.seen(shape);
        let maps = rows.reshape((rows.dim(0)?, channels, height, width))?;
        if (height, width) == (shape.1, shape.2) { Ok(maps) } else { maps.upsample_nearest2d(shape.1, shape.2) }
    }

    /// What a checkpoint calls its mean or components.
    fn name(self, constant: &str) -> String {
        let view = if matches!(self, Self::Grey) { "grey" } else { "colors" };
        format!("genuine.{view}.{constant}")
    }
}

/// How many maps there are for pictures of so many channels: what is drawn and what is left, of the grey and of each colour.
pub(super) fn count(channels: usize) -> usize {
    if channels == 1 { 2 } else { 2 + 2 * channels }
}

/// How many genuine rows of a shape are worth looking at.
pub(super) fn wanted(shape: Shape) -> usize {
    let most = View::of(shape).into_iter().map(|view| view.components(shape)).max().unwrap_or(0);
    2 * ROWS * most
}

impl Genuine {
    /// Nothing is known of them, and nothing is drawn.
    pub(super) fn unknown(shape: Shape) -> Result<Self> {
        let nothing = |dims| Tensor::zeros(dims, DType::F32, &Device::Cpu);
        let view = |view: View| {
            let size = view.size(shape);
            let components = nothing((size, view.components(shape)))?;
            Ok((view, Subspace { mean: nothing((1, size))?, components }))
        };
        Ok(Self { shape, views: View::of(shape).into_iter().map(view).collect::<Result<_>>()? })
    }

    /// Looks at genuine pictures [N, H, W, C] in -1..1.
    pub(super) fn look_at(&mut self, pictures: &Tensor, seed: u64) -> Result<()> {
        let pictures = pictures.permute((0, 3, 1, 2))?;
        for (number, (view, subspace)) in self.views.iter_mut().enumerate() {
            let rows = view.rows(&pictures)?;
            let (size, all) = subspace.components.dims2()?;
            let some = (rows.dim(0)? / ROWS).clamp(1, all);
            let found = Subspace::of(&rows, some, &mut stream(seed, "detective components", number as u64))?;
            let none = Tensor::zeros((size, all - some), DType::F32, &Device::Cpu)?;
            let components = Tensor::cat(&[&found.components, &none], 1)?;
            *subspace = Subspace { mean: found.mean, components: short(&components)? };
        }
        Ok(())
    }

    /// Of pictures [N, C, H, W] in -1..1 what is drawn and what is left, made stronger, view by view: [N, M, H, W].
    pub(super) fn beside(&self, pictures: &Tensor) -> Result<Tensor> {
        let mut maps = Vec::new();
        for (view, subspace) in &self.views {
            let rows = view.rows(pictures)?;
            let drawn = subspace.drawn(&rows)?;
            maps.push(view.maps(&drawn, self.shape)?);
            maps.push(view.maps(&((rows - drawn)? * GAIN)?, self.shape)?);
        }
        Tensor::cat(&maps, 1)
    }

    /// Its numbers by name.
    pub(super) fn constants(&self) -> impl Iterator<Item = (String, &Tensor)> {
        self.views.iter().flat_map(|(view, subspace)| {
            let Subspace { mean, components } = subspace;
            [(view.name("mean"), mean), (view.name("components"), components)]
        })
    }

    /// The same, to be filled.
    pub(super) fn constants_mut(&mut self) -> impl Iterator<Item = (String, &mut Tensor)> {
        self.views.iter_mut().flat_map(|(view, subspace)| {
            let Subspace { mean, components } = subspace;
            [(view.name("mean"), mean), (view.name("components"), components)]
        })
    }

    /// Appends what [`Self::beside`] gives of `pictures` ([N, C, H, W] in -1..1), a name for the maps of each step: [N, 1 or C, H, W].
    ///
    /// # Errors
    /// When its numbers cannot be read.
    pub(crate) fn append(&self, graph: &mut Graph, pictures: &str) -> Result<Vec<String>> {
        let mut maps = Vec::new();
        for (view, subspace) in &self.views {
            let seen = match view {
                View::Grey => {
                    let luma = graph.constant(&[1, self.shape.0, 1, 1], luma(self.shape.0));
                    graph.node("Conv", &[pictures, &luma], &[])
                }
                View::Colors(side) => {
                    let square = [*side as i64; 2];
                    let squares = [("kernel_shape", Attribute::Ints(&square)), ("strides", Attribute::Ints(&square))];
                    graph.node("AveragePool", &[pictures], &squares)
                }
            };
            let rows = graph.node("Flatten", &[&seen], &[("axis", Attribute::Int(1))]); // [N, D]
            let (mean, components) = (tensor(graph, &subspace.mean)?, tensor(graph, &subspace.components)?); // [1, D], [D, K]
            let centred = graph.node("Sub", &[&rows, &mean], &[]);
            let shares = graph.node("MatMul", &[&centred, &components], &[]); // [N, K]
            let drawn = graph.node("Gemm", &[&shares, &components], &[("transB", Attribute::Int(1))]);
            let drawn = graph.node("Add", &[&drawn, &mean], &[]);
            let left = graph.node("Sub", &[&rows, &drawn], &[]);
            let left = graph.with_number("Mul", &left, GAIN as f32);
            maps.extend([drawn, left].map(|rows| self.whole(graph, *view, &rows)));
        }
        Ok(maps)
    }

    /// Rows [N, D] as maps of the picture's size.
    fn whole(&self, graph: &mut Graph, view: View, rows: &str) -> String {
        let (channels, height, width) = view.seen(self.shape);
        let shape = graph.integers(&[0, channels as i64, height as i64, width as i64]);
        let maps = graph.node("Reshape", &[rows, &shape], &[]);
        let View::Colors(side) = view else { return maps };
        // Each number fills its square, in its own channel.
        let own =
            |index: usize| if index / (channels * side * side) == index / (side * side) % channels { 1.0 } else { 0.0 };
        let fill: Vec<f32> = (0..channels * channels * side * side).map(own).collect();
        let fill = graph.constant(&[channels, channels, side, side], &fill);
        graph.node("ConvTranspose", &[&maps, &fill], &[("strides", Attribute::Ints(&[side as i64; 2]))])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_genuine_pictures_vary_in_is_drawn_and_a_new_mark_is_left() {
        // Plain pictures of any brightness, in any colour.
        let shade = |i: usize, channel: usize| (i * (5 + channel) % 17) as f32 / 17.0 - 0.5;
        let plain = (0..64).flat_map(|i| (0..256).flat_map(move |_| (0..3).map(move |channel| shade(i, channel))));
        let plain = Tensor::from_iter(plain, &Device::Cpu).unwrap().reshape((64, 16, 16, 3)).unwrap();
        let mut genuine = Genuine::unknown((3, 16, 16)).unwrap();
        genuine.look_at(&plain, 1).unwrap();
        let mut marked: Vec<f32> = vec![0.2; 3 * 256];
        marked[17] = 0.9; // red, row 1, column 1
        let marked = Tensor::from_vec(marked, (1, 3, 16, 16), &Device::Cpu).unwrap();
        let maps = genuine.beside(&marked).unwrap();
        assert_eq!(maps.dims(), [1, count(3), 16, 16]);
        let at = |map: usize, y: usize, x: usize| -> f32 {
            maps.get(0).unwrap().get(map).unwrap().get(y).unwrap().get(x).unwrap().to_scalar().unwrap()
        };
        assert!((at(0, 9, 9) - 0.2).abs() < 0.01 && at(1, 9, 9).abs() < 0.05, "the ground is drawn");
        assert!((at(1, 1, 1) - 3.0 * 0.7 * 0.299).abs() < 0.05, "the mark is left: {}", at(1, 1, 1));
        // Of the colours red is left over its square of 4x4 pixels, and nothing of blue.
        let square = 3.0 * 0.7 / 16.0;
        assert!((at(5, 3, 3) - square).abs() < 0.05 && at(5, 9, 9).abs() < 0.05 && at(7, 3, 3).abs() < 0.05);
    }
}
