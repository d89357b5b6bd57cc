//! Drawn tables with drawn articles on them, whose corners are known, for tests.
//!
//! A file of its own because several tests use the same scenes.

use image::codecs::jpeg::JpegEncoder;
use image::{ImageFormat, Rgb, RgbImage};

use crate::Frame;

/// Pseudo-random numbers (splitmix64), the same on every machine.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    fn one_of(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn chance(&mut self, p: f64) -> bool {
        self.between(0.0, 1.0) < p
    }

    fn color(&mut self, low: f64, high: f64) -> [f64; 3] {
        let grey = self.between(low, high);
        [0; 3].map(|_| (grey + self.between(-25.0, 25.0)).clamp(5.0, 250.0))
    }
}

type Corners = [(f64, f64); 4];

/// A drawn scene.
pub(crate) struct Scene {
    pub(crate) frame: Frame,
    /// The article's corners in pixels, clockwise from its upper left.
    pub(crate) corners: Corners,
}

/// A table: its colour, light from one side, and grain.
pub(crate) struct Table {
    pub(crate) color: [f64; 3],
    light: [f64; 3],
    grain: f64,
    along: (f64, f64),
    coarse: f64,
    speckle: f64,
    seed: u64,
}

impl Table {
    pub(crate) fn new(dice: &mut Dice) -> Self {
        let angle = dice.between(0.0, 3.15);
        Self {
            color: dice.color(30.0, 220.0),
            light: [dice.between(0.75, 1.0), dice.between(-0.35, 0.35), dice.between(-0.35, 0.35)],
            grain: if dice.chance(0.6) { dice.between(3.0, 16.0) } else { 0.0 },
            along: (angle.cos(), angle.sin()),
            coarse: dice.between(2.0, 7.0),
            speckle: dice.between(0.0, 3.0),
            seed: dice.next(),
        }
    }

    /// A table of one colour in even light.
    pub(crate) fn plain() -> Self {
        let (color, light) = ([90.0, 110.0, 120.0], [1.0, 0.0, 0.0]);
        Self { color, light, grain: 0.0, along: (1.0, 0.0), coarse: 1.0, speckle: 0.0, seed: 0 }
    }

    /// Brightness of the light at a place; `x` and `y` go from 0 to 1 over the frame.
    fn light(&self, x: f64, y: f64) -> f64 {
        self.light[0] + self.light[1] * (x - 0.5) + self.light[2] * (y - 0.5)
    }

    /// The table's grain at a pixel, in levels: noise that is stretched along one direction.
    fn grain(&self, x: f64, y: f64) -> f64 {
        if self.grain == 0.0 {
            return 0.0;
        }
        let (u, v) = (x * self.along.0 + y * self.along.1, y * self.along.0 - x * self.along.1);
        let wave = 4.0 * (u / 90.0).sin();
        self.grain
            * (smooth(self.seed, u / 60.0, (v + wave) / self.coarse) + 0.5 * smooth(self.seed ^ 7, u / 25.0, v / 1.7))
    }
}

fn lattice(seed: u64, x: i64, y: i64) -> f64 {
    let mut dice = Dice(seed ^ (x as u64).wrapping_mul(0x9E37_79B9) ^ (y as u64).wrapping_mul(0x85EB_CA6B_0000));
    dice.between(-1.0, 1.0)
}

/// Value noise from -1 to 1, smooth between whole numbers.
fn smooth(seed: u64, x: f64, y: f64) -> f64 {
    let (x0, y0) = (x.floor(), y.floor());
    let ease = |t: f64| t * t * (3.0 - 2.0 * t);
    let (u, v) = (ease(x - x0), ease(y - y0));
    let at = |dx: i64, dy: i64| lattice(seed, x0 as i64 + dx, y0 as i64 + dy);
    let (upper, lower) = (at(0, 0) + u * (at(1, 0) - at(0, 0)), at(0, 1) + u * (at(1, 1) - at(0, 1)));
    upper + v * (lower - upper)
}

/// A printed article: a rim, wavy lines, panels, discs and rows of type. Its paper differs from `table` by at least
/// `contrast` levels in one channel.
pub(crate) fn article(dice: &mut Dice, table: [f64; 3], contrast: f64) -> RgbImage {
    let (width, height) = (dice.between(240.0, 520.0) as u32, dice.between(180.0, 260.0) as u32);
    let apart = |color: [f64; 3]| color.iter().zip(table).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max) >= contrast;
    let mut paper = dice.color(20.0, 245.0);
    while !apart(paper) {
        paper = dice.color(10.0, 245.0);
    }
    let mut picture = RgbImage::from_pixel(width, height, rgb(paper));
    let rim = if dice.chance(0.7) { dice.between(3.0, 16.0) as u32 } else { 0 };
    let ground = if rim > 0 { dice.color(40.0, 230.0) } else { paper };
    rect(&mut picture, [rim, rim, width - rim, height - rim], ground);
    if dice.chance(0.6) {
        let ink = dice.color(10.0, 120.0);
        let (a, b) = (dice.between(0.02, 0.12), dice.between(3.0, 14.0));
        for row in 0..12 {
            for x in rim..width - rim {
                let y =
                    (f64::from(row) + 0.5) / 12.0 * f64::from(height) + b * (a * f64::from(x) + f64::from(row)).sin();
                if y >= f64::from(rim) && y < f64::from(height - rim) {
                    picture.put_pixel(x, y as u32, rgb(ink));
                }
            }
        }
    }
    for _ in 0..dice.one_of(7) + 2 {
        let ink = dice.color(0.0, 250.0);
        let (x, y) = (dice.between(0.0, 0.8) * f64::from(width), dice.between(0.0, 0.8) * f64::from(height));
        let (w, h) = (dice.between(8.0, 0.5 * f64::from(width)), dice.between(8.0, 0.5 * f64::from(height)));
        let [left, top] = [x, y].map(|at| (at as u32).max(rim));
        let (right, bottom) = (((x + w) as u32).min(width - rim), ((y + h) as u32).min(height - rim));
        match dice.one_of(3) {
            0 => rect(&mut picture, [left, top, right, bottom], ink),
            1 => {
                for y in top..bottom {
                    for x in left..right {
                        let (dx, dy) =
                            ((f64::from(x - left) + 0.5) * 2.0 / w - 1.0, (f64::from(y - top) + 0.5) * 2.0 / h - 1.0);
                        if dx * dx + dy * dy < 1.0 {
                            picture.put_pixel(x, y, rgb(ink));
                        }
                    }
                }
            }
            _ => {
                for y in (top..bottom.saturating_sub(6)).step_by(11) {
                    let mut x = left;
                    while x + 4 < right {
                        let letter = dice.between(2.0, 6.0) as u32;
                        rect(&mut picture, [x, y, (x + letter).min(right), y + 6], ink);
                        x += letter + 2;
                    }
                }
            }
        }
    }
    picture
}

fn rect(picture: &mut RgbImage, [left, top, right, bottom]: [u32; 4], color: [f64; 3]) {
    for y in top..bottom.min(picture.height()) {
        for x in left..right.min(picture.width()) {
            picture.put_pixel(x, y, rgb(color));
        }
    }
}

fn rgb(color: [f64; 3]) -> Rgb<u8> {
    Rgb(color.map(|c| c.round().clamp(0.0, 255.0) as u8))
}

/// Corners of a sheet with this aspect ratio in the frame: rotated by up to `turn` degrees, tilted by up to `tilt`
/// degrees, covering about `share` of the frame. `None` when the sheet would not lie inside.
pub(crate) fn pose(
    dice: &mut Dice,
    aspect: f64,
    frame: (f64, f64),
    turn: f64,
    tilt: f64,
    share: f64,
) -> Option<Corners> {
    let angle = dice.between(-turn, turn).to_radians();
    let (pitch, yaw) = (dice.between(-tilt, tilt).to_radians() * 0.7, dice.between(-tilt, tilt).to_radians() * 0.7);
    let half_height = (share * frame.0 * frame.1 / aspect).sqrt() / 2.0;
    let half_width = half_height * aspect;
    let focal = 1.1 * frame.0;
    let mut corners = [
        (-half_width, -half_height),
        (half_width, -half_height),
        (half_width, half_height),
        (-half_width, half_height),
    ]
    .map(|(x, y)| {
        let (x, y) = (x * angle.cos() - y * angle.sin(), x * angle.sin() + y * angle.cos());
        let (x, z) = (x * yaw.cos(), x * yaw.sin());
        let (y, z) = (y * pitch.cos() - z * pitch.sin(), y * pitch.sin() + z * pitch.cos());
        (x * focal / (focal + z), y * focal / (focal + z))
    });
    let bound = |pick: fn(&(f64, f64)) -> f64| {
        let values = corners.iter().map(pick);
        (values.clone().fold(f64::MAX, f64::min), values.fold(f64::MIN, f64::max))
    };
    let ((left, right), (top, bottom)) = (bound(|c| c.0), bound(|c| c.1));
    let gap = 0.02 * frame.0;
    let (free_x, free_y) = (frame.0 - (right - left) - 2.0 * gap, frame.1 - (bottom - top) - 2.0 * gap);
    if free_x < 0.0 || free_y < 0.0 {
        return None;
    }
    let (dx, dy) = (gap - left + dice.between(0.0, free_x), gap - top + dice.between(0.0, free_y));
    for corner in &mut corners {
        *corner = (corner.0 + dx, corner.1 + dy);
    }
    Some(corners)
}

/// Maps the frame back onto the sheet's unit square.
pub(crate) struct Back([f64; 9]);

impl Back {
    pub(crate) fn new([a, b, c, d]: Corners) -> Self {
        let (sx, sy) = (a.0 - b.0 + c.0 - d.0, a.1 - b.1 + c.1 - d.1);
        let (dx1, dy1, dx2, dy2) = (b.0 - c.0, b.1 - c.1, d.0 - c.0, d.1 - c.1);
        let det = dx1 * dy2 - dx2 * dy1;
        let (g, h) = ((sx * dy2 - dx2 * sy) / det, (dx1 * sy - sx * dy1) / det);
        let m =
            [b.0 - a.0 + g * b.0, d.0 - a.0 + h * d.0, a.0, b.1 - a.1 + g * b.1, d.1 - a.1 + h * d.1, a.1, g, h, 1.0];
        Self([
            m[4] * m[8] - m[5] * m[7],
            m[2] * m[7] - m[1] * m[8],
            m[1] * m[5] - m[2] * m[4],
            m[5] * m[6] - m[3] * m[8],
            m[0] * m[8] - m[2] * m[6],
            m[2] * m[3] - m[0] * m[5],
            m[3] * m[7] - m[4] * m[6],
            m[1] * m[6] - m[0] * m[7],
            m[0] * m[4] - m[1] * m[3],
        ])
    }

    pub(crate) fn at(&self, x: f64, y: f64) -> (f64, f64) {
        let m = &self.0;
        let w = m[6] * x + m[7] * y + m[8];
        ((m[0] * x + m[1] * y + m[2]) / w, (m[3] * x + m[4] * y + m[5]) / w)
    }
}

/// A printed sheet that lies on the table.
pub(crate) struct Sheet<'a> {
    pub(crate) corners: Corners,
    pub(crate) print: &'a RgbImage,
}

/// Draws a table with sheets on it (the uppermost last), small things beside them and a soft shadow, seen through a
/// lens and saved as JPEG.
pub(crate) fn draw(dice: &mut Dice, size: (u32, u32), table: &Table, sheets: &[Sheet]) -> Frame {
    draw_held(dice, size, table, sheets, None)
}

/// Draws the scene of [`draw`], with a finger `[x, y, x, y, radius]` across it.
fn draw_held(
    dice: &mut Dice,
    (width, height): (u32, u32),
    table: &Table,
    sheets: &[Sheet],
    finger: Option<[f64; 5]>,
) -> Frame {
    let (w, h) = (f64::from(width), f64::from(height));
    let backs: Vec<Back> = sheets.iter().map(|sheet| Back::new(sheet.corners)).collect();
    // Coins and similar things beside the sheets.
    let mut coins = Vec::new();
    for _ in 0..dice.one_of(4) {
        let (x, y, r) = (dice.between(0.0, w), dice.between(0.0, h), dice.between(0.01, 0.035) * w);
        let color = dice.color(20.0, 230.0);
        if backs.iter().all(|back| {
            let (u, v) = back.at(x, y);
            u < -0.15 || v < -0.15 || u > 1.15 || v > 1.15
        }) {
            coins.push((x, y, r, color));
        }
    }
    // A soft shadow to one side: darker by up to 35 %, with a border as wide as a thumb.
    let (depth, soft) = (dice.between(0.0, 0.35), dice.between(0.06, 0.15) * w);
    let (sx, sy, sr) =
        sheets.last().map_or((dice.between(0.2, 0.8) * w, dice.between(0.2, 0.8) * h, 0.2 * w), |sheet| {
            let at = sheet.corners[dice.one_of(4) as usize];
            (at.0 + dice.between(-0.05, 0.05) * w, at.1 + dice.between(-0.05, 0.05) * h, dice.between(0.08, 0.25) * w)
        });
    let shadow = |x: f64, y: f64| {
        let t = ((((x - sx).powi(2) + (y - sy).powi(2)).sqrt() - sr) / soft).clamp(0.0, 1.0);
        1.0 - depth * (1.0 - t * t * (3.0 - 2.0 * t))
    };
    let color_at = |x: f64, y: f64, grain: f64| {
        if let Some([ax, ay, bx, by, radius]) = finger {
            let along = (((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / ((bx - ax).powi(2) + (by - ay).powi(2)))
                .clamp(0.0, 1.0);
            let aside = ((x - ax - along * (bx - ax)).powi(2) + (y - ay - along * (by - ay)).powi(2)).sqrt() / radius;
            if aside < 1.0 {
                // Darker towards its sides, which makes it look round.
                return [224.0, 172.0, 146.0].map(|c| c * (0.6 + 0.4 * (1.0 - aside * aside).sqrt()));
            }
        }
        for (back, sheet) in backs.iter().zip(sheets).rev() {
            let (u, v) = back.at(x, y);
            if (0.0..1.0).contains(&u) && (0.0..1.0).contains(&v) {
                let (pw, ph) = (sheet.print.width(), sheet.print.height());
                let pixel = sheet.print.get_pixel((u * f64::from(pw)) as u32, (v * f64::from(ph)) as u32);
                return pixel.0.map(f64::from);
            }
        }
        let shade = shadow(x, y);
        for (cx, cy, r, color) in &coins {
            if (x - cx).powi(2) + (y - cy).powi(2) < r * r {
                return color.map(|c| c * shade);
            }
        }
        table.color.map(|c| (c + grain) * shade)
    };
    let mut picture = RgbImage::new(width, height);
    for (x, y, pixel) in picture.enumerate_pixels_mut() {
        let (x, y) = (f64::from(x), f64::from(y));
        let (mut sum, grain) = ([0.0; 3], table.grain(x, y));
        for (dx, dy) in [(0.125, 0.375), (0.375, 0.875), (0.625, 0.125), (0.875, 0.625)] {
            let color = color_at(x + dx, y + dy, grain);
            for c in 0..3 {
                sum[c] += color[c] / 4.0;
            }
        }
        let light = table.light(x / w, y / h);
        *pixel = rgb(sum.map(|c| c * light));
    }
    let blur = dice.between(0.0, 1.0);
    let mut picture = soften(&picture, blur);
    for pixel in picture.pixels_mut() {
        // The sum of two 10-bit numbers per channel, each scaled to -1..1.
        let mut bits = dice.next();
        for c in &mut pixel.0 {
            let noise = (bits % 1024 + bits / 1024 % 1024) as f64 / 512.0 - 2.0;
            bits >>= 20;
            *c = (f64::from(*c) + table.speckle * noise).round().clamp(0.0, 255.0) as u8;
        }
    }
    let mut bytes = Vec::new();
    let quality = dice.between(60.0, 95.0) as u8;
    JpegEncoder::new_with_quality(&mut bytes, quality).encode_image(&picture).unwrap();
    Frame::Rgb(image::load_from_memory_with_format(&bytes, ImageFormat::Jpeg).unwrap().into_rgb8())
}

/// Mixes each pixel with its neighbours: `amount` 0 changes nothing, 1 is about a Gaussian of sigma 1.
pub(crate) fn soften(picture: &RgbImage, amount: f64) -> RgbImage {
    let (side, mid) = (0.27 * amount, 1.0 - 0.54 * amount);
    let pass = |from: &RgbImage, dx: i64, dy: i64| {
        RgbImage::from_fn(from.width(), from.height(), |x, y| {
            let at = |by: i64| {
                let x = (i64::from(x) + by * dx).clamp(0, i64::from(from.width()) - 1) as u32;
                let y = (i64::from(y) + by * dy).clamp(0, i64::from(from.height()) - 1) as u32;
                from.get_pixel(x, y).0.map(f64::from)
            };
            let (a, b, c) = (at(-1), at(0), at(1));
            rgb([0, 1, 2].map(|i| side * (a[i] + c[i]) + mid * b[i]))
        })
    };
    pass(&pass(picture, 1, 0), 0, 1)
}

impl Scene {
    /// A table with one article that lies wholly in the frame.
    pub(crate) fn with_article(seed: u64, size: (u32, u32), contrast: f64) -> Self {
        Self::laid(seed, size, contrast, |dice, corners, table, flat| {
            draw(dice, size, table, &[Sheet { corners, print: flat }])
        })
    }

    /// A table with one article and a finger on one of its corners.
    pub(crate) fn held(seed: u64, size: (u32, u32)) -> Self {
        Self::laid(seed, size, 40.0, |dice, corners, table, flat| {
            let at = dice.one_of(4) as usize;
            let (corner, across) = (corners[at], corners[(at + 2) % 4]);
            let out = (corner.0 - across.0, corner.1 - across.1);
            let on = (corner.0 - 0.04 * out.0, corner.1 - 0.04 * out.1);
            let finger =
                [on.0, on.1, on.0 + 2.0 * out.0, on.1 + 2.0 * out.1, dice.between(0.015, 0.035) * f64::from(size.0)];
            draw_held(dice, size, table, &[Sheet { corners, print: flat }], Some(finger))
        })
    }

    /// A table with one article that extends out of the frame by at least a thirtieth of the frame's width.
    pub(crate) fn cut(seed: u64, size: (u32, u32)) -> Self {
        Self::laid(seed, size, 40.0, |dice, mut corners, table, flat| {
            let (w, h) = (f64::from(size.0), f64::from(size.1));
            let out = dice.between(0.033, 0.15) * w;
            let least = |pick: fn(&(f64, f64)) -> f64| corners.iter().map(pick).fold(f64::MAX, f64::min);
            let most = |pick: fn(&(f64, f64)) -> f64| corners.iter().map(pick).fold(f64::MIN, f64::max);
            let by = match dice.one_of(4) {
                0 => (-out - least(|c| c.0), 0.0),
                1 => (w + out - most(|c| c.0), 0.0),
                2 => (0.0, -out - least(|c| c.1)),
                _ => (0.0, h + out - most(|c| c.1)),
            };
            for corner in &mut corners {
                *corner = (corner.0 + by.0, corner.1 + by.1);
            }
            draw(dice, size, table, &[Sheet { corners, print: flat }])
        })
    }

    /// A table with a larger and a smaller article.
    pub(crate) fn with_two(seed: u64, size: (u32, u32)) -> Self {
        Self::laid(seed, size, 40.0, |dice, corners, table, flat| {
            let small = article(dice, table.color, 40.0);
            let aspect = f64::from(small.width()) / f64::from(small.height());
            let area = super::quads::area(&corners) / f64::from(size.0) / f64::from(size.1);
            let clear = |a: Corners, b: Corners| {
                let back = Back::new(a);
                (0..40).all(|at| {
                    let ((p, q), t) = ((b[at / 10], b[(at / 10 + 1) % 4]), (at % 10) as f64 / 10.0);
                    let (u, v) = back.at(p.0 + t * (q.0 - p.0), p.1 + t * (q.1 - p.1));
                    !((-0.1..1.1).contains(&u) && (-0.1..1.1).contains(&v))
                })
            };
            let other = (0..1000).find_map(|_| {
                let share = dice.between(0.02, 0.7 * area);
                let other = pose(dice, aspect, (f64::from(size.0), f64::from(size.1)), 45.0, 25.0, share)?;
                (clear(corners, other) && clear(other, corners)).then_some(other)
            });
            let mut sheets = vec![Sheet { corners, print: flat }];
            sheets.extend(other.map(|corners| Sheet { corners, print: &small }));
            draw(dice, size, table, &sheets)
        })
    }

    fn laid(
        seed: u64,
        size: (u32, u32),
        contrast: f64,
        draw: impl FnOnce(&mut Dice, Corners, &Table, &RgbImage) -> Frame,
    ) -> Self {
        let mut dice = Dice::new(seed);
        let table = Table::new(&mut dice);
        let flat = article(&mut dice, table.color, contrast);
        let aspect = f64::from(flat.width()) / f64::from(flat.height());
        let corners = loop {
            let share = dice.between(0.1, 0.85);
            if let Some(corners) = pose(&mut dice, aspect, (f64::from(size.0), f64::from(size.1)), 45.0, 25.0, share) {
                break corners;
            }
        };
        let frame = draw(&mut dice, corners, &table, &flat);
        Self { frame, corners }
    }
}

/// A table with nothing on it but grain, a shadow and small things.
pub(crate) fn empty_table(seed: u64, size: (u32, u32)) -> Frame {
    let mut dice = Dice::new(seed);
    let table = Table::new(&mut dice);
    draw(&mut dice, size, &table, &[])
}
