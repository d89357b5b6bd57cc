//! How pictures become a network's input: what flags leave open the data set's `dataset.toml` says, then the kind of
//! detector, then the pictures themselves.

use std::path::Path;

use anyhow::Result;
use counterfoil_models::{Article, Color, Preprocess, Region, Resize};
use rayon::prelude::*;

use super::{DataError, Item, Settings, Traits, parted};

/// Pictures that are read before the others to see what they are like: whether a set is in colour shows in a few, and
/// all are asked again once they are decoded.
const GLANCED: usize = 48;

/// What a kind of detector says of its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InputDefaults {
    /// Width and height.
    pub size: DefaultSize,
    /// Grey or RGB, whatever the pictures are.
    pub color: Option<Color>,
    /// What to do with another aspect ratio, whatever the data set says.
    pub resize: Option<Resize>,
    /// Whether size and regions of the data set count.
    pub data_set: bool,
}

/// The size by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefaultSize {
    /// This width and height.
    Fixed([u32; 2]),
    /// The pictures' own, up to this on the longer side.
    Own(u32),
}

/// How pictures are to be looked at, as far as flags say.
#[derive(Clone, Debug, Default)]
pub struct InputRule {
    /// Grey or RGB.
    pub color: Option<Color>,
    /// Width and height.
    pub size: Option<[u32; 2]>,
    /// What to do with another aspect ratio.
    pub resize: Option<Resize>,
    /// What of a picture is looked at.
    pub article: Option<Article>,
    /// The crops.
    pub regions: Option<Vec<Region>>,
}

impl InputRule {
    /// `rule` with what is said here in its place.
    #[must_use]
    pub fn over(self, rule: Preprocess) -> Preprocess {
        let [width, height] = self.size.unwrap_or([rule.width, rule.height]);
        Preprocess {
            width,
            height,
            color: self.color.unwrap_or(rule.color),
            resize: self.resize.unwrap_or(rule.resize),
            article: self.article.unwrap_or(rule.article),
            regions: self.regions.unwrap_or(rule.regions),
        }
    }

    /// The colour that a flag, the kind or the data set gives; `None` where the pictures decide.
    pub(crate) fn color(&self, settings: &Settings, defaults: &InputDefaults) -> Option<Color> {
        self.color.or(defaults.color).or(settings.color)
    }

    /// The whole rule; `usual` is asked what the pictures are like where nothing else says.
    ///
    /// # Errors
    /// Those of `usual`.
    pub fn resolve(
        &self,
        settings: &Settings,
        defaults: &InputDefaults,
        usual: impl FnOnce() -> Result<Traits>,
    ) -> Result<Preprocess> {
        let of_set = defaults.data_set;
        let size = self.size.or(settings.size.filter(|_| of_set));
        let size = match defaults.size {
            DefaultSize::Fixed(fixed) => size.or(Some(fixed)),
            DefaultSize::Own(_) => size,
        };
        let (color, [width, height]) = match (self.color(settings, defaults), size) {
            (Some(color), Some(size)) => (color, size),
            (color, size) => {
                let usual = usual()?;
                let longest = usual.width.max(usual.height).max(1);
                let most = if let DefaultSize::Own(most) = defaults.size { most } else { longest };
                let scaled = |side: u32| (side * most.min(longest)).div_ceil(longest);
                (color.unwrap_or(own_color(usual)), size.unwrap_or([scaled(usual.width), scaled(usual.height)]))
            }
        };
        let regions = self.regions.clone().or(settings.regions.clone().filter(|_| of_set));
        Ok(Preprocess {
            width,
            height,
            color,
            resize: self.resize.or(defaults.resize).or(settings.resize).unwrap_or(Resize::Stretch),
            article: self.article.or(settings.article).unwrap_or_default(),
            regions: regions.unwrap_or_else(|| vec![Region::WHOLE]),
        })
    }
}

/// The colour in which pictures such as the usual one are looked at.
pub(crate) fn own_color(usual: Traits) -> Color {
    if usual.colored { Color::Rgb } else { Color::Grey }
}

/// What pictures are usually like, by up to [`GLANCED`] spread evenly over the list, or the first that can be read.
///
/// # Errors
/// [`DataError::Unreadable`] when none can be read; `data` is the folder that the message names.
pub(crate) fn usual(items: &[Item], data: &Path) -> Result<Traits> {
    let count = items.len().min(GLANCED);
    let spread: Vec<&Item> = (0..count).map(|place| &items[place * items.len() / count]).collect();
    let glance = |item: &Item| item.frame().map(|frame| Traits::of(&frame));
    let (traits, reasons) = parted(spread.into_par_iter().map(glance).collect());
    let usual = Traits::usual(&traits).or_else(|| items.iter().find_map(|item| glance(item).ok()));
    let reasons = || reasons.iter().take(3).map(String::as_str).collect::<Vec<_>>().join("; ");
    Ok(usual.ok_or_else(|| DataError::Unreadable { path: data.to_path_buf(), reasons: reasons() })?)
}
