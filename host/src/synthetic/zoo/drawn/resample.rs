//! Resampling families: the picture went through a lens, a grid or a codec that lost detail.

use std::io::Cursor;

use image::codecs::jpeg::{JpegDecoder, JpegEncoder};
use image::{DynamicImage, GrayImage};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::synthetic::zoo::picture::Picture;

/// Blurs the original, like a camera out of focus.
pub(in crate::synthetic::zoo) fn blur(original: &Picture, rng: &mut ChaCha8Rng) -> Picture {
    original.blurred(rng.random_range(0.6..1.5))
}

/// Samples the original on a coarser grid and enlarges it again, smoothly or in squares.
pub(in crate::synthetic::zoo) fn pixelate(original: &Picture, rng: &mut ChaCha8Rng) -> Picture {
    let cell = rng.random_range(1.4..2.6_f32);
    let squares = rng.random_bool(0.5);
    let shift: [f32; 2] = [rng.random_range(0.0..cell), rng.random_range(0.0..cell)];
    // The mean over one cell of the coarse grid.
    let seen = |i: f32, j: f32| {
        let mut sum = 0.0;
        for (dx, dy) in [(0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75)] {
            sum += original.between((i + dx) * cell - shift[0], (j + dy) * cell - shift[1]);
        }
        0.25 * sum
    };
    original.drawn(|x, y| {
        let (u, v) = ((x as f32 + shift[0]) / cell, (y as f32 + shift[1]) / cell);
        if squares {
            return seen(u.floor(), v.floor());
        }
        let (i, j) = ((u - 0.5).floor(), (v - 0.5).floor());
        let (s, t) = (u - 0.5 - i, v - 0.5 - j);
        (seen(i, j) * (1.0 - s) + seen(i + 1.0, j) * s) * (1.0 - t)
            + (seen(i, j + 1.0) * (1.0 - s) + seen(i + 1.0, j + 1.0) * s) * t
    })
}

/// Encodes the original as JPEG at low quality and decodes it again.
pub(in crate::synthetic::zoo) fn jpeg(original: &Picture, rng: &mut ChaCha8Rng) -> Picture {
    Picture::of(&through_jpeg(&original.image(), rng.random_range(4..=30)))
}

fn through_jpeg(image: &GrayImage, quality: u8) -> GrayImage {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, quality).encode_image(image).expect("encoding into memory cannot fail");
    let decoder = JpegDecoder::new(Cursor::new(bytes)).expect("a JPEG just written has a header");
    DynamicImage::from_decoder(decoder).expect("a JPEG just written decodes").into_luma8()
}
