//! Tests of every gradient of the networks against two references: finite differences in f64, and candle's own
//! operations.
//!
//! The f64 network below follows the definitions directly, pixel by pixel, and shares no code with ours. Random
//! blocks cover every kind of product, norm and activation, batches of one, odd sides, one channel, kernels of 3 to
//! 5, strides of 1 and 2 and any padding.

use candle_core::{Device, Tensor, Var};
use counterfoil_kernels::{Activation, Window};
use proptest::prelude::*;
use rand::Rng;

use super::block::{Block, LinearOp};
use super::candle_backend;
use super::network::Network;
use super::pass::Gradient;
use crate::math::random::{normal, stream};

/// Step of the central differences. Their error is of the order of its square, and f64 leaves ten digits of it.
const STEP: f64 = 1e-5;
/// Least distance of a sum from an activation's corner. A closer sum could be on the other side in f32 or one step
/// away.
const CORNER: f64 = 1e-3;

/// Numbers with a shape [B, N] or [B, H, W, C].
#[derive(Clone, Debug)]
struct Array {
    dims: Vec<usize>,
    data: Vec<f64>,
}

impl Array {
    fn of(tensor: &Tensor) -> Self {
        let data = tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        Self { dims: tensor.dims().to_vec(), data: data.into_iter().map(f64::from).collect() }
    }
}

/// The output of a block for x, by definition. `parameters` are weight and bias, or weight, scale and shift. Also
/// returns the least distance of a sum from an activation's corner.
fn block(block: &Block, x: &Array, parameters: &[Array]) -> (Array, f64) {
    let weight = &parameters[0].data;
    let batch = x.dims[0];
    let mut sums = match block.map {
        LinearOp::Linear(inputs, outputs) => dense(x, weight, inputs, vec![batch, outputs]),
        LinearOp::LinearToMap(inputs, (c, h, w)) => dense(x, weight, inputs, vec![batch, h, w, c]),
        LinearOp::FlattenLinear((c, h, w), outputs) => dense(x, weight, c * h * w, vec![batch, outputs]),
        LinearOp::Conv(inputs, outputs, window) => {
            let dims = vec![batch, window.small(x.dims[1]), window.small(x.dims[2]), outputs];
            let mut y = vec![0.0; dims.iter().product()];
            links(window, &dims, &x.dims, |small, large, k| y[small] += x.data[large] * weight[k]);
            assert_eq!(x.dims[3], inputs);
            Array { dims, data: y }
        }
        LinearOp::ConvTranspose(_, outputs, window) => {
            let dims = vec![batch, window.large(x.dims[1]), window.large(x.dims[2]), outputs];
            let mut y = vec![0.0; dims.iter().product()];
            links(window, &x.dims, &dims, |small, large, k| y[large] += x.data[small] * weight[k]);
            Array { dims, data: y }
        }
    };
    let channels = parameters[1].data.len();
    if block.norm {
        let rows = sums.data.len() / channels;
        for c in 0..channels {
            let column: Vec<f64> = sums.data.iter().skip(c).step_by(channels).copied().collect();
            let mean = column.iter().sum::<f64>() / rows as f64;
            let variance = column.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / rows as f64;
            for x in sums.data.iter_mut().skip(c).step_by(channels) {
                *x = parameters[1].data[c] * (*x - mean) / (variance + 1e-5).sqrt() + parameters[2].data[c];
            }
        }
    } else {
        for (i, x) in sums.data.iter_mut().enumerate() {
            *x += parameters[1].data[i % channels];
        }
    }
    let bent = matches!(block.activation, Activation::Relu | Activation::LeakyRelu(_));
    let corner = if bent { sums.data.iter().fold(f64::INFINITY, |least, x| least.min(x.abs())) } else { f64::INFINITY };
    for x in &mut sums.data {
        *x = match block.activation {
            Activation::None => *x,
            Activation::Relu => x.max(0.0),
            Activation::LeakyRelu(slope) => x.max(0.0) + f64::from(slope) * x.min(0.0),
            Activation::Tanh => x.tanh(),
        };
    }
    (sums, corner)
}

fn dense(x: &Array, weight: &[f64], inputs: usize, dims: Vec<usize>) -> Array {
    let outputs = weight.len() / inputs;
    let at = |b: usize, o: usize| (0..inputs).map(|i| x.data[b * inputs + i] * weight[i * outputs + o]).sum::<f64>();
    let data = (0..dims[0]).flat_map(|b| (0..outputs).map(move |o| at(b, o))).collect();
    Array { dims, data }
}

/// Calls `each` for every pair of numbers that a window links: their indices in the small map [B, h, w, S] and in
/// the large one [B, H, W, L], and the index of the weight [K, K, L, S] between them.
fn links(window: Window, small: &[usize], large: &[usize], mut each: impl FnMut(usize, usize, usize)) {
    let Window { kernel, stride, padding } = window;
    let pixels = (0..small[0]).flat_map(|b| (0..small[1]).flat_map(move |y| (0..small[2]).map(move |x| (b, y, x))));
    for (b, y, x) in pixels {
        for (ky, kx) in (0..kernel).flat_map(|ky| (0..kernel).map(move |kx| (ky, kx))) {
            let (py, px) = (y * stride + ky, x * stride + kx); // in the padded map
            if py < padding || px < padding || py - padding >= large[1] || px - padding >= large[2] {
                continue;
            }
            let small_pixel = (b * small[1] + y) * small[2] + x;
            let large_pixel = (b * large[1] + py - padding) * large[2] + px - padding;
            for l in 0..large[3] {
                for s in 0..small[3] {
                    let weight = ((ky * kernel + kx) * large[3] + l) * small[3] + s;
                    each(small_pixel * small[3] + s, large_pixel * large[3] + l, weight);
                }
            }
        }
    }
}

/// A network of one or two blocks, the shape of its input, and the seed of all numbers. Its loss is the sum of
/// output times probe.
#[derive(Clone, Debug)]
struct Case {
    blocks: Vec<Block>,
    input: Vec<usize>,
    seed: u64,
}

impl Case {
    fn network(&self) -> Network {
        let network = Network::new(self.blocks.clone(), self.seed, "oracle").unwrap();
        // Biases and shifts start at 0 and scales at 1, where a wrong gradient could stay hidden. Weights stay as small as
        // they are drawn: sums of thousands of large terms would differ by their rounding.
        let moved = network.parameters().iter().map(|(name, tensor)| {
            let by = if name.ends_with(".weight") { 0.0 } else { 0.3 };
            let noise = normal(&mut stream(self.seed, name, 1), tensor.elem_count());
            (name.clone(), (tensor + Tensor::from_vec(noise, tensor.shape(), &Device::Cpu).unwrap() * by).unwrap())
        });
        network.with_parameters(&moved.collect()).unwrap()
    }

    fn draw(&self, purpose: &str, dims: &[usize]) -> Tensor {
        let data = normal(&mut stream(self.seed, purpose, 2), dims.iter().product());
        Var::from_vec(data, dims, &Device::Cpu).unwrap().into_inner()
    }

    /// The loss in f64, for the parameters of each block and an input; also the least distance from a corner.
    fn loss(&self, parameters: &[Vec<Array>], input: &Array, probe: &[f64]) -> (f64, f64) {
        let start = (input.clone(), f64::INFINITY);
        let (output, corner) = self.blocks.iter().zip(parameters).fold(start, |(x, least), (one, parameters)| {
            let (y, corner) = block(one, &x, parameters);
            (y, least.min(corner))
        });
        (output.data.iter().zip(probe).map(|(y, probe)| y * probe).sum(), corner)
    }
}

/// The names of a block's parameters, in the order in which `block` takes them.
fn names(block: &Block) -> Vec<String> {
    let kinds: &[&str] = if block.norm { &["weight", "scale", "shift"] } else { &["weight", "bias"] };
    kinds.iter().map(|kind| format!("{}.{kind}", block.name)).collect()
}

fn check(case: &Case) -> Result<(), TestCaseError> {
    let network = case.network();
    let x = case.draw("x", &case.input);
    let rng = &mut stream(0, "none", 0);
    let pass = network.forward(&x, rng).unwrap();
    let probe = case.draw("probe", pass.output.dims()).detach();
    let mut parameters: Vec<Vec<Array>> = case
        .blocks
        .iter()
        .map(|block| names(block).iter().map(|name| Array::of(&network.parameters()[name])).collect())
        .collect();
    let mut input = Array::of(&x);
    let factors = Array::of(&probe).data;
    let (expected, corner) = case.loss(&parameters, &input, &factors);
    prop_assume!(corner > CORNER);

    let loss = (&pass.output * &probe).unwrap().sum_all().unwrap();
    let size: f64 = Array::of(&pass.output).data.iter().zip(&factors).map(|(y, probe)| (y * probe).abs()).sum();
    let found = f64::from(loss.to_scalar::<f32>().unwrap());
    prop_assert!((found - expected).abs() < 1e-5 * (1.0 + size), "loss {found}, in f64 {expected}");
    let store = loss.backward().unwrap();
    let (dx, gradients) = (Array::of(store.get(&x).unwrap()).data, pass.gradients(&store));

    // Candle's own operations, where their gradients are right: both sides of a convolution must leave the same
    // remainder.
    let theirs = candle_backend::pass(&network, &x, rng).unwrap();
    let their_store = (&theirs * &probe).unwrap().sum_all().unwrap().backward();

    let close = |name: &str, ours: &[f64], theirs: &[f64], tolerance: f64| {
        let scale = theirs.iter().fold(0.0f64, |most, x| most.max(x.abs()));
        let gap = ours.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        prop_assert_eq!(ours.len(), theirs.len());
        prop_assert!(gap <= tolerance * (1.0 + scale), "{}: off by {} where the largest is {}", name, gap, scale);
        Ok(())
    };
    for (index, one) in case.blocks.iter().enumerate() {
        for (position, name) in names(one).iter().enumerate() {
            let Gradient::Numbers(ours) = &gradients[name] else { panic!("a gradient of candle's") };
            let ours: Vec<f64> = ours.iter().map(|x| f64::from(*x)).collect();
            if let (true, Ok(store)) = (case.candle_is_right(), &their_store) {
                close(name, &ours, &Array::of(store.get(&network.parameters()[name]).unwrap()).data, 2e-4)?;
            }
            let some = case.some(name, ours.len());
            let difference = |i: &usize| {
                let mut at = |step: f64| {
                    parameters[index][position].data[*i] += step;
                    case.loss(&parameters, &input, &factors).0
                };
                difference(&mut at)
            };
            let differences: Vec<f64> = some.iter().map(difference).collect();
            close(name, &some.iter().map(|i| ours[*i]).collect::<Vec<_>>(), &differences, 2e-4)?;
        }
    }
    if let (true, Ok(store)) = (case.candle_is_right(), &their_store) {
        close("the input", &dx, &Array::of(store.get(&x).unwrap()).data, 2e-4)?;
    }
    let some = case.some("input", dx.len());
    let input_difference = |i: &usize| {
        let mut at = |step: f64| {
            input.data[*i] += step;
            case.loss(&parameters, &input, &factors).0
        };
        difference(&mut at)
    };
    let differences: Vec<f64> = some.iter().map(input_difference).collect();
    close("the input", &some.iter().map(|i| dx[*i]).collect::<Vec<_>>(), &differences, 2e-4)?;
    close("the output", &Array::of(&pass.output).data, &Array::of(&theirs).data, 1e-5)
}

/// The central difference of a loss. `at` moves one number by a step and returns the loss. The number ends at its
/// first value.
fn difference(at: &mut dyn FnMut(f64) -> f64) -> f64 {
    let (above, below) = (at(STEP), at(-2.0 * STEP));
    at(STEP);
    (above - below) / (2.0 * STEP)
}

impl Case {
    /// Up to sixteen indices of a tensor, with the first and the last; each costs two runs of the network.
    fn some(&self, name: &str, length: usize) -> Vec<usize> {
        let mut rng = stream(self.seed, name, 3);
        let mut some: Vec<usize> = (0..14).map(|_| rng.random_range(0..length)).chain([0, length - 1]).collect();
        some.sort_unstable();
        some.dedup();
        some
    }

    /// Whether candle's own gradients are right: those of its convolutions fail where height and width leave
    /// different remainders.
    fn candle_is_right(&self) -> bool {
        let mut sides = match self.input[..] {
            [_, height, width, _] => (height, width),
            _ => (1, 1),
        };
        self.blocks.iter().all(|block| match block.map {
            LinearOp::Conv(_, _, window) => {
                let rest = |side: usize| (side + 2 * window.padding - window.kernel) % window.stride;
                let right = rest(sides.0) == rest(sides.1);
                sides = (window.small(sides.0), window.small(sides.1));
                right
            }
            LinearOp::ConvTranspose(_, _, window) => {
                sides = (window.large(sides.0), window.large(sides.1));
                true
            }
            LinearOp::LinearToMap(_, (_, height, width)) => {
                sides = (height, width);
                true
            }
            LinearOp::Linear(..) | LinearOp::FlattenLinear(..) => true,
        })
    }
}

fn activations() -> impl Strategy<Value = Activation> {
    prop_oneof![
        Just(Activation::None),
        Just(Activation::Relu),
        Just(Activation::LeakyRelu(0.2)),
        Just(Activation::Tanh)
    ]
}

fn windows() -> impl Strategy<Value = Window> {
    (3..=5usize, 1..=2usize)
        .prop_flat_map(|(kernel, stride)| (0..kernel).prop_map(move |padding| Window { kernel, stride, padding }))
}

/// Cases of one product with a norm or a bias, sometimes with a second block, so that a gradient also comes through
/// one.
fn cases() -> impl Strategy<Value = Case> {
    let counts = prop_oneof![Just(1usize), Just(2), Just(3), Just(5), Just(9), Just(17), Just(33)];
    let channels = (counts.clone(), counts);
    let sides = (1..=7usize, 1..=7usize);
    let map = (0..5usize, channels, sides, windows()).prop_filter_map(
        "nothing would be left of the map",
        |(kind, (inputs, outputs), (height, width), window)| {
            // At most some thousand numbers, because each is moved twice.
            let (map, input) = match kind {
                0 => (LinearOp::Linear(inputs, outputs), vec![inputs]),
                1 => (
                    LinearOp::LinearToMap(inputs.min(5), (outputs.min(9), height.min(3), width.min(3))),
                    vec![inputs.min(5)],
                ),
                2 => (
                    LinearOp::FlattenLinear((inputs.min(9), height, width), outputs.min(3)),
                    vec![height, width, inputs.min(9)],
                ),
                3 => (LinearOp::Conv(inputs.min(9), outputs, window), vec![height, width, inputs.min(9)]),
                _ => (
                    LinearOp::ConvTranspose(inputs.min(9), outputs.min(9), window),
                    vec![height.min(4), width.min(4), inputs.min(9)],
                ),
            };
            let dims = [&[1], &input[..]].concat();
            map.fit(&dims).map(|_| (map, input))
        },
    );
    (map, 1..=9usize, any::<bool>(), activations(), any::<bool>(), any::<u64>()).prop_filter_map(
        "a norm over one row has no gradient",
        |((map, input), batch, norm, activation, second, seed)| {
            let input = [&[batch], &input[..]].concat();
            let output = map.output(batch, &map.fit(&input)?);
            let channels = output[output.len() - 1];
            let mut blocks = vec![Block { norm, ..Block::new("0", map, activation) }];
            if second {
                let picture = match output[..] {
                    [_, height, width, channels] => (channels, height, width),
                    _ => (channels, 1, 1),
                };
                let flat = picture.0 * picture.1 * picture.2;
                let map =
                    if output.len() == 4 { LinearOp::FlattenLinear(picture, 2) } else { LinearOp::Linear(flat, 2) };
                blocks.push(Block::new("1", map, Activation::Tanh));
            }
            let rows = output.iter().product::<usize>() / channels;
            (!norm || rows >= 4).then_some(Case { blocks, input, seed })
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, max_global_rejects: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn gradients_are_those_of_finite_differences_and_of_candle(case in cases()) {
        check(&case)?;
    }
}
