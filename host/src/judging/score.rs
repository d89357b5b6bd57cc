//! Judges the pictures of a data set with the same detector code as the box, and computes the best single number for
//! comparison. The results are [`Scored`] records.

use std::collections::HashMap;

use anyhow::Context;
use counterfoil_edge::Detector;
use rayon::prelude::*;

use crate::data::{DataError, Fingerprint, Item, is_same, near_duplicates, partition_results, simple_statistics};
use crate::eval::{
    Bootstrap, EvalError, Evaluation, Measured, Scored, SingleNumbers, StatisticTable, best_single_number, evaluate,
};

/// A judged data set.
#[derive(Debug)]
pub struct Judged {
    /// One record for each judged picture, in the order of the items.
    pub scored: Vec<Scored>,
    /// Fingerprints of the judged pictures, in the same order.
    pub prints: Vec<Fingerprint>,
    /// Pictures that could not be judged, each with its reason.
    pub unreadable: Vec<String>,
}

/// Judges every picture on all cores. A picture that cannot be read is named in the result and does not stop the
/// others.
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
    let (judged, unreadable) = partition_results(lines);
    let (scored, prints) = judged.into_iter().unzip();
    Judged { scored, prints, unreadable }
}

/// Refuses a picture that was judged as genuine and as counterfeit, because rates that count it as both are
/// meaningless. Two pictures are the same if their fingerprints are near and the detector gets the same plane from
/// both.
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

/// Computes a detector's rates on judged pictures.
///
/// # Errors
/// [`EvalError`] when no picture is genuine or a score is not finite.
pub fn rates(judged: &Judged) -> Result<Evaluation, EvalError> {
    evaluate(&judged.scored, Bootstrap::default())
}

/// Computes the baseline that needs no training: the best single number for each family.
///
/// # Errors
/// [`EvalError`] when no genuine picture can be read.
pub fn single_number(items: &[Item]) -> Result<SingleNumbers, EvalError> {
    let read: Vec<_> =
        items.par_iter().filter_map(|item| Some((item, simple_statistics(&*item.frame().ok()?)))).collect();
    let names =
        read.first().map_or_else(Vec::new, |(_, values)| values.iter().map(|(name, _)| (*name).to_owned()).collect());
    let measured = |(item, values): (&Item, Vec<(&str, f64)>)| Measured {
        path: item.name.clone(),
        family: item.family.clone(),
        group: Some(item.group.clone()),
        values: values.into_iter().map(|(_, value)| value).collect(),
    };
    let table = StatisticTable { names, pictures: read.into_iter().map(measured).collect() };
    best_single_number(&table, Bootstrap::default())
}
