//! A [`Report`] in the form that the template prints: numbers as text, pictures embedded, charts drawn.

use std::collections::BTreeSet;

use serde::Serialize;

use super::cases::{self, Side};
use super::chart::{self, Chart};
use super::finding::{Finding, findings};
use super::number::{self, Printed};
use super::png::{Embedded, embed};
use super::zoo::{self, Part};
use super::{Detector, FaceOff, Fact, Picture, Report, ReportError, Role, Stated, guilloche};
use crate::eval::{self, Estimate, Kinship};

/// Everything that the template uses.
#[derive(Debug, Serialize)]
pub(super) struct Page<'a> {
    css: &'static str,
    band: String,
    band_size: (u32, u32),
    title: &'a str,
    about: &'a str,
    facts: Vec<Line<'a>>,
    figures: Vec<Figure>,
    findings: Vec<Finding<'a>>,
    detectors: Vec<Row<'a>>,
    zoo: Vec<Part<'a>>,
    families: Vec<FamilyRow<'a>>,
    promises: Vec<CalibrationCheck<'a>>,
    cases: Vec<Side<'a>>,
    game: Option<Game<'a>>,
    galleries: Vec<Gallery>,
    seen: Option<Plate<'a>>,
    grids: Vec<Plate<'a>>,
    environment: Vec<Line<'a>>,
    reproduce: &'a [String],
}

#[derive(Debug, Serialize)]
struct Line<'a> {
    label: &'a str,
    value: &'a str,
}

/// One of the large numbers at the top.
#[derive(Debug, Serialize)]
struct Figure {
    label: &'static str,
    number: Printed,
}

/// The rates of one detector.
#[derive(Debug, Serialize)]
struct Row<'a> {
    name: &'a str,
    ours: bool,
    rates: [Printed; 5],
}

/// The AUROC of every detector on one family, or on all families.
#[derive(Debug, Serialize)]
struct FamilyRow<'a> {
    name: &'a str,
    /// Empty without a zoo.
    kinship: String,
    fakes: usize,
    cells: Vec<Cell<'a>>,
}

#[derive(Debug, Serialize)]
struct Cell<'a> {
    number: Printed,
    best: bool,
    note: &'a str,
}

/// A stated false-alarm rate and the realised one.
#[derive(Debug, Serialize)]
struct CalibrationCheck<'a> {
    name: &'a str,
    stated: String,
    calibration: u64,
    alarms: u64,
    pictures: u64,
    realised: Printed,
    allowed: String,
    kept: bool,
}

/// Charts under one heading.
#[derive(Debug, Serialize)]
struct Gallery {
    heading: &'static str,
    charts: Vec<Chart>,
}

#[derive(Debug, Serialize)]
struct Plate<'a> {
    picture: Embedded,
    caption: &'a str,
}

#[derive(Debug, Serialize)]
struct Game<'a> {
    exhibits: u64,
    seal: &'a str,
    sentence: String,
    decided: bool,
    p_value: String,
    standings: Vec<Standing<'a>>,
}

#[derive(Debug, Serialize)]
struct Standing<'a> {
    name: &'a str,
    points: String,
    right: u64,
    wrong: u64,
    abstained: u64,
    accuracy: Printed,
}

impl<'a> Page<'a> {
    pub(super) fn new(report: &'a Report) -> Result<Self, ReportError> {
        Ok(Self {
            css: include_str!("report.css"),
            band: guilloche::band(),
            band_size: guilloche::SIZE,
            title: &report.title,
            about: &report.about,
            facts: lines(&report.facts),
            figures: figures(&report.detectors),
            findings: findings(report),
            detectors: report.detectors.iter().map(row).collect(),
            zoo: zoo::parts(report),
            families: families(report),
            promises: report.detectors.iter().flat_map(promises).collect(),
            cases: cases::sides(report)?,
            game: report.face_off.as_ref().map(game),
            galleries: galleries(report)?,
            seen: report.seen.as_ref().map(plate).transpose()?,
            grids: report.grids.iter().map(plate).collect::<Result<_, _>>()?,
            environment: lines(&report.environment),
            reproduce: &report.reproduce,
        })
    }
}

fn lines(facts: &[Fact]) -> Vec<Line<'_>> {
    facts.iter().map(|fact| Line { label: &fact.label, value: &fact.value }).collect()
}

/// The main numbers of the first detector under test.
fn figures(detectors: &[Detector]) -> Vec<Figure> {
    let Some(first) = detectors.iter().find(|detector| detector.role == Role::Ours) else { return Vec::new() };
    let overall = &first.evaluation.overall;
    vec![
        Figure { label: "area under the ROC curve", number: number::area(overall.auroc) },
        Figure { label: "counterfeits accused", number: number::rate(overall.detection_rate) },
        Figure { label: "genuine pictures accused", number: number::rate(overall.false_alarm_rate) },
    ]
}

fn row(detector: &Detector) -> Row<'_> {
    let overall = &detector.evaluation.overall;
    Row {
        name: &detector.name,
        ours: detector.role == Role::Ours,
        rates: [
            number::area(overall.auroc),
            number::rate(overall.eer),
            number::rate(overall.tpr_at_fpr01),
            number::rate(overall.false_alarm_rate),
            number::rate(overall.detection_rate),
        ],
    }
}

/// One row per family that any detector judged, and one row for all together.
fn families(report: &Report) -> Vec<FamilyRow<'_>> {
    let detectors = &report.detectors;
    let names: BTreeSet<&str> =
        detectors.iter().flat_map(|detector| detector.evaluation.families.keys()).map(String::as_str).collect();
    let mut rows: Vec<FamilyRow> = names
        .into_iter()
        .map(|name| {
            fn of<'a>(detector: &'a Detector, name: &str) -> Option<&'a eval::Family> {
                detector.evaluation.families.get(name)
            }
            let fakes = detectors.iter().find_map(|detector| of(detector, name)).map_or(0, |family| family.fake);
            let auroc =
                |detector: &Detector| of(detector, name).map_or(Estimate::UNKNOWN, |family| family.metrics.auroc);
            let kinship = report.kinship.as_ref().and_then(|kinship| kinship.get(name));
            let kinship = kinship.map_or_else(String::new, Kinship::to_string);
            FamilyRow { name, kinship, fakes, cells: cells(detectors, name, auroc) }
        })
        .collect();
    if !rows.is_empty() {
        let fakes = detectors.iter().map(|detector| detector.evaluation.fake).max().unwrap_or(0);
        let cells = cells(detectors, "", |detector| detector.evaluation.overall.auroc);
        rows.push(FamilyRow { name: "all together", kinship: String::new(), fakes, cells });
    }
    rows
}

fn cells<'a>(detectors: &'a [Detector], family: &str, auroc: impl Fn(&Detector) -> Estimate) -> Vec<Cell<'a>> {
    // Values are compared as printed, so that equal text counts as equally good.
    let printed: Vec<Printed> = detectors.iter().map(|detector| number::area(auroc(detector))).collect();
    let known = detectors.iter().zip(&printed).filter(|(detector, _)| auroc(detector).is_known());
    let best = known.map(|(_, number)| number.value.clone()).max();
    let cell = |(detector, number): (&'a Detector, Printed)| Cell {
        best: best.as_ref() == Some(&number.value),
        number,
        note: detector.notes.get(family).map_or("", String::as_str),
    };
    detectors.iter().zip(printed).map(cell).collect()
}

fn promises(detector: &Detector) -> Vec<CalibrationCheck<'_>> {
    let Some(Stated { alpha, calibration }) = detector.stated else { return Vec::new() };
    let row = |found: eval::CalibrationCheck| CalibrationCheck {
        name: &detector.name,
        stated: format!("{}%", 100.0 * found.alpha),
        calibration,
        alarms: found.alarms,
        pictures: found.realised.pictures,
        realised: number::rate(Estimate {
            value: found.alarms as f64 / found.realised.pictures as f64,
            ..Estimate::UNKNOWN
        }),
        allowed: format!("{} to {}", found.realised.low, found.realised.high),
        kept: found.kept,
    };
    eval::CalibrationCheck::all(alpha, calibration, &detector.scored).into_iter().map(row).collect()
}

fn galleries(report: &Report) -> Result<Vec<Gallery>, ReportError> {
    let mut scores = Vec::new();
    for detector in report.detectors.iter().filter(|detector| detector.stated.is_some()) {
        scores.extend(chart::histogram(detector)?);
    }
    scores.extend(chart::roc(&report.detectors)?);
    let mut training = Vec::new();
    for course in report.training.iter().filter(|course| !course.points.is_empty()) {
        training.extend([chart::losses(course)?, chart::opinions(course)?]);
        training.extend(chart::steadiness(course)?);
    }
    let alpha = report.detectors.first().and_then(|first| first.stated).map(|stated| stated.alpha);
    let drift = chart::drift(&report.drift, alpha)?;
    let galleries = [("Scores", scores), ("When the camera drifts", drift), ("The training game", training)];
    let shown = galleries.into_iter().filter(|(_, charts)| !charts.is_empty());
    Ok(shown.map(|(heading, charts)| Gallery { heading, charts }).collect())
}

fn plate(grid: &Picture) -> Result<Plate<'_>, ReportError> {
    Ok(Plate { picture: embed(&grid.png, &grid.caption)?, caption: &grid.caption })
}

fn game<'a>(face_off: &'a FaceOff) -> Game<'a> {
    let standing = |one: &'a counterfoil_models::game::Standing| Standing {
        name: &one.name,
        points: number::decimals(one.points as f64, 0),
        right: one.right,
        wrong: one.wrong,
        abstained: one.abstained,
        accuracy: number::rate(Estimate { value: one.accuracy, low: one.accuracy_low, high: one.accuracy_high }),
    };
    Game {
        exhibits: face_off.exhibits,
        seal: &face_off.seal,
        sentence: face_off.outcome.sentence(),
        decided: face_off.outcome.decided,
        p_value: number::p_value(face_off.outcome.p_value),
        standings: face_off.outcome.standings.iter().map(standing).collect(),
    }
}
