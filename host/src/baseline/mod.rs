//! Judged pictures enter, a row for each simpler detector leaves: what a GAN's detective has to beat, on the same pictures.
//!
//! `exhibits` (what they are fitted to and judge) -> `statistics`, `pca`, `neighbours`, `cnn` (what is fitted) -> `fit` (who is fitted to
//! what, and one score a picture); `plain` is the bundle's own discriminator, `forged` what its generator draws.
//! All rank only: none has a calibrated threshold.

mod cnn;
mod exhibits;
mod fit;
mod neighbours;
mod pca;
mod plain;
mod statistics;

use anyhow::Result;
use counterfoil_edge::Detector;

use crate::data::Item;
use crate::eval::{Baseline, Scored};
use cnn::Cnn;
use exhibits::Exhibits;
use neighbours::Neighbours;
use pca::Pca;

/// Genuine pictures a baseline is fitted to, at most: more would cost minutes and add little.
const REFERENCES: usize = 2_000;
/// Genuine pictures that are needed to fit to, and twice that to fit to one half and judge the other.
const FEWEST: usize = 20;

/// What the baselines are given.
#[derive(Debug)]
pub struct Against<'a> {
    /// The detector they stand beside: they see what it sees.
    pub detector: &'a Detector,
    /// The judged pictures.
    pub items: &'a [Item],
    /// Genuine pictures to fit to. Without them one half of the judged genuine is fitted to and the other judged, and the other
    /// way round: by pictures of the very test, which is an advantage a baseline may have.
    pub reference: Option<&'a [Item]>,
    /// Counterfeits for the supervised network to learn; where there is none, what the bundle's own generator draws.
    pub fakes: &'a [Item],
}

/// The baselines' rows.
#[derive(Debug, Default)]
pub struct Rows {
    /// One for each baseline that could be had.
    pub rows: Vec<Baseline>,
    /// Which could not, and why.
    pub left_out: Vec<String>,
}

impl Rows {
    fn add(&mut self, name: &str, scored: Result<Option<Vec<Scored>>>) {
        let row = scored.and_then(|scored| Ok(scored.map(|scored| Baseline::ranked(name, scored)).transpose()?));
        match row {
            Ok(row) => self.rows.extend(row),
            Err(reason) => self.left_out.push(format!("{name}: {reason:#}")),
        }
    }
}

/// Fits every baseline and scores the pictures. One that cannot be fitted never stops the others.
#[must_use]
pub fn rows(against: &Against) -> Rows {
    let bundle = against.detector.bundle();
    let exhibits = Exhibits::of(against.items, &bundle.manifest().input);
    let chosen = against.reference.map(|reference| exhibits::evenly(reference, REFERENCES));
    let reference = chosen.as_deref().map(|chosen| Exhibits::of(chosen, exhibits.input()));
    let reference = reference.as_ref();

    let mut rows = Rows::default();
    rows.add("plain discriminator", plain::scores(bundle, &exhibits));
    rows.add("hand statistics", statistics::scores(against.items, chosen.as_deref()).map(Some));
    rows.add("PCA reconstruction", fit::scores(&exhibits, reference, Pca::fit).map(Some));
    rows.add("nearest neighbours", fit::scores(&exhibits, reference, |planes| Ok(Neighbours::of(planes))).map(Some));
    let supervised = cnn::fakes(bundle, against.fakes, exhibits.input()).and_then(|(fakes, which)| {
        Ok((fit::scores(&exhibits, reference, |planes| Cnn::train(planes, &fakes))?, which))
    });
    match supervised {
        Ok((scored, which)) => rows.add(&format!("CNN on {which}"), Ok(Some(scored))),
        Err(reason) => rows.left_out.push(format!("supervised CNN: {reason:#}")),
    }
    rows
}

/// The hand statistics' row alone, for a bundle's card.
///
/// # Errors
/// When the pictures are too few or too small for them.
pub fn hand_statistics(items: &[Item]) -> Result<Baseline> {
    Ok(Baseline::ranked("hand statistics", statistics::scores(items, None)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Dataset;
    use counterfoil_models::{Color, Frame, Plane, Preprocess};
    use image::{GrayImage, Luma};
    use tempfile::TempDir;

    /// Pictures of 8 pixels on a side, whole.
    pub(super) fn input() -> Preprocess {
        Preprocess::whole(8, 8, Color::Grey)
    }

    /// 64 bytes as a picture's plane.
    pub(super) fn plane(bytes: &[u8]) -> Plane {
        input().plane(&Frame::Grey(GrayImage::from_raw(8, 8, bytes.to_vec()).unwrap())).unwrap()
    }

    pub(super) struct Folder(TempDir);

    impl Folder {
        pub(super) fn items(&self) -> Vec<Item> {
            let data = Dataset::open(self.0.path(), None).unwrap();
            [data.genuine, data.fake].concat()
        }
    }

    /// A folder of `genuine` slanted waves and `fakes` upright ones, no two alike, in two families.
    pub(super) fn folder(genuine: usize, fakes: usize) -> Folder {
        let dir = tempfile::tempdir().unwrap();
        let draw = |name: String, slant: f64, phase: usize| {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            let wave = |x, y| 128.0 + 90.0 * (f64::from(x) + slant * f64::from(y) + phase as f64 * 0.618).sin();
            GrayImage::from_fn(8, 8, |x, y| Luma([wave(x, y) as u8])).save(path).unwrap();
        };
        (0..genuine).for_each(|i| draw(format!("real/{i:03}.png"), 1.0, i));
        (0..fakes).for_each(|i| draw(format!("fake/f{}/{i:03}.png", i % 2), 0.2, i));
        Folder(dir)
    }

    #[test]
    fn each_one_class_baseline_tells_upright_waves_from_slanted() {
        let (folder, input) = (folder(60, 30), input());
        let items = folder.items();
        let exhibits = Exhibits::of(&items, &input);
        let reference = Exhibits::of(&items[..30], &input);
        let judged = &items[30..];
        let judged = Exhibits::of(judged, &input);
        let mut rows = Rows::default();
        rows.add("pca", fit::scores(&exhibits, None, Pca::fit).map(Some));
        rows.add("pca", fit::scores(&judged, Some(&reference), Pca::fit).map(Some));
        rows.add("neighbours", fit::scores(&exhibits, None, |planes| Ok(Neighbours::of(planes))).map(Some));
        rows.add("neighbours", fit::scores(&judged, Some(&reference), |planes| Ok(Neighbours::of(planes))).map(Some));
        assert!(rows.left_out.is_empty(), "{rows:?}");
        for row in &rows.rows {
            let auroc = row.evaluation.overall.auroc.value;
            assert!(auroc > 0.99 && row.evaluation.families.len() == 2, "{}: {auroc}", row.name);
        }
    }

    #[test]
    fn one_that_cannot_be_fitted_is_named() {
        let (folder, input) = (folder(10, 4), input());
        let items = folder.items();
        let mut rows = Rows::default();
        rows.add("pca", fit::scores(&Exhibits::of(&items, &input), None, Pca::fit).map(Some));
        assert!(rows.rows.is_empty() && rows.left_out[0].starts_with("pca: 10 genuine pictures"), "{rows:?}");
    }
}
