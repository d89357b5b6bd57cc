//! Forges a note: applies the one mistake of a family to an otherwise ordinary note, and photographs it.

use image::RgbImage;
use rand::Rng;

use super::channel::Shot;
use super::family::Family;
use super::lettering::WRONG_NUMBERING;
use super::piece::{Colour, Piece, Screen};
use super::plates::{Line, Tint};
use super::press::{Picture, View, print};
use super::stream::{Stream, within};
use super::{HEIGHT, WIDTH};

/// Half the width of the clear tape over the join of a patchwork, in pixels.
const TAPE: f32 = 7.0;

/// A forged note, printed and photographed.
pub(super) fn photograph(family: Family, rng: &mut Stream) -> RgbImage {
    let piece = Piece::genuine(rng);
    let shot = Shot::camera(rng);
    let picture = forge_and_print(family, piece, Piece::genuine, &shot.view(), rng);
    shot.expose(picture, rng)
}

/// The print of a forged note without wear and camera, for the sheet.
pub(super) fn proof(family: Family, view: &View, rng: &mut Stream) -> Picture {
    let piece = Piece::fresh(rng);
    forge_and_print(family, piece, Piece::fresh, view, rng)
}

/// Forges a piece and prints it. `another` draws the second note that a patchwork needs.
fn forge_and_print(
    family: Family,
    piece: Piece,
    another: fn(&mut Stream) -> Piece,
    view: &View,
    rng: &mut Stream,
) -> Picture {
    let piece = forge(family, piece, rng);
    match family {
        Family::Rescan => {
            let scan = Shot::scanner(rng);
            let copy = scan.expose(print(&piece, &scan.view()), rng);
            reprint(&copy, view, rng)
        }
        Family::Patchwork => {
            let slip = rng.random_range(1.2..1.9_f32) * if rng.random_bool(0.5) { 1.0 } else { -1.0 };
            let lower = View { origin: [view.origin[0], view.origin[1] + slip], ..*view };
            let right = print(&another(rng), &lower);
            join(print(&piece, view), &right, view, rng)
        }
        _ => print(&piece, view),
    }
}

/// Applies the forger's changes to the piece before it is printed.
fn forge(family: Family, mut piece: Piece, rng: &mut Stream) -> Piece {
    match family {
        Family::Rescan | Family::Patchwork => {}
        Family::CoarseHalftone => {
            // Desktop printers set their screens at or near 45 degrees.
            let lean = 0.707 + within(rng, 0.05);
            piece.screen =
                Some(Screen { period: rng.random_range(3.3..3.7), turn: [lean, (1.0 - lean * lean).sqrt()] });
        }
        Family::WrongGuilloche => piece.tint_plate = Tint::WrongPeriod,
        Family::SmearedMicroprint => piece.line_plate = Line::SmearedMicroprint,
        Family::InkShift => piece.line_ink = add(piece.line_ink, [-0.07, 0.07, -0.10]),
        Family::Misregistered => {
            let (along, side) = (rng.random_range(1.5..2.3), within(rng, 0.8));
            let sign = if rng.random_bool(0.5) { 1.0 } else { -1.0 };
            piece.tint.shift = [piece.tint.shift[0] + side, piece.tint.shift[1] + sign * along];
        }
        Family::ThickenedLines => {
            piece.line.weight += 0.55;
            piece.line.density *= 0.81;
        }
        Family::FlatToner => {
            piece.line.depth = 0.0;
            piece.line.density *= 0.74;
            piece.wear.specks(rng, 70, 0.65);
        }
        Family::WrongTypeface => piece.numbering.face = WRONG_NUMBERING,
        Family::RedrawnEmblem => piece.line_plate = Line::RedrawnEmblem,
        Family::RaisedNumeral => piece.line_plate = Line::RaisedNumeral,
    }
    piece
}

fn add(colour: Colour, by: Colour) -> Colour {
    [0, 1, 2].map(|k| (colour[k] + by[k]).clamp(0.0, 1.0))
}

/// Joins the left of one print and the right of another, slightly out of line, under a strip of clear tape.
fn join(left: Picture, right: &Picture, view: &View, rng: &mut Stream) -> Picture {
    let (at, lean) = (WIDTH as f32 * 0.42 + within(rng, 5.0), within(rng, 0.05));
    let (tape, haze) = (TAPE + within(rng, 1.0), rng.random_range(0.09..0.15));
    let mut joined = left;
    for (i, pixel) in joined.light.iter_mut().enumerate() {
        let [x, y] = view.place((i % view.width) as f32 + 0.5, (i / view.width) as f32 + 0.5);
        let far = x - at - lean * (y - 0.5 * HEIGHT as f32);
        if far > 0.0 {
            *pixel = right.light[i];
        }
        if far.abs() < tape {
            *pixel = pixel.map(|v| v * (1.0 - haze) + haze * 0.8);
        }
        // The cut itself casts a shadow.
        let cut = (1.0 - (far / 0.6).abs()).max(0.0);
        *pixel = pixel.map(|v| v * (1.0 - 0.3 * cut));
    }
    joined
}

/// Prints a scan again, as seen in a view.
fn reprint(copy: &RgbImage, view: &View, rng: &mut Stream) -> Picture {
    let scale = copy.width() as f32 / WIDTH as f32;
    let gain = 1.0 / rng.random_range(0.9..0.95_f32);
    let mut light = Vec::with_capacity(view.width * view.height);
    for row in 0..view.height {
        for column in 0..view.width {
            let mut sum = [0.0; 3];
            for (dx, dy) in [(0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75)] {
                let place = view.place(column as f32 + dx, row as f32 + dy);
                let seen = between(copy, place.map(|v| v * scale - 0.5));
                for k in 0..3 {
                    sum[k] += 0.25 * seen[k];
                }
            }
            // Dot gain: toner spreads, so that midtones come out darker than they were.
            light.push(sum.map(|v| (v * gain).min(1.0)).map(|v| v * (0.86 + 0.14 * v)));
        }
    }
    Picture { width: view.width, height: view.height, light }
}

/// The scan's colour between its pixels, bilinear, 0..1.
fn between(copy: &RgbImage, place: [f32; 2]) -> Colour {
    let x = place[0].clamp(0.0, copy.width() as f32 - 1.001);
    let y = place[1].clamp(0.0, copy.height() as f32 - 1.001);
    let (u, v) = (x as u32, y as u32);
    let (s, t) = (x - u as f32, y - v as f32);
    let at = |u, v| copy.get_pixel(u, v).0.map(f32::from);
    let (a, b, c, d) = (at(u, v), at(u + 1, v), at(u, v + 1), at(u + 1, v + 1));
    [0, 1, 2].map(|k| ((a[k] * (1.0 - s) + b[k] * s) * (1.0 - t) + (c[k] * (1.0 - s) + d[k] * s) * t) / 255.0)
}
