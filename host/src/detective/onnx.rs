//! A detective in inference form becomes an ONNX file.

use super::{Anatomy, maps_seen, texture};
use crate::net::Layer;
use crate::onnx::{Dim, Graph, OnnxError, Value, append, centred, flat, tensor};

/// The detective as an ONNX file with the inputs and outputs of [`crate::onnx::discriminator`]; N is a multiple of the
/// regions of a picture, whose rows stand next to each other. Where `plain` holds the layers of the game's own discriminator
/// there is a fourth output, `plain` [N, 1]: its logit, for comparison. An engine that is not asked for it leaves its layers out.
///
/// # Errors
/// [`OnnxError`].
pub fn to_onnx(
    anatomy: &Anatomy,
    plain: Option<&[Layer]>,
    (c, h, w): (usize, usize, usize),
    metadata: &[(String, String)],
) -> Result<Vec<u8>, OnnxError> {
    let mut graph = Graph::new("detective");
    let image = graph.image((c, h, w)); // [N, C, H, W]
    let centred = centred(&mut graph, &image);
    let pictures = || Value { name: centred.clone(), shape: vec![c, h, w] };

    let beside = anatomy.genuine.append(&mut graph, &centred)?;
    let maps: Vec<&String> = [&centred].into_iter().chain(&beside).collect();
    let name = graph.concat(&maps);
    let whole = append(&mut graph, &anatomy.trunk, 0, Value { name, shape: vec![maps_seen(c), h, w] })?;
    let whole = flat(&mut graph, &whole).name; // [N, T]
    let (typicality, together) = anatomy.usual.append(&mut graph, &centred)?;
    let texture = texture::append(&mut graph, &image, (c, h, w));
    let features = graph.concat(&[&whole, &typicality, &texture]); // [N, F]
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
    // The typicality stands before the texture, at the end.
    let end = anatomy.mean.elem_count() as i64;
    let places = [end - texture::count(c) as i64 - 1, end - texture::count(c) as i64];
    let [start, end, axis] = [[places[0]], [places[1]], [1]].map(|numbers| graph.integers(&numbers));
    let typicality = graph.node("Slice", &[&scaled, &start, &end, &axis], &[]);
    let added = append(&mut graph, &anatomy.odds, 0, Value { name: typicality, shape: vec![1] })?;
    let mut score = graph.node("Add", &[&logit.name, &added.name], &[]);
    if let Some(together) = together {
        score = graph.node("Add", &[&score, &together], &[]);
    }
    let plain = plain.map(|plain| {
        let plain = append(&mut graph, plain, 0, pictures())?;
        Ok::<_, OnnxError>(flat(&mut graph, &plain)) // [N, 1]
    });
    let plain = plain.transpose()?;
    for value in [&logit].into_iter().chain(&plain) {
        if value.shape != [1] {
            let found = value.shape.clone();
            return Err(OnnxError::Ending { network: "detective", found, expected: "[1]".to_owned() });
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
