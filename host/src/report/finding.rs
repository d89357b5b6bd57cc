//! What the comparison with the baselines comes to, said plainly. A detective that does not beat something simpler is
//! the most important line of a report, so it is written here and not left to the reader of a table.

use serde::Serialize;

use super::{Detector, Role, number};

/// One detective against one baseline.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Finding {
    /// Whether to say it in red: there is no proof that the detective is better.
    pub(super) bad: bool,
    pub(super) text: String,
}

/// Every detective of ours against every baseline. A lead counts when the two 95 % intervals of the AUROC do not
/// overlap, which asks more than a test at 5 % would (Schenker & Gentleman 2001).
pub(super) fn findings(detectors: &[Detector]) -> Vec<Finding> {
    let of = |role| detectors.iter().filter(move |detector| detector.role == role);
    of(Role::Ours).flat_map(|ours| of(Role::Baseline).map(move |baseline| compare(ours, baseline))).collect()
}

fn compare(ours: &Detector, baseline: &Detector) -> Finding {
    let (a, b) = (ours.evaluation.overall.auroc, baseline.evaluation.overall.auroc);
    let (bad, verb, proof) = if !a.is_known() || !b.is_known() {
        (true, "cannot be compared with", "")
    } else if a.value <= b.value {
        (true, "does not beat", "")
    } else if a.low <= b.high {
        (true, "is not shown to beat", ", and the intervals overlap")
    } else {
        (false, "beats", "")
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
    let text = format!(
        "“{}” {verb} “{}”: AUROC {} against {}{proof}.{families}",
        ours.name,
        baseline.name,
        with_interval(a),
        with_interval(b),
    );
    Finding { bad, text }
}

fn with_interval(auroc: crate::eval::Estimate) -> String {
    let printed = number::area(auroc);
    if printed.interval.is_empty() { printed.value } else { format!("{} ({})", printed.value, printed.interval) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::{Baseline, Estimate, Evaluation, Metrics};
    use std::collections::BTreeMap;

    fn detector(role: Role, value: f64) -> Detector {
        let unknown = Estimate::UNKNOWN;
        let auroc = Estimate { value, low: value - 0.02, high: value + 0.02 };
        let overall =
            Metrics { auroc, eer: unknown, tpr_at_fpr01: unknown, false_alarm_rate: unknown, detection_rate: unknown };
        let evaluation = Evaluation { overall, genuine: 9, fake: 9, families: BTreeMap::new() };
        let name = if role == Role::Ours { "gan" } else { "statistics" }.to_owned();
        Detector { role, ..Detector::baseline(Baseline { name, evaluation }) }
    }

    #[test]
    fn only_a_clear_lead_is_a_win() {
        let said = |ours, theirs| {
            let found = findings(&[detector(Role::Ours, ours), detector(Role::Baseline, theirs)]);
            (found[0].bad, found[0].text.clone())
        };
        assert_eq!(
            said(0.95, 0.9),
            (false, "“gan” beats “statistics”: AUROC 0.950 (0.930–0.970) against 0.900 (0.880–0.920).".into())
        );
        assert!(said(0.93, 0.9).0 && said(0.93, 0.9).1.contains("is not shown to beat"));
        assert!(said(0.9, 0.9).0 && said(0.9, 0.9).1.contains("does not beat"));
        assert!(said(f64::NAN, 0.9).0 && said(f64::NAN, 0.9).1.contains("cannot be compared"));
    }
}
