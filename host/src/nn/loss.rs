//! The losses of generator and discriminator: they take logits and return one number with a gradient.
//!
//! All losses use logits l, with D(x) = sigmoid(l). So log D = -softplus(-l) and log(1 - D) = -softplus(l) stay
//! finite for any finite logit. Candle's own binary cross-entropy takes log(sigmoid(l)), which is minus
//! infinity once the sigmoid saturates.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::nn::floats;

/// The loss that generator and discriminator minimise. The first line of each variant is its help on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    /// As first published: the generator minimises log(1 - D(G(z))), which saturates.
    ///
    /// Goodfellow et al., 1406.2661, equation 1. Its gradient vanishes when the discriminator is certain. It is
    /// here for study.
    Minimax,
    /// The generator maximises log D(G(z)).
    ///
    /// The discriminator's loss is that of [`Loss::Minimax`] (1406.2661, section 3). This is the default.
    NonSaturating,
    /// Squared distances (LSGAN).
    ///
    /// The targets of the logits are 1 for real and 0 for fake (Mao et al., 1611.04076, equation 9).
    LeastSquares,
    /// Margins (hinge loss).
    ///
    /// The margin is 1 on both sides (Lim & Ye, 1705.02894).
    Hinge,
}

impl Loss {
    /// The discriminator's loss over real and fake logits of any shape, as a scalar.
    ///
    /// `real_label` in (0, 1] is the target of the real term only: one-sided label smoothing (Salimans et al.,
    /// 1606.03498, section 3.4). For least squares it replaces the 1; for the hinge loss it is the margin of the
    /// real side.
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub fn discriminator(self, real: &Tensor, fake: &Tensor, real_label: f64) -> Result<Tensor> {
        match self {
            Self::Minimax | Self::NonSaturating => {
                let hit = (softplus(&real.neg()?)? * real_label)?;
                let miss = (softplus(real)? * (1.0 - real_label))?;
                (hit + miss)?.mean_all()? + softplus(fake)?.mean_all()?
            }
            Self::LeastSquares => ((real - real_label)?.sqr()?.mean_all()? + fake.sqr()?.mean_all()?)? * 0.5,
            Self::Hinge => real.affine(-1.0, real_label)?.relu()?.mean_all()? + (fake + 1.0)?.relu()?.mean_all()?,
        }
    }

    /// The generator's loss over the logits of its fakes, of any shape, as a scalar.
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub fn generator(self, fake: &Tensor) -> Result<Tensor> {
        match self {
            Self::Minimax => softplus(fake)?.mean_all()?.neg(),
            Self::NonSaturating => softplus(&fake.neg()?)?.mean_all(),
            Self::LeastSquares => (fake - 1.0)?.sqr()?.mean_all()? * 0.5,
            Self::Hinge => fake.mean_all()?.neg(),
        }
    }
}

/// Softplus, log(1 + exp(x)), element by element. It is finite for every finite x, and its gradient is the sigmoid.
///
/// # Errors
/// When a tensor operation fails.
pub fn softplus(x: &Tensor) -> Result<Tensor> {
    if x.device().is_cpu() { x.contiguous()?.apply_op1(Softplus) } else { stock_softplus(x) }
}

/// Softplus by candle's own operations, for devices other than the CPU: max(x, 0) + log(1 + exp(-|x|)).
fn stock_softplus(x: &Tensor) -> Result<Tensor> {
    x.relu()? + (x.abs()?.neg()?.exp()? + 1.0)?.log()?
}

/// Sigmoid, 1 / (1 + exp(-x)), element by element. It turns a logit into the discriminator's probability D.
///
/// # Errors
/// When a tensor operation fails.
pub fn sigmoid(x: &Tensor) -> Result<Tensor> {
    (x.neg()?.exp()? + 1.0)?.recip()
}

struct Softplus;

impl CustomOp1 for Softplus {
    fn name(&self) -> &'static str {
        "softplus"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = floats(x, layout, self.name())?;
        let y = x.iter().map(|x| x.max(0.0) + (-x.abs()).exp().ln_1p()).collect();
        Ok((CpuStorage::F32(y), layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        grad.mul(&sigmoid(&x.detach())?).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};

    use super::*;

    /// Real logits; then fake logits and the real label.
    const REAL: [f32; 3] = [2.0, -1.0, 0.5];
    const FAKE: [f32; 3] = [-3.0, 0.25, 1.5];
    const LABEL: f64 = 0.9;

    // from math import log, exp
    // sp = lambda x: max(x, 0) + log(1 + exp(-abs(x)))
    // R, F, t = [2, -1, .5], [-3, .25, 1.5], .9
    // mean = lambda v: sum(v) / len(v)
    // print(mean([t*sp(-r) + (1-t)*sp(r) for r in R]) + mean([sp(f) for f in F]))
    // print(-mean([sp(f) for f in F]), mean([sp(-f) for f in F]))
    // print(.5 * (mean([(r-t)**2 for r in R]) + mean([f*f for f in F])), .5 * mean([(f-1)**2 for f in F]))
    // print(mean([max(t-r, 0) for r in R]) + mean([max(1+f, 0) for f in F]), -mean(F))
    const EXPECTED: [(Loss, f32, f32); 4] = [
        (Loss::Minimax, 1.546_735_6, -0.858_646_7),
        (Loss::NonSaturating, 1.546_735_6, 1.275_313_3),
        (Loss::LeastSquares, 2.715_416_7, 2.802_083_3),
        (Loss::Hinge, 2.016_666_7, 0.416_666_7),
    ];

    fn scalar(x: &Tensor) -> f32 {
        x.to_scalar().unwrap()
    }

    #[test]
    fn losses_are_those_of_the_script_above() {
        let (real, fake) = (Tensor::new(&REAL, &Device::Cpu).unwrap(), Tensor::new(&FAKE, &Device::Cpu).unwrap());
        for (loss, discriminator, generator) in EXPECTED {
            assert!(
                (scalar(&loss.discriminator(&real, &fake, LABEL).unwrap()) - discriminator).abs() < 1e-6,
                "{loss:?}"
            );
            assert!((scalar(&loss.generator(&fake).unwrap()) - generator).abs() < 1e-6, "{loss:?}");
        }
    }

    #[test]
    fn softplus_is_the_same_on_candles_own_operations() {
        let x = Var::new(&[-100.0f32, -3.0, -0.1, 0.1, 2.0, 100.0], &Device::Cpu).unwrap().into_inner();
        let [ours, theirs] = [softplus(&x).unwrap(), stock_softplus(&x).unwrap()].map(|y| {
            let gradients = y.sum_all().unwrap().backward().unwrap();
            [y.to_vec1::<f32>().unwrap(), gradients.get(&x).unwrap().to_vec1().unwrap()].concat()
        });
        assert!(ours.iter().zip(&theirs).all(|(a, b)| (a - b).abs() < 1e-6), "{ours:?} is not {theirs:?}");
    }

    #[test]
    fn a_sure_discriminator_gives_finite_losses_and_gradients() {
        for (loss, _, _) in EXPECTED {
            for logit in [-100.0f32, -1.0, 0.0, 1.0, 100.0] {
                let logits = Var::new(&[logit], &Device::Cpu).unwrap().into_inner();
                for value in [loss.discriminator(&logits, &logits, 1.0).unwrap(), loss.generator(&logits).unwrap()] {
                    assert!(scalar(&value).is_finite(), "{loss:?} at {logit}");
                    let gradients = value.backward().unwrap();
                    let gradient = gradients.get(&logits).unwrap().to_vec1::<f32>().unwrap()[0];
                    assert!(gradient.is_finite(), "{loss:?}: gradient {gradient} at {logit}");
                }
            }
        }
    }

    #[test]
    fn the_saturating_generator_learns_nothing_from_a_sure_discriminator_and_the_other_does() {
        let gradient = |loss: Loss| {
            let logit = Var::new(&[-20.0f32], &Device::Cpu).unwrap().into_inner();
            let gradients = loss.generator(&logit).unwrap().backward().unwrap();
            gradients.get(&logit).unwrap().to_vec1::<f32>().unwrap()[0]
        };
        assert!(gradient(Loss::Minimax).abs() < 1e-8);
        assert!((gradient(Loss::NonSaturating) + 1.0).abs() < 1e-6);
    }

    #[test]
    fn smoothing_leaves_the_fake_term_alone() {
        let (none, logits) = (
            Tensor::zeros(1, candle_core::DType::F32, &Device::Cpu).unwrap(),
            Tensor::new(&FAKE, &Device::Cpu).unwrap(),
        );
        for (loss, _, _) in EXPECTED {
            let fake_term = |label| {
                let with = scalar(&loss.discriminator(&none, &logits, label).unwrap());
                with - scalar(&loss.discriminator(&none, &none, label).unwrap())
            };
            assert!((fake_term(0.9) - fake_term(1.0)).abs() < 1e-6, "{loss:?}");
        }
    }
}
