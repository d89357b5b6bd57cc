//! The five numbers by which a detector is known, always together and always with their intervals.

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{Bootstrap, Estimate, Resampled, Sample, auroc, detection_rate, eer, false_alarm_rate, tpr_at_fpr01};

/// A detector against one set of counterfeits. Unknown where there was nothing to measure. Serialises flat: `auroc`,
/// `auroc_low`, `auroc_high` and so on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Metrics {
    /// Area under the ROC curve, 0..=1, a coin toss at 0.5.
    pub auroc: Estimate,
    /// Equal error rate, 0..=1.
    pub eer: Estimate,
    /// Share of counterfeits caught at a false positive rate of 1 % on these genuine pictures.
    pub tpr_at_fpr01: Estimate,
    /// Share of genuine pictures accused at the calibrated threshold.
    pub false_alarm_rate: Estimate,
    /// Share of counterfeits accused at the calibrated threshold.
    pub detection_rate: Estimate,
}

/// How well a detector ranks, resample by resample: what it is compared and averaged by.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranking {
    /// Area under the ROC curve.
    pub auroc: Resampled,
    /// Share of counterfeits caught at a false positive rate of 1 %.
    pub tpr_at_fpr01: Resampled,
}

impl Ranking {
    /// Nothing was measured.
    pub const UNKNOWN: Self = Self { auroc: Resampled::UNKNOWN, tpr_at_fpr01: Resampled::UNKNOWN };
}

impl Metrics {
    /// All five on a sample whose pictures were judged, and the ranking.
    #[must_use]
    pub fn judged(sample: &Sample, bootstrap: Bootstrap) -> (Self, Ranking) {
        let statistics = [auroc, eer, tpr_at_fpr01, false_alarm_rate, detection_rate];
        let [auroc, eer, tpr_at_fpr01, false_alarm_rate, detection_rate] = bootstrap.resample(sample, statistics);
        let (ranked, ranking) = Self::of_ranks(auroc, &eer, tpr_at_fpr01);
        let [false_alarm_rate, detection_rate] = [false_alarm_rate, detection_rate].map(|rate| rate.estimate());
        (Self { false_alarm_rate, detection_rate, ..ranked }, ranking)
    }

    /// The three that need only a ranking, and the ranking itself; the calibrated ones stay unknown.
    #[must_use]
    pub fn ranked(sample: &Sample, bootstrap: Bootstrap) -> (Self, Ranking) {
        let [auroc, eer, tpr_at_fpr01] = bootstrap.resample(sample, [auroc, eer, tpr_at_fpr01]);
        Self::of_ranks(auroc, &eer, tpr_at_fpr01)
    }

    fn of_ranks(auroc: Resampled, eer: &Resampled, tpr_at_fpr01: Resampled) -> (Self, Ranking) {
        let metrics = Self {
            auroc: auroc.estimate(),
            eer: eer.estimate(),
            tpr_at_fpr01: tpr_at_fpr01.estimate(),
            false_alarm_rate: Estimate::UNKNOWN,
            detection_rate: Estimate::UNKNOWN,
        };
        (metrics, Ranking { auroc, tpr_at_fpr01 })
    }

    /// Each metric under the name it has in JSON.
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
