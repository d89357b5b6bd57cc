//! The running average of a network's weights, which varies less than the weights of a single step.
//!
//! During training, a generator circles around its best; the average of its weights is near the middle (Yazıcı et
//! al., 1806.04498).

use candle_core::{CpuStorage, InplaceOp2, Layout, Result, bail};
use pulp::{Arch, Simd};
use rayon::prelude::*;

use super::floats::{floats, floats_mut};
use super::network::Network;

/// Updates every parameter of `average` in place: decay * average + (1 - decay) * current.
///
/// # Errors
/// When the networks do not have the same parameters.
pub fn moving_average(average: &Network, current: &Network, decay: f32) -> Result<()> {
    for (name, parameter) in average.parameters() {
        match current.parameters().get(name) {
            Some(current) if parameter.device().is_cpu() => parameter.inplace_op2(current, &Mix(decay))?,
            Some(current) => {
                let (old, new) = (parameter.detach().affine(f64::from(decay), 0.0)?, current.detach());
                parameter.slice_set(&(old + new.affine(f64::from(1.0 - decay), 0.0)?)?, 0, 0)?;
            }
            None => bail!("{name} is missing in the network to average"),
        }
    }
    Ok(())
}

struct Mix(f32);

#[pulp::with_simd(mix = Arch::new())]
#[inline(always)]
fn mix_with_simd<'a, S: Simd>(_: S, average: &'a mut [f32], current: &'a [f32], share: f32) {
    for (average, current) in average.iter_mut().zip(current) {
        *average += share * (current - *average);
    }
}

impl InplaceOp2 for Mix {
    fn name(&self) -> &'static str {
        "moving average"
    }

    fn cpu_fwd(
        &self,
        average: &mut CpuStorage,
        average_layout: &Layout,
        current: &CpuStorage,
        current_layout: &Layout,
    ) -> Result<()> {
        let average = floats_mut(average, average_layout, self.name())?;
        let current = floats(current, current_layout, self.name())?;
        if average.len() != current.len() {
            bail!("moving average of {} numbers over {}", current.len(), average.len());
        }
        let chunk = average.len().div_ceil(rayon::current_num_threads()).max(4096);
        average.par_chunks_mut(chunk).zip(current.par_chunks(chunk)).for_each(|(average, current)| {
            mix(average, current, 1.0 - self.0);
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::mlp;

    #[test]
    fn the_average_moves_by_its_share_and_the_current_weights_stay() {
        let [first, second] = ["a", "b"].map(|purpose| Network::new(mlp::generator(3, (1, 2, 2)), 1, purpose).unwrap());
        let average = first.with_parameters(first.parameters()).unwrap();
        moving_average(&average, &second, 0.75).unwrap();
        let value =
            |network: &Network| network.parameters()["2.weight"].flatten_all().unwrap().to_vec1::<f32>().unwrap()[7];
        let fresh = Network::new(mlp::generator(3, (1, 2, 2)), 1, "a").unwrap();
        assert!((value(&average) - (0.75 * value(&first) + 0.25 * value(&second))).abs() < 1e-6);
        assert!((value(&first) - value(&fresh)).abs() < f32::EPSILON);
    }
}
