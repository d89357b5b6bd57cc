//! RUN/samples/step-NNNNNNNN.png: the averaged generator's pictures of fixed latents, as one grid.

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use image::{ImageFormat, Rgb, RgbImage, imageops};

use super::super::Error;
use super::super::sampler::GeneratorSampler;
use super::super::step::GanTrainer;
use super::{Observer, Step};
use crate::durable;
use crate::math::random::{normal, stream};

/// Cells per side of the grid.
const SIDE: usize = 8;
/// Pixels between two cells and around the grid.
const GUTTER: usize = 2;
/// Cells are enlarged by a whole factor, at most 3, up to this side in pixels; small ones would be hard to see.
const CELL: usize = 96;

/// Writes a grid at every step that is a multiple of `every`, and at the end.
pub(in super::super) struct Grids {
    run: PathBuf,
    every: u64,
}

impl Grids {
    /// Begins with the trainer's step in the run folder `run`. Removes grids that will be written again, and writes
    /// the grid of step 0, or the last one if the training has already `ended`.
    pub(in super::super) fn begin(run: &Path, every: u64, trainer: &GanTrainer, ended: bool) -> Result<Self, Error> {
        let first = trainer.step;
        // A grid off the schedule was written at an end; it is removed when the training continues.
        let kept = first.is_multiple_of(every) && first > 0;
        drop_from(run, first + u64::from(kept))?;
        if first == 0 || (ended && !kept) {
            write(trainer, run)?;
        }
        Ok(Self { run: run.to_path_buf(), every })
    }
}

impl Observer for Grids {
    fn observe(&mut self, step: &Step) -> Result<(), Error> {
        if step.record.step.is_multiple_of(self.every) || step.due.end {
            write(step.trainer, &self.run)?;
        }
        Ok(())
    }
}

/// Writes the grid of the averaged generator on the run's fixed latents.
fn write(trainer: &GanTrainer, run: &Path) -> Result<(), Error> {
    let sampler = GeneratorSampler::of_network(&trainer.average, trainer.config.latent, trainer.shape)?;
    let z = normal(&mut stream(trainer.config.seed, "grid", 0), SIDE * SIDE * trainer.config.latent); // [64, Z]
    let grid = tile(&sampler.bytes(&z)?, trainer.shape);
    let mut png = Cursor::new(Vec::new());
    grid.write_to(&mut png, ImageFormat::Png).expect("eight bits a channel in memory are a PNG");
    let path = place(run, trainer.step);
    durable::write(&path, png.get_ref()).map_err(Error::io("write the sample grid", &path))
}

fn place(run: &Path, step: u64) -> PathBuf {
    run.join("samples").join(format!("step-{step:08}.png"))
}

/// Removes the grids of `step` and later ones. They were left by a run that stopped before its next
/// checkpoint, or off the schedule.
fn drop_from(run: &Path, step: u64) -> Result<(), Error> {
    let first = place(run, step);
    for grid in grids(run).iter().filter(|grid| **grid >= first) {
        fs::remove_file(grid).map_err(Error::io("remove the sample grid", grid))?;
    }
    Ok(())
}

/// The step in the file name of a grid or a checkpoint; `None` for another name.
#[must_use]
pub fn step_of(file: &Path) -> Option<u64> {
    file.file_stem()?.to_str()?.strip_prefix("step-")?.parse().ok()
}

/// The grid files of a run, oldest first.
#[must_use]
pub fn grids(run: &Path) -> Vec<PathBuf> {
    let folder = fs::read_dir(run.join("samples")).into_iter().flatten().flatten();
    let mut grids: Vec<PathBuf> =
        folder.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == "png")).collect();
    grids.sort();
    grids
}

/// Arranges up to 64 pictures [C, H, W] in a grid, row by row.
fn tile(pictures: &[Vec<u8>], (channels, height, width): (usize, usize, usize)) -> RgbImage {
    let factor = (CELL / height.max(width)).clamp(1, 3);
    let pitch = |side: usize| side * factor + GUTTER;
    let (rows, columns) = (pitch(height) * SIDE + GUTTER, pitch(width) * SIDE + GUTTER);
    let mut grid = RgbImage::from_pixel(columns as u32, rows as u32, Rgb([96, 96, 96]));
    for (index, picture) in pictures.iter().enumerate() {
        let cell = RgbImage::from_fn((width * factor) as u32, (height * factor) as u32, |x, y| {
            let pixel = y as usize / factor * width + x as usize / factor;
            Rgb([0, 1, 2].map(|channel| picture[channel.min(channels - 1) * height * width + pixel]))
        });
        let (x, y) = (GUTTER + index % SIDE * pitch(width), GUTTER + index / SIDE * pitch(height));
        imageops::replace(&mut grid, &cell, x as i64, y as i64);
    }
    grid
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
        let grid = tile(&[0, 128, 255].map(|value| vec![value; 28 * 28]), (1, 28, 28));
        assert_eq!(grid.dimensions(), (690, 690)); // 8 * (28 * 3 + 2) + 2
        assert_eq!([1, 2, 86 + 2, 172 + 2].map(|x| grid.get_pixel(x, 2).0[0]), [96, 0, 128, 255]);
    }
}
