//! The strokes detector: descriptors of ink strokes, scaled so that distances between pictures weigh most
//! what varies little within one item or writer. It is fitted to genuine pictures of many items or
//! writers and written as an ONNX file.
//!
//! It has no GAN. On signatures, such descriptors compared with references beat every network that could be trained
//! in minutes, so it became a kind of detector (docs/decisions/0007). Without references it only measures how
//! typical a picture is, and by that measure a forger's signature often looks more genuine than the writer's own.
//! Where known fakes are given, it learns what forgers have in common.
//!
//! As in the statistics detector, the descriptors are defined once, as ONNX nodes, and fitting runs the same
//! graph through the box's engine.

mod directions;
mod logistic;
mod patterns;
mod within;

use std::collections::BTreeMap;

use anyhow::ensure;
use counterfoil_edge::inference::{EngineError, Graph as Runnable};
use counterfoil_models::{Color, Resize, unit};
use rayon::prelude::*;

use super::{EnrolmentOutputs, FitData, Recipe, Training};
use crate::data::{DataError, DefaultSize, InputDefaults, Samples};
use crate::onnx::{Attribute, Dim, Graph};
use counterfoil_kernels::luma::luma;
use logistic::Logistic;
use within::Within;

/// Sides are multiples of this number of pixels, so that every cell of a grid has equally many pixels.
const STEP: usize = 4;
/// Shortest side, as a multiple of [`STEP`].
const MIN_STEPS: usize = 8;
/// Fewest items or writers, each with two pictures or more, from whose variation that of others can be estimated.
const MIN_GROUPS: usize = 4;
/// Local binary patterns: radius in pixels, and grid of cells (rows, columns).
const PATTERNS: [(i64, (usize, usize)); 2] = [(1, (1, 1)), (2, (2, 4))];
/// Added to each share of a histogram before its root is taken, because the root is steep at 0.
const SHARE_FLOOR: f32 = 1e-6;

/// Most pictures of a class from which the regression learns. Of more pictures, at most this number is taken at
/// even intervals: their descriptors are held in memory, 12 kB each.
const MOST_LEARNED: usize = 2_000;

/// Lengths of the embedding's parts: directions by cell, near and wide patterns, directions along the stroke.
const PARTS: [usize; 4] = [directions::LENGTHS[0], 256, 8 * 256, directions::LENGTHS[1]];
/// Length of the embedding.
const LENGTH: usize = PARTS[0] + PARTS[1] + PARTS[2] + PARTS[3];

/// Weight of the general score relative to the distance from references, in standard deviations of each, where the
/// score was learned from known fakes. Then it lowers the error, most where references are few
/// (docs/decisions/0007). Without known fakes it has no information about forgers.
const WEIGHT_LEARNED: f64 = 0.25;
/// Default width and height of the input, in pixels: a signature is twice as wide as high.
const SIZE: [u32; 2] = [320, 160];

/// The recipe of the strokes detector.
#[derive(Clone, Copy, Debug)]
pub struct Strokes;

impl Recipe for Strokes {
    /// The input is the ink, wherever it is in the picture, in grey, whatever suits other kinds of detectors.
    fn input(&self) -> InputDefaults {
        InputDefaults {
            size: DefaultSize::Fixed(SIZE),
            color: Some(Color::Grey),
            resize: Some(Resize::Ink),
            data_set: false,
        }
    }

    fn training(&self) -> Training {
        Training::Fit("strokes.onnx")
    }

    fn fit(&self, pictures: &FitData) -> anyhow::Result<Vec<u8>> {
        ensure!(
            pictures.genuine.regions() == 1,
            "--region: strokes are described in the picture as a whole; leave the flag out"
        );
        Ok(fit(pictures.genuine, pictures.groups, pictures.known, &[])?)
    }

    fn enrolment(&self, _: usize, learned: bool) -> EnrolmentOutputs {
        EnrolmentOutputs { parts: PARTS.to_vec(), weight_general: if learned { WEIGHT_LEARNED } else { 0.0 } }
    }
}

/// Why a strokes detector could not be fitted.
#[derive(Debug, thiserror::Error)]
pub enum StrokesError {
    /// The pictures have a size for which the descriptors are not defined.
    #[error(
        "--size {width}x{height}: strokes are described in planes whose sides are multiples of {STEP} from {} on, such as 320x160", STEP * MIN_STEPS
    )]
    Size {
        /// Height in pixels.
        height: usize,
        /// Width in pixels.
        width: usize,
    },
    /// It is not known which pictures belong to one item or writer, or there are too few items or writers.
    #[error(
        "--net strokes learns what one item or writer varies in, and found {0} with two pictures or more to learn from; expected at least {MIN_GROUPS}: name them with --group, or add pictures"
    )]
    Groups(usize),
    /// A picture cannot be read.
    #[error(transparent)]
    Samples(#[from] DataError),
    /// The box's engine cannot run the graph of descriptors.
    #[error("the graph of strokes does not run")]
    Engine(#[from] EngineError),
}

/// Fits the strokes detector to genuine pictures and returns it as an ONNX file that follows the bundle's contract.
/// Picture `i` belongs to the item or writer `groups[i]`.
///
/// `embedding` holds the descriptors less their mean, divided by the root of their variance within groups. `score` and
/// `logit` are the same: the logit of a logistic regression on `embedding` against the `known` fakes or, without any,
/// minus the root mean square of `embedding`. `metadata` is written into the file, with the parts' lengths and N.
///
/// The same rows give the same bytes, for any number of threads. Memory holds the descriptors of the largest group,
/// or those of some thousands of pictures.
///
/// # Errors
/// [`StrokesError::Size`] or [`StrokesError::Groups`] when it cannot be fitted to these pictures, and the other
/// variants when a picture cannot be read or the engine fails.
pub fn fit(
    samples: &Samples,
    groups: &[u32],
    known: &[Samples],
    metadata: &[(String, String)],
) -> Result<Vec<u8>, StrokesError> {
    let (c, h, w) = samples.shape();
    if [h, w].iter().any(|side| !side.is_multiple_of(STEP) || *side < STEP * MIN_STEPS) {
        return Err(StrokesError::Size { height: h, width: w });
    }
    let describer = Describer::new((c, h, w))?;
    let within = describer.within(samples, groups)?;
    let forgers = if known.is_empty() { None } else { Some(describer.forgers(samples, known, &within)?) };
    let Within { mean, scale } = within;

    let (mut graph, image) = open((c, h, w));
    let descriptors = append(&mut graph, &image, (c, h, w)); // [N, K]
    let mean = graph.constant(&[1, LENGTH], &mean);
    let scale = graph.constant(&[1, LENGTH], &scale);
    let centred = graph.node("Sub", &[&descriptors, &mean], &[]);
    let embedding = graph.node("Mul", &[&centred, &scale], &[]); // [N, K]
    let score = if let Some(Logistic { weights, offset }) = &forgers {
        let weights = graph.constant(&[LENGTH, 1], weights);
        let logit = graph.node("MatMul", &[&embedding, &weights], &[]);
        graph.with_number("Add", &logit, *offset)
    } else {
        let square = graph.node("Mul", &[&embedding, &embedding], &[]);
        let distance = graph.node("ReduceMean", &[&square], &[("axes", Attribute::Ints(&[1]))]);
        let distance = graph.node("Sqrt", &[&distance], &[]);
        graph.node("Neg", &[&distance], &[])
    }; // [N, 1]
    graph.output(&score, "score", &[Dim::Batch, Dim::Fixed(1)]);
    graph.output(&score, "logit", &[Dim::Batch, Dim::Fixed(1)]);
    graph.output(&embedding, "embedding", &[Dim::Batch, Dim::Fixed(LENGTH)]);

    let parts = PARTS.map(|part| part.to_string()).join(",");
    let own = [("parts".to_owned(), parts), ("fitted_on".to_owned(), samples.len().to_string())];
    Ok(graph.finish(&[metadata, &own].concat()))
}

/// The graph of descriptors in the box's engine.
struct Describer {
    runnable: Runnable,
}

impl Describer {
    fn new((c, h, w): (usize, usize, usize)) -> Result<Self, StrokesError> {
        let (mut graph, image) = open((c, h, w));
        let descriptors = append(&mut graph, &image, (c, h, w));
        graph.output(&descriptors, "descriptors", &[Dim::Batch, Dim::Fixed(LENGTH)]);
        Ok(Self { runnable: Runnable::load(&graph.finish(&[]), &[1, c, h, w])? })
    }

    /// The descriptors of the given rows, `[n][K]`.
    fn describe(&self, samples: &Samples, rows: &[usize]) -> Result<Vec<Vec<f32>>, StrokesError> {
        let one = |row: &usize| {
            Ok(self
                .runnable
                .run(&unit(&samples.row(*row)?))? // [1, C, H, W]
                .swap_remove(0)
                .values)
        };
        rows.par_iter().map(one).collect()
    }

    /// The scaling of the descriptors by their variation within groups, computed one group at a time.
    fn within(&self, samples: &Samples, groups: &[u32]) -> Result<Within, StrokesError> {
        let mut members: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        for (row, group) in groups.iter().enumerate() {
            members.entry(*group).or_default().push(row);
        }
        let mut sums = within::Sums::new(LENGTH);
        for rows in members.values() {
            sums.add(&self.describe(samples, rows)?);
        }
        if sums.groups() < MIN_GROUPS {
            return Err(StrokesError::Groups(sums.groups()));
        }
        Ok(sums.finish(&PARTS))
    }

    /// The regression of genuine pictures against known fakes. All families contribute at most the same number of
    /// pictures.
    fn forgers(&self, samples: &Samples, known: &[Samples], within: &Within) -> Result<Logistic, StrokesError> {
        let embedded = |samples: &Samples, most: usize| -> Result<Vec<Vec<f32>>, StrokesError> {
            let stride = samples.len().div_ceil(most.max(1));
            let rows: Vec<usize> = (0..samples.len()).step_by(stride).collect();
            Ok(self.describe(samples, &rows)?.iter().map(|row| within.embed(row)).collect())
        };
        let genuine = embedded(samples, MOST_LEARNED)?;
        let fakes = known.iter().map(|family| embedded(family, MOST_LEARNED / known.len()));
        Ok(Logistic::fit(&genuine, &fakes.collect::<Result<Vec<_>, _>>()?.concat()))
    }
}

fn open(shape: (usize, usize, usize)) -> (Graph, String) {
    let mut graph = Graph::new("strokes");
    let image = graph.image(shape);
    (graph, image)
}

/// Appends the descriptors of `image` ([N, C, H, W] in 0..1; C is 1 or 3): [N, K].
fn append(graph: &mut Graph, image: &str, (c, h, w): (usize, usize, usize)) -> String {
    // Ink is the difference to white.
    let dark: Vec<f32> = luma(c).iter().map(|share| -share).collect();
    let luma = graph.constant(&[1, c, 1, 1], &dark);
    let white = graph.constant(&[1], &[1.0]);
    let ink = graph.node("Conv", &[image, &luma, &white], &[]); // [N, 1, H, W]
    let mask = patterns::mask(graph, &ink);

    let (directions, along) = directions::append(graph, &ink, (h, w));
    let patterns = PATTERNS.map(|(radius, grid)| patterns::append(graph, &mask, (h, w), radius, grid));
    let mut columns = Vec::new();
    for counts in [&directions].into_iter().chain(&patterns).chain(&along) {
        columns.push(root_of_shares(graph, counts));
    }
    graph.concat(&columns)
}

/// The square root of each count's share of the sum, [N, K]. The Euclidean distance of such roots is, up to a
/// factor, the Hellinger distance of the histograms, in which rare and frequent patterns count alike.
fn root_of_shares(graph: &mut Graph, counts: &str) -> String {
    let all = graph.node("ReduceL1", &[counts], &[("axes", Attribute::Ints(&[1]))]); // [N, 1]
    // A plane without ink has no shares; this is not an error, and the floor keeps the division defined.
    let all = graph.with_number("Add", &all, SHARE_FLOOR);
    let shares = graph.node("Div", &[counts, &all], &[]);
    let shares = graph.with_number("Add", &shares, SHARE_FLOOR);
    graph.node("Sqrt", &[&shares], &[])
}

#[cfg(test)]
mod tests;
