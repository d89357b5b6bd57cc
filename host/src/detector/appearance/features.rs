//! The features of a whole picture, as nodes of an ONNX graph: the only definition. Fitting runs them in the box's engine.

use anyhow::Result;
use counterfoil_edge::inference::Graph as Runnable;
use counterfoil_kernels::patterns::COUNT;
use counterfoil_models::unit;
use rayon::prelude::*;

use super::super::statistics::features as statistics;
use super::{CELL, Shape, patterns, trunk};
use crate::data::Samples;
use crate::onnx::{Attribute, Dim, Graph};

/// Channels of all maps of the trunk that are used.
pub(super) const CHANNELS: usize = trunk::TAPS[0].1 + trunk::TAPS[1].1 + trunk::TAPS[2].1;
/// Features of a cell: the mean and the deviation of every channel.
pub(super) const FEATURES: usize = 2 * CHANNELS;
/// Pixels of the picture per pixel of the finest map that is used: finer ones show single pixels and their noise.
pub(super) const FINEST: usize = 8;
/// Side of a place, in pixels.
pub(super) const PLACE: usize = 16;
/// Genuine pictures from which the scale of the trunk's channels is computed.
const SCALING: usize = 64;
/// Added to a variance of scaled maps before the root is taken.
const FLOOR: f32 = 1e-3;
/// The mean grey to which the light of every picture is brought, 0..1.
const LIGHT: f32 = 0.45;
/// Least mean grey of a picture, 0..1, by which it is divided.
const DARK: f32 = 0.02;

/// Mean and inverse deviation of the trunk's channels over genuine pictures, `[C]` each.
pub(super) type ChannelScales = [Vec<f32>; 2];

/// The values of a graph that hold a picture's features.
pub(super) struct FeatureValues {
    /// `[N, FEATURES, H / 32, W / 32]`
    pub(super) cells: String,
    /// `[N, CHANNELS, H / 16, W / 16]`
    pub(super) places: String,
    /// `[N, FEATURES]`
    pub(super) pooled: String,
    /// `[N, K]`
    pub(super) statistics: String,
    /// K
    pub(super) count: usize,
}

/// Appends the features of `image`, `[N, C, H, W]` in 0..1. Its light is evened first: every picture is brought to
/// the same mean grey. `scales` are those of [`channel_scales`].
pub(super) fn append(graph: &mut Graph, image: &str, shape: Shape, scales: &ChannelScales) -> FeatureValues {
    let (channels, height, width) = shape;
    let [image, grey] = evened(graph, image, channels);
    let (mut first, mut second, mut places) = (Vec::new(), Vec::new(), Vec::new());
    let maps = trunk::append(graph, &image, channels);
    for (map, (_, _, stride)) in scaled(graph, maps, scales).into_iter().zip(trunk::TAPS) {
        let square = graph.node("Mul", &[&map, &map], &[]);
        let side = CELL / stride.max(FINEST);
        first.push(graph.average_pool(&map, (side, side)));
        second.push(graph.average_pool(&square, (side, side)));
        let side = PLACE / stride.max(FINEST);
        places.push(if side > 1 { graph.average_pool(&map, (side, side)) } else { map });
    }
    let (first, second) = (graph.concat(&first), graph.concat(&second)); // [N, C, H / 32, W / 32]
    let places = graph.concat(&places);
    let cells = with_deviation(graph, &first, &second);
    let (first, second) = (over_picture(graph, &first), over_picture(graph, &second)); // [N, C, 1, 1]
    let pooled = with_deviation(graph, &first, &second);
    let pooled = graph.node("Flatten", &[&pooled], &[("axis", Attribute::Int(1))]);
    let (statistics, names) = statistics::append(graph, &image, shape);
    let patterns = patterns::append(graph, &grey, (height, width));
    let statistics = graph.concat(&[&statistics, &patterns]);
    FeatureValues { cells, places, pooled, statistics, count: names.len() + COUNT }
}

/// The trunk's maps with each channel brought to mean 0 and deviation 1, at most as fine as [`FINEST`].
pub(super) fn scaled(graph: &mut Graph, maps: Vec<String>, [means, inverses]: &ChannelScales) -> Vec<String> {
    let mut from = 0;
    let scale = |(map, (_, taken, stride)): (String, (usize, usize, usize))| {
        let mut constant = |numbers: &[f32]| graph.constant(&[taken, 1, 1], &numbers[from..from + taken]);
        let (mean, inverse) = (constant(means), constant(inverses));
        from += taken;
        let centred = graph.node("Sub", &[&map, &mean], &[]);
        let scaled = graph.node("Mul", &[&centred, &inverse], &[]);
        let side = FINEST.div_ceil(stride);
        if side > 1 { graph.average_pool(&scaled, (side, side)) } else { scaled }
    };
    maps.into_iter().zip(trunk::TAPS).map(scale).collect()
}

/// Mean and inverse deviation of each of the trunk's channels over some genuine pictures.
pub(super) fn channel_scales(samples: &Samples, chosen: &[usize]) -> Result<ChannelScales> {
    let (channels, height, width) = samples.full_shape();
    let mut graph = Graph::new("trunk");
    let image = graph.image((channels, height, width));
    let [even, _] = evened(&mut graph, &image, channels);
    for (map, (block, channels, _)) in trunk::append(&mut graph, &even, channels).iter().zip(trunk::TAPS) {
        let square = graph.node("Mul", &[map, map], &[]);
        for (value, name) in [(map, "mean"), (&square, "square")] {
            let mean = over_picture(&mut graph, value);
            let one = Dim::Fixed(1);
            graph.output(&mean, &format!("{name}_{block}"), &[Dim::Batch, Dim::Fixed(channels), one, one]);
        }
    }
    let engine = Runnable::load(&graph.finish(&[]), &[1, channels, height, width])?;
    let count = chosen.len().min(SCALING);
    let one = |place: usize| outputs::<6>(&engine, &samples.full_row(chosen[place * chosen.len() / count])?);
    let pictures = (0..count).into_par_iter().map(one).collect::<Result<Vec<_>>>()?;
    let mean = |output: usize, channel: usize| {
        pictures.iter().map(|picture| f64::from(picture[output][channel])).sum::<f64>() / count as f64
    };
    let mut scales = [Vec::new(), Vec::new()];
    for (tap, (_, channels, _)) in trunk::TAPS.into_iter().enumerate() {
        for channel in 0..channels {
            let (first, second) = (mean(2 * tap, channel), mean(2 * tap + 1, channel));
            let deviation = (second - first * first).max(0.0).sqrt().max(1e-3 * first.abs().max(1.0));
            scales[0].push(first as f32);
            scales[1].push((1.0 / deviation) as f32);
        }
    }
    Ok(scales)
}

/// The outputs of a graph for one picture's bytes.
pub(super) fn outputs<const COUNT: usize>(engine: &Runnable, row: &[u8]) -> Result<[Vec<f32>; COUNT]> {
    let found: Vec<Vec<f32>> = engine.run(&unit(row))?.into_iter().map(|output| output.values).collect();
    Ok(found.try_into().expect("the graph has these outputs"))
}

/// A picture `[N, C, H, W]` and its grey `[N, 1, H, W]`, both brought to the mean grey [`LIGHT`].
pub(super) fn evened(graph: &mut Graph, image: &str, channels: usize) -> [String; 2] {
    let grey = statistics::grey(graph, image, channels);
    let light = over_picture(graph, &grey); // [N, 1, 1, 1]
    let (dark, most) = (graph.constant(&[], &[DARK]), graph.constant(&[], &[1.0]));
    let light = graph.node("Clip", &[&light, &dark, &most], &[]);
    [image, &grey].map(|value| {
        let even = graph.node("Div", &[value, &light], &[]);
        graph.with_number("Mul", &even, LIGHT)
    })
}

/// The mean of each map: `[N, C, H, W]` to `[N, C, 1, 1]`.
fn over_picture(graph: &mut Graph, maps: &str) -> String {
    let rows = graph.mean_over(maps, 3);
    graph.mean_over(&rows, 2)
}

/// Joins means `[N, C, ..]` and deviations, made of the means of the numbers and of their squares.
fn with_deviation(graph: &mut Graph, first: &str, second: &str) -> String {
    let square = graph.node("Mul", &[first, first], &[]);
    let variance = graph.node("Sub", &[second, &square], &[]);
    let variance = graph.node("Relu", &[&variance], &[]);
    let variance = graph.with_number("Add", &variance, FLOOR);
    let deviation = graph.node("Sqrt", &[&variance], &[]);
    graph.concat(&[first, &deviation])
}
