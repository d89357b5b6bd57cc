//! `counterfoil eval --enroll`: judges each group against its own references, compared with the best single number.

use std::fmt::Write as _;

use anyhow::Result;
use counterfoil_edge::Detector;
use counterfoil_host::data::Item;
use counterfoil_host::eval::{Bootstrap, Claim, Estimate, auroc, detection_rate, eer, false_alarm_rate, over_draws};
use counterfoil_host::judging::ReferenceTrials;
use serde::Serialize;
use serde_json::{Map, Value, json};

/// The request: how many references, and how often they are drawn.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    /// Numbers of references per group.
    pub(super) references: &'a [usize],
    /// Number of draws.
    pub(super) draws: u64,
    /// Seed of the draws.
    pub(super) seed: u64,
}

/// The result for one number of references.
#[derive(Debug)]
struct Row {
    references: usize,
    draws: u64,
    groups: usize,
    genuine: usize,
    fake: usize,
    alpha: f64,
    own: [Estimate; 4],
    single_number: (&'static str, [Estimate; 2]),
}

const OWN: [&str; 4] = ["auroc", "eer", "false_alarm_rate", "detection_rate"];

/// Judges the pictures. Returns the text to print, and the reasons why some pictures could not be read.
pub(super) fn text(detector: &Detector, items: &[Item], asked: &Asked, as_json: bool) -> Result<(String, Vec<String>)> {
    let trials = ReferenceTrials::new(detector, items)?;
    let rows = asked.references.iter().map(|k| row(detector, &trials, *k, asked)).collect::<Result<Vec<_>>>()?;
    let mut text = String::new();
    if as_json {
        for row in &rows {
            writeln!(text, "{}", serde_json::to_string(row)?)?;
        }
    } else {
        table(&mut text, &rows)?;
    }
    Ok((text, trials.unreadable))
}

fn row(detector: &Detector, trials: &ReferenceTrials, k: usize, asked: &Asked) -> Result<Row> {
    let draws = (0..asked.draws).map(|draw| trials.claims(k, draw, asked.seed)).collect::<Result<Vec<_>>>()?;
    let count = |genuine| draws[0].iter().filter(|claim| claim.genuine == genuine).count();
    let (genuine, fake) = (count(true), count(false));
    let level = detector.bundle().manifest().enrolment()?.level(k);
    Ok(Row {
        references: k,
        draws: asked.draws,
        groups: trials.groups(k),
        genuine,
        fake,
        alpha: level.calibration.alpha(),
        own: over_draws(draws, Bootstrap::default(), [auroc, eer, false_alarm_rate, detection_rate]),
        single_number: single_number(trials, k, asked)?,
    })
}

/// The single number with the lowest equal error rate, chosen with hindsight.
fn single_number(trials: &ReferenceTrials, k: usize, asked: &Asked) -> Result<(&'static str, [Estimate; 2])> {
    let mut by_name: Vec<(&'static str, Vec<Vec<Claim>>)> = Vec::new();
    for draw in 0..asked.draws {
        for (column, (name, claims)) in trials.single_numbers(k, draw, asked.seed)?.into_iter().enumerate() {
            if by_name.len() == column {
                by_name.push((name, Vec::new()));
            }
            by_name[column].1.push(claims);
        }
    }
    let mut best = ("none", [Estimate::UNKNOWN; 2]);
    for (name, draws) in by_name {
        let found = over_draws(draws, Bootstrap::default(), [auroc, eer]);
        if !best.1[1].is_known() || found[1].value < best.1[1].value {
            best = (name, found);
        }
    }
    Ok(best)
}

impl Serialize for Row {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let estimates = |names: &[&str], estimates: &[Estimate]| -> Map<String, Value> {
            let named = names.iter().zip(estimates);
            named
                .flat_map(|(name, Estimate { value, low, high })| {
                    [("", value), ("_low", low), ("_high", high)].map(|(end, x)| (format!("{name}{end}"), json!(x)))
                })
                .collect()
        };
        let (cue, found) = &self.single_number;
        let mut single = estimates(&OWN[..2], found);
        single.insert("name".into(), json!("best single number"));
        single.insert("cue".into(), json!(cue));
        let mut all = estimates(&OWN, &self.own);
        for (name, value) in [
            ("references", json!(self.references)),
            ("draws", json!(self.draws)),
            ("groups", json!(self.groups)),
            ("genuine", json!(self.genuine)),
            ("fake", json!(self.fake)),
            ("alpha", json!(self.alpha)),
            ("baselines", json!([single])),
        ] {
            all.insert(name.into(), value);
        }
        all.serialize(serializer)
    }
}

fn table(text: &mut String, rows: &[Row]) -> std::fmt::Result {
    let Some(first) = rows.first() else { return Ok(()) };
    writeln!(
        text,
        "every group's pictures held to references of their own, drawn {} times; 95 % intervals, in brackets, resample groups\n",
        first.draws
    )?;
    writeln!(text, "{:27} {:>22} {:>22} {:>22} {:>22}", "", "AUROC", "EER", "false alarms", "caught")?;
    for row in rows {
        let name = format!("{} references", row.references);
        let cells = row.own.map(super::table::cell);
        writeln!(text, "{name:27} {:>22} {:>22} {:>22} {:>22}", cells[0], cells[1], cells[2], cells[3])?;
        let (cue, found) = row.single_number;
        let cells = found.map(super::table::cell);
        writeln!(text, "{:27} {:>22} {:>22}", format!("  {cue} alone"), cells[0], cells[1])?;
        writeln!(
            text,
            "  {} groups, {} genuine pictures and {} counterfeits a draw; a false-alarm rate of {} was stated",
            row.groups, row.genuine, row.fake, row.alpha
        )?;
    }
    Ok(())
}
