//! A network as inference layers: batch norms are folded into weights, and dropout is removed.

use candle_core::{Device, Result, Tensor};
use counterfoil_kernels::Activation;

use super::block::{Block, LinearOp};
use super::layer::Layer;
use super::network::Network;
use super::pass::step;
use crate::math::random::{normal, stream};

/// Number of latents from which a generator's batch norm statistics are computed for inference.
const STATISTICS_BATCH: usize = 256;

impl Network {
    /// The network as inference layers, with norms folded and dropout removed.
    ///
    /// The statistics of a norm come from one fixed batch of the network's own latents (256 draws of a stream that
    /// depends on nothing), computed layer by layer with the present weights. So they fit an averaged generator as
    /// well as the trained one, and need not be stored.
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub fn layers(&self) -> Result<Vec<Layer>> {
        if self.runs_on_stock() {
            return self.to_device(&Device::Cpu)?.layers();
        }
        let mut probe = self.probe(); // features or maps of the statistics batch and their shape, where there is a norm
        let mut layers = Vec::new();
        for block in self.blocks() {
            let Block { name, map, activation, .. } = block;
            let weight = self.parameter(name, "weight")?;
            let played = probe.map(|(x, dims)| step(self, block, &x, &dims)).transpose()?;
            let (weight, bias) = match played.as_ref().and_then(|step| step.norm.as_ref()) {
                Some((_, moments)) => {
                    let (scales, shifts) = (self.parameter(name, "scale")?, self.parameter(name, "shift")?);
                    let (factor, offset) = moments.fold(&scales.to_vec1::<f32>()?, &shifts.to_vec1::<f32>()?);
                    let [factor, offset] = [factor, offset].map(|row| Tensor::new(row, &Device::Cpu));
                    (map.scale_channels(weight, &factor?)?, offset?)
                }
                None => (weight.clone(), self.parameter(name, "bias")?.clone()),
            };
            probe = played.map(|step| (step.output.into_vec(), step.shape));
            layers.extend(map.layers(&weight, bias)?);
            layers.extend(match activation {
                Activation::None => None,
                Activation::Relu => Some(Layer::Relu),
                Activation::LeakyRelu(slope) => Some(Layer::LeakyRelu(*slope)),
                Activation::Tanh => Some(Layer::Tanh),
            });
        }
        Ok(layers)
    }

    /// The statistics batch [B, Z] and its shape, for a generator with batch norm.
    fn probe(&self) -> Option<(Vec<f32>, Vec<usize>)> {
        match self.blocks().first() {
            Some(Block { map: LinearOp::Linear(inputs, _) | LinearOp::LinearToMap(inputs, _), .. })
                if self.blocks().iter().any(|block| block.norm) =>
            {
                let draws = normal(&mut stream(0, "statistics", 0), inputs * STATISTICS_BATCH);
                Some((draws, vec![STATISTICS_BATCH, *inputs]))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::network::tests::draws;
    use crate::nn::{dcgan, embedding, infer, mlp};

    fn gap(a: &Tensor, b: &Tensor) -> f32 {
        assert_eq!(a.dims(), b.dims());
        (a - b).unwrap().abs().unwrap().max_all().unwrap().to_scalar().unwrap()
    }

    #[test]
    fn a_discriminators_layers_give_what_forward_gives() {
        let network = Network::new(dcgan::discriminator((3, 40, 32), 4).unwrap(), 1, "d").unwrap();
        let pictures = draws("pictures", &[5, 3, 40, 32]);
        let trained =
            network.forward(&pictures.permute((0, 2, 3, 1)).unwrap(), &mut stream(0, "none", 0)).unwrap().output;
        let layers = network.layers().unwrap();
        let logits = infer(&layers, &pictures).unwrap();
        assert_eq!(logits.dims(), [5, 1]);
        assert!(gap(&logits, &trained) < 1e-4);

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
            assert_eq!(network.probe().is_some(), has_norm);
            let latents = match network.probe() {
                Some((z, dims)) => Tensor::from_vec(z, dims, &Device::Cpu).unwrap(),
                None => draws("z", &[7, 10]), // [B, Z]
            };
            let trained = network.forward(&latents, &mut stream(0, "none", 0)).unwrap().output;
            let pictures = infer(&network.layers().unwrap(), &latents).unwrap(); // [B, C, H, W]
            assert!(gap(&pictures, &trained.permute((0, 3, 1, 2)).unwrap()) < 1e-4);
        }
    }
}
