//! Appends the statistics of a picture to an ONNX graph. This is the only definition of the statistics; every
//! engine that runs the graph computes the same.
//!
//! Two rules keep engines within about 1e-5 of each other in float32: a mean is subtracted before squaring,
//! and there is no hard threshold that a rounding error could flip (shares are counted through ramps;
//! logarithms and roots have a floor).

use crate::math::dft::dft;
use crate::math::whitening::Whitening;
use crate::onnx::{Attribute, Graph, narrowed};
use counterfoil_kernels::luma::{LUMA, TO_BLUE, TO_RED};

/// Smallest height and width in pixels, so that every ring of the spectrum holds a frequency.
pub const MIN_SIDE: usize = 16;

/// Longest side, in pixels, whose spectrum is taken directly. Larger pictures are pooled first, to keep the file
/// under 2 MB.
const MAX_SPECTRUM_SIDE: usize = 384;

/// Variance of rounding to 8 bits, (1/255)^2 / 12. Variation below it cannot be told from rounding.
const FLOOR: f32 = 1.0 / (255.0 * 255.0 * 12.0);

/// Grey values, 0..1, at which the cumulative histogram is read.
const THRESHOLDS: [f32; 5] = [0.1, 0.3, 0.5, 0.7, 0.9];
/// Width of the ramp over which a pixel passes from below to above a threshold.
const RAMP: f32 = 0.1;

/// Side in pixels of the blocks that are averaged first: about the root of a plane's side, which balances the two
/// sums.
const BLOCK: usize = 16;

/// Upper ends of the spectrum's rings, as parts of the Nyquist frequency: octaves, the topmost one divided in two.
const RINGS: [f64; 5] = [0.125, 0.25, 0.5, 0.75, 1.0];

/// Appends the statistics of `image` (`[N, C, H, W]` in 0..1; C is 1 or 3). Returns their value `[N, K]` and their
/// K names.
pub(in crate::detector) fn append(
    graph: &mut Graph,
    image: &str,
    (c, h, w): (usize, usize, usize),
) -> (String, Vec<String>) {
    let grey = grey(graph, image, c);
    let plane = Plane::new(graph, (h, w));
    let mean = plane.mean(graph, &grey); // [N, 1, 1, 1]
    let centred = graph.node("Sub", &[&grey, &mean], &[]); // [N, 1, H, W]

    let mut columns = vec![(mean, names(&["mean"]))];
    columns.push(moments(graph, &plane, &centred));
    columns.push(histogram(graph, &plane, &grey));
    columns.extend(gradients(graph, &grey, (h, w)));
    columns.push(spectrum(graph, &centred, (h, w)));
    if c == 3 {
        columns.extend(chroma(graph, &plane, image));
    }
    let flat: Vec<String> =
        columns.iter().map(|(value, _)| graph.node("Flatten", &[value], &[("axis", Attribute::Int(1))])).collect();
    let all = graph.concat(&flat); // [N, K]
    (all, columns.into_iter().flat_map(|(_, names)| names).collect())
}

/// The grey of a picture: [N, C, H, W] -> [N, 1, H, W].
pub(in crate::detector) fn grey(graph: &mut Graph, image: &str, channels: usize) -> String {
    if channels == 1 {
        return image.to_owned();
    }
    let luma = graph.constant(&[1, 3, 1, 1], &LUMA);
    graph.node("Conv", &[image, &luma], &[])
}

/// Statistics [N, K] without correlations and with unit variance: [N, K].
pub(in crate::detector) fn whitened(graph: &mut Graph, statistics: &str, whitening: &Whitening) -> String {
    let k = whitening.mean.len();
    let mean = graph.constant(&[1, k], &whitening.mean);
    let matrix = graph.constant(&[k, k], &whitening.matrix);
    let centred = graph.node("Sub", &[statistics, &mean], &[]);
    graph.node("MatMul", &[&centred, &matrix], &[])
}

/// The root of the mean square over one axis, which is kept with length 1.
pub(in crate::detector) fn root_mean_square(graph: &mut Graph, value: &str, axis: usize) -> String {
    let square = graph.node("Mul", &[value, value], &[]);
    let mean = graph.mean_over(&square, axis);
    graph.node("Sqrt", &[&mean], &[])
}

/// Averages over planes of one size. A float32 sum of hundreds of similar numbers drifts with the order in which an
/// engine adds them. So pixels are first averaged in blocks of [`BLOCK`] by two products, whose other terms are
/// exact zeros; then the blocks are averaged.
pub(in crate::detector) struct Plane {
    /// [H/16, H]
    down: String,
    /// [W, W/16]
    across: String,
}

impl Plane {
    pub(in crate::detector) fn new(graph: &mut Graph, (h, w): (usize, usize)) -> Self {
        let (rows, columns) = (h.div_ceil(BLOCK), w.div_ceil(BLOCK));
        let weight = |count: usize, n: usize, same: bool| if same { count as f32 / n as f32 } else { 0.0 };
        let down: Vec<f32> = (0..rows * h).map(|i| weight(rows, h, i % h / BLOCK == i / h)).collect();
        let across: Vec<f32> =
            (0..w * columns).map(|i| weight(columns, w, i / columns / BLOCK == i % columns)).collect();
        Self { down: graph.constant(&[rows, h], &down), across: graph.constant(&[w, columns], &across) }
    }

    /// The mean of each plane: [N, C, H, W] -> [N, C, 1, 1].
    pub(in crate::detector) fn mean(&self, graph: &mut Graph, value: &str) -> String {
        let blocks = graph.node("MatMul", &[value, &self.across], &[]); // [N, C, H, W/16]
        let blocks = graph.node("MatMul", &[&self.down, &blocks], &[]); // [N, C, H/16, W/16]
        let rows = graph.mean_over(&blocks, 3);
        graph.mean_over(&rows, 2)
    }

    /// Root of the mean square of a centred value, with the floor added under the root: [N, C, H, W] -> [N, C, 1, 1].
    fn spread(&self, graph: &mut Graph, centred: &str) -> String {
        let square = graph.node("Mul", &[centred, centred], &[]);
        let variance = self.mean(graph, &square);
        let variance = graph.with_number("Add", &variance, FLOOR);
        graph.node("Sqrt", &[&variance], &[])
    }
}

/// The natural logarithm of `value` + `floor`.
pub(in crate::detector) fn log(graph: &mut Graph, value: &str, floor: f32) -> String {
    let raised = graph.with_number("Add", value, floor);
    graph.node("Log", &[&raised], &[])
}

/// Standard deviation, skewness, and the root of the kurtosis; the kurtosis itself has too long a tail for a distance.
fn moments(graph: &mut Graph, plane: &Plane, centred: &str) -> (String, Vec<String>) {
    let deviation = plane.spread(graph, centred); // [N, 1, 1, 1]
    let unit = graph.node("Div", &[centred, &deviation], &[]); // [N, 1, H, W]
    let square = graph.node("Mul", &[&unit, &unit], &[]);
    let cube = graph.node("Mul", &[&square, &unit], &[]);
    let fourth = graph.node("Mul", &[&square, &square], &[]);
    let skewness = plane.mean(graph, &cube);
    let kurtosis = plane.mean(graph, &fourth);
    let tail = graph.node("Sqrt", &[&kurtosis], &[]);
    let all = graph.concat(&[&deviation, &skewness, &tail]); // [N, 3, 1, 1]
    (all, names(&["deviation", "skewness", "root kurtosis"]))
}

/// The share of pixels above each threshold; shares of dark, middle and bright greys follow by subtraction.
fn histogram(graph: &mut Graph, plane: &Plane, grey: &str) -> (String, Vec<String>) {
    let k = THRESHOLDS.len();
    let slope = graph.constant(&[k, 1, 1, 1], &[1.0 / RAMP; THRESHOLDS.len()]);
    let offset = graph.constant(&[k], &THRESHOLDS.map(|t| 0.5 - t / RAMP));
    let ramp = graph.node("Conv", &[grey, &slope, &offset], &[]); // [N, 5, H, W]
    let (zero, one) = (graph.constant(&[], &[0.0]), graph.constant(&[], &[1.0]));
    let above = graph.node("Clip", &[&ramp, &zero, &one], &[]);
    (plane.mean(graph, &above), THRESHOLDS.iter().map(|t| format!("share above {t}")).collect())
}

/// Logarithms of the mean absolute step to the right and down, of the spread of the gradient's length, and of the
/// mean absolute Laplacian. Logarithms are taken because these values differ by factors.
fn gradients(graph: &mut Graph, grey: &str, (h, w): (usize, usize)) -> [(String, Vec<String>); 3] {
    #[rustfmt::skip]
    let steps = graph.constant(&[2, 1, 3, 3], &[
        0.0, 0.0, 0.0,  0.0, -1.0, 1.0,  0.0, 0.0, 0.0,
        0.0, 0.0, 0.0,  0.0, -1.0, 0.0,  0.0, 1.0, 0.0,
    ]);
    let inner = Plane::new(graph, (h - 2, w - 2));
    let laplacian = graph.constant(&[1, 1, 3, 3], &[0.0, 1.0, 0.0, 1.0, -4.0, 1.0, 0.0, 1.0, 0.0]);
    let step = graph.node("Conv", &[grey, &steps], &[]); // [N, 2, H-2, W-2]
    let size = graph.node("Abs", &[&step], &[]);
    let size = inner.mean(graph, &size); // [N, 2, 1, 1]
    let size = log(graph, &size, FLOOR.sqrt());

    let length = graph.node("ReduceL2", &[&step], &[("axes", Attribute::Ints(&[1])), ("keepdims", Attribute::Int(1))]);
    let typical = inner.mean(graph, &length);
    let centred = graph.node("Sub", &[&length, &typical], &[]);
    let spread = inner.spread(graph, &centred); // [N, 1, 1, 1], floor included
    let spread = graph.node("Log", &[&spread], &[]);

    let curve = graph.node("Conv", &[grey, &laplacian], &[]); // [N, 1, H-2, W-2]
    let curve = graph.node("Abs", &[&curve], &[]);
    let curve = inner.mean(graph, &curve); // [N, 1, 1, 1]
    let curve = log(graph, &curve, FLOOR.sqrt());
    [(size, names(&["step right", "step down"])), (spread, names(&["gradient spread"])), (curve, names(&["laplacian"]))]
}

/// Mean blue and red difference to grey (Cb, Cr), and their spreads.
fn chroma(graph: &mut Graph, plane: &Plane, image: &str) -> [(String, Vec<String>); 2] {
    let matrix = graph.constant(&[2, 3, 1, 1], &[TO_BLUE, TO_RED].concat());
    let planes = graph.node("Conv", &[image, &matrix], &[]); // [N, 2, H, W]
    let tint = plane.mean(graph, &planes);
    let centred = graph.node("Sub", &[&planes, &tint], &[]);
    let spread = plane.spread(graph, &centred); // [N, 2, 1, 1]
    [(tint, names(&["blue tint", "red tint"])), (spread, names(&["blue spread", "red spread"]))]
}

/// Logarithm of the mean power in each ring of the spectrum. A ring holds the frequencies whose larger coordinate,
/// as part of its Nyquist frequency, lies between two bounds. Such rings are sums of boxes, and box sums are two
/// small products. White noise of variance v has power v everywhere.
fn spectrum(graph: &mut Graph, centred: &str, (h, w): (usize, usize)) -> (String, Vec<String>) {
    let pool = h.max(w).div_ceil(MAX_SPECTRUM_SIDE);
    let (h, w) = (h / pool, w / pool);
    let x = if pool == 1 { centred.to_owned() } else { graph.average_pool(centred, (pool, pool)) }; // [N, 1, H, W]
    // The spectrum of a real picture is symmetric. So half of the frequencies of each axis are enough: the powers at a
    // frequency and at its mirror image have a sum without the products' mixed terms.
    let (high, half) = (h / 2 + 1, w / 2 + 1);
    let wave = |frequencies, n, wave: fn(f64) -> f64| narrowed(dft(frequencies, n, wave));
    let right = |g: &mut Graph, of: fn(f64) -> f64| g.constant(&[w, half], &transposed(&wave(half, w, of), half));
    let left = |g: &mut Graph, of: fn(f64) -> f64| g.constant(&[high, h], &wave(high, h, of));
    let right = [right(graph, f64::cos), right(graph, f64::sin)];
    let left = [left(graph, f64::cos), left(graph, f64::sin)];
    let mut powers = Vec::with_capacity(4);
    for right in &right {
        let columns = graph.node("MatMul", &[&x, right], &[]); // [N, 1, H, W/2+1]
        for left in &left {
            let both = graph.node("MatMul", &[left, &columns], &[]); // [N, 1, H/2+1, W/2+1]
            powers.push(graph.node("Mul", &[&both, &both], &[]));
        }
    }
    let of_cosines = graph.node("Add", &[&powers[0], &powers[1]], &[]);
    let of_sines = graph.node("Add", &[&powers[2], &powers[3]], &[]);
    let power = graph.node("Add", &[&of_cosines, &of_sines], &[]); // [N, 1, H/2+1, W/2+1]

    let k = RINGS.len();
    let down = bands(high, h); // [H/2+1][B]
    let across = bands(half, w); // [W/2+1][B]
    let total = |bands: &[[f32; 5]], band: usize| bands.iter().map(|row| row[band]).sum::<f32>();
    let ring_size = |ring: usize| -> f32 {
        let boxes = (0..k * k).filter(|index| (index / k).max(index % k) == ring);
        boxes.map(|index| total(&down, index / k) * total(&across, index % k)).sum()
    };
    let to_rings: Vec<f32> = (0..k * k * k)
        .map(|index| {
            let (vertical, horizontal, ring) = (index / (k * k), index / k % k, index % k);
            if vertical.max(horizontal) == ring { 1.0 / ring_size(ring) } else { 0.0 }
        })
        .collect();
    let down = graph.constant(&[k, high], &transposed(&down.concat(), high));
    let across = graph.constant(&[half, k], &across.concat());
    let to_rings = graph.constant(&[k * k, k], &to_rings);
    let boxes = graph.node("MatMul", &[&down, &power], &[]); // [N, 1, B, W/2+1]
    let boxes = graph.node("MatMul", &[&boxes, &across], &[]); // [N, 1, B, B]
    let boxes = graph.node("Flatten", &[&boxes], &[("axis", Attribute::Int(1))]); // [N, B*B]
    let rings = graph.node("MatMul", &[&boxes, &to_rings], &[]); // [N, B]
    (log(graph, &rings, FLOOR), RINGS.iter().map(|end| format!("spectrum to {end}")).collect())
}

/// The band of each of the lower frequencies of an axis of length `n`, as a row of zeros with one weight. The weight is 2
/// where a frequency also stands for its mirror image, else 1.
fn bands(frequencies: usize, n: usize) -> Vec<[f32; 5]> {
    let one = |f: usize| {
        let band = RINGS.partition_point(|end| f as f64 > end * n as f64 / 2.0);
        let mut row = [0.0; RINGS.len()];
        row[band] = if f != 0 && 2 * f != n { 2.0 } else { 1.0 };
        row
    };
    (0..frequencies).map(one).collect()
}

/// The transpose of a row-major matrix of `rows` rows.
fn transposed(matrix: &[f32], rows: usize) -> Vec<f32> {
    let columns = matrix.len() / rows;
    (0..columns).flat_map(|column| (0..rows).map(move |row| matrix[row * columns + column])).collect()
}

fn names(of: &[&str]) -> Vec<String> {
    of.iter().map(|&name| name.to_owned()).collect()
}
