//! True positive rate at a given false positive rate: the share of counterfeits that are detected when, for example,
//! one genuine picture in a hundred may be called counterfeit.

use super::{Step, roc};

/// Computes the share of counterfeits at or below the highest threshold that calls at most the share `fpr` of the
/// genuine pictures counterfeit.
///
/// Only thresholds that exist are used, without interpolation: with fewer than `1 / fpr` genuine pictures, the result
/// is the share of counterfeits below all of them. NaN when there are no genuine pictures or no counterfeits.
#[must_use]
pub fn tpr_at_fpr(steps: &[Step], fpr: f64) -> f64 {
    roc(steps).take_while(|point| point.0 <= fpr).last().map_or(f64::NAN, |point| point.1)
}

/// Computes [`tpr_at_fpr`] at 1 %, the default false-alarm rate.
#[must_use]
pub fn tpr_at_fpr01(steps: &[Step]) -> f64 {
    tpr_at_fpr(steps, 0.01)
}

#[cfg(test)]
mod tests {
    use super::super::sample::tests::sample;
    use super::*;

    #[test]
    fn spends_the_whole_allowance_and_no_more() {
        let genuine: Vec<f64> = (0..100).map(f64::from).collect();
        // One genuine picture of a hundred is at 0; counterfeits below the second one are detected.
        let steps = sample(&genuine, &[-1.0, 0.0, 0.5, 1.0], 0.0).steps();
        assert!((tpr_at_fpr01(&steps) - 0.75).abs() < 1e-12);
        assert!((tpr_at_fpr(&steps, 0.0) - 0.25).abs() < 1e-12);
        assert!((tpr_at_fpr(&steps, 1.0) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn degenerate() {
        assert!(tpr_at_fpr01(&sample(&[1.0; 3], &[1.0; 3], 0.0).steps()).abs() < 1e-12);
        assert!(tpr_at_fpr01(&sample(&[1.0], &[], 0.0).steps()).is_nan());
    }
}
