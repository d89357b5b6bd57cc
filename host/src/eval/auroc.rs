//! Area under the ROC curve: the probability that a counterfeit scores below a genuine picture.

use super::Step;

/// Computes the area under the ROC curve.
///
/// This is the Mann-Whitney statistic divided by the number of pairs, where a tie counts one half (Hanley & `McNeil`
/// 1982). 1 is perfect, 0.5 is chance level, below 0.5 is worse than chance. NaN when there are no genuine pictures
/// or no counterfeits.
#[must_use]
pub fn auroc(steps: &[Step]) -> f64 {
    let total = Step::total(steps);
    let mut below = 0; // counterfeits below this step
    let mut halves = 0; // twice the pairs won, so that a tie is a whole number
    for step in steps {
        halves += step.genuine * (2 * below + step.fakes);
        below += step.fakes;
    }
    halves as f64 / (2 * total.genuine * total.fakes) as f64
}

#[cfg(test)]
mod tests {
    use super::super::sample::tests::sample;
    use super::*;

    fn of(genuine: &[f64], fakes: &[f64]) -> f64 {
        auroc(&sample(genuine, fakes, 0.0).steps())
    }

    #[test]
    #[allow(clippy::float_cmp)] // small whole numbers over small whole numbers
    fn counts_pairs() {
        assert_eq!(of(&[3.0, 4.0], &[1.0, 2.0]), 1.0);
        assert_eq!(of(&[1.0, 2.0], &[3.0, 4.0]), 0.0);
        assert_eq!(of(&[1.0; 3], &[1.0; 5]), 0.5);
        // The counterfeit at 1 wins three pairs, the one at 2 wins one and ties two, the one at 4 wins none.
        assert_eq!(of(&[3.0, 2.0, 2.0], &[2.0, 1.0, 4.0]), 5.0 / 9.0);
        assert!(of(&[1.0], &[]).is_nan());
    }

    #[test]
    #[allow(clippy::float_cmp)] // a tie is exact
    fn agrees_with_every_pair_compared() {
        let genuine: Vec<f64> = (0..40).map(|i| f64::from(i * 7 % 13)).collect();
        let fakes: Vec<f64> = (0..30).map(|i| f64::from(i * 5 % 11)).collect();
        let pairs = genuine.iter().flat_map(|g| fakes.iter().map(move |f| (g, f)));
        let won: f64 = pairs
            .map(|(g, f)| {
                if f < g {
                    1.0
                } else if f == g {
                    0.5
                } else {
                    0.0
                }
            })
            .sum();
        assert!((of(&genuine, &fakes) - won / 1200.0).abs() < 1e-12);
    }
}
