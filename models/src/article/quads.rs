//! Lines enter; the quadrilaterals that they bound leave, the likeliest first.
//!
//! A file of its own because it alone states which shape an article has and what makes a quadrilateral likely: its
//! sides run along edges, and those edges end at its corners.

use super::edges::Edges;
use super::lines::Line;

/// Smallest cosine of the angle between opposite sides, that of 37 degrees: a tilt of 25 degrees seen from a hand's
/// breadth gives 25 degrees.
const OPPOSITE: f64 = 0.8;
/// Smallest sine of the angle between neighbouring sides, that of 50 and of 130 degrees.
const CORNER: f64 = 0.766;
/// Length of the shortest side, in pixels of the reduced picture.
const SHORTEST: f64 = 16.0;
/// Smallest share of the picture that a quadrilateral covers: a smaller one would only be refused later.
const SMALLEST: f64 = 0.02;
/// Smallest share of a side that must run along an edge, for the line to be considered.
const SIDE: f64 = 0.45;
/// A pixel of a side without an edge cancels this many pixels with one.
const MISSING: f64 = 2.0;
/// An edge is followed past the corner for this share of its side.
const PAST: f64 = 0.15;
/// Smallest and largest length for which it is followed, in pixels of the reduced picture.
const PAST_PIXELS: (f64, f64) = (8.0, 24.0);
/// Distance past a corner before following begins, in pixels of the reduced picture: a rounded corner or a blur may
/// take it.
const AFTER: f64 = 3.0;
/// Worth of a pixel of the picture's own border, where an edge pixel has 1: the border is used only where nothing
/// better is found.
const BORDER_WORTH: f64 = 0.5;
/// Largest distance of a cut-off corner from the picture, as a share of the picture's width or height.
const OUTSIDE: f64 = 0.3;
/// Smallest worth of a quadrilateral: with less, its lines meet by chance.
const LEAST_WORTH: f64 = 50.0;
/// Number of likeliest quadrilaterals that are kept.
const KEPT: usize = 32;

/// A quadrilateral in the reduced picture.
pub(super) struct Quad {
    /// Its corners; the end of each side is the start of the next.
    pub(super) corners: [(f64, f64); 4],
    /// Whether some of its sides are edges of the picture itself, or a corner lies outside the picture.
    pub(super) cut: bool,
    /// Number of edge pixels along its sides, minus what is evidence against it.
    pub(super) worth: f64,
}

impl Quad {
    /// The likeliest quadrilaterals, the likeliest first.
    pub(super) fn all(lines: &[Line], edges: &Edges) -> Vec<Self> {
        let crossings: Vec<Vec<Option<(f64, f64)>>> =
            lines.iter().map(|a| lines.iter().map(|b| a.crossing(b)).collect()).collect();
        let bounds = Bounds { lines, crossings, size: (edges.width as f64, edges.height as f64) };
        let mut quads: Vec<Self> = Vec::new();
        for first in 0..lines.len() {
            for third in first + 1..lines.len() {
                bounds.between(first, third, &mut quads);
            }
            quads.sort_by(|a, b| b.worth.total_cmp(&a.worth));
            quads.truncate(KEPT);
        }
        quads
    }
}

/// The lines, where they cross, and the size of the picture.
struct Bounds<'a> {
    lines: &'a [Line],
    crossings: Vec<Vec<Option<(f64, f64)>>>,
    size: (f64, f64),
}

impl Bounds<'_> {
    /// Adds the quadrilaterals that have these two lines as opposite sides.
    fn between(&self, first: usize, third: usize, quads: &mut Vec<Quad>) {
        let lines = self.lines;
        if dot(lines[first].along, lines[third].along).abs() < OPPOSITE {
            return;
        }
        let sides: Vec<(usize, f64)> = (first + 1..lines.len())
            .filter(|line| *line != third)
            .filter_map(|line| Some((line, self.side(line, first, third)?)))
            .collect();
        for (at, &(second, second_worth)) in sides.iter().enumerate() {
            for &(fourth, fourth_worth) in &sides[at + 1..] {
                if dot(lines[second].along, lines[fourth].along).abs() < OPPOSITE {
                    continue;
                }
                let Some(first_worth) = self.side(first, second, fourth) else { continue };
                let Some(third_worth) = self.side(third, second, fourth) else { continue };
                let figure = [first, second, third, fourth];
                let borders = figure.iter().filter(|line| lines[**line].frame).count();
                let corners = [(first, fourth), (first, second), (third, second), (third, fourth)].map(|(a, b)| {
                    let (here, _) = self.crossings[a][b].expect("sides were found by where they cross");
                    lines[a].point(here)
                });
                let area = area(&corners);
                let worth = first_worth + second_worth + third_worth + fourth_worth;
                if borders <= 2
                    && worth >= LEAST_WORTH
                    && convex(&corners)
                    && area >= SMALLEST * self.size.0 * self.size.1
                {
                    let cut = borders > 0 || corners.into_iter().any(|corner| self.outside(corner));
                    quads.push(Quad { corners, cut, worth });
                }
            }
        }
    }

    /// Worth of a line as the side between two others; `None` when it cannot be that side.
    fn side(&self, line: usize, from: usize, to: usize) -> Option<f64> {
        let (start, _) = self.crossings[line][from]?;
        let (end, _) = self.crossings[line][to]?;
        let it = &self.lines[line];
        let (start, end) = (start.min(end), start.max(end));
        let length = end - start;
        let square = |other: usize| cross(it.along, self.lines[other].along).abs() >= CORNER;
        if length < SHORTEST || !square(from) || !square(to) || !self.near(it.point(start)) || !self.near(it.point(end))
        {
            return None;
        }
        let (start, end) = self.seen(it, start, end);
        let length = end - start;
        let edge = it.edge(start, end);
        if it.frame {
            return Some(BORDER_WORTH * edge);
        }
        let past = (PAST * length).clamp(PAST_PIXELS.0, PAST_PIXELS.1);
        let beyond = it.edge(start - AFTER - past, start - AFTER) + it.edge(end + AFTER, end + AFTER + past);
        (edge >= SIDE * length).then_some(edge - MISSING * (length - edge) - beyond)
    }

    /// Whether a corner lies in the picture, or not far outside.
    fn near(&self, (x, y): (f64, f64)) -> bool {
        let within = |at: f64, side: f64| at > -OUTSIDE * side && at < (1.0 + OUTSIDE) * side;
        within(x, self.size.0) && within(y, self.size.1)
    }

    /// Whether a corner lies outside the picture. One pixel is allowed for rounding at the border's own corners.
    fn outside(&self, (x, y): (f64, f64)) -> bool {
        x < -1.0 || y < -1.0 || x > self.size.0 + 1.0 || y > self.size.1 + 1.0
    }

    /// The part of a side that lies in the picture.
    fn seen(&self, line: &Line, start: f64, end: f64) -> (f64, f64) {
        let mut part = (start, end);
        for (foot, along, side) in [(line.foot.0, line.along.0, self.size.0), (line.foot.1, line.along.1, self.size.1)]
        {
            if along != 0.0 {
                let (a, b) = (-foot / along, (side - foot) / along);
                part = (part.0.max(a.min(b)), part.1.min(a.max(b)));
            }
        }
        (part.0, part.1.max(part.0))
    }
}

fn dot(a: (f64, f64), b: (f64, f64)) -> f64 {
    a.0 * b.0 + a.1 * b.1
}

fn cross(a: (f64, f64), b: (f64, f64)) -> f64 {
    a.0 * b.1 - a.1 * b.0
}

/// Whether a quadrilateral turns the same way at each of its corners.
pub(super) fn convex(corners: &[(f64, f64); 4]) -> bool {
    let turns = [0, 1, 2, 3].map(|at| {
        let [a, b, c] = [at, at + 1, at + 2].map(|corner| corners[corner % 4]);
        cross((b.0 - a.0, b.1 - a.1), (c.0 - b.0, c.1 - b.1))
    });
    turns.iter().all(|turn| *turn > 0.0) || turns.iter().all(|turn| *turn < 0.0)
}

/// Area of a quadrilateral whose corners go either way round.
pub(super) fn area(corners: &[(f64, f64); 4]) -> f64 {
    let [a, b, c, d] = *corners;
    cross((c.0 - a.0, c.1 - a.1), (d.0 - b.0, d.1 - b.1)).abs() / 2.0
}
