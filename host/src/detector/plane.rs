//! A picture as numbers: bytes `[C, H, W]` are turned into floats, transformed, and turned back into bytes. The
//! operations in `negatives` are made of these methods.

/// A row as numbers `[C, H, W]` in 0..1. Some operations leave this range; `bytes` clamps.
#[derive(Clone, Debug)]
pub(in crate::detector) struct Plane {
    pub(in crate::detector) channels: usize,
    pub(in crate::detector) height: usize,
    pub(in crate::detector) width: usize,
    pub(in crate::detector) values: Vec<f32>,
}

impl Plane {
    pub(in crate::detector) fn of(row: &[u8], (channels, height, width): (usize, usize, usize)) -> Self {
        Self { channels, height, width, values: row.iter().map(|x| f32::from(*x) / 255.0).collect() }
    }

    pub(in crate::detector) fn bytes(&self) -> Vec<u8> {
        self.values.iter().map(|x| (x.clamp(0.0, 1.0) * 255.0).round() as u8).collect()
    }

    /// The mean of the channels, `[H, W]`.
    pub(in crate::detector) fn grey(&self) -> Vec<f32> {
        let area = self.area();
        let mean = |pixel| (0..self.channels).map(|channel| self.values[channel * area + pixel]).sum::<f32>();
        (0..area).map(|pixel| mean(pixel) / self.channels as f32).collect()
    }

    /// Whether less than half of the pixels are nearer to the brightest than to the darkest value: bright lines on
    /// a dark ground.
    pub(in crate::detector) fn is_bright_on_dark(&self) -> bool {
        let grey = self.grey();
        let (low, high) = grey.iter().fold((1.0f32, 0.0f32), |(low, high), x| (low.min(*x), high.max(*x)));
        grey.iter().filter(|x| **x > f32::midpoint(low, high)).count() * 2 < grey.len()
    }

    /// Redraws each channel with its own brightest value on its darkest, or the other way round. `drawn` is the
    /// share (0..1) of ink at each pixel.
    pub(in crate::detector) fn paint(&mut self, drawn: &[f32], bright: bool) {
        let area = self.area();
        for values in self.values.chunks_exact_mut(area) {
            let (low, high) = values.iter().fold((1.0f32, 0.0f32), |(low, high), x| (low.min(*x), high.max(*x)));
            let (ground, ink) = if bright { (low, high) } else { (high, low) };
            for (value, share) in values.iter_mut().zip(drawn) {
                *value = ground + share * (ink - ground);
            }
        }
    }

    /// Number of pixels of one channel.
    pub(in crate::detector) fn area(&self) -> usize {
        self.height * self.width
    }

    /// Mean absolute difference between two planes of one shape.
    pub(in crate::detector) fn distance(&self, other: &Self) -> f32 {
        let gaps = self.values.iter().zip(&other.values).map(|(a, b)| (a.clamp(0.0, 1.0) - b).abs());
        gaps.sum::<f32>() / self.values.len() as f32
    }

    /// Applies `change` to every value and clamps the result to 0..1.
    pub(in crate::detector) fn each(&mut self, mut change: impl FnMut(f32) -> f32) {
        self.values.iter_mut().for_each(|x| *x = change(*x).clamp(0.0, 1.0));
    }

    /// Applies `change` to every pixel's index and value, and clamps the result to 0..1.
    pub(in crate::detector) fn each_pixel(&mut self, change: impl Fn(usize, f32) -> f32) {
        let area = self.area();
        self.values.iter_mut().enumerate().for_each(|(i, x)| *x = change(i % area, *x).clamp(0.0, 1.0));
    }

    /// Replaces each value by `join` of it and the value of `other`.
    pub(in crate::detector) fn merge(&mut self, other: &Self, join: impl Fn(f32, f32) -> f32) {
        self.values.iter_mut().zip(&other.values).for_each(|(a, b)| *a = join(*a, *b));
    }

    /// Blends in `other` by a share (0..1) for each pixel's index.
    pub(in crate::detector) fn blend(&mut self, other: &Self, share: impl Fn(usize) -> f32) {
        let area = self.area();
        for (i, (a, b)) in self.values.iter_mut().zip(&other.values).enumerate() {
            *a += share(i % area) * (b - *a);
        }
    }

    /// Replaces each pixel (x, y) by the pixel at position `from(x, y)`, with bilinear interpolation. Positions
    /// beyond the border are moved onto it.
    pub(in crate::detector) fn sample(&mut self, from: impl Fn(f32, f32) -> (f32, f32)) {
        let (w, h, area) = (self.width, self.height, self.area());
        let before = self.values.clone();
        for pixel in 0..area {
            let (x, y) = from((pixel % w) as f32, (pixel / w) as f32);
            let (x, y) = (x.clamp(0.0, (w - 1) as f32), y.clamp(0.0, (h - 1) as f32));
            for channel in 0..self.channels {
                let at = |x: usize, y: usize| before[channel * area + y.min(h - 1) * w + x.min(w - 1)];
                self.values[channel * area + pixel] = between(at, x, y);
            }
        }
    }

    /// The mean of each channel over the outermost pixels.
    pub(in crate::detector) fn edge(&self) -> Vec<f32> {
        let (w, h, area) = (self.width, self.height, self.area());
        let on_edge = |at: &usize| at.is_multiple_of(w) || at % w == w - 1 || at / w == 0 || at / w == h - 1;
        let places: Vec<usize> = (0..area).filter(on_edge).collect();
        let mean = |values: &[f32]| places.iter().map(|at| values[*at]).sum::<f32>() / places.len() as f32;
        self.values.chunks_exact(area).map(mean).collect()
    }

    /// Gives the pixels (x, y) for which `is_within` is true the values `color`, one for each channel.
    pub(in crate::detector) fn fill(&mut self, color: &[f32], is_within: impl Fn(f32, f32) -> bool) {
        let (w, area) = (self.width, self.area());
        for at in (0..area).filter(|at| is_within((at % w) as f32, (at / w) as f32)) {
            for (channel, value) in color.iter().enumerate() {
                self.values[channel * area + at] = *value;
            }
        }
    }

    /// Convolves with a 5x5 kernel of sum s and adds 1 - s times the original value. Clamps the result to 0..1.
    pub(in crate::detector) fn convolve(&mut self, kernel: &[f32]) {
        let keep = 1.0 - kernel.iter().sum::<f32>();
        let (w, h, area) = (self.width as isize, self.height as isize, self.area());
        let before = self.values.clone();
        for (channel, values) in self.values.chunks_exact_mut(area).enumerate() {
            let before = &before[channel * area..(channel + 1) * area];
            for y in 0..h {
                for x in 0..w {
                    let mut sum = keep * before[(y * w + x) as usize];
                    for (index, weight) in (0..).zip(kernel) {
                        let (sx, sy) = ((x + index % 5 - 2).clamp(0, w - 1), (y + index / 5 - 2).clamp(0, h - 1));
                        sum += weight * before[(sy * w + sx) as usize];
                    }
                    values[(y * w + x) as usize] = sum.clamp(0.0, 1.0);
                }
            }
        }
    }

    /// Replaces each value by the largest or least value around it: in a cross (`shape` 0), a 3x3 square (1) or a
    /// 2x2 square (2).
    pub(in crate::detector) fn extreme(&mut self, largest: bool, shape: usize) {
        let around: &[(isize, isize)] = match shape {
            0 => &[(0, -1), (-1, 0), (1, 0), (0, 1)],
            1 => &[(-1, -1), (0, -1), (1, -1), (-1, 0), (1, 0), (-1, 1), (0, 1), (1, 1)],
            _ => &[(1, 0), (0, 1), (1, 1)],
        };
        let (w, h, area) = (self.width as isize, self.height as isize, self.area());
        let before = self.values.clone();
        for (i, value) in self.values.iter_mut().enumerate() {
            let (channel, pixel) = (i / area, (i % area) as isize);
            for (dx, dy) in around {
                let (x, y) = ((pixel % w + dx).clamp(0, w - 1), (pixel / w + dy).clamp(0, h - 1));
                let near = before[channel * area + (y * w + x) as usize];
                *value = if largest { value.max(near) } else { value.min(near) };
            }
        }
    }

    /// Redraws each channel in two tones, its darkest and its brightest value. The edge is where the
    /// interpolated value crosses `level` (0..1) of the way between them, and `hardness` is its steepness.
    /// Pixels on the edge get a share of both tones.
    pub(in crate::detector) fn stencil(&mut self, level: f32, hardness: f32) {
        let (w, h, area) = (self.width, self.height, self.area());
        for values in self.values.chunks_exact_mut(area) {
            let (low, high) = values.iter().fold((1.0f32, 0.0f32), |(low, high), x| (low.min(*x), high.max(*x)));
            let edge = low + level * (high - low);
            let before = values.to_vec();
            let at = |x: usize, y: usize| before[y.min(h - 1) * w + x.min(w - 1)];
            for (pixel, value) in values.iter_mut().enumerate() {
                let (x, y) = ((pixel % w) as f32, (pixel / w) as f32);
                let share = (0..9).map(|i| {
                    let (x, y) = (x + ((i % 3) as f32 - 1.0) / 3.0, y + ((i / 3) as f32 - 1.0) / 3.0);
                    let value = between(at, x.max(0.0), y.max(0.0));
                    1.0 / (1.0 + (-(value - edge) * hardness).exp())
                });
                *value = low + (high - low) * share.sum::<f32>() / 9.0;
            }
        }
    }

    /// Swaps two tiles, given by (x, y) of their first pixel and (width, height). They must not overlap,
    /// unless they are the same tile.
    pub(in crate::detector) fn swap(&mut self, a: (usize, usize), b: (usize, usize), (wide, high): (usize, usize)) {
        let (area, width) = (self.area(), self.width);
        for row in 0..self.channels * high {
            let (channel, y) = (row / high, row % high);
            for x in 0..wide {
                let at = |(x0, y0): (usize, usize)| channel * area + (y0 + y) * width + x0 + x;
                self.values.swap(at(a), at(b));
            }
        }
    }

    /// Averages over a grid `factor` times as coarse, and enlarges it again: by bilinear interpolation if
    /// `is_smooth`, else in squares.
    pub(in crate::detector) fn resample(&mut self, factor: f32, is_smooth: bool) {
        let (w, h, area) = (self.width, self.height, self.area());
        let (cols, rows) = (((w as f32 / factor) as usize).max(2), ((h as f32 / factor) as usize).max(2));
        for values in self.values.chunks_exact_mut(area) {
            let mut grid = vec![(0.0f32, 0.0f32); cols * rows];
            for (pixel, value) in values.iter().enumerate() {
                let cell = &mut grid[pixel / w * rows / h * cols + pixel % w * cols / w];
                *cell = (cell.0 + value, cell.1 + 1.0);
            }
            let at = |x: usize, y: usize| {
                let (sum, count) = grid[y.min(rows - 1) * cols + x.min(cols - 1)];
                sum / count
            };
            for (pixel, value) in values.iter_mut().enumerate() {
                let (x, y) = (pixel % w, pixel / w);
                *value = if is_smooth {
                    let spot = |i: usize, n: usize, cells: usize| {
                        (((i as f32 + 0.5) * cells as f32 / n as f32) - 0.5).clamp(0.0, (cells - 1) as f32)
                    };
                    between(at, spot(x, w, cols), spot(y, h, rows))
                } else {
                    at(x * cols / w, y * rows / h)
                };
            }
        }
    }
}

/// Bilinear interpolation at (x, y), both at least 0, between the four grid points around it. `at` must also
/// accept indices one beyond the last.
pub(in crate::detector) fn between(at: impl Fn(usize, usize) -> f32, x: f32, y: f32) -> f32 {
    let (left, top, u, v) = (x as usize, y as usize, x.fract(), y.fract());
    let upper = at(left, top) * (1.0 - u) + at(left + 1, top) * u;
    let lower = at(left, top + 1) * (1.0 - u) + at(left + 1, top + 1) * u;
    upper * (1.0 - v) + lower * v
}
