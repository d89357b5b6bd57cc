//! The distribution of a detector's scores: genuine pictures against counterfeits, and the threshold between them.

use counterfoil_models::Verdict;
use plotters::prelude::*;

use super::{Chart, ChartError, Ink, Key, draw, frame, line, mesh};
use crate::eval::Scored;
use crate::report::{Detector, number};

const SIZE: (u32, u32) = (480, 290);
const BINS: usize = 44;

/// Both histograms, each as shares of its own side. `None` when the detector judged nothing.
pub(in crate::report) fn histogram(detector: &Detector) -> Result<Option<Chart>, ChartError> {
    let Some((low, high)) = range(&detector.scored) else { return Ok(None) };
    let side = |counterfeit: bool| -> Vec<f64> {
        let kept = detector.scored.iter().filter(|one| one.family.is_some() == counterfeit);
        kept.map(|one| f64::from(one.score)).collect()
    };
    let sides = [(side(false), Ink::Genuine, "genuine"), (side(true), Ink::Counterfeit, "counterfeits")];
    let bars = sides.each_ref().map(|(scores, ..)| shares(scores, low, high));
    let top = bars.iter().flatten().copied().fold(1e-6, f64::max) * 1.12;
    let threshold = threshold(&detector.scored).filter(|at| (low..high).contains(at));

    // Decimals of the axis labels, so that at least two digits differ between the ends of the axis.
    let places = (2.0 - (high - low).log10()).clamp(0.0, 6.0) as usize;

    let svg = draw(SIZE, |area| {
        let mut chart = frame(area).build_cartesian_2d(low..high, 0.0..top)?;
        mesh!(chart, "score: higher is more genuine", "")
            .x_labels(6)
            .y_labels(5)
            .disable_x_mesh()
            .x_label_formatter(&|score| number::decimals(*score, places))
            .y_label_formatter(&|share| format!("{:.0}%", 100.0 * share))
            .draw()?;
        let width = (high - low) / BINS as f64;
        for ((_, ink, _), bars) in sides.iter().zip(&bars) {
            let outline = bars.iter().enumerate().flat_map(|(bin, share)| {
                let left = low + bin as f64 * width;
                [(left, *share), (left + width, *share)]
            });
            let fill = ink.stand_in().mix(0.22);
            chart.draw_series(AreaSeries::new(outline, 0.0, fill).border_style(line(*ink, 1)))?;
        }
        if let Some(at) = threshold {
            chart.draw_series(DashedLineSeries::new([(at, 0.0), (at, top)], 6, 4, line(Ink::Soft, 1)))?;
        }
        Ok(())
    })?;

    let middles = sides.each_ref().map(|(scores, ..)| median(scores));
    let [genuine, fakes] = middles.map(|middle| number::decimals(middle, 2));
    Ok(Some(Chart {
        caption: format!("{}: scores", detector.name),
        alt: format!(
            "Histogram of the scores of {}: the median of genuine pictures is {genuine}, of counterfeits {fakes}, \
             the threshold {}",
            detector.name,
            number::decimals(threshold.unwrap_or(f64::NAN), 2),
        ),
        svg,
        legend: sides
            .iter()
            .map(|(_, ink, name)| Key::solid(*ink, *name))
            .chain(threshold.map(|_| Key::dashed("calibrated threshold")))
            .collect(),
    }))
}

/// The axis range, from the 0.2nd to the 99.8th percentile with a margin, so that an outlier does not squeeze the
/// rest. Outliers are counted in the first and last bin.
fn range(scored: &[Scored]) -> Option<(f64, f64)> {
    let mut scores: Vec<f64> =
        scored.iter().map(|one| f64::from(one.score)).filter(|score| score.is_finite()).collect();
    scores.sort_by(f64::total_cmp);
    let last = scores.len().checked_sub(1)?;
    let (low, high) = (scores[(0.002 * last as f64) as usize], scores[(0.998 * last as f64).ceil() as usize]);
    let margin = (0.03 * (high - low)).max(1e-3 * low.abs().max(1e-3));
    Some((low - margin, high + margin))
}

fn shares(scores: &[f64], low: f64, high: f64) -> Vec<f64> {
    let mut shares = vec![0.0; BINS];
    for score in scores.iter().filter(|score| score.is_finite()) {
        let bin = ((score - low) / (high - low) * BINS as f64).clamp(0.0, BINS as f64 - 1.0) as usize;
        shares[bin] += 1.0 / scores.len() as f64;
    }
    shares
}

/// The middle between the highest score called counterfeit and the lowest other score. `None` when all or no pictures
/// were called counterfeit, or when the verdicts do not follow the score.
fn threshold(scored: &[Scored]) -> Option<f64> {
    let of = |called_counterfeit: bool| {
        let kept = scored.iter().filter(move |one| (one.verdict == Verdict::Counterfeit) == called_counterfeit);
        kept.map(|one| f64::from(one.score))
    };
    let (below, above) = (of(true).reduce(f64::max)?, of(false).reduce(f64::min)?);
    (below <= above).then(|| f64::midpoint(below, above))
}

fn median(scores: &[f64]) -> f64 {
    let mut sorted = scores.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_score_is_in_some_bin() {
        let shares = shares(&[-9.0, 0.0, 0.5, 1.0, 99.0], 0.0, 1.0);
        assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        assert!((shares[0] - 0.4).abs() < 1e-12 && (shares[BINS - 1] - 0.4).abs() < 1e-12);
    }

    #[test]
    fn nothing_judged_is_no_chart() {
        assert!(range(&[]).is_none() && threshold(&[]).is_none() && median(&[]).is_nan());
    }
}
