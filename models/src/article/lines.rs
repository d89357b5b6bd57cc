//! Edges enter; the straight lines among them leave, each with the places along it where an edge runs.
//!
//! A file of its own because it is one method: a Hough transform in which each edge pixel votes only for its own
//! direction (Ballard, 1981), and in which the votes of a line are removed once it is found (Gerig, 1987).

use super::edges::{DIRECTIONS, Edges, Point, apart, direction, unit_vector};

/// Largest number of lines: a page of print has more, but those of its outline are among the longest.
const MOST: usize = 64;
/// Smallest number of votes of a line; an edge pixel of the reduced picture has 1 to 3, by its weight.
const FEWEST: u32 = 24;
/// Tolerance of an edge pixel's direction when it votes, in [`DIRECTIONS`] to either side (3.6 to 7.2 degrees).
const VOTE_SPREAD: usize = 4;
/// Tolerance of its direction when it is counted to a line, in [`DIRECTIONS`] to either side.
const TOLERANCE: usize = 12;
/// Width of a Hough cell, in pixels.
const CELL: f64 = 1.5;
/// Largest distance of an edge pixel's centre from a line that it belongs to, in pixels.
const NEAR: f64 = 1.0;
/// Largest distance of the line that a Hough cell stands for from the cell's own line, in pixels.
const SLACK: f64 = 2.25;
/// Step of the search for that line, in pixels.
const SLACK_STEP: f64 = 0.75;

/// A straight line in the reduced picture.
pub(super) struct Line {
    /// Unit vector along it.
    pub(super) along: (f64, f64),
    /// Its point that is nearest to the picture's centre.
    pub(super) foot: (f64, f64),
    /// Whether it is an edge of the picture itself.
    pub(super) frame: bool,
    /// Number of edge pixels from the line's start to each place on it; places are one pixel apart.
    passed: Vec<u32>,
}

impl Line {
    /// The lines of a picture, the one with the most votes first, followed by the four edges of the picture itself.
    pub(super) fn all(edges: &Edges) -> Vec<Self> {
        let mut votes = Votes::of(edges);
        let mut lines = Vec::new();
        let mut left: Vec<Point> = edges.points.clone();
        while lines.len() < MOST {
            let Some(rough) = votes.take_most(FEWEST) else { break };
            let fitted = rough.fitted(&left);
            let (taken, rest): (Vec<Point>, Vec<Point>) = left.iter().partition(|point| fitted.takes(point, NEAR));
            // With fewer votes, these points are the remainder of an earlier line.
            if taken.iter().map(|point| point.weight).sum::<u32>() < FEWEST {
                continue;
            }
            for point in &taken {
                votes.take_back(point);
            }
            left = rest;
            lines.push(Self::new(fitted, edges));
        }
        let (width, height) = (edges.width as f64, edges.height as f64);
        for (foot, along) in [
            ((width / 2.0, 0.0), (1.0, 0.0)),
            ((width, height / 2.0), (0.0, 1.0)),
            ((width / 2.0, height), (1.0, 0.0)),
            ((0.0, height / 2.0), (0.0, 1.0)),
        ] {
            let reach = reach(edges);
            lines.push(Self { along, foot, frame: true, passed: (0..=2 * reach as u32).collect() });
        }
        lines
    }

    fn new(straight: Straight, edges: &Edges) -> Self {
        let along = (-straight.normal.1, straight.normal.0);
        let centre = (edges.width as f64 / 2.0, edges.height as f64 / 2.0);
        let foot = (centre.0 + straight.offset * straight.normal.0, centre.1 + straight.offset * straight.normal.1);
        let reach = reach(edges);
        let facing = straight.direction;
        let mut passed = vec![0];
        for at in 0..2 * reach {
            let at = (at - reach) as f64 + 0.5;
            let on = (foot.0 + at * along.0, foot.1 + at * along.1);
            let edge = [0.0, -1.0, 1.0].iter().any(|aside| {
                let place = (on.0 + aside * straight.normal.0, on.1 + aside * straight.normal.1);
                edges.runs(place, facing, TOLERANCE)
            });
            passed.push(passed.last().expect("it starts with one") + u32::from(edge));
        }
        Self { along, foot, frame: false, passed }
    }

    /// Number of edge pixels on the line between two places; places are counted from its foot.
    pub(super) fn edge(&self, from: f64, to: f64) -> f64 {
        let reach = (self.passed.len() / 2) as f64;
        let at = |place: f64| self.passed[(place + reach).round().clamp(0.0, 2.0 * reach) as usize];
        f64::from(at(from.max(to)) - at(from.min(to)))
    }

    /// Where another line crosses this one, as the place on this line and the place on the other. `None` when they
    /// are nearly parallel.
    pub(super) fn crossing(&self, other: &Self) -> Option<(f64, f64)> {
        let cross = self.along.0 * other.along.1 - self.along.1 * other.along.0;
        let gap = (other.foot.0 - self.foot.0, other.foot.1 - self.foot.1);
        let here = (gap.0 * other.along.1 - gap.1 * other.along.0) / cross;
        let there = (gap.0 * self.along.1 - gap.1 * self.along.0) / cross;
        (cross.abs() > 0.05).then_some((here, there))
    }

    /// The point at a place on the line.
    pub(super) fn point(&self, at: f64) -> (f64, f64) {
        (self.foot.0 + at * self.along.0, self.foot.1 + at * self.along.1)
    }
}

/// Upper bound of the distance between a line's foot and its places in the picture, in pixels.
fn reach(edges: &Edges) -> i32 {
    edges.width.max(edges.height) as i32
}

/// A line, by its unit normal and its signed distance from the picture's centre.
#[derive(Clone, Copy)]
struct Straight {
    centre: (f64, f64),
    normal: (f64, f64),
    offset: f64,
    direction: usize,
}

impl Straight {
    fn new(centre: (f64, f64), normal: (f64, f64), offset: f64) -> Self {
        // A step of 1/1000 is finer than any direction.
        let direction = direction((normal.0 * 1000.0).round() as i32, (normal.1 * 1000.0).round() as i32);
        Self { centre, normal, offset, direction }
    }

    /// Signed distance of a point from the line, and its place along the line.
    fn place(&self, point: &Point) -> (f64, f64) {
        let (x, y) = (point.x - self.centre.0, point.y - self.centre.1);
        (x * self.normal.0 + y * self.normal.1 - self.offset, y * self.normal.0 - x * self.normal.1)
    }

    fn takes(&self, point: &Point, near: f64) -> bool {
        self.place(point).0.abs() <= near && apart(point.direction, self.direction) <= TOLERANCE
    }

    /// The line close by that most points lie on. Print often runs along the rim a few pixels away, and the mean of
    /// both lines would be neither.
    fn fitted(self, points: &[Point]) -> Self {
        let around: Vec<&Point> = points.iter().filter(|point| self.takes(point, SLACK + NEAR)).collect();
        let places: Vec<(f64, f64)> = around.iter().map(|point| self.place(point)).collect();
        let reach = places.iter().fold(1.0, |reach: f64, (_, along)| reach.max(along.abs()));
        let mut best = (0, 0.0, 0.0);
        let steps = (SLACK / SLACK_STEP) as i32;
        for start in -steps..=steps {
            for end in -steps..=steps {
                let (start, end) = (f64::from(start) * SLACK_STEP, f64::from(end) * SLACK_STEP);
                let (middle, slope) = (f64::midpoint(start, end), (end - start) / 2.0 / reach);
                let on =
                    places.iter().filter(|(off, along)| (off - middle - slope * along).abs() <= SLACK_STEP).count();
                // Of equal lines, the one nearest to the rough line is taken.
                if on > best.0 || (on == best.0 && middle.abs() < f64::abs(best.1)) {
                    best = (on, middle, slope);
                }
            }
        }
        let (_, middle, slope) = best;
        let on: Vec<(f64, f64)> = around
            .iter()
            .zip(&places)
            .filter(|(_, (off, along))| (off - middle - slope * along).abs() <= NEAR)
            .map(|(point, _)| (point.x - self.centre.0, point.y - self.centre.1))
            .collect();
        least_squares(&on).map_or(self, |(normal, offset)| Self::new(self.centre, normal, offset))
    }
}

/// Unit normal and offset of the line with the least squared distances to the points. `None` when there are fewer
/// than two points or all are at one place.
fn least_squares(points: &[(f64, f64)]) -> Option<((f64, f64), f64)> {
    let n = points.len() as f64;
    let mean = points.iter().fold((0.0, 0.0), |sum, point| (sum.0 + point.0 / n, sum.1 + point.1 / n));
    let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
    for point in points {
        let (x, y) = (point.0 - mean.0, point.1 - mean.1);
        (xx, xy, yy) = (xx + x * x, xy + x * y, yy + y * y);
    }
    // The eigenvector of the smaller eigenvalue of [[xx, xy], [xy, yy]], from the row that does not cancel.
    let half = (xx - yy) / 2.0;
    let root = (half * half + xy * xy).sqrt();
    let normal = if half > 0.0 { (-xy, half + root) } else { (root - half, -xy) };
    let length = (normal.0 * normal.0 + normal.1 * normal.1).sqrt();
    let normal = (normal.0 / length, normal.1 / length);
    (points.len() >= 2 && length > 1e-9).then_some((normal, mean.0 * normal.0 + mean.1 * normal.1))
}

/// The Hough accumulator, `[direction, cell]`.
struct Votes {
    centre: (f64, f64),
    cells: usize,
    cast: Vec<u32>,
    units: Vec<(f64, f64)>,
}

impl Votes {
    fn of(edges: &Edges) -> Self {
        let (width, height) = (edges.width as f64, edges.height as f64);
        let cells = ((width * width + height * height).sqrt() / CELL) as usize + 4;
        let units = (0..DIRECTIONS).map(unit_vector).collect();
        let mut votes = Self { centre: (width / 2.0, height / 2.0), cells, cast: vec![0; DIRECTIONS * cells], units };
        for point in &edges.points {
            votes.each_cell(point, |cast| *cast += point.weight);
        }
        votes
    }

    fn take_back(&mut self, point: &Point) {
        self.each_cell(point, |cast| *cast = cast.saturating_sub(point.weight));
    }

    /// Visits the cells that a point votes for: the two nearest in every direction that the point may have.
    fn each_cell(&mut self, point: &Point, mut vote: impl FnMut(&mut u32)) {
        let (x, y) = (point.x - self.centre.0, point.y - self.centre.1);
        for turn in 0..=2 * VOTE_SPREAD {
            let direction = (point.direction + DIRECTIONS + turn - VOTE_SPREAD) % DIRECTIONS;
            // Past either end of the half turn, the sign of the normal changes, and with it that of the offset.
            let unit = self.units[direction];
            let offset = (x * unit.0 + y * unit.1) / CELL + self.cells as f64 / 2.0;
            let cell = direction * self.cells + (offset - 0.5) as usize;
            vote(&mut self.cast[cell]);
            vote(&mut self.cast[cell + 1]);
        }
    }

    /// The line with the most votes, whose cell is then cleared; `None` when they are fewer than `fewest`.
    fn take_most(&mut self, fewest: u32) -> Option<Straight> {
        let most = *self.cast.iter().max()?;
        let at = self.cast.iter().position(|cast| *cast == most)?;
        let (direction, cell) = (at / self.cells, at % self.cells);
        let offset = (cell as f64 + 0.5 - self.cells as f64 / 2.0) * CELL;
        self.cast[at] = 0;
        (most >= fewest).then(|| Straight::new(self.centre, self.units[direction], offset))
    }
}
