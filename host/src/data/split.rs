//! Splits genuine pictures by group into a training set and a set held out for calibration.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::{DataError, Item, Result};

/// Default share of the pictures that is held out of the training, 0..1.
pub const HELD_OUT: f64 = 0.2;
/// Limit of the number of pictures and of groups to hold out: with 2,000 scores a rate of 1 % is known with a
/// standard deviation of 0.2 %.
const MAX_HELD_OUT: usize = 2_000;
/// Minimum number of groups for a split.
const MIN_GROUPS: usize = 4;

/// Indices into the list that was split, in ascending order. The two sets are disjoint and together cover the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// Pictures to train the network on.
    pub train: Vec<usize>,
    /// Genuine pictures that are held out of the training.
    pub held_out: Vec<usize>,
}

impl Split {
    /// Splits by group. Groups are taken in the order of a seeded hash until the share `fraction` of the pictures and
    /// of the groups is held out. Counting the groups too prevents that a few large groups represent all items or
    /// writers.
    ///
    /// The order of the groups depends only on their names and the seed, so adding a picture does not reorder them.
    /// At least one group stays on each side.
    ///
    /// # Errors
    /// [`DataError::TooFew`] when there are fewer than four groups.
    pub fn by_group(items: &[Item], fraction: f64, seed: u64) -> Result<Self> {
        let mut groups: BTreeMap<[u8; 32], Vec<usize>> = BTreeMap::new();
        for (index, item) in items.iter().enumerate() {
            let hash = Sha256::new_with_prefix(b"split").chain_update(seed.to_le_bytes()).chain_update(&item.group);
            groups.entry(hash.finalize().into()).or_default().push(index);
        }
        if groups.len() < MIN_GROUPS {
            return Err(DataError::TooFew { pictures: items.len(), groups: groups.len() });
        }
        let share = |of: usize| ((of as f64 * fraction).round() as usize).clamp(1, MAX_HELD_OUT);
        let (pictures, wanted) = (share(items.len()), share(groups.len()));
        let mut held_out = Vec::new();
        let mut train = Vec::new();
        let last = groups.len() - 1;
        for (place, group) in groups.into_values().enumerate() {
            // The last group is always for training, so at least one group stays on each side.
            if (held_out.len() < pictures || place < wanted) && place < last {
                held_out.extend(group);
            } else {
                train.extend(group);
            }
        }
        train.sort_unstable();
        held_out.sort_unstable();
        Ok(Self { train, held_out })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Dataset;
    use super::*;
    use image::DynamicImage;

    fn items(groups: usize, each: usize) -> Vec<Item> {
        let dir = tempfile::tempdir().unwrap();
        for g in 0..groups {
            for i in 0..each {
                DynamicImage::new_luma8(8, 8).save(dir.path().join(format!("w{g:03}_{i}.png"))).unwrap();
            }
        }
        Dataset::open(dir.path(), Some(r"w(\d+)")).unwrap().genuine
    }

    #[test]
    fn no_group_stands_on_both_sides_and_the_seed_decides() {
        let items = items(20, 3);
        let split = Split::by_group(&items, 0.2, 7).unwrap();
        assert_eq!(split.held_out.len(), 12);
        assert_eq!(split.train.len() + split.held_out.len(), 60);
        let groups =
            |side: &[usize]| side.iter().map(|i| items[*i].group.clone()).collect::<std::collections::BTreeSet<_>>();
        assert!(groups(&split.train).is_disjoint(&groups(&split.held_out)));
        assert_eq!(split, Split::by_group(&items, 0.2, 7).unwrap());
        assert_ne!(split, Split::by_group(&items, 0.2, 8).unwrap());
    }

    #[test]
    fn a_few_large_groups_do_not_stand_for_all() {
        // Ten groups of three pictures; the first two groups get another twenty pictures each.
        let mut items = items(10, 3);
        let first =
            Split::by_group(&items, 0.2, 7).unwrap().held_out.into_iter().map(|i| items[i].clone()).collect::<Vec<_>>();
        (0..20).for_each(|_| items.extend(first.iter().step_by(3).cloned()));
        let split = Split::by_group(&items, 0.5, 7).unwrap();
        let groups: std::collections::BTreeSet<_> = split.held_out.iter().map(|i| &items[*i].group).collect();
        assert_eq!(groups.len(), 5);
    }

    #[test]
    fn too_few_groups_cannot_be_split() {
        assert!(matches!(Split::by_group(&items(3, 5), 0.2, 1), Err(DataError::TooFew { groups: 3, .. })));
    }
}
