//! An outline enters; the fainter outline around it leaves, if there is one.
//!
//! A file of its own because its method differs from the rest of finding: print has stronger edges than the rim of a
//! paper on a table of nearly the same colour. Such a rim is too faint to be detected at one place, but clear as a
//! mean along a side.

use super::sides::{Pixels, meeting};

/// Number of places sampled along a side.
const PLACES: usize = 48;
/// Share of a side that is left out at either end, because the rim of the neighbouring sides would be measured there.
const ENDS: f64 = 0.06;
/// Number of samples along a normal; they are half a pixel of the reduced picture apart.
const SAMPLES: usize = 36;
/// A step is the mean of this many samples outside minus the mean of as many inside.
const WINDOW: usize = 2;
/// Largest difference between the widths of the rim at the two ends of a side, in samples.
const SKEW: i32 = 5;
/// Smallest mean step of a fainter edge, in levels.
const LEVELS: f64 = 3.0;
/// Smallest mean step as a share of the threshold of a plain edge on this table; both limits hold.
const SHARE: f64 = 0.5;
/// Smallest share of the places where the step must have the same sign.
const ALIKE: f64 = 0.75;
/// Levels by which the mean step must exceed that on either side of it, and their distance in samples: light that
/// falls off gradually has no crest.
const CREST: (f64, usize) = (2.0, 6);
/// Smallest distance between two edges, in samples.
const APART: usize = 3;
/// Number of sides with a fainter edge at which it goes all round: the grain of a table runs along two.
const ROUND: usize = 3;
/// Smallest share of the step that must be found across the neighbours' rim, between the outline's corner and the
/// fainter one's: the table's grain has no step there.
const FLAP: f64 = 0.4;
/// Number of places sampled along that piece of a neighbour.
const FLAP_PLACES: usize = 8;

/// The fainter quadrilateral around an outline, by its corners in pixels of the frame.
pub(super) enum FaintOutline {
    /// There is none.
    None,
    /// It goes all round the outline, which is then not the article's own.
    AllRound([(f64, f64); 4]),
    /// It goes round some of the sides.
    InPart([(f64, f64); 4]),
    /// There are edges as strong as a plain one that go round no side, or the moved sides do not meet.
    Doubtful,
}

impl FaintOutline {
    /// Searches around an outline whose corners go clockwise.
    ///
    /// `scale` is pixels of the frame per pixel of the reduced picture; `threshold` is the smallest step of a plain
    /// edge, in levels.
    pub(super) fn around(pixels: &Pixels, corners: [(f64, f64); 4], scale: f64, threshold: f64) -> Self {
        let levels = LEVELS.max(SHARE * threshold);
        let rims = [0, 1, 2, 3].map(|at| Steps::of(pixels, corners[at], corners[(at + 1) % 4], scale).rims(levels));
        let plainest =
            rims.clone().map(|rims| rims.into_iter().max_by(|a, b| a.levels.abs().total_cmp(&b.levels.abs())));
        let (found, sum) = plainest
            .iter()
            .flatten()
            .fold((0, 0.0), |(found, sum), rim| (found + 1, sum + f64::midpoint(rim.distance.0, rim.distance.1)));
        if found >= ROUND {
            // A side without a fainter edge is taken to be as far from the rim as the others are on average.
            let usual = sum / found as f64;
            let distances = plainest.map(|rim| rim.map_or((usual, usual), |rim| rim.distance));
            return moved(corners, distances, scale).map_or(Self::Doubtful, Self::AllRound);
        }
        let mut distances = [(0.0, 0.0); 4];
        // A side that moves changes the pieces of rim by which its neighbours are accepted, so each side is tried
        // twice.
        for at in (0..4).chain(0..4) {
            for rim in rims[at].iter().filter(|rim| rim.distance.0 > distances[at].0) {
                let mut further = distances;
                further[at] = rim.distance;
                let (Some(from), Some(to)) = (moved(corners, distances, scale), moved(corners, further, scale)) else {
                    return Self::Doubtful;
                };
                if flap(pixels, from, to, at, *rim, scale) {
                    distances = further;
                    break;
                }
            }
        }
        if distances != [(0.0, 0.0); 4] {
            return moved(corners, distances, scale).map_or(Self::Doubtful, Self::InPart);
        }
        let plain = rims.iter().flatten().any(|rim| rim.levels.abs() >= threshold);
        if plain { Self::Doubtful } else { Self::None }
    }
}

/// A fainter edge outside a side.
#[derive(Clone, Copy)]
struct Rim {
    /// Distance from the side's start and from its end, in pixels of the reduced picture.
    distance: (f64, f64),
    /// The colour channel in which it is measured.
    channel: usize,
    /// Levels outside minus levels inside.
    levels: f64,
}

/// The outline with its sides moved outward by these distances at start and end, in pixels of the reduced picture.
/// `None` when two neighbouring sides are nearly parallel.
fn moved(corners: [(f64, f64); 4], distances: [(f64, f64); 4], scale: f64) -> Option<[(f64, f64); 4]> {
    let sides = [0, 1, 2, 3].map(|at| {
        let (from, to) = (corners[at], corners[(at + 1) % 4]);
        let outward = outward(from, to);
        let by = |(x, y): (f64, f64), offset: f64| (x + outward.0 * offset * scale, y + outward.1 * offset * scale);
        (by(from, distances[at].0), by(to, distances[at].1))
    });
    let mut met = [(0.0, 0.0); 4];
    for (at, corner) in met.iter_mut().enumerate() {
        *corner = meeting(sides[(at + 3) % 4], sides[at])?;
    }
    Some(met)
}

/// Whether the rim outside a side goes round both its corners: the same step is found along the neighbours, beyond
/// the side.
fn flap(pixels: &Pixels, corners: [(f64, f64); 4], figure: [(f64, f64); 4], side: usize, rim: Rim, scale: f64) -> bool {
    let next = (side + 1) % 4;
    [(side, (side + 3) % 4), (next, (next + 1) % 4)].into_iter().all(|(corner, far)| {
        // From the fainter quadrilateral's corner, along the neighbour, to where the outline's side meets it.
        let (from, to) = (figure[corner], figure[far]);
        let Some(until) = meeting((from, to), (corners[side], corners[next])) else { return false };
        let mut outward = outward(from, to);
        if corner == side {
            outward = (-outward.0, -outward.1);
        }
        let step = |place: usize| {
            let share = (place as f64 + 0.5) / FLAP_PLACES as f64;
            let on = (from.0 + share * (until.0 - from.0), from.1 + share * (until.1 - from.1));
            let at = |by: f64| {
                let by = by * scale;
                f64::from(pixels.at((on.0 + by * outward.0, on.1 + by * outward.1))[rim.channel]) / 65536.0
            };
            (at(1.0) + at(1.75) - at(-1.0) - at(-1.75)) / 2.0
        };
        let mean = (0..FLAP_PLACES).map(step).sum::<f64>() / FLAP_PLACES as f64;
        let alike = (0..FLAP_PLACES).filter(|place| step(*place) * rim.levels > 0.0).count();
        mean * rim.levels.signum() >= FLAP * rim.levels.abs() && alike as f64 >= ALIKE * FLAP_PLACES as f64
    })
}

/// Unit normal of a side, pointing out of a quadrilateral whose corners go clockwise.
fn outward(from: (f64, f64), to: (f64, f64)) -> (f64, f64) {
    let along = (to.0 - from.0, to.1 - from.1);
    let length = (along.0 * along.0 + along.1 * along.1).sqrt();
    (along.1 / length, -along.0 / length)
}

/// Steps of the three channels along normals of a side, `[place, sample]`, from the outline outward.
struct Steps(Vec<Vec<[f64; 3]>>);

impl Steps {
    fn of(pixels: &Pixels, start: (f64, f64), end: (f64, f64), scale: f64) -> Self {
        let along = (end.0 - start.0, end.1 - start.1);
        let outward = outward(start, end);
        let outward = (outward.0 * scale / 2.0, outward.1 * scale / 2.0);
        let places = (0..PLACES).map(|place| {
            let share = ENDS + (1.0 - 2.0 * ENDS) * (place as f64 + 0.5) / PLACES as f64;
            let on = (start.0 + share * along.0, start.1 + share * along.1);
            let profile: Vec<[f64; 3]> = (0..SAMPLES)
                .map(|at| {
                    let at = at as f64;
                    pixels.at((on.0 + at * outward.0, on.1 + at * outward.1)).map(|level| f64::from(level) / 65536.0)
                })
                .collect();
            (WINDOW..=SAMPLES - WINDOW)
                .map(|at| {
                    [0, 1, 2].map(|channel| {
                        let sum = |range: &[[f64; 3]]| range.iter().map(|levels| levels[channel]).sum::<f64>();
                        (sum(&profile[at..at + WINDOW]) - sum(&profile[at - WINDOW..at])) / WINDOW as f64
                    })
                })
                .collect()
        });
        Self(places.collect())
    }

    /// The edges outside the side with at least this many levels, the outermost first.
    fn rims(&self, levels: f64) -> Vec<Rim> {
        let samples = self.0[0].len() as i32;
        // For each position of an edge's middle (start plus end), the strongest edge.
        let mut plainest: Vec<Option<Rim>> = vec![None; 2 * samples as usize];
        for start in 1..samples {
            for end in (start - SKEW).max(1)..(start + SKEW + 1).min(samples) {
                for channel in 0..3 {
                    let (mean, alike) = self.mean(start, end, channel);
                    let best = &mut plainest[(start + end) as usize];
                    if mean.abs() < levels || alike < ALIKE || best.is_some_and(|rim| rim.levels.abs() >= mean.abs()) {
                        continue;
                    }
                    let beside = |by: i32| {
                        let inside = |at: i32| (at + by).clamp(0, samples - 1);
                        self.mean(inside(start), inside(end), channel).0 * mean.signum()
                    };
                    let by = CREST.1 as i32;
                    // A step that still grows inward is the outline's own edge.
                    if beside(-1) < mean.abs() && mean.abs() - f64::midpoint(beside(-by), beside(by)) >= CREST.0 {
                        let distance = |at: i32| (f64::from(at) + WINDOW as f64 - 0.5) / 2.0;
                        *best = Some(Rim { distance: (distance(start), distance(end)), channel, levels: mean });
                    }
                }
            }
        }
        let around = |at: usize| at.saturating_sub(2 * APART)..(at + 2 * APART + 1).min(plainest.len());
        let crest = |at: usize, rim: &Rim| {
            plainest[around(at)].iter().flatten().all(|other| other.levels.abs() <= rim.levels.abs())
        };
        (0..plainest.len()).rev().filter_map(|at| plainest[at].filter(|rim| crest(at, rim))).collect()
    }

    /// Mean step of a channel along a line, and the share of the places where the step has the sign of the mean.
    fn mean(&self, start: i32, end: i32, channel: usize) -> (f64, f64) {
        let places = PLACES as i32;
        let step = |place: i32| {
            let twice = start * (2 * places - 2 * place - 1) + end * (2 * place + 1);
            self.0[place as usize][((twice + places) / (2 * places)) as usize][channel]
        };
        let mean = (0..places).map(step).sum::<f64>() / PLACES as f64;
        let alike = (0..places).filter(|place| step(*place) * mean > 0.0).count();
        (mean, alike as f64 / PLACES as f64)
    }
}
