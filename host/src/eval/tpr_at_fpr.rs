//! True positive rate at a stated false positive rate: what share of counterfeits is caught by someone who can afford to
//! accuse one genuine picture in a hundred.

use super::{Step, roc};

/// The share of counterfeits at or below the highest threshold that accuses at most `fpr` of the genuine pictures. Only
/// thresholds that exist count, none is interpolated: with fewer than `1 / fpr` genuine pictures it is the share of
/// counterfeits below all of them. NaN when either side is missing.
#[must_use]
pub fn tpr_at_fpr(steps: &[Step], fpr: f64) -> f64 {
    roc(steps).take_while(|point| point.0 <= fpr).last().map_or(f64::NAN, |point| point.1)
}

/// [`tpr_at_fpr`] at 1 %, the default rate of false alarms that a user states.
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
        // One genuine picture of a hundred lies at 0: what is below the second one is caught.
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
