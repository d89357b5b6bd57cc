//! Resolves how pictures become a network's input: flags come first, then the kind of detector and `dataset.toml`,
//! then the pictures themselves.

use anyhow::Result;
use counterfoil_models::{Article, Color, Preprocess, Region, Resize};

use super::{Placement, Preview, Settings, Traits};

/// Defaults for the input that a kind of detector sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InputDefaults {
    /// Width and height of the input.
    pub size: DefaultSize,
    /// Grey or RGB, regardless of the pictures; `None` leaves it to the data set and the pictures.
    pub color: Option<Color>,
    /// How another aspect ratio is fitted, regardless of the data set; `None` leaves it to the data set.
    pub resize: Option<Resize>,
    /// Whether `size` and `regions` of the data set apply.
    pub data_set: bool,
}

/// Default size of the network's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefaultSize {
    /// This width and height, in pixels.
    Fixed([u32; 2]),
    /// The usual size of the pictures, scaled down so that the longer side has at most this many pixels.
    Own(u32),
    /// A row of this many pixels a side, made of a picture of several times as many: up to this area, with the usual
    /// aspect ratio of the pictures and sides that are multiples of the row's.
    Detailed {
        /// Width and height of a row.
        side: u32,
        /// Largest area of the picture.
        area: u32,
    },
}

/// How pictures become a network's input, resolved.
#[derive(Clone, Debug, PartialEq)]
pub struct ResolvedInput {
    /// The preprocessing of a picture.
    pub input: Preprocess,
    /// Width and height of the blocks of the picture's pixels that are averaged into one pixel of a row.
    pub pool: [usize; 2],
    /// Where the article was found, when the pictures decided that.
    pub placement: Option<Placement>,
}

/// The preprocessing that command-line flags ask for; `None` where there is no flag.
#[derive(Clone, Debug, Default)]
pub struct InputRule {
    /// Grey or RGB.
    pub color: Option<Color>,
    /// Width and height of the network's input, in pixels.
    pub size: Option<[u32; 2]>,
    /// How a region of another aspect ratio is fitted to the input size.
    pub resize: Option<Resize>,
    /// Which part of a picture is the article; `None` leaves it to the data set and the pictures.
    pub article: Option<Article>,
    /// The crops of the article that the network judges.
    pub regions: Option<Vec<Region>>,
    /// The blocks of pixels that are averaged: of a run that is resumed, or `[1, 1]` where nothing is to judge the
    /// whole picture.
    pub pool: Option<[usize; 2]>,
}

impl InputRule {
    /// Returns `rule` with the fields that are set here replaced.
    #[must_use]
    pub fn over(self, rule: Preprocess) -> Preprocess {
        let [width, height] = self.size.unwrap_or([rule.width, rule.height]);
        Preprocess {
            width,
            height,
            color: self.color.unwrap_or(rule.color),
            resize: self.resize.unwrap_or(rule.resize),
            article: self.article.unwrap_or(rule.article),
            reference: rule.reference,
            regions: self.regions.unwrap_or(rule.regions),
        }
    }

    /// The colour that a flag, the kind of detector or the data set sets; `None` where the pictures decide.
    pub(crate) fn color(&self, settings: &Settings, defaults: &InputDefaults) -> Option<Color> {
        self.color.or(defaults.color).or(settings.color)
    }

    /// Resolves the whole rule. The pictures are looked at only when something depends on them.
    ///
    /// # Errors
    /// The errors of [`Preview::usual`].
    pub fn resolve(&self, settings: &Settings, defaults: &InputDefaults, preview: &Preview) -> Result<ResolvedInput> {
        let of_set = defaults.data_set;
        let regions = self.regions.clone().or(settings.regions.clone().filter(|_| of_set));
        let size = self.size.or(settings.size.filter(|_| of_set));
        let size = match defaults.size {
            DefaultSize::Fixed(fixed) => size.or(Some(fixed)),
            // Regions are a person's own choice of the detail.
            DefaultSize::Detailed { side, .. } if regions.is_some() || self.pool == Some([1, 1]) => {
                size.or(Some([side; 2]))
            }
            DefaultSize::Own(_) | DefaultSize::Detailed { .. } => size,
        };
        let stated = self.article.or(settings.article);
        let placement = match defaults.size {
            DefaultSize::Detailed { side, .. } if stated.is_none() => preview.detailed(side, size.is_none()),
            _ => None,
        };
        let article = stated.or(placement.map(|placement| placement.article)).unwrap_or_default();
        let mut pool = self.pool.unwrap_or([1, 1]);
        let (color, [width, height]) = match (self.color(settings, defaults), size) {
            (Some(color), Some(size)) => (color, size),
            (color, size) => {
                let usual = preview.usual(article)?;
                let own = || match defaults.size {
                    DefaultSize::Fixed(size) => size,
                    DefaultSize::Own(most) => longest(usual, most),
                    DefaultSize::Detailed { side, area } => {
                        let blocks = blocks(usual, side, area);
                        pool = blocks.map(|block| block as usize);
                        blocks.map(|block| block * side)
                    }
                };
                (color.unwrap_or(own_color(usual)), size.unwrap_or_else(own))
            }
        };
        let input = Preprocess {
            width,
            height,
            color,
            resize: self.resize.or(defaults.resize).or(settings.resize).unwrap_or(Resize::Stretch),
            reference: preview.reference(article)?,
            article,
            regions: regions.unwrap_or_else(|| vec![Region::WHOLE]),
        };
        Ok(ResolvedInput { input, pool, placement })
    }
}

/// The usual size, scaled down so that the longer side has at most `most` pixels.
fn longest(usual: Traits, most: u32) -> [u32; 2] {
    let longest = usual.width.max(usual.height).max(1);
    [usual.width, usual.height].map(|side| (side * most.min(longest)).div_ceil(longest))
}

/// Width and height of the blocks of which a row of `side` pixels is made: as many pixels as a picture of the usual
/// size has, up to `area` in all, with about its aspect ratio.
fn blocks(usual: Traits, side: u32, area: u32) -> [u32; 2] {
    let (width, height) = (f64::from(usual.width.max(1)), f64::from(usual.height.max(1)));
    let scale = (f64::from(area) / (width * height)).sqrt().min(1.0) / f64::from(side);
    let most = area / (side * side);
    // The shorter axis first, so that rounding it up to one block does not exceed the area.
    let shorter = ((width.min(height) * scale).round() as u32).clamp(1, most);
    let longest = (most / shorter).min(Preprocess::MAX_SIDE / side);
    let longer = ((width.max(height) * scale).round() as u32).clamp(1, longest);
    if width < height { [shorter, longer] } else { [longer, shorter] }
}

/// The input colour for pictures with these usual traits.
pub(crate) fn own_color(usual: Traits) -> Color {
    if usual.colored { Color::Rgb } else { Color::Grey }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_keep_the_aspect_ratio_within_the_area() {
        let of = |width, height| blocks(Traits { width, height, colored: false }, 32, 192 * 192);
        assert_eq!([of(28, 28), of(60, 40), of(300, 300), of(4000, 3000)], [[1, 1], [2, 1], [6, 6], [7, 5]]);
        assert_eq!([of(96, 64), of(448, 128), of(128, 448)], [[3, 2], [11, 3], [3, 11]]);
        assert_eq!([of(20_000, 64), of(9, 65_500)], [[32, 1], [1, 32]], "a strip is squeezed");
    }
}
