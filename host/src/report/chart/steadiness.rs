//! The chart of a detector's probe AUROCs over the training steps, and the spread of the last of them.

use plotters::prelude::*;

use super::training::thousands;
use super::{Chart, ChartError, Ink, Key, draw, frame, line, mesh};
use crate::report::{Steadiness, Training, number};

const SIZE: (u32, u32) = (480, 290);
/// Maximum number of points. More points on 480 pixels only thicken the line.
const POINTS: usize = 240;
/// Minimum range of the AUROC axis, so that small changes look small.
const HEIGHT: f64 = 0.05;

/// The chart of one training's probes; `None` with fewer than two probes.
pub(in crate::report) fn steadiness(training: &Training) -> Result<Option<Chart>, ChartError> {
    let probes = &training.probes;
    let (Some(Steadiness { probes: count, since, least, largest, spread }), Some(last)) =
        (training.steadiness(), probes.last())
    else {
        return Ok(None);
    };
    let end = last.step as f64;
    let lowest = probes.iter().map(|probe| probe.auroc).fold(1.0, f64::min);
    let highest = probes.iter().map(|probe| probe.auroc).fold(0.0, f64::max);
    let top = (highest + 0.1 * (highest - lowest)).clamp(HEIGHT, 1.0);
    let bottom = lowest.min(top - HEIGHT);
    let svg = draw(SIZE, |area| {
        let mut chart = frame(area).build_cartesian_2d(0.0..end, bottom..top)?;
        mesh!(chart, "step", "")
            .x_labels(5)
            .y_labels(5)
            .disable_x_mesh()
            .x_label_formatter(&|x| thousands(*x))
            .y_label_formatter(&|auroc| number::decimals(*auroc, 2))
            .draw()?;
        // The lines run to the end of the chart: the spread applies to every step in this range at which training
        // could have stopped.
        for level in [least, largest] {
            let across = [(since as f64, level), (end, level)];
            chart.draw_series(DashedLineSeries::new(across, 6, 4, line(Ink::Soft, 1)))?;
        }
        let every = probes.len().div_ceil(POINTS).max(1);
        let points = probes.iter().rev().step_by(every).map(|probe| (probe.step as f64, probe.auroc));
        chart.draw_series(LineSeries::new(points, line(Ink::Detective, 2)))?;
        Ok(())
    })?;
    let caption = format!("{}: how steadily the detective judges", training.network);
    let words = format!(
        "the last {count} probes, since step {since}: {} to {}, a spread of {}",
        number::decimals(least, 3),
        number::decimals(largest, 3),
        number::decimals(spread, 3)
    );
    Ok(Some(Chart {
        alt: format!("{caption}, over {end} steps: {words}"),
        caption,
        svg,
        legend: vec![
            Key::solid(Ink::Detective, "AUROC of its average on fixed rows of the training and damaged ones"),
            Key::dashed(words),
        ],
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Probe;

    #[test]
    fn the_spread_is_that_of_the_last_twenty() {
        let training = |aurocs: &[f64]| Training {
            network: "dcgan".to_owned(),
            points: Vec::new(),
            probes: aurocs.iter().zip(1..).map(|(&auroc, index)| Probe { step: 50 * index, auroc }).collect(),
        };
        let mut aurocs = [0.5].repeat(10);
        aurocs.extend((0..20).map(|index| if index == 7 { 0.91 } else { 0.9 }));
        let chart = steadiness(&training(&aurocs)).unwrap().unwrap();
        assert!(
            chart.alt.ends_with("the last 20 probes, since step 550: 0.900 to 0.910, a spread of 0.010"),
            "{chart:?}"
        );
        let two = steadiness(&training(&[1.0, 1.0])).unwrap().unwrap();
        assert!(two.alt.contains("the last 2 probes") && !two.svg.contains("NaN"), "{two:?}");
        for few in [&[][..], &[0.8]] {
            assert!(steadiness(&training(few)).unwrap().is_none());
        }
    }
}
