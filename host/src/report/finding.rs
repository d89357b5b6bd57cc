//! What the comparison with the baselines comes to, said plainly. A detective that does not beat something simpler is
//! the most important line of a report, so it is written here and not left to the reader of a table.

use serde::Serialize;

use super::{Detector, Report, Role, number};
use crate::eval::{Lead, ZooSummary};

/// One detective against one baseline.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Finding {
    /// Whether to say it in red: there is no proof that the detective is better.
    pub(super) bad: bool,
    pub(super) text: String,
}

/// Every detective of ours against every baseline, by the paired difference of the AUROC: both are resampled on the same pictures, so
/// that what is hard for both does not hide a lead. In a zoo by the mean AUROC of the families.
pub(super) fn findings(report: &Report) -> Vec<Finding> {
    let of = |role| report.detectors.iter().filter(move |detector| detector.role == role);
    of(Role::Ours).flat_map(|ours| of(Role::Baseline).map(move |baseline| compare(report, ours, baseline))).collect()
}

fn compare(report: &Report, ours: &Detector, baseline: &Detector) -> Finding {
    let (what, lead, a, b) = if let Some(kinship) = &report.kinship {
        let [own, other] = [ours, baseline].map(|one| ZooSummary::of(&one.evaluation, kinship));
        let [a, b] = [&own, &other].map(|zoo| zoo.all.auroc.estimate());
        ("mean AUROC", Lead::in_zoo(&own, &other), a, b)
    } else {
        let [a, b] = [ours, baseline].map(|one| one.evaluation.overall.auroc);
        ("AUROC", Lead::of(&ours.evaluation, &baseline.evaluation), a, b)
    };
    let shared: Vec<bool> = ours
        .evaluation
        .families
        .iter()
        .filter_map(|(name, family)| {
            let other = baseline.evaluation.families.get(name)?;
            Some(family.metrics.auroc.value > other.metrics.auroc.value)
        })
        .collect();
    let families = match (shared.len(), shared.iter().filter(|ahead| **ahead).count()) {
        (0, _) => String::new(),
        (all, ahead) => format!(" Family by family it is ahead on {ahead} of {all}."),
    };
    let difference = if lead.ahead.is_known() {
        let [value, low, high] = [lead.ahead.value, lead.ahead.low, lead.ahead.high].map(|x| number::decimals(x, 3));
        format!(", difference {value} ({low} to {high})")
    } else {
        String::new()
    };
    let text = format!(
        "“{}” {} “{}”: {what} {} against {}{difference}.{families}",
        ours.name,
        lead.verb(),
        baseline.name,
        number::area(a).value,
        number::area(b).value,
    );
    Finding { bad: !lead.beats, text }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::eval::{Baseline, Kinship, Scored};

    /// A detector that ranks counterfeits `shift` below genuine pictures spread over 0..1.
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
            let found = findings(&report(vec![detector(Role::Ours, ours), detector(Role::Baseline, theirs)]));
            (found[0].bad, found[0].text.clone())
        };
        // The intervals of the two overlap; picture by picture there is no doubt.
        let (bad, text) = said(0.3, 0.27);
        assert!(!bad && text.starts_with("“gan” beats “statistics”: AUROC 0.7"), "{text}");
        assert!(text.contains(", difference 0.0") && text.contains("ahead on 1 of 1"), "{text}");
        assert!(said(0.3, 0.3).0 && said(0.3, 0.3).1.contains("does not beat"));
        let (bad, text) = said(0.27, 0.3);
        assert!(bad && text.contains("does not beat") && text.contains("difference −0.0"), "{text}");
        let mut other = detector(Role::Baseline, 0.1);
        other.evaluation.genuine -= 1;
        let found = findings(&report(vec![detector(Role::Ours, 0.9), other]));
        assert!(found[0].bad && found[0].text.contains("cannot be compared"), "{found:?}");
    }
    #[test]
    fn in_a_zoo_a_family_counts_as_one() {
        let mut report = report(vec![detector(Role::Ours, 0.3), detector(Role::Baseline, 0.27)]);
        report.kinship = Some(BTreeMap::from([("rescan".to_owned(), Kinship::Alien)]));
        let found = findings(&report);
        assert!(!found[0].bad && found[0].text.contains(": mean AUROC 0.7"), "{found:?}");
    }
}
