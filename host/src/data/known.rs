//! Decodes folders of known fakes into training rows, family by family, so that a family of a thousand pictures does
//! not outweigh one of ten.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use counterfoil_models::{Preprocess, sha256_hex};

use super::decode::{Decoded, decode};
use super::duplicates::{is_same, twins_across};
use super::{DataError, Dataset, Item, Part, Result, Samples, StorageLimits};

/// The known fakes of a run, decoded.
#[derive(Debug, Default)]
pub struct Known {
    /// Rows of each family, sorted by the families' names.
    pub families: Vec<Samples>,
    /// Number of pictures in all families.
    pub pictures: usize,
    /// SHA-256 over the hashes of the pictures' planes; `None` without known fakes.
    pub sha256: Option<String>,
    /// Pictures that could not be read, each with its reason.
    pub unreadable: Vec<String>,
}

impl Known {
    /// Reads the counterfeits in the folders, in rows of which blocks of `pool` pixels are averaged. Families with the
    /// same name are merged. `tell` receives a text about how each folder was interpreted.
    ///
    /// # Errors
    /// When a folder cannot be opened or holds no counterfeit, when none of the pictures can be read, when a picture
    /// is also among `genuine`, or when the rows cannot be stored.
    pub(crate) fn read(
        folders: &[PathBuf],
        genuine: &Decoded,
        input: &Preprocess,
        pool: [usize; 2],
        room: &StorageLimits,
        tell: &dyn Fn(&str),
    ) -> Result<Self> {
        let mut families: BTreeMap<String, Vec<Item>> = BTreeMap::new();
        for folder in folders {
            let data = Dataset::open_fakes(folder, None, Part::Train)?;
            data.understood.tell(tell);
            for item in data.fake {
                families.entry(item.family.clone().unwrap_or_default()).or_default().push(item);
            }
        }
        let [regions, channels, height, width] = input.shape();
        let (mut known, mut hashes) = (Self::default(), String::new());
        for items in families.into_values() {
            let decoded = decode(items, input, room)?;
            refuse_both_sides(genuine, &decoded, regions * channels * height * width, regions)?;
            let Decoded { rows, hashes: found, unreadable, .. } = decoded;
            known.unreadable.extend(unreadable);
            known.pictures += found.len();
            hashes.extend(found);
            if rows.len() > 0 {
                let all = (0..rows.len()).collect();
                known.families.push(Samples::of(rows, (channels, height, width), all, regions).pooled(pool));
            }
        }
        match folders.first() {
            Some(folder) if known.families.is_empty() => Err(DataError::Empty(folder.clone())),
            Some(_) => Ok(Self { sha256: Some(sha256_hex(hashes.as_bytes())), ..known }),
            None => Ok(known),
        }
    }
}

/// Refuses a picture that is given both as genuine and as counterfeit, because the detector would get the same plane
/// (of `plane` bytes) with both labels.
///
/// # Errors
/// [`DataError::BothSides`], or [`DataError::Spill`] when planes are in a file and the disk fails.
fn refuse_both_sides(genuine: &Decoded, fake: &Decoded, plane: usize, regions: usize) -> Result<()> {
    let by_hash: HashMap<&str, usize> = genuine.hashes.iter().map(String::as_str).zip(0..).collect();
    let copies = fake.hashes.iter().enumerate().filter_map(|(j, hash)| Some((*by_hash.get(hash.as_str())?, j)));
    let mut found: Vec<(usize, usize)> = copies.collect();
    let all = |decoded: &Decoded| (0..decoded.items.len()).collect::<Vec<_>>();
    let read = |decoded: &Decoded, picture: usize| {
        let mut bytes = vec![0; plane];
        decoded.rows.read(picture * regions, &mut bytes).map(|()| bytes)
    };
    for twin in twins_across((&fake.prints, &all(fake)), (&genuine.prints, &all(genuine)))? {
        let pair = (twin.second, twin.first);
        if !found.iter().any(|(_, fake)| *fake == pair.1) && is_same(&read(genuine, pair.0)?, &read(fake, pair.1)?) {
            found.push(pair);
        }
    }
    match found.first() {
        None => Ok(()),
        Some((i, j)) => Err(DataError::BothSides {
            found: found.len(),
            genuine: genuine.items[*i].label(),
            fake: fake.items[*j].label(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use image::{Rgb, RgbImage};

    use super::*;

    #[test]
    fn folders_of_one_name_are_one_family() {
        let dir = tempfile::tempdir().unwrap();
        for (index, file) in ["a/copy/1.png", "a/scan/1.png", "b/copy/1.png", "b/copy/2.png"].iter().enumerate() {
            let path = dir.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            RgbImage::from_pixel(8, 8, Rgb([index as u8 * 60; 3])).save(path).unwrap();
        }
        let input: Preprocess = serde_json::from_value(serde_json::json!({
            "width": 8, "height": 8, "color": "grey", "resize": "stretch", "regions": [[0.0, 0.0, 1.0, 1.0]]
        }))
        .unwrap();
        let folders: Vec<PathBuf> = ["a", "b"].iter().map(|name| dir.path().join(name)).collect();
        let room = StorageLimits::of(dir.path());
        let read = |folders: &[PathBuf], genuine: Vec<Item>| {
            Known::read(folders, &decode(genuine, &input, &room).unwrap(), &input, [1, 1], &room, &|_| ())
        };
        let known = read(&folders, Vec::new()).unwrap();
        assert_eq!(known.families.iter().map(Samples::len).collect::<Vec<_>>(), [3, 1]);
        assert_eq!(known.pictures, 4);
        let none = read(&[], Vec::new()).unwrap();
        assert!(none.families.is_empty() && none.sha256.is_none());
        assert!(read(&[Path::new("/nowhere").to_path_buf()], Vec::new()).is_err());

        // A copy among the genuine pictures, whatever its name, is refused, and the message names both files.
        std::fs::create_dir(dir.path().join("real")).unwrap();
        std::fs::copy(dir.path().join("b/copy/2.png"), dir.path().join("real/9.png")).unwrap();
        let genuine = Dataset::open_genuine(&dir.path().join("real"), None, Part::Train).unwrap().genuine;
        let message = read(&folders, genuine).unwrap_err().to_string();
        assert!(message.contains("real/9.png") && message.contains("b/copy/2.png"), "{message}");
    }
}
