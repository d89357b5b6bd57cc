//! What the first pictures of a set show: their usual colour and size, and where the article lies in them.

use std::cell::OnceCell;
use std::fmt;
use std::path::Path;

use anyhow::{Context, Result};
use counterfoil_models::{Article, Foreground, Frame, Outline, Reference};
use rayon::prelude::*;

use super::{DataError, Item, Traits, partition_results};

/// Number of pictures that are read first. A few pictures show whether a set is in colour, and all of them are checked
/// once they are decoded.
const PICTURES: usize = 48;
/// Fewest pictures that show where the article lies.
const FEWEST: usize = 10;
/// Share of the pictures in which the article must be found, and must lie as the placement says.
const MOST: f64 = 0.95;
/// Share of all that differs from the ground which must be the article itself.
const ALONE: f64 = 0.9;
/// An article that covers more than this share of the picture fills it: there is nothing to cut off.
const FILLS: f64 = 0.7;
/// Smallest ratio of length to width of an article that has a long axis. It is measured by deviations.
const LONG: f64 = 1.3;
/// Largest sine of the angle between the long axis and a side of the picture, for an article that lies along it.
const LEVEL: f64 = 0.35;
/// Smallest correlation of a picture with the mean genuine picture, for an article that has its place in the picture.
const ALIKE: f64 = 0.7;
/// Largest relative difference between the areas of the foreground and of the four-sided outline in it.
const SAME_AREA: f64 = 0.1;

/// The first pictures of a set, up to 48, spread evenly over it. They are read when they are asked for.
#[derive(Debug)]
pub struct Preview<'a> {
    items: &'a [Item],
    /// The folder that messages name.
    data: &'a Path,
    /// The mean and the correlations with it, once they are computed: each picture is read three times for them.
    mean: OnceCell<(Reference, Vec<f64>)>,
}

/// Which part of the pictures is the article, as far as the first pictures show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    /// The part.
    pub article: Article,
    /// Number of pictures in which one thing stands out from a plain ground.
    pub found: usize,
    /// Number of pictures that were read.
    pub of: usize,
}

impl<'a> Preview<'a> {
    /// A preview of the pictures of a path.
    #[must_use]
    pub fn new(items: &'a [Item], data: &'a Path) -> Self {
        Self { items, data, mean: OnceCell::new() }
    }

    fn first(&self) -> impl IndexedParallelIterator<Item = &'a Item> {
        spread(self.items, PICTURES).collect::<Vec<_>>().into_par_iter()
    }

    /// The usual colour and size of the articles in the pictures, or those of the first one that can be read.
    ///
    /// # Errors
    /// [`DataError::Unreadable`] when no picture can be read, or no article is found in any.
    pub fn usual(&self, article: Article) -> Result<Traits> {
        let glance = |item: &Item| -> Result<Traits, String> {
            let frame = item.frame().map_err(|error| error.to_string())?;
            article.of(&frame).map(|article| Traits::of(&article)).map_err(|error| format!("{}: {error}", item.name))
        };
        let (traits, reasons) = partition_results(self.first().map(glance).collect());
        let usual = Traits::usual(&traits).or_else(|| self.items.iter().find_map(|item| glance(item).ok()));
        Ok(usual.ok_or_else(|| DataError::unreadable(self.data, &reasons))?)
    }

    /// Where the article lies, in pictures of more than twice `side` pixels; `None` for smaller ones. It is cut out only
    /// where that is allowed.
    pub(super) fn detailed(&self, side: u32, may_cut: bool) -> Option<Placement> {
        let usual = self.usual(Article::Whole).ok()?;
        if usual.width.min(usual.height) <= 2 * side {
            return None;
        }
        let placement = self.placement();
        if may_cut && placement.article != Article::Whole {
            return Some(placement);
        }
        let (_, agreement) = self.mean().ok()?;
        let found = agreement.iter().filter(|correlation| **correlation >= ALIKE).count();
        let article = if found as f64 >= MOST * agreement.len() as f64 { Article::Registered } else { Article::Whole };
        Some(Placement { article, found, of: agreement.len() })
    }

    /// The mean genuine picture, where the article is laid over it.
    ///
    /// # Errors
    /// [`DataError::Unreadable`] when no picture can be read.
    pub(super) fn reference(&self, article: Article) -> Result<Option<Reference>> {
        if article == Article::Registered {
            self.mean().map(|(reference, _)| Some(reference.clone()))
        } else {
            Ok(None)
        }
    }

    /// The mean of the pictures, each laid over the mean of them as they are, and the correlation of each with it.
    fn mean(&self) -> Result<&(Reference, Vec<f64>)> {
        if let Some(mean) = self.mean.get() {
            return Ok(mean);
        }
        let usual = self.usual(Article::Whole)?;
        let (width, height) = Reference::size_for(usual.width, usual.height);
        let reduced = |of: &(dyn Fn(&Frame) -> Frame + Sync)| -> Vec<Vec<u8>> {
            let one = |item: &Item| Some(Reference::reduced(&of(&*item.frame().ok()?), width, height));
            self.first().filter_map(one).collect()
        };
        let mean = |pictures: &[Vec<u8>]| Reference::mean(width, height, pictures).context("no picture was read");
        let rough = mean(&reduced(&Frame::clone))?;
        let sharp = mean(&reduced(&|frame| rough.lay_under(frame)))?;
        let agreement = self.first().filter_map(|item| Some(sharp.register(&*item.frame().ok()?).correlation));
        let agreement = agreement.collect();
        Ok(self.mean.get_or_init(|| (sharp, agreement)))
    }

    /// Where the article lies.
    fn placement(&self) -> Placement {
        let look = |item: &Item| item.frame().ok().map(|frame| Lie::of(&frame));
        let lies: Vec<Option<Lie>> = self.first().filter_map(look).collect();
        Placement::of(&lies)
    }
}

/// At most `most` of some items, evenly over the list.
pub fn spread<T>(items: &[T], most: usize) -> impl Iterator<Item = &T> {
    let count = items.len().min(most);
    (0..count).map(move |place| &items[place * items.len() / count])
}

/// How the one thing on a plain ground lies in a picture.
#[derive(Clone, Copy, Debug)]
struct Lie {
    /// Share of the picture that the rectangle around it covers.
    covers: f64,
    elongation: f64,
    /// Sine of the angle between the long axis and the nearest side of the picture.
    turned: f64,
    four_sided: bool,
}

impl Lie {
    fn of(frame: &Frame) -> Option<Self> {
        let found = Foreground::find(frame).ok().filter(|found| found.alone() >= ALONE)?;
        let area = |(width, height): (u32, u32)| f64::from(width) * f64::from(height);
        let whole = area((frame.width(), frame.height()));
        let outlined = |outline: Outline| (area(outline.size()) / found.area() - 1.0).abs() <= SAME_AREA;
        let (x, y) = found.axis();
        Some(Self {
            covers: area(found.cropped().size()).min(whole) / whole,
            elongation: found.elongation(),
            turned: x.abs().min(y.abs()),
            four_sided: Outline::find(frame).is_ok_and(outlined),
        })
    }
}

impl Placement {
    fn of(lies: &[Option<Lie>]) -> Self {
        let found: Vec<Lie> = lies.iter().copied().flatten().collect();
        let most =
            |of: &dyn Fn(&Lie) -> bool| found.iter().filter(|lie| of(lie)).count() as f64 >= MOST * lies.len() as f64;
        let article = if lies.len() < FEWEST || !most(&|lie| lie.covers <= FILLS) {
            Article::Whole
        } else if most(&|lie| lie.four_sided) {
            Article::Outlined
        } else if !most(&|lie| lie.elongation >= LONG) {
            Article::Cropped
        } else if most(&|lie| lie.turned <= LEVEL) {
            Article::Upright
        } else {
            Article::Aligned
        };
        Self { article, found: found.len(), of: lies.len() }
    }
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { article, found, of } = self;
        let how = match article {
            Article::Whole => return f.write_str("the whole picture is the article"),
            Article::Registered => {
                return write!(
                    f,
                    "the article has its place in {found} of {of} pictures looked at; each picture is moved, turned and lit a little, so \
                     that it lies over the mean one (--article registered; --article whole judges the pictures as they are)"
                );
            }
            Article::Outlined => "has four sides: it is outlined and straightened",
            Article::Cropped => "is cut out as it lies",
            Article::Upright => "is cut out and its long axis laid along the picture's side",
            Article::Aligned => "is cut out and turned, its long axis level and its heavier end on the left",
        };
        write!(
            f,
            "one article on a plain ground stands out in {found} of {of} pictures looked at; it {how} (--article {}; --article whole \
             judges the pictures as they are)",
            article.name()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIE: Lie = Lie { covers: 0.3, elongation: 3.0, turned: 0.6, four_sided: false };

    #[test]
    fn the_placement_is_what_nearly_all_pictures_show() {
        let of = |lie: Lie| Placement::of(&[Some(lie); 40]).article;
        assert_eq!(of(LIE), Article::Aligned);
        assert_eq!(of(Lie { turned: 0.1, ..LIE }), Article::Upright);
        assert_eq!(of(Lie { elongation: 1.1, ..LIE }), Article::Cropped);
        assert_eq!(of(Lie { four_sided: true, ..LIE }), Article::Outlined);
        assert_eq!(of(Lie { covers: 0.8, ..LIE }), Article::Whole);
        assert_eq!(Placement::of(&[Some(LIE); 9]).article, Article::Whole, "too few to say");
        let mut lies = vec![Some(LIE); 38];
        lies.extend([None, None]);
        assert_eq!(Placement::of(&lies), Placement { article: Article::Aligned, found: 38, of: 40 });
        lies[0] = None;
        assert_eq!(Placement::of(&lies), Placement { article: Article::Whole, found: 37, of: 40 });
    }
}
