//! A run folder: what a training was given, so that resuming and exporting need nothing else.
//!
//! ```text
//! RUN/held-out.safetensors   planes of the held-out genuine pictures, [P, R, C, H, W] bytes; where known, the group of each, [P]
//! RUN/config.toml            the game's configuration
//! RUN/run.json               where the pictures came from, how they are looked at, who was held out; written last: with it a run has begun
//! RUN/metrics.jsonl, samples/, checkpoints/                      (written by `train`)
//! RUN/statistics.onnx, strokes.onnx                              instead of those, for the detectives that play no game
//! ```

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use counterfoil_models::{Article, JoinRule, Preprocess, sha256_hex};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::data::{
    DataError, Dataset, Decoded, InputRule, Item, Known, Room, Rows, Samples, Split, TrainingSet, Traits, decode,
    differing, own_color, twins_across, unread, usual,
};
use crate::detector::{FitData, Kind};
use crate::durable;
use crate::gan::{Config, checkpoints, difference};

pub(crate) const RECORD: &str = "run.json";
pub(crate) const HELD_OUT: &str = "held-out.safetensors";
/// The game's configuration in a run.
pub const CONFIG: &str = "config.toml";
/// Version of [`Record`].
const FORMAT: u32 = 1;
/// What a run was given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Version of this structure.
    pub format: u32,
    /// The kind of detector.
    pub net: Kind,
    /// The path given as `--data`.
    pub data: PathBuf,
    /// The pattern given as `--group`.
    pub group: Option<String>,
    /// Share of the genuine pictures held out.
    pub held_out_share: f64,
    /// Seed of the split and of every stream.
    pub seed: u64,
    /// How pictures become input.
    pub input: Preprocess,
    /// How regions' scores will be joined.
    pub join: JoinRule,
    /// SHA-256 over the hashes of the training pictures' planes.
    pub data_sha256: String,
    /// Genuine pictures trained on.
    pub genuine: usize,
    /// Genuine pictures held out.
    pub held_out: usize,
    /// The folders given as `--known-fakes`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub known_fakes: Vec<PathBuf>,
    /// The folders of genuine pictures given beside the data set, which are never held out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub more: Vec<PathBuf>,
    /// SHA-256 over the hashes of the known fakes' planes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_sha256: Option<String>,
}

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
    /// Folders of more genuine pictures to learn from. They were chosen for how they look, so no false-alarm rate may rest on them.
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
/// Every picture is decoded once, but for those by which colour and size are decided, some fifty; only where these spoke for the minority
/// are all decoded again. How the folders were understood, and what differs from the rest, is told. Memory grows with the number of pictures by their names and hashes, some 500 bytes each, and with the
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

    /// Writes the held-out planes, the configuration of the `game` where one will be played, and the record into a run's folder.
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
}

impl Prepared {
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

/// Checks that a folder holds no trained run, which would be overwritten.
///
/// # Errors
/// When it does.
pub fn vacant(run: &Path) -> Result<()> {
    ensure!(
        checkpoints(run).is_empty() && Kind::fitted_files().all(|file| !run.join(file).exists()),
        "{} holds a run already; add --resume to go on with it, or choose another --out",
        run.display()
    );
    vacant_run(run)
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    durable::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

/// Refuses to put a run into a folder that holds anything but an earlier try, which may have ended before it was recorded.
pub(crate) fn vacant_run(run: &Path) -> Result<()> {
    Ok(counterfoil_models::vacant_folder(run, &[RECORD, HELD_OUT, durable::PART])?)
}

fn make(run: &Path) -> Result<()> {
    fs::create_dir_all(run).with_context(|| format!("cannot create the run folder {}", run.display()))
}

/// Removes a file that may not be there.
pub(crate) fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// Claims a run's folder for this process, as long as the handle lives; a kill gives it back.
///
/// # Errors
/// When the folder cannot be made, or another process has it: two would write the same files.
pub fn claim(run: &Path) -> Result<File> {
    make(run)?;
    counterfoil_models::claim(run).context("a run is trained by one process at a time, whose Ctrl-C saves")
}

impl Record {
    /// Whether a run has begun in this folder.
    #[must_use]
    pub fn is_in(run: &Path) -> bool {
        run.join(RECORD).exists()
    }

    /// Reads a run's record.
    ///
    /// # Errors
    /// When the folder is no run, or one of another version.
    pub fn open(run: &Path) -> Result<Self> {
        let path = run.join(RECORD);
        let text = fs::read(&path).with_context(|| {
            format!("{} is no run folder (no {RECORD} in it); give the --out of `counterfoil train`", run.display())
        })?;
        let record: Self = serde_json::from_slice(&text).with_context(|| format!("{} is damaged", path.display()))?;
        if record.format != FORMAT {
            bail!(
                "{} is of format {} and this program knows {FORMAT}; train again, or use the program it was made with",
                path.display(),
                record.format
            );
        }
        record.input.validate()?;
        Ok(record)
    }

    /// Reads a run's held-out planes, each `[R, C, H, W]` bytes.
    ///
    /// # Errors
    /// When the file is missing, damaged or of another shape than the record says.
    pub fn held_out(&self, run: &Path) -> Result<Vec<Vec<u8>>> {
        let each = self.input.shape().iter().product::<usize>();
        let planes = self.held_out_tensor(run, "held_out", each)?;
        let planes =
            planes.with_context(|| format!("{} holds no pictures; train again", run.join(HELD_OUT).display()))?;
        Ok(planes.chunks_exact(each).map(<[u8]>::to_vec).collect())
    }

    /// Reads the number of each held-out picture's group; `None` where the training knew none, or was of a program that kept none.
    ///
    /// # Errors
    /// As [`held_out`](Self::held_out).
    pub fn groups(&self, run: &Path) -> Result<Option<Vec<u32>>> {
        let groups = self.held_out_tensor(run, "group", size_of::<u32>())?;
        Ok(groups.map(|bytes| bytes.as_chunks().0.iter().map(|number| u32::from_le_bytes(*number)).collect()))
    }

    /// The bytes of one of the held-out pictures' tensors, `each` bytes a picture, if it is there.
    fn held_out_tensor(&self, run: &Path, name: &str, each: usize) -> Result<Option<Vec<u8>>> {
        let path = run.join(HELD_OUT);
        let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let damaged = || format!("{} is damaged; train again", path.display());
        let tensors = SafeTensors::deserialize(&bytes).with_context(damaged)?;
        let Ok(tensor) = tensors.tensor(name) else { return Ok(None) };
        ensure!(tensor.data().len() == self.held_out * each, damaged());
        Ok(Some(tensor.data().to_vec()))
    }

    /// What the run was given, by the flags that give it.
    #[must_use]
    pub fn flags(&self) -> Map<String, Value> {
        let Self { net, group, held_out_share, seed, join, input, known_fakes, more, .. } = self;
        let Preprocess { width, height, color, resize, article, regions } = input;
        let flags = json!({
            "--net": net, "--group": group, "--held-out": held_out_share, "--seed": seed, "--join": join,
            "--known-fakes": known_fakes, "--unsure": more, "--color": color, "--size": [width, height],
            "--resize": resize, "--article": article, "--region": regions,
        });
        flags.as_object().cloned().unwrap_or_default()
    }

    /// Refuses to go on with this run as if it had been given what `asked` was.
    ///
    /// # Errors
    /// [`gan::Error::Differs`](crate::gan::Error::Differs), naming the first flag that differs.
    pub fn resumable_as(&self, run: &Path, asked: &Self) -> Result<()> {
        match difference(&self.flags(), &asked.flags()) {
            Some((key, was, now)) => Err(crate::gan::Error::Differs { run: run.to_path_buf(), key, was, now }.into()),
            None => Ok(()),
        }
    }

    /// The request that made this run, for preparing it again when it is resumed.
    #[must_use]
    pub fn look(&self) -> InputRule {
        InputRule {
            color: Some(self.input.color),
            size: Some([self.input.width, self.input.height]),
            resize: Some(self.input.resize),
            article: Some(self.input.article),
            regions: Some(self.input.regions.clone()),
        }
    }
}

/// This program's version with its source revision, where the build knew it.
#[must_use]
pub fn revision() -> String {
    match option_env!("COUNTERFOIL_REVISION") {
        Some(revision) => format!("{} ({revision})", env!("CARGO_PKG_VERSION")),
        None => env!("CARGO_PKG_VERSION").to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::detector::statistics;
    use crate::gan::{Config, Net, train};
    use counterfoil_models::{Color, Region, Resize};
    use image::{Rgb, RgbImage};

    fn folder(pictures: u32) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for i in 0..pictures {
            let picture =
                RgbImage::from_fn(40, 20, |x, y| Rgb([(x * 5 + i * 9) as u8, (y * 11 + i * 3) as u8, i as u8]));
            picture.save(dir.path().join(format!("note_{i:02}.png"))).unwrap();
        }
        dir
    }

    fn request<'a>(data: &'a Path, look: &'a InputRule, net: Kind) -> Request<'a> {
        let room = Room::of(data);
        Request {
            net,
            data,
            group: None,
            known_fakes: &[],
            more: &[],
            look,
            join: JoinRule::Mean,
            held_out: 0.25,
            seed: 3,
            room,
        }
    }

    #[test]
    fn what_is_prepared_is_read_back() {
        let (data, run) = (folder(12), tempfile::tempdir().unwrap());
        let look =
            InputRule { regions: Some(vec![Region::WHOLE, [0.0, 0.0, 0.5, 0.5].into()]), ..InputRule::default() };
        let prepared = prepare(&request(data.path(), &look, Kind::Dcgan), &|_| ()).unwrap();
        assert_eq!((prepared.samples.len(), prepared.held_out.len()), (18, 3));
        prepared.write(run.path(), None).unwrap();
        let record = Record::open(run.path()).unwrap();
        assert_eq!(record, prepared.record);
        assert_eq!(record.held_out(run.path()).unwrap(), prepared.held_out);
        assert_eq!(record.groups(run.path()).unwrap(), None, "nobody said what belongs together");
        let again = prepare(&request(data.path(), &record.look(), Kind::Dcgan), &|_| ()).unwrap();
        assert_eq!(again.record, record);
    }

    #[test]
    fn a_resume_under_another_flag_is_refused_by_its_name() {
        let data = folder(12);
        let was = prepare(&request(data.path(), &InputRule::default(), Kind::Dcgan), &|_| ()).unwrap().record;
        was.resumable_as(data.path(), &was.clone()).unwrap();
        type Change = fn(&mut Record);
        let changes: [(&str, Change); 11] = [
            ("--net", |r| r.net = Kind::Mlp),
            ("--group", |r| r.group = Some("x".into())),
            ("--held-out", |r| r.held_out_share = 0.3),
            ("--join", |r| r.join = JoinRule::Min),
            ("--known-fakes", |r| r.known_fakes = vec!["x".into()]),
            ("--unsure", |r| r.more = vec!["x".into()]),
            ("--color", |r| r.input.color = Color::Grey),
            ("--size", |r| r.input.width = 48),
            ("--resize", |r| r.input.resize = Resize::Pad),
            ("--article", |r| r.input.article = Article::Outlined),
            ("--region", |r| r.input.regions = vec![[0.0, 0.0, 0.5, 0.5].into()]),
        ];
        for (flag, change) in changes {
            let mut asked = was.clone();
            change(&mut asked);
            let message = was.resumable_as(data.path(), &asked).unwrap_err().to_string();
            assert!(message.contains(&format!("{flag} = ")), "{message}");
        }
    }

    #[test]
    fn colour_is_decided_by_all_pictures_and_what_differs_is_named() {
        let data = folder(12);
        let grey = |i: u8| image::GrayImage::from_fn(40, 20, |x, y| image::Luma([(x * 3 + y * u32::from(i)) as u8]));
        let told = std::cell::RefCell::new(Vec::new());
        let tell = |line: &str| told.borrow_mut().push(line.to_owned());
        // The first by name, and one that is broken before it.
        std::fs::write(data.path().join("a_broken.png"), b"no picture").unwrap();
        grey(1).save(data.path().join("a_grey.png")).unwrap();
        let look = InputRule::default();
        let prepared = prepare(&request(data.path(), &look, Kind::Dcgan), &tell).unwrap();
        assert_eq!(prepared.record.input.color, Color::Rgb);
        let lines = told.borrow().join("\n");
        assert!(lines.contains("1 of 13 pictures is grey where 12 are in colour: a_grey.png"), "{lines}");
        assert!(lines.contains("1 picture is not learned from") && lines.contains("a_broken.png"), "{lines}");
        (2..20).for_each(|i| grey(i).save(data.path().join(format!("grey_{i:02}.png"))).unwrap());
        let color =
            |look: &InputRule| prepare(&request(data.path(), look, Kind::Dcgan), &tell).unwrap().record.input.color;
        assert_eq!(color(&look), Color::Grey, "most are grey");
        assert_eq!(color(&InputRule { color: Some(Color::Rgb), ..InputRule::default() }), Color::Rgb);
    }

    #[test]
    fn rows_that_do_not_fit_into_memory_are_streamed_and_change_no_byte() {
        let (data, out) = (folder(12), tempfile::tempdir().unwrap());
        let look =
            InputRule { regions: Some(vec![Region::WHOLE, [0.0, 0.0, 0.5, 0.5].into()]), ..InputRule::default() };
        let asked = request(data.path(), &look, Kind::Dcgan);
        let streamed = Request { room: Room { memory: 40_000, folder: out.path().to_path_buf() }, ..asked.clone() };
        let [whole, streamed] = [asked, streamed].map(|request| prepare(&request, &|_| ()).unwrap());
        // 24 rows of 3072 bytes; the 12 fingerprints of 1032 stay in memory.
        assert_eq!((whole.samples.spilled(), streamed.samples.spilled()), (None, Some(out.path())));
        assert_eq!((&whole.record, &whole.held_out), (&streamed.record, &streamed.held_out));

        let config = Config { batch: 4, width: 4, latent: 8, steps: Some(4), ..Config::new(Net::Dcgan) };
        let never = AtomicBool::new(false);
        let checkpoint = |name: &str, samples: &Samples| {
            let run = out.path().join(name);
            train(&config, samples.into(), &run, false, &never, true, &mut || ()).unwrap();
            fs::read(run.join("checkpoints/step-00000004.safetensors")).unwrap()
        };
        assert!(checkpoint("whole", &whole.samples) == checkpoint("streamed", &streamed.samples));
        let statistics = |prepared: &Prepared| statistics::fit(&prepared.samples, &[]).unwrap();
        assert!(statistics(&whole) == statistics(&streamed));

        // A disk that fails ends the training in words.
        streamed.samples.lose().unwrap();
        let longer = Config { steps: Some(8), ..config };
        let error =
            train(&longer, (&streamed.samples).into(), &out.path().join("streamed"), true, &never, true, &mut || ())
                .unwrap_err();
        let error = error.to_string();
        assert!(error.contains("temporary file") && error.contains("step-00000004"), "{error}");
    }

    #[test]
    fn the_statistics_see_the_whole_picture_at_its_own_size() {
        let data = folder(8);
        std::fs::write(data.path().join("dataset.toml"), "regions = [[0.0, 0.0, 0.5, 0.5]]\nsize = [32, 32]\n")
            .unwrap();
        let rule = |net| prepare(&request(data.path(), &InputRule::default(), net), &|_| ()).unwrap().record.input;
        assert_eq!(
            (rule(Kind::Statistics).width, rule(Kind::Statistics).height, rule(Kind::Statistics).regions.len()),
            (40, 20, 1)
        );
        assert_eq!(
            (rule(Kind::Dcgan).width, rule(Kind::Dcgan).height, rule(Kind::Dcgan).regions[0].width),
            (32, 32, 0.5)
        );
    }

    #[test]
    fn a_copy_across_the_split_is_refused_and_a_broken_picture_left_out() {
        let data = folder(12);
        std::fs::write(data.path().join("zz_broken.png"), b"no picture").unwrap();
        let look = InputRule::default();
        let fine = prepare(&request(data.path(), &look, Kind::Dcgan), &|_| ()).unwrap();
        assert!(fine.unreadable[0].contains("zz_broken.png"), "{:?}", fine.unreadable);
        for i in 0..12 {
            let from = data.path().join(format!("note_{i:02}.png"));
            std::fs::copy(from, data.path().join(format!("note_{i:02}_copy.png"))).unwrap();
        }
        let refused = prepare(&request(data.path(), &look, Kind::Dcgan), &|_| ()).unwrap_err().to_string();
        assert!(refused.contains("near-duplicates") && refused.contains("--group"), "{refused}");
        std::fs::remove_file(data.path().join("zz_broken.png")).unwrap();
        let grouped = Request { group: Some(r"note_(\d+)"), ..request(data.path(), &look, Kind::Dcgan) };
        let (prepared, run) = (prepare(&grouped, &|_| ()).unwrap(), tempfile::tempdir().unwrap());
        prepared.write(run.path(), None).unwrap();
        let groups = Record::open(run.path()).unwrap().groups(run.path()).unwrap();
        assert_eq!(groups.unwrap(), [0, 0, 1, 1, 2, 2], "a picture and its copy are of one group");
    }

    #[test]
    fn pictures_chosen_for_how_they_look_are_learned_from_and_never_calibrated_on() {
        let (data, more) = (folder(12), tempfile::tempdir().unwrap());
        for i in 0..3u8 {
            RgbImage::from_fn(40, 20, |x, y| Rgb([(y * 9) as u8, (x * 6) as u8, 200 + i]))
                .save(more.path().join(format!("note_{i:02}.png")))
                .unwrap();
        }
        let (look, more) = (InputRule::default(), [more.path().to_path_buf()]);
        let plain = prepare(&request(data.path(), &look, Kind::Dcgan), &|_| ()).unwrap();
        let with = prepare(&Request { more: &more, ..request(data.path(), &look, Kind::Dcgan) }, &|_| ()).unwrap();
        assert_eq!(with.held_out, plain.held_out);
        assert_eq!((with.record.genuine, &with.record.more[..]), (plain.record.genuine + 3, &more[..]));
    }

    #[test]
    fn a_folder_that_is_no_run_says_so() {
        let dir = tempfile::tempdir().unwrap();
        assert!(format!("{:#}", Record::open(dir.path()).unwrap_err()).contains("is no run folder"));
    }
}
