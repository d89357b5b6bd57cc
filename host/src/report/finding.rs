//! States the result of the comparison with the baselines in one sentence. If a detector does not beat a simpler one,
//! that is the most important line of the report, so it is not left to the reader of a table.

use serde::Serialize;

use super::number::{self, Printed};
use super::{Detector, Report, Role};
use crate::eval::{Lead, ZooSummary};

/// One detector compared with every baseline.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Finding<'a> {
    /// Whether to show the sentence in red: for at least one baseline it is not proved that the detector is better.
    pub(super) bad: bool,
    pub(super) name: &'a str,
    pub(super) sentence: String,
    pub(super) against: Vec<Comparison<'a>>,
}

/// One detector compared with one baseline.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Comparison<'a> {
    pub(super) bad: bool,
    /// The verb between the two names, such as "beats".
    pub(super) verb: &'static str,
    pub(super) name: &'a str,
    /// The baseline's AUROC.
    pub(super) area: String,
    /// The detector's AUROC minus the baseline's, with the interval.
    pub(super) ahead: Printed,
    /// In how many families the detector has the higher AUROC; empty without common families.
    pub(super) families: String,
}

/// Compares each of our detectors with every baseline by the paired difference of the AUROC. Both are resampled on
/// the same pictures, so that pictures that are hard for both do not hide a lead. In a zoo, the mean AUROC over the
/// families is compared.
pub(super) fn findings(report: &Report) -> Vec<Finding<'_>> {
    let of = |role| report.detectors.iter().filter(move |one| one.role == role).map(|one| Measured::of(one, report));
    let baselines: Vec<_> = of(Role::Baseline).collect();
    if baselines.is_empty() {
        return Vec::new();
    }
    let what = if report.kinship.is_some() { "mean AUROC" } else { "AUROC" };
    let found = of(Role::Ours).map(|ours| {
        let against: Vec<_> = baselines.iter().map(|baseline| compare(&ours, baseline)).collect();
        let (all, beaten) = (against.len(), against.iter().filter(|one| !one.bad).count());
        let name = &ours.detector.name;
        let sentence = format!("“{name}”, {what} {}, beats {beaten} of {all}", ours.area());
        Finding { bad: beaten < all, name, sentence, against }
    });
    found.collect()
}

/// A detector, and in a zoo its summary over the families.
struct Measured<'a> {
    detector: &'a Detector,
    zoo: Option<ZooSummary>,
}

impl<'a> Measured<'a> {
    fn of(detector: &'a Detector, report: &Report) -> Self {
        let zoo = report.kinship.as_ref().map(|kinship| ZooSummary::of(&detector.evaluation, kinship));
        Self { detector, zoo }
    }

    fn area(&self) -> String {
        let overall = || self.detector.evaluation.overall.auroc;
        number::area(self.zoo.as_ref().map_or_else(overall, |zoo| zoo.all.auroc.estimate())).value
    }
}

fn compare<'a>(ours: &Measured, baseline: &Measured<'a>) -> Comparison<'a> {
    let evaluations = [ours, baseline].map(|one| &one.detector.evaluation);
    let lead = match (&ours.zoo, &baseline.zoo) {
        (Some(own), Some(other)) => Lead::in_zoo(own, other),
        _ => Lead::of(evaluations[0], evaluations[1]),
    };
    let shared = evaluations[0].families.iter().filter_map(|(name, family)| {
        let other = evaluations[1].families.get(name)?;
        Some(family.metrics.auroc.value > other.metrics.auroc.value)
    });
    let shared: Vec<bool> = shared.collect();
    let families = match (shared.len(), shared.iter().filter(|ahead| **ahead).count()) {
        (0, _) => String::new(),
        (all, ahead) => format!("{ahead} of {all}"),
    };
    Comparison {
        bad: !lead.beats,
        verb: lead.verb(),
        name: &baseline.detector.name,
        area: baseline.area(),
        ahead: number::difference(lead.ahead),
        families,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::eval::{Baseline, Kinship, Scored};

    /// A detector that ranks counterfeits `shift` below genuine pictures, whose scores spread over 0..1.
    fn detector(role: Role, shift: f32) -> Detector {
        let genuine = (0..200).map(|index| Scored::ranked(index, None, 0.0));
        let scored = genuine.chain((0..200).map(|index| Scored::ranked(index, Some("rescan"), shift))).collect();
        let name = if role == Role::Ours { "gan" } else { "statistics" };
        Detector { role, ..Detector::baseline(Baseline::ranked(name, scored).unwrap()) }
    }

    fn report(detectors: Vec<Detector>) -> Report {
        Report { detectors, ..Report::default() }
    }

    #[test]
    fn only_a_clear_lead_is_a_win() {
        let said = |ours, theirs| {
            let report = report(vec![detector(Role::Ours, ours), detector(Role::Baseline, theirs)]);
            let found = findings(&report);
            let one = &found[0].against[0];
            assert_eq!((found[0].bad, one.name), (one.bad, "statistics"));
            (one.bad, one.verb, found[0].sentence.clone(), one.ahead.value.clone(), one.families.clone())
        };
        // The separate intervals overlap, but the paired difference is clear.
        let (bad, verb, sentence, ahead, families) = said(0.3, 0.27);
        assert_eq!((bad, verb, families.as_str()), (false, "beats", "1 of 1"));
        assert!(sentence.starts_with("“gan”, AUROC 0.7") && sentence.ends_with("beats 1 of 1"), "{sentence}");
        assert!(ahead.starts_with("+0.0"), "{ahead}");
        assert_eq!((said(0.3, 0.3).0, said(0.3, 0.3).1), (true, "does not beat"));
        let (bad, verb, sentence, ahead, _) = said(0.27, 0.3);
        assert!(
            bad && verb == "does not beat" && sentence.ends_with("beats 0 of 1") && ahead.starts_with("−0.0"),
            "{ahead}"
        );
        let mut other = detector(Role::Baseline, 0.1);
        other.evaluation.genuine -= 1;
        let report = report(vec![detector(Role::Ours, 0.9), other]);
        let found = findings(&report);
        assert!(found[0].bad && found[0].against[0].verb == "cannot be compared with", "{found:?}");
    }

    #[test]
    fn in_a_zoo_a_family_counts_as_one() {
        let mut report = report(vec![detector(Role::Ours, 0.3), detector(Role::Baseline, 0.27)]);
        report.kinship = Some(BTreeMap::from([("rescan".to_owned(), Kinship::Unseen)]));
        let found = findings(&report);
        assert!(!found[0].bad && found[0].sentence.contains(", mean AUROC 0.7"), "{found:?}");
    }
}
