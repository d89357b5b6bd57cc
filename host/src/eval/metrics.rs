//! The five metrics of a detector, always reported together and with their intervals.

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{Bootstrap, Estimate, Resampled, Sample, auroc, detection_rate, eer, false_alarm_rate, tpr_at_fpr01};

/// The metrics of a detector against one set of counterfeits. A metric is unknown when there was nothing to measure.
/// Serialises flat: `auroc`, `auroc_low`, `auroc_high` and so on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Metrics {
    /// Area under the ROC curve, 0..=1; 0.5 is chance level.
    pub auroc: Estimate,
    /// Equal error rate, 0..=1.
    pub eer: Estimate,
    /// Share of counterfeits detected at a false positive rate of 1 % on these genuine pictures, 0..=1.
    pub tpr_at_fpr01: Estimate,
    /// Share of genuine pictures judged counterfeit at the calibrated threshold, 0..=1.
    pub false_alarm_rate: Estimate,
    /// Share of counterfeits judged counterfeit at the calibrated threshold, 0..=1.
    pub detection_rate: Estimate,
}

/// The ranking metrics of a detector, for each resample, so that detectors can be compared and families averaged.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranking {
    /// Area under the ROC curve.
    pub auroc: Resampled,
    /// Share of counterfeits detected at a false positive rate of 1 %.
    pub tpr_at_fpr01: Resampled,
}

impl Ranking {
    /// The ranking when nothing was measured.
    pub const UNKNOWN: Self = Self { auroc: Resampled::UNKNOWN, tpr_at_fpr01: Resampled::UNKNOWN };
}

impl Metrics {
    /// Computes all five metrics on a sample with verdicts, and the ranking.
    #[must_use]
    pub fn judged(sample: &Sample, bootstrap: Bootstrap) -> (Self, Ranking) {
        let statistics = [auroc, eer, tpr_at_fpr01, false_alarm_rate, detection_rate];
        let [auroc, eer, tpr_at_fpr01, false_alarm_rate, detection_rate] = bootstrap.resample(sample, statistics);
        let (ranked, ranking) = Self::of_ranks(sample, auroc, &eer, tpr_at_fpr01);
        let [genuine, fakes] = sample.units();
        let false_alarm_rate = false_alarm_rate.estimate().of_share(genuine);
        let detection_rate = detection_rate.estimate().of_share(fakes);
        (Self { false_alarm_rate, detection_rate, ..ranked }, ranking)
    }

    /// Computes the three metrics that need only a ranking, and the ranking itself. The calibrated metrics stay
    /// unknown.
    #[must_use]
    pub fn ranked(sample: &Sample, bootstrap: Bootstrap) -> (Self, Ranking) {
        let [auroc, eer, tpr_at_fpr01] = bootstrap.resample(sample, [auroc, eer, tpr_at_fpr01]);
        Self::of_ranks(sample, auroc, &eer, tpr_at_fpr01)
    }

    fn of_ranks(sample: &Sample, auroc: Resampled, eer: &Resampled, tpr_at_fpr01: Resampled) -> (Self, Ranking) {
        let metrics = Self {
            auroc: auroc.estimate(),
            eer: eer.estimate(),
            tpr_at_fpr01: tpr_at_fpr01.estimate().of_share(sample.units()[1]),
            false_alarm_rate: Estimate::UNKNOWN,
            detection_rate: Estimate::UNKNOWN,
        };
        (metrics, Ranking { auroc, tpr_at_fpr01 })
    }

    /// Each metric with its name in JSON.
    #[must_use]
    pub fn named(&self) -> [(&'static str, Estimate); 5] {
        [
            ("auroc", self.auroc),
            ("eer", self.eer),
            ("tpr_at_fpr01", self.tpr_at_fpr01),
            ("false_alarm_rate", self.false_alarm_rate),
            ("detection_rate", self.detection_rate),
        ]
    }
}

impl Serialize for Metrics {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, estimate) in self.named() {
            map.serialize_entry(name, &estimate.value)?;
            map.serialize_entry(&format!("{name}_low"), &estimate.low)?;
            map.serialize_entry(&format!("{name}_high"), &estimate.high)?;
        }
        map.end()
    }
}
