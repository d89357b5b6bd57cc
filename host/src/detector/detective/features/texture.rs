//! Texture features: how often each grey level occurs next to each other grey level, and each step between
//! pixels next to each other step.
//!
//! They are joint histograms of neighbouring pixels (Haralick, Shanmugam and Dinstein 1973,
//! doi:10.1109/TSMC.1973.4309314) and of neighbouring steps, as steganalysis uses them (Pevný, Bas and Fridrich
//! 2010, doi:10.1109/TIFS.2010.2045842). A pen, a press, a resampling and a network each leave characteristic edges,
//! whatever they draw. So these features also work against kinds of counterfeits that were not seen in training.
//!
//! They are defined twice in this file: for training, and as ONNX nodes. The parity check of every export compares
//! the two. Three rules limit the effect of float32 rounding, since the logarithm and the scale behind it magnify
//! rounding up to 50,000 times. A number within [`EDGE`] of a level counts as the level: uniform white and equal
//! neighbours then give whole memberships, not nearly whole ones. Pixels are summed row by row, then the rows,
//! because a sum of a thousand equal numbers drifts with the order of addition. Training sums in float64.

use candle_core::{Device, Result, Tensor};
use rayon::prelude::*;

use super::super::Part;
use super::{Feature, Input};
use crate::math::luma::{TO_BLUE, TO_RED, luma};
use crate::nn::with_floats;
use crate::onnx::{Attribute, DualOp, Graph, Ops, Var};

/// Levels of grey, 0..1. A value between two levels counts for both, in proportion.
const GREYS: [f32; 8] = [0.0, 1.0 / 7.0, 2.0 / 7.0, 3.0 / 7.0, 4.0 / 7.0, 5.0 / 7.0, 6.0 / 7.0, 1.0];
/// Levels of the step in grey from one pixel to the next, in the same way.
const STEPS: [f32; 7] = [-0.6, -0.25, -0.06, 0.0, 0.06, 0.25, 0.6];
/// Levels of a pixel's blue and red difference to grey, in the same way.
const TINTS: [f32; 7] = [-0.3, -0.12, -0.04, 0.0, 0.04, 0.12, 0.3];
/// A number this close to a level, as part of the distance to the next level, counts as the level. It is ten times
/// float32's rounding there, and far less than the distance from one byte value to the next.
const EDGE: f32 = 2e-5;
/// Probability of dropping a row's texture features in training, so that the trunk learns too. Otherwise it would
/// not learn what the texture features already contain.
const TEXTURE_DROPOUT: f64 = 0.3;
/// Shortest side of a picture, in pixels, that has two consecutive steps.
pub const MIN_SIDE: usize = 3;
/// Added to each share before its logarithm, so that shares below one pixel in a thousand matter little.
const FLOOR: f32 = 1e-3;

/// A quantity of each pixel that is counted.
#[derive(Clone, Copy)]
enum Quantity {
    /// The grey of each pixel.
    Grey,
    /// The step to the pixel on its right.
    Right,
    /// The step to the pixel below.
    Down,
    /// The blue difference of the pixel to its grey (Cb).
    Blue,
    /// The red difference of the pixel to its grey (Cr).
    Red,
}

/// All quantities. A grey picture has the first [`GREY_QUANTITIES`].
const QUANTITIES: [Quantity; 5] = [Quantity::Grey, Quantity::Right, Quantity::Down, Quantity::Blue, Quantity::Red];
const GREY_QUANTITIES: usize = 3;

impl Quantity {
    fn levels(self) -> &'static [f32] {
        match self {
            Self::Grey => &GREYS,
            Self::Right | Self::Down => &STEPS,
            Self::Blue | Self::Red => &TINTS,
        }
    }

    /// Rows and columns at the end of a picture where this quantity does not exist.
    fn margin(self) -> (usize, usize) {
        match self {
            Self::Grey | Self::Blue | Self::Red => (0, 0),
            Self::Right => (0, 1),
            Self::Down => (1, 0),
        }
    }
}

/// Two quantities with equally many levels. The second is read some rows down and some columns to the right of the
/// first.
struct Pair(Quantity, Quantity, (usize, isize));

/// All pairs. A grey picture has the first [`GREY_PAIRS`].
const PAIRS: [Pair; 9] = [
    Pair(Quantity::Grey, Quantity::Grey, (0, 1)),
    Pair(Quantity::Grey, Quantity::Grey, (1, 0)),
    Pair(Quantity::Grey, Quantity::Grey, (1, 1)),
    Pair(Quantity::Grey, Quantity::Grey, (1, -1)),
    Pair(Quantity::Right, Quantity::Right, (0, 1)),
    Pair(Quantity::Down, Quantity::Down, (1, 0)),
    Pair(Quantity::Right, Quantity::Right, (1, 0)),
    Pair(Quantity::Right, Quantity::Down, (0, 0)),
    Pair(Quantity::Blue, Quantity::Red, (0, 0)),
];
const GREY_PAIRS: usize = 8;

/// Where a pair is counted: the first row and column of both quantities, and the number of rows and columns.
struct Area {
    first: (usize, usize),
    second: (usize, usize),
    size: (usize, usize),
}

impl Pair {
    fn levels(&self) -> usize {
        self.0.levels().len()
    }

    /// The pair's area in a picture of (height, width).
    fn area(&self, (height, width): (usize, usize)) -> Area {
        let Self(one, other, (down, right)) = self;
        let (one, other) = (one.margin(), other.margin());
        Area {
            first: (0, (-right).max(0) as usize),
            second: (*down, (*right).max(0) as usize),
            size: (height - one.0.max(other.0) - down, width - one.1.max(other.1) - right.unsigned_abs()),
        }
    }
}

fn pairs(channels: usize) -> &'static [Pair] {
    if channels == 1 { &PAIRS[..GREY_PAIRS] } else { &PAIRS }
}

fn quantities(channels: usize) -> &'static [Quantity] {
    if channels == 1 { &QUANTITIES[..GREY_QUANTITIES] } else { &QUANTITIES }
}

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
        pairs(self.channels).iter().map(|pair| pair.levels().pow(2)).sum()
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
            rows.flat_map_iter(|row| describe(row, self.shape)).collect()
        })?;
        Tensor::from_vec(all, (batch, self.count), &Device::Cpu)
    }

    fn append(&self, graph: &mut Graph, rows: &str) -> String {
        append(graph, rows, self.shape)
    }
}

/// The texture features of a row `[C, H, W]` in 0..1, for training.
fn describe(row: &[f32], (channels, height, width): (usize, usize, usize)) -> Vec<f32> {
    let mixed = |shares: &[f32]| -> Vec<f32> {
        let mut sum = vec![0f32; height * width];
        for (map, share) in row.chunks_exact(height * width).zip(shares) {
            sum.iter_mut().zip(map).for_each(|(sum, x)| *sum += share * x);
        }
        sum
    };
    let grey = mixed(luma(channels));
    // Where no next pixel exists, the step has an arbitrary value; no area includes it.
    let steps = |step: usize| -> Vec<f32> {
        (0..grey.len()).map(|pixel| grey[(pixel + step).min(grey.len() - 1)] - grey[pixel]).collect()
    };
    let levels_of = |quantity: &Quantity| {
        let values = match quantity {
            Quantity::Grey => grey.clone(),
            Quantity::Right => steps(1),
            Quantity::Down => steps(width),
            Quantity::Blue => mixed(&TO_BLUE),
            Quantity::Red => mixed(&TO_RED),
        };
        values.into_iter().map(|x| Level::of(x, quantity.levels())).collect::<Vec<_>>()
    };
    let seen: Vec<Vec<Level>> = quantities(channels).iter().map(levels_of).collect();
    let joint = |pair: &Pair| {
        let (levels, area) = (pair.levels(), pair.area((height, width)));
        let [first, second] = [(pair.0, area.first), (pair.1, area.second)]
            .map(|(quantity, (y, x))| &seen[quantity as usize][y * width + x..]);
        let mut cells = vec![0f64; levels * levels];
        for y in 0..area.size.0 {
            let (first, second) = (&first[y * width..][..area.size.1], &second[y * width..][..area.size.1]);
            for (one, other) in first.iter().zip(second) {
                let both = one.above * other.above;
                let at = one.index * levels + other.index;
                cells[at] += f64::from(1.0 - one.above - other.above + both);
                cells[at + 1] += f64::from(other.above - both);
                cells[at + levels] += f64::from(one.above - both);
                cells[at + levels + 1] += f64::from(both);
            }
        }
        let share = 1.0 / (area.size.0 * area.size.1) as f64;
        cells.into_iter().map(move |cell| (cell * share + f64::from(FLOOR)).ln() as f32)
    };
    pairs(channels).iter().flat_map(joint).collect()
}

/// A number, given by its position between two levels.
#[derive(Clone, Copy)]
struct Level {
    /// Index of the lower level.
    index: usize,
    /// Share of the way to the upper level, 0..1.
    above: f32,
}

impl Level {
    fn of(x: f32, levels: &[f32]) -> Self {
        let inner = &levels[1..levels.len() - 1];
        let index = inner.iter().map(|level| usize::from(x >= *level)).sum::<usize>();
        let (low, high) = (levels[index], levels[index + 1]);
        Self { index, above: ((x - low) / (high - low) * (1.0 + 2.0 * EDGE) - EDGE).clamp(0.0, 1.0) }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chequered_picture_has_two_pairs_of_greys_and_of_steps() {
        // Black and white alternate across and down; the same in three channels.
        for channels in [1, 3] {
            let board: Vec<f32> =
                (0..36 * channels).map(|i| if (i / 6 + i % 6) % 2 == 0 { 0.0 } else { 1.0 }).collect();
            let shares = describe(&board, (channels, 6, 6));
            let shares: Vec<f32> = shares.iter().map(|x| x.exp() - FLOOR).collect();
            let mut rest = shares.as_slice();
            let mut next = |levels: usize| {
                let (joint, tail) = rest.split_at(levels * levels);
                rest = tail;
                let last = levels - 1;
                let corners = [joint[0], joint[last], joint[levels * last], joint[levels * last + last]];
                let total: f32 = joint.iter().sum();
                assert!((total - 1.0).abs() < 1e-4 && (corners.iter().sum::<f32>() - 1.0).abs() < 1e-4, "{joint:?}");
                corners.map(|share| (share * 2.0).round() / 2.0)
            };
            let (differ, agree) = ([0.0, 0.5, 0.5, 0.0], [0.5, 0.0, 0.0, 0.5]);
            assert_eq!([(); 4].map(|()| next(GREYS.len())), [differ, differ, agree, agree]);
            assert_eq!([(); 4].map(|()| next(STEPS.len())), [differ, differ, differ, agree]);
            // There is no blue or red difference: all pixels are at the middle level.
            assert!(rest.iter().enumerate().all(|(at, share)| (share - f32::from(at == 24)).abs() < 1e-4), "{rest:?}");
            assert_eq!(rest.len(), if channels == 1 { 0 } else { 49 });
        }
    }
}
