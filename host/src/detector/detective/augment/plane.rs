//! Bytes of [C, H, W] become numbers that can be bent and moved, and bytes again: what the kinds of damage in `negatives` are made of.

/// A row's numbers, [C, H, W] in 0..1, beyond it until they are bytes again.
#[derive(Clone, Debug)]
pub(super) struct Plane {
    pub(super) channels: usize,
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) values: Vec<f32>,
}

impl Plane {
    pub(super) fn of(row: &[u8], (channels, height, width): (usize, usize, usize)) -> Self {
        Self { channels, height, width, values: row.iter().map(|x| f32::from(*x) / 255.0).collect() }
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        self.values.iter().map(|x| (x.clamp(0.0, 1.0) * 255.0).round() as u8).collect()
    }

    /// The mean of the channels.
    pub(super) fn grey(&self) -> Vec<f32> {
        let area = self.area();
        let mean = |pixel| (0..self.channels).map(|channel| self.values[channel * area + pixel]).sum::<f32>();
        (0..area).map(|pixel| mean(pixel) / self.channels as f32).collect()
    }

    /// Whether less than half of it is nearer to its brightest than to its darkest: bright lines on a dark ground.
    pub(super) fn is_bright_on_dark(&self) -> bool {
        let grey = self.grey();
        let (low, high) = grey.iter().fold((1.0f32, 0.0f32), |(low, high), x| (low.min(*x), high.max(*x)));
        grey.iter().filter(|x| **x > f32::midpoint(low, high)).count() * 2 < grey.len()
    }

    /// Draws with its own brightest colour on its darkest, or the other way round, as much of it as `drawn` says of each pixel.
    pub(super) fn paint(&mut self, drawn: &[f32], bright: bool) {
        let area = self.area();
        for values in self.values.chunks_exact_mut(area) {
            let (low, high) = values.iter().fold((1.0f32, 0.0f32), |(low, high), x| (low.min(*x), high.max(*x)));
            let (ground, ink) = if bright { (low, high) } else { (high, low) };
            for (value, share) in values.iter_mut().zip(drawn) {
                *value = ground + share * (ink - ground);
            }
        }
    }

    /// Pixels of a channel.
    pub(super) fn area(&self) -> usize {
        self.height * self.width
    }

    /// Mean absolute difference.
    pub(super) fn distance(&self, other: &Self) -> f32 {
        let gaps = self.values.iter().zip(&other.values).map(|(a, b)| (a.clamp(0.0, 1.0) - b).abs());
        gaps.sum::<f32>() / self.values.len() as f32
    }

    /// Changes every value.
    pub(super) fn each(&mut self, mut change: impl FnMut(f32) -> f32) {
        self.values.iter_mut().for_each(|x| *x = change(*x).clamp(0.0, 1.0));
    }

    /// Changes every value, knowing its pixel's number.
    pub(super) fn each_pixel(&mut self, change: impl Fn(usize, f32) -> f32) {
        let area = self.area();
        self.values.iter_mut().enumerate().for_each(|(i, x)| *x = change(i % area, *x).clamp(0.0, 1.0));
    }

    /// Joins value by value.
    pub(super) fn merge(&mut self, other: &Self, join: impl Fn(f32, f32) -> f32) {
        self.values.iter_mut().zip(&other.values).for_each(|(a, b)| *a = join(*a, *b));
    }

    /// Takes a share (0..1) of `other` at each pixel.
    pub(super) fn blend(&mut self, other: &Self, share: impl Fn(usize) -> f32) {
        let area = self.area();
        for (i, (a, b)) in self.values.iter_mut().zip(&other.values).enumerate() {
            *a += share(i % area) * (b - *a);
        }
    }

    /// Fetches each pixel from somewhere else, between pixels too; beyond the border stands the border.
    pub(super) fn sample(&mut self, from: impl Fn(f32, f32) -> (f32, f32)) {
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

    /// Adds what a 5x5 kernel that sums to s makes of it to 1 - s of what it was.
    pub(super) fn convolve(&mut self, kernel: &[f32]) {
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

    /// The largest or least value around each pixel: of a cross (0), a square of 3 (1) or a square of 2 (2).
    pub(super) fn extreme(&mut self, largest: bool, shape: usize) {
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

    /// Makes each channel of two tones, its darkest and its brightest, with an edge where the value between pixels crosses `level` of the
    /// way, as steep as `hardness`; pixels on the edge take their share of both.
    pub(super) fn stencil(&mut self, level: f32, hardness: f32) {
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

    /// Swaps two tiles, which must not overlap but in whole.
    pub(super) fn swap(&mut self, a: (usize, usize), b: (usize, usize), (wide, high): (usize, usize)) {
        let (area, width) = (self.area(), self.width);
        for row in 0..self.channels * high {
            let (channel, y) = (row / high, row % high);
            for x in 0..wide {
                let at = |(x0, y0): (usize, usize)| channel * area + (y0 + y) * width + x0 + x;
                self.values.swap(at(a), at(b));
            }
        }
    }

    /// Averages over a grid `factor` times as coarse, then back: between its points, or in squares.
    pub(super) fn resample(&mut self, factor: f32, is_smooth: bool) {
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

/// The value at a place between grid points, by the four around it (none less than 0): `at` answers beyond the last, too.
pub(super) fn between(at: impl Fn(usize, usize) -> f32, x: f32, y: f32) -> f32 {
    let (left, top, u, v) = (x as usize, y as usize, x.fract(), y.fract());
    let upper = at(left, top) * (1.0 - u) + at(left + 1, top) * u;
    let lower = at(left, top + 1) * (1.0 - u) + at(left + 1, top + 1) * u;
    upper * (1.0 - v) + lower * v
}
