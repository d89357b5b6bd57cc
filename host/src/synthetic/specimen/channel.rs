//! The imaging channel: lighting, lens, sensor and JPEG turn a print into a photograph, genuine or forged.
//!
//! A detector on a box sees only photographs, so a genuine note that was printed and photographed must stay genuine.
//! A rescan forgery goes through this channel twice, with a second print in between.

use std::io::Cursor;

use image::codecs::jpeg::{JpegDecoder, JpegEncoder};
use image::{DynamicImage, RgbImage};
use rand::{Rng, RngCore};

use super::press::{Picture, View};
use super::stream::{Stream, within};
use super::{HEIGHT, WIDTH};

/// One shot: the position of the camera, and its effect on the light.
pub(super) struct Shot {
    /// Rotation in radians and shift in pixels, relative to a straight view.
    turn: f32,
    shift: [f32; 2],
    zoom: f32,
    /// Light in the middle, its slope across and down, and its fall-off towards the corners.
    exposure: f32,
    slope: [f32; 2],
    falloff: f32,
    /// White balance per channel, and haze.
    balance: [f32; 3],
    haze: f32,
    /// Standard deviation of the lens blur in pixels, and the strength of the camera's sharpening.
    blur: f32,
    sharpen: f32,
    /// Noise in grey levels of 255.
    noise: f32,
    quality: u8,
}

impl Shot {
    /// A random shot of the box's camera.
    pub(super) fn camera(rng: &mut Stream) -> Self {
        Self {
            turn: within(rng, 0.008),
            shift: [within(rng, 1.6), within(rng, 1.2)],
            zoom: 1.0 + within(rng, 0.006),
            exposure: rng.random_range(0.86..1.02),
            slope: [within(rng, 0.08), within(rng, 0.06)],
            falloff: rng.random_range(0.0..0.08),
            balance: [1.0 + within(rng, 0.035), 1.0, 1.0 + within(rng, 0.045)],
            haze: rng.random_range(0.0..0.07),
            blur: rng.random_range(0.35..0.72),
            sharpen: rng.random_range(0.0..0.5),
            noise: rng.random_range(1.0..4.5),
            quality: rng.random_range(80..=94),
        }
    }

    /// A random pass of a forger's flat-bed scanner: even light, little noise.
    pub(super) fn scanner(rng: &mut Stream) -> Self {
        Self {
            zoom: 2.0,
            exposure: rng.random_range(0.97..1.0),
            slope: [0.0; 2],
            falloff: 0.0,
            haze: 0.0,
            blur: rng.random_range(1.0..1.2),
            sharpen: rng.random_range(0.9..1.3),
            noise: rng.random_range(1.0..2.0),
            quality: rng.random_range(72..=86),
            ..Self::camera(rng)
        }
    }

    /// The mapping from the shot's pixels to the note.
    pub(super) fn view(&self) -> View {
        // The rotation is less than a degree, so the sine is replaced by the angle.
        let (cos, sin) = ((1.0 - 0.5 * self.turn * self.turn) / self.zoom, self.turn / self.zoom);
        let (across, down) = ([cos, sin], [-sin, cos]);
        let half = [WIDTH as f32, HEIGHT as f32].map(|v| 0.5 * v);
        let dots = half.map(|v| v * self.zoom.round());
        View {
            width: 2 * dots[0] as usize,
            height: 2 * dots[1] as usize,
            origin: [0, 1].map(|k| half[k] + self.shift[k] - dots[0] * across[k] - dots[1] * down[k]),
            across,
            down,
            samples: if self.zoom > 1.5 { 2 } else { 3 },
        }
    }

    /// Exposes a picture: the camera's JPEG, decoded again.
    pub(super) fn expose(&self, mut picture: Picture, rng: &mut Stream) -> RgbImage {
        self.light(&mut picture);
        convolve(&mut picture, &lens(self.blur, self.sharpen));
        jpeg(&self.sense(&picture, rng), self.quality)
    }

    fn light(&self, picture: &mut Picture) {
        let (w, h) = (picture.width as f32, picture.height as f32);
        for (i, pixel) in picture.light.iter_mut().enumerate() {
            let x = (i % picture.width) as f32 / w * 2.0 - 1.0;
            let y = (i / picture.width) as f32 / h * 2.0 - 1.0;
            let gain = self.exposure + self.slope[0] * x + self.slope[1] * y - self.falloff * 0.5 * (x * x + y * y);
            for (value, balance) in pixel.iter_mut().zip(self.balance) {
                *value = (*value * (1.0 - self.haze) + self.haze) * gain * balance;
            }
        }
    }

    /// Adds the sensor's noise and quantises to 0..=255.
    fn sense(&self, picture: &Picture, rng: &mut Stream) -> RgbImage {
        // The sum of four random bytes is nearly normal, and the same on every platform: mean 510, standard deviation
        // 147.8.
        let mut bytes = vec![0_u8; picture.light.len() * 12];
        rng.fill_bytes(&mut bytes);
        let scale = self.noise / 147.8;
        let samples = picture.light.as_flattened().iter().zip(bytes.chunks_exact(4)).map(|(&value, four)| {
            let sum: u16 = four.iter().map(|&b| u16::from(b)).sum();
            let grain = (f32::from(sum) - 510.0) * scale;
            // Shot noise grows with the light; a constant part remains in the dark.
            let swing = 0.55 + 0.45 * value.clamp(0.0, 1.0);
            (value * 255.0 + grain * swing + 0.5).clamp(0.0, 255.0) as u8
        });
        let mut image = RgbImage::new(picture.width as u32, picture.height as u32);
        for (byte, sample) in image.iter_mut().zip(samples) {
            *byte = sample;
        }
        image
    }
}

/// Lens blur and sharpening as one kernel of seven taps, applied along both axes.
fn lens(blur: f32, sharpen: f32) -> [f32; 7] {
    let bell = |deviation: f32| {
        let raw = [0, 1, 2, 3].map(|i| (-((i * i) as f32) / (2.0 * deviation * deviation)).exp());
        let sum = raw[0] + 2.0 * (raw[1] + raw[2] + raw[3]);
        raw.map(|v| v / sum)
    };
    let (narrow, wide) = (bell(blur), bell((blur * blur + 1.0).sqrt()));
    [3, 2, 1, 0, 1, 2, 3].map(|i: usize| (1.0 + sharpen) * narrow[i] - sharpen * wide[i])
}

/// Convolves along the rows, then along the columns. The edge pixels are repeated beyond the edge.
fn convolve(picture: &mut Picture, taps: &[f32; 7]) {
    let (w, h) = (picture.width, picture.height);
    let mut across = vec![[0.0; 3]; w * h];
    for (from, to) in picture.light.chunks_exact(w).zip(across.chunks_exact_mut(w)) {
        for (x, out) in to.iter_mut().enumerate() {
            for (t, tap) in taps.iter().enumerate() {
                let pixel = from[(x + t).saturating_sub(3).min(w - 1)];
                for k in 0..3 {
                    out[k] += tap * pixel[k];
                }
            }
        }
    }
    for (y, to) in picture.light.chunks_exact_mut(w).enumerate() {
        to.fill([0.0; 3]);
        for (t, tap) in taps.iter().enumerate() {
            let from = (y + t).saturating_sub(3).min(h - 1) * w;
            for (out, pixel) in to.iter_mut().zip(&across[from..from + w]) {
                for k in 0..3 {
                    out[k] += tap * pixel[k];
                }
            }
        }
    }
}

/// Encodes the picture as JPEG and decodes it again.
fn jpeg(image: &RgbImage, quality: u8) -> RgbImage {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, quality).encode_image(image).expect("encoding into memory cannot fail");
    let decoder = JpegDecoder::new(Cursor::new(bytes)).expect("a JPEG just written has a header");
    DynamicImage::from_decoder(decoder).expect("a JPEG just written decodes").into_rgb8()
}
