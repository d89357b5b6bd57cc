//! Error rates over claims: pictures that claim to belong to a group, each compared with references of that group.
//!
//! A separate file because its unit is the group: there is one global threshold, references are drawn several times,
//! and the intervals resample whole groups, the genuine pictures together with the counterfeits made of them.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::{Bootstrap, Estimate, Statistic, Step};

/// One picture's claim to belong to a group.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Claim {
    /// Number of the group, from 0.
    pub group: usize,
    /// Whether the claim is true.
    pub genuine: bool,
    /// The score; higher is more genuine.
    pub score: f64,
    /// Whether the picture was judged counterfeit.
    pub called_counterfeit: bool,
}

/// Computes the mean of each statistic over the draws of references, with its 95 % interval. `draws` holds the claims
/// of every draw, at least one.
#[must_use]
pub fn over_draws<const N: usize>(
    mut draws: Vec<Vec<Claim>>,
    bootstrap: Bootstrap,
    statistics: [Statistic; N],
) -> [Estimate; N] {
    for claims in &mut draws {
        claims.sort_by(|a, b| a.score.total_cmp(&b.score));
    }
    let groups = draws.iter().flatten().map(|claim| claim.group + 1).max().unwrap_or(0);
    let read = |times: &[u64]| -> [f64; N] {
        let steps: Vec<Vec<Step>> = draws.iter().map(|claims| steps(claims, times)).collect();
        statistics.map(|statistic| steps.iter().map(|steps| statistic(steps)).sum::<f64>() / steps.len() as f64)
    };
    let resample = |index: u64| {
        // One random stream for each resample, so that the result does not depend on the order of the threads.
        let mut stream = ChaCha8Rng::seed_from_u64(bootstrap.seed);
        stream.set_stream(index);
        let mut times = vec![0; groups];
        for _ in 0..groups {
            times[stream.random_range(0..groups)] += 1;
        }
        read(&times)
    };
    let resamples: Vec<[f64; N]> = (0..bootstrap.resamples).into_par_iter().map(resample).collect();
    let whole = read(&vec![1; groups]);
    std::array::from_fn(|column| {
        // A resample of groups without counterfeits yields no value.
        let mut column_of: Vec<f64> = resamples.iter().map(|row| row[column]).filter(|x| x.is_finite()).collect();
        Estimate::percentile(whole[column], &mut column_of)
    })
}

/// Sorted claims as steps, with group `g` counted `times[g]` times.
fn steps(claims: &[Claim], times: &[u64]) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::with_capacity(claims.len());
    let mut last = f64::NAN;
    for claim in claims {
        // Not `total_cmp`: -0.0 and 0.0 are the same score.
        if claim.score != last {
            steps.push(Step::default());
            last = claim.score;
        }
        let (step, count) = (steps.last_mut().expect("the first score is equal to no NaN"), times[claim.group]);
        let called = if claim.called_counterfeit { count } else { 0 };
        if claim.genuine {
            step.genuine += count;
            step.false_alarms += called;
        } else {
            step.fakes += count;
            step.detections += called;
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::super::{auroc, detection_rate, eer, false_alarm_rate};
    use super::*;

    /// Group 0 is classified without error, group 1 with every claim wrong.
    fn claims(shift: f64) -> Vec<Claim> {
        let claim = |group, genuine, score: f64| Claim {
            group,
            genuine,
            score: score + shift,
            called_counterfeit: score < 0.0,
        };
        vec![claim(0, true, 1.0), claim(0, false, -1.0), claim(1, true, -1.0), claim(1, false, 1.0)]
    }

    #[test]
    fn draws_are_averaged_and_groups_resampled_whole() {
        // The second draw has shifted scores; each draw has its own threshold, and both are equally good.
        let draws = || vec![claims(0.0), claims(100.0)];
        let [area, equal, alarms] = over_draws(draws(), Bootstrap::default(), [auroc, eer, false_alarm_rate]);
        assert_eq!((area.value, equal.value, alarms.value), (0.5, 0.5, 0.5));
        assert_eq!((area.low, area.high), (0.0, 1.0), "a resample may hold one group alone");
        assert_eq!(over_draws(draws(), Bootstrap::default(), [auroc])[0], area);
    }

    #[test]
    fn equal_scores_are_one_step_and_no_counterfeits_no_detection() {
        let genuine = [0.0, -0.0, 1.0].map(|score| Claim { group: 0, genuine: true, score, called_counterfeit: false });
        assert_eq!(steps(&genuine, &[2]).iter().map(|step| step.genuine).collect::<Vec<_>>(), [4, 2]);
        let [detected] = over_draws(vec![genuine.to_vec()], Bootstrap::default(), [detection_rate]);
        assert!(!detected.is_known());
    }
}
