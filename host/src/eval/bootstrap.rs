//! Bootstrap intervals: statistics of a sample, each with its 95 % interval.

use rand::Rng;
use rayon::prelude::*;

use super::{Estimate, Resampled, Sample, Step};
use crate::math::random::stream;

/// A number computed from the steps of a sample.
pub type Statistic = fn(&[Step]) -> f64;

/// A stratified percentile bootstrap (Efron & Tibshirani 1993, ch. 8 and 13). The genuine pictures and each family of
/// counterfeits are resampled separately, and by group where pictures have one.
#[derive(Debug, Clone, Copy)]
pub struct Bootstrap {
    /// Number of resamples. With 1000 the ends of a 95 % interval are uncertain by a few hundredths of its width.
    pub resamples: u64,
    /// Seed of the draws. The same seed gives the same intervals, whatever the number of threads.
    pub seed: u64,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self { resamples: 1000, seed: 0 }
    }
}

impl Bootstrap {
    /// Computes every statistic on the sample itself, each with its 95 % interval over the resamples.
    #[must_use]
    pub fn estimate<const N: usize>(self, sample: &Sample, statistics: [Statistic; N]) -> [Estimate; N] {
        self.resample(sample, statistics).map(|statistic| statistic.estimate())
    }

    /// Computes every statistic on the sample itself and on every resample. All statistics use the same resamples.
    ///
    /// The draws of a stratum depend only on its family, its size and the seed. So two detectors on the same pictures
    /// share them, and two families compared with the same genuine pictures share those pictures' draws.
    #[must_use]
    pub fn resample<const N: usize>(self, sample: &Sample, statistics: [Statistic; N]) -> [Resampled; N] {
        let rows: Vec<[f64; N]> = (0..self.resamples)
            .into_par_iter()
            .map_init(Vec::new, |steps, index| {
                sample.resample(steps, |family| {
                    let purpose = family.map_or_else(|| "bootstrap".to_owned(), |family| format!("bootstrap {family}"));
                    let mut stream = stream(self.seed, &purpose, index);
                    move |units| stream.random_range(0..units)
                });
                statistics.map(|statistic| statistic(steps))
            })
            .collect();
        let whole = sample.steps();
        std::array::from_fn(|column| {
            Resampled::new(statistics[column](&whole), rows.iter().map(|row| row[column]).collect())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::tests::sample;
    use super::super::{auroc, false_alarm_rate};
    use super::*;

    fn accuser() -> Sample {
        let genuine: Vec<f64> = (0..400).map(|i| f64::from(i * 37 % 400)).collect();
        let fakes: Vec<f64> = (0..400).map(|i| f64::from(i * 53 % 400) - 120.0).collect();
        sample(&genuine, &fakes, 40.0)
    }

    #[test]
    fn a_rates_interval_is_the_binomials() {
        let [rate] = Bootstrap::default().estimate(&accuser(), [false_alarm_rate]);
        // 40 of 400: the central 95 % of Binomial(400, 0.1) / 400 is 0.0725 to 0.13.
        assert!((rate.value - 0.1).abs() < 1e-12);
        assert!((rate.low - 0.0725).abs() < 0.005, "{rate:?}");
        assert!((rate.high - 0.13).abs() < 0.005, "{rate:?}");
    }

    #[test]
    fn the_same_pictures_are_drawn_whatever_their_scores() {
        let genuine: Vec<f64> = (0..200).map(|i| f64::from(i * 37 % 200)).collect();
        let fakes: Vec<f64> = (0..200).map(|i| f64::from(i * 53 % 200) - 60.0).collect();
        let [plain] = Bootstrap::default().resample(&sample(&genuine, &fakes, 0.0), [auroc]);
        // One detector that ranks every pair the same, and one that separates the counterfeits slightly better.
        let scaled = [&genuine, &fakes].map(|side| side.iter().map(|s| s * 2.0 - 9.0).collect::<Vec<f64>>());
        let [same] = Bootstrap::default().resample(&sample(&scaled[0], &scaled[1], 0.0), [auroc]);
        assert_eq!(plain, same);
        let easier: Vec<f64> = fakes.iter().map(|s| s - 10.0).collect();
        let [better] = Bootstrap::default().resample(&sample(&genuine, &easier, 0.0), [auroc]);
        let ahead = better.minus(&plain).estimate();
        assert!(ahead.low > 0.0, "{ahead:?}");
        assert!(better.estimate().low < plain.estimate().high, "the intervals themselves overlap");
    }

    #[test]
    fn threads_do_not_matter_and_the_seed_does() {
        let on = |threads, seed| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let bootstrap = Bootstrap { resamples: 200, seed };
            pool.install(|| bootstrap.estimate(&accuser(), [auroc, false_alarm_rate]))
        };
        assert_eq!(on(1, 7), on(3, 7));
        assert_ne!(on(1, 7), on(1, 8));
    }
}
