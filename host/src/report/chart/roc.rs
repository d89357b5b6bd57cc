//! The ROC curves of all detectors in one frame.

use std::cmp::Ordering;

use plotters::prelude::*;

use super::{Chart, Fault, Ink, Key, draw, line, mesh};
use crate::eval::{Observation, Sample};
use crate::report::{Detector, Role, number};

const SIZE: (u32, u32) = (480, 440);
/// Vertices closer than this, in shares of the frame, are one pixel.
const PIXEL: f64 = 1.0 / 600.0;

/// False and true positive rates.
type Points = Vec<(f64, f64)>;

/// More lines than this cannot be told apart.
const MOST: usize = 5;

/// The curves of the detectors that have both kinds of pictures judged, of many the bundles and the best baselines; `None` when
/// none has. The detectives' lines are thick, the baselines' thin.
pub(in crate::report) fn roc(detectors: &[Detector]) -> Result<Option<Chart>, Fault> {
    let mut chosen: Vec<(&Detector, Points)> =
        detectors.iter().filter_map(|detector| Some((detector, curve(detector)?))).collect();
    let area = |detector: &Detector| detector.evaluation.overall.auroc.value;
    chosen.sort_by(|(a, _), (b, _)| {
        let bundles = b.stated.is_some().cmp(&a.stated.is_some());
        bundles.then(if a.stated.is_some() { Ordering::Equal } else { area(b).total_cmp(&area(a)) })
    });
    chosen.truncate(MOST);
    let curves: Vec<(&Detector, Ink, Points)> =
        chosen.into_iter().enumerate().map(|(index, (detector, points))| (detector, Ink::nth(index), points)).collect();
    if curves.is_empty() {
        return Ok(None);
    }
    let svg = draw(SIZE, |area| {
        let mut chart = ChartBuilder::on(area)
            .margin(8)
            .margin_right(16)
            .x_label_area_size(42)
            .y_label_area_size(56)
            .build_cartesian_2d(0.0..1.0, 0.0..1.0)?;
        mesh!(chart, "genuine pictures accused", "counterfeits accused")
            .x_labels(6)
            .y_labels(6)
            .x_label_formatter(&percent)
            .y_label_formatter(&percent)
            .draw()?;
        chart.draw_series(DashedLineSeries::new([(0.0, 0.0), (1.0, 1.0)], 6, 4, line(Ink::Soft, 1)))?;
        // Ours last, so that they lie on top.
        for (detector, ink, points) in curves.iter().rev() {
            let width = if detector.role == Role::Ours { 2 } else { 1 };
            chart.draw_series(LineSeries::new(points.iter().copied(), line(*ink, width)))?;
        }
        Ok(())
    })?;
    let areas: Vec<String> = curves
        .iter()
        .map(|(detector, ..)| format!("{} {}", detector.name, number::area(detector.evaluation.overall.auroc).value))
        .collect();
    Ok(Some(Chart {
        caption: "ROC: what each threshold costs and catches".to_owned(),
        alt: format!("ROC curves, area under the curve: {}", areas.join("; ")),
        svg,
        legend: curves
            .iter()
            .map(|(detector, ink, _)| Key::solid(*ink, &detector.name))
            .chain([Key::dashed("a coin toss")])
            .collect(),
    }))
}

/// The detector's curve, thinned to what can be seen.
fn curve(detector: &Detector) -> Option<Points> {
    let observations = detector.scored.iter().map(|one| Observation {
        path: &one.path,
        family: one.family.as_deref(),
        group: None,
        score: f64::from(one.score),
        accused: false,
    });
    if !detector.scored.iter().any(|one| one.family.is_some()) {
        return None;
    }
    // What cannot be ranked has no curve; the evaluation has said why.
    let steps = Sample::new(&observations.collect::<Vec<_>>()).ok()?.steps();
    let mut kept: Points = Vec::new();
    for (x, y) in crate::eval::roc(&steps) {
        if kept.last().is_none_or(|last| x - last.0 > PIXEL || y - last.1 > PIXEL) {
            kept.push((x, y));
        }
    }
    kept.push((1.0, 1.0));
    Some(kept)
}

// plotters hands its formatters a reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn percent(share: &f64) -> String {
    format!("{:.0}%", 100.0 * share)
}
