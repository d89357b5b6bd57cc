//! Inspects a data set: counts, sizes, unreadable files, near-duplicates, and the leakage check.

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::Serialize;

use super::duplicates::{Fingerprint, near_duplicates};
use super::{Dataset, Item, SkippedPictures, Traits, differing, partition_results, series, simple_statistics};
use crate::eval::{BestStatistic, Bootstrap, EvalError, Measured, StatisticTable, best_single_number};

/// AUROC of a single number above which a family leaks: a detector that does as well on such a family proves nothing.
pub const LEAK: f64 = 0.9;

/// The results of `dataset inspect`.
#[derive(Debug, Serialize)]
pub struct Inspection {
    /// How the folder was interpreted, as a text.
    pub understood: String,
    /// Number of genuine pictures that could be read.
    pub genuine: usize,
    /// Number of groups of genuine pictures.
    pub groups: usize,
    /// What was found about series of shots, as a text; `None` where none was found.
    pub series: Option<String>,
    /// Number of counterfeits that could be read, by family.
    pub fake: BTreeMap<String, usize>,
    /// Number of pictures of each size, by `WxH` in pixels.
    pub sizes: BTreeMap<String, usize>,
    /// Number of genuine pictures in colour; the others are grey.
    pub colored: usize,
    /// Genuine pictures that differ from the rest in colour or size, as lines of text.
    pub differing: Vec<String>,
    /// Pictures that could not be read, each with its reason.
    pub unreadable: Vec<String>,
    /// Pictures that were skipped because of their folder.
    pub passed_over: Vec<SkippedPictures>,
    /// Files that are not pictures.
    pub not_pictures: Vec<String>,
    /// Pairs of near-duplicate genuine pictures in different groups.
    pub duplicates: Vec<[String; 2]>,
    /// For each family, the single number that separates it best from the genuine pictures.
    #[serde(rename = "cues")]
    pub simple_statistics: BTreeMap<String, BestStatistic>,
}

impl Inspection {
    /// Families that a single number separates with an AUROC above [`LEAK`].
    pub fn leaks(&self) -> impl Iterator<Item = (&str, &BestStatistic)> {
        let leaking = self.simple_statistics.iter().filter(|(_, cue)| cue.metrics.auroc.value > LEAK);
        leaking.map(|(family, cue)| (family.as_str(), cue))
    }
}

/// What is measured on one picture.
struct MeasuredPicture<'a> {
    item: &'a Item,
    traits: Traits,
    fingerprint: Fingerprint,
    simple_statistics: Vec<(&'static str, f64)>,
}

/// Reads every picture of a data set once and inspects it.
///
/// # Errors
/// [`EvalError`] when counterfeits but no genuine picture can be read, or when not all pictures yield the same
/// statistics.
pub fn inspect(data: &Dataset) -> Result<Inspection, EvalError> {
    let (genuine, mut unreadable) = look(&data.genuine);
    let (fake, more) = look(&data.fake);
    unreadable.extend(more);

    let mut sizes = BTreeMap::new();
    let mut families: BTreeMap<String, usize> = BTreeMap::new();
    for picture in genuine.iter().chain(&fake) {
        *sizes.entry(format!("{}x{}", picture.traits.width, picture.traits.height)).or_insert(0) += 1;
    }
    for picture in &fake {
        *families.entry(picture.item.family.clone().unwrap_or_default()).or_default() += 1;
    }
    let groups: std::collections::BTreeSet<&str> = genuine.iter().map(|look| look.item.group.as_str()).collect();

    let first = genuine.iter().chain(&fake).next();
    let names =
        first.map_or_else(Vec::new, |look| look.simple_statistics.iter().map(|(name, _)| (*name).to_owned()).collect());
    let simple_statistics = if families.is_empty() {
        BTreeMap::new()
    } else {
        let table = StatisticTable { names, pictures: genuine.iter().chain(&fake).map(measured).collect() };
        best_single_number(&table, Bootstrap::default())?.families
    };
    Ok(Inspection {
        understood: data.understood.to_string(),
        genuine: genuine.len(),
        groups: groups.len(),
        series: series_of(&genuine),
        fake: families,
        sizes,
        colored: genuine.iter().filter(|look| look.traits.colored).count(),
        differing: differing(genuine.iter().map(|look| (look.item.name.as_str(), look.traits))),
        unreadable,
        passed_over: data.understood.left(),
        not_pictures: data.understood.no_pictures().to_vec(),
        duplicates: near_duplicate_pairs(&genuine),
        simple_statistics,
    })
}

fn look(items: &[Item]) -> (Vec<MeasuredPicture<'_>>, Vec<String>) {
    let looked: Vec<Result<MeasuredPicture, String>> = items
        .par_iter()
        .map(|item| {
            let frame = item.frame().map_err(|e| e.to_string())?;
            let mut simple_statistics = simple_statistics(&frame);
            if let Some(length) = item.path().and_then(|path| path.metadata().ok()) {
                simple_statistics.push(("size of the file itself", length.len() as f64));
            }
            Ok(MeasuredPicture {
                item,
                traits: Traits::of(&frame),
                fingerprint: Fingerprint::of(&frame),
                simple_statistics,
            })
        })
        .collect();
    partition_results(looked)
}

fn measured(look: &MeasuredPicture) -> Measured {
    Measured {
        path: look.item.name.clone(),
        family: look.item.family.clone(),
        group: Some(look.item.group.clone()),
        values: look.simple_statistics.iter().map(|(_, value)| *value).collect(),
    }
}

fn series_of(genuine: &[MeasuredPicture]) -> Option<String> {
    let items: Vec<&Item> = genuine.iter().map(|look| look.item).collect();
    let found = series(&items, |picture| Ok(genuine[picture].fingerprint.to_bytes()));
    found.ok().flatten().map(|series| series.to_string())
}

/// Near-duplicates in different groups: a split could put one into the training set and the other into the held-out
/// set.
fn near_duplicate_pairs(genuine: &[MeasuredPicture]) -> Vec<[String; 2]> {
    let prints: Vec<Fingerprint> = genuine.iter().map(|look| look.fingerprint.clone()).collect();
    let found = (1..prints.len()).into_par_iter().filter_map(|i| {
        let twin = near_duplicates(&prints[i..=i], &prints[..i]).first()?.second;
        let (a, b) = (genuine[twin].item, genuine[i].item);
        (a.group != b.group).then(|| [a.name.clone(), b.name.clone()])
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{GrayImage, Luma};

    #[test]
    fn a_brighter_family_leaks_and_a_copy_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let save = |name: String, level: u32| {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            let noise = |x: u32, y: u32| (x * 31 + y * 17 + level * 101 + x * y * (level + 3)) % 97;
            GrayImage::from_fn(32, 32, |x, y| Luma([(noise(x, y) + level % 7 * 9) as u8])).save(path).unwrap();
        };
        for i in 0..12 {
            save(format!("real/{i:02}.png"), i);
            save(format!("fake/twin/{i:02}.png"), i + 50);
        }
        for i in 0..12 {
            let bright = GrayImage::from_pixel(32, 32, Luma([200 + i]));
            std::fs::create_dir_all(dir.path().join("fake/bright")).unwrap();
            bright.save(dir.path().join(format!("fake/bright/{i:02}.png"))).unwrap();
        }
        std::fs::copy(dir.path().join("real/03.png"), dir.path().join("real/copy.png")).unwrap();
        std::fs::write(dir.path().join("real/broken.png"), b"\x89PNG\r\n\x1a\nand no more").unwrap();

        let found = inspect(&Dataset::open(dir.path(), None).unwrap()).unwrap();
        assert_eq!((found.genuine, found.groups, found.fake["bright"]), (13, 13, 12));
        assert_eq!(found.duplicates, [["real/03.png".to_owned(), "real/copy.png".to_owned()]]);
        assert!(found.unreadable[0].contains("broken.png"));
        assert_eq!(found.leaks().map(|(family, _)| family).collect::<Vec<_>>(), ["bright"]);
        assert!(
            serde_json::to_value(&found).unwrap()["cues"]["bright"].is_object(),
            "`--json` has had this key before"
        );
    }
}
