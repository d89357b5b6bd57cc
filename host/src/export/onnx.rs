//! Layers enter, ONNX bytes leave: the discriminator and the generator as the bundle's contract has them. Each layer says here,
//! once, which node it becomes and what shape it leaves, so that a network that does not fit together is refused by name.

use candle_core::Tensor;

use super::ExportError;
use super::graph::{Attribute, Dim, Graph};
use crate::detective::{Anatomy, maps_seen, texture};
use crate::net::Layer;

/// The discriminator as an ONNX file: `image` float32 [N, C, H, W] in 0..1 in; `score` [N, 1], `logit` [N, 1] and
/// `embedding` [N, E] out. The network itself sees -1..1, that step is inside the graph. `embedding` is what layer number
/// `embedding_at`, from 0, gives, flattened ([`crate::net::embedding`] names that layer).
///
/// # Errors
/// [`ExportError::Layer`], [`ExportError::Ending`] or [`ExportError::Weight`].
pub fn discriminator(
    layers: &[Layer],
    embedding_at: usize,
    (c, h, w): (usize, usize, usize),
    metadata: &[(String, String)],
) -> Result<Vec<u8>, ExportError> {
    let mut graph = Graph::new("discriminator");
    let image = graph.input("image", &[Dim::Batch, Dim::Fixed(c), Dim::Fixed(h), Dim::Fixed(w)]); // [N, C, H, W]
    let doubled = graph.with_number("Mul", &image, 2.0);
    let name = graph.with_number("Sub", &doubled, 1.0);
    let (body, head) = layers.split_at((embedding_at + 1).min(layers.len()));

    let features = append(&mut graph, body, 0, Value { name, shape: vec![c, h, w] })?;
    let embedding = flat(&mut graph, &features); // [N, E]
    let last = append(&mut graph, head, body.len(), features)?;
    let logit = flat(&mut graph, &last); // [N, 1]
    if logit.shape != [1] {
        return Err(ExportError::Ending { network: "discriminator", found: last.shape, expected: "[1]".to_owned() });
    }
    graph.output(&logit.name, "score", &[Dim::Batch, Dim::Fixed(1)]);
    graph.output(&logit.name, "logit", &[Dim::Batch, Dim::Fixed(1)]);
    graph.output(&embedding.name, "embedding", &[Dim::Batch, Dim::Fixed(embedding.shape[0])]);
    Ok(graph.finish(metadata))
}

/// The detective as an ONNX file of the same inputs and outputs, where the rows of a picture stand next to each other, and with the layers of the game's own discriminator of a fourth: `plain`
/// [N, 1], what that one says, for comparison. An engine that is not asked for it leaves its layers out.
///
/// # Errors
/// As [`discriminator`].
pub fn detective(
    anatomy: &Anatomy,
    plain: Option<&[Layer]>,
    (c, h, w): (usize, usize, usize),
    metadata: &[(String, String)],
) -> Result<Vec<u8>, ExportError> {
    let mut graph = Graph::new("detective");
    let image = graph.input("image", &[Dim::Batch, Dim::Fixed(c), Dim::Fixed(h), Dim::Fixed(w)]); // [N, C, H, W]
    let doubled = graph.with_number("Mul", &image, 2.0);
    let centred = graph.with_number("Sub", &doubled, 1.0);
    let pictures = || Value { name: centred.clone(), shape: vec![c, h, w] };

    let beside = anatomy.genuine.append(&mut graph, &centred)?;
    let maps: Vec<&String> = [&centred].into_iter().chain(&beside).collect();
    let name = graph.concat(&maps);
    let whole = append(&mut graph, &anatomy.trunk, 0, Value { name, shape: vec![maps_seen(c), h, w] })?;
    let whole = flat(&mut graph, &whole).name; // [N, T]
    let (usualness, together) = anatomy.usual.append(&mut graph, &centred)?;
    let texture = texture::append(&mut graph, &image, (c, h, w));
    let features = graph.concat(&[&whole, &usualness, &texture]); // [N, F]
    let (mean, inverse) = (tensor(&mut graph, &anatomy.mean)?, tensor(&mut graph, &anatomy.inverse)?);
    let features = graph.node("Sub", &[&features, &mean], &[]);
    let scaled = graph.node("Mul", &[&features, &inverse], &[]);

    let (hidden, last) = anatomy.head.split_at(anatomy.head.len() - 1);
    let first = anatomy.trunk.len();
    let features = Value { name: scaled.clone(), shape: vec![anatomy.mean.elem_count()] };
    let embedding = append(&mut graph, hidden, first, features)?; // [N, E]
    let width = embedding.shape[0];
    let name = embedding.name.clone();
    let logit = append(&mut graph, last, first + hidden.len(), embedding)?; // [N, 1]
    // The usualness stands before the texture, at the end.
    let end = anatomy.mean.elem_count() as i64;
    let places = [end - texture::count(c) as i64 - 1, end - texture::count(c) as i64];
    let [start, end, axis] = [[places[0]], [places[1]], [1]].map(|numbers| graph.integers(&numbers));
    let usualness = graph.node("Slice", &[&scaled, &start, &end, &axis], &[]);
    let odds = append(&mut graph, &anatomy.odds, 0, Value { name: usualness, shape: vec![1] })?;
    let mut score = graph.node("Add", &[&logit.name, &odds.name], &[]);
    if let Some(together) = together {
        score = graph.node("Add", &[&score, &together], &[]);
    }
    let plain = plain.map(|plain| {
        let plain = append(&mut graph, plain, 0, pictures())?;
        Ok::<_, ExportError>(flat(&mut graph, &plain)) // [N, 1]
    });
    let plain = plain.transpose()?;
    for value in [&logit].into_iter().chain(&plain) {
        if value.shape != [1] {
            let found = value.shape.clone();
            return Err(ExportError::Ending { network: "detective", found, expected: "[1]".to_owned() });
        }
    }
    graph.output(&score, "score", &[Dim::Batch, Dim::Fixed(1)]);
    graph.output(&logit.name, "logit", &[Dim::Batch, Dim::Fixed(1)]);
    graph.output(&name, "embedding", &[Dim::Batch, Dim::Fixed(width)]);
    if let Some(plain) = plain {
        graph.output(&plain.name, "plain", &[Dim::Batch, Dim::Fixed(1)]);
    }
    Ok(graph.finish(metadata))
}

/// The generator as an ONNX file: `z` float32 [N, Z] in, `image` [N, C, H, W] in 0..1 out. The network itself ends in -1..1.
///
/// # Errors
/// [`ExportError::Layer`], [`ExportError::Ending`] or [`ExportError::Weight`].
pub fn generator(layers: &[Layer], latent: usize, metadata: &[(String, String)]) -> Result<Vec<u8>, ExportError> {
    let mut graph = Graph::new("generator");
    let name = graph.input("z", &[Dim::Batch, Dim::Fixed(latent)]); // [N, Z]
    let last = append(&mut graph, layers, 0, Value { name, shape: vec![latent] })?;
    let [c, h, w] = last.shape[..] else {
        return Err(ExportError::Ending { network: "generator", found: last.shape, expected: "[C, H, W]".to_owned() });
    };
    let raised = graph.with_number("Add", &last.name, 1.0);
    let image = graph.with_number("Mul", &raised, 0.5); // [N, C, H, W]
    graph.output(&image, "image", &[Dim::Batch, Dim::Fixed(c), Dim::Fixed(h), Dim::Fixed(w)]);
    Ok(graph.finish(metadata))
}

/// A value on its way through the graph.
struct Value {
    name: String,
    /// Without the batch.
    shape: Vec<usize>,
}

/// Appends `layers`, the first of which is number `first` of its network.
fn append(graph: &mut Graph, layers: &[Layer], first: usize, input: Value) -> Result<Value, ExportError> {
    let mut numbered = (first..).zip(layers);
    numbered.try_fold(input, |value, (index, layer)| append_one(graph, index, layer, value))
}

fn append_one(graph: &mut Graph, index: usize, layer: &Layer, input: Value) -> Result<Value, ExportError> {
    let Value { name: x, shape } = input;
    let refuse = |layer: &'static str, expected: String| {
        Err(ExportError::Layer { index, layer, found: shape.clone(), expected })
    };
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
        Layer::Sigmoid => (graph.node("Sigmoid", &[&x], &[]), shape),
        Layer::Reshape { channels, height, width } => {
            let wanted = vec![*channels, *height, *width];
            if shape.iter().product::<usize>() != wanted.iter().product::<usize>() {
                return refuse("Reshape", format!("as many numbers as {wanted:?}"));
            }
            // 0 keeps the batch as it is.
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

/// [N, ...] -> [N, product].
fn flat(graph: &mut Graph, value: &Value) -> Value {
    if value.shape.len() == 1 {
        return Value { name: value.name.clone(), shape: value.shape.clone() };
    }
    let name = graph.node("Flatten", &[&value.name], &[("axis", Attribute::Int(1))]);
    Value { name, shape: vec![value.shape.iter().product()] }
}

/// Length of one axis after a convolution, if it has any.
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
) -> Result<String, ExportError> {
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

/// A tensor as a constant of the graph.
pub(crate) fn tensor(graph: &mut Graph, weight: &Tensor) -> candle_core::Result<String> {
    let values = weight.flatten_all()?.to_vec1::<f32>()?;
    Ok(graph.constant(weight.dims(), &values))
}
