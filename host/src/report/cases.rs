//! The pictures that a person should look at, each with the map of its score, in the form that the template prints.

use counterfoil_models::Verdict;
use serde::Serialize;

use super::png::{Embedded, embed};
use super::{Exhibit, Report, ReportError, number};

/// Pictures of one kind under one heading.
#[derive(Debug, Serialize)]
pub(super) struct Side<'a> {
    heading: &'static str,
    cases: Vec<Case<'a>>,
}

#[derive(Debug, Serialize)]
struct Case<'a> {
    picture: Embedded,
    map: Embedded,
    path: &'a str,
    family: &'a str,
    score: String,
    p_value: String,
    verdict: String,
    wrong: bool,
}

/// The hardest genuine pictures, the hardest counterfeits, and detected counterfeits for comparison.
pub(super) fn sides(report: &Report) -> Result<Vec<Side<'_>>, ReportError> {
    let sides = [
        ("Genuine, and doubted most", &report.hardest_genuine),
        ("Counterfeit, and believed most", &report.hardest_counterfeits),
        ("Counterfeit, and caught", &report.caught),
    ];
    let shown = sides.into_iter().filter(|(_, cases)| !cases.is_empty());
    shown
        .map(|(heading, cases)| Ok(Side { heading, cases: cases.iter().map(case).collect::<Result<_, _>>()? }))
        .collect()
}

fn case(exhibit: &Exhibit) -> Result<Case<'_>, ReportError> {
    let scored = &exhibit.scored;
    let right = if scored.family.is_some() { Verdict::Counterfeit } else { Verdict::Genuine };
    Ok(Case {
        picture: embed(&exhibit.png, &scored.path)?,
        map: embed(&exhibit.map, &scored.path)?,
        path: &scored.path,
        family: scored.family.as_deref().unwrap_or("genuine"),
        score: number::decimals(f64::from(scored.score), 2),
        p_value: number::p_value(scored.p_value),
        verdict: scored.verdict.to_string(),
        wrong: scored.verdict != right && scored.verdict != Verdict::Unsure,
    })
}
