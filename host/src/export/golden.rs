//! Synthetic pictures for a bundle's self test, as PNG or as JPEG. They show no real article and are the same in
//! every bundle.
//!
//! They exercise all steps on the box (both decoders, scaling, colour, the network), so they contain fine detail,
//! flat areas, colour and noise. There are few of them, because the box judges all of them at every start, two at a
//! time.

use std::io::Cursor;

use anyhow::{Result, ensure};
use counterfoil_edge::inference::{Engine, Outputs};
use counterfoil_models::{
    Article, Calibration, Frame, GOLDEN_TOLERANCE, Golden, Join, Plane, Preprocess, Score, Verdict, sketch,
};
use image::codecs::jpeg::JpegEncoder;
use image::{ImageFormat, Rgb, RgbImage};
use rand::Rng;

use crate::math::random::stream;

const WIDTH: u32 = 120;
const HEIGHT: u32 = 90;
const JPEG_QUALITY: u8 = 90;
/// Number of golden pictures in a bundle.
const COUNT: usize = 2;

/// A golden picture's file and the results it must give.
#[derive(Debug)]
pub(super) struct Drawn {
    /// The entry in the manifest.
    pub(super) golden: Golden,
    /// The file's bytes.
    pub(super) bytes: Vec<u8>,
    /// The network's input for the picture.
    pub(super) plane: Plane,
}

/// Draws the golden pictures and computes their results. A picture whose verdict could change within the tolerance is
/// replaced by the next one.
///
/// # Errors
/// When the network cannot be run on them, or none of them has a stable verdict.
pub(super) fn draw(input: &Preprocess, engine: &Engine, join: &Join, calibration: &Calibration) -> Result<Vec<Drawn>> {
    let mut drawn = Vec::new();
    use ImageFormat::{Jpeg, Png};
    for (name, format, picture) in
        [("weave.png", Png, weave()), ("patches.jpg", Jpeg, patches()), ("rings.jpg", Jpeg, rings())]
    {
        if drawn.len() == COUNT {
            break;
        }
        let picture = if matches!(input.article, Article::Whole | Article::Registered) {
            picture
        } else {
            laid_on_a_table(&picture)
        };
        let mut bytes = Vec::new();
        if format == Jpeg {
            JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY).encode_image(&picture)?;
        } else {
            picture.write_to(&mut Cursor::new(&mut bytes), format)?;
        }
        let plane = input.plane(&*Frame::decode(&bytes)?)?;
        let Outputs { score: rows, embedding, .. } = engine.run(&plane.to_f32())?;
        let score = join.join(&rows)?;
        if let Some(verdict) = steady(score, calibration)? {
            let file = format!("golden/{name}");
            let (plane_sha256, embedding) = (plane.sha256(), sketch(&embedding));
            let golden = Golden { file, plane_sha256, rows, embedding, score: score.get(), verdict };
            drawn.push(Drawn { golden, bytes, plane });
        }
    }
    ensure!(
        !drawn.is_empty(),
        "the scores of the drawn golden pictures lie on the threshold, so a box could not test itself on them; \
         train longer or on more pictures, or export with another --alpha"
    );
    Ok(drawn)
}

/// The verdict, if every score within twice the tolerance gets the same one.
fn steady(score: Score, calibration: &Calibration) -> Result<Option<Verdict>> {
    let margin = 2.0 * GOLDEN_TOLERANCE * score.get().abs().max(1.0);
    let at = |offset: f32| {
        Ok::<_, counterfoil_models::Error>(calibration.judge(Score::new(score.get() + offset)?).verdict())
    };
    let (low, middle, high) = (at(-margin)?, at(0.0)?, at(margin)?);
    Ok((low == middle && middle == high).then_some(middle))
}

/// The picture with a white rim on a plain dark ground, so that it can be found in it.
fn laid_on_a_table(picture: &RgbImage) -> RgbImage {
    const RIM: u32 = 10;
    RgbImage::from_fn(2 * WIDTH, 2 * HEIGHT, |x, y| {
        let (x, y) = (x.wrapping_sub(WIDTH / 2), y.wrapping_sub(HEIGHT / 2));
        let rim = |at: u32, side: u32| at.wrapping_add(RIM) < side + 2 * RIM;
        match picture.get_pixel_checked(x, y) {
            Some(pixel) => *pixel,
            None if rim(x, WIDTH) && rim(y, HEIGHT) => Rgb([245; 3]),
            None => Rgb([70; 3]),
        }
    })
}

/// Fine concentric lines that go out of phase between the channels.
fn rings() -> RgbImage {
    RgbImage::from_fn(WIDTH, HEIGHT, |x, y| {
        let (dx, dy) = (x as f32 - 55.0, y as f32 - 40.0);
        let radius = (dx * dx + dy * dy).sqrt();
        Rgb([0.9f32, 1.0, 1.1].map(|k| (160.0 + 80.0 * (radius * k).sin()) as u8))
    })
}

/// Crossed waves on a gradient, with noise.
fn weave() -> RgbImage {
    let mut noise = stream(1, "golden", 0);
    RgbImage::from_fn(WIDTH, HEIGHT, |x, y| {
        let wave = (x as f32 * 0.35).sin() * (y as f32 * 0.27).cos() * 45.0;
        let jitter: f32 = noise.random_range(-12.0..12.0);
        Rgb([0.4f32, 0.7, 1.0].map(|k| (110.0 + wave * k + x as f32 * 0.5 + jitter) as u8))
    })
}

/// Flat coloured patches with hard edges.
fn patches() -> RgbImage {
    let mut colours = stream(2, "golden", 0);
    let palette: Vec<[u8; 3]> = (0..20).map(|_| colours.random()).collect();
    RgbImage::from_fn(WIDTH, HEIGHT, |x, y| Rgb(palette[(x / 24 + 5 * (y / 23)) as usize]))
}
