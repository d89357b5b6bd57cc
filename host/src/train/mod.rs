//! Training: a configuration and samples go in, a run folder comes out.
//!
//! RUN/metrics.jsonl, RUN/samples/step-*.png, RUN/checkpoints/step-*.safetensors. The game itself is `game`; this file decides when it
//! stops, is saved and is shown. All of a run but its speed is a function of the configuration and the samples, and a kill at any moment
//! leaves what `resume` goes on from.

mod batch;
mod checkpoint;
mod config;
mod detective_batch;
mod distance;
mod feed;
mod game;
mod grid;
mod kept;
mod metrics;
mod probe;
mod progress;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

pub use crate::net::Net;
pub use checkpoint::Checkpoint;
pub(crate) use config::difference;
pub use config::{Compute, Config};
pub use detective_batch::DetectiveBatch;
pub use feed::{Draw, Feed};
pub use game::{Game, Round};
pub use grid::{grids, step_of};
pub use kept::{Trained, Which, checkpoints, load};
pub use metrics::METRICS;

use crate::data::{DataError, Samples, TrainingSet};
use distance::Yardstick;
use metrics::Metrics;
use probe::{PROBE_EVERY, Probe};
use progress::Progress;

/// Steps between two lines of metrics.jsonl.
const METRICS_EVERY: u64 = 10;

/// Why a run cannot start, go on or be opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration is no TOML of ours.
    #[error("the training configuration cannot be read: {0}")]
    Toml(String),
    /// A value out of its range.
    #[error("{key} = {value}: expected {expected}")]
    Value {
        /// The key of the configuration.
        key: &'static str,
        /// What it is.
        value: String,
        /// What it may be.
        expected: &'static str,
    },
    /// The pictures' size does not suit the net.
    #[error(transparent)]
    Size(#[from] crate::net::dcgan::SizeError),
    /// The folder holds a run already.
    #[error("{} holds a run already: add --resume to go on with it, or choose another --out", .0.display())]
    Occupied(PathBuf),
    /// The folder holds no checkpoint that opens.
    #[error("{} holds no checkpoint that opens: train it first (counterfoil train --out ...); a run saves its first at its end, on Ctrl-C or after checkpoint_every steps", .0.display())]
    NoCheckpoint(PathBuf),
    /// A step that was not saved, or is no longer kept.
    #[error("{} has no checkpoint of step {step}; it has {}", run.display(), if there.is_empty() { "none".to_owned() } else { there.join(", ") })]
    NoSuchStep {
        /// The run folder.
        run: PathBuf,
        /// The step asked for.
        step: u64,
        /// Names of those there are.
        there: Vec<String>,
    },
    /// A checkpoint that cannot be used.
    #[error("{}: {reason}", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Resuming under another recipe.
    #[error("{} was trained with {key} = {was}, not {now}: resume with the same value, or start anew with another --out", run.display())]
    Differs {
        /// The run folder.
        run: PathBuf,
        /// The key of the configuration.
        key: String,
        /// Its value in the run.
        was: String,
        /// Its value now.
        now: String,
    },
    /// The game went out of the numbers.
    #[error("the game stopped being finite at step {step}: lower lr_g and lr_d, or try loss = \"hinge\"; {}", saved(last.as_deref()))]
    NotFinite {
        /// The step at fault.
        step: u64,
        /// The last good checkpoint.
        last: Option<PathBuf>,
    },
    /// The disk refused.
    #[error("cannot {doing} {}: {source}{}{}", path.display(), remedy(source.kind()), last.as_deref().map_or_else(String::new, |last| format!("; {}", saved(Some(last)))))]
    Io {
        /// What was tried.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
        /// The last good checkpoint.
        last: Option<PathBuf>,
    },
    /// A row of the samples cannot be read.
    #[error("{source}; {}", saved(last.as_deref()))]
    Samples {
        /// What refused.
        source: Box<DataError>,
        /// The last good checkpoint.
        last: Option<PathBuf>,
    },
    /// No GPU.
    #[error(
        "device = cuda cannot be had: {0}; build with `cargo build --release --features cuda` where CUDA's toolkit is, see that nvidia-smi shows a GPU, or train with --device cpu"
    )]
    Cuda(String),
    /// A tensor operation failed: a bug of ours, or no memory.
    #[error("the training step failed: {0}")]
    Tensor(#[from] candle_core::Error),
}

impl From<DataError> for Error {
    fn from(source: DataError) -> Self {
        Self::Samples { source: source.into(), last: None }
    }
}

fn saved(last: Option<&Path>) -> String {
    match last {
        Some(path) => format!("the last good checkpoint is {}: go on from it with --resume", path.display()),
        None => "no checkpoint was written yet".to_owned(),
    }
}

fn remedy(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "; make room on that disk",
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => "; make it writable for this user",
        _ => "",
    }
}

impl Error {
    fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { doing, path: path.to_owned(), source, last: None }
    }

    /// Says which checkpoint is left after a disk refused or the game went out of the numbers.
    fn after(self, checkpoint: Option<&Path>) -> Self {
        let last = checkpoint.map(Path::to_owned);
        match self {
            Self::Io { doing, path, source, .. } => Self::Io { doing, path, source, last },
            Self::NotFinite { step, .. } => Self::NotFinite { step, last },
            Self::Samples { source, .. } => Self::Samples { source, last },
            other => other,
        }
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// Steps played since the run began, earlier calls included. `steps` of this number gives the same bytes.
    pub steps: u64,
    /// Wall-clock seconds of this call.
    pub seconds: f64,
    /// Real pictures a second of this call, saving and showing included.
    pub images_per_second: f64,
    /// Whether the end that the configuration set was reached; false when `stop` was.
    pub finished: bool,
}

/// Plays the game of `config` over the training set and keeps its record in the folder `run`.
///
/// With `resume` it goes on from the newest checkpoint that opens, and from the start where none was written yet. It stops where `config`
/// says, or soon after `stop` becomes true; either way the last step is saved, and what the generator draws there. `on_save` is called after each checkpoint. `quiet` keeps
/// progress and notes off stderr.
///
/// # Errors
/// See [`Error`]; whatever happens, a checkpoint that was written stays.
pub fn train(
    config: &Config,
    training_set: TrainingSet,
    run: &Path,
    resume: bool,
    stop: &AtomicBool,
    quiet: bool,
    on_save: &mut dyn FnMut(),
) -> Result<Outcome, Error> {
    config.validate()?;
    let mut last = checkpoints(run).pop();
    let game = if resume {
        reopen(config, training_set.genuine, run, quiet)
    } else {
        begin(config, training_set.genuine, run)
    };
    let outcome = game.and_then(|game| {
        play(game, training_set, run, stop, quiet, &mut |checkpoint| {
            last = Some(checkpoint);
            on_save();
        })
    });
    outcome.map_err(|error| error.after(last.as_deref()))
}

fn play(
    mut game: Game,
    training_set: TrainingSet,
    run: &Path,
    stop: &AtomicBool,
    quiet: bool,
    saved: &mut dyn FnMut(PathBuf),
) -> Result<Outcome, Error> {
    let (config, first, started) = (game.config.clone(), game.step(), Instant::now());
    for folder in ["samples", "checkpoints"] {
        let folder = run.join(folder);
        fs::create_dir_all(&folder).map_err(Error::io("create the folder", &folder))?;
    }
    let mut metrics = Metrics::open(run, first)?;
    let yardstick = Yardstick::new(training_set.genuine)?;
    let probe = config.detective.then(|| Probe::new(&config, training_set)).transpose()?;
    let progress = Progress::new(&config, first, quiet);
    let sample_every = if config.sample_every > 0 { config.sample_every } else { game.steps_an_epoch() };
    // Whether the end was reached; none while the game goes on.
    let ending = |step: u64| {
        let at_end = config.steps.is_some_and(|steps| step >= steps)
            || config.minutes.is_some_and(|minutes| started.elapsed() >= Duration::from_secs_f64(minutes * 60.0));
        (at_end || stop.load(Ordering::Relaxed)).then_some(at_end)
    };

    let mut ended = ending(first);
    // A grid off the schedule is the end's: it goes once the game goes on.
    let kept = first.is_multiple_of(sample_every) && first > 0;
    grid::drop_from(run, first + u64::from(kept))?;
    if first == 0 || (ended.is_some() && !kept) {
        grid::write(&game, run)?;
    }
    // The scope ends when the feed is dropped, which an error does too.
    thread::scope(|scope| {
        let feed = Feed::start(scope, &config, training_set, first);
        while ended.is_none() {
            let round = game.round(&feed.draw()?)?;
            if !round.is_finite() {
                return Err(Error::NotFinite { step: game.step(), last: None });
            }
            let step = game.step();
            ended = ending(step);
            let scheduled = step.is_multiple_of(config.checkpoint_every);
            let distance = (scheduled || ended.is_some()).then(|| yardstick.of(&game)).transpose()?;
            let probed = match (&probe, &game.detective) {
                (Some(probe), Some(detective)) if scheduled || step.is_multiple_of(PROBE_EVERY) => {
                    probe.of(detective)?
                }
                _ => None,
            };
            if scheduled || step.is_multiple_of(METRICS_EVERY) {
                // Where somebody stopped the game is no part of its record.
                metrics.add(&round, distance.filter(|_| scheduled), probed)?;
            }
            if step.is_multiple_of(sample_every) || ended.is_some() {
                grid::write(&game, run)?;
            }
            if let Some(distance) = distance {
                metrics.sync()?;
                let checkpoint = checkpoint::save(&game, distance, run)?;
                kept::prune(run, step, config.keep)?;
                saved(checkpoint);
            }
            progress.show(&round, started.elapsed());
        }
        Ok(())
    })?;

    let seconds = started.elapsed().as_secs_f64();
    let images = (game.step() - first) as f64 * config.batch as f64;
    Ok(Outcome {
        steps: game.step(),
        seconds,
        images_per_second: images / seconds.max(f64::MIN_POSITIVE),
        finished: ended == Some(true),
    })
}

/// A new game in a folder that holds none.
fn begin(config: &Config, samples: &Samples, run: &Path) -> Result<Game, Error> {
    if checkpoints(run).is_empty() { Game::new(config, samples) } else { Err(Error::Occupied(run.to_owned())) }
}

/// The game of the newest checkpoint that opens, if it was played by the same recipe on pictures of the same shape; a new one where
/// nothing was saved yet.
fn reopen(config: &Config, samples: &Samples, run: &Path, quiet: bool) -> Result<Game, Error> {
    let say = |text: &str| {
        if !quiet {
            progress::note(text);
        }
    };
    if checkpoints(run).is_empty() {
        say("no checkpoint was written yet: starting at step 0");
        return Game::new(config, samples);
    }
    let (checkpoint, warnings) = kept::newest(run)?;
    for warning in &warnings {
        say(warning);
    }
    if let Some((key, was, now)) = checkpoint.config.difference(config) {
        return Err(Error::Differs { run: run.to_owned(), key, was, now });
    }
    if checkpoint.shape != samples.shape() {
        let (was, now) = (format!("{:?}", checkpoint.shape), format!("{:?}", samples.shape()));
        return Err(Error::Differs {
            run: run.to_owned(),
            key: "picture channels, height, width".to_owned(),
            was,
            now,
        });
    }
    say(&format!("going on from step {}", checkpoint.step));
    // What a kill between saving and pruning left over.
    kept::prune(run, checkpoint.step, config.keep)?;
    checkpoint.into_game(config, samples)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detector::detective::Part;
    use crate::math::random::stream;
    use rand::Rng;

    fn samples(shape: (usize, usize, usize)) -> Samples {
        let (channels, height, width) = shape;
        let mut rng = stream(9, "samples", 0);
        // Bright discs at random places: enough to learn from.
        let pixels = (0..40).flat_map(|_| {
            let (cy, cx) = (rng.random_range(0..height) as f32, rng.random_range(0..width) as f32);
            (0..channels * height * width).map(move |i| {
                let (y, x) = ((i / width % height) as f32, (i % width) as f32);
                if (y - cy).hypot(x - cx) < 4.0 { 230 } else { 20 }
            })
        });
        Samples::new(channels, height, width, pixels.collect()).unwrap()
    }

    fn config(net: Net, steps: u64) -> Config {
        Config { batch: 8, width: 4, latent: 16, checkpoint_every: 1000, steps: Some(steps), ..Config::new(net) }
    }

    fn play(config: &Config, samples: &Samples, run: &Path, resume: bool) -> Result<Outcome, Error> {
        train(config, samples.into(), run, resume, &AtomicBool::new(false), true, &mut || ())
    }

    fn bytes(run: &Path, file: &str) -> Vec<u8> {
        fs::read(run.join(file)).unwrap()
    }

    #[test]
    fn a_resumed_run_writes_the_bytes_of_an_uninterrupted_one_and_a_seed_says_it_all() {
        for (net, shape) in [(Net::Mlp, (1, 8, 8)), (Net::Dcgan, (1, 28, 28))] {
            let (samples, folder) = (samples(shape), tempfile::tempdir().unwrap());
            let [whole, parts, other] = ["whole", "parts", "other"].map(|name| folder.path().join(name));
            let config = |steps| Config { checkpoint_every: 10, ..config(net, steps) };
            let outcome = play(&config(20), &samples, &whole, false).unwrap();
            assert_eq!((outcome.steps, outcome.finished), (20, true));
            play(&config(12), &samples, &parts, false).unwrap();
            play(&config(20), &samples, &parts, true).unwrap();
            play(&Config { seed: 1, ..config(20) }, &samples, &other, false).unwrap();
            for file in ["checkpoints/step-00000020.safetensors", "metrics.jsonl", "samples/step-00000020.png"] {
                assert!(bytes(&whole, file) == bytes(&parts, file), "{file} differs");
                assert!(bytes(&whole, file) != bytes(&other, file), "{file} does not depend on the seed");
            }
            let probes = String::from_utf8(bytes(&whole, METRICS)).unwrap().matches("\"probe\":0.").count();
            assert_eq!(
                probes,
                if net == Net::Dcgan { 2 } else { 0 },
                "one at each checkpoint, where a detective looks on"
            );
            let trained = load(&whole, Which::Newest).unwrap();
            assert_eq!((trained.steps, trained.config.net), (20, net));
        }
    }

    #[test]
    fn a_stopped_run_is_saved_and_says_so() {
        let (samples, run) = (samples((1, 8, 8)), tempfile::tempdir().unwrap());
        let minutes = Config { steps: None, minutes: Some(0.01), ..config(Net::Mlp, 1) };
        let timed = play(&minutes, &samples, run.path(), false).unwrap();
        assert!(timed.finished && timed.steps > 0 && timed.images_per_second > 0.0);
        let stopped =
            train(&minutes, (&samples).into(), run.path(), true, &AtomicBool::new(true), true, &mut || ()).unwrap();
        assert_eq!((stopped.steps, stopped.finished), (timed.steps, false));

        let again = run.path().join("again");
        play(&config(Net::Mlp, timed.steps), &samples, &again, false).unwrap();
        let file = format!("checkpoints/step-{:08}.safetensors", timed.steps);
        assert!(bytes(run.path(), &file) == bytes(&again, &file), "a timed run is not what its steps give");
    }

    #[test]
    fn the_last_grid_is_of_the_last_step_however_the_run_ends() {
        let (samples, folder) = (samples((1, 8, 8)), tempfile::tempdir().unwrap());
        let [run, whole] = ["run", "whole"].map(|name| folder.path().join(name));
        let steps = |run: &Path| grids(run).iter().map(|grid| step_of(grid).unwrap()).collect::<Vec<_>>();
        // An epoch is 5 steps of 8 of the 40 pictures. Shorter than one; off the schedule; stopped where it stood; gone on with.
        play(&config(Net::Mlp, 3), &samples, &run, false).unwrap();
        assert_eq!(steps(&run), [0, 3]);
        play(&config(Net::Mlp, 7), &samples, &run, true).unwrap();
        assert_eq!(steps(&run), [0, 5, 7]);
        let stopped = AtomicBool::new(true);
        train(&config(Net::Mlp, 9), (&samples).into(), &run, true, &stopped, true, &mut || ()).unwrap();
        assert_eq!(steps(&run), [0, 5, 7]);
        play(&config(Net::Mlp, 10), &samples, &run, true).unwrap();
        play(&config(Net::Mlp, 10), &samples, &whole, false).unwrap();
        assert_eq!((steps(&run), steps(&whole)), (vec![0, 5, 10], vec![0, 5, 10]));
        assert!(bytes(&run, "samples/step-00000010.png") == bytes(&whole, "samples/step-00000010.png"));
    }

    #[test]
    fn a_damaged_checkpoint_falls_back_to_the_one_before() {
        let (samples, run) = (samples((1, 8, 8)), tempfile::tempdir().unwrap());
        let config = Config { checkpoint_every: 2, keep: 2, ..config(Net::Mlp, 6) };
        play(&config, &samples, run.path(), false).unwrap();
        let file = checkpoint::path(run.path(), 6);
        let good = fs::read(&file).unwrap();
        let mut nan = good.clone();
        let end = nan.len();
        nan[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
        for damaged in [&good[..good.len() / 2], &[], &nan] {
            fs::write(&file, damaged).unwrap();
            let (checkpoint, warnings) = kept::newest(run.path()).unwrap();
            assert_eq!((checkpoint.step, warnings.len()), (4, 1));
            assert!(warnings[0].contains("step-00000006.safetensors"), "{}", warnings[0]);
        }
        let short = Config { steps: Some(5), keep: 1, ..config.clone() };
        play(&short, &samples, run.path(), true).unwrap();
        assert!(checkpoint::path(run.path(), 5).exists(), "a damaged file must not push out a good one");
        play(&config, &samples, run.path(), true).unwrap();
        assert!(fs::read(&file).unwrap() == good, "resumed from before, step 6 has other bytes");
    }

    #[test]
    fn resuming_a_run_that_saved_nothing_starts_it_and_drops_what_it_left() {
        let (samples, folder) = (samples((1, 8, 8)), tempfile::tempdir().unwrap());
        let [whole, killed] = ["whole", "killed"].map(|name| folder.path().join(name));
        fs::create_dir_all(killed.join("samples")).unwrap();
        for (file, left) in [("metrics.jsonl", "{\"step\":30}\n{\"st"), ("samples/step-00000030.png", "a former try's")]
        {
            fs::write(killed.join(file), left).unwrap();
        }
        play(&config(Net::Mlp, 10), &samples, &killed, true).unwrap();
        play(&config(Net::Mlp, 10), &samples, &whole, false).unwrap();
        assert_eq!(bytes(&whole, "metrics.jsonl"), bytes(&killed, "metrics.jsonl"));
        assert_eq!(grids(&whole).len(), grids(&killed).len());
    }

    #[test]
    fn the_best_checkpoint_stays_and_a_stop_off_the_schedule_changes_nothing() {
        let (samples, folder) = (samples((1, 8, 8)), tempfile::tempdir().unwrap());
        let [whole, parts] = ["whole", "parts"].map(|name| folder.path().join(name));
        let config = |steps| Config { checkpoint_every: 4, keep: 2, ..config(Net::Mlp, steps) };
        play(&config(40), &samples, &whole, false).unwrap();
        play(&config(9), &samples, &parts, false).unwrap();
        play(&config(40), &samples, &parts, true).unwrap();
        let names =
            |run: &Path| checkpoints(run).iter().map(|path| path.file_name().unwrap().to_owned()).collect::<Vec<_>>();
        assert_eq!(names(&whole), names(&parts));

        // What was kept is what the metrics say was best, and its number can be worked out again from the file and the samples.
        let distances: Vec<(u64, f64)> = String::from_utf8(bytes(&whole, METRICS))
            .unwrap()
            .lines()
            .filter_map(|line| {
                let line: serde_json::Value = serde_json::from_str(line).unwrap();
                Some((line["step"].as_u64().unwrap(), line["distance"].as_f64()?))
            })
            .collect();
        assert_eq!(distances.len(), 10);
        let (best, distance) = *distances.iter().min_by(|(_, a), (_, b)| a.total_cmp(b)).unwrap();
        assert_eq!(load(&whole, Which::Best).unwrap().steps, best);
        let checkpoint = Checkpoint::open(&checkpoint::path(&whole, best)).unwrap();
        let again =
            Yardstick::new(&samples).unwrap().of(&checkpoint.into_game(&config(40), &samples).unwrap()).unwrap();
        assert!(
            (again - distance).abs() <= 1e-4 * distance.abs(),
            "{again} worked out again, {distance} in the metrics"
        );
        assert_eq!(names(&whole).len(), if best < 36 { 3 } else { 2 });
        assert_eq!(load(&whole, Which::Step(36)).unwrap().steps, 36);
        let missing = load(&whole, Which::Step(5)).unwrap_err().to_string();
        assert!(missing.contains("step 5") && missing.contains("step-00000040"), "{missing}");
    }

    #[test]
    fn whatever_part_of_the_detective_is_left_out_the_rest_learns_and_is_opened_again() {
        let (samples, folder) = (samples((1, 28, 28)), tempfile::tempdir().unwrap());
        let known = [Samples::new(1, 28, 28, vec![99; 3 * 784]).unwrap()];
        let parts = [Part::Forger, Part::Negatives, Part::Genuine, Part::Whole, Part::Texture, Part::Average];
        for (number, without) in parts.into_iter().map(|part| vec![part]).chain([vec![]]).enumerate() {
            let config = Config { without, ..config(Net::Dcgan, 2) };
            for (known, name) in [(&known[..], "known"), (&[], "none")] {
                let run = folder.path().join(format!("{number} {name}"));
                let training_set = TrainingSet { genuine: &samples, known };
                train(&config, training_set, &run, false, &AtomicBool::new(false), true, &mut || ()).unwrap();
                assert!(load(&run, Which::Newest).unwrap().detective.is_some());
            }
        }
    }

    #[test]
    fn runs_that_do_not_fit_are_refused_in_words() {
        let (samples, run) = (samples((1, 8, 8)), tempfile::tempdir().unwrap());
        let refusal = |config: &Config, resume| play(config, &samples, run.path(), resume).unwrap_err().to_string();
        assert!(refusal(&config(Net::Dcgan, 2), false).contains("8x8"));
        let tiny = Samples::new(1, 2, 2, vec![7; 40 * 4]).unwrap();
        let watched = Config { detective: true, ..config(Net::Mlp, 2) };
        assert!(play(&watched, &tiny, run.path(), false).unwrap_err().to_string().contains("3x3"));
        play(&config(Net::Mlp, 2), &samples, run.path(), false).unwrap();
        assert!(refusal(&config(Net::Mlp, 2), false).contains("--resume"));
        let other = refusal(&Config { lr_g: 0.001, ..config(Net::Mlp, 4) }, true);
        assert!(other.contains("lr_g = 0.0002, not 0.001"), "{other}");
    }

    #[test]
    fn a_disk_that_refuses_ends_the_run_in_words_and_leaves_the_last_checkpoint() {
        let (samples, run) = (samples((1, 8, 8)), tempfile::tempdir().unwrap());
        play(&config(Net::Mlp, 2), &samples, run.path(), false).unwrap();
        // A folder where the next checkpoint's file must go: even root cannot write that.
        fs::create_dir_all(run.path().join("checkpoints/.part")).unwrap();
        let error = play(&config(Net::Mlp, 4), &samples, run.path(), true).unwrap_err().to_string();
        assert!(error.contains("step-00000004") && error.contains("step-00000002"), "{error}");
        assert_eq!(load(run.path(), Which::Newest).unwrap().steps, 2);
    }

    #[test]
    fn losses_that_are_not_finite_end_the_run_with_remedies() {
        let (samples, run) = (samples((1, 8, 8)), tempfile::tempdir().unwrap());
        let wild = Config { loss: crate::loss::Loss::LeastSquares, ..config(Net::Mlp, 4) };
        let mut game = Game::new(&wild, &samples).unwrap();
        let huge = |(name, weight): (&String, &candle_core::Tensor)| (name.clone(), weight.affine(1e25, 1e25).unwrap());
        let weights = game.discriminator.parameters().iter().map(huge).collect();
        game.discriminator = game.discriminator.with_parameters(&weights).unwrap();
        fs::create_dir_all(run.path().join("checkpoints")).unwrap();
        checkpoint::save(&game, 0.0, run.path()).unwrap();
        let broken = checkpoint::save(&game, f64::NAN, run.path()).unwrap_err();
        assert!(
            matches!(broken, Error::NotFinite { step: 0, .. }),
            "a checkpoint that would not open is not written: {broken}"
        );
        let error = play(&wild, &samples, run.path(), true).unwrap_err().to_string();
        assert!(error.contains("step 1") && error.contains("lr_g") && error.contains("step-00000000"), "{error}");
    }

    #[test]
    fn a_tiny_game_learns_one_mode() {
        // Every picture is the same ramp: what the generator makes must come close to it.
        let ramp: Vec<u8> = (0..64).map(|i| 20 + 3 * i).collect();
        let samples = Samples::new(1, 8, 8, ramp.repeat(16)).unwrap();
        let config = Config { batch: 16, lr_g: 1e-3, lr_d: 1e-3, ..config(Net::Mlp, 300) };
        let mut game = Game::new(&config, &samples).unwrap();
        let distance = |game: &Game| {
            let z = crate::math::random::normal(&mut stream(5, "z", 0), 16 * 16);
            let z = candle_core::Tensor::from_vec(z, (16, 16), &candle_core::Device::Cpu).unwrap();
            let pictures = crate::net::infer(&game.average.layers().unwrap(), &z).unwrap();
            let pictures = pictures.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            let target = |i: usize| f32::from(ramp[i % 64]) / 127.5 - 1.0;
            pictures.iter().enumerate().map(|(i, x)| (x - target(i)).abs()).sum::<f32>() / pictures.len() as f32
        };
        let before = distance(&game);
        let mut deck = crate::math::random::Deck::new(config.seed, samples.len());
        for step in 0..300 {
            game.round(&Draw::of(&config, (&samples).into(), &mut deck, step).unwrap()).unwrap();
        }
        let after = distance(&game);
        let fresh = Game::new(&config, &samples).unwrap();
        let [far, near] = [&fresh, &game].map(|game| Yardstick::new(&samples).unwrap().of(game).unwrap());
        assert!(near < far / 3.0, "kernel distance {far} before, {near} after");
        assert!(after < 0.15 && after < before / 3.0, "mean distance {before} before, {after} after");
    }
}
