//! The statistics detector: simple statistics of a picture and their distance to those of genuine pictures, written
//! as an ONNX file. It detects tone and texture but no shape. It is fitted in seconds and is hard to beat, so it is
//! the baseline of every evaluation and the practice opponent of every face-off.
//!
//! The statistics are defined once, as ONNX nodes in `features`. Fitting runs the same graph through the box's
//! engine, so the box computes exactly what was fitted.

pub(super) mod features;

use counterfoil_edge::inference::{EngineError, Graph as Runnable};
use counterfoil_models::unit;
use rayon::prelude::*;

use super::{FitData, Recipe, Training};
use crate::data::{DataError, DefaultSize, InputDefaults, Samples};
use crate::math::whitening::{Shrinkage, Whitening};
use crate::onnx::{Dim, Graph};

pub use features::MIN_SIDE;

/// Longest side of the input, in pixels. Statistics are taken over the whole picture at its own size, up to this
/// limit.
const MAX_SIDE: u32 = 384;

/// The recipe of the statistics detector.
#[derive(Clone, Copy, Debug)]
pub struct Statistics;

impl Recipe for Statistics {
    /// The whole picture is the input: crops at different places would only blur the sums over a picture.
    fn input(&self) -> InputDefaults {
        InputDefaults { size: DefaultSize::Own(MAX_SIDE), color: None, resize: None, data_set: false }
    }

    fn training(&self) -> Training {
        Training::Fit("statistics.onnx")
    }

    fn fit(&self, pictures: &FitData) -> anyhow::Result<Vec<u8>> {
        Ok(fit(pictures.genuine, &[])?)
    }
}

/// Why a statistics detector could not be fitted.
#[derive(Debug, thiserror::Error)]
pub enum StatisticsError {
    /// The pictures have a size for which the statistics are not defined.
    #[error(
        "pictures of {height} x {width} (height, width): expected sides of at least {MIN_SIDE}; choose a larger input size"
    )]
    Size {
        /// Height in pixels.
        height: usize,
        /// Width in pixels.
        width: usize,
    },
    /// There are too few pictures.
    #[error("{0} pictures, expected at least {MIN_ROWS}; collect more genuine pictures")]
    Rows(usize),
    /// A picture cannot be read.
    #[error(transparent)]
    Samples(#[from] DataError),
    /// The box's engine cannot run the graph of statistics.
    #[error("the graph of statistics does not run")]
    Engine(#[from] EngineError),
}

/// Fewest pictures from which a standard deviation is worth estimating.
const MIN_ROWS: usize = 8;

/// Fits the statistics detector to genuine pictures and returns it as an ONNX file that follows the bundle's contract.
///
/// `score` and `logit` are the same: minus the root mean square of `embedding`, which holds the whitened
/// statistics. A typical genuine picture has about -1, or -0.7 where statistics are correlated. `metadata` is
/// written into the file, with the statistics' names and N.
///
/// The same rows give the same bytes, for any number of threads.
///
/// # Errors
/// [`StatisticsError::Size`] or [`StatisticsError::Rows`] when it cannot be fitted to these pictures, and the other
/// variants when a picture cannot be read or the engine fails.
pub fn fit(samples: &Samples, metadata: &[(String, String)]) -> Result<Vec<u8>, StatisticsError> {
    let (c, h, w) = samples.shape();
    if h < MIN_SIDE || w < MIN_SIDE {
        return Err(StatisticsError::Size { height: h, width: w });
    }
    if samples.len() < MIN_ROWS {
        return Err(StatisticsError::Rows(samples.len()));
    }
    let statistics = measure(samples)?;
    let rows: Vec<&[f32]> = statistics.iter().map(Vec::as_slice).collect();
    let whitening = Whitening::fit(&rows, Shrinkage::Prior(1.0));

    let (mut graph, image) = open((c, h, w));
    let (statistics, names) = features::append(&mut graph, &image, (c, h, w)); // [N, K]
    let k = names.len();
    let embedding = features::whitened(&mut graph, &statistics, &whitening); // [N, K]
    let distance = features::root_mean_square(&mut graph, &embedding, 1); // [N, 1]
    let score = graph.node("Neg", &[&distance], &[]);
    graph.output(&score, "score", &[Dim::Batch, Dim::Fixed(1)]);
    graph.output(&score, "logit", &[Dim::Batch, Dim::Fixed(1)]);
    graph.output(&embedding, "embedding", &[Dim::Batch, Dim::Fixed(k)]);

    let own = [("statistics".to_owned(), names.join(",")), ("fitted_on".to_owned(), samples.len().to_string())];
    Ok(graph.finish(&[metadata, &own].concat()))
}

/// The statistics of every picture, `[N][K]`, computed by the box's engine.
fn measure(samples: &Samples) -> Result<Vec<Vec<f32>>, StatisticsError> {
    let (c, h, w) = samples.shape();
    let (mut graph, image) = open((c, h, w));
    let (statistics, names) = features::append(&mut graph, &image, (c, h, w));
    graph.output(&statistics, "statistics", &[Dim::Batch, Dim::Fixed(names.len())]);
    let runnable = Runnable::load(&graph.finish(&[]), &[1, c, h, w])?;
    let one = |i| {
        Ok(runnable
            .run(&unit(&samples.row(i)?))? // [1, C, H, W]
            .swap_remove(0)
            .values)
    };
    (0..samples.len()).into_par_iter().map(one).collect()
}

fn open(shape: (usize, usize, usize)) -> (Graph, String) {
    let mut graph = Graph::new("statistics");
    let image = graph.image(shape);
    (graph, image)
}

#[cfg(test)]
mod tests;
