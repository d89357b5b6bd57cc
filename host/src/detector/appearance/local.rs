//! The trunk's maps at single places of a picture, for a baseline.

use anyhow::Result;
use counterfoil_edge::inference::Graph as Runnable;

use super::Shape;
use super::features::{CHANNELS, FINEST as STRIDE, channel_scales, evened, outputs, scaled};
use super::trunk;
use crate::data::Samples;
use crate::onnx::{Dim, Graph};

/// Describes the places of pictures of one size.
#[derive(Debug)]
pub struct LocalFeatures {
    engine: Runnable,
    shape: Shape,
}

impl LocalFeatures {
    /// Numbers that describe a place.
    pub const COUNT: usize = CHANNELS;

    /// Scales the trunk's channels on genuine pictures, whose sides must be multiples of 32.
    ///
    /// # Errors
    /// When a picture cannot be read.
    pub fn fit(samples: &Samples) -> Result<Self> {
        let shape @ (channels, height, width) = samples.full_shape();
        let scales = channel_scales(samples, &(0..samples.len()).collect::<Vec<_>>())?;
        let mut graph = Graph::new("places");
        let image = graph.image(shape);
        let [even, _] = evened(&mut graph, &image, channels);
        let maps = trunk::append(&mut graph, &even, channels);
        for ((map, (_, channels, stride)), name) in
            scaled(&mut graph, maps, &scales).into_iter().zip(trunk::TAPS).zip(["fine", "middle", "coarse"])
        {
            let stride = stride.max(STRIDE);
            let dims = [Dim::Batch, Dim::Fixed(channels), Dim::Fixed(height / stride), Dim::Fixed(width / stride)];
            graph.output(&map, name, &dims);
        }
        Ok(Self { engine: Runnable::load(&graph.finish(&[]), &[1, channels, height, width])?, shape })
    }

    /// The features of each place of a picture `[C, H, W]`, `[places, COUNT]`: the means over 3 x 3 places.
    ///
    /// # Errors
    /// When the network fails.
    pub fn of(&self, row: &[u8]) -> Result<Vec<f32>> {
        let (height, width) = (self.shape.1 / STRIDE, self.shape.2 / STRIDE);
        let maps = outputs::<3>(&self.engine, row)?;
        let mut places = Vec::with_capacity(height * width * CHANNELS);
        for place in 0..height * width {
            let (y, x) = (place / width, place % width);
            let (rows, columns) = (y.saturating_sub(1)..(y + 2).min(height), x.saturating_sub(1)..(x + 2).min(width));
            let area = (rows.len() * columns.len()) as f32;
            for (map, (_, channels, stride)) in maps.iter().zip(trunk::TAPS) {
                let coarser = stride.max(STRIDE) / STRIDE;
                let (lines, wide) = (height / coarser, width / coarser);
                places.extend(map.chunks_exact(lines * wide).take(channels).map(|map| {
                    let around = rows.clone().flat_map(|y| columns.clone().map(move |x| (y / coarser, x / coarser)));
                    around.map(|(y, x)| map[y * wide + x]).sum::<f32>() / area
                }));
            }
        }
        Ok(places)
    }
}
