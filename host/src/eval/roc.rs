//! The receiver operating characteristic: false and true positive rate at each threshold.

use super::Step;

/// Returns the vertices of the ROC curve, from (0, 0) to (1, 1): the false positive rate and the true positive rate
/// when every picture up to and including a step is called counterfeit (Fawcett 2006). NaN on the axis whose pictures
/// are missing.
pub fn roc(steps: &[Step]) -> impl Iterator<Item = (f64, f64)> {
    let total = Step::total(steps);
    let (mut genuine, mut fakes) = (0, 0);
    let rates = move |genuine, fakes| (genuine as f64 / total.genuine as f64, fakes as f64 / total.fakes as f64);
    std::iter::once(rates(0, 0)).chain(steps.iter().map(move |step| {
        genuine += step.genuine;
        fakes += step.fakes;
        rates(genuine, fakes)
    }))
}

#[cfg(test)]
mod tests {
    use super::super::sample::tests::sample;
    use super::*;

    #[test]
    fn ties_are_one_slanted_step() {
        let steps = sample(&[1.0, 2.0], &[0.0, 1.0], 0.0).steps();
        let curve: Vec<(f64, f64)> = roc(&steps).collect();
        assert_eq!(curve, [(0.0, 0.0), (0.0, 0.5), (0.5, 1.0), (1.0, 1.0)]);
    }
}
