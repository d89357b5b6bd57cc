//! `counterfoil train`: pictures of the genuine article become a run folder.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use counterfoil_edge::signals;
use counterfoil_host::data::{self, HELD_OUT, InputRule, StorageLimits};
use counterfoil_host::detector::Kind;
use counterfoil_host::detector::appearance::Tolerance;
use counterfoil_host::export::supported_alpha;
use counterfoil_host::gan::{self, Compute, Config, Net};
use counterfoil_host::nn::loss::Loss;
use counterfoil_host::run::backup::Backup;
use counterfoil_host::run::{self, Prepared, Record};
use counterfoil_models::{Article, Calibration, Color, JoinRule, Region, Resize};
use serde::de::DeserializeOwned;

/// Minutes of training when neither a flag nor the configuration sets an end.
const DEFAULT_MINUTES: f64 = 5.0;

/// Trains a forger and a detective on pictures of the genuine article
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil train --data photos --out runs/label --minutes 10
  counterfoil train --data mnist --out runs/digits --net mlp --steps 5000 --seed 7
  counterfoil train --data signatures --out runs/signatures --net strokes --group 'w(\\d+)_'
  counterfoil train --data photos --out runs/label --backup /mnt/usb/label
  counterfoil train --out runs/label --resume --minutes 10")]
pub(crate) struct Train {
    /// A folder of genuine pictures, a folder with real/ (and fake/, which is never trained on), or MNIST's IDX
    /// files. Other usual names and layouts are known (good/, genuine/ and counterfeit/, train/ and test/); how the
    /// folder was understood is printed
    #[arg(long, value_name = "PATH", required_unless_present = "resume")]
    data: Option<PathBuf>,
    /// A folder of known fakes, with one folder per family; the detective is trained on them too; may be repeated
    #[arg(long, value_name = "DIR")]
    known_fakes: Vec<PathBuf>,
    /// Pictures a box was unsure of, sorted by a person into real/ and fake/ in their folder (STATE/unsure): the
    /// genuine ones are used for training and never for calibration, the others are known fakes
    #[arg(long, value_name = "DIR")]
    unsure: Option<PathBuf>,
    /// The run's folder
    #[arg(long, value_name = "RUN")]
    out: PathBuf,
    /// What to train [default: dcgan]
    #[arg(long, value_enum)]
    net: Option<Kind>,
    /// A TOML file with any of the keys that RUN/config.toml shows; flags override it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Stop this call after this many minutes [default: 5]
    #[arg(long, conflicts_with = "steps")]
    minutes: Option<f64>,
    /// Stop at this step; with the step that a timed run reached, the result is the same byte for byte
    #[arg(long)]
    steps: Option<u64>,
    /// Random seed, of the split too [default: 0]
    #[arg(long)]
    seed: Option<u64>,
    /// Where the networks are computed; cuda needs a program built with --features cuda [default: cpu]
    #[arg(long, value_enum)]
    device: Option<Compute>,
    /// Continue from the newest checkpoint of the run, or from the start if there is none yet. Other flags are not
    /// needed; one that differs from the run's own is refused, except for --minutes, --steps, --device and --backup
    #[arg(long)]
    resume: bool,
    /// Mirror the run into this folder on another disk after each checkpoint; the mirror is a run folder itself
    #[arg(long, value_name = "DIR")]
    backup: Option<PathBuf>,
    /// What generator and discriminator minimise [default: non-saturating]
    #[arg(long, value_enum)]
    loss: Option<Loss>,
    /// Real pictures per step [default: 128 for mlp, 64 for dcgan]
    #[arg(long)]
    batch: Option<usize>,
    /// Length of the generator's noise z [default: 100]
    #[arg(long)]
    latent: Option<usize>,
    /// Channels of the dcgan at its highest resolution [default: 32]
    #[arg(long)]
    width: Option<usize>,
    /// The generator's learning rate [default: 0.0002]
    #[arg(long)]
    lr_g: Option<f64>,
    /// The discriminator's learning rate [default: 0.0002]
    #[arg(long)]
    lr_d: Option<f64>,
    /// How the scores of the regions are joined [default: shortfall]
    #[arg(long, value_parser = one_of::<JoinRule>(JOIN))]
    join: Option<JoinRule>,
    /// How much the camera may differ from one shot to the next [default: fixed]
    #[arg(long, value_enum)]
    tolerate: Option<Tolerance>,
    /// Share of the genuine pictures held out for calibration [default: 0.2]
    #[arg(long, value_name = "SHARE")]
    held_out: Option<f64>,
    /// Regular expression on file names; its first capture is the group, such as 'w(\d+)_'; a group is never split
    #[arg(long, value_name = "REGEX")]
    group: Option<String>,
    #[command(flatten)]
    look: InputArguments,
}

/// How pictures become the network's input.
#[derive(Args, Debug)]
pub(crate) struct InputArguments {
    /// Colour of the network's input [default: as dataset.toml says, or as the pictures are]
    #[arg(long, value_parser = one_of::<Color>(COLOR))]
    color: Option<Color>,
    /// Size of the network's input, as N or WxH; a dcgan takes 28 to 64 [default: as dataset.toml says, or 32]
    #[arg(long, value_parser = size)]
    size: Option<[u32; 2]>,
    /// What to do with pictures of another shape
    #[arg(long, value_parser = one_of::<Resize>(RESIZE))]
    resize: Option<Resize>,
    /// Where the article is in a picture [default: as dataset.toml says; for pictures above 64 pixels, as they show]
    #[arg(long, value_parser = one_of::<Article>(ARTICLE))]
    article: Option<Article>,
    /// A crop as fractions x,y,width,height of the picture; repeat it for several
    #[arg(long = "region", value_parser = region, value_name = "X,Y,W,H")]
    regions: Vec<Region>,
}

/// Values of a setting, by the names that manifests use, and what each means.
type Choices = &'static [(&'static str, &'static str)];

const JOIN: Choices = &[
    ("mean", "The mean over the regions"),
    ("min", "The lowest score of all regions"),
    ("shortfall", "The mean over regions of the squared shortfall ln(1 + exp(-z))"),
];
const COLOR: Choices = &[("grey", "One channel"), ("rgb", "Three channels")];
const RESIZE: Choices = &[
    ("stretch", "Scale each side on its own"),
    ("pad", "Keep the aspect ratio, pad with white"),
    ("ink", "Crop to the ink, keep the aspect ratio, centre on its centre of mass; for drawings on light paper"),
];
const ARTICLE: Choices = &[
    ("whole", "The whole picture: scans, or a guide frame that the article fills"),
    ("registered", "The whole picture, moved, turned and lit a little so that it lies over the mean genuine one"),
    (
        "outlined",
        "The article with four sides in the picture: outlined, turned and straightened; for photos on a table or in a hand",
    ),
    ("cropped", "The one thing of any outline on a plain ground, as it lies"),
    ("upright", "The same, turned by at most 45 degrees: its long axis runs along the picture's side"),
    ("aligned", "The same, turned: its long axis is level, its heavier end on the left"),
];

/// Parses one of `choices`. The types belong to the bundle's contract, which knows no command line; their names do
/// too.
fn one_of<T>(choices: Choices) -> impl TypedValueParser<Value = T>
where
    T: DeserializeOwned + Clone + Send + Sync + 'static,
{
    let values = choices.iter().map(|(name, help)| PossibleValue::new(name).help(help));
    let read = |name: String| serde_json::from_value(name.into()).expect("every choice is a name in the contract");
    PossibleValuesParser::new(values).map(read)
}

impl InputArguments {
    fn resolve(&self) -> InputRule {
        InputRule {
            color: self.color,
            size: self.size,
            resize: self.resize,
            article: self.article,
            regions: (!self.regions.is_empty()).then(|| self.regions.clone()),
            pool: None,
        }
    }
}

impl Train {
    pub(crate) fn run(self) -> Result<()> {
        let begun = if self.resume { Some(self.begun()?) } else { None };
        match &begun {
            Some(record) => record.resumable_as(&self.out, &self.over(record)?)?,
            None => run::ensure_free(&self.out)?,
        }
        let net = match (&begun, self.net) {
            (Some(record), _) => record.net,
            (None, Some(net)) => net,
            (None, None) => self.configured_net()?,
        };
        // An invalid configuration is reported before thousands of pictures are read.
        ensure!(
            net.gan().is_some() || !self.resume,
            "a {net} detective is fitted in one go; there is nothing to resume"
        );
        let config = net.gan().map(|gan| self.gan_config(gan, begun.is_some())).transpose()?;
        let seed = config.as_ref().map_or(self.seed.unwrap_or(0), |config| config.seed);
        let mut backup = self.backup.as_deref().map(|dir| Backup::new(&self.out, dir)).transpose()?;
        let alone = config.as_ref().is_some_and(|config| !config.detective);
        let prepared = self.prepare(begun.as_ref(), net, seed, alone)?;
        tell_data(&prepared)?;
        let _claim = run::lock_folder(&self.out)?;
        if begun.is_none() {
            prepared.write(&self.out, config.as_ref())?;
        }
        let ended = match config {
            Some(config) => train_gan(&config, &prepared, &self.out, self.resume, backup.as_mut()),
            None => self.fit(&prepared, backup.as_mut()),
        };
        if let Some(why) = backup.as_ref().and_then(Backup::behind) {
            eprintln!("the backup is behind ({why}); the next run with --backup brings it up to date");
        }
        ended
    }

    /// Opens the record of the run that is resumed.
    fn begun(&self) -> Result<Record> {
        let out = self.out.display();
        ensure!(
            Record::is_in(&self.out),
            "{out} holds no run to resume; start one: counterfoil train --data PATH --out {out}"
        );
        Record::open(&self.out)
    }

    /// The run's record with the given flags applied. Flags that are not given leave it unchanged.
    fn over(&self, record: &Record) -> Result<Record> {
        let mut asked = record.clone();
        if let Some(net) = self.net {
            asked.net = net;
        }
        asked.group = self.group.clone().or(asked.group);
        asked.held_out_share = self.held_out.unwrap_or(asked.held_out_share);
        asked.join = self.join.unwrap_or(asked.join);
        asked.tolerance = self.tolerate.unwrap_or(asked.tolerance);
        asked.input = self.look.resolve().over(asked.input);
        let unsure = self.unsure.as_deref().map(labelled).transpose()?;
        if let Some((more, _)) = &unsure {
            asked.more.clone_from(more);
        }
        // The record does not tell which flag gave known fakes. So fakes that a flag left out now may have given stay
        // in the record.
        let (_, sorted) = unsure.unwrap_or_default();
        if !self.known_fakes.is_empty() {
            let rest = asked.known_fakes.get(self.known_fakes.len()..).unwrap_or_default().to_vec();
            asked.known_fakes = [self.known_fakes.clone(), if self.unsure.is_some() { sorted } else { rest }].concat();
        } else if sorted.iter().any(|folder| !asked.known_fakes.contains(folder)) {
            asked.known_fakes.extend(sorted);
        }
        Ok(asked)
    }

    /// Fits a detector that is not a GAN.
    fn fit(&self, prepared: &Prepared, backup: Option<&mut Backup>) -> Result<()> {
        prepared.fit(&self.out)?;
        mirror(backup);
        tell_next(&self.out, &prepared.record);
        Ok(())
    }

    /// Prepares the pictures. A GAN's discriminator that judges `alone` sees no more of a picture than the game does.
    fn prepare(&self, begun: Option<&Record>, net: Kind, seed: u64, alone: bool) -> Result<Prepared> {
        let mut look = begun.map_or_else(|| self.look.resolve(), Record::look);
        if alone {
            look.pool = Some([1, 1]);
        }
        let data = match (&self.data, begun) {
            (Some(data), _) => data,
            (None, Some(record)) => &record.data,
            (None, None) => bail!("--data is missing; give the folder with the genuine pictures"),
        };
        let (more, labelled) = self.unsure.as_deref().map(labelled).transpose()?.unwrap_or_default();
        let known_fakes = [self.known_fakes.clone(), labelled].concat();
        let request = run::Request {
            net,
            data,
            group: begun.map_or(self.group.as_deref(), |record| record.group.as_deref()),
            known_fakes: begun.map_or(&known_fakes, |record| &record.known_fakes),
            more: begun.map_or(&more, |record| &record.more),
            look: &look,
            tolerance: begun.map_or(self.tolerate.unwrap_or_default(), |record| record.tolerance),
            join: begun.map_or(self.join.unwrap_or(JoinRule::Shortfall), |record| record.join),
            held_out: begun.map_or(self.held_out.unwrap_or(HELD_OUT), |record| record.held_out_share),
            seed: begun.map_or(seed, |record| record.seed),
            room: StorageLimits::of(&self.out),
        };
        let prepared = run::prepare(&request, &super::tell)?;
        if let Some(record) = begun {
            ensure!(
                prepared.record.data_sha256 == record.data_sha256,
                "--data {} does not hold the pictures that {} was trained on; put them back, or start anew with another --out",
                data.display(),
                self.out.display()
            );
            ensure!(
                prepared.record.known_sha256 == record.known_sha256,
                "--known-fakes: {:?} no longer hold the pictures that {} was trained on; put them back, or start anew with another --out",
                record.known_fakes,
                self.out.display()
            );
        }
        Ok(prepared)
    }

    /// The network that the configuration file names, or the DCGAN without a file.
    fn configured_net(&self) -> Result<Kind> {
        let Some(path) = &self.config else { return Ok(Kind::Dcgan) };
        Ok(read_config(path, None)?.net.into())
    }

    /// Merges the configuration: the defaults, then the run's or the user's file, then the flags.
    fn gan_config(&self, net: Net, resumed: bool) -> Result<Config> {
        let file = if resumed { Some(self.out.join(run::CONFIG)) } else { self.config.clone() };
        let given = file.map_or_else(|| Ok(Config::new(net)), |path| read_config(&path, Some(net)))?;
        let mut config = match &self.config {
            Some(path) if resumed => given.over(&read(path)?).with_context(|| format!("in {}", path.display()))?,
            _ => given.clone(),
        };
        if self.minutes.is_some() || self.steps.is_some() {
            (config.minutes, config.steps) = (self.minutes, self.steps);
        } else if config.minutes.is_none() && config.steps.is_none() {
            config.minutes = Some(DEFAULT_MINUTES);
        }
        config.seed = self.seed.unwrap_or(config.seed);
        config.loss = self.loss.unwrap_or(config.loss);
        config.device = self.device.unwrap_or(config.device);
        config.batch = self.batch.unwrap_or(config.batch);
        config.latent = self.latent.unwrap_or(config.latent);
        config.width = self.width.unwrap_or(config.width);
        config.lr_g = self.lr_g.unwrap_or(config.lr_g);
        config.lr_d = self.lr_d.unwrap_or(config.lr_d);
        config.validate()?;
        if let Some((key, was, now)) = given.difference(&config).filter(|_| resumed) {
            return Err(gan::Error::Differs { run: self.out.clone(), key, was, now }.into());
        }
        Ok(config)
    }
}

/// Trains the GAN until its end or Ctrl-C, and prints a summary.
fn train_gan(
    config: &Config,
    prepared: &Prepared,
    out: &Path,
    resume: bool,
    mut backup: Option<&mut Backup>,
) -> Result<()> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    signals::listen(move |_| {
        // A second Ctrl-C stops the process at once.
        if flag.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    })
    .context("cannot listen for Ctrl-C")?;

    // The backup also runs before the first step, so that a mistyped folder is reported now.
    mirror(backup.as_deref_mut());
    prepared.fit_beside(out, &super::tell)?;
    let mut on_save = || mirror(backup.as_deref_mut());
    let outcome = gan::train(config, prepared.training_set(), out, resume, &stop, false, &mut on_save)?;
    eprintln!(
        "{} steps, {:.0} pictures a second; the newest grid of samples is in {}",
        outcome.steps,
        outcome.images_per_second,
        out.join("samples").display()
    );
    if outcome.finished {
        tell_next(out, &prepared.record);
    } else {
        eprintln!("stopped and saved; go on with: counterfoil train --out {} --resume", out.display());
    }
    Ok(())
}

/// Brings the backup up to date, if there is one, and prints its message.
fn mirror(backup: Option<&mut Backup>) {
    if let Some(said) = backup.and_then(Backup::mirror) {
        eprintln!("{said}");
    }
}

/// Prints how many pictures there are for training and for calibration.
fn tell_data(prepared: &Prepared) -> Result<()> {
    let Prepared { record, samples, .. } = prepared;
    let (channels, height, width) = samples.shape();
    eprintln!(
        "{} genuine pictures to learn from ({} rows of {width}x{height}, {channels} channel(s)), {} held out",
        record.genuine,
        samples.len(),
        record.held_out
    );
    let supported = supported(record)?;
    eprintln!(
        "those held out support a false-alarm rate of {:.2} % or more (`counterfoil export --alpha {supported}`); more pictures support a smaller one",
        100.0 * supported
    );
    if let Some(folder) = samples.spilled() {
        eprintln!(
            "the rows are read from a temporary file in {}: they are more than is kept in memory",
            folder.display()
        );
    }
    Ok(())
}

/// The smallest false-alarm rate that a run's held-out pictures support.
fn supported(record: &Record) -> Result<f64> {
    let (held_out, regions, is_scaled) = (record.held_out, record.input.rows(), record.is_scaled());
    supported_alpha(held_out, is_scaled).with_context(|| {
        // Where scores are joined, a quarter of the held-out pictures sets their scale.
        let enough = (held_out..2 * Calibration::FEWEST).find(|n| supported_alpha(*n, is_scaled).is_some());
        let enough = enough.unwrap_or(2 * Calibration::FEWEST);
        format!(
            "{held_out} held-out pictures of {regions} region(s) support no false-alarm rate, so this run could not be exported: add pictures, \
             or raise --held-out, until {enough} are held out"
        )
    })
}

/// Prints the command that exports a finished run.
fn tell_next(run: &Path, record: &Record) {
    let alpha =
        supported_alpha(record.held_out, record.is_scaled()).filter(|alpha| *alpha > Calibration::DEFAULT_ALPHA);
    let alpha = alpha.map_or(String::new(), |alpha| format!(" --alpha {alpha}"));
    eprintln!("next: counterfoil export {} --out BUNDLE{alpha}", run.display());
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read --config {}", path.display()))
}

fn read_config(path: &Path, net: Option<Net>) -> Result<Config> {
    Config::from_toml(&read(path)?, net).with_context(|| format!("in {}", path.display()))
}

/// Parses a size: `32`, or `64x48` with the width first.
pub(super) fn size(text: &str) -> Result<[u32; 2], String> {
    let (width, height) = text.split_once('x').unwrap_or((text, text));
    let side = |side: &str| side.parse().map_err(|_| format!("{text}: expected N or WxH, such as 32 or 64x48"));
    Ok([side(width)?, side(height)?])
}

fn region(text: &str) -> Result<Region, String> {
    let numbers: Result<Vec<f64>, _> = text.split(',').map(|part| part.trim().parse()).collect();
    match numbers.as_deref() {
        Ok([x, y, width, height]) => Ok([*x, *y, *width, *height].into()),
        _ => Err(format!("{text}: expected four fractions x,y,width,height, such as 0,0,0.5,0.5")),
    }
}

/// Folders of genuine pictures, and folders of fakes.
type Labelled = (Vec<PathBuf>, Vec<PathBuf>);

/// The folders into which a person sorted the pictures that a box was unsure of.
fn labelled(folder: &Path) -> Result<Labelled> {
    let (real, fake) = data::sides(folder).with_context(|| format!("--unsure {}", folder.display()))?;
    ensure!(
        !real.is_empty() || !fake.is_empty(),
        "--unsure {}: these pictures are not labelled yet; move those that are genuine into real/ in that folder, and those that are not \
         into fake/",
        folder.display()
    );
    Ok((real, fake))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_choice_is_a_name_in_the_contract() {
        fn parsed<T: DeserializeOwned>(choices: Choices) -> usize {
            choices.iter().filter(|(name, _)| serde_json::from_value::<T>((*name).into()).is_ok()).count()
        }
        let found =
            [parsed::<JoinRule>(JOIN), parsed::<Color>(COLOR), parsed::<Resize>(RESIZE), parsed::<Article>(ARTICLE)];
        assert_eq!(found, [JOIN, COLOR, RESIZE, ARTICLE].map(<[_]>::len));
    }
}
