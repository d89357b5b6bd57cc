//! Training: a configuration and samples go in, a run folder comes out.
//!
//! RUN/config.toml, RUN/metrics.jsonl, RUN/samples/step-*.png, RUN/checkpoints/step-*.safetensors. The game itself is `game`; this file
//! decides when it stops, is saved and is shown. All of a run but its speed is a function of the configuration and the samples.

mod checkpoint;
mod config;
mod feed;
mod game;
mod grid;
mod metrics;
mod progress;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

pub use checkpoint::{Checkpoint, Trained, load};
pub use config::{Config, Net};
pub use feed::{Draw, Feed};
pub use game::{Game, Round};

use crate::data::{DataError, Samples};
use metrics::Metrics;
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
    #[error("the losses stopped being finite at step {step}: lower lr_g and lr_d, or try loss = \"hinge\"; {}", saved(last.as_deref()))]
    NotFinite {
        /// The step at fault.
        step: u64,
        /// The last good checkpoint.
        last: Option<PathBuf>,
    },
    /// The disk refused.
    #[error("cannot {doing} {}: {source}{}", path.display(), last.as_deref().map_or_else(String::new, |last| format!("; {}", saved(Some(last)))))]
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
    /// A tensor operation failed: a bug of ours, or no memory.
    #[error("the training step failed: {0}")]
    Tensor(#[from] candle_core::Error),
}

fn saved(last: Option<&Path>) -> String {
    match last {
        Some(path) => format!("the last good checkpoint is {}: go on from it with --resume", path.display()),
        None => "no checkpoint was written yet".to_owned(),
    }
}

impl Error {
    fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { doing, path: path.to_owned(), source, last: None }
    }

    /// Says which checkpoint is left after a disk refused.
    fn after(self, checkpoint: Option<&Path>) -> Self {
        match self {
            Self::Io { doing, path, source, .. } => {
                Self::Io { doing, path, source, last: checkpoint.map(Path::to_owned) }
            }
            Self::Samples { source, .. } => Self::Samples { source, last: checkpoint.map(Path::to_owned) },
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

/// Plays the game of `config` over `samples` and keeps its record in the folder `run`.
///
/// With `resume` it goes on from the newest checkpoint that opens. It stops where `config` says, or soon after `stop` becomes true; either
/// way the last step is saved. `quiet` keeps progress and warnings off stderr.
///
/// # Errors
/// See [`Error`]; whatever happens, a checkpoint that was written stays.
pub fn train(
    config: &Config,
    samples: &Samples,
    run: &Path,
    resume: bool,
    stop: &AtomicBool,
    quiet: bool,
) -> Result<Outcome, Error> {
    config.validate()?;
    for folder in ["samples", "checkpoints"] {
        let folder = run.join(folder);
        fs::create_dir_all(&folder).map_err(Error::io("create the folder", &folder))?;
    }
    let mut game = if resume { reopen(config, samples, run, quiet)? } else { begin(config, samples, run)? };
    let mut metrics = Metrics::open(run, game.step())?;
    let progress = Progress::new(config, game.step(), quiet);
    let (started, first) = (Instant::now(), game.step());
    let sample_every = if config.sample_every > 0 { config.sample_every } else { game.steps_an_epoch() };
    let mut last = checkpoint::files(run).pop();

    // The scope ends when the feed is dropped, which an error does too.
    let finished = thread::scope(|scope| {
        let feed = Feed::start(scope, config, samples, game.step());
        loop {
            let (step, elapsed) = (game.step(), started.elapsed());
            let at_end = config.steps.is_some_and(|steps| step >= steps)
                || config.minutes.is_some_and(|minutes| elapsed >= Duration::from_secs_f64(minutes * 60.0));
            let stopped = stop.load(Ordering::Relaxed);
            if step.is_multiple_of(sample_every) && (step > first || step == 0) {
                grid::write(&game, run).map_err(|error| error.after(last.as_deref()))?;
            }
            if step > first && (at_end || stopped || step.is_multiple_of(config.checkpoint_every)) {
                let saved = checkpoint::save(&game, run, config.keep);
                last = Some(saved.map_err(|error| error.after(last.as_deref()))?);
            }
            if at_end || stopped {
                return Ok(at_end);
            }
            let draw = feed.draw().map_err(|error| error.after(last.as_deref()))?;
            let round = game.round(&draw)?;
            if !round.is_finite() {
                return Err(Error::NotFinite { step: game.step(), last });
            }
            if game.step().is_multiple_of(METRICS_EVERY) {
                metrics.add(&round).map_err(|error| error.after(last.as_deref()))?;
            }
            progress.show(&round, started.elapsed());
        }
    })?;

    let seconds = started.elapsed().as_secs_f64();
    let images = (game.step() - first) as f64 * config.batch as f64;
    Ok(Outcome { steps: game.step(), seconds, images_per_second: images / seconds.max(f64::MIN_POSITIVE), finished })
}

/// A new game in a folder that holds none.
fn begin(config: &Config, samples: &Samples, run: &Path) -> Result<Game, Error> {
    if !checkpoint::files(run).is_empty() {
        return Err(Error::Occupied(run.to_owned()));
    }
    let game = Game::new(config, samples)?;
    let path = run.join("config.toml");
    let text = toml::to_string(config).map_err(|error| Error::Toml(error.to_string()))?;
    fs::write(&path, text).map_err(Error::io("write", &path))?;
    Ok(game)
}

/// The game of the newest checkpoint that opens, if it was played by the same recipe on pictures of the same shape.
fn reopen(config: &Config, samples: &Samples, run: &Path, quiet: bool) -> Result<Game, Error> {
    let (checkpoint, warnings) = Checkpoint::newest(run)?;
    for warning in warnings.iter().filter(|_| !quiet) {
        progress::note(warning);
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
    checkpoint.into_game(config, samples)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::stream;
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
        train(config, samples, run, resume, &AtomicBool::new(false), true)
    }

    fn bytes(run: &Path, file: &str) -> Vec<u8> {
        fs::read(run.join(file)).unwrap()
    }

    #[test]
    fn a_resumed_run_writes_the_bytes_of_an_uninterrupted_one_and_a_seed_says_it_all() {
        for (net, shape) in [(Net::Mlp, (1, 8, 8)), (Net::Dcgan, (1, 28, 28))] {
            let (samples, folder) = (samples(shape), tempfile::tempdir().unwrap());
            let [whole, parts, other] = ["whole", "parts", "other"].map(|name| folder.path().join(name));
            let outcome = play(&config(net, 20), &samples, &whole, false).unwrap();
            assert_eq!((outcome.steps, outcome.finished), (20, true));
            play(&config(net, 10), &samples, &parts, false).unwrap();
            play(&config(net, 20), &samples, &parts, true).unwrap();
            play(&Config { seed: 1, ..config(net, 20) }, &samples, &other, false).unwrap();
            for file in ["checkpoints/step-00000020.safetensors", "metrics.jsonl", "samples/step-00000020.png"] {
                assert!(bytes(&whole, file) == bytes(&parts, file), "{file} differs");
                assert!(bytes(&whole, file) != bytes(&other, file), "{file} does not depend on the seed");
            }
            let trained = load(&whole).unwrap();
            assert_eq!((trained.steps, trained.config.net), (20, net));
        }
    }

    #[test]
    fn a_stopped_run_is_saved_and_says_so() {
        let (samples, run) = (samples((1, 8, 8)), tempfile::tempdir().unwrap());
        let minutes = Config { steps: None, minutes: Some(0.002), ..config(Net::Mlp, 1) };
        let timed = play(&minutes, &samples, run.path(), false).unwrap();
        assert!(timed.finished && timed.steps > 0 && timed.images_per_second > 0.0);
        let stopped = train(&minutes, &samples, run.path(), true, &AtomicBool::new(true), true).unwrap();
        assert_eq!((stopped.steps, stopped.finished), (timed.steps, false));

        let again = run.path().join("again");
        play(&config(Net::Mlp, timed.steps), &samples, &again, false).unwrap();
        let file = format!("checkpoints/step-{:08}.safetensors", timed.steps);
        assert!(bytes(run.path(), &file) == bytes(&again, &file), "a timed run is not what its steps give");
    }

    #[test]
    fn a_damaged_checkpoint_falls_back_to_the_one_before_and_old_ones_go() {
        let (samples, run) = (samples((1, 8, 8)), tempfile::tempdir().unwrap());
        let config = Config { checkpoint_every: 2, keep: 2, ..config(Net::Mlp, 6) };
        play(&config, &samples, run.path(), false).unwrap();
        let files = checkpoint::files(run.path());
        assert_eq!(files.len(), 2);

        let good = fs::read(&files[1]).unwrap();
        let mut nan = good.clone();
        let end = nan.len();
        nan[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
        for damaged in [&good[..good.len() / 2], &[], &nan] {
            fs::write(&files[1], damaged).unwrap();
            let (checkpoint, warnings) = Checkpoint::newest(run.path()).unwrap();
            assert_eq!((checkpoint.step, warnings.len()), (4, 1));
            assert!(warnings[0].contains("step-00000006.safetensors"), "{}", warnings[0]);
        }
        play(&config, &samples, run.path(), true).unwrap();
        assert!(fs::read(&files[1]).unwrap() == good, "resumed from step 4, step 6 has other bytes");
    }

    #[test]
    fn runs_that_do_not_fit_are_refused_in_words() {
        let (samples, run) = (samples((1, 8, 8)), tempfile::tempdir().unwrap());
        let refusal = |config: &Config, resume| play(config, &samples, run.path(), resume).unwrap_err().to_string();
        assert!(refusal(&config(Net::Dcgan, 2), false).contains("8x8"));
        assert!(refusal(&config(Net::Mlp, 2), true).contains("no checkpoint"));
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
        fs::create_dir_all(run.path().join("checkpoints/.step-00000004.part")).unwrap();
        let error = play(&config(Net::Mlp, 4), &samples, run.path(), true).unwrap_err().to_string();
        assert!(error.contains("step-00000004") && error.contains("step-00000002"), "{error}");
        assert_eq!(load(run.path()).unwrap().steps, 2);
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
        checkpoint::save(&game, run.path(), 1).unwrap();
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
            let z = crate::stream::normal(&mut stream(5, "z", 0), 16 * 16);
            let z = candle_core::Tensor::from_vec(z, (16, 16), &candle_core::Device::Cpu).unwrap();
            let pictures = crate::net::infer(&game.average.layers().unwrap(), &z).unwrap();
            let pictures = pictures.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            let target = |i: usize| f32::from(ramp[i % 64]) / 127.5 - 1.0;
            pictures.iter().enumerate().map(|(i, x)| (x - target(i)).abs()).sum::<f32>() / pictures.len() as f32
        };
        let before = distance(&game);
        let mut deck = crate::stream::Deck::new(config.seed, samples.len());
        for step in 0..300 {
            game.round(&Draw::of(&config, &samples, &mut deck, step).unwrap()).unwrap();
        }
        let after = distance(&game);
        assert!(after < 0.15 && after < before / 3.0, "mean distance {before} before, {after} after");
    }
}
