//! RUN/run.json, the arguments of a run, and the held-out planes beside it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use counterfoil_models::{Article, JoinRule, Preprocess};
use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{BESIDE, HELD_OUT, RECORD};
use crate::data::InputRule;
use crate::detector::Kind;
use crate::detector::appearance::{Appearance, Camera, Tolerance};
use crate::gan::difference;

/// Version of the format of [`Record`].
pub(super) const FORMAT: u32 = 1;

/// The arguments of a run and facts about its data, stored as `run.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Version of the format.
    pub format: u32,
    /// The kind of detector.
    pub net: Kind,
    /// The path given as `--data`.
    pub data: PathBuf,
    /// The pattern given as `--group`.
    pub group: Option<String>,
    /// Share of the genuine pictures that was held out, between 0 and 1.
    pub held_out_share: f64,
    /// Seed of the split and of all random streams.
    pub seed: u64,
    /// How pictures are preprocessed.
    pub input: Preprocess,
    /// Width and height of the blocks of a plane's pixels that are averaged into one pixel of the GAN's rows.
    #[serde(default = "single", skip_serializing_if = "is_single")]
    pub pool: [usize; 2],
    /// How much the camera may change.
    #[serde(default)]
    pub tolerance: Tolerance,
    /// How the scores of regions will be joined.
    pub join: JoinRule,
    /// SHA-256 over the hashes of the training pictures' planes.
    pub data_sha256: String,
    /// Number of genuine pictures trained on.
    pub genuine: usize,
    /// Number of genuine pictures held out.
    pub held_out: usize,
    /// The folders given as `--known-fakes`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub known_fakes: Vec<PathBuf>,
    /// The folders of additional genuine pictures, which are never held out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub more: Vec<PathBuf>,
    /// SHA-256 over the hashes of the known fakes' planes; `None` without known fakes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_sha256: Option<String>,
}

fn single() -> [usize; 2] {
    [1, 1]
}

fn is_single(pool: &[usize; 2]) -> bool {
    *pool == single()
}

impl Record {
    /// Whether a run has begun in this folder, that is, whether it holds a record.
    #[must_use]
    pub fn is_in(run: &Path) -> bool {
        run.join(RECORD).exists()
    }

    /// Reads a run's record.
    ///
    /// # Errors
    /// When the folder is not a run, or the record is damaged or of another version.
    pub fn open(run: &Path) -> Result<Self> {
        let path = run.join(RECORD);
        let text = fs::read(&path).with_context(|| {
            format!("{} is no run folder (no {RECORD} in it); give the --out of `counterfoil train`", run.display())
        })?;
        let record: Self = serde_json::from_slice(&text).with_context(|| format!("{} is damaged", path.display()))?;
        if record.format != FORMAT {
            bail!(
                "{} is of format {} and this program knows {FORMAT}; train again, or use the program it was made with",
                path.display(),
                record.format
            );
        }
        record.input.validate()?;
        Ok(record)
    }

    /// Whether something judges the whole picture beside a detector that sees fewer pixels.
    #[must_use]
    pub fn is_pooled(&self) -> bool {
        !is_single(&self.pool)
    }

    /// Whether a share of the held-out pictures sets the scale of scores: those of the regions, or those of the
    /// detective beside the appearance.
    #[must_use]
    pub fn is_scaled(&self) -> bool {
        self.input.rows() > 1 || self.is_pooled()
    }

    /// Whether a GAN learns each picture in another shot, too, and is calibrated on it: where the article is found in the
    /// picture or laid over a reference, and nothing judges the whole picture beside the detector, which would vary the
    /// pictures itself.
    #[must_use]
    pub fn has_shots(&self) -> bool {
        let is_game = self.net.gan().is_some();
        is_game && self.input.article != Article::Whole && self.tolerance != Tolerance::None && !self.is_pooled()
    }

    /// What may differ between two shots of one article.
    #[must_use]
    pub fn camera(&self) -> Camera {
        Camera { tolerance: self.tolerance, article: self.input.article }
    }

    /// Reads what was fitted beside the detector, if it was.
    ///
    /// # Errors
    /// When the file cannot be read or is damaged.
    pub fn appearance(&self, run: &Path) -> Result<Option<Appearance>> {
        let path = run.join(BESIDE);
        if !self.is_pooled() {
            return Ok(None);
        }
        let bytes = fs::read(&path)
            .with_context(|| format!("cannot read {}; the training did not begin: train again", path.display()))?;
        let appearance = Appearance::from_bytes(&bytes);
        Ok(Some(appearance.with_context(|| format!("{} is damaged; train again", path.display()))?))
    }

    /// Reads a run's held-out planes, each `[R, C, H, W]` bytes.
    ///
    /// # Errors
    /// When the file is missing or damaged, or its shape differs from the record.
    pub fn held_out(&self, run: &Path) -> Result<Vec<Vec<u8>>> {
        let planes = self.held_out_planes(run, "held_out")?;
        planes.with_context(|| format!("{} holds no pictures; train again", run.join(HELD_OUT).display()))
    }

    /// Reads the planes of another shot of each held-out picture, if the run [has shots](Self::has_shots).
    ///
    /// # Errors
    /// The same as for [`held_out`](Self::held_out).
    pub fn held_out_shots(&self, run: &Path) -> Result<Option<Vec<Vec<u8>>>> {
        self.held_out_planes(run, "shots")
    }

    /// The planes of one tensor in the file of held-out pictures, if the tensor exists.
    fn held_out_planes(&self, run: &Path, name: &str) -> Result<Option<Vec<Vec<u8>>>> {
        let each = self.input.shape().iter().product::<usize>();
        let planes = self.held_out_tensor(run, name, each)?;
        Ok(planes.map(|planes| planes.chunks_exact(each).map(<[u8]>::to_vec).collect()))
    }

    /// Reads the group number of each held-out picture. `None` if the training had no groups, or was done by a
    /// version of the program that did not store them.
    ///
    /// # Errors
    /// The same as for [`held_out`](Self::held_out).
    pub fn groups(&self, run: &Path) -> Result<Option<Vec<u32>>> {
        let groups = self.held_out_tensor(run, "group", size_of::<u32>())?;
        Ok(groups.map(|bytes| bytes.as_chunks().0.iter().map(|number| u32::from_le_bytes(*number)).collect()))
    }

    /// The bytes of one tensor in the file of held-out pictures, with `each` bytes for each picture, if the tensor
    /// exists.
    fn held_out_tensor(&self, run: &Path, name: &str, each: usize) -> Result<Option<Vec<u8>>> {
        let path = run.join(HELD_OUT);
        let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let damaged = || format!("{} is damaged; train again", path.display());
        let tensors = SafeTensors::deserialize(&bytes).with_context(damaged)?;
        let Ok(tensor) = tensors.tensor(name) else { return Ok(None) };
        ensure!(tensor.data().len() == self.held_out * each, damaged());
        Ok(Some(tensor.data().to_vec()))
    }

    /// The arguments of the run, by the flags that set them.
    #[must_use]
    pub fn flags(&self) -> Map<String, Value> {
        let Self { net, group, held_out_share, seed, join, input, tolerance, known_fakes, more, .. } = self;
        let Preprocess { width, height, color, resize, article, reference: _, regions } = input;
        let flags = json!({
            "--net": net, "--group": group, "--held-out": held_out_share, "--seed": seed, "--join": join,
            "--known-fakes": known_fakes, "--unsure": more, "--color": color, "--size": [width, height],
            "--resize": resize, "--article": article, "--region": regions, "--tolerate": tolerance,
        });
        flags.as_object().cloned().unwrap_or_default()
    }

    /// Checks that this run can be resumed with the arguments of `asked`.
    ///
    /// # Errors
    /// [`gan::Error::Differs`](crate::gan::Error::Differs), naming the first flag that differs.
    pub fn resumable_as(&self, run: &Path, asked: &Self) -> Result<()> {
        match difference(&self.flags(), &asked.flags()) {
            Some((key, was, now)) => Err(crate::gan::Error::Differs { run: run.to_path_buf(), key, was, now }.into()),
            None => Ok(()),
        }
    }

    /// The preprocessing of this run as an input rule, to prepare the same data again when the run is resumed.
    #[must_use]
    pub fn look(&self) -> InputRule {
        InputRule {
            color: Some(self.input.color),
            size: Some([self.input.width, self.input.height]),
            resize: Some(self.input.resize),
            article: Some(self.input.article),
            regions: Some(self.input.regions.clone()),
            pool: Some(self.pool),
        }
    }
}
