//! Texture features: how often each grey level occurs next to each other grey level, and each step between
//! pixels next to each other step ([`counterfoil_kernels::histograms`]).
//!
//! A pen, a press, a resampling and a network each leave characteristic edges, whatever they draw. So these features
//! also work against kinds of counterfeits that were not seen in training.
//!
//! They are defined twice: in the kernels, for training and for the box, and here as ONNX nodes, which other engines
//! compute. The parity check of every export compares the two. Three rules limit the effect of float32 rounding, since
//! the logarithm and the scale behind it magnify rounding up to 50,000 times. A number within [`EDGE`] of a level counts
//! as the level: uniform white and equal neighbours then give whole memberships, not nearly whole ones. Pixels are
//! summed row by row, then the rows, because a sum of a thousand equal numbers drifts with the order of addition. The
//! kernels sum in float64.

use candle_core::{Device, Result, Tensor};
pub use counterfoil_kernels::histograms::MIN_SIDE;
use counterfoil_kernels::histograms::{self, EDGE, FLOOR, Quantity, joint_histograms, pairs, quantities};
use counterfoil_kernels::luma::{TO_BLUE, TO_RED, luma};
use rayon::prelude::*;

use super::super::Part;
use super::{Feature, Input};
use crate::nn::with_floats;
use crate::onnx::{Attribute, DualOp, Graph, Ops, Var};

/// Probability of dropping a row's texture features in training, so that the trunk learns too. Otherwise it would
/// not learn what the texture features already contain.
const TEXTURE_DROPOUT: f64 = 0.3;

/// The texture feature: the logarithm of the share of each pair of levels. Sides of a row are at least [`MIN_SIDE`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Texture {
    channels: usize,
}

impl Texture {
    pub(super) fn new(channels: usize) -> Self {
        Self { channels }
    }
}

impl Feature for Texture {
    fn part(&self) -> Part {
        Part::Texture
    }

    fn len(&self) -> usize {
        histograms::count(self.channels)
    }

    fn dropout(&self) -> f64 {
        TEXTURE_DROPOUT
    }

    fn express(&self, ops: &mut dyn Ops, input: &mut Input) -> Result<Var> {
        ops.dual(&JointHistograms { shape: input.shape, count: self.len() }, input.unit)
    }
}

/// The joint histograms as one operation, which has its own loop in training.
struct JointHistograms {
    /// Channels, height, width.
    shape: (usize, usize, usize),
    count: usize,
}

impl DualOp for JointHistograms {
    fn evaluate(&self, rows: &Tensor) -> Result<Tensor> {
        let (batch, channels, height, width) = rows.dims4()?;
        let all: Vec<f32> = with_floats(&rows.detach().contiguous()?, "texture", |rows| {
            let rows = rows.par_chunks(channels * height * width);
            rows.flat_map_iter(|row| joint_histograms(row, self.shape)).collect()
        })?;
        Tensor::from_vec(all, (batch, self.count), &Device::Cpu)
    }

    fn append(&self, graph: &mut Graph, rows: &str) -> String {
        graph.own_node("JointHistograms", rows, |graph, rows| append(graph, rows, self.shape))
    }
}

/// Appends the texture features of `image` (`[N, C, H, W]` in 0..1) to an ONNX graph: `[N, T]`.
fn append(graph: &mut Graph, image: &str, (channels, height, width): (usize, usize, usize)) -> String {
    let grey = mixed(graph, image, luma(channels));
    let mut seen = Vec::new();
    for quantity in quantities(channels) {
        let (down, right) = quantity.margin();
        let size = (height - down, width - right);
        let value = match quantity {
            Quantity::Grey => grey.clone(),
            Quantity::Right | Quantity::Down => {
                let [next, this] = [(down, right), (0, 0)].map(|from| window(graph, &grey, from, size));
                graph.node("Sub", &[&next, &this], &[])
            }
            Quantity::Blue => mixed(graph, image, &TO_BLUE),
            Quantity::Red => mixed(graph, image, &TO_RED),
        };
        seen.push(memberships(graph, &value, quantity.levels()));
    }
    let (mut cells, mut shares) = (Vec::new(), Vec::new());
    for alike in pairs(channels).chunk_by(|one, other| one.levels() == other.levels()) {
        let mut joints = Vec::new();
        for pair in alike {
            let area = pair.area((height, width));
            let [first, second] = [(pair.0, area.first), (pair.1, area.second)]
                .map(|(quantity, from)| window(graph, &seen[quantity as usize], from, area.size)); // [N, L, h, w]
            // The equation names the axes, so that engines need not transpose either operand.
            let rows = graph.node("Einsum", &[&first, &second], &[("equation", Attribute::Text("nahw,nbhw->nhab"))]);
            let over_rows = [("axes", Attribute::Ints(&[1])), ("keepdims", Attribute::Int(0))];
            joints.push(graph.node("ReduceMean", &[&rows], &over_rows)); // [N, L, L]
            shares.extend(vec![1.0 / area.size.1 as f32; pair.levels().pow(2)]);
        }
        let joints = graph.concat(&joints); // [N, L + L + .., L]
        cells.push(graph.node("Flatten", &[&joints], &[("axis", Attribute::Int(1))]));
    }
    let cells = graph.concat(&cells); // [N, T]
    let shares = graph.constant(&[1, shares.len()], &shares);
    let shares = graph.node("Mul", &[&cells, &shares], &[]);
    let shares = graph.with_number("Add", &shares, FLOOR);
    graph.node("Log", &[&shares], &[])
}

/// A weighted sum of the channels: `[N, C, H, W]` to `[N, 1, H, W]`.
fn mixed(graph: &mut Graph, image: &str, shares: &[f32]) -> String {
    let shares = graph.constant(&[1, shares.len(), 1, 1], shares);
    graph.node("Conv", &[image, &shares], &[])
}

/// Cuts `size` rows and columns out of `value` (`[N, L, H, W]`), beginning at position `from`.
fn window(graph: &mut Graph, value: &str, from: (usize, usize), size: (usize, usize)) -> String {
    let starts = graph.integers(&[from.0 as i64, from.1 as i64]);
    let ends = graph.integers(&[(from.0 + size.0) as i64, (from.1 + size.1) as i64]);
    let axes = graph.integers(&[2, 3]);
    graph.node("Slice", &[value, &starts, &ends, &axes], &[])
}

/// The membership of each number in each level: `[N, 1, H, W]` to `[N, L, H, W]`. A ramp rises from each level to the
/// next. The membership in a level is what the ramp below it has reached, less what the ramp above it has reached.
fn memberships(graph: &mut Graph, value: &str, levels: &[f32]) -> String {
    let ramp = |pair: &[f32]| {
        let slope = (1.0 + 2.0 * EDGE) / (pair[1] - pair[0]);
        [slope, -pair[0] * slope - EDGE]
    };
    let ramps: Vec<f32> = levels.windows(2).flat_map(ramp).collect();
    // A channel of ones carries the offsets: an engine would add a bias to each number separately,
    // whereas a product adds it at no cost.
    let with_ones = channel(graph, value, (0, 1), 1.0); // [N, 2, H, W]
    let ramps = graph.constant(&[levels.len() - 1, 2, 1, 1], &ramps);
    let rising = graph.node("Conv", &[&with_ones, &ramps], &[]);
    let (zero, one) = (graph.constant(&[], &[0.0]), graph.constant(&[], &[1.0]));
    let reached = graph.node("Clip", &[&rising, &zero, &one], &[]); // [N, L - 1, H, W]
    let (below, above) = (channel(graph, &reached, (1, 0), 1.0), channel(graph, &reached, (0, 1), 0.0));
    graph.node("Sub", &[&below, &above], &[])
}

/// Pads `value` (`[N, C, H, W]`) with channels that are filled with `number`: `before` of them in front and `after`
/// behind.
fn channel(graph: &mut Graph, value: &str, (before, after): (i64, i64), number: f32) -> String {
    let pads = graph.integers(&[0, before, 0, 0, 0, after, 0, 0]);
    let number = graph.constant(&[], &[number]);
    graph.node("Pad", &[value, &pads, &number], &[])
}
