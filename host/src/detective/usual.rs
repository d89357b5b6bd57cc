//! How usual a row is, and how usual a picture of several rows: what is seen of it, held to what is seen of the genuine by its Mahalanobis
//! distance (Mahalanobis 1936). That needs no forgery to be learned from, so it fears one that resembles none of them.
//!
//! Of a row its spectrum and the colours of its squares are seen. Each region of a picture has its own kind of rows; a row is held to the
//! kind that it is nearest to, so whoever judges need not know which region is which. Of a picture some coarse rings of each region's
//! spectrum and its colour are seen, all together: camera and light change them all alike, a forger's press does not.
//!
//! It is defined twice, side by side: by candle, and as ONNX nodes. The parity of every export holds one against the other.

use candle_core::{DType, Device, Result, Tensor};
use rayon::prelude::*;

use super::spectrum::{self, Bands, spectra};
use super::{by_parts, short};
use crate::onnx::{Attribute, Graph, tensor};
use crate::statistics::{Whitening, mean_over};

/// Most squares along a side.
const SQUARES: usize = 6;
/// Fewest genuine pictures whose spread is worth knowing.
const FEWEST: usize = 8;
/// How many genuine pictures are worth looking at.
pub(super) const WANTED: usize = 512;
/// How many uncorrelated rows are taken to have been seen, for each number that is seen.
const PRIOR: f64 = 0.1;
/// Mean square of a whitened row whose logarithm is still taken as it is.
const FLOOR: f64 = 1e-3;
/// What a deviation of the whole picture adds to the score of each of its rows.
const TOGETHER: f64 = 0.75;

type Shape = (usize, usize, usize);

/// What is usual among rows and among pictures of R rows each.
#[derive(Clone, Debug)]
pub struct Usual {
    /// Channels, height, width.
    shape: Shape,
    /// R kinds of rows.
    rows: Spread,
    /// One kind of pictures.
    pictures: Spread,
    /// What the usualness of a picture is multiplied with and what is added then, to become a part of its rows' scores: [2].
    voice: Tensor,
}

/// Where the genuine of each of K kinds lie, and how they spread.
#[derive(Clone, Debug)]
struct Spread {
    /// [K, 1, V]
    mean: Tensor,
    /// What makes them uncorrelated and of unit spread, [K, V, V]; zeros while nothing is known.
    whitening: Tensor,
}

impl Spread {
    fn unknown(kinds: usize, count: usize) -> Result<Self> {
        let nothing = |dims| Tensor::zeros(dims, DType::F32, &Device::Cpu);
        Ok(Self { mean: nothing((kinds, 1, count))?, whitening: nothing((kinds, count, count))? })
    }

    /// Looks at what is seen of the genuine, [N, V], row `i` being of kind `i % K`.
    fn look_at(&mut self, seen: &Tensor) -> Result<()> {
        let kinds = self.mean.dim(0)?;
        let seen: Vec<Vec<f32>> = seen.to_vec2()?;
        let fit = |kind: usize| {
            let own: Vec<Vec<f32>> = seen.iter().skip(kind).step_by(kinds).cloned().collect();
            Whitening::fit(&own, PRIOR)
        };
        let found: Vec<Whitening> = (0..kinds).into_par_iter().map(fit).collect();
        let mean = found.iter().flat_map(|kind| kind.mean.iter().copied());
        self.mean = Tensor::from_iter(mean, &Device::Cpu)?.reshape(self.mean.shape())?;
        let whitening = found.iter().flat_map(|kind| kind.matrix.iter().copied());
        self.whitening = short(&Tensor::from_iter(whitening, &Device::Cpu)?.reshape(self.whitening.shape())?)?;
        Ok(())
    }

    /// Minus the logarithm of the distance of what is seen, [B, V], to the nearest kind: [B, 1].
    fn usualness(&self, seen: &Tensor) -> Result<Tensor> {
        let whitened = seen.unsqueeze(0)?.broadcast_sub(&self.mean)?.matmul(&self.whitening)?; // [K, B, V]
        let nearest = whitened.sqr()?.mean(2)?.min(0)?; // [B]
        ((nearest + FLOOR)?.log()? * -0.5)?.unsqueeze(1)
    }

    /// Appends what [`Self::usualness`] gives of `seen` ([N, V]): [N, 1].
    fn append(&self, graph: &mut Graph, seen: &str) -> Result<String> {
        let (mean, whitening) = (tensor(graph, &self.mean)?, tensor(graph, &self.whitening)?);
        let centred = graph.node("Sub", &[seen, &mean], &[]); // [K, N, V]
        let whitened = graph.node("MatMul", &[&centred, &whitening], &[]);
        let square = graph.node("Mul", &[&whitened, &whitened], &[]);
        let over = |graph: &mut Graph, op: &str, value: &str, axis: i64, keep: i64| {
            graph.node(op, &[value], &[("axes", Attribute::Ints(&[axis])), ("keepdims", Attribute::Int(keep))])
        };
        let each = over(graph, "ReduceMean", &square, 2, 1); // [K, N, 1]
        let nearest = over(graph, "ReduceMin", &each, 0, 0); // [N, 1]
        let nearest = graph.with_number("Add", &nearest, FLOOR as f32);
        let distance = graph.node("Log", &[&nearest], &[]);
        Ok(graph.with_number("Mul", &distance, -0.5))
    }
}

/// Sides of the squares, in pixels.
fn squares((_, height, width): Shape) -> (usize, usize) {
    (height.div_ceil(SQUARES), width.div_ceil(SQUARES))
}

/// How many numbers are seen of a row, and how many of each region of a picture.
fn counts(shape: Shape) -> [usize; 2] {
    let ((channels, height, width), (down, across)) = (shape, squares(shape));
    let squares = (height / down) * (width / across);
    [Bands::Fine.count((height, width)) + channels * squares, Bands::Coarse.count((height, width)) + channels]
}

/// What is seen of rows [B, H, W, C] in -1..1, each by itself and for its picture: [B, V] and [B, T].
fn see(rows: &Tensor) -> Result<[Tensor; 2]> {
    let (_, height, width, channels) = rows.dims4()?;
    let [fine, coarse] = spectra(rows, [Bands::Fine, Bands::Coarse])?;
    let squares = rows.permute((0, 3, 1, 2))?.avg_pool2d(squares((channels, height, width)))?;
    let color = rows.to_dtype(DType::F64)?.mean((1, 2))?.to_dtype(DType::F32)?;
    Ok([Tensor::cat(&[&fine, &squares.flatten_from(1)?], 1)?, Tensor::cat(&[&coarse, &color], 1)?])
}

impl Usual {
    /// Nothing is known of rows of a shape or of pictures of so many regions, and all are as usual.
    pub(super) fn unknown(regions: usize, shape: Shape) -> Result<Self> {
        let [row, region] = counts(shape);
        let voice = Tensor::zeros(2, DType::F32, &Device::Cpu)?;
        let (rows, pictures) = (Spread::unknown(regions, row)?, Spread::unknown(1, regions * region)?);
        Ok(Self { shape, rows, pictures, voice })
    }

    fn regions(&self) -> Result<usize> {
        self.rows.mean.dim(0)
    }

    /// Looks at genuine rows [N, H, W, C] in -1..1, row `i` being of region `i % R`.
    pub(super) fn look_at(&mut self, rows: &Tensor) -> Result<()> {
        let regions = self.regions()?;
        let pictures = (rows.dim(0)? / regions).min(WANTED);
        if pictures < FEWEST {
            return Ok(());
        }
        let seen = by_parts(rows, pictures * regions, |rows| Tensor::cat(&see(rows)?, 1))?;
        let [row, region] = counts(self.shape);
        self.rows.look_at(&seen.narrow(1, 0, row)?)?;
        if regions > 1 {
            let seen = seen.narrow(1, row, region)?.reshape((pictures, ()))?;
            self.pictures.look_at(&seen)?;
            let usualness: Vec<f32> = self.pictures.usualness(&seen)?.flatten_all()?.to_vec1()?;
            let mean = usualness.iter().map(|x| f64::from(*x)).sum::<f64>() / pictures as f64;
            let variance = usualness.iter().map(|x| (f64::from(*x) - mean).powi(2)).sum::<f64>() / pictures as f64;
            let share = TOGETHER / variance.sqrt().max(0.01);
            self.voice = Tensor::new(&[share as f32, (-share * mean) as f32], &Device::Cpu)?;
        }
        Ok(())
    }

    /// How usual rows [B, H, W, C] in -1..1 are: [B, 1].
    pub(super) fn of_rows(&self, rows: &Tensor) -> Result<Tensor> {
        self.rows.usualness(&see(rows)?[0])
    }

    /// What the usualness of each picture adds to the score of each of its rows, [B, 1], which stand next to each other.
    pub(super) fn of_pictures(&self, rows: &Tensor) -> Result<Tensor> {
        let (all, regions) = (rows.dim(0)?, self.regions()?);
        let seen = see(rows)?[1].reshape((all / regions, ()))?;
        let voice: Vec<f64> = self.voice.to_dtype(DType::F64)?.to_vec1()?;
        let said = self.pictures.usualness(&seen)?.affine(voice[0], voice[1])?; // [B / R, 1]
        said.broadcast_as((all / regions, regions))?.reshape((all, 1))
    }

    /// Its numbers by name.
    pub(super) fn constants(&self) -> [(String, &Tensor); 5] {
        let Self { rows, pictures, voice, .. } = self;
        [
            ("usual.mean".to_owned(), &rows.mean),
            ("usual.whitening".to_owned(), &rows.whitening),
            ("usual.pictures.mean".to_owned(), &pictures.mean),
            ("usual.pictures.whitening".to_owned(), &pictures.whitening),
            ("usual.pictures.voice".to_owned(), voice),
        ]
    }

    /// The same, to be filled.
    pub(super) fn constants_mut(&mut self) -> [(String, &mut Tensor); 5] {
        let Self { rows, pictures, voice, .. } = self;
        [
            ("usual.mean".to_owned(), &mut rows.mean),
            ("usual.whitening".to_owned(), &mut rows.whitening),
            ("usual.pictures.mean".to_owned(), &mut pictures.mean),
            ("usual.pictures.whitening".to_owned(), &mut pictures.whitening),
            ("usual.pictures.voice".to_owned(), voice),
        ]
    }

    /// Appends what [`Self::of_rows`] gives of `rows` ([N, C, H, W] in -1..1), [N, 1], and where a picture has several what
    /// [`Self::of_pictures`] does, [N, 1].
    ///
    /// # Errors
    /// When its numbers cannot be read.
    pub(crate) fn append(&self, graph: &mut Graph, rows: &str) -> Result<(String, Option<String>)> {
        let [fine, coarse] = spectrum::append(graph, rows, self.shape, [Bands::Fine, Bands::Coarse]);
        let (down, across) = squares(self.shape);
        let square = [down as i64, across as i64];
        let sides = [("kernel_shape", Attribute::Ints(&square)), ("strides", Attribute::Ints(&square))];
        let squares = graph.node("AveragePool", &[rows], &sides);
        let squares = graph.node("Flatten", &[&squares], &[("axis", Attribute::Int(1))]);
        let seen = graph.concat(&[&fine, &squares]); // [N, V]
        let of_rows = self.rows.append(graph, &seen)?;
        let regions = self.regions()? as i64;
        if regions == 1 {
            return Ok((of_rows, None));
        }
        let color = [3, 2].iter().fold(rows.to_owned(), |value, axis| mean_over(graph, &value, *axis));
        let color = graph.node("Flatten", &[&color], &[("axis", Attribute::Int(1))]); // [N, C]
        let seen = graph.concat(&[&coarse, &color]); // [N, T]
        let together = graph.integers(&[-1, regions * counts(self.shape)[1] as i64]);
        let seen = graph.node("Reshape", &[&seen, &together], &[]); // [N / R, R * T]
        let usualness = self.pictures.append(graph, &seen)?; // [N / R, 1]
        let voice: Vec<f32> = self.voice.to_vec1()?;
        let said = graph.with_number("Mul", &usualness, voice[0]);
        let said = graph.with_number("Add", &said, voice[1]);
        let each = graph.constant(&[1, regions as usize], &vec![1.0; regions as usize]);
        let said = graph.node("MatMul", &[&said, &each], &[]); // [N / R, R]
        let column = graph.integers(&[-1, 1]);
        Ok((of_rows, Some(graph.node("Reshape", &[&said, &column], &[]))))
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
            usual.of_rows(&picture).unwrap().flatten_all().unwrap().to_vec1().unwrap()[0]
        };
        let (dark, bright, between) = (of(-0.5), of(0.5), of(0.0));
        assert!((dark - bright).abs() < 0.5, "{dark} {bright}");
        assert!(between < dark.min(bright) - 1.0, "what lies between two kinds is neither: {between} against {dark}");
    }

    #[test]
    fn regions_that_do_not_go_together_show_though_each_is_usual() {
        // Both regions of a picture lie in the same light.
        let noise = normal(&mut stream(3, "usual", 1), 80 * 256);
        let light = normal(&mut stream(3, "usual", 2), 40);
        let row = |i: usize, level: f32| noise[i * 256..][..256].iter().map(move |x| level + 0.02 * x);
        let tensor = |rows: Vec<f32>| {
            let count = rows.len() / 256;
            Tensor::from_vec(rows, (count, 16, 16, 1), &Device::Cpu).unwrap()
        };
        let mut usual = Usual::unknown(2, (1, 16, 16)).unwrap();
        usual.look_at(&tensor((0..80).flat_map(|i| row(i, 0.2 * light[i / 2])).collect())).unwrap();
        let of = |levels: [f32; 2]| -> Vec<f32> {
            let rows = tensor(levels.into_iter().enumerate().flat_map(|(i, level)| row(7 + i, level)).collect());
            let (each, picture) = (usual.of_rows(&rows).unwrap(), usual.of_pictures(&rows).unwrap());
            Tensor::cat(&[each, picture], 0).unwrap().flatten_all().unwrap().to_vec1().unwrap()
        };
        let (alike, apart) = (of([0.2, 0.2]), of([0.2, -0.2]));
        assert!((alike[1] - apart[1]).abs() < 1.0, "a dark row is as usual as a bright one: {alike:?} {apart:?}");
        assert!(apart[2] < alike[2] - 2.0, "but not beside a bright one: {alike:?} {apart:?}");
        assert!(apart[2] == apart[3], "it is said of the whole picture: {apart:?}");
    }
}
