//! The ROC curves of all detectors in one chart.

use std::cmp::Ordering;

use plotters::prelude::*;

use super::{Chart, ChartError, Ink, Key, draw, line, mesh};
use crate::eval::{Observation, Sample};
use crate::report::{Detector, Role, number};

const SIZE: (u32, u32) = (480, 440);
/// Minimum distance between two vertices, as a share of the frame. Closer vertices fall on the same pixel.
const PIXEL: f64 = 1.0 / 600.0;

/// Points of a curve: false-positive rate, true-positive rate.
type Points = Vec<(f64, f64)>;

/// Maximum number of lines. More lines cannot be told apart.
const MOST: usize = 5;

/// The curves of the detectors that judged genuine pictures and counterfeits. If there are more than `MOST`, the
/// bundles and the best baselines are shown. The lines of our detectors are thick, those of baselines thin. `None`
/// when no detector has a curve.
pub(in crate::report) fn roc(detectors: &[Detector]) -> Result<Option<Chart>, ChartError> {
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
        // Our detectors come last, so that their lines are on top.
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

/// The detector's curve, reduced to the points that can be told apart.
fn curve(detector: &Detector) -> Option<Points> {
    let observations = detector.scored.iter().map(|one| Observation {
        path: &one.path,
        family: one.family.as_deref(),
        group: None,
        score: f64::from(one.score),
        called_counterfeit: false,
    });
    if !detector.scored.iter().any(|one| one.family.is_some()) {
        return None;
    }
    // Pictures that cannot be ranked have no curve. The evaluation has reported the reason.
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

// plotters passes a reference to its formatters.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn percent(share: &f64) -> String {
    format!("{:.0}%", 100.0 * share)
}
