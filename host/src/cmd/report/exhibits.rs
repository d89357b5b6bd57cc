//! Judged pictures become the thumbnails of a report, each with a map of the places that influenced the score.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Cursor;
use std::num::NonZero;
use std::thread;

use anyhow::{Context, Result};
use counterfoil_edge::Detector;
use counterfoil_edge::detector::explain::Explanation;
use counterfoil_host::data::{Item, SHEET_PICTURES, sheet, spread};
use counterfoil_host::eval::{Scored, caught, hardest};
use counterfoil_host::report::{Exhibit, Picture, Report};
use counterfoil_models::{Article, Color, Frame, Preprocess};
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{Rgb, RgbImage};

/// Pictures of each kind. Three kinds, each picture with a map, make 24 pictures: what a page sent by mail can carry.
const EACH: usize = 4;
/// Longer side of a shown picture in pixels, at most: its size on the page.
const SIDE: u32 = 256;

/// Adds the hardest pictures and some of the detected counterfeits.
pub(super) fn add(page: &mut Report, detector: &Detector, items: &[Item], scored: &[Scored]) -> Result<()> {
    let items: BTreeMap<String, &Item> = items.iter().map(|item| (item.label(), item)).collect();
    let all = |several: &[&Scored]| -> Result<Vec<Exhibit>> {
        // Every scored line belongs to an item that could be read.
        let found = several.iter().filter_map(|scored| Some((*scored, *items.get(&scored.path)?)));
        found.map(|(scored, item)| exhibit(detector, item, scored)).collect()
    };
    let hard = hardest(scored, EACH);
    page.hardest_genuine = all(&hard.genuine)?;
    page.hardest_counterfeits = all(&hard.fakes)?;
    page.caught = all(&caught(scored, EACH))?;
    page.seen = seen(detector, &items.values().copied().collect::<Vec<_>>())?;
    Ok(())
}

/// What the detector sees of some genuine pictures and of some counterfeits.
fn seen(detector: &Detector, items: &[&Item]) -> Result<Option<Picture>> {
    let (genuine, fake): (Vec<&Item>, Vec<&Item>) = items.iter().partition(|item| item.family.is_none());
    let half = SHEET_PICTURES / 2;
    let items: Vec<&Item> = spread(&genuine, half).chain(spread(&fake, half)).copied().collect();
    let manifest = detector.bundle().manifest();
    let ([width, height], input) = (manifest.game_size(), &manifest.input);
    let pool = [input.width / width, input.height / height].map(|block| block as usize);
    let Some(drawn) = sheet(&items, input, pool) else { return Ok(None) };
    let article = match input.article {
        Article::Whole => "The whole picture is the article.".to_owned(),
        article => format!("The article is found in the picture first (`{}`).", article.name()),
    };
    let game = if pool == [1, 1] {
        String::new()
    } else {
        format!("; at the bottom what the game was played with, {width}x{height}")
    };
    let caption = format!(
        "Genuine pictures, then counterfeits, as they are. {article} Below each is the network's input, {}x{}{game}.",
        input.width, input.height
    );
    Ok(Some(Picture { png: compressed(&drawn)?, caption }))
}

fn exhibit(detector: &Detector, item: &Item, scored: &Scored) -> Result<Exhibit> {
    let frame = item.frame()?;
    let threads = thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN);
    let map = Explanation::of(detector, &frame, threads).and_then(|explanation| explanation.draw(&frame));
    let map = map.with_context(|| format!("cannot explain the score of {}", scored.path))?;
    Ok(Exhibit { png: thumbnail(&frame)?, map: thumbnail(&Frame::Rgb(map))?, scored: scored.clone() })
}

/// The picture as a PNG file, scaled down if it is large.
fn thumbnail(frame: &Frame) -> Result<Vec<u8>> {
    let longest = frame.width().max(frame.height());
    let small = if longest > SIDE { Cow::Owned(shrink(frame, longest)?) } else { frame.to_rgb() };
    compressed(&small)
}

/// A picture as a PNG file.
fn compressed(picture: &RgbImage) -> Result<Vec<u8>> {
    let mut png = Vec::new();
    picture.write_with_encoder(PngEncoder::new_with_quality(
        Cursor::new(&mut png),
        CompressionType::Best,
        FilterType::Adaptive,
    ))?;
    Ok(png)
}

fn shrink(frame: &Frame, longest: u32) -> Result<RgbImage> {
    let side = |side: u32| ((u64::from(side) * u64::from(SIDE) / u64::from(longest)) as u32).max(1);
    let (width, height) = (side(frame.width()), side(frame.height()));
    let plane = Preprocess::whole(width, height, Color::Rgb).plane(frame)?;
    let (bytes, area) = (plane.bytes(), (width * height) as usize); // [1, 3, H, W]
    Ok(RgbImage::from_fn(width, height, |x, y| {
        let at = (y * width + x) as usize;
        Rgb([bytes[at], bytes[area + at], bytes[2 * area + at]])
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_picture_is_shown_small_and_a_small_one_as_it_is() {
        let shown = |width, height| {
            let picture =
                RgbImage::from_fn(width, height, |x, _| if x < width / 2 { Rgb([9, 90, 200]) } else { Rgb([250; 3]) });
            let png = thumbnail(&Frame::Rgb(picture)).unwrap();
            image::load_from_memory(&png).unwrap().into_rgb8()
        };
        let small = shown(1000, 500);
        assert_eq!((small.dimensions(), small.get_pixel(5, 5).0), ((256, 128), [9, 90, 200]));
        assert_eq!((shown(28, 30).dimensions(), shown(4000, 8).dimensions()), ((28, 30), (256, 1)));
    }
}
