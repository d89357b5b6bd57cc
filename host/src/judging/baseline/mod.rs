//! Simpler detectors on the same pictures, for comparison: a detective trained with a GAN has to beat them.
//!
//! `eval_planes` (the pictures) -> `statistics`, `pca`, `neighbours`, `patches`, `cnn` (the models) -> `fit` (which
//! pictures are fitted to, and one score for each picture); `plain` is the bundle's own discriminator. All of them only
//! rank: none has a calibrated threshold.

mod cnn;
mod eval_planes;
mod fit;
mod neighbours;
mod patches;
mod pca;
mod plain;
mod statistics;

use anyhow::Result;
use counterfoil_edge::Detector;
use counterfoil_models::{Plane, Preprocess};

use crate::data::{Item, spread};
use crate::eval::{Baseline, Scored};
use cnn::Cnn;
use eval_planes::EvalPlanes;
use neighbours::Neighbours;
use patches::Patches;
use pca::Pca;

/// Maximum number of genuine pictures that a baseline is fitted to: more would take minutes and improve little.
const REFERENCES: usize = 2_000;
/// Minimum number of genuine pictures to fit to. Twice as many are needed to fit to one half and judge the other.
const FEWEST: usize = 20;

/// The input of the baselines.
#[derive(Debug)]
pub struct BaselineInput<'a> {
    /// The detector to compare with. The baselines get the same input as it does.
    pub detector: &'a Detector,
    /// The judged pictures.
    pub items: &'a [Item],
    /// Genuine pictures to fit to. Without them, a baseline is fitted to one half of the judged genuine pictures and
    /// scores the other half, and vice versa. Fitting to pictures of the test set is an advantage that a baseline may
    /// have.
    pub reference: Option<&'a [Item]>,
    /// Counterfeits that the supervised network is trained on. If there are none, pictures of the bundle's own
    /// generator are used.
    pub fakes: &'a [Item],
}

/// The evaluations of the baselines.
#[derive(Debug, Default)]
pub struct Rows {
    /// One evaluation for each baseline that could be fitted.
    pub rows: Vec<Baseline>,
    /// The names of the other baselines, each with the reason.
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

/// Fits every baseline and scores the pictures. A baseline that cannot be fitted does not stop the others.
#[must_use]
pub fn rows(against: &BaselineInput) -> Rows {
    let bundle = against.detector.bundle();
    let eval_planes = EvalPlanes::of(against.items, &bundle.manifest().input);
    let chosen = against.reference.map(|reference| spread(reference, REFERENCES).cloned().collect::<Vec<_>>());
    let reference = chosen.as_deref().map(|chosen| EvalPlanes::of(chosen, eval_planes.input()));
    let reference = reference.as_ref();

    let mut rows = Rows::default();
    rows.add("plain discriminator", plain::scores(bundle, &eval_planes));
    rows.add("hand statistics", statistics::scores(against.items, chosen.as_deref()).map(Some));
    rows.add("PCA reconstruction", fit::scores(&eval_planes, reference, Pca::fit).map(Some));
    rows.add("nearest neighbours", fit::scores(&eval_planes, reference, |planes| Ok(Neighbours::of(planes))).map(Some));
    if bundle.manifest().training.whole_picture.is_some() {
        rows.add("nearest patches (PatchCore)", fit::scores(&eval_planes, reference, Patches::fit).map(Some));
    }
    // The supervised network sees what the game was played with, because it learns from the generator's pictures.
    let [width, height] = bundle.manifest().game_size();
    let game = Preprocess { width, height, ..eval_planes.input().clone() };
    let supervised = cnn::fakes(bundle, against.fakes, &game).and_then(|(fakes, which)| {
        let train = |planes: &[&Plane]| Cnn::train(planes, &fakes);
        if game == *eval_planes.input() {
            return Ok((fit::scores(&eval_planes, reference, train)?, which));
        }
        let reference = chosen.as_deref().map(|chosen| EvalPlanes::of(chosen, &game));
        Ok((fit::scores(&EvalPlanes::of(against.items, &game), reference.as_ref(), train)?, which))
    });
    match supervised {
        Ok((scored, which)) => rows.add(&format!("CNN on {which}"), Ok(Some(scored))),
        Err(reason) => rows.left_out.push(format!("supervised CNN: {reason:#}")),
    }
    rows
}

/// Evaluates only the hand statistics, for a bundle's model card.
///
/// # Errors
/// When the pictures are too few or too small for the statistics.
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

    /// Whole pictures of 8x8 pixels, in grey.
    pub(super) fn input() -> Preprocess {
        Preprocess::whole(8, 8, Color::Grey)
    }

    /// The plane of a picture given by 64 bytes.
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

    /// A folder of `genuine` slanted waves and `fakes` upright ones in two families; no two pictures are the same.
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
        let eval_planes = EvalPlanes::of(&items, &input);
        let reference = EvalPlanes::of(&items[..30], &input);
        let judged = &items[30..];
        let judged = EvalPlanes::of(judged, &input);
        let mut rows = Rows::default();
        rows.add("pca", fit::scores(&eval_planes, None, Pca::fit).map(Some));
        rows.add("pca", fit::scores(&judged, Some(&reference), Pca::fit).map(Some));
        rows.add("neighbours", fit::scores(&eval_planes, None, |planes| Ok(Neighbours::of(planes))).map(Some));
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
        rows.add("pca", fit::scores(&EvalPlanes::of(&items, &input), None, Pca::fit).map(Some));
        assert!(rows.rows.is_empty() && rows.left_out[0].starts_with("pca: 10 genuine pictures"), "{rows:?}");
    }
}
