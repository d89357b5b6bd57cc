//! What is always seen of a picture, whatever is learned: maps of its channels go in, maps of the senses come out.
//!
//! The hand statistics are moments of a few fixed maps: greys beyond some levels, what is left after smoothing. Given as maps, with their
//! moments as features, they reach the network too, which can look further into them. And a picture is seen beside what genuine pictures
//! can be made up of: what their principal components cannot draw of it stands out, be it no larger than a serif.

use candle_core::{DType, Device, Result, Tensor};

use crate::net::{Activation, Block, Layer, Map, Network, Window};
use crate::stream::stream;
use crate::subspace::Subspace;

/// Keeps a map's sides.
const SAME: Window = Window { kernel: 3, stride: 1, padding: 1 };
/// Greys, 0..1, at which a sense bends.
const LEVELS: [f32; 4] = [0.1, 0.35, 0.65, 0.9];
/// What smoothing over 3x3 pixels leaves.
const HIGH_PASS: [f32; 9] = [-0.25, -0.5, -0.25, -0.5, 3.0, -0.5, -0.25, -0.5, -0.25];
/// What each channel adds to the grey picture, BT.601, and the one channel of a grey picture.
const LUMA: [f32; 3] = [0.299, 0.587, 0.114];
/// What the components cannot draw is faint, and seen this much stronger.
pub(crate) const GAIN: f64 = 3.0;

/// How many senses a picture of so many channels has: each channel itself; of the grey picture what smoothing leaves, as it is and
/// negated, and itself bent at each level; what the genuine pictures' components draw of it, and what they leave.
pub(super) fn count(channels: usize) -> usize {
    fixed(channels) + 2
}

/// Those of them that are the same whatever the genuine pictures are.
fn fixed(channels: usize) -> usize {
    channels + 2 + LEVELS.len()
}

/// What each channel of a picture adds to its grey.
pub(crate) fn luma(channels: usize) -> &'static [f32] {
    if channels == 1 { &[1.0] } else { &LUMA }
}

/// Pixels for each component: with fewer the components draw what is unusual too.
const PIXELS: usize = 9;
/// Most numbers in them, so that a bundle stays a few megabytes.
const NUMBERS: usize = 600_000;
/// Fewest genuine rows for each component: with fewer, those it was fitted to look more genuine than others.
const ROWS: usize = 16;
/// Most numbers in the rows that are looked at for them.
const LOOKED_AT: usize = 1 << 25;

/// How many components there are for pictures of (channels, height, width).
fn components((_, height, width): (usize, usize, usize)) -> usize {
    let area = height * width;
    (area / PIXELS).min(NUMBERS / area).max(1)
}

/// How many genuine rows of a shape are worth looking at.
pub(super) fn wanted(shape: (usize, usize, usize)) -> usize {
    (LOOKED_AT / (shape.0 * shape.1 * shape.2)).min(2 * ROWS * components(shape))
}

/// What is always seen of a picture.
#[derive(Clone, Debug)]
pub(super) struct Senses {
    fixed: Network,
    /// Of the genuine rows' greys.
    pub genuine: Subspace,
}

impl Senses {
    /// With nothing known of the genuine: its components draw nothing. With `only_picture` all fixed senses but the channels are numb.
    pub(super) fn blank(shape: (usize, usize, usize), only_picture: bool) -> Result<Self> {
        let size = shape.1 * shape.2;
        let nothing = |dims| Tensor::zeros(dims, DType::F32, &Device::Cpu);
        let genuine = Subspace { mean: nothing((1, size))?, components: nothing((size, components(shape)))? };
        Ok(Self { fixed: senses(shape.0, only_picture)?, genuine })
    }

    /// Looks at genuine pictures [N, H, W, C] in -1..1.
    pub(super) fn look_at(&mut self, genuine: &Tensor, seed: u64) -> Result<()> {
        let rows = grey(genuine)?;
        let (size, all) = self.genuine.components.dims2()?;
        let some = (rows.dim(0)? / ROWS).clamp(1, all).min(size);
        let found = Subspace::of(&rows, some, &mut stream(seed, "detective components", 0))?;
        let none = Tensor::zeros((size, all - some), DType::F32, &Device::Cpu)?;
        self.genuine = Subspace { mean: found.mean, components: Tensor::cat(&[&found.components, &none], 1)? };
        Ok(())
    }

    /// Maps [B, H, W, S] of pictures [B, H, W, C] in -1..1.
    pub(super) fn maps(&self, pictures: &Tensor) -> Result<Tensor> {
        let (batch, height, width, _) = pictures.dims4()?;
        let fixed = self.fixed.forward(pictures, &mut stream(0, "no dropout", 0))?.output;
        let [drawn, left] = beside(&self.genuine, &grey(pictures)?)?.map(|map| map.reshape((batch, height, width, 1)));
        Tensor::cat(&[&fixed, &drawn?, &left?], 3)?.detach().contiguous()
    }

    /// Its fixed layers in the form that travels.
    pub(super) fn layers(&self) -> Result<Vec<Layer>> {
        self.fixed.layers()
    }
}

/// The greys of pictures [B, H, W, C]: [B, HW].
fn grey(pictures: &Tensor) -> Result<Tensor> {
    let (batch, height, width, channels) = pictures.dims4()?;
    let luma = Tensor::new(luma(channels), &Device::Cpu)?.unsqueeze(1)?; // [C, 1]
    pictures.detach().contiguous()?.reshape(((), channels))?.matmul(&luma)?.reshape((batch, height * width))
}

/// What the components draw of greys [N, HW], and what they leave, made stronger.
pub(super) fn beside(genuine: &Subspace, grey: &Tensor) -> Result<[Tensor; 2]> {
    let drawn = genuine.drawn(grey)?;
    let left = ((grey - &drawn)? * GAIN)?;
    Ok([drawn, left])
}

/// A frozen network from [B, H, W, C] in -1..1 to the fixed senses [B, H, W, S]. With `only_picture` all but the channels are numb.
fn senses(channels: usize, only_picture: bool) -> Result<Network> {
    let outputs = fixed(channels);
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

    #[test]
    fn a_plain_picture_has_only_its_tone() {
        for channels in [1, 3] {
            let grey = Tensor::full(0.4f32, (1, 5, 5, channels), &Device::Cpu).unwrap(); // 0.7 in 0..1
            let maps = senses(channels, false).unwrap().forward(&grey, &mut stream(0, "none", 0)).unwrap().output;
            assert_eq!(maps.dims(), [1, 5, 5, fixed(channels)]);
            let middle = maps.narrow(1, 2, 1).unwrap().narrow(2, 2, 1).unwrap();
            let pixel: Vec<f32> = middle.flatten_all().unwrap().to_vec1().unwrap();
            let expected = [vec![1.4; channels], vec![0.0, 0.0, 1.2, 0.7, 0.1, -0.08]].concat();
            assert!(pixel.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-5), "{pixel:?} is not {expected:?}");
        }
    }
}
