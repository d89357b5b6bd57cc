//! Prints a piece as seen in a view: the two plates, the numbering, the paper and its wear become a picture in light.
//!
//! Inks multiply the light that the paper reflects. Printing and viewing are one pass: each picture pixel averages
//! the plate cells under it in the camera's view, so no full-size print is stored. Values are display values, 0 black
//! to 1 white.

use super::canvas::{Canvas, EDGE, LEVELS, PLATE, SCALE};
use super::lettering::write;
use super::piece::{Colour, Impression, Numbering, Piece, Screen};
use super::plates::tint_tone;
use super::{HEIGHT, WIDTH};

/// Left end of the baseline of each serial number, and their cap height, in pixels.
const SERIALS: [[f32; 2]; 2] = [[147.0, 66.0], [278.0, 165.0]];
const SERIAL_CAP: f32 = 8.2;

/// A picture in light: three values per pixel, row by row.
pub(super) struct Picture {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) light: Vec<Colour>,
}

/// The mapping from picture pixels to the note: `place = origin + x * across + y * down`, in note pixels.
#[derive(Clone, Copy)]
pub(super) struct View {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) origin: [f32; 2],
    pub(super) across: [f32; 2],
    pub(super) down: [f32; 2],
    /// Number of samples per pixel along each axis.
    pub(super) samples: usize,
}

impl View {
    /// A straight view of the whole note, `width` pixels wide.
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

    /// Offsets of a pixel's samples from its centre, in note pixels.
    fn around(&self) -> Vec<[f32; 2]> {
        let step = |i: usize| (i as f32 + 0.5) / self.samples as f32 - 0.5;
        let sample = |i: usize| {
            let (x, y) = (step(i % self.samples), step(i / self.samples));
            [0, 1].map(|k| x * self.across[k] + y * self.down[k])
        };
        (0..self.samples * self.samples).map(sample).collect()
    }

    /// The point of the note at a fractional picture position.
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

/// A printed plate.
struct Layer<'a> {
    plate: &'a [u8],
    /// Ink for each plate byte.
    covers: [f32; 256],
    /// Offset from positions on the note to cells of the plate, in cells: the misplacement of the plate.
    offset: [f32; 2],
}

impl<'a> Layer<'a> {
    fn new(plate: &'a [u8], impression: &Impression) -> Self {
        Self { plate, covers: cover(impression), offset: impression.shift.map(|v| -v * SCALE as f32) }
    }

    /// The ink at a point of the note, with lines thickened by `fat` plate levels. Beyond the edge, the nearest cell
    /// counts.
    fn cover(&self, place: [f32; 2], fat: i32) -> f32 {
        let x = (place[0] * SCALE as f32 + self.offset[0]) as i32;
        let y = (place[1] * SCALE as f32 + self.offset[1]) as i32;
        let (x, y) = (x.clamp(0, PLATE[0] as i32 - 1) as usize, y.clamp(0, PLATE[1] as i32 - 1) as usize);
        let level = i32::from(self.plate[y * PLATE[0] + x]) + fat;
        self.covers[level.clamp(0, 255) as usize]
    }
}

/// Index of the picture pixel at a point of the note. Beyond the edge, the nearest pixel counts.
fn pixel_under(place: [f32; 2]) -> usize {
    let x = place[0].clamp(0.0, WIDTH as f32 - 1.0) as usize;
    let y = place[1].clamp(0.0, HEIGHT as f32 - 1.0) as usize;
    y * WIDTH as usize + x
}

/// Ink for each plate byte: an edge that is one cell soft, then darker with depth.
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

/// The light that the iris ink absorbs at position `x` across the note: first ink at the sides, second in the middle.
fn iris(inks: [Colour; 2], x: f32) -> Colour {
    let t = (2.0 * x / WIDTH as f32 - 1.0).abs().min(1.0);
    let side = t * t * (3.0 - 2.0 * t);
    [0, 1, 2].map(|k| 1.0 - (side * inks[0][k] + (1.0 - side) * inks[1][k]))
}

/// A dot screen as a lookup table over one dot.
struct Dots {
    spot: Vec<f32>,
    step: [f32; 2],
}

/// Table cells along each side of a dot.
const SPOT: usize = 32;

impl Dots {
    fn new(screen: Screen) -> Self {
        let wave = |i: usize| (std::f32::consts::TAU * (i as f32 + 0.5) / SPOT as f32).cos();
        let spot = (0..SPOT * SPOT).map(|i| 0.5 + 0.25 * (wave(i % SPOT) + wave(i / SPOT))).collect();
        Self { spot, step: screen.turn.map(|t| t * SPOT as f32 / screen.period) }
    }

    /// The ink at a point where the copied original has `tone`.
    fn cover(&self, place: [f32; 2], tone: f32) -> f32 {
        let [s, c] = self.step;
        let side = SPOT as f32;
        let u = (place[0] * c - place[1] * s).rem_euclid(side) as usize % SPOT;
        let v = (place[0] * s + place[1] * c).rem_euclid(side) as usize % SPOT;
        // A cosine spot is above `1 - tone` on about the share `tone` of its area.
        ((self.spot[v * SPOT + u] - (1.0 - tone)) * 5.0 + 0.5).clamp(0.0, 1.0)
    }
}

/// The two serial numbers, each on its own small canvas.
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

    /// Whether a pixel at this point can contain ink of a serial number.
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
