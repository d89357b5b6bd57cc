//! Summarises a detector over the families of a zoo: all families, those of a kind in the training folds, and the
//! others.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use super::{Estimate, Evaluation, Family, Resampled};

/// Whether a judged family resembles a family of the other folds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Kinship {
    /// Another fold holds a family of the same kind, so a detector trained on the other folds was trained on
    /// something similar.
    #[serde(rename = "kin")]
    Seen,
    /// No other fold holds a family of the same kind.
    #[serde(rename = "alien")]
    Unseen,
}

impl std::fmt::Display for Kinship {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Seen => "kin",
            Self::Unseen => "alien",
        })
    }
}

/// A detector's results over several families. Intervals resample the genuine pictures and each family's.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// Number of families.
    pub families: usize,
    /// Mean AUROC, in which every family has the same weight.
    pub auroc: Resampled,
    /// AUROC of the family on which it is lowest.
    pub worst: Resampled,
    /// Mean share of counterfeits detected at a false positive rate of 1 %.
    pub tpr_at_fpr01: Resampled,
}

impl Summary {
    fn of(families: &[&Family]) -> Self {
        let auroc: Vec<&Resampled> = families.iter().map(|family| &family.ranking.auroc).collect();
        let tpr: Vec<&Resampled> = families.iter().map(|family| &family.ranking.tpr_at_fpr01).collect();
        Self {
            families: families.len(),
            auroc: Resampled::mean(&auroc),
            worst: Resampled::least(&auroc),
            tpr_at_fpr01: Resampled::mean(&tpr),
        }
    }
}

impl Serialize for Summary {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("families", &self.families)?;
        let parts =
            [("auroc_mean", &self.auroc), ("auroc_worst", &self.worst), ("tpr_at_fpr01_mean", &self.tpr_at_fpr01)];
        for (name, part) in parts {
            let Estimate { value, low, high } = part.estimate();
            map.serialize_entry(name, &value)?;
            map.serialize_entry(&format!("{name}_low"), &low)?;
            map.serialize_entry(&format!("{name}_high"), &high)?;
        }
        map.end()
    }
}

/// A detector's results over a fold of a zoo.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ZooSummary {
    /// Over every judged family.
    pub all: Summary,
    /// Over the families with [`Kinship::Seen`].
    pub kin: Summary,
    /// Over the families with [`Kinship::Unseen`].
    pub alien: Summary,
}

impl ZooSummary {
    /// Summarises a detector's results on each family. A family that `kinship` does not name counts only in `all`.
    #[must_use]
    pub fn of(evaluation: &Evaluation, kinship: &BTreeMap<String, Kinship>) -> Self {
        let over = |keep: &dyn Fn(Option<&Kinship>) -> bool| {
            let kept = evaluation.families.iter().filter(|(name, _)| keep(kinship.get(*name)));
            Summary::of(&kept.map(|(_, family)| family).collect::<Vec<_>>())
        };
        Self {
            all: over(&|_| true),
            kin: over(&|kinship| kinship == Some(&Kinship::Seen)),
            alien: over(&|kinship| kinship == Some(&Kinship::Unseen)),
        }
    }

    /// The three summaries with their names.
    #[must_use]
    pub fn parts(&self) -> [(&'static str, &Summary); 3] {
        [("all", &self.all), ("kin", &self.kin), ("alien", &self.alien)]
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Baseline, Scored};
    use super::*;

    #[test]
    fn a_family_counts_as_one_whatever_its_size() {
        let genuine = (0..100).map(|index| Scored::ranked(index, None, 0.0));
        let far = (0..20).map(|index| Scored::ranked(index, Some("far"), 2.0));
        let near = (0..80).map(|index| Scored::ranked(index, Some("near"), 0.0));
        let row = Baseline::ranked("ours", genuine.chain(far).chain(near).collect()).unwrap();
        let kinship = BTreeMap::from([("far".to_owned(), Kinship::Seen), ("near".to_owned(), Kinship::Unseen)]);
        let found = ZooSummary::of(&row.evaluation, &kinship);
        let near = row.evaluation.families["near"].metrics.auroc.value;
        assert!((found.all.auroc.estimate().value - f64::midpoint(1.0, near)).abs() < 1e-12);
        assert!((found.all.worst.estimate().value - near).abs() < 1e-12);
        assert!((found.kin.auroc.estimate().value - 1.0).abs() < 1e-12);
        assert_eq!((found.all.families, found.kin.families, found.alien.families), (2, 1, 1));
        let json = serde_json::to_value(&found).unwrap();
        assert!(json["alien"]["tpr_at_fpr01_mean_low"].is_f64());
        assert!(!ZooSummary::of(&row.evaluation, &BTreeMap::new()).kin.auroc.estimate().is_known());
    }
}
