//! A rough quadrilateral enters; the same leaves with each side fitted to its edge in the full picture, and with
//! where that edge is visible.
//!
//! A file of its own because it is the second half of finding: the first half is accurate to a pixel of the reduced
//! picture, this one to a fraction of a pixel of the frame. What it measures decides whether the outline is accepted.

use crate::Frame;

/// Largest number of places at which a side is sampled; they are at least half a pixel of the reduced picture apart.
const MOST_PLACES: usize = 96;
/// An edge is searched up to this far on either side of the rough one, in pixels of the reduced picture.
const ASIDE: f64 = 1.75;
/// The fit takes the outermost edge that is visible at this share or more of the places of the most visible edge:
/// print may lie beside the rim.
const OUTER: f64 = 0.8;
/// It must also have this share or more of that edge's levels: camera and JPEG compression leave weaker
/// edges beside a strong one.
const FAINT: f64 = 0.2;
/// A side is followed past its corners for this share of its length.
const PAST: f64 = 0.12;
/// Smallest and largest length for which it is followed, in pixels of the reduced picture.
const PAST_PIXELS: (f64, f64) = (6.0, 20.0);
/// Distance past a corner before following begins, in pixels of the reduced picture: a rounded corner or a blur may
/// take it.
const AFTER: f64 = 3.0;
/// Number of places sampled past a corner.
const PAST_PLACES: usize = 12;

/// Where an edge crosses a normal of a side.
#[derive(Clone, Copy)]
struct Peak {
    /// Distance from the side, in pixels outward.
    at: f64,
    /// Difference between the edge's two sides, in levels.
    levels: f64,
}

/// A line through two points.
type Through = ((f64, f64), (f64, f64));

/// One side, fitted to its edge.
struct Side {
    line: Through,
    rim: Rim,
}

/// Where the edge is visible along a side and past its ends.
pub(super) struct Rim {
    /// Whether it is visible at each place along the side, from start to end.
    pub(super) shown: Vec<bool>,
    /// Share of the places past the start and past the end where it is visible.
    pub(super) beyond: [f64; 2],
}

/// A quadrilateral whose sides are fitted to the edges of the full picture.
pub(super) struct Fitted {
    /// Its corners, in pixels of the frame.
    pub(super) corners: [(f64, f64); 4],
    /// Where the edge of each side is visible.
    pub(super) rims: [Rim; 4],
}

impl Fitted {
    /// Fits the sides to the edges, twice: the second time from the right corners. `None` when a side has no edge or
    /// two neighbouring sides are nearly parallel.
    ///
    /// `scale` is pixels of the frame per pixel of the reduced picture; `threshold` is the smallest step of an edge,
    /// in levels.
    pub(super) fn new(frame: &Frame, rough: [(f64, f64); 4], scale: f64, threshold: f64) -> Option<Self> {
        let look = SideFitter { pixels: Pixels::of(frame), scale, threshold };
        look.sides(look.sides(rough)?.corners)
    }
}

/// The frame's bytes, for sampling between pixels.
pub(crate) struct Pixels<'a> {
    bytes: &'a [u8],
    pub(crate) channels: usize,
    pub(crate) width: usize,
    pub(crate) height: usize,
}

impl<'a> Pixels<'a> {
    pub(crate) fn of(frame: &'a Frame) -> Self {
        let (bytes, channels): (&[u8], usize) = match frame {
            Frame::Grey(image) => (image.as_raw(), 1),
            Frame::Rgb(image) => (image.as_raw(), 3),
        };
        Self { bytes, channels, width: frame.width() as usize, height: frame.height() as usize }
    }

    /// The channels at a place, interpolated between the centres of four pixels, in units of 1/65536 level. Outside
    /// the frame, its border is repeated.
    pub(crate) fn at(&self, (x, y): (f64, f64)) -> [u32; 3] {
        // In units of 1/256 pixel; the centre of a pixel lies half a pixel in.
        let place =
            |at: f64, side: usize| ((at * 256.0).floor() as i64 - 128).clamp(0, (side as i64 - 1) * 256) as usize;
        let (x, y) = (place(x, self.width), place(y, self.height));
        let (left, top) = (x / 256, y / 256);
        let (right, bottom) = ((left + 1).min(self.width - 1), (top + 1).min(self.height - 1));
        let (across, down) = ((x % 256) as u32, (y % 256) as u32);
        let mut channels = [0; 3];
        for (channel, value) in channels.iter_mut().enumerate().take(self.channels) {
            let pixel = |x: usize, y: usize| u32::from(self.bytes[(y * self.width + x) * self.channels + channel]);
            let upper = pixel(left, top) * (256 - across) + pixel(right, top) * across;
            let lower = pixel(left, bottom) * (256 - across) + pixel(right, bottom) * across;
            *value = upper * (256 - down) + lower * down;
        }
        channels
    }
}

/// The picture and the settings for fitting sides.
struct SideFitter<'a> {
    pixels: Pixels<'a>,
    scale: f64,
    threshold: f64,
}

impl SideFitter<'_> {
    /// Fits all four sides to their edges.
    fn sides(&self, corners: [(f64, f64); 4]) -> Option<Fitted> {
        let mut sides = Vec::with_capacity(4);
        for at in 0..4 {
            sides.push(self.side(corners[at], corners[(at + 1) % 4])?);
        }
        let mut met = [(0.0, 0.0); 4];
        for (at, corner) in met.iter_mut().enumerate() {
            *corner = meeting(sides[(at + 3) % 4].line, sides[at].line)?;
        }
        let mut rims = sides.into_iter().map(|side| side.rim);
        let rims = [(); 4].map(|()| rims.next().expect("four sides were pushed"));
        Some(Fitted { corners: met, rims })
    }

    /// Fits one side to its edge; the corners of the quadrilateral go clockwise.
    fn side(&self, start: (f64, f64), end: (f64, f64)) -> Option<Side> {
        let along = (end.0 - start.0, end.1 - start.1);
        let length = (along.0 * along.0 + along.1 * along.1).sqrt();
        let outward = (along.1 / length, -along.0 / length);
        let places = ((length / self.scale * 2.0) as usize).clamp(8, MOST_PLACES);
        let aside = (ASIDE * self.scale).ceil() as i32 + 1;
        let share = |place: usize| (place as f64 + 0.5) / places as f64;
        let base = |share: f64| (start.0 + share * along.0, start.1 + share * along.1);
        let peaks: Vec<Vec<Peak>> = (0..places).map(|place| self.peaks(base(share(place)), outward, aside)).collect();
        let tolerance = 0.6 + 0.4 * self.scale;
        let mut line = outermost(&peaks, aside, tolerance);
        let mut shown = Vec::new();
        for _ in 0..3 {
            let offset = |place: usize| line.0 + (line.1 - line.0) * share(place);
            let nearest: Vec<Option<Peak>> =
                (0..places).map(|place| nearest(&peaks[place], offset(place), tolerance)).collect();
            shown = nearest.iter().map(Option::is_some).collect();
            let points: Vec<(f64, f64)> =
                nearest.iter().enumerate().filter_map(|(place, peak)| Some((share(place), (*peak)?.at))).collect();
            line = straight(&points)?;
        }
        let at = |share: f64| {
            let (on, offset) = (base(share), line.0 + (line.1 - line.0) * share);
            (on.0 + offset * outward.0, on.1 + offset * outward.1)
        };
        let past = (PAST * length).clamp(PAST_PIXELS.0 * self.scale, PAST_PIXELS.1 * self.scale);
        let beyond = [-1.0, 1.0].map(|way: f64| {
            let runs = (0..PAST_PLACES).filter(|place| {
                let by = AFTER * self.scale + past * (*place as f64 + 0.5) / PAST_PLACES as f64;
                let on = at(way.max(0.0) + way * by / length);
                nearest(&self.peaks(on, outward, aside), 0.0, tolerance).is_some()
            });
            runs.count() as f64 / PAST_PLACES as f64
        });
        Some(Side { line: (at(0.0), at(1.0)), rim: Rim { shown, beyond } })
    }

    /// Where edges cross the normal through a place, in pixels outward.
    fn peaks(&self, place: (f64, f64), outward: (f64, f64), aside: i32) -> Vec<Peak> {
        // Each step is the mean of `window` pixels outside minus the mean of as many inside.
        let window = ((self.scale / 2.0).round() as i32).max(1);
        let reach = aside + window;
        let profile: Vec<[f64; 3]> = (-reach..=reach)
            .map(|at| {
                let at = f64::from(at);
                self.pixels
                    .at((place.0 + at * outward.0, place.1 + at * outward.1))
                    .map(|level| f64::from(level) / 65536.0)
            })
            .collect();
        let steps: Vec<f64> = (window..=window + 2 * aside)
            .map(|at| {
                let mut step = [0.0; 3];
                for by in 1..=window {
                    for (channel, step) in step.iter_mut().enumerate() {
                        *step += profile[(at + by) as usize][channel] - profile[(at - by) as usize][channel];
                    }
                }
                step.iter().fold(0.0, |most: f64, step| most.max(step.abs())) / f64::from(window)
            })
            .collect();
        (1..steps.len() - 1)
            .filter(|at| steps[*at] >= self.threshold && steps[*at] > steps[at - 1] && steps[*at] >= steps[at + 1])
            .map(|at| {
                // The crest of the parabola through the three steps.
                let (before, here, after) = (steps[at - 1], steps[at], steps[at + 1]);
                let crest = (after - before) / (2.0 * (2.0 * here - before - after)).max(1e-9);
                Peak { at: at as f64 - f64::from(aside) + crest, levels: here }
            })
            .collect()
    }
}

/// The outermost line that enough peaks lie along, as its offsets at start and end, in pixels outward.
fn outermost(peaks: &[Vec<Peak>], aside: i32, tolerance: f64) -> (f64, f64) {
    // `[place, offset]`: the levels of the peak there, 0 where there is none.
    let levels: Vec<Vec<f64>> = peaks
        .iter()
        .map(|peaks| {
            (-aside..=aside)
                .map(|at| nearest(peaks, f64::from(at), tolerance).map_or(0.0, |peak| peak.levels))
                .collect()
        })
        .collect();
    let places = peaks.len() as i32;
    let mut lines = Vec::new();
    for start in 0..=2 * aside {
        for end in 0..=2 * aside {
            let (mut count, mut sum) = (0, 0.0);
            for (place, levels) in levels.iter().enumerate() {
                // The line's offset at the middle of the place, rounded to a whole number.
                let twice = start * (2 * places - 2 * place as i32 - 1) + end * (2 * place as i32 + 1);
                let levels = levels[((twice + places) / (2 * places)) as usize];
                (count, sum) = (count + i32::from(levels > 0.0), sum + levels);
            }
            lines.push((count, sum, start, end));
        }
    }
    let most = lines.iter().fold((0, 0.0, 0, 0), |most, line| if line.0 > most.0 { *line } else { most });
    let (_, _, start, end) = lines
        .into_iter()
        .filter(|line| f64::from(line.0) >= OUTER * f64::from(most.0) && line.1 >= FAINT * most.1)
        .max_by_key(|(count, _, start, end)| (start + end, *count))
        .unwrap_or((0, 0.0, aside, aside));
    (f64::from(start - aside), f64::from(end - aside))
}

fn nearest(peaks: &[Peak], to: f64, tolerance: f64) -> Option<Peak> {
    let from = |peak: &Peak| (peak.at - to).abs();
    peaks.iter().copied().filter(|peak| from(peak) <= tolerance).min_by(|a, b| from(a).total_cmp(&from(b)))
}

/// Values at 0 and 1 of the least-squares line through the points; `None` when there are fewer than two places.
fn straight(points: &[(f64, f64)]) -> Option<(f64, f64)> {
    let n = points.len() as f64;
    let (x, y) = points.iter().fold((0.0, 0.0), |sum, point| (sum.0 + point.0 / n, sum.1 + point.1 / n));
    let (xx, xy) = points
        .iter()
        .fold((0.0, 0.0), |sum, point| (sum.0 + (point.0 - x) * (point.0 - x), sum.1 + (point.0 - x) * (point.1 - y)));
    let slope = xy / xx;
    (points.len() >= 2 && xx > 0.0).then_some((y - slope * x, y + slope * (1.0 - x)))
}

/// Intersection of two lines, each given by two points; `None` when they are nearly parallel.
pub(super) fn meeting((a, b): Through, (c, d): Through) -> Option<(f64, f64)> {
    let (here, there) = ((b.0 - a.0, b.1 - a.1), (d.0 - c.0, d.1 - c.1));
    let cross = here.0 * there.1 - here.1 * there.0;
    let lengths = ((here.0 * here.0 + here.1 * here.1) * (there.0 * there.0 + there.1 * there.1)).sqrt();
    let share = ((c.0 - a.0) * there.1 - (c.1 - a.1) * there.0) / cross;
    (cross.abs() > 0.05 * lengths).then_some((a.0 + share * here.0, a.1 + share * here.1))
}
