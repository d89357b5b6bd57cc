//! Histograms of stroke directions from a plane of ink: the directions in each part of the plane
//! (histograms of oriented gradients, Dalal and Triggs 2005, doi:10.1109/CVPR.2005.177), and how a stroke
//! continues some pixels further along itself.
//!
//! A direction has no sign, so it is stored as a unit vector of twice its angle (Granlund and Knutsson 1995). Such
//! vectors can be averaged, and products alone divide them softly among bins.

use std::f64::consts::PI;

use crate::onnx::{Attribute, Graph};

/// Number of directions of the first histograms.
const DIRECTIONS: usize = 18;
/// Grid of cells of the first histograms, rows and columns.
const CELLS: (usize, usize) = (3, 6);
/// Number of directions of the second histograms.
const TURNS: usize = 12;
/// Distances along the stroke of the second histograms, in pixels of the halved plane.
const REACH: [usize; 3] = [2, 4, 8];
/// Standard deviation of the Gaussian by which the plane is differentiated, in pixels of the halved plane.
const EDGE: f64 = 0.7;
/// Standard deviation of the Gaussian by which directions are averaged, in the same pixels.
const AVERAGE: f64 = 1.0;
/// Half the side of these Gaussians' kernels, in pixels.
const KERNEL: usize = 3;
/// Directions of gradients whose square is below this are noise and count little.
const FLOOR: f32 = 1e-4;

/// A direction this close to the end of a bin, as part of its width, does not count for the bin. So an upright
/// stroke is in one bin only, whatever rounding an engine leaves in the neighbouring bins.
const MARGIN: f64 = 1e-4;

/// Lengths of the two results.
pub(super) const LENGTHS: [usize; 2] = [DIRECTIONS * CELLS.0 * CELLS.1, REACH.len() * TURNS * TURNS];

/// Appends both kinds of histograms of `ink` (`[N, 1, H, W]` in 0..1): directions by cell [N, 324], and for each
/// distance how often each direction follows each direction, [N, 144].
pub(super) fn append(graph: &mut Graph, ink: &str, (h, w): (usize, usize)) -> (String, Vec<String>) {
    let ink = graph.average_pool(ink, (2, 2)); // [N, 1, H/2, W/2]
    let double = doubled(graph, &ink); // [N, 2, H/2, W/2]

    let length = length(graph, &double); // squared length of the gradient
    let magnitude = graph.node("Sqrt", &[&length], &[]);
    let edges = bins(graph, &double, &length, DIRECTIONS);
    let edges = graph.node("Mul", &[&edges, &magnitude], &[]); // [N, 18, H/2, W/2]
    let down = graph.constant(&[CELLS.0, h / 2], &triangles(CELLS.0, h / 2, |cell, pixel| (cell, pixel)));
    let across = graph.constant(&[w / 2, CELLS.1], &triangles(CELLS.1, w / 2, |pixel, cell| (cell, pixel)));
    let cells = graph.node("MatMul", &[&edges, &across], &[]); // [N, 18, H/2, 6]
    let cells = graph.node("MatMul", &[&down, &cells], &[]); // [N, 18, 3, 6]
    let cells = graph.node("Flatten", &[&cells], &[("axis", Attribute::Int(1))]);

    let average = kernel(|x, y| gauss(AVERAGE, x) * gauss(AVERAGE, y));
    let side = 2 * KERNEL + 1;
    let average = graph.constant(&[2, 1, side, side], &average.repeat(2));
    let smooth = convolved(graph, &double, &average, KERNEL, 2);
    let length = self::length(graph, &smooth);
    let strokes = bins(graph, &smooth, &length, TURNS);
    // A pixel that is half ink counts fully: a thin stroke looks like that once the plane is halved.
    let inked = graph.with_number("Mul", &ink, 2.0);
    let one = graph.constant(&[], &[1.0]);
    let inked = graph.node("Min", &[&inked, &one], &[]);
    let strokes = graph.node("Mul", &[&strokes, &inked], &[]); // [N, 12, H/2, W/2]
    let followed = REACH.iter().map(|reach| follow(graph, &strokes, *reach)).collect();
    (cells, followed)
}

/// The gradient as a vector of twice its angle, whose length is the squared gradient: [N, 1, H, W] -> [N, 2, H, W].
fn doubled(graph: &mut Graph, ink: &str) -> String {
    let side = 2 * KERNEL + 1;
    let slope = |t: f64| -t / (EDGE * EDGE) * gauss(EDGE, t);
    let along = graph.constant(&[1, 1, side, side], &kernel(|x, y| slope(x) * gauss(EDGE, y)));
    let down = graph.constant(&[1, 1, side, side], &kernel(|x, y| gauss(EDGE, x) * slope(y)));
    let x = convolved(graph, ink, &along, KERNEL, 1);
    let y = convolved(graph, ink, &down, KERNEL, 1);
    let mut product = |a: &str, b: &str| graph.node("Mul", &[a, b], &[]);
    let (xx, yy, xy) = (product(&x, &x), product(&y, &y), product(&x, &y));
    let cosine = graph.node("Sub", &[&xx, &yy], &[]);
    let sine = graph.with_number("Mul", &xy, 2.0);
    graph.concat(&[&cosine, &sine])
}

fn length(graph: &mut Graph, vectors: &str) -> String {
    graph.node("ReduceL2", &[vectors], &[("axes", Attribute::Ints(&[1])), ("keepdims", Attribute::Int(1))])
}

/// The membership of each vector in each of `n` bins of direction, independent of its length: 1 at a bin's
/// centre, 0 at its neighbours' centres.
fn bins(graph: &mut Graph, vectors: &str, length: &str, n: usize) -> String {
    let length = graph.with_number("Add", length, FLOOR);
    let unit = graph.node("Div", &[vectors, &length], &[]);
    let step = 2.0 * PI / n as f64;
    let scale = 1.0 / (1.0 - step.cos());
    let middles = (0..n).flat_map(|bin| [(step * bin as f64).cos(), (step * bin as f64).sin()]);
    let middles: Vec<f32> = middles.map(|x| (scale * x) as f32).collect();
    let middles = graph.constant(&[n, 2, 1, 1], &middles);
    let offsets = graph.constant(&[n], &vec![(-scale * step.cos() - MARGIN) as f32; n]);
    let inside = graph.node("Conv", &[&unit, &middles, &offsets], &[]); // [N, n, H, W]
    graph.node("Relu", &[&inside], &[])
}

/// How often each direction is found `reach` pixels from each direction, both ways along the stroke:
/// [N, 12, H, W] -> [N, 144]. Each direction's plane is shifted along its stroke, which is perpendicular to the
/// gradient, and multiplied with all planes.
fn follow(graph: &mut Graph, strokes: &str, reach: usize) -> String {
    let side = 2 * reach + 1;
    let mut shifts = vec![0.0; TURNS * side * side];
    for (turn, kernel) in shifts.chunks_exact_mut(side * side).enumerate() {
        let (sine, cosine) = (PI * turn as f64 / TURNS as f64).sin_cos();
        let step = |along: f64| (reach as f64 * along).round() as i64;
        let place = |sign: i64| {
            let (y, x) = (reach as i64 + sign * step(cosine), reach as i64 - sign * step(sine));
            y as usize * side + x as usize
        };
        (kernel[place(1)], kernel[place(-1)]) = (1.0, 1.0);
    }
    let shifts = graph.constant(&[TURNS, 1, side, side], &shifts);
    let shifted = convolved(graph, strokes, &shifts, reach, TURNS); // [N, 12, H, W]
    let flat = graph.integers(&[0, TURNS as i64, -1]);
    let shifted = graph.node("Reshape", &[&shifted, &flat], &[]); // [N, 12, P]
    let there = graph.node("Reshape", &[strokes, &flat], &[]);
    let there = graph.node("Transpose", &[&there], &[("perm", Attribute::Ints(&[0, 2, 1]))]); // [N, P, 12]
    let pairs = graph.node("MatMul", &[&shifted, &there], &[]); // [N, 12, 12]
    graph.node("Flatten", &[&pairs], &[("axis", Attribute::Int(1))])
}

/// A convolution that keeps the plane's size. Outside the plane is paper, 0.
fn convolved(graph: &mut Graph, value: &str, weights: &str, reach: usize, groups: usize) -> String {
    let pads = [reach as i64; 4];
    let attributes = [("pads", Attribute::Ints(&pads)), ("group", Attribute::Int(groups as i64))];
    graph.node("Conv", &[value, weights], &attributes)
}

/// A function of x and y as a kernel, [7 * 7], row-major.
fn kernel(at: impl Fn(f64, f64) -> f64) -> Vec<f32> {
    let reach = KERNEL as i32;
    let places = (-reach..=reach).flat_map(|y| (-reach..=reach).map(move |x| (x, y)));
    places.map(|(x, y)| at(f64::from(x), f64::from(y)) as f32).collect()
}

/// A Gaussian whose values at whole numbers sum to nearly 1.
fn gauss(sigma: f64, x: f64) -> f64 {
    (-x * x / (2.0 * sigma * sigma)).exp() / (sigma * (2.0 * PI).sqrt())
}

/// Weights that divide `n` pixels among `cells` cells. Each pixel is divided between the two cells whose centres
/// are next to it. `order` turns the row and column of the matrix into cell and pixel.
fn triangles(cells: usize, n: usize, order: fn(usize, usize) -> (usize, usize)) -> Vec<f32> {
    let columns = if order(0, 1) == (0, 1) { n } else { cells };
    let weight = |index: usize| {
        let (cell, pixel) = order(index / columns, index % columns);
        let place = (pixel as f64 + 0.5) / n as f64 * cells as f64 - 0.5;
        (1.0 - (place - cell as f64).abs()).max(0.0) as f32
    };
    (0..cells * n).map(weight).collect()
}
