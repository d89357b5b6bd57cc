//! The detector that is trained beside the GAN. It learns to tell genuine pictures from everything else, and is
//! used against counterfeits that it did not see in training.
//!
//! The GAN's own discriminator is a poor detector: at the end of training it is fitted only to the newest generator,
//! and its scores fluctuate from step to step (Zaheer et al., 2004.07657). This detector is trained beside the GAN on
//! the generator's pictures as they improve, on damaged genuine pictures (`augment`) and on known fakes. Its scores
//! come from the running average of its weights, so that they do not depend on the step at which training was stopped.

mod features;
mod inference;

pub use features::texture::MIN_SIDE;
pub use inference::{Beside, DetectorOutput, InferenceModel};

use std::collections::BTreeMap;

use candle_core::{DType, Device, Result, Tensor};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::appearance::{Appearance, Camera};
use super::{FitData, Kind, Recipe, Training};
use crate::data::{DefaultSize, InputDefaults};
use crate::math::random::stream;
use crate::nn::adam::{Adam, AdamState};
use crate::nn::loss::softplus;
use crate::nn::{Activation, Block, Layer, LinearOp, Net, Network, Pass, Window, moving_average, with_floats};
use crate::onnx::{Eager, Ops};
use features::pca::{self, PcaFeatures};
use features::{Features, Input, typicality};

const LEAKY_RELU: Activation = Activation::LeakyRelu(0.2);
/// The window of a convolution that halves a map's sides.
const HALVING: Window = Window { kernel: 4, stride: 2, padding: 1 };
/// Side in pixels at which halving stops.
const LAST_SIDE: usize = 4;
/// Length of the trunk's features, which depend on position, and of the head's hidden layer, which is the embedding.
const HIDDEN: usize = 64;
/// Dropout probability of the head's hidden layer in training.
const DROPOUT: f32 = 0.2;
/// Adam's learning rate for trunk and head.
const RATE: f64 = 1e-3;
/// Adam's learning rate for the typicality head, whose one weight has further to go.
const TYPICALITY_RATE: f64 = 2e-2;
/// Decays of Adam's two moments.
const DECAYS: (f64, f64) = (0.9, 0.999);
/// Weight of the typicality head's output in the score; the typicality is among the head's features, too.
const TYPICALITY_WEIGHT: f64 = 0.5;
/// Decay per step of the running averages of the weights.
const AVERAGE: f64 = 0.999;
/// Most genuine rows from which the scale of the features is computed.
const SCALING: usize = 512;
/// Most numbers in the genuine rows to which a new detector is fitted.
const MAX_FIT_VALUES: usize = 1 << 25;
/// Number of rows whose features are computed at a time during fitting.
const CHUNK_ROWS: usize = 64;
/// Added to each feature's standard deviation over genuine rows, so that a near-constant feature is not scaled up
/// without bound.
const SCALE_EPSILON: f64 = 0.02;

/// Default side of a row, in pixels.
const SIDE: u32 = 32;
/// Largest area of the picture that the appearance beside the detective sees, in pixels.
const AREA: u32 = 192 * 192;

/// The recipe of the kinds with a GAN: the detector is a [`Detective`] trained beside the GAN, or the GAN's own
/// discriminator.
#[derive(Clone, Copy, Debug)]
pub struct Gan(pub Net);

impl Recipe for Gan {
    fn input(&self) -> InputDefaults {
        let size = match self.0 {
            Net::Mlp => DefaultSize::Fixed([SIDE; 2]),
            Net::Dcgan => DefaultSize::Detailed { side: SIDE, area: AREA },
        };
        InputDefaults { size, color: None, resize: None, data_set: true }
    }

    fn fit_beside(&self, pictures: &FitData, camera: Camera, seed: u64) -> anyhow::Result<Option<Vec<u8>>> {
        let appearance = Appearance::fit(pictures.genuine, pictures.groups, camera, seed)?;
        Ok(Some(appearance.to_bytes()?))
    }

    fn training(&self) -> Training {
        Training::Gan(self.0)
    }

    fn fit(&self, _: &FitData) -> anyhow::Result<Vec<u8>> {
        anyhow::bail!("--net {}: a GAN is trained, not fitted", Kind::from(self.0))
    }
}

/// A part of a [`Detective`] or of its training data, to be left out in an ablation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// The generator's pictures in the training data.
    Forger,
    /// The damaged genuine pictures in the training data.
    Negatives,
    /// The reconstructions and residuals by principal components.
    Genuine,
    /// The features of the trunk.
    Whole,
    /// The typicality of a row.
    Usual,
    /// The texture features.
    Texture,
    /// The running average of the weights; without it, the newest weights are used.
    Average,
}

/// A detector in training.
#[derive(Debug)]
pub struct Detective {
    /// Channels, height and width of a row.
    shape: (usize, usize, usize),
    pca: PcaFeatures,
    features: Features,
    networks: Networks,
    /// The running average of the networks, which gives the scores.
    average: Networks,
    pub(crate) adams: [Adam; 3],
    /// Mean of each feature over genuine rows before training, and the inverse of its standard deviation: [1, F] each.
    scale: [Tensor; 2],
    seed: u64,
    without: Vec<Part>,
}

/// The networks that are trained.
#[derive(Clone, Debug)]
struct Networks {
    /// Maps [B, H, W, S] to features [B, HIDDEN] of the whole row.
    trunk: Network,
    /// Features [B, F] to logits [B, 1].
    head: Network,
    /// Scaled typicality [B, 1] to the logarithm of the odds that the row is genuine [B, 1], from that feature alone.
    typicality: Network,
}

impl Networks {
    /// Networks with their initial weights, for rows of `shape` and feature vectors of `features` numbers.
    fn new(seed: u64, shape: (usize, usize, usize), width: usize, features: usize) -> Result<Self> {
        let hidden = Block { dropout: DROPOUT, ..Block::new("0", LinearOp::Linear(features, HIDDEN), LEAKY_RELU) };
        let head = vec![hidden, Block::new("1", LinearOp::Linear(HIDDEN, 1), Activation::None)];
        Ok(Self {
            trunk: Network::new(trunk(shape, width), seed, "detective trunk")?,
            head: Network::new(head, seed, "detective head")?,
            typicality: typicality_head(seed)?,
        })
    }

    fn copy(&self) -> Result<Self> {
        let copy = |network: &Network| network.to_device(&Device::Cpu);
        Ok(Self { trunk: copy(&self.trunk)?, head: copy(&self.head)?, typicality: copy(&self.typicality)? })
    }
}

/// The network from typicality [B, 1] to log odds [B, 1]; its weights are zero at first.
fn typicality_head(seed: u64) -> Result<Network> {
    let network =
        Network::new(vec![Block::new("0", LinearOp::Linear(1, 1), Activation::None)], seed, "detective odds")?;
    let even = network.parameters().iter().map(|(name, weight)| Ok((name.clone(), weight.zeros_like()?)));
    network.with_parameters(&even.collect::<Result<_>>()?)
}

/// Convolutions that halve the sides and double the channels, with `width` channels after the first, until no side
/// is above 4; then one layer over the whole map.
fn trunk((channels, height, side): (usize, usize, usize), width: usize) -> Vec<Block> {
    let inputs = channels + pca::count(channels);
    let (mut blocks, mut inputs, mut outputs, mut sides) = (Vec::new(), inputs, width, (height, side));
    while sides.0.max(sides.1) > LAST_SIDE {
        blocks.push(Block::new(&blocks.len().to_string(), LinearOp::Conv(inputs, outputs, HALVING), LEAKY_RELU));
        (inputs, outputs, sides) = (outputs, outputs * 2, (HALVING.small(sides.0), HALVING.small(sides.1)));
    }
    blocks.push(Block::new(
        &blocks.len().to_string(),
        LinearOp::FlattenLinear((inputs, sides.0, sides.1), HIDDEN),
        LEAKY_RELU,
    ));
    blocks
}

impl Detective {
    /// The number of genuine pictures, of `regions` rows of `shape` each, that is worth fitting a new detector to.
    #[must_use]
    pub fn wanted(regions: usize, shape: (usize, usize, usize)) -> usize {
        let wanted = pca::wanted(shape).div_ceil(regions).max(typicality::WANTED).max(SCALING);
        wanted.min(MAX_FIT_VALUES / (regions * shape.0 * shape.1 * shape.2)).max(1)
    }

    /// Creates an untrained detector for rows of `shape` (channels, height, width), with `width` channels after the
    /// trunk's first convolution and without the given parts. Its computed features are fitted to `genuine` rows
    /// `[N, H, W, C]` in -1..1, where the `regions` rows of each picture are adjacent. The first of these rows set
    /// the scale of the feature vector.
    ///
    /// # Errors
    /// When the rows do not fit the shape.
    pub fn new(
        seed: u64,
        shape: (usize, usize, usize),
        width: usize,
        without: &[Part],
        (genuine, regions): (&Tensor, usize),
    ) -> Result<Self> {
        let mut detective = Self::blank(seed, shape, width, without, regions)?;
        let rows = nchw(genuine)?;
        if !without.contains(&Part::Genuine) {
            detective.pca.fit(&rows, seed)?;
        }
        detective.features.fit(&rows, without)?;
        let features =
            by_chunks(genuine, SCALING, |some| Ok(detective.see(&detective.networks.trunk, some)?.0.detach()))?;
        let features = features.to_dtype(DType::F64)?;
        let mean = features.mean_keepdim(0)?;
        let deviation = features.broadcast_sub(&mean)?.sqr()?.mean_keepdim(0)?.sqrt()?;
        let mut inverse = (deviation + SCALE_EPSILON)?.recip()?.to_dtype(DType::F32)?;
        let ranges = detective.features.ranges(HIDDEN).map(|(feature, range)| (feature.part(), range));
        let mut kept = vec![1f32; features.dim(1)?];
        for (_, range) in ranges.chain([(Part::Whole, 0..HIDDEN)]).filter(|(part, _)| without.contains(part)) {
            kept[range].fill(0.0);
        }
        inverse = inverse.broadcast_mul(&Tensor::new(kept, &Device::Cpu)?)?;
        detective.scale = [mean.to_dtype(DType::F32)?, inverse];
        Ok(detective)
    }

    /// A detector with its initial weights and no scale yet, to be filled from a checkpoint.
    pub(crate) fn blank(
        seed: u64,
        shape: (usize, usize, usize),
        width: usize,
        without: &[Part],
        regions: usize,
    ) -> Result<Self> {
        let features = Features::untrained(regions, shape)?;
        let count = HIDDEN + features.len();
        let networks = Networks::new(seed, shape, width, count)?;
        let blank = Tensor::ones((1, count), DType::F32, &Device::Cpu)?;
        let adam = |network: &Network, rate| Adam::new(network.parameters(), rate, DECAYS.0, DECAYS.1);
        Ok(Self {
            shape,
            pca: PcaFeatures::untrained(shape)?,
            features,
            average: networks.copy()?,
            adams: [
                adam(&networks.trunk, RATE),
                adam(&networks.head, RATE),
                adam(&networks.typicality, TYPICALITY_RATE),
            ],
            networks,
            scale: [blank.clone(), blank],
            seed,
            without: without.to_vec(),
        })
    }

    /// The networks with their names in checkpoints: each as trained, and its running average.
    pub(crate) fn parts(&self) -> [(&'static str, [&Network; 2]); 3] {
        let Self { networks, average, .. } = self;
        [
            ("trunk", [&networks.trunk, &average.trunk]),
            ("head", [&networks.head, &average.head]),
            ("odds", [&networks.typicality, &average.typicality]),
        ]
    }

    /// The constants with their names in checkpoints: what was fitted to genuine rows, and the scale of the features.
    pub(crate) fn constants(&self) -> impl Iterator<Item = (String, &Tensor)> {
        let [mean, inverse] = &self.scale;
        self.pca
            .constants()
            .chain(self.features.constants())
            .chain([("mean".to_owned(), mean), ("inverse".to_owned(), inverse)])
    }

    /// The constants with their names in checkpoints, mutable, to be filled.
    pub(crate) fn constants_mut(&mut self) -> impl Iterator<Item = (String, &mut Tensor)> {
        let [mean, inverse] = &mut self.scale;
        self.pca
            .constants_mut()
            .chain(self.features.constants_mut())
            .chain([("mean".to_owned(), mean), ("inverse".to_owned(), inverse)])
    }

    /// Restores the weights, averages and moments of all parts, in their order, as they were after `step` updates.
    pub(crate) fn fill(&mut self, step: u64, parts: Vec<(Network, Network, BTreeMap<String, AdamState>)>) {
        let Self { networks, average, adams, .. } = self;
        let networks = [&mut networks.trunk, &mut networks.head, &mut networks.typicality];
        let averages = [&mut average.trunk, &mut average.head, &mut average.typicality];
        for ((part, adam), (network, average)) in parts.into_iter().zip(adams).zip(networks.into_iter().zip(averages)) {
            (*network, *average) = (part.0, part.1);
            adam.resume(step, part.2);
        }
    }

    /// The unscaled feature vectors [B, F] of rows [B, H, W, C] in -1..1, and the trunk's pass. Gradients reach the
    /// trunk's weights but not the rows.
    fn see(&self, trunk: &Network, rows: &Tensor) -> Result<(Tensor, Pass)> {
        let mut ops = Eager::default();
        let centred = nchw(&rows.detach())?;
        let unit = ops.var(centred.affine(0.5, 0.5)?);
        let centred = ops.var(centred);
        let mut input = Input::new(self.shape, unit, centred);
        let maps = self.pca.maps(&mut ops, &mut input)?;
        let maps = ops.concat(&maps)?;
        let seen = join_channels(&rows.contiguous()?, &ops.tensor(maps).contiguous()?)?;
        let seen = trunk.forward(&seen, &mut stream(0, "no dropout", 0))?;
        let features = self.features.express(&mut ops, &mut input)?;
        let features = [&seen.output].into_iter().chain(features.iter().map(|feature| ops.tensor(*feature)));
        Ok((Tensor::cat(&features.collect::<Vec<_>>(), 1)?, seen))
    }

    /// Trains on one batch of rows: genuine ones, forged ones and, if given, known fakes with their number of
    /// `regions` per picture. All rows are `[B, H, W, C]` in -1..1, and the rows of a known fake are adjacent.
    /// Returns the head's loss: the cross-entropy on genuine rows plus that on counterfeit ones.
    ///
    /// A known fake is labelled as a whole picture; which of its regions gives it away is unknown. So
    /// only its least genuine row counts.
    ///
    /// # Errors
    /// When the rows do not fit the detector.
    pub fn update(&mut self, genuine: &Tensor, forged: &Tensor, known: Option<(&Tensor, usize)>) -> Result<f32> {
        let step = self.adams[0].step;
        let all: Vec<&Tensor> = [genuine, forged].into_iter().chain(known.map(|(rows, _)| rows)).collect();
        let (features, seen) = self.see(&self.networks.trunk, &Tensor::cat(&all, 0)?)?;
        let features = self.scaled(&features)?;
        let typicality = self.typicality_of(&features)?;
        let features = self.dropped(&features, &mut stream(self.seed, "detective numbness", step))?;
        let told = self.networks.head.forward(&features, &mut stream(self.seed, "detective dropout", step))?;
        let odds = self.networks.typicality.forward(&typicality, &mut stream(0, "no dropout", 0))?;
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
        // Each network has its own loss: it also has to learn what the other has learned already.
        let (loss, alone) = (loss(&told.output)?, loss(&odds.output)?);
        let store = (&loss + alone)?.backward()?;
        let [trunk, head, weight] = &mut self.adams;
        trunk.update(self.networks.trunk.parameters(), &seen.gradients(&store))?;
        head.update(self.networks.head.parameters(), &told.gradients(&store))?;
        weight.update(self.networks.typicality.parameters(), &odds.gradients(&store))?;
        let age = step as f64 + 1.0;
        let most = if self.without.contains(&Part::Average) { 0.0 } else { AVERAGE };
        let decay = most.min((1.0 + age) / (10.0 + age)) as f32;
        for (_, [network, average]) in self.parts() {
            moving_average(average, network, decay)?;
        }
        loss.to_scalar()
    }

    /// Features less their mean over genuine rows, divided by their standard deviation.
    fn scaled(&self, features: &Tensor) -> Result<Tensor> {
        features.broadcast_sub(&self.scale[0])?.broadcast_mul(&self.scale[1])
    }

    /// The typicality [B, 1] among scaled features [B, F].
    fn typicality_of(&self, features: &Tensor) -> Result<Tensor> {
        let range = self.features.range(Part::Usual, HIDDEN);
        features.narrow(1, range.start, range.len())?.contiguous()
    }

    /// Feature dropout: features [B, F] where each feature is zero for some rows, with the feature's own probability.
    fn dropped(&self, features: &Tensor, rng: &mut ChaCha8Rng) -> Result<Tensor> {
        let rows = features.dim(0)?;
        let mut parts = vec![features.narrow(1, 0, HIDDEN)?];
        for (feature, range) in self.features.ranges(HIDDEN) {
            let part = features.narrow(1, range.start, range.len())?;
            let dropout = feature.dropout();
            parts.push(if dropout > 0.0 {
                let kept = (0..rows).map(|_| if rng.random_bool(dropout) { 0f32 } else { 1.0 });
                part.broadcast_mul(&Tensor::from_iter(kept, &Device::Cpu)?.unsqueeze(1)?)? // [B, 1]
            } else {
                part
            });
        }
        Tensor::cat(&parts, 1)
    }

    /// Scores of the averaged networks for rows [B, H, W, C] in -1..1, each row by itself; higher is more genuine.
    pub(crate) fn logits(&self, rows: &Tensor) -> Result<Vec<f32>> {
        let (features, _) = self.see(&self.average.trunk.frozen(), rows)?;
        let features = self.scaled(&features)?;
        let Networks { head, typicality, .. } = &self.average;
        let infer = |network: &Network, of: &Tensor| -> Result<Tensor> {
            Ok(network.frozen().without_dropout().forward(of, &mut stream(0, "no dropout", 0))?.output)
        };
        let added = (infer(typicality, &self.typicality_of(&features)?)? * TYPICALITY_WEIGHT)?;
        (infer(head, &features)? + added)?.flatten_all()?.to_vec1()
    }

    /// The averaged networks and the constants in inference form, with weights in float16 precision.
    ///
    /// # Errors
    /// When the layers cannot be folded.
    pub fn inference(&self) -> Result<InferenceModel> {
        let [mean, inverse] = &self.scale;
        Ok(InferenceModel {
            shape: self.shape,
            pca: self.pca.clone(),
            features: self.features.clone(),
            trunk: folded_f16(&self.average.trunk, 1.0)?,
            mean: mean.clone(),
            inverse: inverse.clone(),
            head: folded_f16(&self.average.head, 1.0)?,
            typicality_head: folded_f16(&self.average.typicality, TYPICALITY_WEIGHT)?,
        })
    }
}

/// Turns [B, H, W, C] into [B, C, H, W].
fn nchw(rows: &Tensor) -> Result<Tensor> {
    rows.permute((0, 3, 1, 2))?.contiguous()
}

/// Joins maps [B, H, W, S] and further maps [B, M, H, W] into [B, H, W, S + M].
fn join_channels(maps: &Tensor, more: &Tensor) -> Result<Tensor> {
    let (batch, height, width, some) = maps.dims4()?;
    let (others, area) = (more.dim(1)?, height * width);
    let all = some + others;
    let mut joined = vec![0f32; batch * area * all];
    with_floats(maps, "weaving", |maps| {
        with_floats(more, "weaving", |more| {
            let pictures = joined.par_chunks_mut(area * all).zip(maps.par_chunks(area * some));
            pictures.zip(more.par_chunks(area * others)).for_each(|((joined, maps), more)| {
                for (pixel, (joined, maps)) in joined.chunks_exact_mut(all).zip(maps.chunks_exact(some)).enumerate() {
                    joined[..some].copy_from_slice(maps);
                    joined[some..].iter_mut().zip(more[pixel..].iter().step_by(area)).for_each(|(to, x)| *to = *x);
                }
            });
        })
    })??;
    Tensor::from_vec(joined, (batch, height, width, all), &Device::Cpu)
}

/// The results of `see` for the first rows, [N, ...], up to `most`, a chunk of rows at a time: [N, F].
fn by_chunks(rows: &Tensor, most: usize, see: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
    let count = rows.dim(0)?.min(most);
    let chunks =
        (0..count).step_by(CHUNK_ROWS).map(|first| see(&rows.narrow(0, first, CHUNK_ROWS.min(count - first))?));
    Tensor::cat(&chunks.collect::<Result<Vec<_>>>()?, 0)
}

/// Rounds a tensor's numbers to float16 precision, so that they can be stored in half the space.
fn round_to_f16(tensor: &Tensor) -> Result<Tensor> {
    tensor.to_dtype(DType::F16)?.to_dtype(DType::F32)
}

/// The layers of a network whose weights are multiplied by `share` and rounded to float16 precision.
fn folded_f16(network: &Network, share: f64) -> Result<Vec<Layer>> {
    let weights =
        network.parameters().iter().map(|(name, weight)| Ok((name.clone(), round_to_f16(&(weight * share)?)?)));
    network.with_parameters(&weights.collect::<Result<_>>()?)?.layers()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::random::normal;

    fn draws(purpose: &str, dims: [usize; 4]) -> Tensor {
        let numbers = normal(&mut stream(4, purpose, 0), dims.iter().product());
        Tensor::from_vec(numbers, &dims, &Device::Cpu).unwrap()
    }

    #[test]
    fn it_learns_texture_and_judges_by_its_average() {
        // Genuine rows are smooth, forged rows have grain.
        let plain = draws("plain", [16, 1, 1, 1]).broadcast_as((16, 16, 16, 1)).unwrap().tanh().unwrap();
        let grain = (draws("grain", [16, 16, 16, 1]) * 0.3).unwrap();
        let forged = (&plain + grain).unwrap();
        let mut detective = Detective::new(1, (1, 16, 16), 4, &[], (&plain, 1)).unwrap();
        let first = detective.update(&plain, &forged, None).unwrap();
        let last = (0..60).map(|_| detective.update(&plain, &forged, None).unwrap()).last().unwrap();
        assert!(last < 0.5 * first, "{first} became {last}");
        let model = detective.inference().unwrap();
        let logits =
            |x: &Tensor| model.judge(&x.permute((0, 3, 1, 2)).unwrap()).unwrap().logit.to_vec1::<f32>().unwrap();
        let (low, high) = (logits(&forged), logits(&plain));
        let highest = low.iter().copied().fold(f32::MIN, f32::max);
        assert!(high.iter().all(|x| *x > highest), "{high:?} against {low:?}");
    }
}
