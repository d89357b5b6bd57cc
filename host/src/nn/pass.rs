//! A pass through a network: computes the output for a batch and, later, the gradients that are requested.
//!
//! For candle, a whole pass is one operation. Candle's own graph would clear and add a new tensor for every
//! gradient of every layer. Here each layer turns the gradient that it gets into its own, in place, and the buffers
//! of a pass return to the workspace when the pass is dropped.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::backprop::GradStore;
use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, bail};
use counterfoil_kernels::activation::{drop_out, drop_out_backward};
use counterfoil_kernels::norm::{BatchStats, norm_activate, norm_gradients};
use counterfoil_kernels::{Buffer, Finish};
use rand_chacha::ChaCha8Rng;

use super::block::{Block, Geometry};
use super::candle_backend;
use super::floats::with_floats;
use super::network::Network;

/// Gradients of a network's parameters, by name.
pub type Gradients = BTreeMap<String, Gradient>;

/// The gradient of one parameter.
#[derive(Debug)]
pub enum Gradient {
    /// Row-major numbers in main memory, from our own pass.
    Numbers(Buffer),
    /// A tensor on the parameter's device, from candle.
    Tensor(Tensor),
}

/// The result of running a network on a batch.
#[derive(Debug)]
pub struct Pass {
    /// The output, a node of candle's graph.
    pub output: Tensor,
    gradients: Source,
}

/// Where the gradients of a pass are found after the backward pass.
#[derive(Debug)]
enum Source {
    /// Our own pass stores them here.
    Own(Arc<Mutex<Gradients>>),
    /// Candle's graph stores them under these parameters.
    Stock(BTreeMap<String, Tensor>),
}

impl Pass {
    /// The gradients of the parameters, once the graph that contains `output` has run backward and filled
    /// `store`. A frozen network has none.
    #[must_use]
    pub fn gradients(&self, store: &GradStore) -> Gradients {
        match &self.gradients {
            Source::Own(gradients) => std::mem::take(&mut *gradients.lock().unwrap_or_else(PoisonError::into_inner)),
            Source::Stock(parameters) => parameters
                .iter()
                .filter_map(|(name, tensor)| Some((name.clone(), Gradient::Tensor(store.get(tensor)?.clone()))))
                .collect(),
        }
    }
}

/// What the backward pass needs from a block.
struct Kept {
    fit: Geometry,
    /// The input of a norm, with its moments.
    norm: Option<(Buffer, BatchStats)>,
    /// The block's output. `None` for the last block: its output is that of the pass.
    output: Option<Buffer>,
}

/// Numbers and their shape.
type Output = (Vec<f32>, Vec<usize>);

struct PassOp {
    network: Network,
    kept: Vec<Kept>,
    output: Mutex<Option<Output>>,
    gradients: Arc<Mutex<Gradients>>,
}

impl Network {
    /// Runs the network as in training: batch norm with the statistics of this batch, and dropout masks from `rng`.
    ///
    /// A generator takes latents `[B, Z]` and returns maps `[B, H, W, C]` in -1..1. A discriminator takes such
    /// maps and returns logits `[B, 1]`.
    ///
    /// # Errors
    /// When the input does not fit the network.
    pub fn forward(&self, x: &Tensor, rng: &mut ChaCha8Rng) -> Result<Pass> {
        pass(self, x, rng)
    }
}

/// Runs `network` on x as in training, with dropout masks from `rng`: with our own operations where they run, else
/// with candle's.
fn pass(network: &Network, x: &Tensor, rng: &mut ChaCha8Rng) -> Result<Pass> {
    if network.runs_on_stock() {
        let output = candle_backend::pass(network, x, rng)?;
        return Ok(Pass { output, gradients: Source::Stock(network.parameters().clone()) });
    }
    let x = x.contiguous()?;
    let (kept, output) = with_floats(&x, "a pass", |input| forward(network, input, x.dims(), rng))??;
    let gradients: Arc<Mutex<Gradients>> = Arc::default();
    let played =
        PassOp { network: network.clone(), kept, output: Mutex::new(Some(output)), gradients: Arc::clone(&gradients) };
    // The parameter is passed so that candle tracks gradients if the network is trained.
    let Some(anchor) = network.parameters().values().next() else { bail!("a network without parameters") };
    Ok(Pass { output: x.apply_op2(anchor, played)?, gradients: Source::Own(gradients) })
}

/// Runs the blocks one after the other. Returns what the backward pass needs, and the output with its shape.
fn forward(network: &Network, input: &[f32], dims: &[usize], rng: &mut ChaCha8Rng) -> Result<(Vec<Kept>, Output)> {
    let mut kept: Vec<Kept> = Vec::with_capacity(network.blocks().len());
    let mut dims = dims.to_vec();
    for block in network.blocks() {
        let x = kept.last().and_then(|kept| kept.output.as_deref()).unwrap_or(input);
        let Step { fit, norm, mut output, shape } = step(network, block, x, &dims)?;
        if block.dropout > 0.0 {
            drop_out(&mut output, block.dropout, rng);
        }
        kept.push(Kept { fit, norm, output: Some(output) });
        dims = shape;
    }
    let Some(output) = kept.last_mut().and_then(|last| last.output.take()) else { bail!("a network without blocks") };
    Ok((kept, (output.into_vec(), dims)))
}

/// The result of a block, before dropout.
pub(super) struct Step {
    fit: Geometry,
    /// The input of a norm, with its moments.
    pub(super) norm: Option<(Buffer, BatchStats)>,
    pub(super) output: Buffer,
    pub(super) shape: Vec<usize>,
}

/// Runs one block, without dropout.
pub(super) fn step(network: &Network, block: &Block, x: &[f32], dims: &[usize]) -> Result<Step> {
    let Block { map, norm, activation, .. } = block;
    let Some(fit) = map.fit(dims) else { bail!("{map:?} does not fit an input of {dims:?}") };
    let workspace = network.workspace();
    let product =
        |finish: Finish| network.with_parameter(block, "weight", |weight| fit.forward(workspace, x, weight, finish));
    let (norm, output) = if *norm {
        let sums = product(Finish::NONE)?;
        let moments = BatchStats::of(&sums, block.channels());
        let mut output = workspace.buffer(sums.len());
        network.with_parameter(block, "scale", |scale| {
            network.with_parameter(block, "shift", |shift| {
                norm_activate(&mut output, &sums, &moments, (scale, shift), *activation);
            })
        })??;
        (Some((sums, moments)), output)
    } else {
        let slope = activation.slope();
        let mut output =
            network.with_parameter(block, "bias", |bias| product(Finish { bias: Some(bias), slope }))??;
        activation.apply(&mut output);
        (None, output)
    };
    Ok(Step { norm, output, shape: map.output(dims[0], &fit), fit })
}

impl PassOp {
    /// Computes the gradients of the parameters, and returns that of the input if `asks` is true.
    fn backward(&self, x: &[f32], y: &[f32], grad: &[f32], asks: bool) -> Result<Option<Vec<f32>>> {
        let (network, workspace) = (&self.network, self.network.workspace());
        let learns = network.learns();
        let mut gradients = Gradients::new();
        let mut grad = workspace.copy(grad);
        for (index, (block, kept)) in network.blocks().iter().zip(&self.kept).enumerate().rev() {
            let input = index.checked_sub(1).and_then(|before| self.kept[before].output.as_deref()).unwrap_or(x);
            let output = kept.output.as_deref().unwrap_or(y);
            let mut give = |kind: &str, gradient: Buffer| {
                if learns {
                    gradients.insert(format!("{}.{kind}", block.name), Gradient::Numbers(gradient));
                }
            };
            if block.dropout > 0.0 {
                drop_out_backward(output, &mut grad, block.dropout);
            }
            if let Some((sums, moments)) = &kept.norm {
                let (dscale, dshift) = network.with_parameter(block, "scale", |scale| {
                    norm_gradients(&mut grad, (sums, output), moments, scale, block.activation)
                })?;
                give("scale", workspace.copy(&dscale));
                give("shift", workspace.copy(&dshift));
            } else {
                give("bias", workspace.copy(&block.activation.gradients(output, &mut grad, block.channels())));
            }
            if learns {
                give("weight", kept.fit.weight_gradient(workspace, input, &grad));
            }
            if index > 0 || asks {
                grad = network
                    .with_parameter(block, "weight", |weight| kept.fit.input_gradient(workspace, &grad, weight))?;
            }
        }
        *self.gradients.lock().unwrap_or_else(PoisonError::into_inner) = gradients;
        Ok(asks.then(|| grad.into_vec()))
    }
}

impl CustomOp2 for PassOp {
    fn name(&self) -> &'static str {
        "a pass through a network"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        match self.output.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some((output, dims)) => Ok((CpuStorage::F32(output), Shape::from(dims))),
            None => bail!("a pass is played once"),
        }
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, y: &Tensor, grad: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let grad = grad.contiguous()?;
        let dx = with_floats(x, self.name(), |x_floats| {
            with_floats(y, self.name(), |y| {
                with_floats(&grad, self.name(), |grad| self.backward(x_floats, y, grad, x.track_op()))
            })
        })????;
        Ok((dx.map(|dx| Tensor::from_vec(dx, x.shape(), x.device())).transpose()?, None))
    }
}
