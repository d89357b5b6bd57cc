//! Finds the lines of a picture: the paths that a forger with a pen follows.
//!
//! Ink is thinned to lines of one pixel, and the lines are followed from their ends.

use crate::math::thinning;
use crate::synthetic::zoo::picture::Picture;

/// Points in pixels, in order.
pub(super) type Path = Vec<[f32; 2]>;

/// Threshold above which a pixel counts as ink, 0..1.
const INK: f32 = 0.45;
/// The lines of a picture. A dot is a line of two equal points.
pub(super) fn paths(picture: &Picture) -> Vec<Path> {
    let mut thin = Thin::of(picture);
    thinning::thin(&mut thin.ink, thin.width);
    thin.walk()
}

/// Moves each point to the mean of its neighbours, so that a pen does not follow the steps of the pixels.
pub(super) fn smoothed(path: &[[f32; 2]]) -> Path {
    let mean = |i: usize| {
        let reach = 2.min(i).min(path.len() - 1 - i);
        let near = &path[i - reach..=i + reach];
        [0, 1].map(|k| near.iter().map(|p| p[k]).sum::<f32>() / near.len() as f32)
    };
    (0..path.len()).map(mean).collect()
}

/// The path with few corners that stays within `slack` pixels of the original path (Douglas and Peucker 1973).
pub(super) fn simplified(path: &[[f32; 2]], slack: f32) -> Path {
    let (Some(&first), Some(&last)) = (path.first(), path.last()) else { return Path::new() };
    let (dx, dy) = (last[0] - first[0], last[1] - first[1]);
    let length = dx.hypot(dy);
    let off = |p: &[f32; 2]| {
        let (x, y) = (p[0] - first[0], p[1] - first[1]);
        // A closed line has no chord, so the distance to its start is used.
        if length < 1e-3 { x.hypot(y) } else { (dx * y - dy * x).abs() / length }
    };
    let farthest = path.iter().enumerate().max_by(|a, b| off(a.1).total_cmp(&off(b.1)));
    match farthest {
        Some((at, point)) if off(point) > slack && at > 0 && at + 1 < path.len() => {
            let mut corners = simplified(&path[..=at], slack);
            corners.extend_from_slice(&simplified(&path[at..], slack)[1..]);
            corners
        }
        _ => vec![first, last],
    }
}

/// Which pixels are ink.
struct Thin {
    width: usize,
    ink: Vec<bool>,
}

impl Thin {
    fn of(picture: &Picture) -> Self {
        Self { width: picture.width, ink: picture.ink.iter().map(|v| *v > INK).collect() }
    }

    /// The neighbour of a pixel in a direction, if it is ink.
    fn neighbour(&self, at: usize, direction: usize) -> Option<usize> {
        thinning::neighbour(&self.ink, self.width, at, direction)
    }

    /// Follows every line once: first from the ends, then the rest, which are closed lines.
    fn walk(mut self) -> Vec<Path> {
        let ends = |thin: &Self, at: usize| (0..8).filter(|d| thin.neighbour(at, *d).is_some()).count() <= 1;
        let mut starts: Vec<usize> = (0..self.ink.len()).filter(|at| self.ink[*at]).collect();
        starts.sort_by_key(|at| !ends(&self, *at));
        let mut paths = Vec::new();
        let mut walked: Vec<usize> = Vec::new();
        for start in starts {
            if !self.ink[start] {
                continue;
            }
            let mut line = vec![start];
            self.ink[start] = false;
            let mut at = start;
            // Straight neighbours come before diagonal ones, so that no corner is skipped.
            while let Some(next) = [0, 2, 4, 6, 1, 3, 5, 7].into_iter().find_map(|d| self.neighbour(at, d)) {
                self.ink[next] = false;
                line.push(next);
                at = next;
            }
            // A line whose end is next to another line is connected to it.
            let beside = |at: usize, line: &[usize]| {
                let near = |a: usize, b: usize| {
                    (a % self.width).abs_diff(b % self.width) <= 1 && (a / self.width).abs_diff(b / self.width) <= 1
                };
                walked.iter().copied().find(|other| near(at, *other)).or_else(|| {
                    // Or the line closes at its own start.
                    (line.len() > 3 && near(at, line[0])).then(|| line[0])
                })
            };
            let (before, after) = (beside(start, &[]), beside(at, &line));
            walked.extend(&line);
            let whole = before.into_iter().chain(line).chain(after);
            let mut path: Path = whole.map(|i| [(i % self.width) as f32, (i / self.width) as f32]).collect();
            if path.len() == 1 {
                path.push(path[0]);
            }
            paths.push(path);
        }
        paths
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(rows: &[&str]) -> Picture {
        let ink = rows.concat().chars().map(|c| f32::from(u8::from(c == '#'))).collect();
        Picture { width: rows[0].len(), height: rows.len(), ink }
    }

    #[test]
    fn a_bar_becomes_one_line_along_its_middle() {
        let bar = picture(&["..........", ".########.", ".########.", ".########.", ".........."]);
        let paths = paths(&bar);
        assert_eq!(paths.len(), 1);
        assert!(paths[0].len() >= 5 && paths[0].iter().all(|p| p[1] == 2.0), "{paths:?}");
    }

    #[test]
    fn a_ring_becomes_a_line_that_closes() {
        let ring = picture(&[".......", "..###..", ".#...#.", ".#...#.", ".#...#.", "..###..", "......."]);
        let [path] = &paths(&ring)[..] else { panic!("one line") };
        let (first, last) = (path[0], path[path.len() - 1]);
        assert!((first[0] - last[0]).abs() <= 1.0 && (first[1] - last[1]).abs() <= 1.0, "{path:?}");
    }

    #[test]
    fn a_ruler_keeps_corners_and_nothing_else() {
        let bent: Path = (0..10).map(|x| [x as f32, 0.0]).chain((1..10).map(|y| [9.0, y as f32])).collect();
        assert_eq!(simplified(&bent, 1.0), [[0.0, 0.0], [9.0, 0.0], [9.0, 9.0]]);
        assert_eq!(smoothed(&bent)[5], bent[5]);
    }
}
