//! The printing plates: the art that is the same on every note, engraved once and cached.
//!
//! A note is printed from two plates: the tint plate (fine-line ground and rosettes, in the iris ink) and the line
//! plate (frame, emblem, lettering and microprint, in the dark ink). A forger's plate is the same drawing with one
//! mistake. So all plates are made by the same functions, each on first use.

use std::sync::OnceLock;

use super::canvas::{Canvas, EDGE, LEVELS, PLATE, SCALE};
use super::emblem::{self, COPYIST, ENGRAVER};
use super::guilloche::{Ring, braid, ground, ring};
use super::lettering::{NUMERAL, PLAIN, ROMAN, Typeface, centred, width, write};
use super::{HEIGHT, WIDTH};

/// Centre of the large rosette with the numeral, in pixels.
pub(super) const ROSETTE: [f32; 2] = [304.0, 104.0];
/// Cap height of the microprint, in pixels.
const MICRO_CAP: f32 = 3.9;

/// A plate that prints: bytes as from [`Canvas::plate`], [`PLATE`] cells, row by row.
pub(super) type Plate = Vec<u8>;

/// The tint plate: fine-line ground and rosettes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Tint {
    /// As engraved.
    True,
    /// The rosettes have other periods.
    WrongPeriod,
}

/// The line plate: frame, emblem, lettering.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    /// As engraved.
    True,
    /// The microprint has run together.
    SmearedMicroprint,
    /// The emblem is redrawn by eye.
    RedrawnEmblem,
    /// The numeral is altered from a lower value.
    RaisedNumeral,
}

impl Tint {
    /// The plate, engraved on first use.
    pub(super) fn plate(self) -> &'static Plate {
        static TRUE: OnceLock<Plate> = OnceLock::new();
        static WRONG: OnceLock<Plate> = OnceLock::new();
        match self {
            Self::True => TRUE.get_or_init(|| tint([1.0, 1.0, 1.0]).plate()),
            Self::WrongPeriod => WRONG.get_or_init(|| tint([0.8, 1.25, 0.8]).plate()),
        }
    }
}

impl Line {
    /// The plate, engraved on first use.
    pub(super) fn plate(self) -> &'static Plate {
        static TRUE: OnceLock<Plate> = OnceLock::new();
        static SMEARED: OnceLock<Plate> = OnceLock::new();
        static REDRAWN: OnceLock<Plate> = OnceLock::new();
        static RAISED: OnceLock<Plate> = OnceLock::new();
        match self {
            Self::True => TRUE.get_or_init(|| line(self).plate()),
            Self::SmearedMicroprint => SMEARED.get_or_init(|| line(self).plate()),
            Self::RedrawnEmblem => REDRAWN.get_or_init(|| line(self).plate()),
            Self::RaisedNumeral => RAISED.get_or_init(|| line(self).plate()),
        }
    }
}

/// The share of ink of the true tint plate around each picture pixel, 0..1, row by row. A forger's dot screen copies
/// this tone.
pub(super) fn tint_tone() -> &'static [f32] {
    static TONE: OnceLock<Vec<f32>> = OnceLock::new();
    TONE.get_or_init(|| {
        let plate = Tint::True.plate();
        let radius = 2 * SCALE as i32;
        let mean = |x: i32, y: i32| {
            let (mut sum, mut count) = (0.0, 0.0);
            for v in (y - radius).max(0)..(y + radius).min(PLATE[1] as i32) {
                for u in (x - radius).max(0)..(x + radius).min(PLATE[0] as i32) {
                    let level = f32::from(plate[v as usize * PLATE[0] + u as usize]);
                    sum += ((level - EDGE) / LEVELS + 0.5).clamp(0.0, 1.0);
                    count += 1.0;
                }
            }
            sum / count
        };
        let middle = |i: u32| (i as usize * SCALE + SCALE / 2) as i32;
        (0..HEIGHT).flat_map(|y| (0..WIDTH).map(move |x| mean(middle(x), middle(y)))).collect()
    })
}

/// Draws the ground and the rosettes. The period of each ring is multiplied by its factor in `periods`.
fn tint(periods: [f32; 3]) -> Canvas {
    let mut canvas = Canvas::new();
    ground(&mut canvas, [[15.5, 24.5], [368.5, 167.5]], 3.2);
    // The ground leaves room for the medallion and the rosettes.
    canvas.clip(|x, y| -emblem::oval(x, y, 10.5));
    for (centre, radius) in [(ROSETTE, 51.0), ([196.0, 104.0], 34.0)] {
        canvas.clip(|x, y| ((x - centre[0]).powi(2) + (y - centre[1]).powi(2)).sqrt() - radius);
    }
    let turned = |radii: [f32; 2], lobes: f32, strands: u16, which: usize, overtone: f32| Ring {
        radii,
        lobes: (lobes * periods[which]).round(),
        strands,
        half: 0.33,
        overtone,
    };
    for spec in [
        turned([36.5, 50.0], 24.0, 3, 0, 0.0),
        turned([22.0, 38.5], 16.0, 4, 1, 0.2),
        turned([5.0, 24.0], 10.0, 4, 2, 0.0),
    ] {
        ring(&mut canvas, ROSETTE, [1.0, 1.0], &spec);
    }
    for spec in [turned([17.5, 33.0], 20.0, 4, 0, 0.2), turned([3.0, 19.5], 12.0, 3, 1, 0.0)] {
        ring(&mut canvas, [196.0, 104.0], [1.0, 1.0], &spec);
    }
    canvas
}

fn line(variant: Line) -> Canvas {
    let mut canvas = Canvas::new();
    frame(&mut canvas);
    emblem::draw(&mut canvas, if variant == Line::RedrawnEmblem { COPYIST } else { ENGRAVER });
    titles(&mut canvas);
    numerals(&mut canvas, variant == Line::RaisedNumeral);
    microprint(&mut canvas, variant == Line::SmearedMicroprint);
    canvas
}

/// Draws the border: ruled lines, braids between them, and a panel with the denomination in each corner.
fn frame(canvas: &mut Canvas) {
    let (right, bottom) = (WIDTH as f32, HEIGHT as f32);
    for (inset, half) in [(4.5, 0.75), (6.3, 0.22), (13.6, 0.22), (15.0, 0.45)] {
        let (x, y) = (right - inset, bottom - inset);
        let rule = [[inset, inset], [x, inset], [x, y], [inset, y], [inset, inset]];
        canvas.stroke(&rule, half);
    }
    let mut turning = Canvas::new();
    for y in [9.95, bottom - 9.95] {
        braid(&mut turning, [6.0, y], [right - 6.0, y], 2.8, 12.0, 3);
    }
    for x in [9.95, right - 9.95] {
        braid(&mut turning, [x, 6.0], [x, bottom - 6.0], 2.8, 12.0, 3);
    }
    let corner = |x: f32, y: f32, size: f32| {
        let (u, v) = ((x - 0.5 * right).abs() - 0.5 * right, (y - 0.5 * bottom).abs() - 0.5 * bottom);
        (u + size).min(v + 0.72 * size)
    };
    turning.clip(|x, y| -corner(x, y, 25.0));
    canvas.add(&turning);
    let mut panels = Canvas::new().reaching(6.0);
    panels.shape(|x, y| corner(x, y, 25.0).min(0.5 * right - 5.0 - (x - 0.5 * right).abs()));
    panels
        .clip(|x, y| (0.5 * bottom - 5.0 - (y - 0.5 * bottom).abs()).min(0.5 * right - 5.0 - (x - 0.5 * right).abs()));
    let rim = panels.outline(0.4);
    // White figures on a solid panel: the figures are cut out of the panel, so that the paper shows.
    let mut figures = Canvas::new().reaching(6.0);
    for x in [15.2, right - 15.2] {
        for y in [15.6, bottom - 7.6] {
            centred(&mut figures, "50", &NUMERAL, [x, y], 7.6);
        }
    }
    panels.cut(&figures, 0.05);
    let mut room = Canvas::new().reaching(6.0);
    room.shape(|x, y| corner(x, y, 25.0));
    canvas.cut(&room, 0.0);
    canvas.add(&panels);
    canvas.add(&rim);
}

/// Draws the issuer, the word SPECIMEN and the promise.
fn titles(canvas: &mut Canvas) {
    shaded(canvas, "COUNTERFOIL", &ROMAN, [250.0, 40.5], 15.0);
    centred(canvas, "THIS SPECIMEN IS PAYABLE TO NO ONE AND BUYS NOTHING", &PLAIN, [250.0, 50.5], 3.9);
    shaded(canvas, "SPECIMEN", &ROMAN, [196.0, 111.5], 16.5);
    centred(canvas, "FIFTY LEAVES", &ROMAN, [196.0, 147.0], 6.2);
    signature(canvas);
}

/// Draws letters with a ruled shadow to their lower right. The ground around them is cut away.
fn shaded(canvas: &mut Canvas, text: &str, face: &Typeface, middle: [f32; 2], cap: f32) {
    let mut letters = Canvas::new().reaching(8.0);
    centred(&mut letters, text, face, middle, cap);
    let mut shadow = Canvas::new();
    for step in 1..=3_u8 {
        let off = 0.6 * f32::from(step);
        centred(&mut shadow, text, face, [middle[0] + off, middle[1] + off], cap);
    }
    let mut ruling = Canvas::new();
    let span = width(text, face, cap) + 12.0;
    for i in 0..40_u8 {
        let y = middle[1] - 1.3 * cap + 1.5 * f32::from(i);
        ruling.stroke(&[[middle[0] - 0.5 * span, y], [middle[0] + 0.5 * span, y]], 0.3);
    }
    shadow.within(&ruling, 0.0);
    shadow.cut(&letters, 0.5);
    canvas.cut(&letters, 0.8);
    canvas.add(&shadow);
    canvas.add(&letters);
}

fn signature(canvas: &mut Canvas) {
    let line: Vec<[f32; 3]> = (0..=150_u8)
        .map(|i| {
            let t = f32::from(i) / 150.0;
            let swing = 4.6 * (1.0 - 0.75 * t) * (0.6 + 0.4 * (9.0 * t).cos());
            let x = 172.0 + 48.0 * t + 2.6 * (44.0 * t).cos();
            let y = 156.5 + swing * (44.0 * t + 0.8).sin() - 3.0 * t;
            [x, y, 0.22 + 0.2 * (44.0 * t + 0.4).cos().max(0.0)]
        })
        .collect();
    canvas.swelling(&line);
}

/// Draws the large numeral on the rosette: solid strokes with a white inline, and an outline.
fn numerals(canvas: &mut Canvas, raised: bool) {
    let (middle, cap) = ([ROSETTE[0], ROSETTE[1] + 18.5], 37.0);
    let mut figure = Canvas::new().reaching(10.0);
    centred(&mut figure, "50", &NUMERAL, middle, cap);
    let mut inline = Canvas::new().reaching(8.0);
    let fine = Typeface { stem: 0.022, hair: 0.002, serif: 0.0, ..NUMERAL };
    centred(&mut inline, "50", &fine, middle, cap);
    let mut solid = figure.clone();
    solid.cut(&inline, 0.0);
    let mut around = Canvas::new().reaching(10.0);
    let wide = Typeface { stem: NUMERAL.stem + 0.035, hair: NUMERAL.hair + 0.035, ..NUMERAL };
    centred(&mut around, "50", &wide, middle, cap);
    canvas.cut(&around, 0.0);
    canvas.add(&around.outline(0.26));
    canvas.add(&solid);
    if raised {
        let mut ghost = Canvas::new();
        let old = Typeface { stem: 0.02, hair: 0.02, serif: 0.1, ..NUMERAL };
        centred(&mut ghost, "10", &old, middle, cap);
        canvas.add(&ghost);
    }
}

/// Draws two lines of microprint, at the foot and at the head of the note.
fn microprint(canvas: &mut Canvas, smeared: bool) {
    let text = "COUNTERFOIL SPECIMEN FIFTY LEAVES ".repeat(8);
    let mut lines = Canvas::new();
    for (left, right, baseline) in [(18.0, 366.0, 173.4), (18.0, 366.0, 22.4)] {
        let mut row = String::new();
        for c in text.chars() {
            row.push(c);
            if width(&row, &PLAIN, MICRO_CAP) > right - left {
                row.pop();
                break;
            }
        }
        let start = left + 0.5 * (right - left - width(row.trim(), &PLAIN, MICRO_CAP));
        if smeared {
            smear(&mut lines, &row, [start, baseline]);
        } else {
            write(&mut lines, row.trim(), &PLAIN, [start, baseline], MICRO_CAP);
        }
    }
    canvas.add(&lines);
}

/// Draws microprint that the press could not hold: each letter is a blot with about the same amount of ink.
fn smear(canvas: &mut Canvas, row: &str, at: [f32; 2]) {
    let mut x = at[0];
    for c in row.trim().chars() {
        let advance = width(&c.to_string(), &PLAIN, MICRO_CAP);
        if c != ' ' {
            let y = at[1] - 0.5 * MICRO_CAP;
            canvas.segment([x, y - 0.5], [x + advance, y + 0.5], 0.66, 0.5);
        }
        x += advance + PLAIN.track * MICRO_CAP;
    }
}
