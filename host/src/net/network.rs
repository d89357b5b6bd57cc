//! A network of the game: a list of blocks becomes weights, then tensors with gradients, then inference layers.
//!
//! Everything that can be done with any list of blocks is written once, here.

use std::collections::BTreeMap;

use candle_core::{Device, Result, Tensor, Var, bail};
use rand::RngCore;
use rand_chacha::ChaCha8Rng;

use super::activation::{Activation, bias_activate};
use super::block::{Affine, Block, Map, to_features, to_maps};
use super::layer::Layer;
use super::norm::{EPSILON, norm_activate, statistics};
use crate::stream::{normal, stream};

/// Latents over which a generator's batch norm statistics are taken for inference.
const STATISTICS_BATCH: usize = 256;

/// A network: its blocks, and its parameters by name in the order of the names.
#[derive(Clone, Debug)]
pub struct Network {
    blocks: Vec<Block>,
    parameters: BTreeMap<String, Tensor>,
}

impl Network {
    /// A network that can learn, its first weights drawn from the streams of `seed` and `purpose`. Scales start at 1, biases and shifts at 0.
    pub fn new(blocks: Vec<Block>, seed: u64, purpose: &str) -> Result<Self> {
        let mut parameters = BTreeMap::new();
        for (index, block) in blocks.iter().enumerate() {
            let Block::Affine(Affine { name, map, norm, deviation, .. }) = block else { continue };
            let (shape, rows) = (map.weight_shape(), map.rows());
            let draws = normal(&mut stream(seed, purpose, index as u64), shape.iter().product());
            let draws = draws.into_iter().map(|x| x * deviation).collect();
            let mut insert = |kind: &str, data: Vec<f32>, shape: &[usize]| -> Result<()> {
                let tensor = Var::from_vec(data, shape, &Device::Cpu)?.into_inner();
                parameters.insert(format!("{name}.{kind}"), tensor);
                Ok(())
            };
            insert("weight", draws, &shape)?;
            if *norm {
                insert("scale", vec![1.0; rows], &[rows])?;
                insert("shift", vec![0.0; rows], &[rows])?;
            } else {
                insert("bias", vec![0.0; rows], &[rows])?;
            }
        }
        Ok(Self { blocks, parameters })
    }

    /// The parameters by name.
    #[must_use]
    pub fn parameters(&self) -> &BTreeMap<String, Tensor> {
        &self.parameters
    }

    /// The same network on the same weights, learning nothing: no gradient of a parameter is computed.
    #[must_use]
    pub fn frozen(&self) -> Self {
        let parameters = self.parameters.iter().map(|(name, tensor)| (name.clone(), tensor.detach())).collect();
        Self { blocks: self.blocks.clone(), parameters }
    }

    /// The same blocks on a copy of other weights.
    ///
    /// # Errors
    /// When a parameter is missing or has another shape; the message names it.
    pub fn with_parameters(&self, others: &BTreeMap<String, Tensor>) -> Result<Self> {
        let mut parameters = BTreeMap::new();
        for (name, expected) in &self.parameters {
            let tensor = match others.get(name) {
                Some(tensor) if tensor.dims() == expected.dims() => Var::from_tensor(&tensor.copy()?)?.into_inner(),
                Some(tensor) => bail!("{name} is {:?} where {:?} is expected", tensor.dims(), expected.dims()),
                None => bail!("{name} is missing"),
            };
            parameters.insert(name.clone(), tensor);
        }
        Ok(Self { blocks: self.blocks.clone(), parameters })
    }

    /// Runs the network as in training: batch norm by the statistics of this batch, dropout masks (where it has any) from `rng`.
    ///
    /// A generator takes latents [Z, B] and gives maps [C, B, H, W] in -1..1; a discriminator takes those and gives logits [1, B].
    pub fn forward(&self, x: &Tensor, rng: &mut ChaCha8Rng) -> Result<Tensor> {
        self.blocks.iter().try_fold(x.clone(), |x, block| match block {
            Block::Affine(affine) => self.affine(affine, &x, rng),
            Block::Flatten => to_features(&x),
            &Block::Reshape(channels, height, width) => to_maps(&x, (channels, height, width)),
        })
    }

    fn affine(&self, affine: &Affine, x: &Tensor, rng: &mut ChaCha8Rng) -> Result<Tensor> {
        let Affine { name, map, norm, activation, dropout, .. } = affine;
        let product = map.apply(x, self.parameter(name, "weight")?)?;
        let y = if *norm {
            norm_activate(&product, self.parameter(name, "scale")?, self.parameter(name, "shift")?, *activation)?
        } else {
            bias_activate(&product, self.parameter(name, "bias")?, *activation)?
        };
        if *dropout > 0.0 { y.mul(&dropout_mask(&y, *dropout, rng)?) } else { Ok(y) }
    }

    /// The network in inference form, norms folded and dropout gone.
    ///
    /// A norm's statistics are those of one fixed batch of the network's own latents (256 draws of a stream that depends on nothing), taken
    /// layer by layer on these very weights. So they fit an averaged generator as well as the one that learned, and need no keeping.
    pub fn layers(&self) -> Result<Vec<Layer>> {
        let network = self.frozen();
        let mut probe = network.probe()?; // features or maps of the statistics batch, where there is a norm
        let mut layers = Vec::new();
        for block in &self.blocks {
            match block {
                Block::Affine(Affine { name, map, norm, activation, .. }) => {
                    let mut weight = network.parameter(name, "weight")?.clone();
                    let bias = match &probe {
                        Some(x) if *norm => {
                            let (scale, bias) = network.fold(name, &map.apply(x, &weight)?)?;
                            weight = map.scale_rows(&weight, &scale)?;
                            bias
                        }
                        _ => network.parameter(name, "bias")?.clone(),
                    };
                    probe = probe.map(|x| bias_activate(&map.apply(&x, &weight)?, &bias, *activation)).transpose()?;
                    layers.extend(map.layers(weight, bias)?);
                    layers.extend(match activation {
                        Activation::None => None,
                        Activation::Relu => Some(Layer::Relu),
                        Activation::LeakyRelu(slope) => Some(Layer::LeakyRelu(*slope)),
                        Activation::Tanh => Some(Layer::Tanh),
                    });
                }
                Block::Flatten => {
                    layers.push(Layer::Flatten);
                    probe = probe.map(|x| to_features(&x)).transpose()?;
                }
                &Block::Reshape(channels, height, width) => {
                    layers.push(Layer::Reshape { channels, height, width });
                    probe = probe.map(|x| to_maps(&x, (channels, height, width))).transpose()?;
                }
            }
        }
        Ok(layers)
    }

    /// The statistics batch [Z, B] of a generator with batch norm.
    fn probe(&self) -> Result<Option<Tensor>> {
        let norm = |block: &Block| matches!(block, Block::Affine(Affine { norm: true, .. }));
        match self.blocks.first() {
            Some(Block::Affine(Affine { map: Map::Linear(inputs, _) | Map::Project(inputs, _), .. }))
                if self.blocks.iter().any(norm) =>
            {
                let draws = normal(&mut stream(0, "statistics", 0), inputs * STATISTICS_BATCH);
                Tensor::from_vec(draws, (*inputs, STATISTICS_BATCH), &Device::Cpu).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Block `name`'s norm as one scale [R] and one bias [R] of its product, by the product's statistics.
    fn fold(&self, name: &str, product: &Tensor) -> Result<(Tensor, Tensor)> {
        let scales = self.parameter(name, "scale")?.to_vec1::<f32>()?;
        let shifts = self.parameter(name, "shift")?.to_vec1::<f32>()?;
        let (scale, bias): (Vec<f32>, Vec<f32>) = statistics(product)?
            .into_iter()
            .zip(scales.into_iter().zip(shifts))
            .map(|((mean, variance), (scale, shift))| {
                let scale = scale / (variance + EPSILON).sqrt();
                (scale, shift - mean * scale)
            })
            .unzip();
        let rows = scale.len();
        Ok((Tensor::from_vec(scale, rows, &Device::Cpu)?, Tensor::from_vec(bias, rows, &Device::Cpu)?))
    }

    fn parameter(&self, block: &str, kind: &str) -> Result<&Tensor> {
        match self.parameters.get(&format!("{block}.{kind}")) {
            Some(tensor) => Ok(tensor),
            None => bail!("the network has no parameter {block}.{kind}"),
        }
    }
}

/// Zeros at a share `dropout` of the places of `like`, 1 / (1 - dropout) at the others (Srivastava et al. 2014, inverted).
fn dropout_mask(like: &Tensor, dropout: f32, rng: &mut ChaCha8Rng) -> Result<Tensor> {
    let mut bytes = vec![0u8; like.elem_count() * 2];
    rng.fill_bytes(&mut bytes);
    let threshold = (dropout * 65536.0) as u16;
    let keep = 1.0 / (1.0 - dropout);
    let dropped = |pair: &[u8]| u16::from_le_bytes([pair[0], pair[1]]) < threshold;
    let mask: Vec<f32> = bytes.chunks_exact(2).map(|pair| if dropped(pair) { 0.0 } else { keep }).collect();
    Tensor::from_vec(mask, like.shape(), like.device())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{dcgan, embedding, infer, mlp};

    fn gap(a: &Tensor, b: &Tensor) -> f32 {
        assert_eq!(a.dims(), b.dims());
        (a - b).unwrap().abs().unwrap().max_all().unwrap().to_scalar().unwrap()
    }

    fn draws(purpose: &str, dims: &[usize]) -> Tensor {
        Tensor::from_vec(normal(&mut stream(4, purpose, 0), dims.iter().product()), dims, &Device::Cpu).unwrap()
    }

    #[test]
    fn a_discriminators_layers_give_what_forward_gives() {
        let network = Network::new(dcgan::discriminator((3, 40, 32), 4).unwrap(), 1, "d").unwrap();
        let pictures = draws("pictures", &[5, 3, 40, 32]);
        let trained = network.forward(&pictures.transpose(0, 1).unwrap(), &mut stream(0, "none", 0)).unwrap();
        let layers = network.layers().unwrap();
        let logits = infer(&layers, &pictures).unwrap();
        assert_eq!(logits.dims(), [5, 1]);
        assert!(gap(&logits, &trained.t().unwrap()) < 1e-4);

        let cut = embedding(&layers).unwrap();
        let embedding = infer(&layers[..=cut], &pictures).unwrap();
        assert_eq!(embedding.dims(), [5, 32 * 2 * 2]);
        assert!(gap(&infer(&layers[cut + 1..], &embedding).unwrap(), &logits) < 1e-6);
    }

    #[test]
    fn a_generators_folded_layers_give_what_forward_gives_on_the_statistics_batch() {
        for (blocks, has_norm) in
            [(dcgan::generator(10, (1, 28, 28), 8).unwrap(), true), (mlp::generator(10, (1, 6, 5)), false)]
        {
            let network = Network::new(blocks, 1, "g").unwrap();
            assert_eq!(network.probe().unwrap().is_some(), has_norm);
            let latents = network.probe().unwrap().unwrap_or_else(|| draws("z", &[10, 7])); // [Z, B]
            let trained = network.forward(&latents, &mut stream(0, "none", 0)).unwrap();
            let pictures = infer(&network.layers().unwrap(), &latents.t().unwrap().contiguous().unwrap()).unwrap();
            assert!(gap(&pictures, &trained.transpose(0, 1).unwrap()) < 1e-4);
        }
    }

    #[test]
    fn dropout_drops_its_share_and_leaves_inference_alone() {
        let mask = dropout_mask(&draws("x", &[100, 100]), 0.3, &mut stream(1, "dropout", 0)).unwrap();
        let mask = mask.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let dropped = mask.iter().filter(|x| **x == 0.0).count();
        assert!((2800..3200).contains(&dropped), "{dropped} of 10000");
        assert!((mask.iter().sum::<f32>() / 10_000.0 - 1.0).abs() < 0.02);
    }

    #[test]
    fn a_frozen_network_passes_gradients_on_and_takes_none() {
        let network = Network::new(mlp::discriminator((1, 4, 4)), 1, "d").unwrap();
        let pictures = Var::from_tensor(&draws("x", &[1, 2, 4, 4])).unwrap().into_inner();
        let logits = network.frozen().forward(&pictures, &mut stream(0, "dropout", 0)).unwrap();
        let gradients = logits.sum_all().unwrap().backward().unwrap();
        assert!(gradients.get(&pictures).is_some());
        assert!(network.parameters().values().all(|parameter| gradients.get(parameter).is_none()));
    }

    #[test]
    fn weights_that_do_not_fit_are_refused_by_name() {
        let network = Network::new(mlp::generator(4, (1, 2, 2)), 1, "g").unwrap();
        let mut others = network.parameters().clone();
        others.insert("1.bias".into(), draws("x", &[3]));
        assert!(network.with_parameters(&others).unwrap_err().to_string().contains("1.bias is [3]"));
        others.remove("1.bias");
        assert!(network.with_parameters(&others).unwrap_err().to_string().contains("1.bias is missing"));
    }
}
