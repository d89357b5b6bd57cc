//! The overview page of a zoo: a row of genuine pictures, then one row per family in the order of zoo.toml.

use image::{GrayImage, Luma, imageops};

/// Pictures per row.
pub(super) const COLUMNS: usize = 20;
/// Gap between two pictures in pixels, and its grey level.
const GUTTER: u32 = 2;
const SHADE: Luma<u8> = Luma([96]);

/// Draws the page. Every picture has the size of the first.
pub(super) fn sheet(rows: &[Vec<GrayImage>]) -> GrayImage {
    let (width, height) = rows.iter().flatten().next().map_or((1, 1), GrayImage::dimensions);
    let (across, down) = (width + GUTTER, height + GUTTER);
    let mut page = GrayImage::from_pixel(COLUMNS as u32 * across, rows.len() as u32 * down, SHADE);
    for (y, row) in rows.iter().enumerate() {
        for (x, picture) in row.iter().enumerate() {
            imageops::replace(&mut page, picture, x as i64 * i64::from(across), y as i64 * i64::from(down));
        }
    }
    page
}
