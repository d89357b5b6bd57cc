//! Makes a zoo: takes an IDX folder and a plan, splits the genuine pictures and runs every forger family.

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use counterfoil_models::{ensure_folder_free, write_whole};
use image::{GrayImage, ImageFormat};
use rand::Rng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::family::{Family, Method};
use super::learned::ForgerInput;
use super::picture::Picture;
use super::sheet::{COLUMNS, sheet};
use super::{Error, Result};
use crate::data::{Idx, Samples, ZooIndex};
use crate::math::random::stream;

/// Genuine pictures set aside in each fold per forgery of a family: one as the original, one as material to cut from.
const ORIGINALS: usize = 2;
/// Minimum distance of a forgery from its original, as a share of the ink. A smaller change would not be visible.
const VISIBLE: f32 = 0.1;
/// Maximum number of attempts per forgery.
const TRIES: usize = 8;

/// What a zoo is to contain.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Seed of all random streams.
    pub seed: u64,
    /// Number of forgeries of each family.
    pub per_family: usize,
    /// Number of genuine pictures for judging.
    pub judge: usize,
    /// The forger families.
    pub families: Vec<&'static Family>,
}

/// Makes the zoo in `out`. `said` is called with a line for each finished family.
///
/// # Errors
/// Returns an error when the pictures are too few or cannot be read, or when `out` is not empty or cannot be written.
pub fn make(data: &Path, out: &Path, plan: &Plan, mut said: impl FnMut(&str)) -> Result<ZooIndex> {
    ensure_folder_free(out, &[])?;
    let source = Idx::find(data).ok_or_else(|| Error::NoIdx(data.to_path_buf()))?;
    let idx = Idx::read(&source)?;
    let parts = Parts::deal(&idx, &source, plan)?;
    let index = ZooIndex {
        seed: plan.seed,
        source: source.display().to_string(),
        train: parts.train.len(),
        judge: parts.judge.len(),
        per_family: plan.per_family,
        families: plan.families.iter().map(|family| family.entry()).collect(),
    };

    folder(&out.join("train"))?;
    Idx::write(&out.join("train/train-images-idx3-ubyte.gz"), &parts.train)?;
    save(&out.join("genuine"), &parts.judge)?;

    let (width, height) = parts.train[0].dimensions();
    let bytes = parts.train.iter().flat_map(|picture| picture.iter()).copied().collect();
    let samples = Samples::new(1, height as usize, width as usize, bytes)
        .expect("pictures of an IDX file have a size and are whole");

    let mut rows = vec![parts.judge[..parts.judge.len().min(COLUMNS)].to_vec()];
    for family in &plan.families {
        let forgeries = forged(family, plan, &parts.pools[family.fold - 1], &samples)?;
        save(&out.join(format!("fold-{}", family.fold)).join(family.name), &forgeries)?;
        rows.push(forgeries.into_iter().take(COLUMNS).collect());
        said(&format!("fold {}: {} ({})", family.fold, family.name, family.does));
    }
    png(&out.join("sheet.png"), &sheet(&rows))?;

    // Written last: a folder that contains this file is a complete zoo.
    let path = out.join("zoo.toml");
    write_whole(&path, index.text().as_bytes())?;
    Ok(index)
}

/// The genuine pictures, each in exactly one part.
struct Parts {
    judge: Vec<GrayImage>,
    /// The pictures that the forgers of each fold copy. They are separate for each fold: a picture seen as the
    /// original of a forgery must not help to detect the forgeries of another fold.
    pools: [Vec<Picture>; 3],
    train: Vec<GrayImage>,
}

impl Parts {
    fn deal(idx: &Idx, source: &Path, plan: &Plan) -> Result<Self> {
        let pool = plan.per_family.saturating_mul(ORIGINALS);
        let aside = pool.saturating_mul(3).saturating_add(plan.judge);
        if idx.len() < aside.saturating_mul(2).max(1) {
            return Err(Error::TooFew { path: source.to_path_buf(), pictures: idx.len(), aside });
        }
        let mut order: Vec<usize> = (0..idx.len()).collect();
        order.shuffle(&mut stream(plan.seed, "zoo parts", 0));
        let (judge, rest) = order.split_at(plan.judge);
        let (originals, train) = rest.split_at(3 * pool);
        let pictures = |indices: &[usize]| indices.iter().map(|i| idx.picture(*i)).collect();
        let pools = [0, 1, 2].map(|fold| {
            let indices = &originals[fold * pool..(fold + 1) * pool];
            indices.iter().map(|i| Picture::of(&idx.picture(*i))).collect()
        });
        Ok(Self { judge: pictures(judge), pools, train: pictures(train) })
    }
}

/// The forgeries of a family. Forgery `i` depends only on the seed, the family and `i`; its original is picture `i`
/// of the pool.
fn forged(family: &Family, plan: &Plan, pool: &[Picture], samples: &Samples) -> Result<Vec<GrayImage>> {
    let purpose = format!("zoo {}", family.name);
    let originals = &pool[..plan.per_family];
    let by_hand = |forge: &(dyn Fn(&Picture, &mut ChaCha8Rng) -> Picture + Sync)| {
        let one = |(i, original)| first_visible(original, &mut stream(plan.seed, &purpose, i as u64), forge);
        originals.par_iter().enumerate().map(one).collect()
    };
    Ok(match family.method {
        Method::Alters(alter) => by_hand(&alter),
        Method::Joins(join) => by_hand(&|original, rng| join(original, pool, rng)),
        Method::Learns(learn) => {
            // Not the plan's own seed: a detector trained with the same seed must not have met the same generator.
            let seed = stream(plan.seed, "zoo learned", 0).random();
            learn(&ForgerInput { seed, samples, originals })?.iter().map(Picture::image).collect()
        }
    })
}

/// Returns the first forgery that is visibly different, or the most different one of all attempts.
fn first_visible(
    original: &Picture,
    rng: &mut ChaCha8Rng,
    forge: &dyn Fn(&Picture, &mut ChaCha8Rng) -> Picture,
) -> GrayImage {
    let mut best = (0.0, original.image());
    for _ in 0..TRIES {
        let forgery = forge(original, rng).image();
        let distance = original.distance(&Picture::of(&forgery));
        if distance >= best.0 {
            best = (distance, forgery);
        }
        if distance >= VISIBLE {
            break;
        }
    }
    best.1
}

/// Writes pictures as 00000.png and so on.
fn save(dir: &Path, pictures: &[GrayImage]) -> Result<()> {
    folder(dir)?;
    pictures.par_iter().enumerate().try_for_each(|(i, picture)| png(&dir.join(format!("{i:05}.png")), picture))
}

fn folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(Error::io("make the folder", path))
}

fn png(path: &PathBuf, picture: &GrayImage) -> Result<()> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png).expect("eight bits a pixel in memory are a PNG");
    fs::write(path, bytes.into_inner()).map_err(Error::io("write", path))
}

#[cfg(test)]
mod tests {
    use image::Luma;

    use super::*;
    use crate::data::{Dataset, Part};
    use crate::synthetic::zoo::{FAMILIES, chosen};

    /// A folder of rings and bars, each slightly different.
    fn genuine(dir: &Path, count: u32) {
        let pictures: Vec<GrayImage> = (0..count)
            .map(|i| {
                GrayImage::from_fn(28, 28, |x, y| {
                    let (dx, dy) = (x as f32 - 13.0 - (i % 3) as f32, y as f32 - 14.0);
                    let off = if i % 2 == 0 { dx.hypot(1.2 * dy) - 7.0 } else { dx + 0.2 * dy };
                    Luma([((2.5 - off.abs() - (dy.abs() - 9.0).max(0.0)).clamp(0.0, 1.0) * 250.0) as u8])
                })
            })
            .collect();
        Idx::write(&dir.join("train-images-idx3-ubyte.gz"), &pictures).unwrap();
    }

    fn plan(families: Vec<&'static Family>) -> Plan {
        Plan { seed: 5, per_family: 3, judge: 4, families }
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes_and_every_drawn_family_changes_pictures() {
        let dir = tempfile::tempdir().unwrap();
        genuine(dir.path(), 60);
        let (idx, all) = (Idx::read(&dir.path().join("train-images-idx3-ubyte.gz")).unwrap(), plan(vec![]));
        let parts = Parts::deal(&idx, dir.path(), &all).unwrap();
        let nothing = Samples::new(1, 28, 28, vec![0; 784]).unwrap();
        let drawn = |family: &&Family| !matches!(family.method, Method::Learns(_));
        for family in FAMILIES.iter().filter(drawn) {
            let pool = &parts.pools[family.fold - 1];
            let forge = || forged(family, &all, pool, &nothing).unwrap();
            let forgeries = forge();
            assert_eq!(forgeries, forge(), "{}", family.name);
            for (forgery, original) in forgeries.iter().zip(pool) {
                assert_eq!(forgery.dimensions(), (28, 28));
                assert!(original.distance(&Picture::of(forgery)) > 0.02, "{}", family.name);
            }
        }
    }

    #[test]
    fn a_zoo_is_what_eval_and_train_read() {
        let dir = tempfile::tempdir().unwrap();
        genuine(dir.path(), 60);
        let (out, names) = (dir.path().join("zoo"), ["blur", "noise", "jigsaw"].map(str::to_owned));
        let zoo = make(dir.path(), &out, &plan(chosen(&names).unwrap()), |_| {}).unwrap();
        assert_eq!(fs::read_to_string(out.join("zoo.toml")).unwrap(), zoo.text());
        assert_eq!(Dataset::open(&out.join("train"), None).unwrap().genuine.len(), zoo.train);
        assert_eq!(Dataset::open(&out.join("genuine"), None).unwrap().genuine.len(), 4);
        let fakes = Dataset::open_fakes(&out.join("fold-1"), None, Part::Train).unwrap().fake;
        let families: Vec<&str> = fakes.iter().map(|item| item.family.as_deref().unwrap()).collect();
        assert_eq!(families, ["blur", "blur", "blur", "noise", "noise", "noise"]);
        assert!(out.join("fold-3/jigsaw/00002.png").is_file() && out.join("sheet.png").is_file());
        let again = make(dir.path(), &out, &plan(vec![]), |_| {}).unwrap_err();
        assert!(matches!(again, Error::Taken(_)), "{again}");
    }

    #[test]
    fn no_genuine_picture_is_in_two_places_and_too_few_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("train-images-idx3-ubyte");
        let numbered =
            |count: u32| (0..count).map(|i| GrayImage::from_pixel(8, 8, Luma([i as u8]))).collect::<Vec<_>>();
        Idx::write(&file, &numbered(44)).unwrap();
        let parts = Parts::deal(&Idx::read(&file).unwrap(), &file, &plan(vec![])).unwrap();
        let pools = parts.pools.iter().flatten().map(Picture::image);
        let mut all: Vec<u8> =
            parts.judge.into_iter().chain(parts.train).chain(pools).map(|p| p.get_pixel(0, 0).0[0]).collect();
        all.sort_unstable();
        assert_eq!(all, (0..44).collect::<Vec<u8>>());

        Idx::write(&file, &numbered(43)).unwrap();
        let error = make(dir.path(), &dir.path().join("zoo"), &plan(vec![]), |_| {}).unwrap_err().to_string();
        assert!(error.contains("43 pictures") && error.contains("--per-family"), "{error}");
    }
}
