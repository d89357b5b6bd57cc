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
/// What each channel adds to the grey picture, BT.601, and the one channel of a grey picture.
const LUMA: [f32; 3] = [0.299, 0.587, 0.114];

/// How many senses a picture of so many channels has: each channel itself; of the grey picture what smoothing leaves, as it is and
/// negated, and itself bent at each level.
pub(super) fn count(channels: usize) -> usize {
    channels + 2 + LEVELS.len()
}

/// What each channel of a picture adds to its grey.
pub(super) fn luma(channels: usize) -> &'static [f32] {
    if channels == 1 { &[1.0] } else { &LUMA }
}

/// A frozen network from [B, H, W, C] in -1..1 to [B, H, W, S]. With `only_picture` all senses but the channels are numb.
pub(super) fn senses(channels: usize, only_picture: bool) -> Result<Network> {
    let outputs = count(channels);
    let (mut weight, mut bias) = (vec![0f32; 9 * channels * outputs], vec![0f32; outputs]); // [3, 3, C, S], [S]
    for (sense, bias) in bias.iter_mut().enumerate() {
        if only_picture && sense >= channels {
            continue;
        }
        for (place, high_pass) in HIGH_PASS.iter().enumerate() {
            for channel in 0..channels {
                let grey = luma(channels)[channel];
                let centre = if place == 4 { 1.0 } else { 0.0 };
                weight[(place * channels + channel) * outputs + sense] = match sense.checked_sub(channels) {
                    None if sense == channel => centre,
                    None => 0.0,
                    Some(0) => grey * high_pass,
                    Some(1) => -grey * high_pass,
                    Some(_) => grey * centre,
                };
            }
        }
        *bias = match sense.checked_sub(channels) {
            None => 1.0, // never negative, so never bent
            Some(0 | 1) => 0.0,
            Some(level) => 1.0 - 2.0 * LEVELS[level - 2],
        };
    }
    let block = Block::new("senses", Map::Conv(channels, outputs, SAME), Activation::LeakyRelu(0.2));
    let weight = Tensor::from_vec(weight, (3, 3, channels, outputs), &Device::Cpu)?;
    let bias = Tensor::from_vec(bias, outputs, &Device::Cpu)?;
    let parameters = [("senses.weight".to_owned(), weight), ("senses.bias".to_owned(), bias)];
    Ok(Network::new(vec![block], 0, "senses")?.with_parameters(&parameters.into())?.frozen())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::stream;

    #[test]
    fn a_plain_picture_has_only_its_tone() {
        for channels in [1, 3] {
            let grey = Tensor::full(0.4f32, (1, 5, 5, channels), &Device::Cpu).unwrap(); // 0.7 in 0..1
            let maps = senses(channels, false).unwrap().forward(&grey, &mut stream(0, "none", 0)).unwrap().output;
            assert_eq!(maps.dims(), [1, 5, 5, count(channels)]);
            let middle = maps.narrow(1, 2, 1).unwrap().narrow(2, 2, 1).unwrap();
            let pixel: Vec<f32> = middle.flatten_all().unwrap().to_vec1().unwrap();
            let expected = [vec![1.4; channels], vec![0.0, 0.0, 1.2, 0.7, 0.1, -0.08]].concat();
            assert!(pixel.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-5), "{pixel:?} is not {expected:?}");
        }
    }
}
