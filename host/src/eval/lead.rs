//! Whether a detector beats another one on the same pictures, in the form that the table and the report use.

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{Estimate, Evaluation, Resampled, ZooSummary};

/// The result of a paired comparison of two detectors. Serialises flat: `ahead`, `ahead_low`, `ahead_high`, `beats`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lead {
    /// The first detector's statistic minus the second's.
    pub ahead: Estimate,
    /// Whether the whole 95 % interval of the difference is above 0.
    pub beats: bool,
}

impl Lead {
    /// Compares two detectors by the AUROC on the pictures that both have judged.
    #[must_use]
    pub fn of(ours: &Evaluation, theirs: &Evaluation) -> Self {
        Self::by(&ours.ahead_of(theirs))
    }

    /// Compares two detectors over a zoo by the mean AUROC, in which every family has the same weight.
    #[must_use]
    pub fn in_zoo(ours: &ZooSummary, theirs: &ZooSummary) -> Self {
        Self::by(&ours.all.auroc.minus(&theirs.all.auroc))
    }

    /// Makes a lead from the paired difference of a statistic for which higher is better.
    #[must_use]
    pub fn by(difference: &Resampled) -> Self {
        let ahead = difference.estimate();
        Self { ahead, beats: ahead.low > 0.0 }
    }

    /// The verb to print between the names of the two detectors.
    #[must_use]
    pub fn verb(&self) -> &'static str {
        match self.ahead.value {
            ahead if !ahead.is_finite() => "cannot be compared with",
            _ if self.beats => "beats",
            ahead if ahead > 0.0 => "is not shown to beat",
            _ => "does not beat",
        }
    }
}

impl Serialize for Lead {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Estimate { value, low, high } = self.ahead;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("ahead", &value)?;
        map.serialize_entry("ahead_low", &low)?;
        map.serialize_entry("ahead_high", &high)?;
        map.serialize_entry("beats", &self.beats)?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_lead_that_leaves_no_doubt_is_a_win() {
        let verb = |value, low| Lead { ahead: Estimate { value, low, high: 1.0 }, beats: low > 0.0 }.verb();
        assert_eq!(verb(0.1, 0.01), "beats");
        assert_eq!(verb(0.1, -0.01), "is not shown to beat");
        assert_eq!(verb(0.0, -0.1), "does not beat");
        assert_eq!(verb(f64::NAN, f64::NAN), "cannot be compared with");
    }
}
