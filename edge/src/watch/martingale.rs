//! A conformal test martingale: scores of genuine exhibits enter one by one; the moment from which they look different
//! leaves.
//!
//! A score's rank among the genuine ones before it is a p-value. As long as light, camera and article stay the same,
//! these p-values are independent and uniform, whatever the scores look like (Vovk, Gammerman, Shafer 2005, section 8).
//! A bet against that multiplies a capital by a density of the p-value, so that the capital is not expected to grow. A
//! CUSUM of its logarithm forgets the losses before a change (Vovk et al. 2021, "Retrain or not retrain: conformal test
//! martingales for change-point detection").
//!
//! A file of its own because it is pure: no clock, no files, no verdicts.

use std::collections::VecDeque;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The bets: densities `c exp(t x)` on 0..1, of the p-value itself or of its distance from the middle.
///
/// Their tilt is that of a change by about 1.5 standard deviations of the genuine scores. A smaller one would also
/// notice the few undetected counterfeits among many genuine exhibits.
const BETS: [(Statistic, f64); 4] = [
    (Statistic::Rank, -5.0),     // lower scores
    (Statistic::Rank, 5.0),      // higher scores
    (Statistic::Distance, -5.0), // scores closer together
    (Statistic::Distance, 5.0),  // scores farther apart
];
/// Mean number of unchanged exhibits until a false alarm, at least: a CUSUM is at most the Shiryaev-Roberts statistic,
/// whose sum over the bets grows by their number with each exhibit.
const EXHIBITS_BETWEEN_FALSE_ALARMS: f64 = 50_000.0;
/// Number of exhibits after which a score joins those that later ones are ranked among. Without the delay, the first
/// exhibits after a change would hide it from a small calibration.
const DELAY: usize = 30;
/// Largest number of scores that later ones are ranked among. It bounds the memory, and a slow change is not learned
/// as usual for ever.
const MAX_REFERENCE: usize = 2000;
/// Seed of the stream that breaks ties.
const TIES: u64 = 0x7469_6573;

/// The number that a bet is about.
#[derive(Clone, Copy, Debug)]
enum Statistic {
    /// The p-value.
    Rank,
    /// Its distance from one half, doubled; uniform as well.
    Distance,
}

/// Notices when genuine scores begin to look different.
#[derive(Debug)]
pub struct ChangeDetector {
    /// The genuine scores that a new one is ranked among, ascending.
    reference: Vec<f32>,
    /// The newest scores, which are not yet among them.
    delayed: VecDeque<f32>,
    /// For each bet, the logarithm of what it has won since it was last down to its stake, and the time at which that
    /// run began.
    runs: [(f64, u64); BETS.len()],
    ties: ChaCha8Rng,
}

impl ChangeDetector {
    /// Starts with genuine scores in any order, of a calibration for example; there may be none.
    #[must_use]
    pub fn new(mut reference: Vec<f32>) -> Self {
        reference.sort_by(f32::total_cmp);
        Self {
            reference,
            delayed: VecDeque::new(),
            runs: [(0.0, 0); BETS.len()],
            ties: ChaCha8Rng::seed_from_u64(TIES),
        }
    }

    /// Adds the score of the next exhibit, judged at the time `at` in any unit. Returns the time at which the scores
    /// began to look different, if they do.
    pub fn add(&mut self, score: f32, at: u64) -> Option<u64> {
        let p = self.p_value(score);
        self.delayed.push_back(score);
        if self.delayed.len() > DELAY
            && let Some(older) = self.delayed.pop_front()
            && self.reference.len() < MAX_REFERENCE
        {
            self.reference.insert(self.reference.partition_point(|other| *other < older), older);
        }
        let threshold = (BETS.len() as f64 * EXHIBITS_BETWEEN_FALSE_ALARMS).ln();
        for ((won, since), (statistic, tilt)) in self.runs.iter_mut().zip(BETS) {
            if *won <= 0.0 {
                (*won, *since) = (0.0, at);
            }
            let x = match statistic {
                Statistic::Rank => p,
                Statistic::Distance => (2.0 * p - 1.0).abs(),
            };
            // The logarithm of t exp(t x) / (exp(t) - 1).
            *won += (tilt / tilt.exp_m1()).ln() + tilt * x;
        }
        let raised = self.runs.iter().filter(|(won, _)| *won >= threshold);
        raised.map(|(_, since)| *since).min()
    }

    /// The smoothed rank of a score among the genuine ones and itself, 0 to 1: ties are broken at random.
    fn p_value(&mut self, score: f32) -> f64 {
        let below = self.reference.partition_point(|other| *other < score);
        let up_to = self.reference.partition_point(|other| *other <= score);
        let ties = (up_to - below + 1) as f64;
        (below as f64 + self.ties.random::<f64>() * ties) / (self.reference.len() + 1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Exhibits until an alarm, and the time that it names; scores are `score(i)`, at the times 0, 1, 2, ...
    fn alarm(detector: &mut ChangeDetector, exhibits: u64, score: impl Fn(u64) -> f32) -> Option<(u64, u64)> {
        (0..exhibits).find_map(|at| detector.add(score(at), at).map(|since| (at, since)))
    }

    /// Numbers that are spread evenly over 0..100, without a pattern in time.
    fn even(i: u64) -> f32 {
        (i * 7919 % 100) as f32
    }

    #[test]
    fn a_change_is_dated_back_to_where_it_began() {
        for change in [|x: f32| 0.3 * x, |x: f32| 0.3 * x + 70.0, |x: f32| 0.2 * x + 40.0] {
            let mut detector = ChangeDetector::new((0..100).map(even).collect());
            let score = |at| if at < 500 { even(at) } else { change(even(at)) };
            let (raised, since) = alarm(&mut detector, 1000, score).expect("it changed");
            assert!((500..530).contains(&raised) && (490..=505).contains(&since), "{raised} since {since}");
        }
    }

    #[test]
    fn equal_scores_are_no_change_and_neither_is_a_start_without_a_reference() {
        assert_eq!(alarm(&mut ChangeDetector::new(vec![0.5; 99]), 5000, |_| 0.5), None);
        assert_eq!(alarm(&mut ChangeDetector::new(Vec::new()), 5000, even), None);
        let mut detector = ChangeDetector::new(Vec::new());
        assert_eq!(alarm(&mut detector, 300, even), None);
        assert!(alarm(&mut detector, 30, |at| 0.1 * even(at)).is_some(), "what it has seen is its reference");
    }

    #[test]
    fn memory_is_bounded_and_the_newest_are_not_yet_among_the_reference() {
        let mut detector = ChangeDetector::new((0..100).map(even).collect());
        alarm(&mut detector, 20, even);
        assert_eq!((detector.reference.len(), detector.delayed.len()), (100, 20));
        alarm(&mut detector, 5000, even);
        assert_eq!((detector.reference.len(), detector.delayed.len()), (MAX_REFERENCE, DELAY));
        assert!(detector.reference.is_sorted());
    }
}
