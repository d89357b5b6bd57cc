//! What a data set holds, and what it gives away: counts, sizes, unreadable files, twins, and the leakage check.

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::Serialize;

use super::duplicates::{Fingerprint, near_duplicates};
use super::{Dataset, Item, Left, Traits, cues, differing, parted};
use crate::eval::{BestCue, Bootstrap, Cues, EvalError, Measured, best_single_number};

/// A family that one number tells from the genuine better than this leaks: a detector that does as well proves nothing.
pub const LEAK: f64 = 0.9;

/// Everything `dataset inspect` says.
#[derive(Debug, Serialize)]
pub struct Inspection {
    /// How the folder was understood.
    pub understood: String,
    /// Genuine pictures that could be read.
    pub genuine: usize,
    /// Groups the genuine pictures fall in.
    pub groups: usize,
    /// Counterfeits that could be read, by family.
    pub fake: BTreeMap<String, usize>,
    /// Pictures of each size, `WxH`.
    pub sizes: BTreeMap<String, usize>,
    /// Genuine pictures in colour; the others are grey.
    pub colored: usize,
    /// What differs from most of the genuine pictures, in words.
    pub differing: Vec<String>,
    /// What could not be read, each with its reason.
    pub unreadable: Vec<String>,
    /// Pictures that were passed over because of where they lie.
    pub passed_over: Vec<Left>,
    /// Files that are no pictures.
    pub not_pictures: Vec<String>,
    /// Genuine pictures of different groups that are one picture.
    pub duplicates: Vec<[String; 2]>,
    /// The one number that tells each family best.
    pub cues: BTreeMap<String, BestCue>,
}

impl Inspection {
    /// Families that a single number gives away.
    pub fn leaks(&self) -> impl Iterator<Item = (&str, &BestCue)> {
        let leaking = self.cues.iter().filter(|(_, cue)| cue.metrics.auroc.value > LEAK);
        leaking.map(|(family, cue)| (family.as_str(), cue))
    }
}

/// One picture, looked at.
struct Look<'a> {
    item: &'a Item,
    traits: Traits,
    fingerprint: Fingerprint,
    cues: Vec<(&'static str, f64)>,
}

/// Reads every picture of a data set once.
///
/// # Errors
/// [`EvalError`] when none of the genuine pictures can be read.
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
    let names = first.map_or_else(Vec::new, |look| look.cues.iter().map(|(name, _)| (*name).to_owned()).collect());
    let cues = if families.is_empty() {
        BTreeMap::new()
    } else {
        let cues = Cues { names, pictures: genuine.iter().chain(&fake).map(measured).collect() };
        best_single_number(&cues, Bootstrap::default())?.families
    };
    Ok(Inspection {
        understood: data.understood.to_string(),
        genuine: genuine.len(),
        groups: groups.len(),
        fake: families,
        sizes,
        colored: genuine.iter().filter(|look| look.traits.colored).count(),
        differing: differing(genuine.iter().map(|look| (look.item.name.as_str(), look.traits))),
        unreadable,
        passed_over: data.understood.left(),
        not_pictures: data.understood.no_pictures().to_vec(),
        duplicates: twins(&genuine),
        cues,
    })
}

fn look(items: &[Item]) -> (Vec<Look<'_>>, Vec<String>) {
    let looked: Vec<Result<Look, String>> = items
        .par_iter()
        .map(|item| {
            let frame = item.frame().map_err(|e| e.to_string())?;
            let mut cues = cues(&frame);
            if let Some(length) = item.path().and_then(|path| path.metadata().ok()) {
                cues.push(("size of the file itself", length.len() as f64));
            }
            Ok(Look { item, traits: Traits::of(&frame), fingerprint: Fingerprint::of(&frame), cues })
        })
        .collect();
    parted(looked)
}

fn measured(look: &Look) -> Measured {
    Measured {
        path: look.item.name.clone(),
        family: look.item.family.clone(),
        group: Some(look.item.group.clone()),
        values: look.cues.iter().map(|(_, value)| *value).collect(),
    }
}

/// Pairs of one picture in two groups: wherever the split falls, they could face each other across it.
fn twins(genuine: &[Look]) -> Vec<[String; 2]> {
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
    }
}
