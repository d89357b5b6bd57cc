//! Reads a data set, splits it by group and preprocesses it for one run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use counterfoil_models::{Article, Frame, JoinRule, sha256_hex};
use safetensors::{Dtype, tensor::TensorView};

use super::record::{FORMAT, Record};
use super::{BESIDE, CONFIG, HELD_OUT, RECORD, ensure_free, make, remove, write};
use crate::data::{
    DataError, Dataset, Decoded, Fingerprint, InputRule, Item, Known, Preview, ResolvedInput, Rows, Samples, Split,
    StorageLimits, TrainingSet, Traits, append_shots, decode, differing, own_color, series, twins_across, unread,
};
use crate::detector::appearance::Tolerance;
use crate::detector::{FitData, Kind};
use crate::gan::Config;
use crate::math::random::stream;

/// A data set that is prepared for one run.
#[derive(Debug)]
pub struct Prepared {
    /// The record that is written to the run's folder.
    pub record: Record,
    /// Training rows: every region of every training picture.
    pub samples: Samples,
    /// Rows of known fakes, one element for each family.
    pub known: Vec<Samples>,
    /// Planes of the held-out genuine pictures, `[R, C, H, W]` bytes each.
    pub held_out: Vec<Vec<u8>>,
    /// Planes of another shot of each held-out picture, if the run [has shots](Record::has_shots).
    pub shots: Vec<Vec<u8>>,
    /// The group number of each held-out picture; `None` when no picture has a group.
    pub groups: Option<Vec<u32>>,
    /// The group number of each training picture; `None` when no picture has a group.
    pub train_groups: Option<Vec<u32>>,
    /// Pictures that could not be read, each with its reason.
    pub unreadable: Vec<String>,
}

/// The arguments of [`prepare`].
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// The kind of detector.
    pub net: Kind,
    /// Data set: a folder or an IDX file.
    pub data: &'a Path,
    /// Regular expression for groups.
    pub group: Option<&'a str>,
    /// Folders of known fakes.
    pub known_fakes: &'a [PathBuf],
    /// Folders of additional genuine pictures to train on. They were selected by their appearance, so they are never
    /// used to measure a false-alarm rate.
    pub more: &'a [PathBuf],
    /// How the pictures are preprocessed.
    pub look: &'a InputRule,
    /// How much the camera may change.
    pub tolerance: Tolerance,
    /// How the scores of regions are joined.
    pub join: JoinRule,
    /// Share of the genuine pictures to hold out, between 0 and 1.
    pub held_out: f64,
    /// Seed of the split.
    pub seed: u64,
    /// Memory limit for the rows, and the folder for rows beyond it.
    pub room: StorageLimits,
}

/// Reads a data set's genuine pictures, splits them by group and preprocesses them for the network.
///
/// Every picture is decoded once, except for about fifty that are read first to decide colour and size. Only if those
/// do not represent the majority's colour, all pictures are decoded again. `tell` receives messages about how the
/// folders were interpreted and which pictures differ from the rest. Memory grows with the number of pictures by
/// their names and hashes, about 500 bytes each, and with the held-out planes, normally at most about 2,000; rows
/// beyond `room` go to the disk.
///
/// # Errors
/// When the data set cannot be opened or split, when a picture is on both sides of the split or given as genuine and
/// as counterfeit, when no picture can be read, or when `held_out` is not between 0 and 1.
pub fn prepare(request: &Request, tell: &dyn Fn(&str)) -> Result<Prepared> {
    let data = Dataset::open(request.data, request.group)?;
    data.understood.tell(tell);
    ensure!(
        request.held_out > 0.0 && request.held_out < 1.0,
        "--held-out {}: expected a share between 0 and 1, such as 0.2",
        request.held_out
    );
    let defaults = request.net.recipe().input();
    let preview = Preview::new(&data.genuine, request.data);
    let ResolvedInput { mut input, pool, placement } = request.look.resolve(&data.settings, &defaults, &preview)?;
    if let Some(placement) = placement.filter(|placement| placement.article != Article::Whole) {
        tell(&placement.to_string());
    }
    input.validate()?;
    let by_pictures = request.look.color(&data.settings, &defaults).is_none();

    let mut genuine = data.genuine;
    for folder in request.more {
        let more = Dataset::open_more(folder)?;
        more.understood.tell(tell);
        genuine.extend(more.genuine);
    }
    let mut decoded = decode(genuine.clone(), &input, &request.room)?;
    let all = Traits::usual(&decoded.traits).map(own_color);
    if let Some(color) = all.filter(|color| by_pictures && *color != input.color) {
        input.color = color;
        decoded = decode(genuine, &input, &request.room)?;
    }
    if decoded.items.is_empty() {
        return Err(DataError::unreadable(request.data, &decoded.unreadable).into());
    }
    if request.data.is_dir() && input.article == Article::Whole {
        let traits = decoded.traits.iter().copied();
        for line in differing(decoded.items.iter().map(|item| item.name.as_str()).zip(traits)) {
            tell(&line);
        }
    }
    let known = Known::read(request.known_fakes, &decoded, &input, pool, &request.room, tell)?;
    let mut unreadable = std::mem::take(&mut decoded.unreadable);
    unreadable.extend(known.unreadable);
    for line in unread(&unreadable, "learned from") {
        tell(&line);
    }
    let split = split(&decoded, request, tell)?;
    let [regions, channels, height, width] = input.shape();
    let hashes: String = split.train.iter().map(|i| &*decoded.hashes[*i]).collect();
    let record = Record {
        format: FORMAT,
        net: request.net,
        data: request.data.to_path_buf(),
        group: request.group.map(str::to_owned),
        held_out_share: request.held_out,
        seed: request.seed,
        input: input.clone(),
        pool,
        tolerance: request.tolerance,
        join: request.join,
        data_sha256: sha256_hex(hashes.as_bytes()),
        genuine: split.train.len(),
        held_out: split.held_out.len(),
        known_fakes: request.known_fakes.to_vec(),
        more: request.more.to_vec(),
        known_sha256: known.sha256,
    };
    let pictures = decoded.items.len();
    if record.has_shots() {
        let vary = |frame: &Frame, index: usize| {
            record.camera().vary_frame(frame, &mut stream(record.seed, "shot", index as u64))
        };
        append_shots(&mut decoded, &input, &vary)?;
    }
    let Decoded { items, rows, .. } = decoded;
    let planes = |first: usize| -> Result<Vec<Vec<u8>>> {
        let plane = |picture: &usize| {
            let mut plane = vec![0; regions * channels * height * width];
            rows.read((first + picture) * regions, &mut plane).map(|()| plane)
        };
        Ok(split.held_out.iter().map(plane).collect::<Result<Vec<_>, _>>()?)
    };
    let held_out = planes(0)?;
    let shots = if record.has_shots() { planes(pictures)? } else { Vec::new() };
    let of_picture =
        |first: usize| split.train.iter().flat_map(move |i| (first + i) * regions..(first + i + 1) * regions);
    let mut train: Vec<usize> = of_picture(0).collect();
    if record.has_shots() {
        // Of every second picture: the game still sees most pictures as they are.
        train.extend(of_picture(pictures).collect::<Vec<_>>().chunks_exact(regions).step_by(2).flatten());
    }
    let samples = Samples::of(rows, (channels, height, width), train, regions).pooled(pool);
    let (groups, train_groups) = (numbered(&items, &split.held_out), numbered(&items, &split.train));
    Ok(Prepared { record, samples, known: known.families, held_out, shots, groups, train_groups, unreadable })
}

/// Divides the pictures that were read into those to learn from and those held out. Shots of one item stay together,
/// and pictures that were chosen by their appearance are never held out.
fn split(decoded: &Decoded, request: &Request, tell: &dyn Fn(&str)) -> Result<Split> {
    let (items, prints) = (&decoded.items, &decoded.prints);
    let own = items.iter().filter(|item| !item.is_more()).count();
    let found = series(&items[..own].iter().collect::<Vec<_>>(), |picture| {
        let mut print = vec![0; Fingerprint::BYTES];
        prints.read(picture, &mut print).map(|()| print)
    })?;
    let mut split = match &found {
        None => Split::by_group(&items[..own], request.held_out, request.seed)?,
        Some(series) => {
            tell(&series.to_string());
            let mut grouped = items[..own].to_vec();
            grouped.iter_mut().zip(&series.runs).for_each(|(item, run)| item.group = format!("series {run}"));
            Split::by_group(&grouped, request.held_out, request.seed)?
        }
    };
    split.train.extend(own..items.len());
    refuse_twins(items, prints, &split)?;
    Ok(split)
}

/// Group numbers of the chosen pictures, in order of first appearance; `None` if every picture's group is its own
/// name.
fn numbered(items: &[Item], chosen: &[usize]) -> Option<Vec<u32>> {
    let mut numbers = BTreeMap::new();
    let number = |i: &usize| {
        let next = numbers.len() as u32;
        *numbers.entry(&*items[*i].group).or_insert(next)
    };
    let named = chosen.iter().any(|i| items[*i].group != items[*i].name);
    named.then(|| chosen.iter().map(number).collect())
}

fn refuse_twins(items: &[Item], prints: &Rows, split: &Split) -> Result<(), DataError> {
    let twins = twins_across((prints, &split.held_out), (prints, &split.train))?;
    match twins.first() {
        None => Ok(()),
        Some(twin) => Err(DataError::NearDuplicates {
            found: twins.len(),
            held_out: items[split.held_out[twin.first]].name.clone(),
            train: items[split.train[twin.second]].name.clone(),
        }),
    }
}

impl Prepared {
    /// The rows that the GAN and its detective are trained on.
    #[must_use]
    pub fn training_set(&self) -> TrainingSet<'_> {
        TrainingSet { genuine: &self.samples, known: &self.known }
    }

    /// Writes the held-out planes, the GAN's configuration `game` if there is one, and the record into a run's
    /// folder.
    ///
    /// # Errors
    /// When the folder holds a trained run already, or cannot be created or written.
    pub fn write(&self, run: &Path, game: Option<&Config>) -> Result<()> {
        ensure_free(run)?;
        make(run)?;
        // The record of an earlier attempt is removed first and the new record is written last, so that a record
        // exists only together with all files that it describes.
        remove(&run.join(RECORD))?;
        let [rows, channels, height, width] = self.record.input.shape();
        let shape = vec![self.held_out.len(), rows, channels, height, width];
        let (planes, shots) = (self.held_out.concat(), self.shots.concat());
        let mut views = vec![("held_out", TensorView::new(Dtype::U8, shape.clone(), &planes)?)];
        if !shots.is_empty() {
            views.push(("shots", TensorView::new(Dtype::U8, shape, &shots)?));
        }
        let groups: Option<Vec<u8>> = self.groups.as_ref().map(|g| g.iter().flat_map(|g| g.to_le_bytes()).collect());
        if let Some(groups) = &groups {
            views.push(("group", TensorView::new(Dtype::U32, vec![self.held_out.len()], groups)?));
        }
        let bytes = safetensors::serialize(views, None)?;
        write(&run.join(HELD_OUT), &bytes)?;
        if let Some(config) = game {
            write(&run.join(CONFIG), config.to_toml()?.as_bytes())?;
        }
        write(&run.join(RECORD), &serde_json::to_vec_pretty(&self.record)?)
    }

    /// Fits what judges beside a detector that is trained with a GAN, unless the run's folder holds it already. `tell`
    /// receives a message before it starts, because it may take a minute.
    ///
    /// # Errors
    /// When it cannot be fitted or written.
    pub fn fit_beside(&self, run: &Path, tell: &dyn Fn(&str)) -> Result<()> {
        let path = run.join(BESIDE);
        if !self.record.is_pooled() || path.exists() {
            return Ok(());
        }
        let (_, height, width) = self.samples.full_shape();
        tell(&format!(
            "learning how genuine pictures look as a whole, at {width}x{height} and under --tolerate {}; it may take a minute",
            self.record.tolerance
        ));
        let groups = self.train_groups.as_deref().unwrap_or_default();
        let pictures = FitData { genuine: &self.samples, groups, known: &self.known };
        match self.record.net.recipe().fit_beside(&pictures, self.record.camera(), self.record.seed)? {
            Some(file) => write(&path, &file),
            None => Ok(()),
        }
    }

    /// Fits the detective of a kind that is not trained with a GAN, and writes it into the run's folder.
    ///
    /// # Errors
    /// When the kind is trained with a GAN, or the detective cannot be fitted or written.
    pub fn fit(&self, run: &Path) -> Result<()> {
        let kind = self.record.net;
        let file = kind.fitted_file().with_context(|| format!("--net {kind} is trained with a GAN, not fitted"))?;
        let groups = self.train_groups.as_deref().unwrap_or_default();
        let onnx = kind.recipe().fit(&FitData { genuine: &self.samples, groups, known: &self.known })?;
        write(&run.join(file), &onnx)
    }

    /// Writes a network that was made elsewhere into the folder of a run that is not trained.
    ///
    /// # Errors
    /// When the kind is trained with a GAN, or the file cannot be written.
    pub fn take(&self, run: &Path, onnx: &[u8]) -> Result<()> {
        let kind = self.record.net;
        write(&run.join(kind.fitted_file().with_context(|| format!("a {kind} is trained with a GAN"))?), onnx)
    }
}
