//! Everything known about a trained pair and its detectors comes in as a [`Report`] of plain data; one HTML file goes
//! out that needs nothing else: no script, no font, no picture from anywhere. It can be mailed, archived and printed.
//!
//! `contents` (what goes in) -> `page` (what is said, with `finding`, `zoo`, `cases`, `number` and `chart`) -> `report.html.j2`.

mod cases;
mod chart;
mod contents;
mod finding;
mod guilloche;
mod number;
mod page;
mod png;
#[cfg(test)]
mod rehearsal;
mod zoo;

pub use contents::{
    Detector, Exhibit, FaceOff, Fact, Picture, Point, Probe, Report, Role, Stated, Steadiness, Training,
};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior};

use page::Page;

/// Why a report cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A picture that a browser would not show.
    #[error("{what}: not a PNG file, expected one that a browser can show; encode the picture as PNG first")]
    NotPng {
        /// The caption or path of the picture.
        what: String,
    },
    /// A chart could not be drawn.
    #[error("a chart could not be drawn: {0}; this is a fault in counterfoil, please report it")]
    Chart(#[from] chart::Fault),
    /// The template could not be filled in.
    #[error("the report's template could not be filled in: {0:#}; this is a fault in counterfoil, please report it")]
    Template(#[from] minijinja::Error),
}

/// The report as one HTML document. Fails when a picture is not a PNG.
pub fn render(report: &Report) -> Result<String, ReportError> {
    let mut templates = Environment::new();
    templates.set_undefined_behavior(UndefinedBehavior::Strict);
    templates.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    // The name ends in .html, so that everything filled in is escaped.
    templates.add_template("report.html", include_str!("report.html.j2"))?;
    Ok(templates.get_template("report.html")?.render(Serde(Page::new(report)?))?)
}
