//! Local patterns: how each pixel compares with the eight around it, counted over a picture at three distances.
//!
//! They are local binary patterns (Ojala, Pietikäinen and Mäenpää 2002, doi:10.1109/TPAMI.2002.1017623) with soft
//! comparisons: a difference within the noise counts in part, so that a rounding changes a count by little. Counted are
//! the number of brighter neighbours, and the number of changes between brighter and darker on the way around.

use crate::detector::statistics::features::{Plane, log};
use crate::onnx::{Attribute, Graph};

/// Distances of the neighbours, in pixels.
const DISTANCES: [usize; 3] = [1, 2, 3];
/// Steps to the eight neighbours on the way around: down, right.
const AROUND: [(isize, isize); 8] = [(-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1)];
/// The difference, 0..1, from which a neighbour counts wholly as brighter or darker: two levels of a byte.
const NOISE: f32 = 2.0 / 255.0;
/// Numbers of brighter neighbours that are counted.
const BRIGHTER: [f32; 9] = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0];
/// Numbers of changes that are counted.
const CHANGES: [f32; 5] = [0.0, 2.0, 4.0, 6.0, 8.0];
/// Added to a share before its logarithm.
const FLOOR: f32 = 1e-3;
/// Added to a mean difference, 0..1, before its logarithm: a third of a level of a byte.
const DIFFERENCE_FLOOR: f32 = 0.3 / 255.0;

/// How many numbers describe a picture.
pub(super) const COUNT: usize = DISTANCES.len() * (BRIGHTER.len() + CHANGES.len() + 2);

/// Appends the patterns of `grey`, `[N, 1, H, W]` in about 0..1, to a graph. Returns `[N, COUNT, 1, 1]`.
pub(super) fn append(graph: &mut Graph, grey: &str, (height, width): (usize, usize)) -> String {
    let mut parts = Vec::new();
    for distance in DISTANCES {
        let plane = Plane::new(graph, (height - 2 * distance, width - 2 * distance));
        let steps = neighbours(graph, grey, distance); // [N, 8, h, w]
        let scaled = graph.with_number("Mul", &steps, 0.5 / NOISE);
        let raised = graph.with_number("Add", &scaled, 0.5);
        let (zero, one) = (graph.constant(&[], &[0.0]), graph.constant(&[], &[1.0]));
        let brighter = graph.node("Clip", &[&raised, &zero, &one], &[]);
        let number = sum(graph, &brighter);
        parts.push(shares(graph, &plane, &number, &BRIGHTER));

        let turn: Vec<f32> = (0..64).map(|i| f32::from(i / 8 == i % 8) - f32::from((i / 8 + 1) % 8 == i % 8)).collect();
        let turn = graph.constant(&[8, 8, 1, 1], &turn);
        let change = graph.node("Conv", &[&brighter, &turn], &[]);
        let change = graph.node("Abs", &[&change], &[]);
        let number = sum(graph, &change);
        parts.push(shares(graph, &plane, &number, &CHANGES));

        let size = graph.node("Abs", &[&steps], &[]);
        let size = graph.mean_over(&size, 1); // [N, 1, h, w]
        let mean = plane.mean(graph, &size);
        let centred = graph.node("Sub", &[&size, &mean], &[]);
        let square = graph.node("Mul", &[&centred, &centred], &[]);
        let variance = plane.mean(graph, &square);
        let variance = graph.with_number("Add", &variance, DIFFERENCE_FLOOR * DIFFERENCE_FLOOR);
        let deviation = graph.node("Sqrt", &[&variance], &[]);
        let both = graph.concat(&[&mean, &deviation]);
        parts.push(log(graph, &both, DIFFERENCE_FLOOR));
    }
    graph.concat(&parts)
}

/// The differences of the neighbours of each pixel to it: `[N, 1, H, W]` to `[N, 8, H - 2 distance, W - 2 distance]`.
fn neighbours(graph: &mut Graph, grey: &str, distance: usize) -> String {
    let mut weight = vec![0.0; 8 * 9];
    for (filter, (down, right)) in weight.chunks_exact_mut(9).zip(AROUND) {
        filter[((down + 1) * 3 + right + 1) as usize] = 1.0;
        filter[4] = -1.0;
    }
    let weight = graph.constant(&[8, 1, 3, 3], &weight);
    let apart = [distance as i64; 2];
    graph.node(
        "Conv",
        &[grey, &weight],
        &[("kernel_shape", Attribute::Ints(&[3, 3])), ("dilations", Attribute::Ints(&apart))],
    )
}

/// The sum over the eight channels.
fn sum(graph: &mut Graph, maps: &str) -> String {
    let ones = graph.constant(&[1, 8, 1, 1], &[1.0; 8]);
    graph.node("Conv", &[maps, &ones], &[])
}

/// Logarithms of the shares of pixels at each of `levels`, which are equally far apart. A number between two levels
/// counts for both, in proportion.
fn shares(graph: &mut Graph, plane: &Plane, number: &str, levels: &[f32]) -> String {
    let count = levels.len();
    let apart = levels[1] - levels[0];
    let scale = graph.constant(&[count, 1, 1, 1], &vec![1.0 / apart; count]);
    let offset = graph.constant(&[count], &levels.iter().map(|level| -level / apart).collect::<Vec<_>>());
    let away = graph.node("Conv", &[number, &scale, &offset], &[]); // [N, levels, h, w]
    let away = graph.node("Abs", &[&away], &[]);
    let near = graph.node("Neg", &[&away], &[]);
    let near = graph.with_number("Add", &near, 1.0);
    let near = graph.node("Relu", &[&near], &[]);
    let share = plane.mean(graph, &near);
    log(graph, &share, FLOOR)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::Dim;
    use counterfoil_edge::inference::Graph as Runnable;

    fn patterns(picture: impl Fn(usize, usize) -> f32) -> Vec<f32> {
        let mut graph = Graph::new("patterns");
        let image = graph.image((1, 32, 48));
        let all = append(&mut graph, &image, (32, 48));
        graph.output(&all, "patterns", &[Dim::Batch, Dim::Fixed(COUNT), Dim::Fixed(1), Dim::Fixed(1)]);
        let plane: Vec<f32> = (0..32 * 48).map(|i| picture(i / 48, i % 48)).collect();
        let runnable = Runnable::load(&graph.finish(&[]), &[1, 1, 32, 48]).unwrap();
        runnable.run(&plane).unwrap().remove(0).values
    }

    /// By hand: on a ramp to the right, three neighbours are brighter, two equal (half each), three darker: 4 in all.
    /// There are four half changes on the way around, 2 in all.
    #[test]
    fn a_ramp_has_one_pattern() {
        let found = patterns(|_, x| x as f32 / 48.0);
        let (brighter, changes) = (&found[..9], &found[9..14]);
        for (index, share) in brighter.iter().enumerate() {
            let wanted = if index == 4 { 1.0f32 } else { 0.0 };
            assert!((share.exp() - wanted - FLOOR).abs() < 1e-3, "{index}: {}", share.exp());
        }
        assert!((changes[1].exp() - 1.0).abs() < 2e-3, "{changes:?}");
        // Six of eight neighbours differ, by 1 / 48.
        assert!((found[14].exp() - 6.0 / 8.0 / 48.0 - DIFFERENCE_FLOOR).abs() < 1e-4);
    }

    #[test]
    fn noise_and_smoothness_differ() {
        let smooth = patterns(|y, x| (y as f32 / 9.0).sin() * (x as f32 / 7.0).cos() / 2.0 + 0.5);
        let noisy = patterns(|y, x| ((y * 7919 + x * 104_729) % 251) as f32 / 251.0);
        assert!(noisy[14] - smooth[14] > 1.0 && smooth.iter().chain(&noisy).all(|x| x.is_finite()));
    }
}
