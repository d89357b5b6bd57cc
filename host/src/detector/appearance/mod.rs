//! Appearance: how genuine pictures look as a whole, by fixed features and Gaussian distributions of them.
//!
//! It is fitted, not trained, and judges beside the detective. Where the detective sees a picture through few pixels,
//! this sees it at several times the detail. Four views of a picture are compared with the genuine ones:
//!
//! - `cells`: mean and deviation of each of the trunk's maps in each cell of 32 x 32 pixels. The cell that is furthest
//!   from the genuine ones of its place counts: a fault in one place of an article that has its place.
//! - `places`: the mean of each map in each square of 16 x 16 pixels. The square that is furthest from its nearest genuine
//!   one counts, wherever that is: a fault on an even ground (`PatchCore`, Roth et al. 2022, 2106.08265).
//! - `pooled`: means and deviations of the maps over the whole picture: for an article that lies anyhow.
//! - `statistics`: hand statistics of the whole picture ([`super::statistics`]) and its local patterns.
//!
//! Distances but those of places are Mahalanobis distances (1936), with the covariance of Ledoit and Wolf (2004). A tail
//! makes a level of a distance, -ln p, with distances of genuine pictures that the view did not see (cross-validation).
//! The levels are added (Fisher 1932), each with a weight: what the view tells of rehearsed forgeries of genuine pictures
//! that it did not see. Views that look for a place are asked about a piece in the wrong place, the others about another
//! surface.
//! Genuine pictures are varied as a camera varies them ([`Camera`]) before anything is fitted.
//!
//! Features are computed by the exported graph itself, in the box's engine.

mod features;
mod file;
mod local;
mod patterns;
mod trunk;
mod variation;
mod views;

use anyhow::{Result, ensure};
use candle_core::{Device, Tensor};
use counterfoil_edge::inference::Graph as Runnable;
use rand::Rng;
use rand::seq::index;
use rayon::prelude::*;

use super::augment::{misplaced, resurfaced};
use super::statistics::features::{root_mean_square, whitened};
use crate::data::Samples;
use crate::math::nearest::Nearest;
use crate::math::pca::Pca;
use crate::math::random::stream;
use crate::math::tail::Tail;
use crate::math::whitening::{Shrinkage, Whitening};
use crate::onnx::{Attribute, Dim, Graph, narrowed};

use features::{CHANNELS, ChannelScales, FEATURES, PLACE, channel_scales, outputs};
pub use local::LocalFeatures;
pub use variation::{Camera, Tolerance};
use views::{CrossValidation, Forgery, View, balanced};

/// Side of a cell, in pixels. A picture's sides must be multiples of it.
pub const CELL: usize = 32;
/// Most genuine pictures to fit to, spread evenly over the training pictures.
const MAX_PICTURES: usize = 500;
/// Fewest genuine pictures to fit to.
const FEWEST: usize = 20;
/// Shots of each picture, where the camera may vary. The first is the picture itself.
pub const SHOTS: usize = 4;
/// Most pictures of which forgeries of each kind are rehearsed.
const REHEARSED: usize = 150;
/// Principal components of a cell's features.
const COMPONENTS: usize = 48;
/// Places that are drawn from the genuine pictures at random.
const DRAWN: usize = 10_000;
/// Places that are kept of them.
const KEPT: usize = 500;
/// Weight of the prior of the statistics, in uncorrelated rows per statistic, see [`Shrinkage::Prior`].
const STATISTICS_PRIOR: f64 = 0.3;

/// Channels, height and width.
type Shape = (usize, usize, usize);

/// The fitted appearance of genuine pictures.
#[derive(Clone, Debug)]
pub struct Appearance {
    shape: Shape,
    channels: ChannelScales,
    /// Mean and inverse deviation of each feature in each cell, `[2C * cells]` each.
    scale: [Vec<f32>; 2],
    /// Principal components of a cell's scaled features, `[COMPONENTS, 2C]`.
    components: Vec<f32>,
    /// The distribution of the components in each cell.
    cells: Vec<Whitening>,
    pooled: Whitening,
    statistics: Whitening,
    /// Places of genuine pictures, `[KEPT][CHANNELS]`.
    places: Vec<f32>,
    /// How the distances count: cells, places, pooled, statistics.
    views: [View; 4],
}

/// The features of one picture.
struct Features {
    /// `[FEATURES, cells]`
    cells: Vec<f32>,
    /// `[CHANNELS, places]`
    places: Vec<f32>,
    /// `[FEATURES]`
    pooled: Vec<f32>,
    /// `[K]`
    statistics: Vec<f32>,
}

impl Features {
    fn of(engine: &Runnable, row: &[u8]) -> Result<Self> {
        let [cells, places, pooled, statistics] = outputs(engine, row)?;
        Ok(Self { cells, places, pooled, statistics })
    }
}

fn cells_of((_, height, width): Shape) -> usize {
    height / CELL * (width / CELL)
}

impl Appearance {
    /// Fits to genuine pictures. `groups` has the group number of each picture, or nothing where each is its own; a
    /// group is never on both sides of the cross-validation.
    ///
    /// # Errors
    /// When the pictures are fewer than 20, their sides are no multiples of [`CELL`], or a picture cannot be read.
    pub fn fit(samples: &Samples, groups: &[u32], camera: Camera, seed: u64) -> Result<Self> {
        let shape = samples.full_shape();
        ensure!(
            shape.1.is_multiple_of(CELL) && shape.2.is_multiple_of(CELL) && cells_of(shape) > 0,
            "pictures of {} x {}: expected sides that are multiples of {CELL}",
            shape.2,
            shape.1
        );
        ensure!(
            samples.len() >= FEWEST,
            "{} genuine pictures are too few to learn their appearance from; give {FEWEST} or more",
            samples.len()
        );
        let count = samples.len().min(MAX_PICTURES);
        let chosen: Vec<usize> = (0..count).map(|place| place * samples.len() / count).collect();
        let mut appearance = Self::blank(shape);
        appearance.channels = channel_scales(samples, &chosen)?;

        let shots = if camera.tolerance == Tolerance::None { 1 } else { SHOTS };
        let engine = appearance.feature_engine()?;
        let genuine = |at: usize| {
            let row = samples.full_row(chosen[at / shots])?;
            let mut rng = stream(seed, "appearance shot", at as u64);
            let row = if at.is_multiple_of(shots) { row } else { camera.vary(&row, shape, &mut rng) };
            Features::of(&engine, &row)
        };
        let forged = count.min(REHEARSED);
        let original = |at: usize| at % forged * count / forged;
        let forgery = |at: usize| {
            let mut rng = stream(seed, "rehearsed forgery", at as u64);
            let row = camera.vary(&samples.full_row(chosen[original(at)])?, shape, &mut rng);
            let other = samples.full_row(chosen[rng.random_range(0..count)])?;
            let row = match at / forged {
                0 => misplaced(&row, &other, shape, &mut rng),
                _ => resurfaced(&row, shape, &mut rng),
            };
            Features::of(&engine, &row)
        };
        let mut features: Vec<Features> = (0..count * shots).into_par_iter().map(genuine).collect::<Result<_>>()?;
        features.extend((0..2 * forged).into_par_iter().map(forgery).collect::<Result<Vec<_>>>()?);
        let fold = |place: usize| match groups {
            [] => CrossValidation::run(place, count),
            _ => CrossValidation::of_group(groups[chosen[place]]),
        };
        let folds = (0..count * shots).map(|at| at / shots).chain((0..2 * forged).map(original)).map(fold).collect();
        appearance.fit_views(&features, &CrossValidation { folds, genuine: count * shots, forged }, seed)?;
        Ok(appearance)
    }

    fn blank(shape: Shape) -> Self {
        let none = || Whitening { mean: Vec::new(), matrix: Vec::new() };
        Self {
            shape,
            channels: [vec![0.0; CHANNELS], vec![1.0; CHANNELS]],
            scale: [Vec::new(), Vec::new()],
            components: Vec::new(),
            cells: Vec::new(),
            pooled: none(),
            statistics: none(),
            places: Vec::new(),
            views: [View::BLANK; 4],
        }
    }

    /// An engine with the outputs of [`Features`], in their order.
    fn feature_engine(&self) -> Result<Runnable> {
        let (channels, height, width) = self.shape;
        let mut graph = Graph::new("appearance");
        let image = graph.image(self.shape);
        let features = features::append(&mut graph, &image, self.shape, &self.channels);
        let dims = [Dim::Batch, Dim::Fixed(FEATURES), Dim::Fixed(height / CELL), Dim::Fixed(width / CELL)];
        graph.output(&features.cells, "cells", &dims);
        let dims = [Dim::Batch, Dim::Fixed(CHANNELS), Dim::Fixed(height / PLACE), Dim::Fixed(width / PLACE)];
        graph.output(&features.places, "places", &dims);
        graph.output(&features.pooled, "pooled", &[Dim::Batch, Dim::Fixed(FEATURES)]);
        graph.output(&features.statistics, "statistics", &[Dim::Batch, Dim::Fixed(features.count)]);
        Ok(Runnable::load(&graph.finish(&[]), &[1, channels, height, width])?)
    }

    /// Fits all views.
    fn fit_views(&mut self, features: &[Features], validation: &CrossValidation, seed: u64) -> Result<()> {
        let worst = self.fit_cells(features, validation, seed)?;
        let place = self.fit_places(features, validation, seed)?;
        let view = |of: fn(&Features) -> &[f32], shrinkage| {
            distribution(&features.iter().map(of).collect::<Vec<_>>(), validation, shrinkage)
        };
        let (pooled, over_picture) = view(|one| &one.pooled, Shrinkage::LedoitWolf)?;
        let (statistics, of_statistics) = view(|one| &one.statistics, Shrinkage::Prior(STATISTICS_PRIOR))?;
        (self.pooled, self.statistics) = (pooled, statistics);
        self.views = balanced([
            validation.view(&worst, Forgery::Place),
            validation.view(&place, Forgery::Place),
            validation.view(&over_picture, Forgery::Surface),
            validation.view(&of_statistics, Forgery::Surface),
        ]);
        Ok(())
    }

    /// Fits the distributions of the cells. Returns the distance of each picture's most unusual cell.
    fn fit_cells(&mut self, features: &[Features], validation: &CrossValidation, seed: u64) -> Result<Vec<f32>> {
        let cells = cells_of(self.shape);
        let of_cells: Vec<&[f32]> = features.iter().map(|one| &*one.cells).collect();
        self.scale = scales(&of_cells[..validation.genuine]).map(narrowed);
        // [N * cells, FEATURES], the rows of one picture adjacent
        let rows: Vec<f32> = of_cells
            .par_iter()
            .flat_map_iter(|picture| {
                (0..cells).flat_map(move |cell| (0..FEATURES).map(move |feature| (picture, feature * cells + cell)))
            })
            .map(|(picture, at)| (picture[at] - self.scale[0][at]) * self.scale[1][at])
            .collect();
        let rows = Tensor::from_vec(rows, (features.len() * cells, FEATURES), &Device::Cpu)?;
        let genuine = rows.narrow(0, 0, validation.genuine * cells)?;
        let pca = Pca::fit(&genuine, COMPONENTS, &mut stream(seed, "appearance components", 0))?;
        self.components = narrowed(pca.components.t()?.contiguous()?.flatten_all()?.to_vec1()?);
        let components = Tensor::from_slice(&self.components, (COMPONENTS, FEATURES), &Device::Cpu)?;
        let projected: Vec<f32> = rows.matmul(&components.t()?.contiguous()?)?.flatten_all()?.to_vec1()?;

        let of_cell =
            |cell: usize| -> Vec<&[f32]> { projected.chunks_exact(COMPONENTS).skip(cell).step_by(cells).collect() };
        let each =
            (0..cells).into_par_iter().map(|cell| distribution(&of_cell(cell), validation, Shrinkage::LedoitWolf));
        let (whitenings, distances): (Vec<Whitening>, Vec<Vec<f32>>) =
            each.collect::<Result<Vec<_>>>()?.into_iter().unzip();
        self.cells = whitenings;
        Ok((0..features.len()).map(|picture| distances.iter().fold(0f32, |most, d| most.max(d[picture]))).collect())
    }

    /// Keeps places. Returns the distance of each picture's most unusual place.
    fn fit_places(&mut self, features: &[Features], validation: &CrossValidation, seed: u64) -> Result<Vec<f32>> {
        let keep = |pictures: &[&[f32]]| {
            let places = pictures[0].len() / CHANNELS;
            let count = pictures.len() * places;
            let drawn = index::sample(&mut stream(seed, "places", 0), count, DRAWN.min(count));
            let place = |at: usize| -> Vec<f32> {
                pictures[at / places].iter().skip(at % places).step_by(places).copied().collect()
            };
            let drawn: Vec<Vec<f32>> = drawn.into_iter().map(place).map(narrowed).collect();
            Ok(Nearest::fit(&drawn.iter().map(Vec::as_slice).collect::<Vec<_>>(), KEPT)?)
        };
        let distance = |kept: &Nearest, picture: &[f32]| {
            Ok(kept.furthest(&Tensor::from_slice(picture, (CHANNELS, ()), &Device::Cpu)?.t()?)?)
        };
        let pictures: Vec<&[f32]> = features.iter().map(|one| &*one.places).collect();
        let (kept, distances) = validation.fit(&pictures, keep, distance)?;
        self.places = kept.rows()?;
        Ok(distances)
    }

    /// Appends the appearance of `image`, `[N, C, H, W]` in 0..1, to a graph. Returns the weighted sum of the levels,
    /// `[N, 1]`: 0 is as usual as can be.
    pub(crate) fn append(&self, graph: &mut Graph, image: &str) -> String {
        let (_, height, width) = self.shape;
        let (rows, columns, cells) = (height / CELL, width / CELL, cells_of(self.shape));
        let features = features::append(graph, image, self.shape, &self.channels);

        let dims = [1, FEATURES, rows, columns];
        let (mean, inverse) = (graph.constant(&dims, &self.scale[0]), graph.constant(&dims, &self.scale[1]));
        let centred = graph.node("Sub", &[&features.cells, &mean], &[]);
        let scaled = graph.node("Mul", &[&centred, &inverse], &[]);
        let components = graph.constant(&[COMPONENTS, FEATURES, 1, 1], &self.components);
        let projected = graph.node("Conv", &[&scaled, &components], &[("kernel_shape", Attribute::Ints(&[1, 1]))]);
        let shape = graph.integers(&[0, COMPONENTS as i64, cells as i64, 1]);
        let flat = graph.node("Reshape", &[&projected, &shape], &[]); // [N, 48, cells, 1]
        let by_cell = graph.node("Transpose", &[&flat], &[("perm", Attribute::Ints(&[0, 2, 3, 1]))]); // [N, cells, 1, 48]
        let mean: Vec<f32> = self.cells.iter().flat_map(|cell| cell.mean.iter().copied()).collect();
        let matrix: Vec<f32> = self.cells.iter().flat_map(|cell| cell.matrix.iter().copied()).collect();
        let mean = graph.constant(&[cells, 1, COMPONENTS], &mean);
        let matrix = graph.constant(&[cells, COMPONENTS, COMPONENTS], &matrix);
        let centred = graph.node("Sub", &[&by_cell, &mean], &[]);
        let whitened = graph.node("MatMul", &[&centred, &matrix], &[]); // [N, cells, 1, 48]
        let distances = root_mean_square(graph, &whitened, 3); // [N, cells, 1, 1]
        let distances = graph.node("Flatten", &[&distances], &[("axis", Attribute::Int(1))]); // [N, cells]
        let axes = [("axes", Attribute::Ints(&[1])), ("keepdims", Attribute::Int(1))];
        let worst = graph.node("ReduceMax", &[&distances], &axes); // [N, 1]

        let place = self.append_places(graph, &features.places);
        let pooled = distance(graph, &features.pooled, &self.pooled);
        let statistics = distance(graph, &features.statistics, &self.statistics);
        let distances = [worst, place, pooled, statistics];
        let [worst, place, pooled, statistics] = std::array::from_fn(|view| {
            let level = level(graph, &distances[view], self.views[view].tail);
            graph.with_number("Mul", &level, self.views[view].weight)
        });
        let [local, global] = [[worst, place], [pooled, statistics]].map(|[a, b]| graph.node("Add", &[&a, &b], &[]));
        graph.node("Add", &[&local, &global], &[])
    }

    /// Appends the largest distance of `places`, `[N, CHANNELS, H / 16, W / 16]`, to the nearest kept ones: `[N, 1]`.
    fn append_places(&self, graph: &mut Graph, places: &str) -> String {
        let mean_square = |row: &[f32]| row.iter().map(|x| x * x).sum::<f32>() / CHANNELS as f32;
        let squares: Vec<f32> = self.places.chunks_exact(CHANNELS).map(mean_square).collect();
        let kept = graph.constant(&[squares.len(), CHANNELS, 1, 1], &self.places);
        let (squares, factor) = (graph.constant(&[squares.len()], &squares), -2.0 / CHANNELS as f32);
        let scaled = graph.with_number("Mul", places, factor);
        let products = graph.node("Conv", &[&scaled, &kept, &squares], &[("kernel_shape", Attribute::Ints(&[1, 1]))]);
        let over = |axes| [("axes", Attribute::Ints(axes)), ("keepdims", Attribute::Int(1))];
        let nearest = graph.node("ReduceMin", &[&products], &over(&[1])); // [N, 1, H, W]
        let own = graph.node("Mul", &[places, places], &[]);
        let own = graph.mean_over(&own, 1);
        let squares = graph.node("Add", &[&nearest, &own], &[]);
        let most = graph.node("ReduceMax", &[&squares], &over(&[2, 3])); // [N, 1, 1, 1]
        let most = graph.node("Flatten", &[&most], &[("axis", Attribute::Int(1))]);
        let most = graph.node("Relu", &[&most], &[]);
        graph.node("Sqrt", &[&most], &[])
    }

    /// Multiply-adds for one picture, those of the trunk and of the distances of cells and places.
    #[must_use]
    pub fn multiply_adds(&self) -> usize {
        let (channels, height, width) = self.shape;
        let cells = cells_of(self.shape) * COMPONENTS * (FEATURES + COMPONENTS);
        let places = height / PLACE * (width / PLACE) * CHANNELS * KEPT;
        trunk::multiply_adds(height * width, channels) + cells + places
    }
}

/// Mean and inverse deviation of each of K numbers, `[N][K]`.
fn scales(rows: &[&[f32]]) -> [Vec<f32>; 2] {
    let (n, k) = (rows.len() as f64, rows[0].len());
    let of = |at: usize| {
        let mean = rows.iter().map(|row| f64::from(row[at])).sum::<f64>() / n;
        let square = rows.iter().map(|row| (f64::from(row[at]) - mean).powi(2)).sum::<f64>() / n;
        // The features are scaled already: a hundredth of their spread is nothing.
        (mean as f32, (1.0 / square.sqrt().max(0.01)) as f32)
    };
    let (means, inverses) = (0..k).into_par_iter().map(of).unzip();
    [means, inverses]
}

/// Fits a distribution, and the distance of each row to a distribution that was fitted without its part.
fn distribution(rows: &[&[f32]], validation: &CrossValidation, shrinkage: Shrinkage) -> Result<(Whitening, Vec<f32>)> {
    let fit = |rows: &[&[f32]]| {
        let whitening = Whitening::fit(rows, shrinkage);
        Ok(Whitening { mean: whitening.mean, matrix: narrowed(whitening.matrix) })
    };
    validation.fit(rows, fit, |whitening, row| Ok(whitening.distance(row)))
}

/// The distance of `value`, `[N, K]`, to a distribution: `[N, 1]`.
fn distance(graph: &mut Graph, value: &str, whitening: &Whitening) -> String {
    let whitened = whitened(graph, value, whitening);
    root_mean_square(graph, &whitened, 1)
}

/// The level of a distance, see [`Tail`].
pub(in crate::detector) fn level(graph: &mut Graph, distance: &str, tail: Tail) -> String {
    let shifted = graph.with_number("Sub", distance, tail.location);
    let scaled = graph.with_number("Mul", &shifted, 1.0 / tail.scale);
    // ln(1 + exp(x)), without overflow.
    let above = graph.node("Relu", &[&scaled], &[]);
    let size = graph.node("Abs", &[&scaled], &[]);
    let below = graph.node("Neg", &[&size], &[]);
    let below = graph.node("Exp", &[&below], &[]);
    let below = graph.with_number("Add", &below, 1.0);
    let below = graph.node("Log", &[&below], &[]);
    graph.node("Add", &[&above, &below], &[])
}

#[cfg(test)]
mod tests {
    use rand::Rng;

    use super::*;

    const SIDE: usize = 64;

    /// Stripes with a disc whose place and light vary a little; `fault` draws a dark patch into it.
    fn picture(index: u64, fault: bool) -> Vec<u8> {
        let mut rng = stream(7, "picture", index);
        let (dx, light) = (rng.random_range(-2.0..2.0f32), rng.random_range(0.9..1.1f32));
        let mut pixel = |i: usize| {
            let (x, y) = ((i % SIDE) as f32, (i / SIDE) as f32);
            let stripes = 120.0 + 40.0 * ((x + y) / 5.0).sin();
            let disc = if (x - 32.0 - dx).hypot(y - 30.0) < 14.0 { 60.0 } else { 0.0 };
            let value =
                if fault && (40.0..52.0).contains(&x) && (44.0..56.0).contains(&y) { 20.0 } else { stripes + disc };
            (value * light + rng.random_range(-4.0..4.0f32)).clamp(0.0, 255.0) as u8
        };
        (0..SIDE * SIDE).map(&mut pixel).collect()
    }

    fn samples(count: u64) -> Samples {
        Samples::new(1, SIDE, SIDE, (0..count).flat_map(|i| picture(i, false)).collect()).unwrap()
    }

    fn levels(appearance: &Appearance, pictures: impl Iterator<Item = Vec<u8>>) -> Vec<f32> {
        let mut graph = Graph::new("appearance");
        let image = graph.image(appearance.shape);
        let level = appearance.append(&mut graph, &image);
        graph.output(&level, "level", &[Dim::Batch, Dim::Fixed(1)]);
        let engine = Runnable::load(&graph.finish(&[]), &[1, 1, SIDE, SIDE]).unwrap();
        pictures.map(|row| outputs::<1>(&engine, &row).unwrap()[0][0]).collect()
    }

    #[test]
    fn a_fault_is_unlike_the_genuine_pictures_and_the_camera_is_not() {
        let camera = |tolerance| Camera { tolerance, ..Camera::default() };
        let fit = |tolerance| Appearance::fit(&samples(60), &[], camera(tolerance), 1).unwrap();
        let appearance = fit(Tolerance::Fixed);
        let mut genuine = levels(&appearance, (1000..1040).map(|i| picture(i, false)));
        let faulty = levels(&appearance, (2000..2040).map(|i| picture(i, true)));
        genuine.sort_unstable_by(f32::total_cmp);
        let found = faulty.iter().filter(|level| **level > genuine[38]).count();
        assert!(found >= 36, "{found} of 40 faults are found");
        // The same pictures by another shot: few are beyond what the fit took for usual.
        let shots = |appearance: &Appearance| {
            let vary = |i| Camera::default().vary(&picture(i, false), (1, SIDE, SIDE), &mut stream(3, "other shot", i));
            let levels = levels(appearance, (1000..1040).map(vary));
            levels.iter().filter(|level| **level > genuine[39].max(12.0)).count()
        };
        let (tolerant, strict) = (shots(&appearance), shots(&fit(Tolerance::None)));
        assert!(tolerant <= 4 && strict >= 20, "{tolerant} and {strict} of 40 shots are unusual");

        let read = Appearance::from_bytes(&appearance.to_bytes().unwrap()).unwrap();
        assert_eq!(read.to_bytes().unwrap(), appearance.to_bytes().unwrap());
        assert_eq!(appearance.to_bytes().unwrap(), fit(Tolerance::Fixed).to_bytes().unwrap(), "a seed says it all");
        assert!((5e6..20e6).contains(&(appearance.multiply_adds() as f64)), "{}", appearance.multiply_adds());
    }

    #[test]
    fn what_cannot_be_fitted_or_read_is_refused() {
        let few = Appearance::fit(&samples(19), &[], Camera::default(), 1).unwrap_err().to_string();
        assert!(few.contains("19 genuine pictures"), "{few}");
        let odd = Samples::new(1, 40, 64, vec![9; 40 * 64 * 30]).unwrap();
        assert!(Appearance::fit(&odd, &[], Camera::default(), 1).unwrap_err().to_string().contains("64 x 40"));
        let bytes = Appearance::fit(&samples(20), &[], Camera::default(), 1).unwrap().to_bytes().unwrap();
        for damaged in [&bytes[..100], &[]] {
            assert!(Appearance::from_bytes(damaged).is_err());
        }
    }

    #[test]
    fn equal_pictures_are_finite() {
        let flat = Samples::new(1, SIDE, SIDE, vec![0; SIDE * SIDE * 24]).unwrap();
        let appearance = Appearance::fit(&flat, &[], Camera::default(), 1).unwrap();
        let found = levels(&appearance, [vec![0; SIDE * SIDE], vec![255; SIDE * SIDE], picture(1, true)].into_iter());
        assert!(found.iter().all(|level| level.is_finite()), "{found:?}");
    }
}
