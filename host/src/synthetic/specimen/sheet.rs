//! A page to print: clean notes in rows with cut marks, each with its label in small print below it.
//!
//! The notes come straight from the press, without wear and camera: the user's own printer and camera take the place
//! of the channel.

use image::{Rgb, RgbImage};
use rayon::prelude::*;

use super::canvas::Canvas;
use super::family::Family;
use super::forge::proof;
use super::lettering::{PLAIN, write};
use super::piece::Piece;
use super::press::{Picture, View, print};
use super::stream::stream;
use super::{GENUINE, HEIGHT, WIDTH};

/// Width and height of an A4 page at 300 dpi, in dots.
const PAGE: [usize; 2] = [2480, 3508];
/// The margin that most printers cannot print on, in dots (7 mm).
const MARGIN: usize = 84;
/// Gap between notes in dots, with room for cut marks and label.
const GAP: usize = 56;
/// Length of a cut mark, and cap height of a label, in dots.
const MARK: usize = 18;
const LABEL: f32 = 16.0;

/// Draws an A4 page at 300 dpi with `real` genuine notes and `fakes_per_family` notes of each forger family, in as
/// many columns as needed.
#[must_use]
pub fn sheet(seed: u64, real: usize, fakes_per_family: usize) -> RgbImage {
    let mut notes: Vec<(Option<Family>, u64)> = (1..=real as u64).map(|i| (None, i)).collect();
    for &family in Family::ALL {
        notes.extend((1..=fakes_per_family as u64).map(|i| (Some(family), i)));
    }
    let mut page = RgbImage::from_pixel(PAGE[0] as u32, PAGE[1] as u32, Rgb([255; 3]));
    let (columns, width) = layout(notes.len());
    let height = width * HEIGHT as usize / WIDTH as usize;
    let view = View::straight(width, 3);
    let prints: Vec<Picture> = notes
        .par_iter()
        .map(|&(family, index)| match family {
            None => print(&Piece::fresh(&mut stream(seed, GENUINE, index)), &view),
            Some(family) => proof(family, &view, &mut stream(seed, family.purpose(), index)),
        })
        .collect();
    for (i, (picture, (family, index))) in prints.iter().zip(&notes).enumerate() {
        let corner = [MARGIN + (i % columns) * (width + GAP), MARGIN + (i / columns) * (height + GAP)];
        place(&mut page, picture, corner);
        marks(&mut page, corner, [width, height]);
        let kind = family.map_or("G", Family::name);
        label(&mut page, &format!("{kind} {index}").to_uppercase(), [corner[0], corner[1] + height]);
    }
    page
}

/// The smallest number of columns, from two up, with which `count` notes fit, and the width of a note in dots.
fn layout(count: usize) -> (usize, usize) {
    let mut columns = 2;
    loop {
        let width = (PAGE[0] - 2 * MARGIN + GAP) / columns - GAP;
        let rows = count.div_ceil(columns);
        let tall = rows * (width * HEIGHT as usize / WIDTH as usize + GAP);
        if tall <= PAGE[1] - 2 * MARGIN + GAP || width < 2 * GAP {
            return (columns, width);
        }
        columns += 1;
    }
}

fn place(page: &mut RgbImage, picture: &Picture, corner: [usize; 2]) {
    for (i, light) in picture.light.iter().enumerate() {
        let dot = light.map(|v| (v * 255.0 + 0.5).clamp(0.0, 255.0) as u8);
        set(page, corner[0] + i % picture.width, corner[1] + i / picture.width, dot);
    }
}

/// Draws two strokes at each corner, outside the note.
fn marks(page: &mut RgbImage, corner: [usize; 2], size: [usize; 2]) {
    for x in [corner[0], corner[0] + size[0]] {
        for y in [corner[1], corner[1] + size[1]] {
            for step in 6..MARK + 6 {
                let beyond = |v: usize, low: usize| if v == low { v - step } else { v + step };
                set(page, beyond(x, corner[0]), y, [90; 3]);
                set(page, x, beyond(y, corner[1]), [90; 3]);
            }
        }
    }
}

fn label(page: &mut RgbImage, text: &str, below: [usize; 2]) {
    let size = [700, 2 * LABEL as usize];
    let mut canvas = Canvas::over([0.0, 0.0], size, 1.0);
    write(&mut canvas, text, &PLAIN, [4.0, LABEL + 6.0], LABEL);
    for (i, ink) in canvas.coverage().into_iter().enumerate() {
        if ink > 0.0 {
            let grey = (255.0 - 165.0 * ink) as u8;
            set(page, below[0] + 20 + i % size[0], below[1] + 8 + i / size[0], [grey; 3]);
        }
    }
}

fn set(page: &mut RgbImage, x: usize, y: usize, dot: [u8; 3]) {
    if x < PAGE[0] && y < PAGE[1] {
        page.put_pixel(x as u32, y as u32, Rgb(dot));
    }
}
