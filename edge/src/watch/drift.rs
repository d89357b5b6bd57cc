//! Why the box doubts its own verdicts: judged exhibits enter one by one, a [`Drift`] leaves while there is one.
//!
//! A file of its own because of what must not be mixed up: a changed camera, and a run of real counterfeits. Exhibits
//! that were not called counterfeit are watched by the [`ChangeDetector`]. That an exhibit was not called counterfeit
//! says only that its score is above a bound, so genuine ones among them remain comparable with the calibration above
//! the same bound. A counterfeit that is found therefore never counts as a change. Exhibits that were called
//! counterfeit are counted. When there are too many, their scores cannot tell why, so the box asks for a piece that a
//! person knows to be genuine.

use std::collections::VecDeque;

use counterfoil_models::protocol::Drift;
use counterfoil_models::{Calibration, Judgement, Score, Verdict};

use super::martingale::ChangeDetector;

/// The last exhibits among which those called counterfeit are counted.
const WINDOW: usize = 10;
/// Number of them from which the box asks for a genuine piece. A change by 2.5 standard deviations of the genuine
/// scores, with which the change detector gets too few exhibits, reaches it within 30.
const MANY: usize = 6;
/// Number of them below which the box no longer asks.
const FEW: usize = 4;

/// Follows the exhibits of one judge.
#[derive(Debug)]
pub struct DriftMonitor {
    changes: ChangeDetector,
    /// For each of the last exhibits, when it was judged and whether it was called counterfeit.
    last: VecDeque<(u64, bool)>,
    drift: Option<Drift>,
}

/// The genuine scores of a calibration that would not be called counterfeit: those that exhibits with such a verdict
/// are compared with. The lowest of them is the bound itself, and no sample above it.
#[must_use]
pub fn comparable(calibration: &Calibration) -> Vec<f32> {
    let passes = |score| calibration.judge(score).verdict() != Verdict::Counterfeit;
    let above = calibration.scores().iter().copied().filter(|score| Score::new(*score).is_ok_and(passes));
    above.skip(1).collect()
}

impl DriftMonitor {
    /// Starts with the genuine scores that exhibits are compared with, and with the doubt that there was before.
    #[must_use]
    pub fn new(reference: Vec<f32>, drift: Option<Drift>) -> Self {
        Self { changes: ChangeDetector::new(reference), last: VecDeque::new(), drift }
    }

    /// Why verdicts are doubted, while they are.
    #[must_use]
    pub fn drift(&self) -> Option<Drift> {
        self.drift
    }

    /// Whether the verdict on a piece that is known to be genuine would explain the rejections.
    #[must_use]
    pub fn asks(&self) -> bool {
        matches!(self.drift, Some(Drift::Rejections { .. }))
    }

    /// Adds the judgement of an exhibit, at a time in milliseconds since 1970.
    pub fn add(&mut self, judgement: &Judgement, now_ms: u64) {
        // Only a new calibration ends a change.
        if matches!(self.drift, Some(Drift::Changed { .. })) {
            return;
        }
        let rejected = judgement.verdict() == Verdict::Counterfeit;
        if !rejected && let Some(since_ms) = self.changes.add(judgement.score().get(), now_ms) {
            self.drift = Some(Drift::Changed { since_ms });
            return;
        }
        if self.last.len() == WINDOW {
            self.last.pop_front();
        }
        self.last.push_back((now_ms, rejected));
        let (counterfeit, of) = (self.last.iter().filter(|(_, rejected)| *rejected).count(), self.last.len());
        let first = self.last.iter().find(|(_, rejected)| *rejected).map_or(now_ms, |(at, _)| *at);
        self.drift = match self.drift {
            Some(Drift::Rejections { since_ms, .. }) if counterfeit >= FEW => {
                Some(Drift::Rejections { since_ms, counterfeit, of })
            }
            None if counterfeit >= MANY => Some(Drift::Rejections { since_ms: first, counterfeit, of }),
            _ => None,
        };
    }

    /// Uses the verdict on a piece that a person knows to be genuine. It counts only while the box
    /// [`asks`](Self::asks): one such piece alone is called counterfeit as often as the false-alarm rate says.
    pub fn confirm_genuine(&mut self, verdict: Verdict) {
        if let Some(Drift::Rejections { since_ms, .. }) = self.drift {
            self.drift = (verdict == Verdict::Counterfeit).then_some(Drift::Changed { since_ms });
            self.last.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// A stream of independent normal numbers (Box and Muller 1958).
    struct Normal(ChaCha8Rng);

    impl Normal {
        fn new(seed: u64) -> Self {
            Self(ChaCha8Rng::seed_from_u64(seed))
        }

        fn next(&mut self) -> f64 {
            let (u, v) = (1.0 - self.0.random::<f64>(), self.0.random::<f64>());
            (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
        }
    }

    /// A box that was calibrated on `n` genuine pieces, at the smallest rate of at least 1 % that they support.
    struct Site {
        calibration: Calibration,
        monitor: DriftMonitor,
        random: Normal,
        exhibits: u64,
    }

    impl Site {
        fn new(n: usize, seed: u64) -> Self {
            let mut random = Normal::new(seed);
            let alpha = Calibration::supported_alpha(n).unwrap().max(0.01);
            let calibration = Calibration::new(alpha, (0..n).map(|_| random.next() as f32).collect()).unwrap();
            let monitor = DriftMonitor::new(comparable(&calibration), None);
            Self { calibration, monitor, random, exhibits: 0 }
        }

        fn changed(&self) -> bool {
            matches!(self.monitor.drift(), Some(Drift::Changed { .. }))
        }

        fn judge(&self, score: f64) -> Judgement {
            self.calibration.judge(Score::new(score as f32).unwrap())
        }

        fn add(&mut self, score: f64) {
            self.exhibits += 1;
            self.monitor.add(&self.judge(score), self.exhibits);
        }

        /// Adds exhibits whose scores are `score` of a standard normal number and of the exhibit's number. Returns
        /// whether something changed.
        fn see(&mut self, exhibits: usize, score: impl Fn(f64, u64) -> f64) -> bool {
            (0..exhibits).for_each(|_| {
                let score = score(self.random.next(), self.exhibits);
                self.add(score);
            });
            self.changed()
        }

        /// Number of genuine exhibits through a changed camera until the box says that something changed. As soon as
        /// it asks for a piece that is known to be genuine, it gets one.
        fn until_changed(&mut self, change: Change) -> Option<usize> {
            (1..=200).find(|_| {
                let score = change(self.random.next());
                self.add(score);
                if self.monitor.asks() {
                    let known = change(self.random.next());
                    self.monitor.confirm_genuine(self.judge(known).verdict());
                }
                self.changed()
            })
        }
    }

    type Change = fn(f64) -> f64;

    /// What a change of camera does to genuine scores, in their standard deviations.
    const CHANGES: [(&str, Change); 10] = [
        ("lower by 1.5", |z| z - 1.5),
        ("lower by 2", |z| z - 2.0),
        ("lower by 3", |z| z - 3.0),
        ("lower by 6", |z| z - 6.0),
        ("higher by 1.5", |z| z + 1.5),
        ("higher by 2.5", |z| z + 2.5),
        ("a third of the spread", |z| z / 3.0),
        ("lower by 1, half the spread", |z| z / 2.0 - 1.0),
        ("higher by 1, half the spread", |z| z / 2.0 + 1.0),
        ("lower by 4, twice the spread", |z| 2.0 * z - 4.0),
    ];

    /// Where nearly all are called counterfeit, the piece that the box asks for decides.
    #[test]
    fn ten_changes_of_camera_are_noticed_within_thirty_genuine_pictures() {
        const STREAMS: usize = 200;
        for (what, change) in CHANGES {
            let mut took: Vec<usize> = (0..STREAMS as u64)
                .map(|seed| {
                    let mut site = Site::new(199, seed);
                    site.see(300, |z, _| z);
                    site.until_changed(change).unwrap_or(usize::MAX)
                })
                .collect();
            took.sort_unstable();
            let soon = took.iter().filter(|pictures| **pictures <= 30).count();
            println!(
                "{what}: after {} pictures in the median, within 30 in {soon} of {STREAMS} streams",
                took[STREAMS / 2]
            );
            assert!(took[STREAMS / 2] <= 21 && soon >= STREAMS * 17 / 20, "{what}: {took:?}");
        }
    }

    #[test]
    fn unchanged_streams_of_ten_thousand_raise_at_most_once() {
        for n in [199, 99, 36] {
            let raised: Vec<usize> = (0..20)
                .map(|stream| {
                    let mut site = Site::new(n, 1000 * n as u64 + stream);
                    let raises = |site: &mut Site| {
                        let quiet = site.monitor.drift().is_none();
                        site.see(1, |z, _| z);
                        if site.changed() {
                            site.monitor = DriftMonitor::new(comparable(&site.calibration), None);
                            return true;
                        }
                        quiet && site.monitor.asks()
                    };
                    (0..10_000).filter(|_| raises(&mut site)).count()
                })
                .collect();
            println!("{n} pieces: {} alarms in 20 streams of 10,000", raised.iter().sum::<usize>());
            assert!(raised.iter().all(|times| *times <= 1), "{n}: {raised:?}");
        }
    }

    #[test]
    fn counterfeits_that_are_found_are_no_change_however_many() {
        for seed in 0..20 {
            let mut site = Site::new(199, seed);
            assert!(!site.see(1000, |z, at| if at % 10 < 5 { z - 8.0 } else { z }), "stream {seed}");
        }
    }

    #[test]
    fn a_row_of_counterfeits_asks_and_a_piece_known_to_be_genuine_decides() {
        let row = || {
            let mut site = Site::new(199, 1);
            site.see(300, |z, _| z);
            site.see(8, |z, _| z - 8.0);
            site
        };
        let asking = row();
        assert_eq!(asking.monitor.drift(), Some(Drift::Rejections { since_ms: 301, counterfeit: 8, of: 10 }));
        let [mut as_ever, mut changed, mut left] = [row(), row(), row()];
        as_ever.monitor.confirm_genuine(Verdict::Genuine);
        assert_eq!(as_ever.monitor.drift(), None, "they are counterfeit");
        changed.monitor.confirm_genuine(Verdict::Counterfeit);
        assert_eq!(changed.monitor.drift(), Some(Drift::Changed { since_ms: 301 }));
        changed.see(100, |z, _| z);
        assert_eq!(changed.monitor.drift(), Some(Drift::Changed { since_ms: 301 }), "until it is calibrated");
        left.see(10, |z, _| z);
        assert_eq!(left.monitor.drift(), None, "genuine ones end the question");
        let mut quiet = Site::new(199, 1);
        quiet.monitor.confirm_genuine(Verdict::Counterfeit);
        assert_eq!(quiet.monitor.drift(), None, "one false alarm is no change");
    }

    /// What it cannot know: counterfeits that are not found look like genuine pieces with lower scores.
    #[test]
    fn a_few_counterfeits_that_are_not_found_are_no_change_and_many_are() {
        let lower = |share: u64| move |z: f64, at: u64| if at % 20 < share { -1.5 + 0.2 * z } else { z };
        let raised = |share| (0..20).filter(|seed| Site::new(199, *seed).see(500, lower(share))).count();
        let (few, many) = (raised(2), raised(12));
        println!("of 20 streams, {few} with 10 % and {many} with 60 % of such counterfeits");
        assert!(few <= 1 && many == 20, "{few} {many}");
    }
}
