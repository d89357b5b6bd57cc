//! The outcome of `counterfoil eval` becomes a text with a few tables.

use std::fmt::{Result, Write as _};

use counterfoil_host::eval::{Estimate, Evaluation, Summary, ZooSummary};

use super::{Outcome, Row};

/// The whole text, in order: the detectors, the folds of a zoo, the leads, the false alarms, the families.
pub(super) fn text(outcome: &Outcome) -> std::result::Result<String, std::fmt::Error> {
    let mut text = String::new();
    let Outcome { own, .. } = outcome;
    writeln!(text, "{} genuine pictures, {} counterfeits; 95 % intervals in brackets\n", own.genuine, own.fake)?;
    detectors(&mut text, outcome)?;
    if let Some(zoo) = &outcome.zoo {
        folds(&mut text, outcome, zoo)?;
    }
    leads(&mut text, outcome)?;
    promises(&mut text, outcome)?;
    families(&mut text, outcome)?;
    Ok(text)
}

fn detectors(text: &mut String, outcome: &Outcome) -> Result {
    writeln!(text, "{:27} {:>22} {:>22} {:>22}", "", "AUROC", "EER", "TPR at 1 % FPR")?;
    let rows = outcome.baselines.iter().map(|row| (row.baseline.name.as_str(), &row.baseline.evaluation));
    for (name, evaluation) in std::iter::once((outcome.name.as_str(), &outcome.own)).chain(rows) {
        let m = &evaluation.overall;
        writeln!(text, "{name:27} {:>22} {:>22} {:>22}", cell(m.auroc), cell(m.eer), cell(m.tpr_at_fpr01))?;
    }
    Ok(())
}

/// Writes the tables of a zoo, in which each family has the same weight.
fn folds(text: &mut String, outcome: &Outcome, own: &ZooSummary) -> Result {
    for (place, (part, Summary { families, .. })) in own.parts().into_iter().enumerate() {
        if *families == 0 {
            continue;
        }
        let head = format!("{part}, {families} families");
        writeln!(text, "\n{head:27} {:>22} {:>22} {:>22}", "mean AUROC", "worst family", "mean TPR at 1 % FPR")?;
        let rows = outcome.baselines.iter().filter_map(|row| Some((row.baseline.name.as_str(), row.zoo.as_ref()?)));
        for (name, zoo) in std::iter::once((outcome.name.as_str(), own)).chain(rows) {
            let (_, summary) = zoo.parts()[place];
            let [auroc, worst, tpr] =
                [&summary.auroc, &summary.worst, &summary.tpr_at_fpr01].map(|r| cell(r.estimate()));
            writeln!(text, "{name:27} {auroc:>22} {worst:>22} {tpr:>22}")?;
        }
    }
    Ok(())
}

/// Writes which baselines the bundle beats, by the paired difference of the AUROC.
fn leads(text: &mut String, outcome: &Outcome) -> Result {
    writeln!(text)?;
    for Row { baseline, lead, .. } in &outcome.baselines {
        write!(text, "{} {} {}", outcome.name, lead.verb(), baseline.name)?;
        if lead.ahead.is_known() {
            let Estimate { value, low, high } = lead.ahead;
            let what = if outcome.zoo.is_some() { "mean AUROC" } else { "AUROC" };
            write!(text, ": difference of {what} {value:+.3} [{low:+.3}, {high:+.3}]")?;
        }
        writeln!(text)?;
    }
    Ok(())
}

fn promises(text: &mut String, outcome: &Outcome) -> Result {
    writeln!(text)?;
    for promise in &outcome.false_alarms {
        let realised = promise.realised;
        writeln!(
            text,
            "false alarms at a stated {} %: {} of {}; a correct calibration on {} pictures gives {} to {}: {}",
            100.0 * promise.alpha,
            promise.alarms,
            realised.pictures,
            promise.calibration,
            realised.low,
            realised.high,
            if promise.kept { "kept" } else { "NOT kept" }
        )?;
    }
    Ok(())
}

/// Writes the bundle's rates for each family, and the best baseline on that family.
fn families(text: &mut String, outcome: &Outcome) -> Result {
    let kin = |family: &str| outcome.kinship.as_ref().and_then(|kinship| kinship.get(family));
    writeln!(text, "\n{:27} {:>22} {:>22} {:>22}  best baseline", "family", "AUROC", "TPR at 1 % FPR", "caught")?;
    for (family, found) in &outcome.own.families {
        let m = &found.metrics;
        let name = kin(family).map_or_else(|| family.clone(), |kinship| format!("{kinship:5} {family}"));
        let best = best(&outcome.baselines, family);
        let best = best.map_or_else(String::new, |(name, auroc)| format!("{auroc:.3} {name}"));
        let [auroc, tpr, caught] = [m.auroc, m.tpr_at_fpr01, m.detection_rate].map(cell);
        writeln!(text, "{name:27} {auroc:>22} {tpr:>22} {caught:>22}  {best}")?;
    }
    Ok(())
}

fn best<'a>(rows: &'a [Row], family: &str) -> Option<(&'a str, f64)> {
    let auroc = |evaluation: &Evaluation| Some(evaluation.families.get(family)?.metrics.auroc.value);
    let known = rows.iter().filter_map(|row| Some((row.baseline.name.as_str(), auroc(&row.baseline.evaluation)?)));
    known.max_by(|a, b| a.1.total_cmp(&b.1))
}

pub(super) fn cell(estimate: Estimate) -> String {
    if estimate.is_known() {
        format!("{:.3} [{:.3}, {:.3}]", estimate.value, estimate.low, estimate.high)
    } else {
        "-".to_owned()
    }
}
