//! The charts of a training: both losses, and the discriminator's output on genuine and generated pictures.

use plotters::prelude::*;

use super::{Chart, ChartError, Ink, Key, draw, frame, line, mesh};
use crate::report::{Point, Training, number};

const SIZE: (u32, u32) = (480, 290);
/// Maximum number of points. More points on 480 pixels only thicken the line.
const POINTS: usize = 240;

/// One curve: the value of a point, the ink, the name.
type Curve = (fn(&Point) -> f64, Ink, &'static str);

/// Both losses over the steps.
pub(in crate::report) fn losses(training: &Training) -> Result<Chart, ChartError> {
    let curves: [Curve; 2] = [
        (|point| point.loss_d, Ink::Detective, "discriminator’s loss"),
        (|point| point.loss_g, Ink::Forger, "generator’s loss"),
    ];
    let mut seen: Vec<f64> =
        curves.iter().flat_map(|(part, ..)| training.points.iter().map(part)).filter(|loss| loss.is_finite()).collect();
    seen.sort_by(f64::total_cmp);
    // A single spike must not flatten the rest: the axis ends at the 99th percentile, and higher values are clamped.
    let at = |share: f64| seen.get((share * seen.len() as f64) as usize).copied().unwrap_or(1.0);
    let (low, high) = (at(0.01).min(0.0), at(0.99).max(1e-6));
    let caption = format!("{}: losses", training.network);
    chart(training, caption, &curves, low..high + 0.08 * (high - low), None)
}

/// Mean D(x) and D(G(z)) over the steps, with a line at 0.5, where the discriminator cannot tell them apart.
pub(in crate::report) fn opinions(training: &Training) -> Result<Chart, ChartError> {
    let curves: [Curve; 2] = [
        (|point| point.d_real, Ink::Genuine, "D(x), genuine pictures"),
        (|point| point.d_fake, Ink::Counterfeit, "D(G(z)), generated ones"),
    ];
    let caption = format!("{}: what the discriminator believes", training.network);
    chart(training, caption, &curves, 0.0..1.0, Some((0.5, "0.5, a coin toss")))
}

fn chart(
    training: &Training,
    caption: String,
    curves: &[Curve],
    range: std::ops::Range<f64>,
    mark: Option<(f64, &str)>,
) -> Result<Chart, ChartError> {
    let last = training.points.last().map_or(1, |point| point.step.max(1)) as f64;
    let svg = draw(SIZE, |area| {
        let mut chart = frame(area).build_cartesian_2d(0.0..last, range.clone())?;
        mesh!(chart, "step", "")
            .x_labels(5)
            .y_labels(5)
            .disable_x_mesh()
            .x_label_formatter(&|x| thousands(*x))
            .draw()?;
        if let Some((level, _)) = mark {
            let across = [(0.0, level), (last, level)];
            chart.draw_series(DashedLineSeries::new(across, 6, 4, line(Ink::Soft, 1)))?;
        }
        for (part, ink, _) in curves {
            for stretch in stretches(&training.points, *part, &range) {
                chart.draw_series(LineSeries::new(stretch, line(*ink, 2)))?;
            }
        }
        Ok(())
    })?;
    let ends: Vec<String> = curves
        .iter()
        .map(|(part, _, name)| {
            format!("{name} ends at {}", number::decimals(training.points.last().map_or(f64::NAN, part), 2))
        })
        .collect();
    Ok(Chart {
        alt: format!("{caption}, over {last} steps: {}", ends.join("; ")),
        caption,
        svg,
        legend: curves
            .iter()
            .map(|(_, ink, name)| Key::solid(*ink, *name))
            .chain(mark.map(|(_, name)| Key::dashed(name)))
            .collect(),
    })
}

/// The curve, thinned by averaging neighbours, clamped to the frame, and split where a value is not finite.
fn stretches(points: &[Point], part: fn(&Point) -> f64, range: &std::ops::Range<f64>) -> Vec<Vec<(f64, f64)>> {
    let every = points.len().div_ceil(POINTS).max(1);
    let mean = |chunk: &[Point]| {
        let n = chunk.len() as f64;
        let step = chunk.iter().map(|point| point.step as f64).sum::<f64>() / n;
        (step, chunk.iter().map(part).sum::<f64>() / n)
    };
    let thinned: Vec<(f64, f64)> = points.chunks(every).map(mean).collect();
    thinned
        .split(|(_, value)| !value.is_finite())
        .filter(|stretch| !stretch.is_empty())
        .map(|stretch| stretch.iter().map(|(step, value)| (*step, value.clamp(range.start, range.end))).collect())
        .collect()
}

pub(super) fn thousands(step: f64) -> String {
    if step >= 1000.0 { format!("{}k", step / 1000.0) } else { format!("{step}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thins_clamps_and_breaks() {
        let mut points: Vec<Point> =
            (0..1000).map(|step| Point { step, loss_d: 1.0, loss_g: 1.0, d_real: 0.5, d_fake: 0.5 }).collect();
        points[500].loss_d = f64::NAN;
        points[900].loss_d = 1e9;
        let found = stretches(&points, |point| point.loss_d, &(0.0..2.0));
        assert_eq!(found.len(), 2);
        let kept: Vec<_> = found.concat();
        assert!(kept.len() <= POINTS && kept.iter().all(|(_, loss)| (1.0..=2.0).contains(loss)));
        assert!(stretches(&[], |point| point.loss_d, &(0.0..1.0)).is_empty());
    }
}
