//! Makes exhibits from a folder and a generator: half genuine, encoded in the same way, in a secret random order.
//!
//! Half of the exhibits are genuine. The counterfeits are distributed evenly over their families. Each exhibit is
//! decoded and written again as PNG under its number, so that neither file name nor metadata nor compression tells
//! what it is. Later changes of the source folder have no effect.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use counterfoil_models::{Frame, random, sha256_hex, write_whole};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::data::{Dataset, Item, Part, Side};
use crate::gan::sampler::FaceoffGenerator;

/// A picture that may become an exhibit.
#[derive(Clone, Debug)]
enum Candidate {
    Picture(Item),
    /// A picture of the generator, by its number.
    Generated(u64),
}

/// An exhibit of a game, with its label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exhibit {
    /// Name of the exhibit's file in the game's folder.
    pub file: String,
    /// SHA-256 of the file, in hex.
    pub sha256: String,
    /// Whether the exhibit is genuine.
    pub genuine: bool,
    /// Name of the source picture, published after the game.
    pub name: String,
}

/// The pictures that exhibits are drawn from.
#[derive(Debug)]
pub struct Collection {
    genuine: Vec<Candidate>,
    /// One list per family.
    fakes: Vec<Vec<Candidate>>,
    generated: Option<FaceoffGenerator>,
}

impl Collection {
    /// Opens a folder with genuine pictures and counterfeits, and adds the counterfeits of a generator. `tell`
    /// receives the lines that describe how the folder was understood.
    ///
    /// # Errors
    /// Returns an error when the folder is not understood, lacks genuine pictures or counterfeits, or holds a picture
    /// that cannot be read.
    pub fn open(folder: &Path, generated: Option<FaceoffGenerator>, tell: &dyn Fn(&str)) -> Result<Self> {
        let data = Dataset::list(folder, None, Side::Both, Part::Test)?;
        data.understood.tell(tell);
        for refused in data.genuine.iter().chain(&data.fake).filter(|item| item.is_refused()) {
            refused.frame()?;
        }
        ensure!(
            generated.is_some() || !data.fake.is_empty(),
            "{} holds no counterfeits; put some into fake/ beside real/, or give a --generator",
            folder.display()
        );
        let mut families: BTreeMap<Option<String>, Vec<Candidate>> = BTreeMap::new();
        for item in data.fake {
            families.entry(item.family.clone()).or_default().push(Candidate::Picture(item));
        }
        let genuine = data.genuine.into_iter().map(Candidate::Picture).collect();
        Ok(Self { genuine, fakes: families.into_values().collect(), generated })
    }

    /// Draws `rounds` exhibits with a secret random seed, and writes them to `folder`. Without `rounds`, draws as
    /// many as can be mixed half and half.
    ///
    /// # Errors
    /// Returns an error when there are too few pictures, or a picture cannot be read or written.
    pub fn draw(&self, rounds: Option<usize>, folder: &Path) -> Result<Vec<Exhibit>> {
        let mut rng = ChaCha8Rng::from_seed(random().context("the exhibits cannot be mixed")?);
        let mixed = self.mixed(rounds, &mut rng)?;
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let mut exhibits = Vec::with_capacity(mixed.len());
        for (number, (genuine, candidate)) in mixed.into_iter().enumerate() {
            let (frame, name) = self.frame(&candidate)?;
            let png = frame.to_png()?;
            let file = format!("{:04}.png", number + 1);
            write_whole(&folder.join(&file), &png)?;
            exhibits.push(Exhibit { file, sha256: sha256_hex(&png), genuine, name });
        }
        Ok(exhibits)
    }

    /// Half genuine pictures, half counterfeits taken evenly from all families, in random order.
    fn mixed(&self, rounds: Option<usize>, rng: &mut ChaCha8Rng) -> Result<Vec<(bool, Candidate)>> {
        let found: usize = self.fakes.iter().map(Vec::len).sum();
        let half = match rounds {
            // A generator makes as many counterfeits as needed.
            None if self.generated.is_some() => self.genuine.len(),
            None => self.genuine.len().min(found),
            Some(rounds) => rounds.div_ceil(2),
        };
        let fakes = rounds.map_or(half, |rounds| rounds - half);
        ensure!(
            half <= self.genuine.len() && (self.generated.is_some() || fakes <= found),
            "{} rounds take {half} genuine pictures and {fakes} counterfeits; there are {} and {found}: give --rounds {} or fewer",
            half + fakes,
            self.genuine.len(),
            2 * self.genuine.len().min(found),
        );
        let mut genuine = self.genuine.clone();
        genuine.shuffle(rng);
        genuine.truncate(half);
        let mut families = self.fakes.clone();
        for family in &mut families {
            family.shuffle(rng);
        }
        if self.generated.is_some() {
            families.push((0..fakes as u64).map(Candidate::Generated).collect());
        }
        families.shuffle(rng);
        // Takes one picture of each family in turn until there are enough.
        let mut drawn = Vec::with_capacity(fakes);
        while drawn.len() < fakes {
            let before = drawn.len();
            for family in &mut families {
                if drawn.len() < fakes {
                    drawn.extend(family.pop());
                }
            }
            ensure!(drawn.len() > before, "there are too few counterfeits");
        }
        let mut all: Vec<(bool, Candidate)> = genuine.into_iter().map(|it| (true, it)).collect();
        all.extend(drawn.into_iter().map(|it| (false, it)));
        all.shuffle(rng);
        Ok(all)
    }

    fn frame(&self, candidate: &Candidate) -> Result<(Frame, String)> {
        match candidate {
            Candidate::Picture(item) => Ok((item.frame()?.into_frame(), item.label())),
            Candidate::Generated(number) => {
                let generated = self.generated.as_ref().context("there is no generator")?;
                Ok((generated.picture(*number)?, format!("{} {number}", generated.name())))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use image::{GrayImage, Luma};

    fn collection(dir: &Path, genuine: usize, families: &[(&str, usize)]) -> Collection {
        let put = |folder: &str, number: usize| {
            let folder = dir.join(folder);
            fs::create_dir_all(&folder).unwrap();
            GrayImage::from_pixel(8, 8, Luma([number as u8])).save(folder.join(format!("{number}.png"))).unwrap();
        };
        (0..genuine).for_each(|number| put("real", number));
        for (family, count) in families {
            (0..*count).for_each(|number| put(&format!("fake/{family}"), number));
        }
        Collection::open(dir, None, &|_| ()).unwrap()
    }

    #[test]
    fn half_are_genuine_and_families_share_the_rest() {
        let dir = tempfile::tempdir().unwrap();
        let collection = collection(dir.path(), 20, &[("a", 20), ("b", 3), ("c", 20)]);
        let drawn = collection.draw(Some(21), &dir.path().join("game")).unwrap();
        assert_eq!(drawn.iter().filter(|exhibit| exhibit.genuine).count(), 11);
        let mut families: BTreeMap<&str, usize> = BTreeMap::new();
        for exhibit in drawn.iter().filter(|exhibit| !exhibit.genuine) {
            *families.entry(exhibit.name.rsplit('/').nth(1).unwrap()).or_default() += 1;
        }
        assert_eq!(families["b"], 3);
        assert!(families["a"].abs_diff(families["c"]) <= 1, "{families:?}");
        for exhibit in &drawn {
            assert_eq!(exhibit.sha256, sha256_hex(&fs::read(dir.path().join("game").join(&exhibit.file)).unwrap()));
        }
        let again = collection.draw(Some(21), &dir.path().join("again")).unwrap();
        assert_ne!(
            drawn.iter().map(|e| &e.name).collect::<Vec<_>>(),
            again.iter().map(|e| &e.name).collect::<Vec<_>>()
        );
        assert_eq!(collection.draw(None, &dir.path().join("all")).unwrap().len(), 40);
    }

    #[test]
    fn too_few_are_refused_with_what_would_do() {
        let dir = tempfile::tempdir().unwrap();
        let collection = collection(dir.path(), 4, &[("a", 3)]);
        let error = collection.draw(Some(10), &dir.path().join("game")).unwrap_err().to_string();
        assert!(error.contains("--rounds 6"), "{error}");
        fs::remove_dir_all(dir.path().join("fake")).unwrap();
        let error = Collection::open(dir.path(), None, &|_| ()).unwrap_err().to_string();
        assert!(error.contains("no counterfeits"), "{error}");
    }

    #[test]
    fn sides_go_by_the_names_that_every_command_knows() {
        let dir = tempfile::tempdir().unwrap();
        for (folder, number) in [("Genuine", 0), ("Counterfeits/toner", 1), ("Counterfeits/toner", 2), ("notes", 3)] {
            let folder = dir.path().join(folder);
            fs::create_dir_all(&folder).unwrap();
            GrayImage::from_pixel(8, 8, Luma([number])).save(folder.join(format!("{number}.png"))).unwrap();
        }
        let told = RefCell::new(Vec::new());
        let collection = Collection::open(dir.path(), None, &|line| told.borrow_mut().push(line.to_owned())).unwrap();
        assert_eq!((collection.genuine.len(), collection.fakes[0].len()), (1, 2));
        assert!(told.borrow()[1].contains("notes"), "{told:?}");
    }
}
