//! Genuine pictures enter, an ONNX detective leaves: hand statistics of a picture and how far they lie from those of the genuine
//! article. It sees tone and texture and no shape, it is fitted in seconds, and it is hard to beat, which makes it the baseline
//! of every evaluation and the sparring partner of every face-off.
//!
//! The statistics are defined once, as ONNX nodes in [`features`]. Fitting runs that very graph through the box's engine, so what
//! was fitted is what the box computes.

mod features;

use counterfoil_edge::inference::{EngineError, Graph as Runnable};
use counterfoil_models::unit;
use rayon::prelude::*;

use super::{FitData, Recipe, Training};
use crate::data::{DataError, DefaultSize, InputDefaults, Samples};
use crate::math::whitening::Whitening;
use crate::onnx::{Dim, Graph};

pub use features::MIN_SIDE;

/// Statistics are taken over the whole picture at its own size, up to this on the longer side.
const MAX_SIDE: u32 = 384;

/// The recipe of the statistics detector.
#[derive(Clone, Copy, Debug)]
pub struct Statistics;

impl Recipe for Statistics {
    /// Crops of different places would only blur the sums over a picture.
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

/// Why no detective came out.
#[derive(Debug, thiserror::Error)]
pub enum StatisticsError {
    /// The pictures are of a size the statistics are not defined for.
    #[error(
        "pictures of {height} x {width} (height, width): expected sides of at least {MIN_SIDE}; choose a larger input size"
    )]
    Size {
        /// Rows of pixels.
        height: usize,
        /// Columns of pixels.
        width: usize,
    },
    /// Too few pictures.
    #[error("{0} pictures, expected at least {MIN_ROWS}; collect more genuine pictures")]
    Rows(usize),
    /// A picture cannot be read.
    #[error(transparent)]
    Samples(#[from] DataError),
    /// The box's engine refused the graph of statistics.
    #[error("the graph of statistics does not run")]
    Engine(#[from] EngineError),
}

/// Fewest pictures from which a spread is worth estimating.
const MIN_ROWS: usize = 8;

/// Fits the statistics detective to genuine pictures and returns it as an ONNX file of the
/// bundle's contract: `score` = `logit` = minus the root mean square of `embedding`, which holds the whitened statistics, so that a
/// typical genuine picture has about -1, or -0.7 where statistics go together. `metadata` goes into the file beside the statistics' names and N.
///
/// The same rows give the same bytes, whatever the number of threads.
///
/// # Errors
/// [`StatisticsError::Size`] or [`StatisticsError::Rows`] for pictures it cannot be fitted to.
pub fn fit(samples: &Samples, metadata: &[(String, String)]) -> Result<Vec<u8>, StatisticsError> {
    let (c, h, w) = samples.shape();
    if h < MIN_SIDE || w < MIN_SIDE {
        return Err(StatisticsError::Size { height: h, width: w });
    }
    if samples.len() < MIN_ROWS {
        return Err(StatisticsError::Rows(samples.len()));
    }
    let statistics = measure(samples)?;
    let whitening = Whitening::fit(&statistics, 1.0);

    let (mut graph, image) = open((c, h, w));
    let (statistics, names) = features::append(&mut graph, &image, (c, h, w)); // [N, K]
    let k = names.len();
    let mean = graph.constant(&[1, k], &whitening.mean);
    let matrix = graph.constant(&[k, k], &whitening.matrix);
    let centred = graph.node("Sub", &[&statistics, &mean], &[]);
    let embedding = graph.node("MatMul", &[&centred, &matrix], &[]); // [N, K]
    let square = graph.node("Mul", &[&embedding, &embedding], &[]);
    let distance = graph.mean_over(&square, 1); // [N, 1]
    let distance = graph.node("Sqrt", &[&distance], &[]);
    let score = graph.node("Neg", &[&distance], &[]);
    graph.output(&score, "score", &[Dim::Batch, Dim::Fixed(1)]);
    graph.output(&score, "logit", &[Dim::Batch, Dim::Fixed(1)]);
    graph.output(&embedding, "embedding", &[Dim::Batch, Dim::Fixed(k)]);

    let own = [("statistics".to_owned(), names.join(",")), ("fitted_on".to_owned(), samples.len().to_string())];
    Ok(graph.finish(&[metadata, &own].concat()))
}

/// The statistics of every picture, `[N][K]`, by the box's engine.
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
