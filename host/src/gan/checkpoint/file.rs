//! RUN/checkpoints/step-NNNNNNNN.safetensors: saves a trainer and restores it bit for bit.
//!
//! Tensors: `g.*`, `d.*` and `ema.*` (weights), `adam.g.m.*`, `adam.g.v.*`, `adam.d.m.*`, `adam.d.v.*` (moments);
//! for a detective, `detective.*` in the same way and its constants. One metadata entry, `counterfoil`, holds
//! format, step, shape, configuration and the generator's quality metrics as JSON. There is no random state, since
//! the streams have none. A file appears under its name only when it is complete and on disk. `retention` decides
//! which files stay.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};

use super::super::Error;
use super::super::config::Config;
use super::super::detective_batch::UPDATES_PER_STEP;
use super::super::step::{GanTrainer, networks};
use crate::data::Samples;
use crate::detector::detective::Detective;
use crate::durable;
use crate::nn::Network;
use crate::nn::adam::AdamState;

/// Version of the file format. It changes when an older program could not read the file.
const FORMAT: u32 = 6;
/// Versions that this program reads. Files of version 2 have no detective.
const READS: [u32; 2] = [2, FORMAT];
/// Name of the metadata entry. There is only one, because the file format keeps entries in no fixed order, and the
/// bytes must be the same every time.
const ENTRY: &str = "counterfoil";

/// The metadata of a checkpoint.
#[derive(Serialize, Deserialize)]
pub(super) struct Header {
    format: u32,
    pub(super) step: u64,
    /// Channels, height and width of the pictures.
    shape: (usize, usize, usize),
    pub(super) config: Config,
    /// Quality metrics of the averaged generator, by name.
    #[serde(flatten)]
    pub(super) quality: BTreeMap<String, f64>,
}

/// A training state read from a checkpoint: complete and checked, but not yet a trainer.
#[derive(Debug)]
pub struct Checkpoint {
    /// Number of training steps made.
    pub step: u64,
    /// Channels, height and width of the pictures.
    pub shape: (usize, usize, usize),
    /// The configuration without `steps` and `minutes`.
    pub config: Config,
    generator: Network,
    pub(super) discriminator: Network,
    pub(super) average: Network,
    moments_g: BTreeMap<String, AdamState>,
    moments_d: BTreeMap<String, AdamState>,
    pub(super) detective: Option<Detective>,
}

/// The path of a step's checkpoint in a run folder.
pub(in super::super) fn path(run: &Path, step: u64) -> PathBuf {
    run.join("checkpoints").join(format!("step-{step:08}.safetensors"))
}

/// Saves a trainer together with its generator's quality metrics. Returns the path of the file.
pub(in super::super) fn save(
    trainer: &GanTrainer,
    quality: &BTreeMap<String, f64>,
    run: &Path,
) -> Result<PathBuf, Error> {
    let path = path(run, trainer.step);
    durable::write(&path, &serialize(trainer, quality)?).map_err(Error::io("save the checkpoint", &path))?;
    Ok(path)
}

fn serialize(trainer: &GanTrainer, quality: &BTreeMap<String, f64>) -> Result<Vec<u8>, Error> {
    let mut tensors: Vec<(String, Vec<usize>, Vec<u8>)> = Vec::new();
    let mut finite = quality.values().all(|x| x.is_finite());
    let mut add = |name: String, shape: &[usize], data: &[f32]| {
        finite &= data.iter().all(|x| x.is_finite());
        tensors.push((name, shape.to_vec(), data.iter().flat_map(|x| x.to_le_bytes()).collect()));
    };
    let mut networks = vec![
        ("g".to_owned(), &trainer.generator),
        ("d".to_owned(), &trainer.discriminator),
        ("ema".to_owned(), &trainer.average),
    ];
    let mut adams = vec![("adam.g".to_owned(), &trainer.adam_g), ("adam.d".to_owned(), &trainer.adam_d)];
    if let Some(detective) = &trainer.detective {
        for (part, [weights, average]) in detective.parts() {
            networks.push((format!("detective.{part}"), weights));
            networks.push((format!("detective.ema.{part}"), average));
        }
        for ((part, _), adam) in detective.parts().into_iter().zip(&detective.adams) {
            adams.push((format!("detective.adam.{part}"), adam));
        }
        for (name, constant) in detective.constants() {
            add(format!("detective.{name}"), constant.dims(), &constant.flatten_all()?.to_vec1()?);
        }
    }
    for (prefix, network) in networks {
        for (name, tensor) in network.parameters() {
            add(format!("{prefix}.{name}"), tensor.dims(), &tensor.flatten_all()?.to_vec1()?);
        }
    }
    for (prefix, adam) in adams {
        for (name, moments) in adam.moments()? {
            let AdamState { m, v } = &*moments;
            add(format!("{prefix}.m.{name}"), &[m.len()], m);
            add(format!("{prefix}.v.{name}"), &[v.len()], v);
        }
    }
    if !finite {
        // Such a file could not be opened again, and it must not displace one that can.
        return Err(Error::NotFinite { step: trainer.step, last: None });
    }
    let (step, shape, config) = (trainer.step, trainer.shape, trainer.config.recipe());
    let header = Header { format: FORMAT, step, shape, config, quality: quality.clone() };
    let header = serde_json::to_string(&header).expect("a header of numbers and names is JSON");
    let numbers = tensors.iter().map(|(name, shape, bytes)| {
        let view = TensorView::new(Dtype::F32, shape.clone(), bytes).expect("4 bytes a number were laid out above");
        (name.as_str(), view)
    });
    let entries = HashMap::from([(ENTRY.to_owned(), header)]);
    Ok(safetensors::serialize(numbers, Some(entries)).expect("tensors in memory fit the format"))
}

impl Header {
    /// Reads a checkpoint's metadata. The file is then known to be complete, but its numbers are not checked.
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        Self::parse(&fs::read(path).map_err(Error::io("read", path))?, path)
    }

    fn parse(bytes: &[u8], path: &Path) -> Result<Self, Error> {
        let refuse = |reason: String| Error::Checkpoint { path: path.to_owned(), reason };
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|error| damaged(path, &error))?;
        let header = metadata.metadata().as_ref().and_then(|entries| entries.get(ENTRY));
        let header =
            header.ok_or_else(|| refuse("no checkpoint of counterfoil: it has no such metadata".to_owned()))?;
        let format =
            serde_json::from_str::<serde_json::Value>(header).map_err(|error| damaged(path, &error))?["format"].clone();
        if !READS.iter().any(|known| format == *known) {
            return Err(refuse(format!(
                "checkpoint format {format}, this program reads {READS:?}: use the version that wrote it"
            )));
        }
        serde_json::from_str(header).map_err(|error| damaged(path, &error))
    }
}

fn damaged(path: &Path, what: &dyn std::fmt::Display) -> Error {
    let reason = format!("the checkpoint is damaged ({what}): delete it to go on from the one before");
    Error::Checkpoint { path: path.to_owned(), reason }
}

impl Checkpoint {
    /// Opens a checkpoint and checks that every tensor is present, has the expected shape and is finite.
    ///
    /// # Errors
    /// When the file cannot be read or a check fails; the message names the file and the tensor.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let bytes = fs::read(path).map_err(Error::io("read", path))?;
        let Header { step, shape, config, .. } = Header::parse(&bytes, path)?;
        let tensors = SafeTensors::deserialize(&bytes).map_err(|error| damaged(path, &error))?;

        let (generator, discriminator) = networks(&config, shape)?;
        let read = |name: String| numbers(&tensors, &name).map_err(|what| damaged(path, &what));
        let network = |prefix: &str, like: &Network| {
            let mut weights = BTreeMap::new();
            for (name, expected) in like.parameters() {
                let (shape, data) = read(format!("{prefix}.{name}"))?;
                if shape != expected.dims() {
                    return Err(damaged(
                        path,
                        &format_args!("{prefix}.{name} is {shape:?}, expected {:?}", expected.dims()),
                    ));
                }
                weights.insert(name.clone(), Tensor::from_vec(data, shape, &Device::Cpu)?);
            }
            Ok(like.with_parameters(&weights)?)
        };
        let moments = |prefix: &str, like: &Network| {
            let mut moments = BTreeMap::new();
            for (name, expected) in like.parameters() {
                let [(_, m), (_, v)] = [read(format!("{prefix}.m.{name}"))?, read(format!("{prefix}.v.{name}"))?];
                if [m.len(), v.len()] != [expected.elem_count(); 2] || v.iter().any(|v| *v < 0.0) {
                    return Err(damaged(path, &format_args!("the moments {prefix}.*.{name} do not fit their weights")));
                }
                moments.insert(name.clone(), AdamState { m, v });
            }
            Ok(moments)
        };
        let detective = || -> Result<Detective, Error> {
            let (kinds, _) = read("detective.usual.mean".to_owned())?;
            let regions = kinds.first().copied().unwrap_or(1).max(1);
            let mut blank = Detective::blank(config.seed, shape, config.width, &config.without, regions)?;
            for (name, constant) in blank.constants_mut() {
                let (dims, data) = read(format!("detective.{name}"))?;
                if dims != constant.dims() {
                    let expected = constant.dims();
                    return Err(damaged(path, &format_args!("detective.{name} is {dims:?}, expected {expected:?}")));
                }
                *constant = Tensor::from_vec(data, dims, &Device::Cpu)?;
            }
            let found = blank
                .parts()
                .map(|(part, [weights, average])| {
                    Ok((
                        network(&format!("detective.{part}"), weights)?,
                        network(&format!("detective.ema.{part}"), average)?,
                        moments(&format!("detective.adam.{part}"), weights)?,
                    ))
                })
                .into_iter()
                .collect::<Result<Vec<_>, Error>>()?;
            blank.fill(step * UPDATES_PER_STEP, found);
            Ok(blank)
        };
        Ok(Self {
            detective: config.detective.then(detective).transpose()?,
            step,
            shape,
            config,
            average: network("ema", &generator)?,
            moments_g: moments("adam.g", &generator)?,
            moments_d: moments("adam.d", &discriminator)?,
            generator: network("g", &generator)?,
            discriminator: network("d", &discriminator)?,
        })
    }

    /// The trainer at this step, to continue with `config`.
    pub(in super::super) fn into_trainer(self, config: &Config, samples: &Samples) -> Result<GanTrainer, Error> {
        let mut trainer = GanTrainer::with(config, samples, &self.generator, &self.discriminator, &self.average)?;
        trainer.step = self.step;
        trainer.adam_g.resume(self.step, self.moments_g);
        trainer.adam_d.resume(self.step, self.moments_d);
        trainer.detective = self.detective;
        Ok(trainer)
    }
}

/// Shape and numbers of one F32 tensor, all finite.
fn numbers(tensors: &SafeTensors<'_>, name: &str) -> Result<(Vec<usize>, Vec<f32>), String> {
    let tensor = tensors.tensor(name).map_err(|_| format!("{name} is missing"))?;
    if tensor.dtype() != Dtype::F32 {
        return Err(format!("{name} is {:?}, expected F32", tensor.dtype()));
    }
    let word = |bytes: &[u8]| f32::from_le_bytes(bytes.try_into().expect("chunks of 4 bytes"));
    let data: Vec<f32> = tensor.data().chunks_exact(4).map(word).collect();
    match data.iter().find(|x| !x.is_finite()) {
        Some(x) => Err(format!("{name} holds {x}")),
        None => Ok((tensor.shape().to_vec(), data)),
    }
}
