//! What the generator makes now, as one picture: fixed latents go in, RUN/samples/step-NNNNNNNN.png comes out.

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use image::{ImageFormat, Rgb, RgbImage, imageops};

use super::Error;
use super::game::Game;
use crate::durable;
use crate::math::random::{normal, stream};
use crate::net::infer;

/// Cells a side.
const SIDE: usize = 8;
/// Pixels between two cells and around the grid.
const GUTTER: usize = 2;
/// Cells are enlarged by a whole factor, at most 3, while they stay within this many pixels: small ones would be hard to see.
const CELL: usize = 96;

/// Writes the grid of the averaged generator on the run's fixed latents.
pub(super) fn write(game: &Game, run: &Path) -> Result<(), Error> {
    let latent = game.config.latent;
    let z = normal(&mut stream(game.config.seed, "grid", 0), SIDE * SIDE * latent);
    let z = Tensor::from_vec(z, (SIDE * SIDE, latent), &Device::Cpu)?; // [64, Z]
    let pictures = infer(&game.average.layers()?, &z)?; // [64, C, H, W] in -1..1
    let grid = tile(&pictures)?;
    let mut png = Cursor::new(Vec::new());
    grid.write_to(&mut png, ImageFormat::Png).expect("eight bits a channel in memory are a PNG");
    let path = place(run, game.step);
    durable::write(&path, png.get_ref()).map_err(Error::io("write the sample grid", &path))
}

fn place(run: &Path, step: u64) -> PathBuf {
    run.join("samples").join(format!("step-{step:08}.png"))
}

/// Removes the grids of `step` and later ones: a run that stopped before its next checkpoint has left them, or one that stopped off the
/// schedule.
pub(super) fn drop_from(run: &Path, step: u64) -> Result<(), Error> {
    let first = place(run, step);
    for grid in grids(run).iter().filter(|grid| **grid >= first) {
        fs::remove_file(grid).map_err(Error::io("remove the sample grid", grid))?;
    }
    Ok(())
}

/// The step in the name of a grid or a checkpoint.
#[must_use]
pub fn step_of(file: &Path) -> Option<u64> {
    file.file_stem()?.to_str()?.strip_prefix("step-")?.parse().ok()
}

/// The grids of a run, oldest first.
#[must_use]
pub fn grids(run: &Path) -> Vec<PathBuf> {
    let folder = fs::read_dir(run.join("samples")).into_iter().flatten().flatten();
    let mut grids: Vec<PathBuf> =
        folder.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == "png")).collect();
    grids.sort();
    grids
}

/// Lays up to 64 pictures [N, C, H, W] in -1..1 out on a grid, row by row.
fn tile(pictures: &Tensor) -> candle_core::Result<RgbImage> {
    let (count, channels, height, width) = pictures.dims4()?;
    let bytes: Vec<u8> =
        pictures.flatten_all()?.to_vec1::<f32>()?.into_iter().map(|x| ((x + 1.0) * 127.5).round() as u8).collect();
    let factor = (CELL / height.max(width)).clamp(1, 3);
    let pitch = |side: usize| side * factor + GUTTER;
    let (rows, columns) = (pitch(height) * SIDE + GUTTER, pitch(width) * SIDE + GUTTER);
    let mut grid = RgbImage::from_pixel(columns as u32, rows as u32, Rgb([96, 96, 96]));
    for index in 0..count {
        let picture = &bytes[index * channels * height * width..][..channels * height * width];
        let cell = RgbImage::from_fn((width * factor) as u32, (height * factor) as u32, |x, y| {
            let pixel = y as usize / factor * width + x as usize / factor;
            Rgb([0, 1, 2].map(|channel| picture[channel.min(channels - 1) * height * width + pixel]))
        });
        let (x, y) = (GUTTER + index % SIDE * pitch(width), GUTTER + index / SIDE * pitch(height));
        imageops::replace(&mut grid, &cell, x as i64, y as i64);
    }
    Ok(grid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grid_tells_its_step() {
        assert_eq!(step_of(&place(Path::new("run"), 438)), Some(438));
        assert_eq!(step_of(Path::new("run/samples/holiday.png")), None);
    }

    #[test]
    fn cells_stand_in_order_enlarged_and_apart() {
        let pictures = [-1.0f32, 0.0, 1.0].map(|value| Tensor::full(value, (1, 1, 28, 28), &Device::Cpu).unwrap());
        let grid = tile(&Tensor::cat(&pictures, 0).unwrap()).unwrap();
        assert_eq!(grid.dimensions(), (690, 690)); // 8 * (28 * 3 + 2) + 2
        assert_eq!([1, 2, 86 + 2, 172 + 2].map(|x| grid.get_pixel(x, 2).0[0]), [96, 0, 128, 255]);
    }
}
