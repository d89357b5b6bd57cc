//! Pictures of a data set become [`Scored`] lines, by the very detector the box runs, and the best single number beside it.

mod gallery;

use counterfoil_edge::Detector;
use rayon::prelude::*;

use crate::data::{Item, cues, parted};
use crate::eval::{
    Bootstrap, Cues, EvalError, Evaluation, Measured, Scored, SingleNumbers, best_single_number, evaluate,
};

pub use gallery::Gallery;

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
                path: item.label(),
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
    let read: Vec<_> = items.par_iter().filter_map(|item| Some((item, cues(&*item.frame().ok()?)))).collect();
    let names =
        read.first().map_or_else(Vec::new, |(_, cues)| cues.iter().map(|(name, _)| (*name).to_owned()).collect());
    let measured = |(item, cues): (&Item, Vec<(&str, f64)>)| Measured {
        path: item.name.clone(),
        family: item.family.clone(),
        group: Some(item.group.clone()),
        values: cues.into_iter().map(|(_, value)| value).collect(),
    };
    let cues = Cues { names, pictures: read.into_iter().map(measured).collect() };
    best_single_number(&cues, Bootstrap::default())
}
