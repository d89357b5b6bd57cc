//! A data set is read, split by group and laid out for one run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use counterfoil_models::{Article, JoinRule, sha256_hex};
use safetensors::{Dtype, tensor::TensorView};

use super::record::{FORMAT, Record};
use super::{CONFIG, HELD_OUT, RECORD, make, remove, vacant, write};
use crate::data::{
    DataError, Dataset, Decoded, InputRule, Item, Known, Room, Rows, Samples, Split, TrainingSet, Traits, decode,
    differing, own_color, twins_across, unread, usual,
};
use crate::detector::{FitData, Kind};
use crate::gan::Config;

/// A data set made ready for one run.
#[derive(Debug)]
pub struct Prepared {
    /// What is written to the run's folder.
    pub record: Record,
    /// Rows to learn from, every region of every training picture.
    pub samples: Samples,
    /// Rows of known fakes, family by family.
    pub known: Vec<Samples>,
    /// Planes of the held-out genuine pictures.
    pub held_out: Vec<Vec<u8>>,
    /// The number of each one's group, where somebody said which belong together.
    pub groups: Option<Vec<u32>>,
    /// The same of each picture to learn from.
    pub train_groups: Option<Vec<u32>>,
    /// Pictures left out because they could not be read, each with its reason.
    pub unreadable: Vec<String>,
}

/// What [`prepare`] is asked for.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// The kind of detector.
    pub net: Kind,
    /// Folder or IDX file.
    pub data: &'a Path,
    /// Pattern for groups.
    pub group: Option<&'a str>,
    /// Folders of known fakes.
    pub known_fakes: &'a [PathBuf],
    /// Folders of more genuine pictures to learn from. They were chosen for how they look, so no false-alarm rate may
    /// rest on them.
    pub more: &'a [PathBuf],
    /// How to look at the pictures.
    pub look: &'a InputRule,
    /// How regions are joined.
    pub join: JoinRule,
    /// Share held out.
    pub held_out: f64,
    /// Seed of the split.
    pub seed: u64,
    /// How much of it may lie in memory, and where the rest lies.
    pub room: Room,
}

/// Reads a data set's genuine pictures, splits them by group and lays them out for the network.
///
/// Every picture is decoded once, but for those by which colour and size are decided, some fifty; only where these
/// spoke for the minority are all decoded again. How the folders were understood, and what differs from the rest, is
/// told. Memory grows with the number of pictures by their names and hashes, some 500 bytes each, and with the
/// held-out planes, of which there are at most some 2,000; rows beyond `room` go to the disk.
///
/// # Errors
/// When the data set cannot be opened or split, when a picture stands on both sides, or when none can be read.
pub fn prepare(request: &Request, tell: &dyn Fn(&str)) -> Result<Prepared> {
    let data = Dataset::open(request.data, request.group)?;
    data.understood.tell(tell);
    ensure!(
        request.held_out > 0.0 && request.held_out < 1.0,
        "--held-out {}: expected a share between 0 and 1, such as 0.2",
        request.held_out
    );
    let defaults = request.net.recipe().input();
    let mut input = request.look.resolve(&data.settings, &defaults, || usual(&data.genuine, request.data))?;
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
    if request.data.is_dir() && input.article == Article::Whole {
        let traits = decoded.traits.iter().copied();
        for line in differing(decoded.items.iter().map(|item| item.name.as_str()).zip(traits)) {
            tell(&line);
        }
    }
    let known = Known::read(request.known_fakes, &decoded, &input, &request.room, tell)?;
    let Decoded { items, rows, hashes, prints, mut unreadable, .. } = decoded;
    unreadable.extend(known.unreadable);
    for line in unread(&unreadable, "learned from") {
        tell(&line);
    }
    let own = items.iter().filter(|item| !item.is_more()).count();
    let mut split = Split::by_group(&items[..own], request.held_out, request.seed)?;
    split.train.extend(own..items.len());
    refuse_twins(&items, &prints, &split)?;

    let [regions, channels, height, width] = input.shape();
    let hashes: String = split.train.iter().map(|i| &*hashes[*i]).collect();
    let plane = |picture: &usize| {
        let mut plane = vec![0; regions * channels * height * width];
        rows.read(picture * regions, &mut plane).map(|()| plane)
    };
    let held_out = split.held_out.iter().map(plane).collect::<Result<Vec<_>, _>>()?;
    let train = split.train.iter().flat_map(|i| i * regions..(i + 1) * regions).collect();
    let samples = Samples::of(rows, (channels, height, width), train, regions);
    let record = Record {
        format: FORMAT,
        net: request.net,
        data: request.data.to_path_buf(),
        group: request.group.map(str::to_owned),
        held_out_share: request.held_out,
        seed: request.seed,
        input,
        join: request.join,
        data_sha256: sha256_hex(hashes.as_bytes()),
        genuine: split.train.len(),
        held_out: held_out.len(),
        known_fakes: request.known_fakes.to_vec(),
        more: request.more.to_vec(),
        known_sha256: known.sha256,
    };
    let (groups, train_groups) = (numbered(&items, &split.held_out), numbered(&items, &split.train));
    Ok(Prepared { record, samples, known: known.families, held_out, groups, train_groups, unreadable })
}

/// The groups of some of the pictures, numbered as they come; `None` where every picture is its own by its own name.
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
    /// What the game and its detective learn from.
    #[must_use]
    pub fn training_set(&self) -> TrainingSet<'_> {
        TrainingSet { genuine: &self.samples, known: &self.known }
    }

    /// Writes the held-out planes, the configuration of the `game` where one will be played, and the record into a
    /// run's folder.
    ///
    /// # Errors
    /// When the folder holds a trained run already, cannot be made or cannot be written.
    pub fn write(&self, run: &Path, game: Option<&Config>) -> Result<()> {
        vacant(run)?;
        make(run)?;
        // A former try's record goes first and ours comes last: where one stands, everything stands that it speaks of.
        remove(&run.join(RECORD))?;
        let [rows, channels, height, width] = self.record.input.shape();
        let shape = vec![self.held_out.len(), rows, channels, height, width];
        let planes = self.held_out.concat();
        let mut views = vec![("held_out", TensorView::new(Dtype::U8, shape, &planes)?)];
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

    /// Fits the detective of a kind that plays no game to the samples and writes it into the run's folder.
    ///
    /// # Errors
    /// When it cannot be fitted or written.
    pub fn fit(&self, run: &Path) -> Result<()> {
        let kind = self.record.net;
        let file = kind.fitted_file().with_context(|| format!("--net {kind} is trained with a GAN, not fitted"))?;
        let groups = self.train_groups.as_deref().unwrap_or_default();
        let onnx = kind.recipe().fit(&FitData { genuine: &self.samples, groups, known: &self.known })?;
        write(&run.join(file), &onnx)
    }
}
