//! A piece and a view enter, a picture in light leaves: the two impressions, the numbering, the paper and its wear.
//!
//! Inks multiply what the paper gives back. Printing and looking are one pass: each picture pixel averages the plate cells that the
//! camera's turn and shift put under it, so that no full-size print is ever stored. Values are display values, 0 black to 1 white.

use super::canvas::{Canvas, EDGE, LEVELS, PLATE, SCALE};
use super::lettering::write;
use super::piece::{Colour, Impression, Numbering, Piece, Screen};
use super::plates::tint_tone;
use super::{HEIGHT, WIDTH};

/// Baselines' left ends and cap height of the two serials, in pixels.
const SERIALS: [[f32; 2]; 2] = [[147.0, 66.0], [278.0, 165.0]];
const SERIAL_CAP: f32 = 8.2;

/// A picture in light, three values a pixel, row by row.
pub(super) struct Picture {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) light: Vec<Colour>,
}

/// How a picture's pixels lie on the note: `place = origin + x * across + y * down`, in note pixels.
#[derive(Clone, Copy)]
pub(super) struct View {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) origin: [f32; 2],
    pub(super) across: [f32; 2],
    pub(super) down: [f32; 2],
    /// Samples a pixel takes along each axis.
    pub(super) samples: usize,
}

impl View {
    /// The whole note straight on, `width` pixels wide.
    pub(super) fn straight(width: usize, samples: usize) -> Self {
        let step = WIDTH as f32 / width as f32;
        Self {
            width,
            height: (HEIGHT as f32 / step).round() as usize,
            origin: [0.0, 0.0],
            across: [step, 0.0],
            down: [0.0, step],
            samples,
        }
    }

    /// Where a pixel's samples lie on the note, from its middle.
    fn around(&self) -> Vec<[f32; 2]> {
        let step = |i: usize| (i as f32 + 0.5) / self.samples as f32 - 0.5;
        let sample = |i: usize| {
            let (x, y) = (step(i % self.samples), step(i / self.samples));
            [0, 1].map(|k| x * self.across[k] + y * self.down[k])
        };
        (0..self.samples * self.samples).map(sample).collect()
    }

    /// The note's place under a fractional picture place.
    pub(super) fn place(&self, x: f32, y: f32) -> [f32; 2] {
        [0, 1].map(|k| self.origin[k] + x * self.across[k] + y * self.down[k])
    }
}

/// Prints a piece as seen in a view.
pub(super) fn print(piece: &Piece, view: &View) -> Picture {
    let tint = Layer::new(piece.tint_plate.plate(), &piece.tint);
    let line = Layer::new(piece.line_plate.plate(), &piece.line);
    let numbers = Numbers::new(&piece.numbering);
    let dots = piece.screen.map(|screen| (Dots::new(screen), tint_tone()));
    let stops = [piece.line_ink, piece.numbering.ink].map(|ink| ink.map(|c| 1.0 - c));
    let around = view.around();
    let light = (0..view.width * view.height).map(|i| {
        let middle = view.place((i % view.width) as f32 + 0.5, (i / view.width) as f32 + 0.5);
        let pixel = pixel_under(middle);
        let (kept, fat) = (piece.wear.ink[pixel], (piece.wear.weight[pixel] * LEVELS) as i32);
        let tint_stop = iris(piece.tint_inks, middle[0]);
        let numbered = numbers.near(middle);
        let mut sum = [0.0; 3];
        for off in &around {
            let place = [middle[0] + off[0], middle[1] + off[1]];
            let first = kept
                * match &dots {
                    None => tint.cover(place, fat),
                    Some((dots, tone)) => dots.cover(place, tone[pixel]) * tint.covers[255],
                };
            let second = kept * line.cover(place, fat);
            for k in 0..3 {
                sum[k] += (1.0 - first * tint_stop[k]) * (1.0 - second * stops[0][k]);
            }
            if numbered {
                let third = kept * numbers.cover(place);
                for k in 0..3 {
                    let under = (1.0 - first * tint_stop[k]) * (1.0 - second * stops[0][k]);
                    sum[k] -= under * third * stops[1][k];
                }
            }
        }
        let back = piece.wear.paper[pixel] / around.len() as f32;
        [0, 1, 2].map(|k| sum[k] * back * piece.paper[k])
    });
    Picture { width: view.width, height: view.height, light: light.collect() }
}

/// A plate as it was pressed.
struct Layer<'a> {
    plate: &'a [u8],
    /// Ink that each plate byte leaves.
    covers: [f32; 256],
    /// From a place in pixels to the plate's cell: where the plate fell, in cells.
    offset: [f32; 2],
}

impl<'a> Layer<'a> {
    fn new(plate: &'a [u8], impression: &Impression) -> Self {
        Self { plate, covers: cover(impression), offset: impression.shift.map(|v| -v * SCALE as f32) }
    }

    /// The ink at a place, lines made `fat` levels fatter; beyond the edge, the nearest cell's.
    fn cover(&self, place: [f32; 2], fat: i32) -> f32 {
        let x = (place[0] * SCALE as f32 + self.offset[0]) as i32;
        let y = (place[1] * SCALE as f32 + self.offset[1]) as i32;
        let (x, y) = (x.clamp(0, PLATE[0] as i32 - 1) as usize, y.clamp(0, PLATE[1] as i32 - 1) as usize);
        let level = i32::from(self.plate[y * PLATE[0] + x]) + fat;
        self.covers[level.clamp(0, 255) as usize]
    }
}

/// The picture pixel that a place on the note falls in; beyond the edge, the nearest.
fn pixel_under(place: [f32; 2]) -> usize {
    let x = place[0].clamp(0.0, WIDTH as f32 - 1.0) as usize;
    let y = place[1].clamp(0.0, HEIGHT as f32 - 1.0) as usize;
    y * WIDTH as usize + x
}

/// Ink that each plate byte leaves: an edge one cell soft, then darker with depth.
fn cover(impression: &Impression) -> [f32; 256] {
    let mut covers = [0.0; 256];
    for (byte, cover) in covers.iter_mut().enumerate() {
        let inside = (byte as f32 - EDGE) / LEVELS + impression.weight;
        let deep = (inside / 3.2).clamp(0.0, 1.0);
        let ink = (1.0 - impression.depth + impression.depth * deep) * impression.density;
        *cover = ((inside + 0.5).clamp(0.0, 1.0) * ink).min(1.0);
    }
    covers
}

/// The light the iris ink stops at a distance across the note: the first ink at the sides, the second in the middle.
fn iris(inks: [Colour; 2], x: f32) -> Colour {
    let t = (2.0 * x / WIDTH as f32 - 1.0).abs().min(1.0);
    let side = t * t * (3.0 - 2.0 * t);
    [0, 1, 2].map(|k| 1.0 - (side * inks[0][k] + (1.0 - side) * inks[1][k]))
}

/// A dot screen, tabled over one dot.
struct Dots {
    spot: Vec<f32>,
    step: [f32; 2],
}

/// Table cells along a side of one dot.
const SPOT: usize = 32;

impl Dots {
    fn new(screen: Screen) -> Self {
        let wave = |i: usize| (std::f32::consts::TAU * (i as f32 + 0.5) / SPOT as f32).cos();
        let spot = (0..SPOT * SPOT).map(|i| 0.5 + 0.25 * (wave(i % SPOT) + wave(i / SPOT))).collect();
        Self { spot, step: screen.turn.map(|t| t * SPOT as f32 / screen.period) }
    }

    /// Ink at a place where the copied original had `tone`.
    fn cover(&self, place: [f32; 2], tone: f32) -> f32 {
        let [s, c] = self.step;
        let side = SPOT as f32;
        let u = (place[0] * c - place[1] * s).rem_euclid(side) as usize % SPOT;
        let v = (place[0] * s + place[1] * c).rem_euclid(side) as usize % SPOT;
        // A cosine spot is darker than `1 - tone` over about `tone` of its area.
        ((self.spot[v * SPOT + u] - (1.0 - tone)) * 5.0 + 0.5).clamp(0.0, 1.0)
    }
}

/// The two serials, each printed on a small canvas of its own.
struct Numbers {
    boxes: [([f32; 2], [usize; 2], Vec<u8>); 2],
}

impl Numbers {
    fn new(numbering: &Numbering) -> Self {
        let boxes = [0, 1].map(|i| {
            let at = [0, 1].map(|k| SERIALS[i][k] + numbering.shift[k]);
            let origin = [at[0] - 4.0, at[1] - SERIAL_CAP - 3.0];
            let size = [100 * SCALE, (SERIAL_CAP as usize + 6) * SCALE];
            let mut canvas = Canvas::over(origin, size, SCALE as f32);
            write(&mut canvas, &numbering.serials[i], &numbering.face, at, SERIAL_CAP);
            (origin, size, canvas.plate())
        });
        Self { boxes }
    }

    /// Whether a pixel here can have a number's ink in it.
    fn near(&self, place: [f32; 2]) -> bool {
        self.boxes.iter().any(|(origin, size, _)| {
            let (x, y) = ((place[0] - origin[0]) * SCALE as f32, (place[1] - origin[1]) * SCALE as f32);
            x > -3.0 && y > -3.0 && x < size[0] as f32 + 3.0 && y < size[1] as f32 + 3.0
        })
    }

    fn cover(&self, place: [f32; 2]) -> f32 {
        for (origin, size, plate) in &self.boxes {
            let (x, y) = ((place[0] - origin[0]) * SCALE as f32, (place[1] - origin[1]) * SCALE as f32);
            if x >= 0.0 && y >= 0.0 && (x as usize) < size[0] && (y as usize) < size[1] {
                let byte = f32::from(plate[y as usize * size[0] + x as usize]);
                return ((byte - EDGE) / LEVELS + 0.5).clamp(0.0, 1.0) * 0.92;
            }
        }
        0.0
    }
}
