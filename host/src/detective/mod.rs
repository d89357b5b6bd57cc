//! The detective: genuine and forged rows go in, a score that tells forgers it never met comes out.
//!
//! The game's own discriminator is a poor detector: at its end it knows one forger, the newest, and fluctuates from step to step (Zaheer
//! et al., 2004.07657). This network looks on while the game is played and learns genuine pictures from everything else there is:
//! the forger's work as it grows better, damaged genuine pictures (`negatives`) and known fakes. It judges by the running average of its
//! weights, so that a score does not depend on the step at which somebody stopped.

mod anatomy;
mod field;
mod genuine;
mod lines;
mod negatives;
mod onnx;
mod plane;
mod spectrum;
mod texture;
mod usual;

pub use anatomy::{Anatomy, Judged};
pub use negatives::negative;
pub use onnx::to_onnx;
pub use texture::MIN_SIDE;

use std::collections::BTreeMap;

use candle_core::{DType, Device, Result, Tensor};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::adam::{Adam, Moments};
use crate::loss::softplus;
use crate::net::{Activation, Block, Layer, Map, Network, Pass, Window, moving_average, with_floats};
use crate::stream::stream;
use genuine::Genuine;
use usual::Usual;

const LEAK: Activation = Activation::LeakyRelu(0.2);
/// Halves a map's sides.
const HALVING: Window = Window { kernel: 4, stride: 2, padding: 1 };
/// Sides at which halving stops.
const LAST_SIDE: usize = 4;
/// Features of the whole last map, which know where things are; and of the head's hidden layer, which is the embedding.
const HIDDEN: usize = 64;
/// Share of the hidden layer dropped while learning.
const DROPOUT: f32 = 0.2;
/// Share of the rows whose texture it does not feel while learning: what texture tells already, the trunk would never look for.
const NUMB: f64 = 0.3;
/// Adam's learning rate, that of the odds, whose one weight has further to go, and decays.
const RATE: f64 = 1e-3;
const ODDS_RATE: f64 = 2e-2;
const DECAYS: (f64, f64) = (0.9, 0.999);
/// How much of the odds is added to the logit: the head has heard of the usualness, too.
const HEARSAY: f64 = 0.5;
/// Decay a step of the running averages.
const AVERAGE: f64 = 0.999;
/// Genuine rows that set the scale of the features, as many as there are up to these.
const SCALING: usize = 512;
/// Most numbers in the genuine rows that a new detective is shown.
const SHOWN: usize = 1 << 25;
/// Rows that are looked at together then.
const TOGETHER: usize = 64;
/// Added to a feature's deviation among the genuine, so that one that hardly varies does not shout.
const QUIET: f64 = 0.02;

/// What each channel adds to the grey picture, BT.601.
const LUMA: [f32; 3] = [0.299, 0.587, 0.114];

/// What each channel of a picture of so many adds to its grey.
fn luma(channels: usize) -> &'static [f32] {
    if channels == 1 { &[1.0] } else { &LUMA }
}

/// A part of a detective, to be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// The forger's work.
    Forger,
    /// Damaged genuine pictures.
    Negatives,
    /// What the genuine pictures can be made up of.
    Genuine,
    /// The features of the whole last map.
    Whole,
    /// How usual a row is.
    Usual,
    /// The texture.
    Texture,
    /// The running average: it judges as it last was.
    Average,
}

/// A detective that learns.
#[derive(Debug)]
pub struct Detective {
    genuine: Genuine,
    usual: Usual,
    players: Players,
    /// The players' running average, which judges.
    average: Players,
    pub(crate) adams: [Adam; 3],
    /// Mean of each feature among the genuine before anything was learned, and the inverse of its deviation: [1, F] each.
    scale: [Tensor; 2],
    seed: u64,
    channels: usize,
    without: Vec<Part>,
}

/// The networks that learn.
#[derive(Clone, Debug)]
struct Players {
    /// Maps to features of the whole: [B, H, W, S] to [B, T].
    trunk: Network,
    /// Features [B, F] to logits [B, 1].
    head: Network,
    /// A row's usualness, scaled, to the logarithm of the odds that it is genuine, [B, 1] each: what that alone can say.
    odds: Network,
}

impl Players {
    /// Players with their first weights for rows of (channels, height, width).
    fn new(seed: u64, shape: (usize, usize, usize), width: usize) -> Result<Self> {
        let features = HIDDEN + 1 + texture::count(shape.0);
        let hidden = Block { dropout: DROPOUT, ..Block::new("0", Map::Linear(features, HIDDEN), LEAK) };
        let head = vec![hidden, Block::new("1", Map::Linear(HIDDEN, 1), Activation::None)];
        Ok(Self {
            trunk: Network::new(trunk(shape, width), seed, "detective trunk")?,
            head: Network::new(head, seed, "detective head")?,
            odds: odds(seed)?,
        })
    }

    fn copy(&self) -> Result<Self> {
        let copy = |network: &Network| network.to_device(&Device::Cpu);
        Ok(Self { trunk: copy(&self.trunk)?, head: copy(&self.head)?, odds: copy(&self.odds)? })
    }
}

/// Usualness [B, 1] to odds [B, 1], even at first.
fn odds(seed: u64) -> Result<Network> {
    let network = Network::new(vec![Block::new("0", Map::Linear(1, 1), Activation::None)], seed, "detective odds")?;
    let even = network.parameters().iter().map(|(name, weight)| Ok((name.clone(), weight.zeros_like()?)));
    network.with_parameters(&even.collect::<Result<_>>()?)
}

/// How many maps the trunk is shown of pictures of so many channels.
fn maps_seen(channels: usize) -> usize {
    channels + genuine::count(channels)
}

/// Convolutions that halve the sides and double the channels, `width` of them after the first, until no side is above 4; then the whole.
fn trunk((channels, height, side): (usize, usize, usize), width: usize) -> Vec<Block> {
    let (mut blocks, mut inputs, mut outputs, mut sides) = (Vec::new(), maps_seen(channels), width, (height, side));
    while sides.0.max(sides.1) > LAST_SIDE {
        blocks.push(Block::new(&blocks.len().to_string(), Map::Conv(inputs, outputs, HALVING), LEAK));
        (inputs, outputs, sides) = (outputs, outputs * 2, (HALVING.small(sides.0), HALVING.small(sides.1)));
    }
    blocks.push(Block::new(&blocks.len().to_string(), Map::Collapse((inputs, sides.0, sides.1), HIDDEN), LEAK));
    blocks
}

impl Detective {
    /// How many genuine pictures, of so many regions of a shape each, it is worth showing to a new one.
    #[must_use]
    pub fn wanted(regions: usize, shape: (usize, usize, usize)) -> usize {
        let wanted = genuine::wanted(shape).div_ceil(regions).max(usual::WANTED).max(SCALING);
        wanted.min(SHOWN / (regions * shape.0 * shape.1 * shape.2)).max(1)
    }

    /// A detective that has learned nothing yet, for rows of (channels, height, width). It has seen what the `genuine` [N, H, W, C] in -1..1,
    /// each picture's `regions` rows next to each other, are made up of and what is usual in them; some of them set the scale of what it sees.
    pub fn new(
        seed: u64,
        shape: (usize, usize, usize),
        width: usize,
        without: &[Part],
        (genuine, regions): (&Tensor, usize),
    ) -> Result<Self> {
        let mut detective = Self::blank(seed, shape, width, without, regions)?;
        if !without.contains(&Part::Genuine) {
            detective.genuine.look_at(genuine, seed)?;
        }
        if !without.contains(&Part::Usual) {
            detective.usual.look_at(genuine)?;
        }
        let features =
            by_parts(genuine, SCALING, |some| Ok(detective.see(&detective.players.trunk, some)?.0.detach()))?;
        let features = features.to_dtype(DType::F64)?;
        let mean = features.mean_keepdim(0)?;
        let deviation = features.broadcast_sub(&mean)?.sqr()?.mean_keepdim(0)?.sqrt()?;
        let mut inverse = (deviation + QUIET)?.recip()?.to_dtype(DType::F32)?;
        let texture = texture::count(shape.0);
        let blocks = [(Part::Whole, HIDDEN), (Part::Usual, 1), (Part::Texture, texture)];
        let kept = blocks.iter().flat_map(|(part, length)| vec![f32::from(!without.contains(part)); *length]);
        inverse = inverse.broadcast_mul(&Tensor::from_iter(kept, &Device::Cpu)?)?;
        detective.scale = [mean.to_dtype(DType::F32)?, inverse];
        Ok(detective)
    }

    /// One with its first weights and no scale yet, for a checkpoint to fill.
    pub(crate) fn blank(
        seed: u64,
        shape: (usize, usize, usize),
        width: usize,
        without: &[Part],
        regions: usize,
    ) -> Result<Self> {
        let players = Players::new(seed, shape, width)?;
        let features = players.head.parameters()["0.weight"].dim(0)?;
        let blank = Tensor::ones((1, features), DType::F32, &Device::Cpu)?;
        let adam = |network: &Network, rate| Adam::new(network.parameters(), rate, DECAYS.0, DECAYS.1);
        Ok(Self {
            genuine: Genuine::unknown(shape)?,
            usual: Usual::unknown(regions, shape)?,
            average: players.copy()?,
            adams: [adam(&players.trunk, RATE), adam(&players.head, RATE), adam(&players.odds, ODDS_RATE)],
            players,
            scale: [blank.clone(), blank],
            seed,
            channels: shape.0,
            without: without.to_vec(),
        })
    }

    /// Its networks by name: each as it learns, and its average.
    pub(crate) fn parts(&self) -> [(&'static str, [&Network; 2]); 3] {
        let Self { players, average, .. } = self;
        [
            ("trunk", [&players.trunk, &average.trunk]),
            ("head", [&players.head, &average.head]),
            ("odds", [&players.odds, &average.odds]),
        ]
    }

    /// Its constants by name: what the genuine are made up of, what is usual in them, and the scale of the features.
    pub(crate) fn constants(&self) -> impl Iterator<Item = (String, &Tensor)> {
        let [mean, inverse] = &self.scale;
        self.genuine
            .constants()
            .chain(self.usual.constants())
            .chain([("mean".to_owned(), mean), ("inverse".to_owned(), inverse)])
    }

    /// The same, to be filled.
    pub(crate) fn constants_mut(&mut self) -> impl Iterator<Item = (String, &mut Tensor)> {
        let [mean, inverse] = &mut self.scale;
        self.genuine
            .constants_mut()
            .chain(self.usual.constants_mut())
            .chain([("mean".to_owned(), mean), ("inverse".to_owned(), inverse)])
    }

    /// Takes weights, averages and moments for its parts, in their order, as many updates old as `step`.
    pub(crate) fn fill(&mut self, step: u64, parts: Vec<(Network, Network, BTreeMap<String, Moments>)>) {
        let Self { players, average, adams, .. } = self;
        let players = [&mut players.trunk, &mut players.head, &mut players.odds];
        let averages = [&mut average.trunk, &mut average.head, &mut average.odds];
        for ((part, adam), (player, average)) in parts.into_iter().zip(adams).zip(players.into_iter().zip(averages)) {
            (*player, *average) = (part.0, part.1);
            adam.resume(step, part.2);
        }
    }

    /// All that the trunk is shown of pictures [B, H, W, C] in -1..1, which come first of it: [B, H, W, S].
    fn maps(&self, pictures: &Tensor) -> Result<Tensor> {
        let beside = self.genuine.beside(&pictures.detach().permute((0, 3, 1, 2))?.contiguous()?)?;
        woven(&pictures.contiguous()?, &beside.contiguous()?)
    }

    /// Features [B, F] of pictures [B, H, W, C] in -1..1, not yet scaled, and the trunk's pass.
    fn see(&self, trunk: &Network, pictures: &Tensor) -> Result<(Tensor, Pass)> {
        let seen = trunk.forward(&self.maps(pictures)?, &mut stream(0, "no dropout", 0))?;
        let (usualness, texture) = (self.usual.of_rows(&pictures.detach())?, texture::texture(pictures)?);
        Ok((Tensor::cat(&[&seen.output, &usualness, &texture], 1)?, seen))
    }

    /// Learns from rows [B, H, W, C] in -1..1 each: genuine ones, forged ones, and known fakes, each picture's `regions` rows next to each
    /// other. Gives the loss: the cross-entropy of genuine and of forged added.
    ///
    /// Of a known fake only the picture is known to be one, not which of its regions gives it away: it counts by its least genuine.
    pub fn learn(&mut self, genuine: &Tensor, forged: &Tensor, known: Option<(&Tensor, usize)>) -> Result<f32> {
        let step = self.adams[0].step;
        let exhibits: Vec<&Tensor> = [genuine, forged].into_iter().chain(known.map(|(rows, _)| rows)).collect();
        let (features, seen) = self.see(&self.players.trunk, &Tensor::cat(&exhibits, 0)?)?;
        let features = self.scaled(&features)?;
        let own = self.usualness_of(&features)?;
        let features =
            numbed(&features, texture::count(self.channels), &mut stream(self.seed, "detective numbness", step))?;
        let told = self.players.head.forward(&features, &mut stream(self.seed, "detective dropout", step))?;
        let odds = self.players.odds.forward(&own, &mut stream(0, "no dropout", 0))?;
        let (first, second) = (genuine.dim(0)?, forged.dim(0)?);
        let loss = |logits: &Tensor| {
            let on_genuine = logits.narrow(0, 0, first)?;
            let mut on_forged = vec![softplus(&logits.narrow(0, first, second)?)?];
            if let Some((rows, regions)) = known {
                let logits = logits.narrow(0, first + second, rows.dim(0)?)?.reshape(((), regions))?;
                on_forged.push(softplus(&logits.min_keepdim(1)?)?);
            }
            softplus(&on_genuine.neg()?)?.mean_all()? + Tensor::cat(&on_forged, 0)?.mean_all()?
        };
        // Each learns alone: what one knows already the other has to know too.
        let (loss, alone) = (loss(&told.output)?, loss(&odds.output)?);
        let store = (&loss + alone)?.backward()?;
        let [trunk, head, weight] = &mut self.adams;
        trunk.update(self.players.trunk.parameters(), &seen.gradients(&store))?;
        head.update(self.players.head.parameters(), &told.gradients(&store))?;
        weight.update(self.players.odds.parameters(), &odds.gradients(&store))?;
        let age = step as f64 + 1.0;
        let most = if self.without.contains(&Part::Average) { 0.0 } else { AVERAGE };
        let decay = most.min((1.0 + age) / (10.0 + age)) as f32;
        for (_, [player, average]) in self.parts() {
            moving_average(average, player, decay)?;
        }
        loss.to_scalar()
    }

    /// Features as they are held to the genuine's.
    fn scaled(&self, features: &Tensor) -> Result<Tensor> {
        features.broadcast_sub(&self.scale[0])?.broadcast_mul(&self.scale[1])
    }

    /// Of scaled features [B, F] the usualness, [B, 1].
    fn usualness_of(&self, features: &Tensor) -> Result<Tensor> {
        features.narrow(1, features.dim(1)? - texture::count(self.channels) - 1, 1)?.contiguous()
    }

    /// How genuine its average finds rows [B, H, W, C] in -1..1, whatever pictures they are of.
    pub(crate) fn logits(&self, pictures: &Tensor) -> Result<Vec<f32>> {
        let (features, _) = self.see(&self.average.trunk.frozen(), pictures)?;
        let features = self.scaled(&features)?;
        let Players { head, odds, .. } = &self.average;
        let say = |network: &Network, of: &Tensor| -> Result<Tensor> {
            Ok(network.frozen().without_dropout().forward(of, &mut stream(0, "no dropout", 0))?.output)
        };
        let odds = (say(odds, &self.usualness_of(&features)?)? * HEARSAY)?;
        (say(head, &features)? + odds)?.flatten_all()?.to_vec1()
    }

    /// What judges, in the form that travels.
    pub fn anatomy(&self) -> Result<Anatomy> {
        let [mean, inverse] = &self.scale;
        Ok(Anatomy {
            genuine: self.genuine.clone(),
            usual: self.usual.clone(),
            trunk: shortened(&self.average.trunk, 1.0)?,
            mean: mean.clone(),
            inverse: inverse.clone(),
            head: shortened(&self.average.head, 1.0)?,
            odds: shortened(&self.average.odds, HEARSAY)?,
        })
    }
}

/// Maps [B, H, W, S] and more of them, [B, M, H, W], as [B, H, W, S + M].
fn woven(maps: &Tensor, more: &Tensor) -> Result<Tensor> {
    let (batch, height, width, some) = maps.dims4()?;
    let (others, area) = (more.dim(1)?, height * width);
    let all = some + others;
    let mut woven = vec![0f32; batch * area * all];
    with_floats(maps, "weaving", |maps| {
        with_floats(more, "weaving", |more| {
            let pictures = woven.par_chunks_mut(area * all).zip(maps.par_chunks(area * some));
            pictures.zip(more.par_chunks(area * others)).for_each(|((woven, maps), more)| {
                for (pixel, (woven, maps)) in woven.chunks_exact_mut(all).zip(maps.chunks_exact(some)).enumerate() {
                    woven[..some].copy_from_slice(maps);
                    woven[some..].iter_mut().zip(more[pixel..].iter().step_by(area)).for_each(|(to, x)| *to = *x);
                }
            });
        })
    })??;
    Tensor::from_vec(woven, (batch, height, width, all), &Device::Cpu)
}

/// What is seen of the first rows of pictures [N, H, W, C], up to so many, some of them at a time: [N, F].
fn by_parts(pictures: &Tensor, most: usize, see: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
    let rows = pictures.dim(0)?.min(most);
    let parts = (0..rows).step_by(TOGETHER).map(|first| see(&pictures.narrow(0, first, TOGETHER.min(rows - first))?));
    Tensor::cat(&parts.collect::<Result<Vec<_>>>()?, 0)
}

/// A tensor's numbers with no more digits than float16 has, so that they travel in half the space.
fn short(tensor: &Tensor) -> Result<Tensor> {
    tensor.to_dtype(DType::F16)?.to_dtype(DType::F32)
}

/// A network with short weights and those only a `share` as large.
fn shortened(network: &Network, share: f64) -> Result<Vec<Layer>> {
    let weights = network.parameters().iter().map(|(name, weight)| Ok((name.clone(), short(&(weight * share)?)?)));
    network.with_parameters(&weights.collect::<Result<_>>()?)?.layers()
}

/// Features [B, F] with the texture, which is the last of them, taken from some rows.
fn numbed(features: &Tensor, texture: usize, rng: &mut ChaCha8Rng) -> Result<Tensor> {
    let (rows, all) = features.dims2()?;
    let felt = (0..rows).map(|_| if rng.random_bool(NUMB) { 0f32 } else { 1.0 });
    let felt = Tensor::from_iter(felt, &Device::Cpu)?.unsqueeze(1)?; // [B, 1]
    let seen = all - texture;
    let texture = features.narrow(1, seen, texture)?.broadcast_mul(&felt)?;
    Tensor::cat(&[&features.narrow(1, 0, seen)?, &texture], 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::normal;

    fn draws(purpose: &str, dims: [usize; 4]) -> Tensor {
        let numbers = normal(&mut stream(4, purpose, 0), dims.iter().product());
        Tensor::from_vec(numbers, &dims, &Device::Cpu).unwrap()
    }

    #[test]
    fn it_learns_texture_and_judges_by_its_average() {
        // Genuine is smooth, forged has grain.
        let plain = draws("plain", [16, 1, 1, 1]).broadcast_as((16, 16, 16, 1)).unwrap().tanh().unwrap();
        let grain = (draws("grain", [16, 16, 16, 1]) * 0.3).unwrap();
        let forged = (&plain + grain).unwrap();
        let mut detective = Detective::new(1, (1, 16, 16), 4, &[], (&plain, 1)).unwrap();
        let first = detective.learn(&plain, &forged, None).unwrap();
        let last = (0..60).map(|_| detective.learn(&plain, &forged, None).unwrap()).last().unwrap();
        assert!(last < 0.5 * first, "{first} became {last}");
        let anatomy = detective.anatomy().unwrap();
        let logits =
            |x: &Tensor| anatomy.judge(&x.permute((0, 3, 1, 2)).unwrap()).unwrap().logit.to_vec1::<f32>().unwrap();
        let (low, high) = (logits(&forged), logits(&plain));
        let highest = low.iter().copied().fold(f32::MIN, f32::max);
        assert!(high.iter().all(|x| *x > highest), "{high:?} against {low:?}");
    }
}
