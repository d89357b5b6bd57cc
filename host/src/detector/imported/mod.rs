//! A detector that another program made: its ONNX file is put into the form of the bundle's contract.
//!
//! The network stays as it is. In front of it come nodes that turn a picture in 0..1 into what it takes, behind it
//! nodes that turn what it gives into a score, higher for genuine pictures.

mod external;
mod network;

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;
use counterfoil_edge::inference::Graph as Runnable;
use counterfoil_models::Color;

use super::{FitData, Recipe, Training};
use crate::data::{DefaultSize, InputDefaults};
use crate::onnx::proto::DataType;
use crate::onnx::{Attribute, Dim, Graph};
use network::{Network, inner};

/// The file in a run folder.
const FILE: &str = "imported.onnx";
/// Means and deviations by which the pictures of `ImageNet` are usually brought to one scale, red, green, blue.
const IMAGENET: [[f32; 3]; 2] = [[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]];
/// Outputs of anomaly detectors (anomalib's), a score and a map, which are higher for what is unusual.
const UNUSUAL: [&str; 4] = ["pred_score", "anomaly_score", "anomaly_map", "pred_scores"];

/// The recipe of imported detectors: they are not fitted.
#[derive(Clone, Copy, Debug)]
pub struct Imported;

impl Recipe for Imported {
    fn input(&self) -> InputDefaults {
        InputDefaults { size: DefaultSize::Own(u32::MAX), color: None, resize: None, data_set: false }
    }

    fn training(&self) -> Training {
        Training::Fit(FILE)
    }

    fn fit(&self, _: &FitData) -> Result<Vec<u8>> {
        bail!("an imported detector is not trained; import it with: counterfoil import MODEL.onnx")
    }
}

/// Order of the axes of a network's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Layout {
    /// Channels before height and width, as PyTorch has them.
    Nchw,
    /// Channels last, as TensorFlow has them.
    Nhwc,
}

/// The numbers in which a network takes a pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PixelScale {
    /// From 0 to 1.
    #[value(name = "0..1")]
    Unit,
    /// From -1 to 1.
    #[value(name = "-1..1")]
    Centred,
    /// From 0 to 255.
    #[value(name = "0..255")]
    Bytes,
    /// The mean of `ImageNet` subtracted from 0..1, and divided by its deviation.
    Imagenet,
}

/// What a higher number says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum HigherIs {
    /// The picture is a counterfeit, or unusual.
    Fake,
    /// The picture is genuine.
    Genuine,
}

/// What the user says about a network; `None` is found in the file.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// The input that takes the picture.
    pub input: Option<String>,
    /// The output that judges, as `NAME` or `NAME:COLUMN`.
    pub score: Option<String>,
    /// What a higher number of this output says.
    pub higher_is: Option<HigherIs>,
    /// Order of the input's axes.
    pub layout: Option<Layout>,
    /// The numbers of a pixel.
    pub scale: Option<PixelScale>,
    /// Width and height of the input, in pixels.
    pub size: Option<[u32; 2]>,
}

/// A network in the form of the contract.
#[derive(Clone, Debug)]
pub struct Wrapped {
    /// The ONNX file.
    pub onnx: Vec<u8>,
    /// Grey or RGB.
    pub color: Color,
    /// Width and height, in pixels.
    pub size: [u32; 2],
    /// What was found in the file and not told, a line each.
    pub found: Vec<String>,
}

/// Reads the ONNX file `path` and puts it into the form of the contract.
///
/// # Errors
/// When the file cannot be read, when something about it is neither told nor found (the message names the flag), and
/// when the box cannot run it.
pub fn wrap(path: &Path, told: &Told) -> Result<Wrapped> {
    let name = path.display();
    let network = Network::read(path)?;
    let mut found = Vec::new();
    let input = network.input(told.input.as_deref())?;
    let (layout, channels, size) =
        geometry(&input, told, &mut found).with_context(|| format!("{name} was not imported"))?;
    let scale = match told.scale {
        Some(scale) => scale,
        None if input.kind == DataType::Uint8 => {
            found.push("--scale 0..255, since its input takes bytes".to_owned());
            PixelScale::Bytes
        }
        None => bail!(
            "{name}: which numbers it takes for a pixel is not in the file; say so with --scale: 0..1, -1..1, 0..255 or imagenet \
             (PyTorch's usual Normalize)"
        ),
    };
    let [width, height] = size.map(|side| side as usize);
    let picture = (channels, height, width);
    let (output, column) = network.output(told.score.as_deref())?;
    let mut graph = Graph::new("imported");
    let image = graph.image(picture);
    let mut taken = scaled(&mut graph, &image, scale, channels);
    if layout == Layout::Nhwc {
        taken = graph.node("Transpose", &[&taken], &[("perm", Attribute::Ints(&[0, 2, 3, 1]))]);
    }
    if input.kind == DataType::Uint8 {
        // A conversion cuts off what is behind the point.
        taken = graph.with_number("Add", &taken, 0.5);
        taken = graph.cast(&taken, DataType::Uint8);
    }
    network.append(&mut graph, &input.name, &taken);
    // What leads to probabilities tells more than they do: they come to exactly 0 and 1.
    let judged = network.before_probability(&output.name).unwrap_or(&output.name);
    let mut score = inner(judged);
    if output.kind != DataType::Float {
        score = graph.cast(&score, DataType::Float);
    }
    let shape = shape_of(graph.clone(), &score, picture).with_context(|| format!("{name} does not run on a box"))?;
    let score = one_number(&mut graph, &score, (&shape, column), &output.name, &mut found).with_context(|| {
        format!("{name} was not imported; --score names another of its outputs {}", network.output_names())
    })?;
    let higher_is = match told.higher_is {
        Some(higher_is) => higher_is,
        None if UNUSUAL.contains(&output.name.as_str()) => {
            found.push(format!("--higher-is fake, since `{}` is an anomaly detector's", output.name));
            HigherIs::Fake
        }
        None => bail!(
            "{name}: whether a higher `{}` speaks for a counterfeit is not in the file; say so with --higher-is fake or --higher-is genuine",
            told.score.as_ref().unwrap_or(&output.name)
        ),
    };
    let score = if higher_is == HigherIs::Fake { graph.node("Neg", &[&score], &[]) } else { score };
    let column = graph.integers(&[-1, 1]);
    let score = graph.node("Reshape", &[&score, &column], &[]);
    for output in ["score", "logit", "embedding"] {
        graph.output(&score, output, &[Dim::Batch, Dim::Fixed(1)]);
    }
    let color = if channels == 1 { Color::Grey } else { Color::Rgb };
    Ok(Wrapped { onnx: graph.finish(&[]), color, size, found })
}

/// Order of the axes, number of channels, and width and height of the input.
fn geometry(input: &network::Input, told: &Told, found: &mut Vec<String>) -> Result<(Layout, usize, [u32; 2])> {
    let network::Input { name, dims, .. } = input;
    let [_, a, b, c] = dims[..] else {
        bail!(
            "its input `{name}` has {} axes, expected 4: pictures, channels, height, width; name another with --input",
            dims.len()
        );
    };
    let is_channels = |length: Option<i64>| matches!(length, Some(1 | 3));
    let layout = match (told.layout, is_channels(a), is_channels(c)) {
        (Some(layout), ..) => layout,
        (None, true, false) => Layout::Nchw,
        (None, false, true) => {
            found.push("--layout nhwc, by the shape of its input".to_owned());
            Layout::Nhwc
        }
        _ => bail!(
            "the axes of its input `{name}` do not tell where the channels are; say so with --layout nchw or --layout nhwc"
        ),
    };
    let (channels, height, width) = match layout {
        Layout::Nchw => (a, b, c),
        Layout::Nhwc => (c, a, b),
    };
    let channels = channels.filter(|_| is_channels(channels)).unwrap_or(3) as usize;
    let fixed = |length: Option<i64>| length.and_then(|length| u32::try_from(length).ok()).filter(|length| *length > 0);
    match (fixed(width), fixed(height), told.size) {
        (Some(width), Some(height), None) => Ok((layout, channels, [width, height])),
        (Some(width), Some(height), Some(size)) => {
            ensure!(
                size == [width, height],
                "--size {}x{}: its input `{name}` takes {width}x{height}",
                size[0],
                size[1]
            );
            Ok((layout, channels, size))
        }
        (_, _, Some(size)) => Ok((layout, channels, size)),
        _ => bail!(
            "its input `{name}` takes pictures of any size; say with --size WIDTHxHEIGHT which one it was made for"
        ),
    }
}

/// A picture in 0..1 in the numbers of another scale.
fn scaled(graph: &mut Graph, image: &str, scale: PixelScale, channels: usize) -> String {
    match scale {
        PixelScale::Unit => image.to_owned(),
        PixelScale::Bytes => graph.with_number("Mul", image, 255.0),
        PixelScale::Centred => {
            let doubled = graph.with_number("Mul", image, 2.0);
            graph.with_number("Sub", &doubled, 1.0)
        }
        PixelScale::Imagenet => {
            let [mean, deviation] = IMAGENET.map(|numbers| graph.constant(&[1, channels, 1, 1], &numbers[..channels]));
            let centred = graph.node("Sub", &[image, &mean], &[]);
            graph.node("Div", &[&centred, &deviation], &[])
        }
    }
}

/// Makes one number for each picture of the output `name`, whose `shape` is that for one picture.
fn one_number(
    graph: &mut Graph,
    value: &str,
    (shape, column): (&[usize], Option<usize>),
    name: &str,
    found: &mut Vec<String>,
) -> Result<String> {
    Ok(match (shape, column) {
        ([1] | [1, 1], None | Some(0)) => value.to_owned(),
        (&[1, columns], Some(column)) if column < columns => against_others(graph, value, column, columns),
        ([1, columns], _) => {
            bail!("its output `{name}` has {columns} columns; say which one judges, from 0, as in --score {name}:1")
        }
        (&[1, 1, height, width] | &[1, height, width], None) => {
            found.push(format!("the highest place of the map `{name}` counts"));
            let map = graph.integers(&[-1, 1, height as i64, width as i64]);
            let map = graph.node("Reshape", &[value, &map], &[]);
            graph.node("GlobalMaxPool", &[&map], &[])
        }
        _ => bail!(
            "its output `{name}` has the shape {shape:?}; expected a number, columns or a map of one channel for each picture"
        ),
    })
}

/// One column of `[N, K]` less the largest of the others.
fn against_others(graph: &mut Graph, columns: &str, column: usize, count: usize) -> String {
    let mut of = |at: usize| {
        let at = graph.integers(&[at as i64]);
        graph.node("Gather", &[columns, &at], &[("axis", Attribute::Int(1))])
    };
    let chosen = of(column);
    let others: Vec<String> = (0..count).filter(|at| *at != column).map(of).collect();
    let others: Vec<&str> = others.iter().map(String::as_str).collect();
    let most = if let [other] = others[..] { other.to_owned() } else { graph.node("Max", &others, &[]) };
    graph.node("Sub", &[&chosen, &most], &[])
}

/// The shape of a value for one picture, by the box's engine.
fn shape_of(mut graph: Graph, value: &str, (channels, height, width): (usize, usize, usize)) -> Result<Vec<usize>> {
    graph.output(value, "judged", &[]);
    let runnable = Runnable::load(&graph.finish(&[]), &[1, channels, height, width])?;
    let shape = runnable.outputs().next().map(|(_, shape)| shape.to_vec());
    shape.context("it has no output")
}

#[cfg(test)]
mod tests;
