//! The Adam optimiser (Kingma & Ba, 1412.6980, algorithm 1): takes gradients and updates parameters in place.
//!
//! This is our own code because candle's optimiser keeps its moments private, and an exact resume must save them.
//! It makes one pass over each parameter.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeMap;

use candle_core::{CpuStorage, InplaceOp1, Layout, Result, Tensor, bail};
use pulp::{Arch, Simd};
use rayon::prelude::*;

use crate::nn::{Gradient, Gradients, floats_mut};

/// Added to the root of the second moment, so that the step stays bounded where that moment is zero
/// [1412.6980, algorithm 1].
const EPSILON: f32 = 1e-8;
/// Numbers that one task updates: small enough to share the work among threads, large enough to be worth a task.
const CHUNK: usize = 16 * 1024;
/// Partial sums of squares that are kept side by side.
const LANES: usize = 16;

/// Adam's moments of one parameter: running means of the gradient and of its square.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AdamState {
    /// First moment, in the row-major order of the parameter.
    pub m: Vec<f32>,
    /// Second moment, in the same order; never negative.
    pub v: Vec<f32>,
}

/// The moments of one parameter, in main memory or on the parameter's device.
#[derive(Clone, Debug)]
enum Memory {
    Main(AdamState),
    /// m and v, with the parameter's shape.
    Device(Tensor, Tensor),
}

/// Adam for the parameters of one network.
#[derive(Clone, Debug)]
pub struct Adam {
    learning_rate: f32,
    beta1: f32,
    beta2: f32,
    /// Number of updates made so far.
    pub step: u64,
    /// Moments by parameter name.
    memory: BTreeMap<String, Memory>,
}

impl Adam {
    /// Creates an optimiser at step 0 with all moments at zero. `beta1` and `beta2` are the decays of the two moments.
    #[must_use]
    pub fn new(parameters: &BTreeMap<String, Tensor>, learning_rate: f64, beta1: f64, beta2: f64) -> Self {
        let zeros =
            |tensor: &Tensor| AdamState { m: vec![0.0; tensor.elem_count()], v: vec![0.0; tensor.elem_count()] };
        let memory = parameters.iter().map(|(name, tensor)| (name.clone(), Memory::Main(zeros(tensor)))).collect();
        Self { learning_rate: learning_rate as f32, beta1: beta1 as f32, beta2: beta2 as f32, step: 0, memory }
    }

    /// The moments by parameter name, copied to main memory where they are on a device.
    ///
    /// # Errors
    /// When moments cannot be copied from their device.
    pub fn moments(&self) -> Result<BTreeMap<&str, Cow<'_, AdamState>>> {
        self.memory.iter().map(|(name, memory)| Ok((name.as_str(), memory.moments()?))).collect()
    }

    /// Continues from a saved state: the number of updates made, and the moments by parameter name.
    pub fn resume(&mut self, step: u64, moments: BTreeMap<String, AdamState>) {
        self.step = step;
        self.memory = moments.into_iter().map(|(name, moments)| (name, Memory::Main(moments))).collect();
    }

    /// Updates every parameter in place by its gradient. Returns the norm of all gradients together, before the
    /// update.
    ///
    /// # Errors
    /// When a parameter has no gradient or no moments of its size; the message names it.
    pub fn update(&mut self, parameters: &BTreeMap<String, Tensor>, gradients: &Gradients) -> Result<f32> {
        self.step += 1;
        let rates = Rates {
            rate: self.learning_rate / (1.0 - self.beta1.powf(self.step as f32)),
            unbias: 1.0 / (1.0 - self.beta2.powf(self.step as f32)),
            beta1: self.beta1,
            beta2: self.beta2,
        };
        let mut squares = 0.0;
        for (name, parameter) in parameters {
            let Some(gradient) = gradients.get(name) else { bail!("{name} has no gradient") };
            let Some(memory) = self.memory.get_mut(name) else { bail!("{name} has no moments") };
            squares += match gradient {
                Gradient::Numbers(gradient) => memory.main(rates, parameter, gradient)?,
                Gradient::Tensor(gradient) => memory.device(rates, parameter, gradient)?,
            };
        }
        Ok(squares.sqrt())
    }
}

impl Memory {
    /// The moments in main memory, copied there if they are on a device.
    fn moments(&self) -> Result<Cow<'_, AdamState>> {
        Ok(match self {
            Self::Main(moments) => Cow::Borrowed(moments),
            Self::Device(m, v) => {
                Cow::Owned(AdamState { m: m.flatten_all()?.to_vec1()?, v: v.flatten_all()?.to_vec1()? })
            }
        })
    }

    /// One update in main memory, in a single pass over weights, gradient and moments. Returns the sum of the
    /// squared gradient.
    fn main(&mut self, rates: Rates, parameter: &Tensor, gradient: &[f32]) -> Result<f32> {
        let Self::Main(moments) = self else { bail!("adam: the moments are on another device than the gradient") };
        let update = Update { rates, gradient, moments: RefCell::new(moments), squares: RefCell::new(0.0) };
        parameter.inplace_op1(&update)?;
        Ok(update.squares.into_inner())
    }

    /// One update by candle's operations on the parameter's device. The first update moves the moments there.
    /// Returns the sum of the squared gradient.
    fn device(&mut self, rates: Rates, parameter: &Tensor, gradient: &Tensor) -> Result<f32> {
        let (shape, device) = (parameter.shape(), parameter.device());
        let (m, v) = match std::mem::replace(self, Self::Main(AdamState::default())) {
            Self::Main(AdamState { m, v }) => {
                (Tensor::from_vec(m, shape, device)?, Tensor::from_vec(v, shape, device)?)
            }
            Self::Device(m, v) => (m, v),
        };
        let gradient = gradient.detach();
        let share = |beta: f32, old: Tensor, new: &Tensor| {
            old.affine(f64::from(beta), 0.0)? + new.affine(f64::from(1.0 - beta), 0.0)?
        };
        let squared = gradient.sqr()?;
        let (m, v) = (share(rates.beta1, m, &gradient)?, share(rates.beta2, v, &squared)?);
        let deviation = (v.affine(f64::from(rates.unbias), 0.0)?.sqrt()? + f64::from(EPSILON))?;
        let moved = (parameter.detach() - m.affine(f64::from(rates.rate), 0.0)?.div(&deviation)?)?;
        parameter.slice_set(&moved.contiguous()?, 0, 0)?;
        *self = Self::Device(m, v);
        squared.sum_all()?.to_scalar()
    }
}

/// Factors of one update, the same for every parameter.
#[derive(Clone, Copy)]
struct Rates {
    /// Learning rate divided by the first moment's bias correction, 1 - beta1^t.
    rate: f32,
    /// Reciprocal of the second moment's bias correction: 1 / (1 - beta2^t).
    unbias: f32,
    beta1: f32,
    beta2: f32,
}

struct Update<'a> {
    rates: Rates,
    gradient: &'a [f32],
    moments: RefCell<&'a mut AdamState>,
    squares: RefCell<f32>,
}

impl InplaceOp1 for Update<'_> {
    fn name(&self) -> &'static str {
        "adam"
    }

    fn cpu_fwd(&self, weight: &mut CpuStorage, layout: &Layout) -> Result<()> {
        let weight = floats_mut(weight, layout, self.name())?;
        let mut moments = self.moments.borrow_mut();
        let AdamState { m, v } = &mut **moments;
        if [self.gradient.len(), m.len(), v.len()] != [weight.len(); 3] {
            bail!("adam: {} weights, {} gradients, {} moments", weight.len(), self.gradient.len(), m.len());
        }
        let rates = self.rates;
        let squares: Vec<f32> = weight
            .par_chunks_mut(CHUNK)
            .zip(self.gradient.par_chunks(CHUNK))
            .zip(m.par_chunks_mut(CHUNK).zip(v.par_chunks_mut(CHUNK)))
            .map(|((weight, gradient), (m, v))| step(rates, weight, gradient, m, v))
            .collect();
        *self.squares.borrow_mut() = squares.iter().sum();
        Ok(())
    }
}

/// Updates one chunk of weights and returns the sum of its squared gradients.
#[pulp::with_simd(step = Arch::new())]
#[inline(always)]
fn step_with_simd<'a, S: Simd>(
    _: S,
    rates: Rates,
    weight: &'a mut [f32],
    gradient: &'a [f32],
    m: &'a mut [f32],
    v: &'a mut [f32],
) -> f32 {
    let Rates { rate, unbias, beta1, beta2 } = rates;
    let mut squares = [0.0; LANES]; // a single chain of additions would prevent vectorisation
    let chunks = weight.chunks_mut(LANES).zip(gradient.chunks(LANES)).zip(m.chunks_mut(LANES).zip(v.chunks_mut(LANES)));
    for ((weight, gradient), (m, v)) in chunks {
        for (((w, &g), (m, v)), square) in weight.iter_mut().zip(gradient).zip(m.iter_mut().zip(v)).zip(&mut squares) {
            *m = beta1 * *m + (1.0 - beta1) * g;
            *v = beta2 * *v + (1.0 - beta2) * g * g;
            *w -= rate * *m / ((*v * unbias).sqrt() + EPSILON);
            *square += g * g;
        }
    }
    squares.iter().sum()
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};

    use super::*;
    use counterfoil_kernels::Workspace;

    // from math import sqrt
    // w = [1.0, -2.0, 0.5]; m = [0] * 3; v = [0] * 3
    // for step in range(1, 6):
    //     g = [2 * x + 0.1 * step for x in w]
    //     for i in range(3):
    //         m[i] = .5 * m[i] + .5 * g[i]; v[i] = .999 * v[i] + .001 * g[i]**2
    //         w[i] -= .01 * (m[i] / (1 - .5**step)) / (sqrt(v[i] / (1 - .999**step)) + 1e-8)
    //     print(w)
    const EXPECTED: [[f32; 3]; 5] = [
        [0.99, -1.99, 0.49],
        [0.979_939_5, -1.980_053_2, 0.479_889_4],
        [0.969_787_2, -1.970_192_3, 0.469_615_5],
        [0.959_520_2, -1.960_445_2, 0.459_143_2],
        [0.949_124_2, -1.950_834_8, 0.448_454_1],
    ];

    #[test]
    fn updates_are_those_of_the_script_above() {
        for on_device in [false, true] {
            let weight = Var::new(&[1.0f32, -2.0, 0.5], &Device::Cpu).unwrap().into_inner();
            let parameters = BTreeMap::from([("w".to_owned(), weight.clone())]);
            let mut adam = Adam::new(&parameters, 0.01, 0.5, 0.999);
            for (step, expected) in (1..).zip(EXPECTED) {
                // The gradient of sum(w^2 + 0.1 step w).
                let gradient = weight.detach().affine(2.0, 0.1 * f64::from(step)).unwrap();
                let gradient = if on_device { Gradient::Tensor(gradient) } else { numbers(&gradient) };
                let norm = adam.update(&parameters, &BTreeMap::from([("w".to_owned(), gradient)])).unwrap();
                for (ours, theirs) in weight.to_vec1::<f32>().unwrap().into_iter().zip(expected) {
                    assert!((ours - theirs).abs() < 2e-6, "step {step}: {ours} is not {theirs}");
                }
                if step == 1 {
                    assert!((norm - (2.1f32.powi(2) + 3.9f32.powi(2) + 1.1f32.powi(2)).sqrt()).abs() < 1e-5);
                }
            }
            assert_eq!(adam.step, 5);
            // Saved moments continue in the same way, from main memory and from a device.
            let mut other = Adam::new(&parameters, 0.01, 0.5, 0.999);
            let saved = adam.moments().unwrap().into_iter();
            other.resume(5, saved.map(|(name, moments)| (name.to_owned(), moments.into_owned())).collect());
            assert_eq!(other.moments().unwrap(), adam.moments().unwrap());
        }
    }

    fn numbers(gradient: &Tensor) -> Gradient {
        Gradient::Numbers(Workspace::default().copy(&gradient.to_vec1::<f32>().unwrap()))
    }

    #[test]
    fn a_parameter_without_a_gradient_is_named() {
        let parameters = BTreeMap::from([("unused".to_owned(), Tensor::new(&[1.0f32], &Device::Cpu).unwrap())]);
        let error = Adam::new(&parameters, 0.01, 0.5, 0.999).update(&parameters, &Gradients::new()).unwrap_err();
        assert!(error.to_string().contains("unused has no gradient"));
    }
}
