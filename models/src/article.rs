//! A [`Frame`] enters; the [`Outline`] of the article in it leaves, or the reason why there is none: [`NotFound`].
//!
//! An article of any outline on a plain ground is found by [`Foreground`]. The rest of this module finds an article
//! that has four sides and lies on a table or in a hand. It may be rotated and tilted, and its print may be
//! busy. Its outline is first searched in a reduced picture ([`edges`], [`lines`], [`quads`]), then fitted to the
//! article's rim, its outer edge, in the full picture ([`sides`]), and finally accepted or refused here. A
//! doubtful outline is refused, because the network would then judge the table. All values are computed in
//! integers, or in `f64` with the four basic operations and the square root, so that the workstation and the box
//! find the same corners.

mod edges;
mod foreground;
mod halo;
mod lines;
mod quads;
mod reduced;
#[cfg(test)]
pub(crate) mod scenes;
mod sides;
#[cfg(test)]
mod tests;

use crate::{Frame, NotFound};
use edges::Edges;
use halo::FaintOutline;
use lines::Line;
use quads::{Quad, area, convex};
use sides::{Fitted, Rim};

pub use foreground::Foreground;
pub(crate) use reduced::reduce;
pub(crate) use sides::Pixels;

/// Smallest share of the frame that an article covers: with less, its print is too coarse to judge.
const SMALLEST: f64 = 0.08;
/// Smallest distance of a corner from the frame's edge, as a share of the frame's longer side: any nearer, what lies
/// beyond the corner is not visible.
const MARGIN: f64 = 0.005;
/// Smallest share of each side along which the rim must be visible: a hand may cover the rest.
const SIDE_SHOWN: f64 = 0.55;
/// Smallest mean of these shares over the four sides.
const ALL_SHOWN: f64 = 0.75;
/// Part of a side next to a corner, as a share of its length, that decides whether the corner itself is visible.
const CORNER_PART: f64 = 0.12;
/// Smallest share of that part along which the rim must be visible.
const CORNER_SHOWN: f64 = 0.34;
/// Largest number of corners that a hand may hide; the sides determine where they are.
const HIDDEN_CORNERS: usize = 1;
/// Part of a side right at a corner, as a share of its length, that decides whether the side ends there.
const TIP_PART: f64 = 0.06;
/// Smallest share of that part along which the rim must be visible: the corners of a card are rounded.
const TIP_SHOWN: f64 = 0.4;
/// An edge that is visible at more than this share of the places beyond its corner does not end at the corner.
const RUNS_ON: f64 = 0.5;
/// Smallest area of a quadrilateral, as a share of the area of a likelier one that runs out of the frame. A smaller
/// one is print on that article.
const CUT_SHARE: f64 = 0.95;
/// Largest number of times that a fainter outline around the present one is followed.
const MAX_FAINT_OUTLINES: usize = 3;
/// Quadrilaterals with at least this share of the best one's worth are tried too.
const RIVAL: f64 = 0.85;

/// The four corners of an article in a frame, clockwise from its upper left, in pixels.
///
/// The origin is the frame's upper left corner, and the centre of a pixel lies half a pixel in. The article's upper
/// side is the one that is rotated least against the frame's upper side.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outline {
    corners: [(f64, f64); 4],
}

impl Outline {
    /// Finds the article with four sides in a frame; of several articles, the largest.
    ///
    /// # Errors
    /// [`NotFound`] when there is no article, or none that is certain.
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
        // A smaller quadrilateral within a likelier one that runs out of the frame is its print.
        let cut = quads.first().filter(|quad| quad.cut);
        let least = cut.map_or(0.0, |cut| CUT_SHARE * area(&cut.corners));
        // Of those that are nearly as likely, the largest that is certain is taken: print often has a frame inside
        // the rim.
        let mut rivals: Vec<&Quad> =
            whole.iter().copied().filter(|quad| quad.worth >= RIVAL * likeliest.worth).collect();
        rivals.retain(|quad| area(&quad.corners) >= least);
        rivals.sort_by(|a, b| area(&b.corners).total_cmp(&area(&a.corners)));
        let mut refused = NotFound::NotFourSided;
        for quad in rivals {
            match Self::of_quad(quad, &edges, frame) {
                Ok(outline) => return Ok(outline),
                // Any other reason tells the user more.
                Err(reason) if refused == NotFound::NotFourSided => refused = reason,
                Err(_) => {}
            }
        }
        Err(if cut.is_some() { NotFound::CutOff } else { refused })
    }

    /// The outline with these corners, which go clockwise from the article's upper left.
    pub(crate) fn of_corners(corners: [(f64, f64); 4]) -> Self {
        Self { corners }
    }

    /// The four corners, clockwise from the upper left, in pixels of the frame.
    #[must_use]
    pub fn corners(&self) -> [(f64, f64); 4] {
        self.corners
    }

    /// Width and height of the article without perspective, in pixels, at least 1: the mean lengths of its opposite
    /// sides.
    #[must_use]
    pub fn size(&self) -> (u32, u32) {
        let [a, b, c, d] = self.corners;
        let side = |one: f64, other: f64| f64::midpoint(one, other).round().max(1.0) as u32;
        (side(distance(a, b), distance(d, c)), side(distance(a, d), distance(b, c)))
    }

    /// Fits a rough quadrilateral to the rim in the full picture, and accepts or refuses it.
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
        for _ in 0..MAX_FAINT_OUTLINES {
            corners = match FaintOutline::around(&Pixels::of(frame), corners, scale, threshold) {
                FaintOutline::None => break,
                FaintOutline::Doubtful => return Err(NotFound::NotFourSided),
                FaintOutline::AllRound(around) => fit(around, threshold / 2.0)?,
                FaintOutline::InPart(around) => match fit(around, threshold / 2.0) {
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

/// Whether enough of the rim is visible to accept it, and whether it ends at the corners.
fn shows(rims: &[Rim; 4]) -> bool {
    let share = |places: &[bool]| places.iter().filter(|shown| **shown).count() as f64 / places.len() as f64;
    let seen = |at: usize, part: f64, least: f64| {
        let (before, after) = (&rims[(at + 3) % 4].shown, &rims[at].shown);
        let part = |side: &[bool]| ((side.len() as f64 * part).ceil() as usize).clamp(3, side.len());
        share(&before[before.len() - part(before)..]) >= least && share(&after[..part(after)]) >= least
    };
    let corners = (0..4).filter(|at| seen(*at, CORNER_PART, CORNER_SHOWN) && seen(*at, TIP_PART, TIP_SHOWN)).count();
    let all = rims.iter().map(|rim| share(&rim.shown)).sum::<f64>() / 4.0;
    // When both edges at a corner continue past it, they belong to a pattern. When both neighbours of a side continue
    // past it, they belong to a larger article.
    let runs_on = |at: usize, end: usize| rims[at % 4].beyond[end] > RUNS_ON;
    let ends = (0..4).all(|at| !(runs_on(at + 3, 1) && (runs_on(at, 0) || runs_on(at + 1, 0))));
    let sides = rims.iter().all(|rim| share(&rim.shown) >= SIDE_SHOWN);
    corners + HIDDEN_CORNERS >= 4 && ends && sides && all >= ALL_SHOWN
}

/// The corners clockwise, from the one that begins the side rotated least against the frame's upper side.
fn upright(mut corners: [(f64, f64); 4]) -> [(f64, f64); 4] {
    let [a, b, c, d] = corners;
    if (c.0 - a.0) * (d.1 - b.1) - (c.1 - a.1) * (d.0 - b.0) < 0.0 {
        corners.reverse();
    }
    let turned = |by: usize| [0, 1, 2, 3].map(|at| corners[(at + by) % 4]);
    // How far the upper and the lower side run to the right.
    let right = |[a, b, c, d]: [(f64, f64); 4]| b.0 - a.0 + c.0 - d.0;
    (1..4).map(turned).fold(corners, |best, next| if right(next) > right(best) { next } else { best })
}

fn distance(a: (f64, f64), b: (f64, f64)) -> f64 {
    ((a.0 - b.0) * (a.0 - b.0) + (a.1 - b.1) * (a.1 - b.1)).sqrt()
}
