//! Negative data augmentation (Sinha et al., 2102.05113): turns a genuine row into a row that counts as counterfeit.
//!
//! It is not known what an unseen counterfeit family gets wrong, only that it gets something wrong. So each
//! operation damages one property of a picture (position, tone, texture, sharpness, strokes, colour, which
//! parts belong together), over a range from subtle to obvious. The operations are broad on purpose: none is
//! a model of a particular forger.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use super::field;
use super::lines::Lines;
use crate::detector::plane::Plane;

/// One kind of damage. It changes a plane, given another genuine plane and a random stream.
type Operation = fn(&mut Plane, &Plane, &mut ChaCha8Rng);

/// Operations for every picture.
const OPERATIONS: [Operation; 13] =
    [turn, warp, filter, tone, noise, ripple, thicken, stencil, trace, join, shuffle, resample, erase];
/// Operations that change the whole surface and leave everything in its place.
const SURFACES: [Operation; 6] = [filter, tone, noise, ripple, stencil, resample];
/// Further operations for pictures in colour.
const COLOR_OPERATIONS: [Operation; 2] = [tint, misregister];

/// Probability that a second operation follows the first.
const SECOND: f64 = 0.35;
/// Probability that an operation is confined to a part of the picture.
const LOCAL: f64 = 0.25;

/// Damages the genuine row `row` and returns the result, `[C, H, W]` bytes each. `shape` is (channels, height,
/// width). `other` is another genuine row of that shape, for operations that join two pictures.
#[must_use]
pub(crate) fn negative(row: &[u8], other: &[u8], shape: (usize, usize, usize), rng: &mut ChaCha8Rng) -> Vec<u8> {
    let (genuine, other) = (Plane::of(row, shape), Plane::of(other, shape));
    let mut plane = genuine.clone();
    // An operation may leave a picture unchanged (a mirrored 0). Then it is damaged again, at most four times in all.
    for _ in 0..4 {
        damage(&mut plane, &other, rng);
        if rng.random_bool(SECOND) {
            damage(&mut plane, &other, rng);
        }
        if plane.distance(&genuine) > 0.004 {
            break;
        }
    }
    plane.bytes()
}

/// A genuine row with a piece of another genuine row that comes from another place (`CutPaste`, Li et al. 2021,
/// 2104.04015).
#[must_use]
pub(in crate::detector) fn misplaced(
    row: &[u8],
    other: &[u8],
    shape: (usize, usize, usize),
    rng: &mut ChaCha8Rng,
) -> Vec<u8> {
    let (mut plane, mut other) = (Plane::of(row, shape), Plane::of(other, shape));
    let (w, h) = (plane.width as f32, plane.height as f32);
    let (wide, high) = (rng.random_range(0.08..0.25) * w, rng.random_range(0.08..0.25) * h);
    let [from, to] = [(); 2].map(|()| (rng.random_range(0.0..w - wide), rng.random_range(0.0..h - high)));
    other.sample(|x, y| (x - to.0 + from.0, y - to.1 + from.1));
    let width = plane.width;
    plane.blend(&other, |pixel| {
        let (x, y) = ((pixel % width) as f32 - to.0, (pixel / width) as f32 - to.1);
        f32::from(u8::from((0.0..wide).contains(&x) && (0.0..high).contains(&y)))
    });
    plane.bytes()
}

/// A genuine row whose whole surface is that of a copy: blurred or sharpened, of other tones, with noise or a regular
/// pattern, redrawn or resampled.
#[must_use]
pub(in crate::detector) fn resurfaced(row: &[u8], shape: (usize, usize, usize), rng: &mut ChaCha8Rng) -> Vec<u8> {
    let mut plane = Plane::of(row, shape);
    let operation = SURFACES[rng.random_range(0..SURFACES.len())];
    operation(&mut plane, &Plane::of(row, shape), rng);
    plane.bytes()
}

fn damage(plane: &mut Plane, other: &Plane, rng: &mut ChaCha8Rng) {
    let colors = if plane.channels == 3 { &COLOR_OPERATIONS[..] } else { &[] };
    let number = rng.random_range(0..OPERATIONS.len() + colors.len());
    let operation = OPERATIONS.iter().chain(colors).nth(number).expect("the number is one of theirs");
    if rng.random_bool(LOCAL) {
        let whole = plane.clone();
        operation(plane, other, rng);
        let mask = field::blob(plane, rng);
        plane.blend(&whole, |pixel| 1.0 - mask[pixel]);
    } else {
        operation(plane, other, rng);
    }
}

/// A draw from a normal distribution with mean 0 and standard deviation `deviation`.
fn about(deviation: f32, rng: &mut ChaCha8Rng) -> f32 {
    rng.sample::<f32, _>(StandardNormal) * deviation
}

/// Rotates, shears, stretches, shifts and sometimes mirrors the picture.
fn turn(plane: &mut Plane, _: &Plane, rng: &mut ChaCha8Rng) {
    let angle = about(0.9, rng);
    let (sin, cos) = angle.sin_cos();
    let (shear, mut across, mut down) = (about(0.4, rng), about(0.3, rng).exp(), about(0.3, rng).exp());
    if rng.random_bool(0.25) {
        across = -across;
    }
    if rng.random_bool(0.25) {
        down = -down;
    }
    let (dx, dy) = (about(0.05, rng), about(0.05, rng));
    let (h, w) = (plane.height as f32, plane.width as f32);
    plane.sample(|x, y| {
        let (u, v) = ((x / w - 0.5) * across, (y / h - 0.5) * down);
        let u = u + shear * v;
        ((cos * u - sin * v + 0.5 + dx) * w, (sin * u + cos * v + 0.5 + dy) * h)
    });
}

/// Distorts the picture smoothly, as if it were on rubber.
fn warp(plane: &mut Plane, _: &Plane, rng: &mut ChaCha8Rng) {
    let cells = rng.random_range(2.0..7.0);
    let size = rng.random_range(0.1..0.4) / cells * plane.width.min(plane.height) as f32;
    let [across, down] = [(); 2].map(|()| field::smooth(plane, cells, rng));
    let width = plane.width;
    plane.sample(|x, y| {
        let pixel = y as usize * width + x as usize;
        (x + across[pixel] * size, y + down[pixel] * size)
    });
}

/// Blurs or sharpens the picture, or applies a random 5x5 kernel.
fn filter(plane: &mut Plane, _: &Plane, rng: &mut ChaCha8Rng) {
    let kind = rng.random_range(0..3);
    let kernel: Vec<f32> = if kind == 0 {
        let size = rng.random_range(0.05..0.4);
        (0..25).map(|i| about(size, rng) * (-field::square_distance(i, 2) / 2.0).exp()).collect()
    } else {
        let spread: f32 = rng.random_range(0.4..1.4);
        let strength = if kind == 1 { rng.random_range(0.3..1.0) } else { -rng.random_range(0.5..2.5) };
        field::gaussian(spread).iter().map(|x| x * strength).collect()
    };
    plane.convolve(&kernel);
}

/// Changes the tone curve: gamma, few steps, clipped ends, or lower contrast.
fn tone(plane: &mut Plane, _: &Plane, rng: &mut ChaCha8Rng) {
    let gamma = rng.random_range(-1.1f32..1.1).exp();
    let steps = rng.random_range(1..6) as f32;
    let (low, high) = (rng.random_range(0.0..0.35), rng.random_range(0.65f32..1.0));
    let kind = rng.random_range(0..10);
    plane.each(|x| match kind {
        0..3 => x.powf(gamma),
        3..5 => (x * steps).round() / steps,
        5..8 => (x - low) / (high - low),
        _ => 0.5 * low + x * (high - 0.5 * low),
    });
}

/// Adds grain, blotches or stray specks.
fn noise(plane: &mut Plane, _: &Plane, rng: &mut ChaCha8Rng) {
    let size = rng.random_range(-4.0f32..-1.2).exp();
    match rng.random_range(0..4) {
        0 => plane.each(|x| x + about(size, rng)),
        1 => plane.each(|x| x + x * about(size, rng)),
        2 => {
            let cells = plane.width.max(plane.height) as f32 / rng.random_range(1.5..5.0);
            let blotches = field::smooth(plane, cells, rng);
            plane.each_pixel(|pixel, x| x + size * blotches[pixel]);
        }
        _ => {
            let share = rng.random_range(0.001..0.02);
            let specks: Vec<Option<f32>> =
                (0..plane.area()).map(|_| rng.random_bool(share).then(|| rng.random())).collect();
            plane.each_pixel(|pixel, x| specks[pixel].unwrap_or(x));
        }
    }
}

/// Adds a fine regular pattern, as screens, sensors and transposed convolutions leave it.
fn ripple(plane: &mut Plane, _: &Plane, rng: &mut ChaCha8Rng) {
    let (size, angle) = (rng.random_range(-3.5f32..-0.9).exp(), rng.random_range(0.0..std::f32::consts::PI));
    let (sin, cos) = angle.sin_cos();
    let (frequency, crossed, phase) =
        (rng.random_range(0.25..1.0) * std::f32::consts::PI, rng.random_bool(0.5), rng.random_range(0.0..6.3));
    let (width, with_tone) = (plane.width, rng.random_bool(0.5));
    plane.each_pixel(|pixel, value| {
        let (x, y) = ((pixel % width) as f32, (pixel / width) as f32);
        let wave = (frequency * (cos * x + sin * y) + phase).cos();
        let wave = if crossed { wave * (frequency * (cos * y - sin * x)).cos() } else { wave };
        value + size * wave * if with_tone { 2.0 * value.min(1.0 - value) + 0.1 } else { 1.0 }
    });
}

/// Makes bright or dark strokes thicker.
fn thicken(plane: &mut Plane, _: &Plane, rng: &mut ChaCha8Rng) {
    let (bright, shape) = (rng.random_bool(0.5), rng.random_range(0..3));
    let share = rng.random_range(0.4f32..1.0);
    let before = plane.clone();
    plane.extreme(bright, shape);
    plane.blend(&before, |_| 1.0 - share);
}

/// Redraws the picture with edges as sharp and as smooth as those of a pen, a stencil or a vector program.
fn stencil(plane: &mut Plane, _: &Plane, rng: &mut ChaCha8Rng) {
    let spread: f32 = rng.random_range(0.3..1.1);
    plane.convolve(&field::gaussian(spread));
    let (level, hardness) = (rng.random_range(0.25..0.6), rng.random_range(1.8f32..4.0).exp());
    plane.stencil(level, hardness);
}

/// Redraws the strokes with a pen of one breadth: thins bright or dark lines to their centre lines, and draws along
/// these.
fn trace(plane: &mut Plane, _: &Plane, rng: &mut ChaCha8Rng) {
    let (level, bright) = (rng.random_range(0.3..0.6), plane.is_bright_on_dark());
    let (breadth, softness) = (rng.random_range(0.75..1.3), rng.random_range(0.5..1.1));
    // A hand does not follow the centre of a line exactly.
    let shake = rng.random_range(0.0..0.6);
    let [across, down] = [(); 2].map(|()| field::smooth(plane, rng.random_range(3.0..8.0), rng));
    let lines = Lines::of(plane, level, bright);
    let pen = lines.mean_breadth() * breadth;
    let width = plane.width;
    let drawn: Vec<f32> = (0..plane.area())
        .map(|pixel| {
            let (x, y) = ((pixel % width) as f32 + shake * across[pixel], (pixel / width) as f32 + shake * down[pixel]);
            ((pen / 2.0 + 0.25 - lines.distance(x, y)) / softness + 0.5).clamp(0.0, 1.0)
        })
        .collect();
    plane.paint(&drawn, bright);
}

/// Joins two genuine pictures: by halves, patches or a cross-fade, or prints one over the other.
fn join(plane: &mut Plane, other: &Plane, rng: &mut ChaCha8Rng) {
    match rng.random_range(0..10) {
        0..3 => {
            let mask = field::blob(plane, rng);
            plane.blend(other, |pixel| mask[pixel]);
        }
        3..6 => {
            let (sin, cos) = rng.random_range(0.0f32..6.3).sin_cos();
            let (w, h, offset) = (plane.width, plane.height, about(0.15, rng));
            plane.blend(other, |pixel| {
                let (x, y) = ((pixel % w) as f32 / w as f32 - 0.5, (pixel / w) as f32 / h as f32 - 0.5);
                if cos * x + sin * y > offset { 1.0 } else { 0.0 }
            });
        }
        6..8 => {
            let share = rng.random_range(0.25..0.75);
            plane.blend(other, |_| share);
        }
        _ => {
            let bright = rng.random_bool(0.5);
            plane.merge(other, |a, b| if bright { a.max(b) } else { a.min(b) });
        }
    }
}

/// Cuts the picture into tiles and swaps some of them.
fn shuffle(plane: &mut Plane, _: &Plane, rng: &mut ChaCha8Rng) {
    let across = rng.random_range(2..5);
    let (tile_w, tile_h) = (plane.width / across, plane.height / across);
    let swaps = rng.random_range(1..=across * across / 2);
    for _ in 0..swaps {
        let [a, b] = [(); 2].map(|()| (rng.random_range(0..across) * tile_w, rng.random_range(0..across) * tile_h));
        plane.swap(a, b, (tile_w, tile_h));
    }
}

/// Resamples the picture to a coarser grid and back.
fn resample(plane: &mut Plane, _: &Plane, rng: &mut ChaCha8Rng) {
    let factor = rng.random_range(1.15f32..3.0);
    let is_smooth = rng.random_bool(0.6);
    plane.resample(factor, is_smooth);
}

/// Erases one to three rectangles. Fills them with white, with black, or with the value of a random pixel of the
/// first channel.
fn erase(plane: &mut Plane, _: &Plane, rng: &mut ChaCha8Rng) {
    let (w, h) = (plane.width, plane.height);
    let fill = match rng.random_range(0..4) {
        0 => 1.0,
        1 => 0.0,
        _ => plane.values[rng.random_range(0..plane.area())],
    };
    for _ in 0..rng.random_range(1..4) {
        let (wide, high) = (rng.random_range(0.06..0.3) * w as f32, rng.random_range(0.06..0.3) * h as f32);
        let (x0, y0) = (rng.random_range(0.0..w as f32 - wide), rng.random_range(0.0..h as f32 - high));
        plane.each_pixel(|pixel, value| {
            let (x, y) = ((pixel % w) as f32, (pixel / w) as f32);
            if x >= x0 && x < x0 + wide && y >= y0 && y < y0 + high { fill } else { value }
        });
    }
}

/// Mixes the three colour channels by a random matrix near the identity, and adds a random offset to each.
fn tint(plane: &mut Plane, _: &Plane, rng: &mut ChaCha8Rng) {
    let size = rng.random_range(-3.5f32..-1.2).exp();
    let matrix: [[f32; 3]; 3] =
        std::array::from_fn(|i| std::array::from_fn(|j| if i == j { 1.0 } else { 0.0 } + about(size, rng)));
    let offset: [f32; 3] = std::array::from_fn(|_| about(size * 0.5, rng));
    let area = plane.area();
    for pixel in 0..area {
        let color: [f32; 3] = std::array::from_fn(|channel| plane.values[channel * area + pixel]);
        for (channel, (row, offset)) in matrix.iter().zip(offset).enumerate() {
            let mixed: f32 = row.iter().zip(color).map(|(m, x)| m * x).sum();
            plane.values[channel * area + pixel] = mixed + offset;
        }
    }
}

/// Shifts one colour channel against the others.
fn misregister(plane: &mut Plane, _: &Plane, rng: &mut ChaCha8Rng) {
    let (dx, dy, channel) = (about(1.5, rng), about(1.5, rng), rng.random_range(0..3));
    let before = plane.clone();
    plane.sample(|x, y| (x + dx, y + dy));
    let area = plane.area();
    for other in (0..3).filter(|other| *other != channel) {
        plane.values[other * area..(other + 1) * area]
            .copy_from_slice(&before.values[other * area..(other + 1) * area]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::random::stream;

    #[test]
    fn every_negative_differs_from_its_picture_and_the_stream_says_it_all() {
        for shape in [(1usize, 28usize, 28usize), (3, 32, 40)] {
            let area = shape.0 * shape.1 * shape.2;
            let disc =
                |r: usize| -> Vec<u8> {
                    (0..area)
                        .map(|i| {
                            if (i / shape.2 % shape.1).abs_diff(14) + (i % shape.2).abs_diff(12) < r { 240 } else { 10 }
                        })
                        .collect()
                };
            let (row, other) = (disc(8), disc(5));
            for index in 0..400 {
                let forged = negative(&row, &other, shape, &mut stream(1, "negative", index));
                assert_eq!(forged.len(), area);
                let gap: u64 = forged.iter().zip(&row).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
                assert!(gap > area as u64 / 2, "{shape:?}, {index}: {gap}");
                assert_eq!(forged, negative(&row, &other, shape, &mut stream(1, "negative", index)));
            }
        }
    }

    #[test]
    fn a_misplaced_piece_is_one_rectangle_of_the_other_picture() {
        let shape = (1, 40, 60);
        let (row, other) = (vec![20; 2400], vec![200; 2400]);
        for index in 0..50 {
            let forged = misplaced(&row, &other, shape, &mut stream(1, "misplaced", index));
            let taken: Vec<usize> = (0..2400).filter(|i| forged[*i] == 200).collect();
            assert!(forged.iter().all(|x| [20, 200].contains(x)), "no pixel is mixed");
            let rows = taken[taken.len() - 1] / 60 - taken[0] / 60 + 1;
            assert_eq!(taken.len() % rows, 0, "a rectangle");
            assert!((15..=160).contains(&taken.len()), "{}", taken.len());
        }
    }

    #[test]
    fn another_surface_leaves_everything_in_its_place() {
        let bar = |i: usize| if i % 40 < 20 { 60u8 } else { 180 };
        let row: Vec<u8> = (0..1600).map(bar).collect();
        let side = |row: &[u8], left: bool| -> f64 {
            let of = row.iter().enumerate().filter(|(i, _)| (i % 40 < 16) == left && !(16..24).contains(&(i % 40)));
            of.clone().map(|(_, x)| f64::from(*x)).sum::<f64>() / of.count() as f64
        };
        let mut changed = 0;
        for index in 0..60 {
            let forged = resurfaced(&row, (1, 40, 40), &mut stream(1, "resurfaced", index));
            assert!(side(&forged, true) <= side(&forged, false), "{index}");
            changed += usize::from(forged != row);
        }
        assert!(changed > 50, "{changed}");
    }
}
