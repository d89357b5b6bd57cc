//! What is always seen of a picture, whatever is learned: maps of its channels go in, maps of the senses come out.
//!
//! The hand statistics are moments of a few fixed maps: greys beyond some levels, what is left after smoothing. Given as maps, with their
//! moments as features, they reach the network too, which can look further into them.

use candle_core::{Device, Result, Tensor};

use crate::net::{Activation, Block, Map, Network, Window};

/// Keeps a map's sides.
const SAME: Window = Window { kernel: 3, stride: 1, padding: 1 };
/// Greys, 0..1, at which a sense bends.
const LEVELS: [f32; 4] = [0.1, 0.35, 0.65, 0.9];
/// What smoothing over 3x3 pixels leaves.
const HIGH_PASS: [f32; 9] = [-0.25, -0.5, -0.25, -0.5, 3.0, -0.5, -0.25, -0.5, -0.25];
/// Senses of each channel: itself, what smoothing leaves as it is and negated, itself bent at each level.
pub(super) const SENSES: usize = 3 + LEVELS.len();

/// A frozen network from [B, H, W, C] in -1..1 to [B, H, W, 7C]. With `only_picture` the other senses are numb.
pub(super) fn senses(channels: usize, only_picture: bool) -> Result<Network> {
    let outputs = SENSES * channels;
    let (mut weight, mut bias) = (vec![0f32; 9 * channels * outputs], vec![0f32; outputs]); // [3, 3, C, 7C], [7C]
    for (output, bias) in bias.iter_mut().enumerate() {
        let (channel, sense) = (output / SENSES, output % SENSES);
        if only_picture && sense > 0 {
            continue;
        }
        for (place, high_pass) in HIGH_PASS.iter().enumerate() {
            weight[(place * channels + channel) * outputs + output] = match sense {
                1 => *high_pass,
                2 => -high_pass,
                _ if place == 4 => 1.0,
                _ => 0.0,
            };
        }
        *bias = match sense {
            0 => 1.0, // never negative, so never bent
            1 | 2 => 0.0,
            level => 1.0 - 2.0 * LEVELS[level - 3],
        };
    }
    let block = Block::new("senses", Map::Conv(channels, outputs, SAME), Activation::LeakyRelu(0.2));
    let weight = Tensor::from_vec(weight, (3, 3, channels, outputs), &Device::Cpu)?;
    let parameters = [
        ("senses.weight".to_owned(), weight),
        ("senses.bias".to_owned(), Tensor::from_vec(bias, outputs, &Device::Cpu)?),
    ];
    Ok(Network::new(vec![block], 0, "senses")?.with_parameters(&parameters.into())?.frozen())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::stream;

    #[test]
    fn a_plain_picture_has_only_its_tone() {
        let grey = Tensor::full(0.4f32, (1, 5, 5, 2), &Device::Cpu).unwrap(); // 0.7 in 0..1
        let maps = senses(2, false).unwrap().forward(&grey, &mut stream(0, "none", 0)).unwrap().output;
        assert_eq!(maps.dims(), [1, 5, 5, 2 * SENSES]);
        let middle = maps.narrow(1, 2, 1).unwrap().narrow(2, 2, 1).unwrap();
        let pixel: Vec<f32> = middle.flatten_all().unwrap().to_vec1().unwrap();
        let expected = [1.4, 0.0, 0.0, 1.2, 0.7, 0.1, -0.08];
        for (sense, found) in pixel.iter().enumerate() {
            assert!((found - expected[sense % SENSES]).abs() < 1e-5, "sense {sense} is {found}");
        }
    }
}
