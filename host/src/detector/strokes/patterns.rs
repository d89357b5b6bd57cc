//! Histograms of local binary patterns from a mask of ink: how often each arrangement of ink and paper occurs
//! around a pixel (Ojala, Pietikäinen and Mäenpää 2002, doi:10.1109/TPAMI.2002.1017623). They describe the pen's
//! edge, its curves and its ends.

use crate::onnx::{Attribute, Graph};

/// Number of codes of a pattern, eight neighbours.
const CODES: usize = 256;
/// Number of codes of half a pattern, four neighbours.
const HALF: usize = 16;
/// Distance between a byte's value and the ends of the ramps next to it, in bytes: thirty times float32's rounding.
const MARGIN: f32 = 1e-3;
/// The eight neighbours in a 3x3 kernel, clockwise from the upper left. Half a pattern is four of them in sequence.
const NEIGHBOURS: [usize; 8] = [0, 1, 2, 5, 8, 7, 6, 3];

/// The mask of `ink` (`[N, 1, H, W]` in 0..1): 1 where a pixel is more ink than paper. The ramp in between is a
/// little narrower than the step from one byte to the next, so that every byte is beyond one of its ends. So the
/// mask is 0 or 1, whatever an engine's rounding.
pub(super) fn mask(graph: &mut Graph, ink: &str) -> String {
    let ramp = graph.with_number("Mul", ink, 255.0 / (1.0 - 2.0 * MARGIN));
    let ramp = graph.with_number("Sub", &ramp, (127.0 + MARGIN) / (1.0 - 2.0 * MARGIN));
    let (zero, one) = (graph.constant(&[], &[0.0]), graph.constant(&[], &[1.0]));
    graph.node("Clip", &[&ramp, &zero, &one], &[]) // [N, 1, H, W]
}

/// How often each pattern of neighbours at `radius` occurs in each cell of a grid of `rows` x `columns`:
/// [N, cells * 256]. Patterns of only paper and of only ink are not counted, because they measure how large the
/// plane is. Height and width are multiples of rows and columns.
///
/// The two halves of a byte are coded separately, by sixteen indicators each, and the histogram is the product of
/// the two. It holds counts of whole pixels, which float32 adds without rounding in any order.
pub(super) fn append(
    graph: &mut Graph,
    mask: &str,
    (h, w): (usize, usize),
    radius: i64,
    (rows, columns): (usize, usize),
) -> String {
    let cells = [rows, h / rows, columns, w / columns].map(|n| n as i64);
    let mut half = |neighbours: &[usize], order: [i64; 6], shape: [i64; 4]| {
        let codes = indicators(graph, mask, neighbours, radius); // [N, 16, H, W]
        let grid = graph.integers(&[0, HALF as i64, cells[0], cells[1], cells[2], cells[3]]);
        let grid = graph.node("Reshape", &[&codes, &grid], &[]); // [N, 16, rows, h, columns, w]
        let grid = graph.node("Transpose", &[&grid], &[("perm", Attribute::Ints(&order))]);
        let shape = graph.integers(&shape);
        graph.node("Reshape", &[&grid, &shape], &[])
    };
    let (count, half_codes) = ((rows * columns) as i64, HALF as i64);
    let first = half(&NEIGHBOURS[..4], [0, 2, 4, 1, 3, 5], [0, count, half_codes, -1]); // [N, cells, 16, P]
    let second = half(&NEIGHBOURS[4..], [0, 2, 4, 3, 5, 1], [0, count, -1, half_codes]); // [N, cells, P, 16]
    let counts = graph.node("MatMul", &[&first, &second], &[]); // [N, cells, 16, 16]
    let said: Vec<f32> = (0..CODES).map(|code| if code == 0 || code == CODES - 1 { 0.0 } else { 1.0 }).collect();
    let said = graph.constant(&[HALF, HALF], &said);
    let counts = graph.node("Mul", &[&counts, &said], &[]);
    graph.node("Flatten", &[&counts], &[("axis", Attribute::Int(1))])
}

/// Indicators for the sixteen states of four neighbours, 1 where they are in the state, else 0:
/// [N, 16, H, W]. The number of neighbours that differ from the state is subtracted from 1, and negative
/// results become 0. Outside the plane is paper.
fn indicators(graph: &mut Graph, mask: &str, neighbours: &[usize], radius: i64) -> String {
    let mut weights = vec![0.0; HALF * 9];
    for state in 0..HALF {
        for (bit, place) in neighbours.iter().enumerate() {
            weights[state * 9 + place] = if state >> bit & 1 == 1 { 1.0 } else { -1.0 };
        }
    }
    let offsets: Vec<f32> = (0..HALF).map(|state| 1.0 - state.count_ones() as f32).collect();
    let weights = graph.constant(&[HALF, 1, 3, 3], &weights);
    let offsets = graph.constant(&[HALF], &offsets);
    let around = [
        ("dilations", Attribute::Ints(&[radius, radius])),
        ("pads", Attribute::Ints(&[radius, radius, radius, radius])),
    ];
    let alike = graph.node("Conv", &[mask, &weights, &offsets], &around);
    graph.node("Relu", &[&alike], &[])
}
