//! The typicality of a row among genuine rows, and of a picture among genuine pictures: minus the logarithm of its
//! Mahalanobis distance (Mahalanobis 1936) to them. It is fitted to genuine pictures alone, so it also works
//! against a counterfeit that resembles none of those seen in training.
//!
//! The statistics of a row are the fine bands of its spectrum and the mean colours of its squares. Each region of a
//! picture has its own kind of rows; a row is compared with the nearest kind, so a caller need not know which
//! region it is. The statistics of a picture are the coarse bands of the spectrum and the mean colour of all its
//! regions together: camera and light change all regions alike, the printing of a counterfeit does not.

use candle_core::{DType, Device, Result, Tensor};
use rayon::prelude::*;

use super::super::{Part, by_chunks, round_to_f16};
use super::spectrum::{self, Bands};
use super::{Feature, Input, Shape};
use crate::math::whitening::{Shrinkage, Whitening};
use crate::onnx::{Eager, Ops, Var};

/// Most squares along a side of a row.
const SQUARES: usize = 6;
/// Fewest genuine pictures to fit to; with fewer, typicality stays unfitted.
const FEWEST: usize = 8;
/// Number of genuine pictures to fit to; more are not used.
pub(in super::super) const WANTED: usize = 512;
/// Weight of the prior, in uncorrelated rows per statistic, see [`Shrinkage::Prior`].
const PRIOR: f64 = 0.1;
/// Added to the mean square of a whitened row before the logarithm is taken.
const FLOOR: f64 = 1e-3;
/// Added to the score of each row of a picture per standard deviation of the picture's typicality.
const PICTURE_WEIGHT: f64 = 0.75;

/// The typicality of rows, and of pictures of R rows each.
#[derive(Clone, Debug)]
pub(crate) struct Typicality {
    shape: Shape,
    /// Distributions of the R kinds of rows, one kind per region.
    rows: GaussianFit,
    /// Distribution of the pictures, a single kind.
    pictures: GaussianFit,
    /// Factor and offset that turn a picture's typicality into a term of its rows' scores: `[2]`.
    affine: Tensor,
}

/// Mean and whitening of the genuine statistics of each of K kinds.
#[derive(Clone, Debug)]
struct GaussianFit {
    /// [K, 1, V]
    mean: Tensor,
    /// Matrix that makes the statistics uncorrelated with unit variance, [K, V, V]; zeros before fitting.
    whitening: Tensor,
}

impl GaussianFit {
    fn untrained(kinds: usize, count: usize) -> Result<Self> {
        let zeros = |dims| Tensor::zeros(dims, DType::F32, &Device::Cpu);
        Ok(Self { mean: zeros((kinds, 1, count))?, whitening: zeros((kinds, count, count))? })
    }

    /// Fits to genuine statistics, `[N, V]`, where row `i` is of kind `i % K`.
    fn fit(&mut self, numbers: &Tensor) -> Result<()> {
        let kinds = self.mean.dim(0)?;
        let numbers: Vec<Vec<f32>> = numbers.to_vec2()?;
        let fit = |kind: usize| {
            let own: Vec<&[f32]> = numbers.iter().skip(kind).step_by(kinds).map(Vec::as_slice).collect();
            Whitening::fit(&own, Shrinkage::Prior(PRIOR))
        };
        let found: Vec<Whitening> = (0..kinds).into_par_iter().map(fit).collect();
        let mean = found.iter().flat_map(|kind| kind.mean.iter().copied());
        self.mean = Tensor::from_iter(mean, &Device::Cpu)?.reshape(self.mean.shape())?;
        let whitening = found.iter().flat_map(|kind| kind.matrix.iter().copied());
        self.whitening = round_to_f16(&Tensor::from_iter(whitening, &Device::Cpu)?.reshape(self.whitening.shape())?)?;
        Ok(())
    }

    /// Minus the logarithm of the distance from `numbers`, `[N, V]`, to the nearest kind: `[N, 1]`.
    fn typicality(&self, ops: &mut dyn Ops, numbers: Var) -> Result<Var> {
        let (mean, whitening) = (ops.constant(&self.mean)?, ops.constant(&self.whitening)?);
        let centred = ops.sub(numbers, mean)?; // [K, N, V]
        let whitened = ops.matmul(centred, whitening)?;
        let square = ops.mul(whitened, whitened)?;
        let each = ops.mean(square, 2)?; // [K, N, 1]
        let nearest = ops.min_over_first(each)?; // [N, 1]
        let nearest = ops.shift(nearest, FLOOR as f32)?;
        let distance = ops.log(nearest)?;
        ops.scale(distance, -0.5)
    }
}

/// Height and width of the squares, in pixels.
fn squares((_, height, width): Shape) -> (usize, usize) {
    (height.div_ceil(SQUARES), width.div_ceil(SQUARES))
}

/// How many statistics a row has, and how many each region contributes to its picture.
fn counts(shape: Shape) -> [usize; 2] {
    let ((channels, height, width), (down, across)) = (shape, squares(shape));
    let squares = (height / down) * (width / across);
    [Bands::Fine.count((height, width)) + channels * squares, Bands::Coarse.count((height, width)) + channels]
}

impl Typicality {
    /// Typicality before fitting: all rows of `shape` and all pictures of `regions` rows are equally typical.
    pub(super) fn untrained(regions: usize, shape: Shape) -> Result<Self> {
        let [row, region] = counts(shape);
        let affine = Tensor::zeros(2, DType::F32, &Device::Cpu)?;
        let (rows, pictures) = (GaussianFit::untrained(regions, row)?, GaussianFit::untrained(1, regions * region)?);
        Ok(Self { shape, rows, pictures, affine })
    }

    /// R, the number of rows per picture.
    fn regions(&self) -> Result<usize> {
        self.rows.mean.dim(0)
    }

    fn size(&self) -> (usize, usize) {
        (self.shape.1, self.shape.2)
    }

    /// The statistics of each row, `[N, V]`.
    fn of_row(&self, ops: &mut dyn Ops, input: &mut Input) -> Result<Var> {
        let power = input.power(ops)?;
        let fine = spectrum::bands(ops, power, Bands::Fine, self.size())?;
        let squares = ops.pool(input.centred, squares(self.shape))?;
        let squares = ops.flatten(squares)?;
        ops.concat(&[fine, squares])
    }

    /// The statistics that each region contributes to its picture, `[N, T]`.
    fn of_region(&self, ops: &mut dyn Ops, input: &mut Input) -> Result<Var> {
        let power = input.power(ops)?;
        let coarse = spectrum::bands(ops, power, Bands::Coarse, self.size())?;
        let color = ops.mean_of_maps(input.centred)?;
        let color = ops.flatten(color)?; // [N, C]
        ops.concat(&[coarse, color])
    }

    /// The term that each picture's typicality adds to the score of each of its rows: `[N, 1]`. The rows of a
    /// picture must be adjacent. Returns `None` where a picture has only one row.
    pub(in super::super) fn of_pictures(&self, ops: &mut dyn Ops, input: &mut Input) -> Result<Option<Var>> {
        let regions = self.regions()?;
        if regions == 1 {
            return Ok(None);
        }
        let numbers = self.of_region(ops, input)?;
        let numbers = ops.reshape(numbers, &[-1, (regions * counts(self.shape)[1]) as i64])?; // [N / R, R * T]
        let typicality = self.pictures.typicality(ops, numbers)?; // [N / R, 1]
        let affine: Vec<f32> = self.affine.to_vec1()?;
        let added = ops.scale(typicality, affine[0])?;
        let added = ops.shift(added, affine[1])?;
        let each = ops.constant(&Tensor::ones((1, regions), DType::F32, &Device::Cpu)?)?;
        let added = ops.matmul(added, each)?; // [N / R, R]
        Ok(Some(ops.reshape(added, &[-1, 1])?))
    }
}

impl Feature for Typicality {
    fn part(&self) -> Part {
        Part::Usual
    }

    fn len(&self) -> usize {
        1
    }

    fn express(&self, ops: &mut dyn Ops, input: &mut Input) -> Result<Var> {
        let numbers = self.of_row(ops, input)?;
        self.rows.typicality(ops, numbers)
    }

    /// Fits to genuine rows, where row `i` is of region `i % R`. Does nothing with fewer than [`FEWEST`] pictures.
    fn fit(&mut self, rows: &Tensor) -> Result<()> {
        let regions = self.regions()?;
        let pictures = (rows.dim(0)? / regions).min(WANTED);
        if pictures < FEWEST {
            return Ok(());
        }
        let [row, region] = counts(self.shape);
        let numbers = by_chunks(rows, pictures * regions, |rows| {
            let mut ops = Eager::default();
            let centred = ops.var(rows.clone());
            let mut input = Input::new(self.shape, centred, centred);
            let numbers = [self.of_row(&mut ops, &mut input)?, self.of_region(&mut ops, &mut input)?];
            let numbers = ops.concat(&numbers)?;
            Ok(ops.tensor(numbers).clone())
        })?;
        self.rows.fit(&numbers.narrow(1, 0, row)?)?;
        if regions > 1 {
            let numbers = numbers.narrow(1, row, region)?.contiguous()?.reshape((pictures, ()))?;
            self.pictures.fit(&numbers)?;
            let mut ops = Eager::default();
            let numbers = ops.var(numbers);
            let typicality = self.pictures.typicality(&mut ops, numbers)?;
            let typicality: Vec<f32> = ops.tensor(typicality).flatten_all()?.to_vec1()?;
            let mean = typicality.iter().map(|x| f64::from(*x)).sum::<f64>() / pictures as f64;
            let variance = typicality.iter().map(|x| (f64::from(*x) - mean).powi(2)).sum::<f64>() / pictures as f64;
            let share = PICTURE_WEIGHT / variance.sqrt().max(0.01);
            self.affine = Tensor::new(&[share as f32, (-share * mean) as f32], &Device::Cpu)?;
        }
        Ok(())
    }

    fn constants(&self) -> Vec<(String, &Tensor)> {
        let Self { rows, pictures, affine, .. } = self;
        vec![
            ("usual.mean".to_owned(), &rows.mean),
            ("usual.whitening".to_owned(), &rows.whitening),
            ("usual.pictures.mean".to_owned(), &pictures.mean),
            ("usual.pictures.whitening".to_owned(), &pictures.whitening),
            ("usual.pictures.voice".to_owned(), affine),
        ]
    }

    fn constants_mut(&mut self) -> Vec<(String, &mut Tensor)> {
        let Self { rows, pictures, affine, .. } = self;
        vec![
            ("usual.mean".to_owned(), &mut rows.mean),
            ("usual.whitening".to_owned(), &mut rows.whitening),
            ("usual.pictures.mean".to_owned(), &mut pictures.mean),
            ("usual.pictures.whitening".to_owned(), &mut pictures.whitening),
            ("usual.pictures.voice".to_owned(), affine),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::random::{normal, stream};

    /// The typicality of the rows and, for an even number of rows, the term that is added for their picture.
    fn of(typicality: &Typicality, rows: Tensor) -> Vec<f32> {
        let mut ops = Eager::default();
        let centred = ops.var(rows);
        let mut input = Input::new(typicality.shape, centred, centred);
        let each = typicality.express(&mut ops, &mut input).unwrap();
        let added = (ops.tensor(each).dim(0).unwrap().is_multiple_of(2))
            .then(|| typicality.of_pictures(&mut ops, &mut input).unwrap().unwrap());
        let numbers = [each].into_iter().chain(added).map(|var| ops.tensor(var).flatten_all().unwrap());
        numbers.flat_map(|numbers| numbers.to_vec1::<f32>().unwrap()).collect()
    }

    #[test]
    fn each_region_is_held_to_its_own_kind() {
        // Region 0 is dark and region 1 is bright; each varies a little.
        let noise = normal(&mut stream(3, "usual", 0), 64 * 256);
        let row = |i: usize, level: f32| noise[i * 256..][..256].iter().map(move |x| level + 0.05 * x);
        let level = |i: usize| if i.is_multiple_of(2) { -0.5 } else { 0.5 };
        let rows = (0..60).flat_map(|i| row(i, level(i)));
        let pictures = Tensor::from_iter(rows, &Device::Cpu).unwrap().reshape((60, 1, 16, 16)).unwrap();
        let mut typicality = Typicality::untrained(2, (1, 16, 16)).unwrap();
        typicality.fit(&pictures).unwrap();
        let at = |level: f32| -> f32 {
            let picture = Tensor::from_iter(row(61, level), &Device::Cpu).unwrap().reshape((1, 1, 16, 16)).unwrap();
            of(&typicality, picture)[0]
        };
        let (dark, bright, between) = (at(-0.5), at(0.5), at(0.0));
        assert!((dark - bright).abs() < 0.5, "{dark} {bright}");
        assert!(between < dark.min(bright) - 1.0, "what lies between two kinds is neither: {between} against {dark}");
    }

    #[test]
    fn regions_that_do_not_go_together_show_though_each_is_usual() {
        // Both regions of a picture have the same light.
        let noise = normal(&mut stream(3, "usual", 1), 80 * 256);
        let light = normal(&mut stream(3, "usual", 2), 40);
        let row = |i: usize, level: f32| noise[i * 256..][..256].iter().map(move |x| level + 0.02 * x);
        let tensor = |rows: Vec<f32>| {
            let count = rows.len() / 256;
            Tensor::from_vec(rows, (count, 1, 16, 16), &Device::Cpu).unwrap()
        };
        let mut typicality = Typicality::untrained(2, (1, 16, 16)).unwrap();
        typicality.fit(&tensor((0..80).flat_map(|i| row(i, 0.2 * light[i / 2])).collect())).unwrap();
        let at = |levels: [f32; 2]| -> Vec<f32> {
            let rows = tensor(levels.into_iter().enumerate().flat_map(|(i, level)| row(7 + i, level)).collect());
            of(&typicality, rows)
        };
        let (alike, apart) = (at([0.2, 0.2]), at([0.2, -0.2]));
        assert!((alike[1] - apart[1]).abs() < 1.0, "a dark row is as usual as a bright one: {alike:?} {apart:?}");
        assert!(apart[2] < alike[2] - 2.0, "but not beside a bright one: {alike:?} {apart:?}");
        assert!(apart[2] == apart[3], "it is said of the whole picture: {apart:?}");
    }
}
