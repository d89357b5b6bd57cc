//! Pictures of a data set become [`Scored`] lines, by the very detector the box runs, with the baselines beside it.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use counterfoil_edge::Detector;
use counterfoil_edge::engine::Engine;
use counterfoil_models::{Frame, Plane, Preprocess, Verdict};
use rayon::prelude::*;

use crate::data::{Item, Samples, Settings, cues, parted};
use crate::eval::{
    Baseline, Bootstrap, Cues, Estimate, EvalError, Evaluation, Scored, SingleNumbers, best_single_number, evaluate,
};
use crate::run::Look;
use crate::statistics;

/// Genuine pictures that are needed to fit the hand statistics on one half and judge the other.
const MIN_CROSS_FIT: usize = 40;

/// A data set judged.
#[derive(Debug)]
pub struct Judged {
    /// One line a picture, in the order of the items.
    pub scored: Vec<Scored>,
    /// What could not be judged, each with its reason.
    pub unreadable: Vec<String>,
}

/// Judges every picture on all cores; one that cannot be read is named and the rest go on.
#[must_use]
pub fn judge(detector: &Detector, items: &[Item]) -> Judged {
    let lines: Vec<Result<Scored, String>> = items
        .par_iter()
        .map(|item| {
            let frame = item.frame().map_err(|e| e.to_string())?;
            let judgement = detector.judge(&frame).map_err(|e| format!("{}: {e}", item.name))?;
            Ok(Scored {
                path: item.path().map_or_else(|| item.name.clone(), |path| path.to_string_lossy().into_owned()),
                family: item.family.clone(),
                group: Some(item.group.clone()),
                score: judgement.score().get(),
                p_value: judgement.p_value(),
                verdict: judgement.verdict(),
            })
        })
        .collect();
    let (scored, unreadable) = parted(lines);
    Judged { scored, unreadable }
}

/// A detector's rates on judged pictures.
///
/// # Errors
/// [`EvalError`] when none of them is genuine.
pub fn rates(judged: &Judged) -> Result<Evaluation, EvalError> {
    evaluate(&judged.scored, Bootstrap::default())
}

/// The baseline that needs no training: the best single number for each family.
///
/// # Errors
/// [`EvalError`] when no genuine picture could be read.
pub fn single_number(items: &[Item]) -> Result<SingleNumbers, EvalError> {
    let read: Vec<_> =
        items.par_iter().filter_map(|item| Some((item.family.clone(), cues(&item.frame().ok()?)))).collect();
    let names =
        read.first().map_or_else(Vec::new, |(_, cues)| cues.iter().map(|(name, _)| (*name).to_owned()).collect());
    let mut genuine = Vec::new();
    let mut fakes: BTreeMap<String, Vec<Vec<f64>>> = BTreeMap::new();
    for (family, cues) in read {
        let numbers = cues.into_iter().map(|(_, value)| value).collect();
        match family {
            None => genuine.push(numbers),
            Some(family) => fakes.entry(family).or_default().push(numbers),
        }
    }
    let cues = Cues { names, reference: genuine.clone(), genuine, fakes };
    best_single_number(&cues, Bootstrap::default())
}

/// The hand statistics' row: fitted on one half of the genuine pictures and judging the other, and the other way round.
///
/// Fitted on pictures of the very test, by the same camera, it has an advantage over a detector trained elsewhere,
/// which is what a baseline may have. It ranks only; it has no calibrated threshold. `None` with too few pictures.
///
/// # Errors
/// When a picture cannot be laid out or the statistics cannot be fitted.
pub fn cross_fitted_statistics(items: &[Item]) -> Result<Option<Baseline>> {
    let read: Vec<(&Item, Frame)> = items.par_iter().filter_map(|item| Some((item, item.frame().ok()?))).collect();
    let genuine: Vec<&Frame> = read.iter().filter(|(item, _)| item.family.is_none()).map(|(_, frame)| frame).collect();
    if genuine.len() < MIN_CROSS_FIT {
        return Ok(None);
    }
    let input = Look::default().resolve(&Settings::default(), genuine[0], true);
    let halves = [0, 1].map(|half| {
        let fold: Vec<&Frame> = genuine.iter().skip(half).step_by(2).copied().collect();
        Statistics::fit(&fold, &input)
    });
    let [even, odd] = halves;
    let (even, odd) = (even?, odd?);

    // The genuine at even places are judged by the fit to the odd ones and the other way round; counterfeits by both.
    let mut genuine_places = 0..genuine.len();
    let places: Vec<Option<usize>> =
        read.iter().map(|(item, _)| if item.family.is_none() { genuine_places.next() } else { None }).collect();
    let scored: Vec<Scored> = read
        .par_iter()
        .zip(&places)
        .map(|((item, frame), place)| {
            let score = match place {
                Some(place) if place % 2 == 0 => odd.score(frame)?,
                Some(_) => even.score(frame)?,
                None => f32::midpoint(even.score(frame)?, odd.score(frame)?),
            };
            Ok(Scored {
                path: item.name.clone(),
                family: item.family.clone(),
                group: Some(item.group.clone()),
                score,
                p_value: f64::NAN,
                verdict: Verdict::Unsure,
            })
        })
        .collect::<Result<_>>()?;
    let mut evaluation = evaluate(&scored, Bootstrap::default())?;
    let families = evaluation.families.values_mut().map(|family| &mut family.metrics);
    for metrics in families.chain([&mut evaluation.overall]) {
        metrics.false_alarm_rate = Estimate::UNKNOWN;
        metrics.detection_rate = Estimate::UNKNOWN;
    }
    Ok(Some(Baseline { name: "hand statistics".to_owned(), evaluation }))
}

/// Hand statistics fitted to some pictures.
struct Statistics<'a> {
    input: &'a Preprocess,
    engine: Engine,
}

impl<'a> Statistics<'a> {
    fn fit(frames: &[&Frame], input: &'a Preprocess) -> Result<Self> {
        let planes = frames.par_iter().map(|frame| input.plane(frame)).collect::<Result<Vec<_>, _>>()?;
        let [rows, c, h, w] = planes[0].shape();
        let pixels: Vec<u8> = planes.iter().flat_map(Plane::bytes).copied().collect();
        let onnx = statistics::fit(&Samples::new(c, h, w, pixels)?, &[])?;
        Ok(Self { input, engine: Engine::load(&onnx, rows, c, h, w)? })
    }

    fn score(&self, frame: &Frame) -> Result<f32> {
        let rows = self.engine.run(&self.input.plane(frame)?.to_f32())?.score;
        rows.first().copied().context("the statistics gave no score")
    }
}
