//! Tables for a fold of a zoo in which each family has the same weight: all families, kin, and aliens.

use serde::Serialize;

use super::number::{self, Printed};
use super::{Detector, Report, Role};
use crate::eval::{Summary, ZooSummary};

/// Every detector's summary over some of the families.
#[derive(Debug, Serialize)]
pub(super) struct Part<'a> {
    heading: String,
    rows: Vec<Row<'a>>,
}

#[derive(Debug, Serialize)]
struct Row<'a> {
    name: &'a str,
    ours: bool,
    /// Mean AUROC, lowest AUROC of a family, mean TPR at 1 % FPR.
    rates: [Printed; 3],
}

/// The tables that contain at least one family. Empty when the pictures are not a fold of a zoo.
pub(super) fn parts(report: &Report) -> Vec<Part<'_>> {
    let Some(kinship) = &report.kinship else { return Vec::new() };
    let summed: Vec<(&Detector, ZooSummary)> =
        report.detectors.iter().map(|detector| (detector, ZooSummary::of(&detector.evaluation, kinship))).collect();
    let headings = ["Every family", "Families of a kind that another fold has", "Families of an unseen kind"];
    let part = |(place, heading): (usize, &str)| {
        let families = summed.iter().map(|(_, zoo)| zoo.parts()[place].1.families).max().filter(|&count| count > 0)?;
        let rows = summed.iter().map(|(detector, zoo)| row(detector, zoo.parts()[place].1)).collect();
        Some(Part { heading: format!("{heading} ({families})"), rows })
    };
    headings.into_iter().enumerate().filter_map(part).collect()
}

fn row<'a>(detector: &'a Detector, summary: &Summary) -> Row<'a> {
    let Summary { auroc, worst, tpr_at_fpr01, .. } = summary;
    Row {
        name: &detector.name,
        ours: detector.role == Role::Ours,
        rates: [number::area(auroc.estimate()), number::area(worst.estimate()), number::rate(tpr_at_fpr01.estimate())],
    }
}
