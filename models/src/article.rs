//! A [`Frame`] enters, the [`Outline`] of the article in it leaves, or in words why there is none: [`NotFound`].
//!
//! The article is a four-sided thing on a table or in a hand, askew and tilted, printed as busily as may be. Its outline is looked for
//! in a reduced picture ([`edges`], [`lines`], [`quads`]), laid along the article's rim in the full one ([`sides`]), and here either
//! believed or refused: a doubtful outline would have the network judge the table. Everything is worked out in integers or in `f64`
//! with the four basic operations and the square root, so that the workstation and the box find the same corners.

mod edges;
mod halo;
mod lines;
mod quads;
#[cfg(test)]
pub(crate) mod scenes;
mod sides;
#[cfg(test)]
mod tests;

use crate::{Frame, NotFound};
use edges::Edges;
use halo::Halo;
use lines::Line;
use quads::{Quad, area, convex};
use sides::{Fitted, Rim};

pub(crate) use sides::Pixels;

/// An article covers at least this share of the frame: at less its print is too coarse to judge.
const SMALLEST: f64 = 0.08;
/// A corner lies at least this share of the frame's longer side away from the frame's edge: nearer, what lies beyond it is not seen.
const MARGIN: f64 = 0.005;
/// The share of each side along which the rim must show: a hand may hold the rest.
const SIDE_SHOWN: f64 = 0.55;
/// The share of all four.
const ALL_SHOWN: f64 = 0.75;
/// The share of a side next to a corner that tells whether the corner itself is seen,
const CORNER_PART: f64 = 0.12;
/// and how much of it must show.
const CORNER_SHOWN: f64 = 0.34;
/// So many corners may be hidden by a hand; the sides give them.
const HIDDEN_CORNERS: usize = 1;
/// The share of a side right at a corner that tells whether it ends there,
const TIP_PART: f64 = 0.06;
/// and how much of it must show: the corners of a card are rounded.
const TIP_SHOWN: f64 = 0.4;
/// An edge that shows in more than this share beyond its corner runs on.
const RUNS_ON: f64 = 0.5;
/// Of a likelier figure that runs out of the frame another has this share at least, or is its print.
const CUT_SHARE: f64 = 0.95;
/// Fainter outlines may lie around one another so often.
const HALOES: usize = 3;
/// Figures that are nearly as likely as the likeliest, by this part of its worth, are tried too.
const RIVAL: f64 = 0.85;

/// The four corners of an article in a frame, clockwise from its upper left, in pixels from the frame's upper left corner (a pixel's
/// own centre lies half a pixel in). Its upper side is the one that is turned least from the frame's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outline {
    corners: [(f64, f64); 4],
}

impl Outline {
    /// Finds the article in a frame; of several the largest.
    ///
    /// # Errors
    /// [`NotFound`] when there is none, or none that is sure.
    pub fn find(frame: &Frame) -> Result<Self, NotFound> {
        let edges = Edges::of(frame);
        let lines = Line::all(&edges);
        let quads = Quad::all(&lines, &edges);
        let whole: Vec<&Quad> = quads.iter().filter(|quad| !quad.cut).collect();
        let Some(likeliest) = whole.first() else {
            return Err(match quads.first() {
                Some(_) => NotFound::CutOff,
                None if edges.stand_out() => NotFound::NotFourSided,
                None => NotFound::NothingStandsOut,
            });
        };
        // Within a likelier figure that runs out of the frame a smaller one is its print.
        let cut = quads.first().filter(|quad| quad.cut);
        let least = cut.map_or(0.0, |cut| CUT_SHARE * area(&cut.corners));
        // Of nearly as likely ones the largest that is sure: print often has a frame inside the rim.
        let mut rivals: Vec<&Quad> =
            whole.iter().copied().filter(|quad| quad.worth >= RIVAL * likeliest.worth).collect();
        rivals.retain(|quad| area(&quad.corners) >= least);
        rivals.sort_by(|a, b| area(&b.corners).total_cmp(&area(&a.corners)));
        let mut refused = NotFound::NotFourSided;
        for quad in rivals {
            match Self::of_quad(quad, &edges, frame) {
                Ok(outline) => return Ok(outline),
                // Any other reason tells a person more.
                Err(reason) if refused == NotFound::NotFourSided => refused = reason,
                Err(_) => {}
            }
        }
        Err(if cut.is_some() { NotFound::CutOff } else { refused })
    }

    /// The corners, clockwise from the upper left, in pixels.
    #[must_use]
    pub fn corners(&self) -> [(f64, f64); 4] {
        self.corners
    }

    /// Width and height of the article seen squarely, in pixels: the means of its opposite sides.
    #[must_use]
    pub fn size(&self) -> (u32, u32) {
        let [a, b, c, d] = self.corners;
        let side = |one: f64, other: f64| f64::midpoint(one, other).round().max(1.0) as u32;
        (side(distance(a, b), distance(d, c)), side(distance(a, d), distance(b, c)))
    }

    /// Lays a rough figure along the rim in the full picture, and believes it or not.
    fn of_quad(quad: &Quad, edges: &Edges, frame: &Frame) -> Result<Self, NotFound> {
        let scale = f64::midpoint(edges.scale.0, edges.scale.1);
        let rough = upright(quad.corners.map(|(x, y)| (x * edges.scale.0, y * edges.scale.1)));
        let fit = |rough, threshold| {
            let fitted = Fitted::new(frame, rough, scale, threshold).ok_or(NotFound::NotFourSided)?;
            let believed = convex(&fitted.corners) && shows(&fitted.rims);
            if believed { Ok(fitted.corners) } else { Err(NotFound::NotFourSided) }
        };
        let threshold = f64::from(edges.threshold);
        let mut corners = fit(rough, threshold)?;
        for _ in 0..HALOES {
            corners = match Halo::around(&Pixels::of(frame), corners, scale, threshold) {
                Halo::None => break,
                Halo::Doubtful => return Err(NotFound::NotFourSided),
                Halo::AllRound(around) => fit(around, threshold / 2.0)?,
                Halo::InPart(around) => match fit(around, threshold / 2.0) {
                    Ok(fitted) => fitted,
                    Err(_) => break,
                },
            };
        }
        let (width, height) = (f64::from(frame.width()), f64::from(frame.height()));
        let margin = MARGIN * width.max(height);
        let inside = |(x, y): (f64, f64)| x >= margin && y >= margin && x <= width - margin && y <= height - margin;
        if !corners.into_iter().all(inside) {
            return Err(NotFound::CutOff);
        }
        if area(&corners) < SMALLEST * width * height {
            return Err(NotFound::TooSmall);
        }
        Ok(Self { corners: upright(corners) })
    }
}

/// Whether enough of the rim shows to believe that it is one, and ends where the corners are.
fn shows(rims: &[Rim; 4]) -> bool {
    let share = |places: &[bool]| places.iter().filter(|shown| **shown).count() as f64 / places.len() as f64;
    let seen = |at: usize, part: f64, least: f64| {
        let (before, after) = (&rims[(at + 3) % 4].shown, &rims[at].shown);
        let part = |side: &[bool]| ((side.len() as f64 * part).ceil() as usize).clamp(3, side.len());
        share(&before[before.len() - part(before)..]) >= least && share(&after[..part(after)]) >= least
    };
    let corners = (0..4).filter(|at| seen(*at, CORNER_PART, CORNER_SHOWN) && seen(*at, TIP_PART, TIP_SHOWN)).count();
    let all = rims.iter().map(|rim| share(&rim.shown)).sum::<f64>() / 4.0;
    // Edges that run on on both sides of a corner are a pattern's; both neighbours of a side that run on past it are a larger article's.
    let runs_on = |at: usize, end: usize| rims[at % 4].beyond[end] > RUNS_ON;
    let ends = (0..4).all(|at| !(runs_on(at + 3, 1) && (runs_on(at, 0) || runs_on(at + 1, 0))));
    let sides = rims.iter().all(|rim| share(&rim.shown) >= SIDE_SHOWN);
    corners + HIDDEN_CORNERS >= 4 && ends && sides && all >= ALL_SHOWN
}

/// The corners clockwise, from the one that begins the side turned least from the frame's upper side.
fn upright(mut corners: [(f64, f64); 4]) -> [(f64, f64); 4] {
    let [a, b, c, d] = corners;
    if (c.0 - a.0) * (d.1 - b.1) - (c.1 - a.1) * (d.0 - b.0) < 0.0 {
        corners.reverse();
    }
    let turned = |by: usize| [0, 1, 2, 3].map(|at| corners[(at + by) % 4]);
    // How far upper and lower side run to the right.
    let right = |[a, b, c, d]: [(f64, f64); 4]| b.0 - a.0 + c.0 - d.0;
    (1..4).map(turned).fold(corners, |best, next| if right(next) > right(best) { next } else { best })
}

fn distance(a: (f64, f64), b: (f64, f64)) -> f64 {
    ((a.0 - b.0) * (a.0 - b.0) + (a.1 - b.1) * (a.1 - b.1)).sqrt()
}
