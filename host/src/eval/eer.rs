//! Equal error rate: the point of the ROC curve where the false positive rate equals the miss rate.

use super::{Step, roc};

/// Computes the equal error rate, 0..=1.
///
/// It is read where the ROC curve, interpolated linearly, crosses "false positive rate = miss rate" (as in ISO/IEC
/// 19795-1). 0 is perfect, 0.5 is chance level. NaN when there are no genuine pictures or no counterfeits.
#[must_use]
pub fn eer(steps: &[Step]) -> f64 {
    let mut last = (0.0, 1.0); // false positive rate, miss rate
    for (fpr, tpr) in roc(steps) {
        let here = (fpr, 1.0 - tpr);
        if here.0 >= here.1 {
            // `last` is above the crossing and `here` on or below it, so the sum of the two gaps is greater than 0.
            let (above, below) = (last.1 - last.0, here.0 - here.1);
            return last.0 + (here.0 - last.0) * above / (above + below);
        }
        last = here;
    }
    f64::NAN
}

#[cfg(test)]
mod tests {
    use super::super::sample::tests::sample;
    use super::*;

    fn of(genuine: &[f64], fakes: &[f64]) -> f64 {
        eer(&sample(genuine, fakes, 0.0).steps())
    }

    #[test]
    fn from_perfect_to_reversed() {
        assert!(of(&[3.0, 4.0], &[1.0, 2.0]).abs() < 1e-12);
        assert!((of(&[1.0; 4], &[1.0; 9]) - 0.5).abs() < 1e-12);
        assert!((of(&[1.0, 2.0], &[3.0, 4.0]) - 1.0).abs() < 1e-12);
        assert!((of(&[1.0, 3.0, 4.0, 5.0], &[-1.0, 0.0, 0.5, 3.5]) - 0.25).abs() < 1e-12);
        assert!(of(&[1.0], &[]).is_nan());
    }

    #[test]
    fn crosses_inside_a_step() {
        // Vertices (0, 0), (1/3, 1/2), (1/3, 1), ...: the miss rate passes 1/3 on the vertical segment.
        assert!((of(&[0.0, 2.0, 3.0], &[0.0, 1.0]) - 1.0 / 3.0).abs() < 1e-12);
    }
}
