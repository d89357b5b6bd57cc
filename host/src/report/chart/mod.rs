//! Charts as inline SVG in the page's colours, light or dark.
//!
//! plotters draws in fixed colours. So each [`Ink`] is drawn in its own placeholder colour, which is then replaced
//! with the stylesheet's variable. Legends are HTML, so that they wrap and screen readers can read them.

mod drift;
mod histogram;
mod roc;
mod steadiness;
mod training;

pub(super) use drift::drift;
pub(super) use histogram::histogram;
pub(super) use roc::roc;
pub(super) use steadiness::steadiness;
pub(super) use training::{losses, opinions};

use plotters::coord::Shift;
use plotters::prelude::*;
use serde::Serialize;

/// An error of the drawing library.
pub(super) type ChartError = DrawingAreaErrorKind<std::io::Error>;
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// A chart for the page.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Chart {
    pub(super) caption: String,
    /// Text alternative that describes the chart.
    pub(super) alt: String,
    pub(super) svg: String,
    pub(super) legend: Vec<Key>,
}

/// An entry of a legend.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Key {
    pub(super) ink: &'static str,
    pub(super) dashed: bool,
    pub(super) name: String,
}

impl Key {
    fn solid(ink: Ink, name: impl Into<String>) -> Self {
        Self { ink: ink.variable(), dashed: false, name: name.into() }
    }

    /// An entry for a reference line.
    fn dashed(name: impl Into<String>) -> Self {
        Self { ink: Ink::Soft.variable(), dashed: true, name: name.into() }
    }
}

/// A colour of the stylesheet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ink {
    Soft,
    Rule,
    Genuine,
    Counterfeit,
    Detective,
    Forger,
    Third,
    Fourth,
}

impl Ink {
    const ALL: [Self; 8] = [
        Self::Soft,
        Self::Rule,
        Self::Genuine,
        Self::Counterfeit,
        Self::Detective,
        Self::Forger,
        Self::Third,
        Self::Fourth,
    ];

    /// The ink of line number `index` of several lines.
    pub(super) fn nth(index: usize) -> Self {
        [Self::Detective, Self::Forger, Self::Third, Self::Fourth, Self::Genuine][index % 5]
    }

    /// The name of the colour's variable in the stylesheet.
    pub(super) fn variable(self) -> &'static str {
        match self {
            Self::Soft => "var(--soft)",
            Self::Rule => "var(--rule)",
            Self::Genuine => "var(--genuine)",
            Self::Counterfeit => "var(--counterfeit)",
            Self::Detective => "var(--detective)",
            Self::Forger => "var(--forger)",
            Self::Third => "var(--third)",
            Self::Fourth => "var(--fourth)",
        }
    }

    /// The placeholder colour, used until the variable replaces it.
    fn stand_in(self) -> RGBColor {
        RGBColor(0xfe, 0xdc, self as u8)
    }
}

/// The style of a line; `width` in pixels.
fn line(ink: Ink, width: u32) -> ShapeStyle {
    ShapeStyle { color: ink.stand_in().to_rgba(), filled: false, stroke_width: width }
}

/// Draws a chart with the given size in pixels and returns its SVG.
fn draw(size: (u32, u32), paint: impl FnOnce(&Area) -> Result<(), ChartError>) -> Result<String, ChartError> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        paint(&area)?;
        area.present()?;
    }
    for ink in Ink::ALL {
        let RGBColor(r, g, b) = ink.stand_in();
        svg = svg.replace(&format!("#{r:02X}{g:02X}{b:02X}"), ink.variable());
    }
    // Inside HTML an SVG needs no namespace, and without a fixed size it fills its column.
    let body = svg.find("viewBox").map_or(svg.as_str(), |at| &svg[at..]);
    Ok(format!("<svg {}", body.replacen(" xmlns=\"http://www.w3.org/2000/svg\"", "", 1)))
}

/// The margins of a chart, with room for the numbers on its axes.
fn frame<'a, 'b>(area: &'a Area<'b>) -> ChartBuilder<'a, 'b, SVGBackend<'b>> {
    let mut frame = ChartBuilder::on(area);
    frame.margin(8).margin_right(16).x_label_area_size(40).y_label_area_size(46);
    frame
}

/// Style of the text on the axes: 14 pixels on a chart 480 pixels wide are still legible on a phone.
fn label() -> TextStyle<'static> {
    ("sans-serif", 14).into_font().color(&Ink::Soft.stand_in())
}

/// A light grid in the background, with the given titles of the axes.
macro_rules! mesh {
    ($chart:expr, $x:expr, $y:expr) => {
        $chart
            .configure_mesh()
            .x_desc($x)
            .y_desc($y)
            .axis_style(line(Ink::Rule, 1))
            .bold_line_style(line(Ink::Rule, 1))
            .light_line_style(TRANSPARENT)
            .label_style(crate::report::chart::label())
            .axis_desc_style(crate::report::chart::label())
    };
}
use mesh;
