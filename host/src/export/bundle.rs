//! Exports a finished run as a bundle: the networks are exported, compared on every available engine, calibrated and
//! checked with golden pictures, and only then moved to their place.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use candle_core::{Device, Tensor};
use counterfoil_edge::inference::{Backend as _, Engine, NamedOutput, Tract};
use counterfoil_models as contract;
use counterfoil_models::game::wilson;
use counterfoil_models::{
    Bundle, Calibration, DISCRIMINATOR, Draft, GENERATOR, Join, Manifest, Measured, SCHEMA, Score, Training, Verdict,
    WholePicture, unit,
};
use rayon::prelude::*;

use super::card::{Measurement, card};
use super::enrolment::{self, Known};
use super::golden::{self, Drawn};
use super::parity::{Agreement, EngineOutputs, compare, compare_judgements};
use super::runtime::Runtime;
use crate::data;
use crate::detector::appearance::{Appearance, Camera, SHOTS, Tolerance};
use crate::detector::detective::{Beside, DetectorOutput, InferenceModel};
use crate::gan::{self, CheckpointSelector, Trained};
use crate::math::random::stream;
use crate::nn::{Layer, embedding, infer};
use crate::onnx::{self, Operators};
use crate::run::{Record, revision};

/// Maximum number of pictures on which the engines are compared.
const PARITY_PICTURES: usize = 64;
/// Share of the held-out pictures that sets the scale of scores which are joined. Calibrating on the same pictures
/// would be optimistic.
const SCALE_SHARE: f64 = 0.25;
/// Versions of the engines that this program is built with.
const CANDLE: &str = env!("CANDLE_VERSION");
const TRACT: &str = env!("TRACT_VERSION");

/// The arguments of an export.
#[derive(Debug)]
pub struct Request<'a> {
    /// The run's folder.
    pub run: &'a Path,
    /// The checkpoint to export.
    pub checkpoint: CheckpointSelector,
    /// The bundle's folder.
    pub out: &'a Path,
    /// Whether to replace an existing bundle.
    pub force: bool,
    /// The detector's name.
    pub name: &'a str,
    /// The false-alarm rate to calibrate for, 0..1.
    pub alpha: f64,
    /// ONNX Runtime, if it was found.
    pub runtime: Option<&'a Runtime>,
    /// Whether to leave out what the box does not use: the generator and the GAN's own discriminator beside a
    /// detective.
    pub lean: bool,
    /// Which operators the detective's file is made of.
    pub operators: Operators,
}

/// The networks of a run in their exported form.
struct Exported {
    discriminator: Vec<u8>,
    generator: Option<Vec<u8>>,
    /// The discriminator in candle; `None` for a detective that is fitted directly as an ONNX graph.
    own: Option<CandleDetector>,
    /// Multiply-adds of what judges the whole picture beside the detective, if anything does.
    multiply_adds: Option<usize>,
    /// Width and height of the blocks of a picture's pixels that candle's discriminator gets as one pixel.
    pool: [usize; 2],
    latent: Option<usize>,
    steps: u64,
    config: serde_json::Value,
}

/// A discriminator that candle can run.
enum CandleDetector {
    /// The GAN's discriminator, and the index of the layer whose output is the embedding.
    Plain(Vec<Layer>, usize),
    Detective(Box<InferenceModel>),
}

impl CandleDetector {
    /// Judges pictures `[N, C, H, W]` in -1..1.
    fn judge(&self, pictures: &Tensor) -> Result<DetectorOutput> {
        match self {
            Self::Plain(layers, cut) => {
                let embedding = infer(&layers[..=*cut], pictures)?;
                let logit = infer(&layers[cut + 1..], &embedding)?.flatten_all()?;
                Ok(DetectorOutput { embedding: embedding.flatten_from(1)?, score: logit.clone(), logit })
            }
            Self::Detective(model) => Ok(model.judge(pictures)?),
        }
    }
}

/// Measures a finished bundle, given by its folder, before it is published.
pub type Measure<'a> = &'a dyn Fn(&Path) -> Result<Measurement>;

/// Exports a run. The results of `measure` go into the model card and the manifest.
///
/// # Errors
/// When the run is incomplete, two engines disagree, the held-out pictures do not support `alpha`, or a file cannot
/// be written. Nothing is left at `out` then.
pub fn export(request: &Request, measure: Option<Measure>) -> Result<Bundle> {
    // Refuse an occupied place before minutes of work are spent.
    drop(Draft::begin(request.out, request.force)?);
    let record = Record::open(request.run)?;
    let held_out = record.held_out(request.run)?;
    let metadata = [
        ("counterfoil.name".to_owned(), request.name.to_owned()),
        ("counterfoil.schema".to_owned(), SCHEMA.to_string()),
        ("counterfoil.input".to_owned(), serde_json::to_string(&record.input)?),
        ("counterfoil.rows".to_owned(), rows_of_a_picture(record.input.rows())),
    ];
    let exported = networks(request, &record, &held_out, &metadata)?;

    let [rows, c, h, w] = record.input.shape();
    let engine = Engine::load(&exported.discriminator, rows, c, h, w)?;
    let groups = record.groups(request.run)?;
    let outputs = held_out.par_iter().map(|plane| {
        let outputs = engine.run(&unit(plane))?;
        Ok((outputs.score, if groups.is_some() { outputs.embedding } else { Vec::new() }))
    });
    let (scores, embeddings): (Vec<Vec<f32>>, Vec<Vec<f32>>) = outputs.collect::<Result<Vec<_>>>()?.into_iter().unzip();
    let camera = record.camera();
    let varied = calibration_scores(request.run, &record, &engine, &held_out, &scores)?;
    let (join, calibration) = calibrate(&record, varied.as_ref().unwrap_or(&scores), request.alpha)?;
    let enrolment = match &groups {
        None => None,
        Some(groups) => {
            let known = groups.iter().zip(&scores).zip(embeddings);
            let known = known
                .map(|((group, rows), embedding)| Ok(Known { group: *group, general: join.join(rows)?, embedding }));
            let (length, learned) = (rows * engine.embedding_len(), !record.known_fakes.is_empty());
            let outputs = record.net.recipe().enrolment(length, learned);
            enrolment::fit(&known.collect::<Result<Vec<_>>>()?, &outputs, request.alpha, record.seed)?
        }
    };

    let whole_picture = exported.multiply_adds.map(|multiply_adds| {
        let pictures = &held_out[for_scale(held_out.len(), true)..];
        let [across, down] = record.pool;
        Ok::<_, anyhow::Error>(WholePicture {
            detector: [(w / across) as u32, (h / down) as u32],
            multiply_adds: multiply_adds as u64,
            false_alarms: false_alarms(&engine, &calibration, pictures, (c, h, w), (camera, record.seed))?,
        })
    });
    let whole_picture = whole_picture.transpose()?;
    let drawn = golden::draw(&record.input, &engine, &join, &calibration)?;
    let engines = Engines { runtime: request.runtime, exported: &exported, engine: &engine, shape: [rows, c, h, w] };
    let agreements = engines.agree(&blends(&held_out), &join, &calibration)?;
    engines.pass(&drawn, &join, &calibration)?;
    let mut manifest = Manifest {
        schema: SCHEMA,
        name: request.name.to_owned(),
        counter: next_counter(request.out),
        join,
        calibration,
        enrolment,
        latent: exported.latent,
        training: Training {
            net: record.net.to_string(),
            data_sha256: record.data_sha256.clone(),
            genuine: record.genuine,
            held_out: record.held_out,
            held_out_groups: groups.map(|groups| groups.iter().collect::<BTreeSet<_>>().len()),
            steps: exported.steps,
            seed: record.seed,
            config: exported.config.clone(),
            revision: revision(),
            metrics: BTreeMap::new(),
            tolerance: (varied.is_some() && camera.tolerance != Tolerance::None).then(|| camera.tolerance.to_string()),
            whole_picture,
        },
        input: record.input,
        engines: agreements.iter().map(engine_entry).collect(),
        golden: drawn.iter().map(|drawn| drawn.golden.clone()).collect(),
        files: BTreeMap::new(),
    };
    let publish = |manifest: Manifest, out: &Path, force: bool, measured: Option<&Measurement>| -> Result<Bundle> {
        let draft = Draft::begin(out, force)?;
        draft.add(DISCRIMINATOR, &exported.discriminator)?;
        if let Some(generator) = &exported.generator {
            draft.add(GENERATOR, generator)?;
        }
        for picture in &drawn {
            draft.add(&picture.golden.file, &picture.bytes)?;
        }
        draft.add("README.md", card(&manifest, measured).as_bytes())?;
        Ok(draft.finish(manifest)?)
    };

    let Some(measure) = measure else {
        return publish(manifest, request.out, request.force, None);
    };
    let folder = tempfile::tempdir().context("cannot create a temporary folder to measure the bundle in")?;
    let trial = folder.path().join("bundle");
    publish(manifest.clone(), &trial, false, None)?;
    let measurement = measure(&trial)?;
    let known = measurement.own.overall.named().into_iter().filter(|(_, estimate)| estimate.is_known());
    manifest.training.metrics =
        known.map(|(name, e)| (name.to_owned(), Measured { value: e.value, low: e.low, high: e.high })).collect();
    publish(manifest, request.out, request.force, Some(&measurement))
}

/// The scores to calibrate on: every second held-out picture as another shot of it, so that the stated rate holds under
/// the camera's changes, too; `None` for a run that is calibrated on the pictures as they are.
///
/// With all of them as other shots the stated rate would be met by the worst shot, and counterfeits in a steady light
/// would pass. With half of them the rate under the camera's changes is at most twice the stated one.
fn calibration_scores(
    run: &Path,
    record: &Record,
    engine: &Engine,
    held_out: &[Vec<u8>],
    scores: &[Vec<f32>],
) -> Result<Option<Vec<Vec<f32>>>> {
    let [_, c, h, w] = record.input.shape();
    let shots = if let Some(planes) = record.held_out_shots(run)? {
        planes.par_iter().map(|plane| Ok(engine.run(&unit(plane))?.score)).collect::<Result<_>>()?
    } else if record.is_pooled() {
        shots(engine, held_out, record.camera(), (c, h, w), ("calibration shot", record.seed))?
    } else {
        return Ok(None);
    };
    let pairs = scores.iter().zip(shots).enumerate();
    Ok(Some(pairs.map(|(at, (still, shot))| if at % 2 == 0 { still.clone() } else { shot }).collect()))
}

/// The scores of other shots of pictures, one shot of each. The stream is named for what the shots are for.
fn shots(
    engine: &Engine,
    pictures: &[Vec<u8>],
    camera: Camera,
    shape: (usize, usize, usize),
    (name, seed): (&str, u64),
) -> Result<Vec<Vec<f32>>> {
    let judge = |(index, plane): (usize, &Vec<u8>)| {
        let shot = camera.vary(plane, shape, &mut stream(seed, name, index as u64));
        Ok(engine.run(&unit(&shot))?.score)
    };
    pictures.par_iter().enumerate().map(judge).collect()
}

/// The share of genuine pictures that is called counterfeit when each is changed as another shot of it may differ, for
/// each tolerance. The calibration used other shots of the same pictures.
fn false_alarms(
    engine: &Engine,
    calibration: &Calibration,
    pictures: &[Vec<u8>],
    shape: (usize, usize, usize),
    (camera, seed): (Camera, u64),
) -> Result<BTreeMap<String, Measured>> {
    let rate = |tolerance: Tolerance| {
        let scores = shots(engine, pictures, Camera { tolerance, ..camera }, shape, ("false alarm shot", seed))?;
        let verdicts = scores.iter().map(|rows| Ok(calibration.judge(Score::new(rows[0])?).verdict()));
        let verdicts = verdicts.collect::<Result<Vec<_>>>()?;
        let alarms = verdicts.iter().filter(|verdict| **verdict == Verdict::Counterfeit).count();
        let (low, high) = wilson(alarms as u64, verdicts.len() as u64);
        Ok((tolerance.to_string(), Measured { value: alarms as f64 / verdicts.len() as f64, low, high }))
    };
    Tolerance::ALL.into_iter().map(rate).collect()
}

/// The layout of the batch, for an engine that knows nothing of bundles.
fn rows_of_a_picture(regions: usize) -> String {
    match regions {
        1 => "a row of `image` is a picture".to_owned(),
        _ => format!("a picture is {regions} adjacent rows of `image`, one a region: N is a multiple of {regions}"),
    }
}

fn networks(
    request: &Request,
    record: &Record,
    held_out: &[Vec<u8>],
    metadata: &[(String, String)],
) -> Result<Exported> {
    let [_, c, h, w] = record.input.shape();
    let pool = record.pool;
    if let Some(file) = record.net.fitted_file() {
        ensure!(
            request.checkpoint == CheckpointSelector::Newest,
            "--checkpoint: {} is a {} detective, which has none; leave the flag out",
            request.run.display(),
            record.net
        );
        let path = request.run.join(file);
        let discriminator = std::fs::read(&path)
            .with_context(|| format!("cannot read {}; the training did not finish: run it again", path.display()))?;
        let config = serde_json::json!({ "net": record.net, "seed": record.seed });
        return Ok(Exported {
            discriminator,
            generator: None,
            own: None,
            multiply_adds: None,
            pool,
            latent: None,
            steps: 0,
            config,
        });
    }
    let Trained { config, generator, discriminator, detective, steps } = gan::load(request.run, request.checkpoint)?;
    let layers = discriminator.layers()?;
    let appearance = record.appearance(request.run)?;
    let multiply_adds = appearance.as_ref().map(Appearance::multiply_adds);
    let (written, own) = if let Some(detective) = detective {
        let model = detective.inference()?;
        let plain = (!request.lean).then_some(layers.as_slice());
        let beside = appearance.map(|appearance| {
            let scaling = &held_out[..for_scale(held_out.len(), record.is_scaled())];
            // Each picture and some other shots of it, so that the scale holds under the camera's changes, too.
            let shot = |at: usize| {
                let (plane, mut rng) = (&scaling[at / SHOTS], stream(record.seed, "scaling shot", at as u64));
                if at.is_multiple_of(SHOTS) { plane.clone() } else { record.camera().vary(plane, (c, h, w), &mut rng) }
            };
            let rows = (0..scaling.len() * SHOTS).map(|at| data::pool(&shot(at), (c, h, w), pool));
            let rows: Vec<Vec<u8>> = rows.collect();
            let judged = model.judge(&centred(&rows, (c, h / pool[1], w / pool[0]))?)?;
            Ok::<_, anyhow::Error>(Beside::new(appearance, pool, &judged.score.to_vec1()?))
        });
        let beside = beside.transpose()?;
        (
            model.to_onnx(beside.as_ref(), plain, request.operators, metadata)?,
            CandleDetector::Detective(Box::new(model)),
        )
    } else {
        let cut = embedding(&layers)?;
        (onnx::discriminator(&layers, cut, (c, h, w), metadata)?, CandleDetector::Plain(layers, cut))
    };
    let latent = (!request.lean).then_some(config.latent);
    Ok(Exported {
        discriminator: written,
        generator: latent
            .map(|z| onnx::generator(&generator.layers()?, z, metadata).map_err(anyhow::Error::from))
            .transpose()?,
        own: Some(own),
        multiply_adds,
        pool,
        latent,
        steps,
        config: serde_json::to_value(&config)?,
    })
}

/// Number of held-out pictures that set the scale of scores, if any do.
fn for_scale(held_out: usize, is_scaled: bool) -> usize {
    if is_scaled { (held_out as f64 * SCALE_SHARE).round() as usize } else { 0 }
}

/// Returns the smallest false-alarm rate, as a user would type it, that a run with `held_out` held-out pictures can be
/// exported with, of which some set the scale of scores if it `is_scaled` ([`Record::is_scaled`]); `None` if the
/// pictures are too few for any rate.
#[must_use]
pub fn supported_alpha(held_out: usize, is_scaled: bool) -> Option<f64> {
    Calibration::supported_alpha(held_out - for_scale(held_out, is_scaled))
}

/// Scales the regions, if there are several, on one part of the held-out pictures and calibrates on the other part.
fn calibrate(record: &Record, scores: &[Vec<f32>], alpha: f64) -> Result<(Join, Calibration)> {
    let (scaling, rest) = scores.split_at(for_scale(scores.len(), record.is_scaled()));
    let join = if record.input.rows() == 1 { Join::single() } else { Join::fit(record.join, scaling)? };
    let joined = rest.iter().map(|rows| Ok(join.join(rows)?.get())).collect::<Result<Vec<f32>>>()?;
    let calibration = Calibration::new(alpha, joined)
        .with_context(|| format!("{} of {} held-out pictures are left to calibrate on", rest.len(), scores.len()))?;
    Ok((join, calibration))
}

/// Makes pictures to compare engines on: each held-out picture blended with a quarter of the next one.
///
/// The held-out pictures themselves are not used: their scores are those of the calibration, where a rounding error
/// in the last bit changes a rank.
fn blends(held_out: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let over = |a: &u8, b: &u8| ((3 * u16::from(*a) + u16::from(*b)) / 4) as u8;
    let pairs = held_out.iter().zip(held_out.iter().cycle().skip(1));
    pairs.take(PARITY_PICTURES).map(|(a, b)| a.iter().zip(b).map(|(a, b)| over(a, b)).collect()).collect()
}

/// The outputs of several runs as those of one.
fn joined(runs: Vec<Vec<NamedOutput>>) -> Vec<NamedOutput> {
    let mut runs = runs.into_iter();
    let mut all = runs.next().unwrap_or_default();
    for run in runs {
        for (whole, part) in all.iter_mut().zip(run) {
            whole.shape[0] += part.shape[0];
            whole.values.extend(part.values);
        }
    }
    all
}

/// The available engines, and the network whose outputs they have to agree on.
struct Engines<'a> {
    runtime: Option<&'a Runtime>,
    exported: &'a Exported,
    engine: &'a Engine,
    /// Shape of a picture: regions, channels, height, width.
    shape: [usize; 4],
}

impl Engines<'_> {
    /// Compares every engine's outputs, joined scores and verdicts on the same pictures. Candle is the reference
    /// where it trained the network.
    fn agree(&self, pictures: &[Vec<u8>], join: &Join, calibration: &Calibration) -> Result<Vec<Agreement>> {
        ensure!(!pictures.is_empty(), "no picture was held out, so nothing can be compared");
        let opinions = self.opinions(pictures)?;
        let scored: Vec<&EngineOutputs> = opinions.iter().filter(|opinion| score(opinion).is_some()).collect();
        let joined = scored.iter().map(|opinion| self.joined(opinion, join)).collect::<Result<Vec<_>>>()?;
        let named: Vec<(&str, &[f32])> =
            scored.iter().zip(&joined).map(|(o, scores)| (o.engine.as_str(), scores.as_slice())).collect();
        let agreements = compare(&opinions[0], &opinions[1..])?;
        compare_judgements(named[0], &named[1..], calibration)?;
        Ok(agreements)
    }

    /// Runs the bundle's self test on every engine, as the box does.
    fn pass(&self, drawn: &[Drawn], join: &Join, calibration: &Calibration) -> Result<()> {
        let planes: Vec<Vec<u8>> = drawn.iter().map(|drawn| drawn.plane.bytes().to_vec()).collect();
        for opinion in self.opinions(&planes)?.iter().filter(|opinion| score(opinion).is_some()) {
            let embeddings = &output(opinion, "embedding").context("an engine gave no `embedding`")?.values;
            let embeddings = embeddings.chunks_exact(embeddings.len() / drawn.len());
            for ((rows, embedding), Drawn { golden, plane, .. }) in self.rows(opinion)?.zip(embeddings).zip(drawn) {
                let judgement = calibration.judge(join.join(rows)?);
                if let Err(what) = golden.check(plane, rows, embedding, &judgement) {
                    bail!("{} fails the bundle's self test: {what}; report this with the run", opinion.engine);
                }
            }
        }
        Ok(())
    }

    fn opinions(&self, pictures: &[Vec<u8>]) -> Result<Vec<EngineOutputs>> {
        let [rows, c, h, w] = self.shape;
        let inputs: Vec<Vec<f32>> = pictures.iter().map(|plane| unit(plane)).collect();
        let n = pictures.len() * rows;

        let mut opinions = Vec::new();
        if let Some(own) = &self.exported.own {
            let pool = self.exported.pool;
            let rows = pictures.iter().flat_map(|plane| plane.chunks_exact(c * h * w));
            let rows: Vec<Vec<u8>> = rows.map(|row| data::pool(row, (c, h, w), pool)).collect();
            let judged = own.judge(&centred(&rows, (c, h / pool[1], w / pool[0]))?)?;
            let DetectorOutput { embedding, logit, score } = judged; // [P * R, E], [P * R] twice
            let (width, is_alone) = (embedding.dim(1)?, pool == [1, 1]);
            // Beside an appearance, which only the graph defines, the detector's score is the logit.
            let logit = if is_alone { logit } else { score.clone() };
            let mut outputs =
                outputs(n, score.to_vec1()?, logit.to_vec1()?, embedding.flatten_all()?.to_vec1()?, width);
            outputs.retain(|output| is_alone || output.name != "score");
            opinions.push(EngineOutputs { engine: "candle".to_owned(), version: CANDLE.to_owned(), outputs });
        }
        let mut tract = (Vec::new(), Vec::new(), Vec::new());
        for input in &inputs {
            let found = self.engine.run(input)?;
            tract.0.extend(found.score);
            tract.1.extend(found.logit);
            tract.2.extend(found.embedding);
        }
        let outputs = outputs(n, tract.0, tract.1, tract.2, self.engine.embedding_len());
        opinions.push(EngineOutputs { engine: Tract::default().name().to_owned(), version: TRACT.to_owned(), outputs });
        if let Some(runtime) = self.runtime {
            let mut session = runtime.session(&self.exported.discriminator)?;
            let outputs = if self.exported.own.is_some() {
                session.run(&inputs.concat(), &[n, c, h, w])?
            } else {
                // A network that was made elsewhere may take one picture at a time.
                let each = inputs.iter().map(|input| session.run(input, &[n / inputs.len(), c, h, w]));
                joined(each.collect::<Result<_, _>>()?)
            };
            opinions.push(EngineOutputs {
                engine: "onnxruntime".to_owned(),
                version: runtime.version().to_owned(),
                outputs,
            });
        }
        Ok(opinions)
    }

    /// The scores of each picture's regions, picture by picture.
    fn rows<'o>(&self, opinion: &'o EngineOutputs) -> Result<impl Iterator<Item = &'o [f32]>> {
        Ok(score(opinion).context("an engine gave no `score`")?.values.chunks_exact(self.shape[0]))
    }

    /// One joined score for each picture.
    fn joined(&self, opinion: &EngineOutputs, join: &Join) -> Result<Vec<f32>> {
        self.rows(opinion)?.map(|rows| Ok(join.join(rows)?.get())).collect()
    }
}

fn score(opinion: &EngineOutputs) -> Option<&NamedOutput> {
    output(opinion, "score")
}

fn output<'o>(opinion: &'o EngineOutputs, name: &str) -> Option<&'o NamedOutput> {
    opinion.outputs.iter().find(|output| output.name == name)
}

/// Rows of `[C, H, W]` bytes as a tensor `[N, C, H, W]` in -1..1.
fn centred(rows: &[Vec<u8>], (c, h, w): (usize, usize, usize)) -> Result<Tensor> {
    let unit: Vec<f32> = rows.iter().flat_map(|row| unit(row)).collect();
    Ok(Tensor::from_vec(unit, (rows.len(), c, h, w), &Device::Cpu)?.affine(2.0, -1.0)?)
}

fn outputs(n: usize, score: Vec<f32>, logit: Vec<f32>, embedding: Vec<f32>, width: usize) -> Vec<NamedOutput> {
    let one = |name: &str, width, values| NamedOutput { name: name.to_owned(), shape: vec![n, width], values };
    vec![one("score", 1, score), one("logit", 1, logit), one("embedding", width, embedding)]
}

fn engine_entry(agreement: &Agreement) -> contract::Engine {
    contract::Engine {
        engine: agreement.engine.clone(),
        version: agreement.version.clone(),
        pictures: agreement.pictures,
        max_difference: f64::from(agreement.max_difference),
    }
}

/// One more than the counter of the existing bundle, so that a replacement never looks older.
fn next_counter(out: &Path) -> u64 {
    Bundle::open(out).map_or(1, |old| old.manifest().counter + 1)
}
