//! Pictures of a data set become [`Scored`] lines, by the very detector the box runs, and the best single number beside it.

mod gallery;

use std::collections::HashMap;

use anyhow::Context;
use counterfoil_edge::Detector;
use rayon::prelude::*;

use crate::data::{DataError, Fingerprint, Item, cues, is_same, near_duplicates, parted};
use crate::eval::{
    Bootstrap, Cues, EvalError, Evaluation, Measured, Scored, SingleNumbers, best_single_number, evaluate,
};

pub use gallery::Gallery;

/// A data set judged.
#[derive(Debug)]
pub struct Judged {
    /// One line a picture, in the order of the items.
    pub scored: Vec<Scored>,
    /// What the judged pictures are recognised by, in the same order.
    pub prints: Vec<Fingerprint>,
    /// What could not be judged, each with its reason.
    pub unreadable: Vec<String>,
}

/// Judges every picture on all cores; one that cannot be read is named and the rest go on.
#[must_use]
pub fn judge(detector: &Detector, items: &[Item]) -> Judged {
    let lines: Vec<Result<(Scored, Fingerprint), String>> = items
        .par_iter()
        .map(|item| {
            let frame = item.frame().map_err(|e| e.to_string())?;
            let judgement = detector.judge(&frame).map_err(|e| format!("{}: {e}", item.name))?;
            let scored = Scored {
                path: item.label(),
                family: item.family.clone(),
                group: Some(item.group.clone()),
                score: judgement.score().get(),
                p_value: judgement.p_value(),
                verdict: judgement.verdict(),
            };
            Ok((scored, Fingerprint::of(&frame)))
        })
        .collect();
    let (judged, unreadable) = parted(lines);
    let (scored, prints) = judged.into_iter().unzip();
    Judged { scored, prints, unreadable }
}

/// Refuses a picture that was judged as genuine and as counterfeit: rates that count it both ways mean nothing. Two pictures are one where
/// their fingerprints are near and the detector sees the same plane.
///
/// # Errors
/// [`DataError::BothSides`], or when such a picture cannot be read again.
pub fn refuse_both_sides(detector: &Detector, items: &[Item], judged: &Judged) -> anyhow::Result<()> {
    let side = |fake: bool| {
        let those = judged.scored.iter().zip(&judged.prints).filter(move |(scored, _)| scored.family.is_some() == fake);
        those.map(|(scored, print)| (scored.path.as_str(), print.clone())).unzip::<_, _, Vec<_>, Vec<_>>()
    };
    let ((genuine, genuine_prints), (fake, fake_prints)) = (side(false), side(true));
    let by_path: HashMap<String, &Item> = items.iter().map(|item| (item.label(), item)).collect();
    let plane = |path: &str| -> anyhow::Result<Vec<u8>> {
        let item = by_path.get(path).context("every scored line is of an item")?;
        Ok(detector.bundle().manifest().input.plane(&*item.frame()?)?.bytes().to_vec())
    };
    let mut found = Vec::new();
    for twin in near_duplicates(&fake_prints, &genuine_prints) {
        let pair = (genuine[twin.second], fake[twin.first]);
        if pair.0 == pair.1 || is_same(&plane(pair.0)?, &plane(pair.1)?) {
            found.push(pair);
        }
    }
    match found.first() {
        None => Ok(()),
        Some((genuine, fake)) => {
            Err(DataError::BothSides { found: found.len(), genuine: (*genuine).to_owned(), fake: (*fake).to_owned() }
                .into())
        }
    }
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
