//! A training run, from its first step or from a checkpoint to its end.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::Error;
use super::checkpoint::{checkpoints, newest, prune, save};
use super::config::Config;
use super::loader::DataLoader;
use super::observe::{Due, Grids, Observer, Progress, Recorder, Step, StepRecord, note};
use super::probe::{PROBE_EVERY, Probe};
use super::sampler::GeneratorSampler;
use super::step::GanTrainer;
use crate::data::{Samples, TrainingSet};
use crate::math::random::{normal, stream};
use crate::quality;

/// How a call of [`train`] ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// Number of steps made since the run began, earlier calls included. A run of this many `steps` gives the same
    /// bytes.
    pub steps: u64,
    /// Wall-clock seconds of this call.
    pub seconds: f64,
    /// Real pictures per second of this call, including the time for saving and showing.
    pub images_per_second: f64,
    /// True if the end set by the configuration was reached, false if `stop` ended the training.
    pub finished: bool,
}

/// Trains the GAN of `config` on the training set and keeps its record in the folder `run`.
///
/// With `resume`, training continues from the newest checkpoint that can be opened, or starts at step 0 if none was
/// written yet. It stops where `config` says, or soon after `stop` becomes true. In both cases the last step is
/// saved, with a grid of the generator's pictures. `on_save` is called after each checkpoint. `quiet` keeps
/// progress and notes off stderr.
///
/// # Errors
/// See [`Error`]. A checkpoint that was written stays in any case.
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
    let trainer = if resume {
        reopen(config, training_set.genuine, run, quiet)
    } else {
        begin(config, training_set.genuine, run)
    };
    let outcome = trainer.and_then(|trainer| {
        train_from(trainer, training_set, run, stop, quiet, &mut |checkpoint| {
            last = Some(checkpoint);
            on_save();
        })
    });
    outcome.map_err(|error| error.after(last.as_deref()))
}

fn train_from(
    mut trainer: GanTrainer,
    training_set: TrainingSet,
    run: &Path,
    stop: &AtomicBool,
    quiet: bool,
    saved: &mut dyn FnMut(PathBuf),
) -> Result<Outcome, Error> {
    let (config, first, started) = (trainer.config.clone(), trainer.step(), Instant::now());
    for folder in ["samples", "checkpoints"] {
        let folder = run.join(folder);
        fs::create_dir_all(&folder).map_err(Error::io("create the folder", &folder))?;
    }
    // Whether the configuration's end was reached; `None` while the training continues.
    let ending = |step: u64| {
        let at_end = config.steps.is_some_and(|steps| step >= steps)
            || config.minutes.is_some_and(|minutes| started.elapsed() >= Duration::from_secs_f64(minutes * 60.0));
        (at_end || stop.load(Ordering::Relaxed)).then_some(at_end)
    };
    let recorder = Recorder::open(run, first)?;
    let metrics = quality::all(training_set.genuine)?;
    let probe = config.detective.then(|| Probe::new(&config, training_set)).transpose()?;
    let progress = Progress::new(&config, first, quiet);
    let sample_every = if config.sample_every > 0 { config.sample_every } else { trainer.steps_per_epoch() };
    let mut ended = ending(first);
    let grids = Grids::begin(run, sample_every, &trainer, ended.is_some())?;
    let checkpoints = Checkpoints { run, keep: config.keep, saved };
    // The order matters: a checkpoint is written after the lines and the grid that led to it.
    let mut observers: [Box<dyn Observer + '_>; 4] =
        [Box::new(recorder), Box::new(grids), Box::new(checkpoints), Box::new(progress)];
    // The scope ends when the loader is dropped, which also happens on an error.
    thread::scope(|scope| {
        let loader = DataLoader::start(scope, &config, training_set, first);
        while ended.is_none() {
            let stats = trainer.train_step(&loader.batch()?)?;
            if !stats.is_finite() {
                return Err(Error::NotFinite { step: trainer.step(), last: None });
            }
            let step = trainer.step();
            ended = ending(step);
            let due = Due { checkpoint: step.is_multiple_of(config.checkpoint_every), end: ended.is_some() };
            let quality = if due.checkpoint || due.end { measure(&trainer, &metrics)? } else { BTreeMap::new() };
            let mut record = StepRecord::from(&stats);
            if due.checkpoint {
                // The point at which training was stopped is not part of its record.
                record.quality.clone_from(&quality);
            }
            if let (Some(probe), Some(detective)) = (&probe, &trainer.detective)
                && (due.checkpoint || step.is_multiple_of(PROBE_EVERY))
            {
                record.probe = probe.of(detective)?;
            }
            let step = Step { trainer: &trainer, record: &record, quality: &quality, due, elapsed: started.elapsed() };
            observers.iter_mut().try_for_each(|observer| observer.observe(&step))?;
        }
        Ok(())
    })?;

    let seconds = started.elapsed().as_secs_f64();
    let images = (trainer.step() - first) as f64 * config.batch as f64;
    Ok(Outcome {
        steps: trainer.step(),
        seconds,
        images_per_second: images / seconds.max(f64::MIN_POSITIVE),
        finished: ended == Some(true),
    })
}

/// The quality metrics of the averaged generator, on pictures of fixed latents.
fn measure(trainer: &GanTrainer, metrics: &[quality::NamedMetric]) -> Result<BTreeMap<String, f64>, Error> {
    let latent = trainer.config.latent;
    let sampler = GeneratorSampler::of_network(&trainer.average, latent, trainer.shape)?;
    let z = normal(&mut stream(trainer.config.seed, "distance", 0), quality::PICTURES * latent);
    let pictures = sampler.sample(&z)?;
    Ok(metrics.iter().map(|(name, metric)| ((*name).to_owned(), metric.measure(&pictures))).collect())
}

/// Saves checkpoints and removes those that a run does not keep.
struct Checkpoints<'a> {
    run: &'a Path,
    keep: usize,
    saved: &'a mut dyn FnMut(PathBuf),
}

impl Observer for Checkpoints<'_> {
    fn observe(&mut self, step: &Step) -> Result<(), Error> {
        if step.due.checkpoint || step.due.end {
            let checkpoint = save(step.trainer, step.quality, self.run)?;
            prune(self.run, step.record.step, self.keep)?;
            (self.saved)(checkpoint);
        }
        Ok(())
    }
}

/// A new trainer, for a folder without checkpoints.
fn begin(config: &Config, samples: &Samples, run: &Path) -> Result<GanTrainer, Error> {
    if checkpoints(run).is_empty() { GanTrainer::new(config, samples) } else { Err(Error::Occupied(run.to_owned())) }
}

/// The trainer of the newest checkpoint that can be opened, or a new one if nothing was saved yet. The checkpoint
/// must have the same recipe and pictures of the same shape.
fn reopen(config: &Config, samples: &Samples, run: &Path, quiet: bool) -> Result<GanTrainer, Error> {
    let say = |text: &str| {
        if !quiet {
            note(text);
        }
    };
    if checkpoints(run).is_empty() {
        say("no checkpoint was written yet: starting at step 0");
        return GanTrainer::new(config, samples);
    }
    let (checkpoint, warnings) = newest(run)?;
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
    // Remove what a kill between saving and pruning left over.
    prune(run, checkpoint.step, config.keep)?;
    checkpoint.into_trainer(config, samples)
}

#[cfg(test)]
mod tests {
    use super::super::{Batch, Checkpoint, CheckpointSelector, METRICS, Net, checkpoint, grids, load, step_of};
    use super::*;
    use crate::detector::detective::Part;
    use crate::math::random::stream;
    use rand::Rng;

    fn samples(shape: (usize, usize, usize)) -> Samples {
        let (channels, height, width) = shape;
        let mut rng = stream(9, "samples", 0);
        // Bright discs at random positions: enough to learn from.
        let pixels = (0..40).flat_map(|_| {
            let (cy, cx) = (rng.random_range(0..height) as f32, rng.random_range(0..width) as f32);
            (0..channels * height * width).map(move |i| {
                let (y, x) = ((i / width % height) as f32, (i % width) as f32);
                if (y - cy).hypot(x - cx) < 4.0 { 230 } else { 20 }
            })
        });
        Samples::new(channels, height, width, pixels.collect()).unwrap()
    }

    fn measured(trainer: &GanTrainer, samples: &Samples) -> f64 {
        measure(trainer, &quality::all(samples).unwrap()).unwrap()[quality::DISTANCE]
    }

    fn config(net: Net, steps: u64) -> Config {
        Config { batch: 8, width: 4, latent: 16, checkpoint_every: 1000, steps: Some(steps), ..Config::new(net) }
    }

    fn run_training(config: &Config, samples: &Samples, run: &Path, resume: bool) -> Result<Outcome, Error> {
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
            let outcome = run_training(&config(20), &samples, &whole, false).unwrap();
            assert_eq!((outcome.steps, outcome.finished), (20, true));
            run_training(&config(12), &samples, &parts, false).unwrap();
            run_training(&config(20), &samples, &parts, true).unwrap();
            run_training(&Config { seed: 1, ..config(20) }, &samples, &other, false).unwrap();
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
            let trained = load(&whole, CheckpointSelector::Newest).unwrap();
            assert_eq!((trained.steps, trained.config.net), (20, net));
        }
    }

    #[test]
    fn a_stopped_run_is_saved_and_says_so() {
        let (samples, run) = (samples((1, 8, 8)), tempfile::tempdir().unwrap());
        let minutes = Config { steps: None, minutes: Some(0.01), ..config(Net::Mlp, 1) };
        let timed = run_training(&minutes, &samples, run.path(), false).unwrap();
        assert!(timed.finished && timed.steps > 0 && timed.images_per_second > 0.0);
        let stopped =
            train(&minutes, (&samples).into(), run.path(), true, &AtomicBool::new(true), true, &mut || ()).unwrap();
        assert_eq!((stopped.steps, stopped.finished), (timed.steps, false));

        let again = run.path().join("again");
        run_training(&config(Net::Mlp, timed.steps), &samples, &again, false).unwrap();
        let file = format!("checkpoints/step-{:08}.safetensors", timed.steps);
        assert!(bytes(run.path(), &file) == bytes(&again, &file), "a timed run is not what its steps give");
    }

    #[test]
    fn the_last_grid_is_of_the_last_step_however_the_run_ends() {
        let (samples, folder) = (samples((1, 8, 8)), tempfile::tempdir().unwrap());
        let [run, whole] = ["run", "whole"].map(|name| folder.path().join(name));
        let steps = |run: &Path| grids(run).iter().map(|grid| step_of(grid).unwrap()).collect::<Vec<_>>();
        // An epoch is 5 steps of 8 of the 40 pictures. The runs: shorter than an epoch; off the schedule; stopped
        // at once; continued.
        run_training(&config(Net::Mlp, 3), &samples, &run, false).unwrap();
        assert_eq!(steps(&run), [0, 3]);
        run_training(&config(Net::Mlp, 7), &samples, &run, true).unwrap();
        assert_eq!(steps(&run), [0, 5, 7]);
        let stopped = AtomicBool::new(true);
        train(&config(Net::Mlp, 9), (&samples).into(), &run, true, &stopped, true, &mut || ()).unwrap();
        assert_eq!(steps(&run), [0, 5, 7]);
        run_training(&config(Net::Mlp, 10), &samples, &run, true).unwrap();
        run_training(&config(Net::Mlp, 10), &samples, &whole, false).unwrap();
        assert_eq!((steps(&run), steps(&whole)), (vec![0, 5, 10], vec![0, 5, 10]));
        assert!(bytes(&run, "samples/step-00000010.png") == bytes(&whole, "samples/step-00000010.png"));
    }

    #[test]
    fn a_damaged_checkpoint_falls_back_to_the_one_before() {
        let (samples, run) = (samples((1, 8, 8)), tempfile::tempdir().unwrap());
        let config = Config { checkpoint_every: 2, keep: 2, ..config(Net::Mlp, 6) };
        run_training(&config, &samples, run.path(), false).unwrap();
        let file = checkpoint::path(run.path(), 6);
        let good = fs::read(&file).unwrap();
        let mut nan = good.clone();
        let end = nan.len();
        nan[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
        for damaged in [&good[..good.len() / 2], &[], &nan] {
            fs::write(&file, damaged).unwrap();
            let (checkpoint, warnings) = newest(run.path()).unwrap();
            assert_eq!((checkpoint.step, warnings.len()), (4, 1));
            assert!(warnings[0].contains("step-00000006.safetensors"), "{}", warnings[0]);
        }
        let short = Config { steps: Some(5), keep: 1, ..config.clone() };
        run_training(&short, &samples, run.path(), true).unwrap();
        assert!(checkpoint::path(run.path(), 5).exists(), "a damaged file must not push out a good one");
        run_training(&config, &samples, run.path(), true).unwrap();
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
        run_training(&config(Net::Mlp, 10), &samples, &killed, true).unwrap();
        run_training(&config(Net::Mlp, 10), &samples, &whole, false).unwrap();
        assert_eq!(bytes(&whole, "metrics.jsonl"), bytes(&killed, "metrics.jsonl"));
        assert_eq!(grids(&whole).len(), grids(&killed).len());
    }

    #[test]
    fn the_best_checkpoint_stays_and_a_stop_off_the_schedule_changes_nothing() {
        let (samples, folder) = (samples((1, 8, 8)), tempfile::tempdir().unwrap());
        let [whole, parts] = ["whole", "parts"].map(|name| folder.path().join(name));
        let config = |steps| Config { checkpoint_every: 4, keep: 2, ..config(Net::Mlp, steps) };
        run_training(&config(40), &samples, &whole, false).unwrap();
        run_training(&config(9), &samples, &parts, false).unwrap();
        run_training(&config(40), &samples, &parts, true).unwrap();
        let names =
            |run: &Path| checkpoints(run).iter().map(|path| path.file_name().unwrap().to_owned()).collect::<Vec<_>>();
        assert_eq!(names(&whole), names(&parts));

        // The checkpoint that was kept is the best by the recorded metrics, and its value can be computed again
        // from the file and the samples.
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
        assert_eq!(load(&whole, CheckpointSelector::Best(quality::DISTANCE)).unwrap().steps, best);
        let checkpoint = Checkpoint::open(&checkpoint::path(&whole, best)).unwrap();
        let again = measured(&checkpoint.into_trainer(&config(40), &samples).unwrap(), &samples);
        assert!(
            (again - distance).abs() <= 1e-4 * distance.abs(),
            "{again} worked out again, {distance} in the metrics"
        );
        assert_eq!(names(&whole).len(), if best < 36 { 3 } else { 2 });
        assert_eq!(load(&whole, CheckpointSelector::Step(36)).unwrap().steps, 36);
        let missing = load(&whole, CheckpointSelector::Step(5)).unwrap_err().to_string();
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
                assert!(load(&run, CheckpointSelector::Newest).unwrap().detective.is_some());
            }
        }
    }

    #[test]
    fn runs_that_do_not_fit_are_refused_in_words() {
        let (samples, run) = (samples((1, 8, 8)), tempfile::tempdir().unwrap());
        let refusal =
            |config: &Config, resume| run_training(config, &samples, run.path(), resume).unwrap_err().to_string();
        assert!(refusal(&config(Net::Dcgan, 2), false).contains("8x8"));
        let tiny = Samples::new(1, 2, 2, vec![7; 40 * 4]).unwrap();
        let watched = Config { detective: true, ..config(Net::Mlp, 2) };
        assert!(run_training(&watched, &tiny, run.path(), false).unwrap_err().to_string().contains("3x3"));
        run_training(&config(Net::Mlp, 2), &samples, run.path(), false).unwrap();
        assert!(refusal(&config(Net::Mlp, 2), false).contains("--resume"));
        let other = refusal(&Config { lr_g: 0.001, ..config(Net::Mlp, 4) }, true);
        assert!(other.contains("lr_g = 0.0002, not 0.001"), "{other}");
    }

    #[test]
    fn a_disk_that_refuses_ends_the_run_in_words_and_leaves_the_last_checkpoint() {
        let (samples, run) = (samples((1, 8, 8)), tempfile::tempdir().unwrap());
        run_training(&config(Net::Mlp, 2), &samples, run.path(), false).unwrap();
        // A folder where the next checkpoint's file must go: even root cannot write that.
        fs::create_dir_all(run.path().join("checkpoints/.part")).unwrap();
        let error = run_training(&config(Net::Mlp, 4), &samples, run.path(), true).unwrap_err().to_string();
        assert!(error.contains("step-00000004") && error.contains("step-00000002"), "{error}");
        assert_eq!(load(run.path(), CheckpointSelector::Newest).unwrap().steps, 2);
    }

    #[test]
    fn losses_that_are_not_finite_end_the_run_with_remedies() {
        let (samples, run) = (samples((1, 8, 8)), tempfile::tempdir().unwrap());
        let wild = Config { loss: crate::nn::loss::Loss::LeastSquares, ..config(Net::Mlp, 4) };
        let mut trainer = GanTrainer::new(&wild, &samples).unwrap();
        let huge = |(name, weight): (&String, &candle_core::Tensor)| (name.clone(), weight.affine(1e25, 1e25).unwrap());
        let weights = trainer.discriminator.parameters().iter().map(huge).collect();
        trainer.discriminator = trainer.discriminator.with_parameters(&weights).unwrap();
        fs::create_dir_all(run.path().join("checkpoints")).unwrap();
        let quality = |x: f64| BTreeMap::from([(quality::DISTANCE.to_owned(), x)]);
        checkpoint::save(&trainer, &quality(0.0), run.path()).unwrap();
        let broken = checkpoint::save(&trainer, &quality(f64::NAN), run.path()).unwrap_err();
        assert!(
            matches!(broken, Error::NotFinite { step: 0, .. }),
            "a checkpoint that would not open is not written: {broken}"
        );
        let error = run_training(&wild, &samples, run.path(), true).unwrap_err().to_string();
        assert!(error.contains("step 1") && error.contains("lr_g") && error.contains("step-00000000"), "{error}");
    }

    #[test]
    fn a_tiny_game_learns_one_mode() {
        // Every picture is the same ramp; the generator's pictures must come close to it.
        let ramp: Vec<u8> = (0..64).map(|i| 20 + 3 * i).collect();
        let samples = Samples::new(1, 8, 8, ramp.repeat(16)).unwrap();
        let config = Config { batch: 16, lr_g: 1e-3, lr_d: 1e-3, ..config(Net::Mlp, 300) };
        let mut trainer = GanTrainer::new(&config, &samples).unwrap();
        let distance = |trainer: &GanTrainer| {
            let z = crate::math::random::normal(&mut stream(5, "z", 0), 16 * 16);
            let z = candle_core::Tensor::from_vec(z, (16, 16), &candle_core::Device::Cpu).unwrap();
            let pictures = crate::nn::infer(&trainer.average.layers().unwrap(), &z).unwrap();
            let pictures = pictures.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            let target = |i: usize| f32::from(ramp[i % 64]) / 127.5 - 1.0;
            pictures.iter().enumerate().map(|(i, x)| (x - target(i)).abs()).sum::<f32>() / pictures.len() as f32
        };
        let before = distance(&trainer);
        let mut deck = crate::math::random::Deck::new(config.seed, samples.len());
        for step in 0..300 {
            trainer.train_step(&Batch::of(&config, (&samples).into(), &mut deck, step).unwrap()).unwrap();
        }
        let after = distance(&trainer);
        let fresh = GanTrainer::new(&config, &samples).unwrap();
        let [far, near] = [&fresh, &trainer].map(|trainer| measured(trainer, &samples));
        assert!(near < far / 3.0, "kernel distance {far} before, {near} after");
        assert!(after < 0.15 && after < before / 3.0, "mean distance {before} before, {after} after");
    }
}
