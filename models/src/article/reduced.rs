//! A frame enters; a smaller picture of it leaves, in which the article is searched first.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::{InnerPixel, U8, U8x3};
use fast_image_resize::{FilterType, PixelTrait, ResizeAlg, ResizeOptions, Resizer};

use crate::Frame;

/// Longest side of the reduced picture, in pixels: an article is found to a pixel of it, and the time needed is bounded.
const LONGEST: u32 = 320;
/// Width of the outer ring, as a share of the picture's shorter side. The ring shows the table, since an article does
/// not touch the frame's edge.
pub(super) const RING: f64 = 0.06;

/// A frame whose longer side has at most [`LONGEST`] pixels.
pub(super) struct Reduced {
    /// `[height, width, channels]`
    pub(super) pixels: Vec<u8>,
    /// 1 or 3.
    pub(super) channels: usize,
    pub(super) width: usize,
    pub(super) height: usize,
    /// Pixels of the frame per pixel of the reduced picture, across and down.
    pub(super) scale: (f64, f64),
}

impl Reduced {
    pub(super) fn of(frame: &Frame) -> Self {
        let (width, height) = (frame.width(), frame.height());
        let longest = width.max(height);
        let side = |side: u32| {
            let reduced = (u64::from(side) * u64::from(LONGEST) / u64::from(longest)) as u32;
            if longest > LONGEST { reduced.max(1) } else { side }
        };
        let size = (side(width), side(height));
        let (pixels, channels) = match frame {
            Frame::Grey(image) => (reduce::<U8>(image.as_raw(), (width, height), size), 1),
            Frame::Rgb(image) => (reduce::<U8x3>(image.as_raw(), (width, height), size), 3),
        };
        let scale = (f64::from(width) / f64::from(size.0), f64::from(height) / f64::from(size.1));
        Self { pixels, channels, width: size.0 as usize, height: size.1 as usize, scale }
    }
}

/// Whether the pixel at an index of a reduced picture of this size lies in its outer ring.
pub(super) fn in_ring(width: usize, height: usize) -> impl Fn(usize) -> bool {
    let ring = ((width.min(height) as f64 * RING) as usize).max(2);
    move |at| {
        let (x, y) = (at % width, at / width);
        x < ring || y < ring || x + ring >= width || y + ring >= height
    }
}

/// Scales a picture by the mean of the pixels that each pixel of the result covers.
pub(crate) fn reduce<P: PixelTrait + InnerPixel<Component = u8>>(
    pixels: &[u8],
    (width, height): (u32, u32),
    (reduced_width, reduced_height): (u32, u32),
) -> Vec<u8> {
    let source =
        TypedImageRef::<P>::from_buffer(width, height, pixels).expect("a frame has a byte a channel and pixel");
    let mut reduced = TypedImage::<P>::new(reduced_width, reduced_height);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
    Resizer::new().resize_typed(&source, &mut reduced, &options).expect("the whole frame is reduced");
    P::components(reduced.pixels()).to_vec()
}
