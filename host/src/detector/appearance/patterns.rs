//! Local patterns of a picture as nodes of an ONNX graph; [`counterfoil_kernels::patterns`] says what they are. The
//! parity check of every export compares the nodes with the kernel, which the box runs.

use counterfoil_kernels::patterns::{AROUND, BRIGHTER, CHANGES, DIFFERENCE_FLOOR, DISTANCES, FLOOR, NOISE};

use crate::detector::statistics::features::{Plane, log};
use crate::onnx::{Attribute, Graph};

/// Appends the patterns of `grey`, `[N, 1, H, W]` in about 0..1, to a graph. Returns `[N, COUNT]`.
pub(super) fn append(graph: &mut Graph, grey: &str, sides: (usize, usize)) -> String {
    graph.own_node("LocalPatterns", grey, |graph, grey| nodes(graph, grey, sides))
}

/// The patterns as nodes of ONNX.
fn nodes(graph: &mut Graph, grey: &str, (height, width): (usize, usize)) -> String {
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
    let all = graph.concat(&parts); // [N, COUNT, 1, 1]
    graph.node("Flatten", &[&all], &[("axis", Attribute::Int(1))])
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
    use counterfoil_kernels::patterns::{COUNT, local_patterns};

    /// The box runs the kernel for the one graph, and the nodes of the other.
    #[test]
    fn the_nodes_are_the_kernel() {
        let sides @ (height, width) = (40, 57);
        let plane: Vec<f32> = (0..height * width)
            .map(|i| ((i / width) as f32 / 9.0).sin() * 0.4 + 0.5 + ((i * 7919) % 251) as f32 / 2510.0)
            .collect();
        let run = |mut graph: Graph, append: fn(&mut Graph, &str, (usize, usize)) -> String| {
            let image = graph.image((1, height, width));
            let all = append(&mut graph, &image, sides);
            graph.output(&all, "patterns", &[Dim::Batch, Dim::Fixed(COUNT)]);
            Runnable::load(&graph.finish(&[]), &[1, 1, height, width]).unwrap().run(&plane).unwrap().remove(0).values
        };
        let wanted = local_patterns(&plane, sides);
        assert_eq!(run(Graph::new("own"), append), wanted);
        for (index, (found, wanted)) in run(Graph::new("nodes"), nodes).iter().zip(&wanted).enumerate() {
            assert!((found - wanted).abs() < 1e-4, "{index}: {found} {wanted}");
        }
    }
}
