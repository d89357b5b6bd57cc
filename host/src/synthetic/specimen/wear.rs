//! The marks of use on a note: creases, soil, scuffs and specks, and uneven printing.
//!
//! Each kind of wear is a map over the picture's pixels, so that printing only looks up values. Genuine and forged
//! notes wear in the same way. Wear is what prevents a single number from telling them apart.

use rand::Rng;

use super::stream::{Field, Stream, within};
use super::{HEIGHT, WIDTH};

/// The effect of wear on each picture pixel, row by row.
pub(super) struct Wear {
    /// Remaining share of the ink.
    pub(super) ink: Vec<f32>,
    /// Reflected light relative to fresh paper.
    pub(super) paper: Vec<f32>,
    /// How much thicker lines print, in plate cells.
    pub(super) weight: Vec<f32>,
}

impl Wear {
    /// No wear: a note that has just left the press.
    pub(super) fn none() -> Self {
        let cells = (WIDTH * HEIGHT) as usize;
        Self { ink: vec![1.0; cells], paper: vec![1.0; cells], weight: vec![0.0; cells] }
    }

    /// Random wear of a note that was used for a while.
    pub(super) fn used(rng: &mut Stream) -> Self {
        let mut wear = Self::none();
        wear.soil(rng);
        for _ in 0..rng.random_range(0..=3) {
            wear.crease(rng);
        }
        for _ in 0..rng.random_range(0..=4) {
            wear.scuff(rng);
        }
        let specks = rng.random_range(0..=26);
        wear.specks(rng, specks, 0.5);
        wear
    }

    /// Adds `count` specks that absorb up to `strength` of the light: dirt, or the stray toner of a copier.
    pub(super) fn specks(&mut self, rng: &mut Stream, count: u32, strength: f32) {
        for _ in 0..count {
            let x = rng.random_range(2.0..WIDTH as f32 - 2.0);
            let y = rng.random_range(2.0..HEIGHT as f32 - 2.0);
            let radius = rng.random_range(0.35_f32..0.9);
            let depth = strength * rng.random_range(0.3..1.0_f32);
            let reach = 2;
            for v in y as i32 - reach..=y as i32 + reach {
                for u in x as i32 - reach..=x as i32 + reach {
                    let far = ((u as f32 + 0.5 - x).powi(2) + (v as f32 + 0.5 - y).powi(2)).sqrt();
                    let cover = (radius + 0.5 - far).clamp(0.0, 1.0);
                    if let Some(i) = index(u, v) {
                        self.paper[i] *= 1.0 - depth * cover;
                    }
                }
            }
        }
    }

    /// Adds grease from hands, darker towards the edges, and uneven pressure of the press.
    fn soil(&mut self, rng: &mut Stream) {
        let (w, h) = (WIDTH as f32, HEIGHT as f32);
        let broad = Field::new(rng, w, h, 64.0);
        let fine = Field::new(rng, w, h, 17.0);
        let pressure = Field::new(rng, w, h, 90.0);
        let (dirt, rim) = (rng.random_range(0.01..0.09), rng.random_range(0.0..0.08));
        let (uneven, fade) = (rng.random_range(0.05..0.22), rng.random_range(0.0..0.08));
        for v in 0..HEIGHT {
            for u in 0..WIDTH {
                let (x, y) = (u as f32, v as f32);
                let i = (v * WIDTH + u) as usize;
                let edge = x.min(w - x).min(y).min(h - y);
                let near = (1.0 - edge / 26.0).max(0.0);
                let grain = fine.at(x, y);
                let patch = 0.5 + 0.5 * (0.7 * broad.at(x, y) + 0.3 * grain);
                self.paper[i] *= 1.0 - dirt * patch - rim * near * near;
                self.ink[i] *= 1.0 - fade * (0.5 - 0.5 * grain);
                self.weight[i] += uneven * pressure.at(x, y);
            }
        }
    }

    /// Adds a fold: ink broken along a line, with light and shade beside it.
    fn crease(&mut self, rng: &mut Stream) {
        // Notes are folded across the long side more often.
        let lean = within(rng, 0.16);
        let across = rng.random_bool(0.7);
        let (sin, cos) = if across { (lean, 1.0 - 0.5 * lean * lean) } else { (1.0 - 0.5 * lean * lean, lean) };
        let at = if across { rng.random_range(40.0..344.0) } else { rng.random_range(30.0..162.0) };
        let (loss, relief) = (rng.random_range(0.1..0.45_f32), within(rng, 0.06));
        let ragged = Field::new(rng, WIDTH as f32, HEIGHT as f32, 9.0);
        for v in 0..HEIGHT {
            for u in 0..WIDTH {
                let (x, y) = (u as f32, v as f32);
                let far = if across { (x - at) * cos + (y - 96.0) * sin } else { (y - at) * sin + (x - 192.0) * cos };
                if far.abs() < 7.0 {
                    let i = (v * WIDTH + u) as usize;
                    let rough = 0.65 + 0.35 * ragged.at(x, y);
                    let ridge = (1.0 - (far / 1.3).powi(2)).max(0.0);
                    self.ink[i] *= 1.0 - loss * rough * ridge;
                    self.paper[i] *= 1.0 + relief * (far / 3.0) * (1.0 - (far / 7.0).abs());
                }
            }
        }
    }

    /// Adds a rubbed area: ink thinned in a ragged patch.
    fn scuff(&mut self, rng: &mut Stream) {
        let (x0, y0) = (rng.random_range(0.0..WIDTH as f32), rng.random_range(0.0..HEIGHT as f32));
        let (rx, ry) = (rng.random_range(5.0..24.0_f32), rng.random_range(3.0..12.0_f32));
        let loss = rng.random_range(0.1..0.45_f32);
        let grain = Field::new(rng, 2.0 * rx, 2.0 * ry, 2.5);
        for v in (y0 - ry) as i32..=(y0 + ry) as i32 {
            for u in (x0 - rx) as i32..=(x0 + rx) as i32 {
                let (dx, dy) = (u as f32 - x0, v as f32 - y0);
                let inside = 1.0 - (dx / rx).powi(2) - (dy / ry).powi(2);
                if let (Some(i), true) = (index(u, v), inside > 0.0) {
                    let grit = (0.5 + 0.9 * grain.at((dx + rx).min(2.0 * rx), (dy + ry).min(2.0 * ry))).clamp(0.0, 1.0);
                    self.ink[i] *= 1.0 - loss * grit * inside.min(0.5) * 2.0;
                }
            }
        }
    }
}

fn index(u: i32, v: i32) -> Option<usize> {
    let on = (0..WIDTH as i32).contains(&u) && (0..HEIGHT as i32).contains(&v);
    on.then(|| (v * WIDTH as i32 + u) as usize)
}
