//! A network: a list of blocks and their weights. `pass` and `candle_backend` run it, and `fold` turns it into
//! inference layers.

use std::collections::BTreeMap;
use std::sync::Arc;

use candle_core::{Device, Result, Tensor, Var, bail};
use counterfoil_kernels::Workspace;

use super::block::Block;
use super::floats::with_floats;
use crate::math::random::{normal, stream};

/// A network: its blocks, and its parameters by name in the order of the names.
#[derive(Clone, Debug)]
pub struct Network {
    blocks: Arc<[Block]>,
    parameters: BTreeMap<String, Tensor>,
    workspace: Workspace,
    /// Whether candle's own operations run the network, see `candle_backend`.
    on_candle: bool,
}

impl Network {
    /// Creates a network that can be trained, with initial weights from the random streams of `seed` and `purpose`.
    /// Scales start at 1, biases and shifts at 0.
    ///
    /// # Errors
    /// When a tensor cannot be made.
    pub fn new(blocks: Vec<Block>, seed: u64, purpose: &str) -> Result<Self> {
        let mut parameters = BTreeMap::new();
        for (index, block) in blocks.iter().enumerate() {
            let Block { name, map, norm, deviation, .. } = block;
            let (shape, channels) = (map.weight_shape(), block.channels());
            let draws = normal(&mut stream(seed, purpose, index as u64), shape.iter().product());
            let draws = draws.into_iter().map(|x| x * deviation).collect();
            let mut insert = |kind: &str, data: Vec<f32>, shape: &[usize]| -> Result<()> {
                let tensor = Var::from_vec(data, shape, &Device::Cpu)?.into_inner();
                parameters.insert(format!("{name}.{kind}"), tensor);
                Ok(())
            };
            insert("weight", draws, &shape)?;
            if *norm {
                insert("scale", vec![1.0; channels], &[channels])?;
                insert("shift", vec![0.0; channels], &[channels])?;
            } else {
                insert("bias", vec![0.0; channels], &[channels])?;
            }
        }
        Ok(Self { blocks: blocks.into(), parameters, workspace: Workspace::default(), on_candle: false })
    }

    /// The same network with the same weights, without dropout.
    #[must_use]
    pub fn without_dropout(&self) -> Self {
        let blocks = self.blocks.iter().map(|block| Block { dropout: 0.0, ..block.clone() }).collect();
        Self { blocks, ..self.clone() }
    }

    /// The parameters by name, such as `NAME.weight` of a block.
    #[must_use]
    pub fn parameters(&self) -> &BTreeMap<String, Tensor> {
        &self.parameters
    }

    /// The same network with the same weights, frozen: no gradient of a parameter is computed.
    #[must_use]
    pub fn frozen(&self) -> Self {
        let parameters = self.parameters.iter().map(|(name, tensor)| (name.clone(), tensor.detach())).collect();
        Self { parameters, ..self.clone() }
    }

    /// A copy of the network on a device. On a device other than the CPU, candle's own operations run it.
    ///
    /// # Errors
    /// When the parameters cannot be copied.
    pub fn to_device(&self, device: &Device) -> Result<Self> {
        let parameters = self.parameters.iter().map(|(name, tensor)| Ok((name.clone(), variable(tensor, device)?)));
        Ok(Self { parameters: parameters.collect::<Result<_>>()?, on_candle: !device.is_cpu(), ..self.clone() })
    }

    /// The same network, run by candle's own operations in main memory, too: code for a GPU can then be tested
    /// without one.
    #[cfg(test)]
    pub(crate) fn on_candle(&self) -> Self {
        Self { on_candle: true, ..self.clone() }
    }

    /// Whether candle's own operations run the network.
    pub(super) fn runs_on_stock(&self) -> bool {
        self.on_candle
    }

    /// A network of the same blocks with a copy of other weights.
    ///
    /// # Errors
    /// When a parameter is missing or has another shape; the message names it.
    pub fn with_parameters(&self, others: &BTreeMap<String, Tensor>) -> Result<Self> {
        let mut parameters = BTreeMap::new();
        for (name, expected) in &self.parameters {
            let tensor = match others.get(name) {
                Some(tensor) if tensor.dims() == expected.dims() => variable(tensor, expected.device())?,
                Some(tensor) => bail!("{name} is {:?} where {:?} is expected", tensor.dims(), expected.dims()),
                None => bail!("{name} is missing"),
            };
            parameters.insert(name.clone(), tensor);
        }
        Ok(Self { parameters, ..self.clone() })
    }

    /// The blocks, first to last.
    pub(super) fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// The buffers that the network keeps from step to step.
    pub(crate) fn workspace(&self) -> &Workspace {
        &self.workspace
    }

    /// Whether gradients of the parameters are computed.
    pub(super) fn learns(&self) -> bool {
        self.parameters.values().any(Tensor::track_op)
    }

    /// Calls `read` with a parameter's numbers.
    pub(super) fn with_parameter<T>(&self, block: &Block, kind: &str, read: impl FnOnce(&[f32]) -> T) -> Result<T> {
        with_floats(self.parameter(&block.name, kind)?, "a pass", read)
    }

    pub(super) fn parameter(&self, block: &str, kind: &str) -> Result<&Tensor> {
        match self.parameters.get(&format!("{block}.{kind}")) {
            Some(tensor) => Ok(tensor),
            None => bail!("the network has no parameter {block}.{kind}"),
        }
    }
}

/// A copy of a tensor on a device, as a variable that can be trained.
fn variable(tensor: &Tensor, device: &Device) -> Result<Tensor> {
    Ok(Var::from_tensor(&tensor.to_device(device)?.copy()?)?.into_inner())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::nn::mlp;

    pub(in crate::nn) fn draws(purpose: &str, dims: &[usize]) -> Tensor {
        Tensor::from_vec(normal(&mut stream(4, purpose, 0), dims.iter().product()), dims, &Device::Cpu).unwrap()
    }

    #[test]
    fn a_frozen_network_passes_gradients_on_and_takes_none() {
        let network = Network::new(mlp::discriminator((1, 4, 4)), 1, "d").unwrap();
        let pictures = Var::from_tensor(&draws("x", &[2, 4, 4, 1])).unwrap().into_inner();
        let frozen = network.frozen().forward(&pictures, &mut stream(0, "dropout", 0)).unwrap();
        let store = frozen.output.sum_all().unwrap().backward().unwrap();
        assert!(store.get(&pictures).is_some() && frozen.gradients(&store).is_empty());
        let learning = network.forward(&pictures.detach(), &mut stream(0, "dropout", 0)).unwrap();
        let store = learning.output.sum_all().unwrap().backward().unwrap();
        assert!(store.get(&pictures).is_none() && learning.gradients(&store).keys().eq(network.parameters().keys()));
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
