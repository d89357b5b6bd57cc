//! Discriminators and generators as ONNX files of the bundle's contract, from inference layers. Each kind of
//! layer defines its node and its output shape once, here, so that a network whose layers do not fit together is
//! refused with the name of the layer.

use candle_core::Tensor;

use super::OnnxError;
use super::writer::{Attribute, Dim, Graph};
use crate::nn::Layer;

/// Writes the discriminator as an ONNX file. The input is `image`, float32 `[N, C, H, W]` in 0..1. The outputs are
/// `score` `[N, 1]`, `logit` `[N, 1]` and `embedding` `[N, E]`. The network itself takes -1..1; the graph converts the
/// image. `embedding` is the flattened output of layer number `embedding_at`, from 0 (see [`crate::nn::embedding`]).
///
/// # Errors
/// [`OnnxError::Layer`] when layers do not fit together, [`OnnxError::Ending`] when the last output is not one
/// number, and [`OnnxError::Weight`] when a weight cannot be read.
pub fn discriminator(
    layers: &[Layer],
    embedding_at: usize,
    (c, h, w): (usize, usize, usize),
    metadata: &[(String, String)],
) -> Result<Vec<u8>, OnnxError> {
    let mut graph = Graph::new("discriminator");
    let image = graph.image((c, h, w));
    let name = centred(&mut graph, &image);
    let (body, head) = layers.split_at((embedding_at + 1).min(layers.len()));

    let features = append(&mut graph, body, 0, Value { name, shape: vec![c, h, w] })?;
    let embedding = flat(&mut graph, &features); // [N, E]
    let last = append(&mut graph, head, body.len(), features)?;
    let logit = flat(&mut graph, &last); // [N, 1]
    if logit.shape != [1] {
        return Err(OnnxError::Ending { network: "discriminator", found: last.shape, expected: "[1]".to_owned() });
    }
    graph.output(&logit.name, "score", &[Dim::Batch, Dim::Fixed(1)]);
    graph.output(&logit.name, "logit", &[Dim::Batch, Dim::Fixed(1)]);
    graph.output(&embedding.name, "embedding", &[Dim::Batch, Dim::Fixed(embedding.shape[0])]);
    Ok(graph.finish(metadata))
}

/// Writes the generator as an ONNX file. The input is `z`, float32 `[N, Z]`. The output is `image`, `[N, C, H, W]`
/// in 0..1. The network itself ends in -1..1; the graph converts the image.
///
/// # Errors
/// [`OnnxError::Layer`] when layers do not fit together, [`OnnxError::Ending`] when the last output is not a
/// picture, and [`OnnxError::Weight`] when a weight cannot be read.
pub fn generator(layers: &[Layer], latent: usize, metadata: &[(String, String)]) -> Result<Vec<u8>, OnnxError> {
    let mut graph = Graph::new("generator");
    let name = graph.input("z", &[Dim::Batch, Dim::Fixed(latent)]); // [N, Z]
    let last = append(&mut graph, layers, 0, Value { name, shape: vec![latent] })?;
    let [c, h, w] = last.shape[..] else {
        return Err(OnnxError::Ending { network: "generator", found: last.shape, expected: "[C, H, W]".to_owned() });
    };
    let raised = graph.with_number("Add", &last.name, 1.0);
    let image = graph.with_number("Mul", &raised, 0.5); // [N, C, H, W]
    graph.output(&image, "image", &[Dim::Batch, Dim::Fixed(c), Dim::Fixed(h), Dim::Fixed(w)]);
    Ok(graph.finish(metadata))
}

/// Converts an image from 0..1 to the scale of the networks, -1..1.
pub(crate) fn centred(graph: &mut Graph, image: &str) -> String {
    let doubled = graph.with_number("Mul", image, 2.0);
    graph.with_number("Sub", &doubled, 1.0)
}

/// A value of the graph under construction.
pub(crate) struct Value {
    pub(crate) name: String,
    /// Its shape without the batch.
    pub(crate) shape: Vec<usize>,
}

/// Appends `layers`, the first of which is layer number `first` of its network.
pub(crate) fn append(graph: &mut Graph, layers: &[Layer], first: usize, input: Value) -> Result<Value, OnnxError> {
    let mut numbered = (first..).zip(layers);
    numbered.try_fold(input, |value, (index, layer)| append_one(graph, index, layer, value))
}

fn append_one(graph: &mut Graph, index: usize, layer: &Layer, input: Value) -> Result<Value, OnnxError> {
    let Value { name: x, shape } = input;
    let refuse =
        |layer: &'static str, expected: String| Err(OnnxError::Layer { index, layer, found: shape.clone(), expected });
    let (name, shape) = match layer {
        Layer::Linear { weight, bias } => {
            let (o, i) = weight.dims2()?;
            if shape != [i] {
                return refuse("Linear", format!("[{i}]"));
            }
            let (weight, bias) = (tensor(graph, weight)?, tensor(graph, bias)?); // [O, I], [O]
            (graph.node("Gemm", &[&x, &weight, &bias], &[("transB", Attribute::Int(1))]), vec![o])
        }
        Layer::Conv2d { weight, bias, stride, padding } => {
            let (o, i, k, _) = weight.dims4()?;
            let (Some(h), Some(w)) = (conv(&shape, 1, k, *stride, *padding), conv(&shape, 2, k, *stride, *padding))
            else {
                return refuse("Conv2d", format!("[{i}, H, W] of at least {k} pixels with its padding"));
            };
            if shape[0] != i {
                return refuse("Conv2d", format!("[{i}, H, W]"));
            }
            (convolve(graph, "Conv", &x, weight, bias, (*stride, *padding))?, vec![o, h, w])
        }
        Layer::ConvTranspose2d { weight, bias, stride, padding } => {
            let (i, o, k, _) = weight.dims4()?;
            let [channels, h, w] = shape[..] else { return refuse("ConvTranspose2d", format!("[{i}, H, W]")) };
            if channels != i || h * w == 0 {
                return refuse("ConvTranspose2d", format!("[{i}, H, W]"));
            }
            let grown = |length: usize| (length - 1) * stride + k - 2 * padding;
            (convolve(graph, "ConvTranspose", &x, weight, bias, (*stride, *padding))?, vec![o, grown(h), grown(w)])
        }
        Layer::LeakyRelu(slope) => (graph.node("LeakyRelu", &[&x], &[("alpha", Attribute::Float(*slope))]), shape),
        Layer::Relu => (graph.node("Relu", &[&x], &[]), shape),
        Layer::Tanh => (graph.node("Tanh", &[&x], &[]), shape),
        Layer::Reshape { channels, height, width } => {
            let wanted = vec![*channels, *height, *width];
            if shape.iter().product::<usize>() != wanted.iter().product::<usize>() {
                return refuse("Reshape", format!("as many numbers as {wanted:?}"));
            }
            // 0 keeps the batch axis.
            let target = graph.integers(&[0, *channels as i64, *height as i64, *width as i64]);
            (graph.node("Reshape", &[&x, &target], &[]), wanted)
        }
        Layer::Flatten => {
            let Value { name, shape } = flat(graph, &Value { name: x, shape });
            (name, shape)
        }
    };
    Ok(Value { name, shape })
}

/// Flattens [N, ...] to [N, product].
pub(crate) fn flat(graph: &mut Graph, value: &Value) -> Value {
    if value.shape.len() == 1 {
        return Value { name: value.name.clone(), shape: value.shape.clone() };
    }
    let name = graph.node("Flatten", &[&value.name], &[("axis", Attribute::Int(1))]);
    Value { name, shape: vec![value.shape.iter().product()] }
}

/// Length of one axis after a convolution; `None` if the value is not a map or the kernel does not fit.
fn conv(shape: &[usize], axis: usize, k: usize, stride: usize, padding: usize) -> Option<usize> {
    let [_, _, _] = shape else { return None };
    Some((shape[axis] + 2 * padding).checked_sub(k)? / stride + 1)
}

fn convolve(
    graph: &mut Graph,
    op: &str,
    x: &str,
    weight: &Tensor,
    bias: &Tensor,
    (stride, padding): (usize, usize),
) -> Result<String, OnnxError> {
    let (_, _, kh, kw) = weight.dims4()?;
    let (s, p) = (stride as i64, padding as i64);
    let (weight, bias) = (tensor(graph, weight)?, tensor(graph, bias)?);
    let attributes = [
        ("kernel_shape", Attribute::Ints(&[kh as i64, kw as i64])),
        ("strides", Attribute::Ints(&[s, s])),
        ("pads", Attribute::Ints(&[p, p, p, p])),
    ];
    Ok(graph.node(op, &[x, &weight, &bias], &attributes))
}

/// Adds a tensor to the graph as a constant.
pub(super) fn tensor(graph: &mut Graph, weight: &Tensor) -> candle_core::Result<String> {
    let values = weight.flatten_all()?.to_vec1::<f32>()?;
    Ok(graph.constant(weight.dims(), &values))
}
