//! Reports: takes a [`Report`] of plain data about a GAN and its detectors, and renders one self-contained HTML file.
//! The file loads no script, font or picture, so it can be mailed, archived and printed.
//!
//! `contents` (the input) -> `page` (the text, with `finding`, `zoo`, `cases`, `number` and `chart`) ->
//! `report.html.j2`.

mod cases;
mod chart;
mod contents;
mod finding;
mod guilloche;
mod number;
mod page;
mod png;
#[cfg(test)]
mod synthetic_report;
mod zoo;

pub use contents::{
    Detector, Exhibit, FaceOff, Fact, Picture, Point, Probe, Report, Role, Stated, Steadiness, Training,
};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior};

use page::Page;

/// Why a report cannot be rendered.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A picture is not a PNG file.
    #[error("{what}: not a PNG file, expected one that a browser can show; encode the picture as PNG first")]
    NotPng {
        /// Caption or path of the picture.
        what: String,
    },
    /// A chart could not be drawn.
    #[error("a chart could not be drawn: {0}; this is a fault in counterfoil, please report it")]
    Chart(#[from] chart::ChartError),
    /// The template could not be filled in.
    #[error("the report's template could not be filled in: {0:#}; this is a fault in counterfoil, please report it")]
    Template(#[from] minijinja::Error),
}

/// Renders the report as one HTML document.
///
/// # Errors
/// Returns an error when a picture is not a PNG file, or when a chart or the template fails.
pub fn render(report: &Report) -> Result<String, ReportError> {
    let mut templates = Environment::new();
    templates.set_undefined_behavior(UndefinedBehavior::Strict);
    templates.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    // The name ends in .html, so that minijinja escapes all values.
    templates.add_template("report.html", include_str!("report.html.j2"))?;
    Ok(templates.get_template("report.html")?.render(Serde(Page::new(report)?))?)
}
