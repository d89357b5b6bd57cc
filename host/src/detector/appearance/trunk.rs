//! The trunk: a frozen convolutional network whose maps describe any picture, as nodes of an ONNX graph.
//!
//! It has the first stages of EfficientNet-Lite0 (inverted residual blocks without squeeze-and-excitation, `ReLU6`;
//! Tan and Le, 1905.11946). `models/trunk/README.md` says on what it was taught.

use std::sync::LazyLock;

use half::f16;
use safetensors::{Dtype, SafeTensors};

use crate::onnx::{Attribute, Graph};

static FILE: &[u8] = include_bytes!(env!("TRUNK"));

/// Mean and deviation of the pixels on which the trunk was taught, 0..1.
const PIXELS: (f32, f32) = (0.45, 0.23);
/// The largest value of `ReLU6`.
const SIX: f32 = 6.0;

/// The inverted residual blocks: side of the depthwise window, stride, and whether the input is added to the output.
/// Number of the block in the file = its place here.
const BLOCKS: [(usize, usize, bool); 8] = [
    (3, 1, false),
    (3, 2, false),
    (3, 1, true),
    (5, 2, false),
    (5, 1, true),
    (3, 2, false),
    (3, 1, true),
    (3, 1, true),
];

/// The blocks whose outputs are used: number, channels, and pixels of the picture per pixel of the map.
pub(super) const TAPS: [(usize, usize, usize); 3] = [(2, 24, 4), (4, 40, 8), (7, 80, 16)];

static WEIGHTS: LazyLock<SafeTensors> =
    LazyLock::new(|| SafeTensors::deserialize(FILE).expect("the file is part of this program, and tested"));

/// Reads a tensor of the file: its shape and numbers.
fn tensor(name: &str) -> (Vec<usize>, Vec<f32>) {
    let tensor = WEIGHTS.tensor(name).expect("the file holds every layer, which a test runs");
    let bytes = tensor.data();
    let numbers = match tensor.dtype() {
        Dtype::F16 => bytes.as_chunks().0.iter().map(|&two| f16::from_le_bytes(two).to_f32()).collect(),
        _ => bytes.as_chunks().0.iter().map(|&four| f32::from_le_bytes(four)).collect(),
    };
    (tensor.shape().to_vec(), numbers)
}

/// Appends the trunk to a graph. `image` is `[N, C, H, W]` in 0..1, C is 1 or 3, and the sides are multiples of
/// 16. Returns the maps of the [`TAPS`], `[N, channels, H / stride, W / stride]` each.
pub(super) fn append(graph: &mut Graph, image: &str, channels: usize) -> Vec<String> {
    let shifted = graph.with_number("Sub", image, PIXELS.0);
    let scaled = graph.with_number("Mul", &shifted, 1.0 / PIXELS.1);
    let mut x = convolve(graph, "stem", &scaled, Window { side: 3, stride: 2, grey: channels == 1 });
    x = relu6(graph, &x);
    let mut taps = Vec::with_capacity(TAPS.len());
    for (number, (side, stride, residual)) in BLOCKS.into_iter().enumerate() {
        let input = x.clone();
        let point = Window { side: 1, stride: 1, grey: false };
        if number > 0 {
            x = convolve(graph, &format!("b{number}e"), &x, point);
            x = relu6(graph, &x);
        }
        x = convolve(graph, &format!("b{number}d"), &x, Window { side, stride, grey: false });
        x = relu6(graph, &x);
        x = convolve(graph, &format!("b{number}p"), &x, point);
        if residual {
            x = graph.node("Add", &[&x, &input], &[]);
        }
        if TAPS.iter().any(|(tap, ..)| *tap == number) {
            taps.push(x.clone());
        }
    }
    taps
}

/// The window of a convolution.
#[derive(Clone, Copy)]
struct Window {
    side: usize,
    stride: usize,
    /// Whether the input has one channel, which stands for three equal ones.
    grey: bool,
}

fn convolve(graph: &mut Graph, layer: &str, input: &str, Window { side, stride, grey }: Window) -> String {
    let (mut shape, mut weight) = tensor(&format!("{layer}.weight")); // [O, I, K, K]
    if grey {
        let area = side * side;
        let summed =
            |filter: &[f32]| -> Vec<f32> { (0..area).map(|at| filter.iter().skip(at).step_by(area).sum()).collect() };
        weight = weight.chunks_exact(shape[1] * area).flat_map(summed).collect();
        shape[1] = 1;
    }
    let (outputs, depthwise) = (shape[0], side > 1 && layer != "stem");
    let weight = graph.constant(&shape, &weight);
    let bias = graph.constant(&[outputs], &tensor(&format!("{layer}.bias")).1);
    // As TensorFlow's SAME for sides that are multiples of the stride: an odd row of zeros is at the end.
    let padding = (side - stride.min(side)) as i64;
    let (before, after) = (padding / 2, padding - padding / 2);
    let (side, stride) = (side as i64, stride as i64);
    let group = if depthwise { outputs as i64 } else { 1 };
    let attributes = [
        ("kernel_shape", Attribute::Ints(&[side, side])),
        ("strides", Attribute::Ints(&[stride, stride])),
        ("pads", Attribute::Ints(&[before, before, after, after])),
        ("group", Attribute::Int(group)),
    ];
    graph.node("Conv", &[input, &weight, &bias], &attributes)
}

fn relu6(graph: &mut Graph, x: &str) -> String {
    let (zero, six) = (graph.constant(&[], &[0.0]), graph.constant(&[], &[SIX]));
    graph.node("Clip", &[x, &zero, &six], &[])
}

/// Multiply-adds of the trunk for one picture of `area` pixels.
pub(super) fn multiply_adds(area: usize, channels: usize) -> usize {
    let shape = |layer: &str| -> Vec<usize> {
        WEIGHTS.tensor(&format!("{layer}.weight")).expect("the file holds every layer").shape().to_vec()
    };
    let mut stride = 2;
    let stem = shape("stem");
    let mut sum = stem[0] * channels * 9 * area / (stride * stride);
    for (number, (side, step, _)) in BLOCKS.into_iter().enumerate() {
        let points = |stride: usize| area / (stride * stride);
        if number > 0 {
            let expand = shape(&format!("b{number}e"));
            sum += expand[0] * expand[1] * points(stride);
        }
        stride *= step;
        let project = shape(&format!("b{number}p"));
        sum += project[1] * (side * side + project[0]) * points(stride);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::Dim;
    use counterfoil_edge::inference::Graph as Runnable;

    #[test]
    fn grey_is_three_equal_channels_and_the_maps_have_their_sizes() {
        let run = |channels: usize| {
            let mut graph = Graph::new("trunk");
            let image = graph.image((channels, 32, 48));
            let taps = append(&mut graph, &image, channels);
            for (tap, (number, channels, stride)) in taps.iter().zip(TAPS) {
                let dims = [Dim::Batch, Dim::Fixed(channels), Dim::Fixed(32 / stride), Dim::Fixed(48 / stride)];
                graph.output(tap, &format!("tap_{number}"), &dims);
            }
            let plane: Vec<f32> = (0..32 * 48).map(|i| (i * 37 % 101) as f32 / 101.0).collect();
            let runnable = Runnable::load(&graph.finish(&[]), &[1, channels, 32, 48]).unwrap();
            runnable.run(&plane.repeat(channels)).unwrap()
        };
        for (grey, rgb) in run(1).iter().zip(run(3)) {
            assert_eq!(grey.shape, rgb.shape);
            let spread = rgb.values.iter().fold(0f32, |most, x| most.max(x.abs()));
            assert!(spread > 0.1 && grey.values.iter().zip(&rgb.values).all(|(a, b)| (a - b).abs() < 1e-3 * spread));
        }
        // 51 million at 128 x 128, by the layers' own sizes.
        assert!((40e6..60e6).contains(&(multiply_adds(128 * 128, 3) as f64)));
    }
}
