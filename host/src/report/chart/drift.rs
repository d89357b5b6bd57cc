//! Charts of the false alarms and p-values of genuine pictures as the camera drifts.

use plotters::prelude::*;

use super::{Chart, ChartError, Ink, Key, draw, frame, line, mesh};
use crate::judging::drift::{Curve, Point, STRENGTHS};
use crate::report::number;

const SIZE: (u32, u32) = (480, 290);

/// The two drift charts, or none without curves. `alpha` is the stated false-alarm rate, 0..=1.
pub(in crate::report) fn drift(curves: &[Curve], alpha: Option<f64>) -> Result<Vec<Chart>, ChartError> {
    if curves.is_empty() {
        return Ok(Vec::new());
    }
    let stated = alpha.map(|alpha| (alpha, format!("stated, {}%", 100.0 * alpha)));
    Ok(vec![
        chart(curves, "Genuine pictures accused as the camera drifts", |point| point.false_alarm_rate, stated, 1.0)?,
        chart(curves, "Their mean p-value", |point| point.mean_p, Some((0.5, "0.5, as calibrated".to_owned())), 0.0)?,
    ])
}

/// One line per kind of drift. `worst` is the bad end of 0..=1: the alt text states how near each line comes to it.
fn chart(
    curves: &[Curve],
    caption: &str,
    part: fn(&Point) -> f64,
    mark: Option<(f64, String)>,
    worst: f64,
) -> Result<Chart, ChartError> {
    let highest = curves.iter().flat_map(|curve| curve.points.iter().map(part)).fold(0.1, f64::max);
    let marked = mark.as_ref().map_or(0.0, |(level, _)| *level);
    let top = (1.08 * highest.max(marked)).min(1.0);
    let svg = draw(SIZE, |area| {
        let mut chart = frame(area).build_cartesian_2d(0.0..f64::from(STRENGTHS), 0.0..top)?;
        mesh!(chart, "steps of drift", "")
            .x_labels(6)
            .y_labels(5)
            .disable_x_mesh()
            .x_label_formatter(&|step| number::decimals(*step, 0))
            .y_label_formatter(&|share| number::decimals(*share, 2))
            .draw()?;
        if let Some((level, _)) = &mark {
            let across = [(0.0, *level), (f64::from(STRENGTHS), *level)];
            chart.draw_series(DashedLineSeries::new(across, 6, 4, line(Ink::Soft, 1)))?;
        }
        for (index, curve) in curves.iter().enumerate() {
            let points = curve.points.iter().map(|point| (f64::from(point.strength), part(point)));
            chart.draw_series(LineSeries::new(points, line(Ink::nth(index), 2)))?;
        }
        Ok(())
    })?;
    let ends: Vec<String> = curves
        .iter()
        .map(|curve| {
            let nearest = |a: f64, b: f64| if (a - worst).abs() < (b - worst).abs() { a } else { b };
            let end = curve.points.iter().map(part).reduce(nearest).unwrap_or(f64::NAN);
            format!("{}, {} at worst", curve.kind.in_words(), number::decimals(end, 2))
        })
        .collect();
    Ok(Chart {
        caption: caption.to_owned(),
        alt: format!("{caption}: {}", ends.join("; ")),
        svg,
        legend: curves
            .iter()
            .enumerate()
            .map(|(index, curve)| Key::solid(Ink::nth(index), curve.kind.in_words()))
            .chain(mark.map(|(_, name)| Key::dashed(name)))
            .collect(),
    })
}
