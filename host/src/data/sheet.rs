//! What a detector sees of pictures, drawn as one picture for a person.

use counterfoil_models::{Frame, Preprocess, Result};
use image::imageops::{FilterType, overlay, resize};
use image::{Rgb, RgbImage};

use super::Item;
use super::samples::pool as pooled;

/// Most pictures on a sheet.
pub const MOST: usize = 6;
/// Side of a place on the sheet, in pixels.
const SIDE: u32 = 192;
/// Pixels between two places and around all of them.
const GAP: u32 = 6;
const PAPER: Rgb<u8> = Rgb([255; 3]);
/// Colour of the line around the article or a region.
const LINE: Rgb<u8> = Rgb([220, 40, 40]);

/// Draws a column for each of the first [`MOST`] pictures in which the article is found.
///
/// At the top is the picture with a line around the article, or around each region where the whole picture is the
/// article. Below it is the network's input, the regions side by side. Where blocks of `pool` (width, height) pixels of
/// the input are averaged for the detective, what it sees is at the bottom.
/// `None` when there is no such picture.
#[must_use]
pub fn sheet(items: &[&Item], input: &Preprocess, pool: [usize; 2]) -> Option<RgbImage> {
    let columns = items.iter().filter_map(|item| views(&*item.frame().ok()?, input, pool).ok());
    let columns: Vec<Vec<RgbImage>> = columns.take(MOST).collect();
    let side = |places: usize| places as u32 * (SIDE + GAP) + GAP;
    let mut sheet = RgbImage::from_pixel(side(columns.len()), side(columns.first()?.len()), PAPER);
    for (column, views) in columns.iter().enumerate() {
        for (row, view) in views.iter().enumerate() {
            let start = |place: usize, length: u32| i64::from(side(place) + (SIDE - length) / 2);
            overlay(&mut sheet, view, start(column, view.width()), start(row, view.height()));
        }
    }
    Some(sheet)
}

/// The views of one picture, from top to bottom.
fn views(frame: &Frame, input: &Preprocess, pool: [usize; 2]) -> Result<Vec<RgbImage>> {
    let plane = input.plane(frame)?;
    let [_, c, h, w] = plane.shape();
    let mut views = vec![outlined(frame, input)?, fitted(&tiled(plane.bytes(), (c, h, w)))];
    if pool != [1, 1] {
        let blocks = plane.bytes().chunks_exact(c * h * w).flat_map(|row| pooled(row, (c, h, w), pool));
        views.push(fitted(&tiled(&blocks.collect::<Vec<u8>>(), (c, h / pool[1], w / pool[0]))));
    }
    Ok(views)
}

/// The picture at the sheet's size with its outlines.
fn outlined(frame: &Frame, input: &Preprocess) -> Result<RgbImage> {
    let mut shown = fitted(&frame.to_rgb());
    let scale = f64::from(shown.width()) / f64::from(frame.width());
    let outlines: Vec<[(f64, f64); 4]> = match input.article.outline(frame)? {
        Some(outline) => vec![outline.corners()],
        None if input.rows() > 1 => {
            let (width, height) = (f64::from(frame.width()), f64::from(frame.height()));
            let corners = |[x, y, w, h]: [f64; 4]| [(x, y), (x + w, y), (x + w, y + h), (x, y + h)];
            let in_pixels = |corner: (f64, f64)| (corner.0 * width, corner.1 * height);
            input.regions.iter().map(|region| corners((*region).into()).map(in_pixels)).collect()
        }
        None => Vec::new(),
    };
    for corners in outlines {
        for (at, from) in corners.into_iter().enumerate() {
            line(&mut shown, from, corners[(at + 1) % 4], scale);
        }
    }
    Ok(shown)
}

/// Draws a line two pixels wide between two places of the picture before it was scaled.
fn line(shown: &mut RgbImage, from: (f64, f64), to: (f64, f64), scale: f64) {
    let steps = 4 * SIDE;
    for step in 0..=steps {
        let share = f64::from(step) / f64::from(steps);
        let at = |from: f64, to: f64| ((from + share * (to - from)) * scale) as i64;
        for (dx, dy) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
            let (x, y) = (at(from.0, to.0) + dx, at(from.1, to.1) + dy);
            if let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y))
                && let Some(pixel) = shown.get_pixel_mut_checked(x, y)
            {
                *pixel = LINE;
            }
        }
    }
}

/// Rows `[R, C, H, W]` side by side, in about as many lines as columns.
fn tiled(rows: &[u8], (c, h, w): (usize, usize, usize)) -> RgbImage {
    let count = rows.len() / (c * h * w);
    let columns = (1..=count).find(|columns| columns * columns >= count).unwrap_or(1);
    let lines = count.div_ceil(columns);
    RgbImage::from_fn((columns * w) as u32, (lines * h) as u32, |x, y| {
        let (x, y) = (x as usize, y as usize);
        let row = y / h * columns + x / w;
        let at = |channel: usize| (row * c + channel) * h * w + y % h * w + x % w;
        if row < count { Rgb([0, 1, 2].map(|channel| rows[at(channel % c)])) } else { PAPER }
    })
}

/// A picture scaled to the largest size that fits a place.
fn fitted(picture: &RgbImage) -> RgbImage {
    let longest = picture.width().max(picture.height());
    let side = |side: u32| (side * SIDE / longest).max(1);
    // Single pixels stay visible where there are few.
    let filter = if longest > SIDE { FilterType::Triangle } else { FilterType::Nearest };
    resize(picture, side(picture.width()), side(picture.height()), filter)
}

#[cfg(test)]
mod tests {
    use counterfoil_models::{Article, Color, Region};
    use image::{GrayImage, Luma};

    use super::*;

    #[test]
    fn a_column_shows_the_outline_the_input_and_the_detectives_view() {
        let bar = Frame::Grey(GrayImage::from_fn(200, 100, |x, y| {
            Luma([if (50..150).contains(&x) && (40..60).contains(&y) { 40 } else { 200 }])
        }));
        let input = Preprocess { article: Article::Aligned, ..Preprocess::whole(64, 32, Color::Grey) };
        let [outlined, plane, game] = <[RgbImage; 3]>::try_from(views(&bar, &input, [2, 1]).unwrap()).unwrap();
        let lines = |view: &RgbImage| (0..view.height()).filter(|y| *view.get_pixel(96, *y) == LINE).count();
        assert_eq!(
            (lines(&outlined), lines(&plane), lines(&game)),
            (4, 0, 0),
            "two lines of two pixels around the bar"
        );
        assert_eq!(game.dimensions(), (192, 192));
        assert_eq!(game.get_pixel(96, 96).0, [40; 3], "the bar is in the middle");

        let regions = vec![Region::from([0.0, 0.0, 0.5, 0.5]), Region::from([0.5, 0.5, 0.5, 0.5])];
        let input = Preprocess { regions, ..Preprocess::whole(16, 16, Color::Grey) };
        let drawn = views(&bar, &input, [1, 1]).unwrap();
        assert!(drawn.len() == 2 && drawn[0].pixels().any(|pixel| *pixel == LINE), "regions have lines");
        assert_eq!(drawn[1].dimensions(), (192, 96), "two regions side by side");
        assert_eq!(sheet(&[], &input, [1, 1]), None);
    }
}
