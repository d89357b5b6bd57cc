//! The configuration of a training run: defaults, changed by a TOML file and by the caller, then validated.
//!
//! Every key has a default that suits its networks, so a file may hold as little as one line. Unknown
//! keys are errors. Learning rates are constant: the bytes of a run depend on the seed and the number of
//! steps, not on the planned length.

use std::fmt::Display;

use candle_core::Device;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Error;
use crate::detector::detective::Part;
use crate::nn::Net;
use crate::nn::loss::Loss;

/// Longest timed run, in minutes: a year.
const MINUTES: f64 = 366.0 * 24.0 * 60.0;

/// The device on which the networks are computed. The first line of each variant is its help on the command line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Compute {
    /// The processor, all of its cores.
    #[default]
    Cpu,
    /// The first NVIDIA GPU, in a program built with the feature cuda.
    Cuda,
}

impl Compute {
    /// Opens the device.
    ///
    /// # Errors
    /// When this program or machine has no such device.
    pub(super) fn device(self) -> Result<Device, Error> {
        match self {
            Self::Cpu => Ok(Device::Cpu),
            Self::Cuda => Device::new_cuda(0).map_err(|error| Error::Cuda(error.to_string())),
        }
    }
}

/// The configuration of a run. Either `steps` or `minutes` ends it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Which pair of networks is trained.
    pub net: Net,
    /// The loss that generator and discriminator minimise.
    pub loss: Loss,
    /// Seed of every random stream.
    pub seed: u64,
    /// Real pictures per step, 2 to 1024.
    pub batch: usize,
    /// Length of the latent z, 1 to 1024.
    pub latent: usize,
    /// Channels of the dcgan at its highest resolution, 4 to 256; the mlp ignores it.
    pub width: usize,
    /// The generator's learning rate, above 0, at most 0.1.
    pub lr_g: f64,
    /// The discriminator's learning rate, above 0, at most 0.1.
    pub lr_d: f64,
    /// Adam's decay of the first moment, 0 to below 1.
    pub beta1: f64,
    /// Adam's decay of the second moment, 0 to below 1.
    pub beta2: f64,
    /// Target of the discriminator's real term: above 0.5, at most 1.
    pub real_label: f64,
    /// Decay per step of the generator's running average, 0 to below 1.
    pub ema: f64,
    /// Whether a detective is trained beside the GAN. Without one, the GAN's own discriminator is the detector.
    #[serde(default)]
    pub detective: bool,
    /// Parts of the detective that are left out, to measure what each contributes (`scripts/ablate`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub without: Vec<Part>,
    /// Steps between two grids of sample pictures; 0 means one grid per epoch.
    pub sample_every: u64,
    /// Steps between two checkpoints.
    pub checkpoint_every: u64,
    /// Number of newest checkpoints that are kept, at least 1; the best are kept in addition.
    pub keep: usize,
    /// The device for the computation; it may change when a run is resumed. Only the processor gives the same bytes
    /// twice.
    #[serde(default)]
    pub device: Compute,
    /// Step at which training stops.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<u64>,
    /// Minutes after which this call stops training, above 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minutes: Option<f64>,
}

impl Config {
    /// The defaults for a pair of networks, without `steps` and `minutes`.
    #[must_use]
    pub fn new(net: Net) -> Self {
        let (batch, lr_g, lr_d) = match net {
            Net::Mlp => (128, 2e-4, 2e-4),
            Net::Dcgan => (64, 2e-4, 2e-4),
        };
        Self {
            net,
            loss: Loss::NonSaturating,
            seed: 0,
            batch,
            latent: 100,
            width: 32,
            lr_g,
            lr_d,
            beta1: 0.5,
            beta2: 0.999,
            real_label: 0.9,
            ema: 0.995,
            detective: net == Net::Dcgan,
            without: Vec::new(),
            sample_every: 0,
            checkpoint_every: 1000,
            keep: 3,
            device: Compute::Cpu,
            steps: None,
            minutes: None,
        }
    }

    /// Reads a TOML text over the defaults of its `net` key, or of `net` where the caller has chosen one.
    ///
    /// # Errors
    /// When the text is not TOML, a key is unknown or a value has the wrong type. [`Config::validate`] checks the
    /// ranges.
    pub fn from_toml(text: &str, net: Option<Net>) -> Result<Self, Error> {
        let mut given: toml::Table = toml::from_str(text).map_err(refused)?;
        let net = match (net, given.get("net")) {
            (Some(net), _) => net,
            (None, Some(net)) => net.clone().try_into().map_err(|error| Error::Toml(format!("net: {error}")))?,
            (None, None) => Net::Dcgan,
        };
        given.remove("net");
        Self::new(net).changed(given)
    }

    /// This configuration with the keys of a TOML text replaced, including `net`.
    ///
    /// # Errors
    /// When the text is not TOML, a key is unknown or a value has the wrong type.
    pub fn over(&self, text: &str) -> Result<Self, Error> {
        self.changed(toml::from_str(text).map_err(refused)?)
    }

    fn changed(&self, given: toml::Table) -> Result<Self, Error> {
        let ends = ["steps", "minutes"];
        // A text that sets `steps` or `minutes` replaces both.
        let own = if ends.iter().any(|key| given.contains_key(*key)) { self.recipe() } else { self.clone() };
        let mut table = toml::Table::try_from(own).map_err(|error| Error::Toml(error.to_string()))?;
        table.extend(given);
        table.try_into().map_err(refused)
    }

    /// This configuration as TOML text, from which it can be read again.
    ///
    /// # Errors
    /// When TOML cannot represent a number, such as a seed above 2^63.
    pub fn to_toml(&self) -> Result<String, Error> {
        toml::to_string(self).map_err(|error| Error::Toml(error.to_string()))
    }

    /// Checks that every value is in its range.
    ///
    /// # Errors
    /// On the first value out of range; the error names the key, the value and the range.
    pub fn validate(&self) -> Result<(), Error> {
        fn check(fits: bool, key: &'static str, value: &dyn Display, expected: &'static str) -> Result<(), Error> {
            if fits { Ok(()) } else { Err(Error::Value { key, value: value.to_string(), expected }) }
        }
        let rate = |rate: f64| rate > 0.0 && rate <= 0.1;
        let decay = |decay: f64| (0.0..1.0).contains(&decay);
        let label = self.real_label > 0.5 && self.real_label <= 1.0;
        check((2..=1024).contains(&self.batch), "batch", &self.batch, "2 to 1024")?;
        check((1..=1024).contains(&self.latent), "latent", &self.latent, "1 to 1024")?;
        check((4..=256).contains(&self.width), "width", &self.width, "4 to 256")?;
        check(rate(self.lr_g), "lr_g", &self.lr_g, "above 0, at most 0.1")?;
        check(rate(self.lr_d), "lr_d", &self.lr_d, "above 0, at most 0.1")?;
        check(decay(self.beta1), "beta1", &self.beta1, "0 to below 1")?;
        check(decay(self.beta2), "beta2", &self.beta2, "0 to below 1")?;
        check(label, "real_label", &self.real_label, "above 0.5, at most 1")?;
        check(decay(self.ema), "ema", &self.ema, "0 to below 1")?;
        check(self.checkpoint_every > 0, "checkpoint_every", &self.checkpoint_every, "at least 1")?;
        check(self.keep > 0, "keep", &self.keep, "at least 1")?;
        match (self.steps, self.minutes) {
            (Some(steps), None) => check(steps > 0, "steps", &steps, "at least 1"),
            (None, Some(minutes)) => {
                check(minutes > 0.0 && minutes <= MINUTES, "minutes", &minutes, "above 0, at most a year")
            }
            (Some(steps), Some(_)) => check(false, "steps", &steps, "one of steps and minutes, not both"),
            (None, None) => check(false, "steps", &"not set", "one of steps and minutes: say when to stop"),
        }
    }

    /// This configuration without `steps` and `minutes`: everything that determines the weights at a given step.
    #[must_use]
    pub fn recipe(&self) -> Self {
        Self { steps: None, minutes: None, ..self.clone() }
    }

    /// The first key in which two configurations differ, with both values, so that one cannot resume the other's
    /// run. The keys `steps`, `minutes`, `sample_every`, `checkpoint_every`, `keep` and `device` may differ.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Option<(String, String, String)> {
        let table = |config: &Self| {
            let table = serde_json::to_value(config.recipe()).ok().and_then(|value| value.as_object().cloned());
            let mut table = table.unwrap_or_default();
            table.retain(|key, _| !matches!(key.as_str(), "sample_every" | "checkpoint_every" | "keep" | "device"));
            table
        };
        difference(&table(self), &table(other))
    }
}

/// The first key in which two tables differ, with both values. A key that only one of them has is a difference, too.
pub(crate) fn difference(
    ours: &serde_json::Map<String, Value>,
    theirs: &serde_json::Map<String, Value>,
) -> Option<(String, String, String)> {
    let shown =
        |value: Option<&Value>| value.filter(|value| !value.is_null()).map_or("nothing".into(), Value::to_string);
    let differs = |key: &&String| ours.get(*key).unwrap_or(&Value::Null) != theirs.get(*key).unwrap_or(&Value::Null);
    let key = ours.keys().chain(theirs.keys()).find(differs)?;
    Some((key.clone(), shown(ours.get(key)), shown(theirs.get(key))))
}

#[expect(clippy::needless_pass_by_value, reason = "as `map_err` hands it over")]
fn refused(error: toml::de::Error) -> Error {
    Error::Toml(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_overrides_the_defaults_of_its_net() {
        let config =
            Config::from_toml("net = \"mlp\"\nlr_d = 0.001\nloss = \"least-squares\"\nsteps = 5", None).unwrap();
        assert_eq!((config.net, config.batch, config.loss), (Net::Mlp, 128, Loss::LeastSquares));
        assert!((config.lr_d - 0.001).abs() < 1e-12);
        config.validate().unwrap();
        assert_eq!(Config::from_toml("", None).unwrap(), Config::new(Net::Dcgan));
        assert_eq!(Config::from_toml("net = \"mlp\"", Some(Net::Dcgan)).unwrap().net, Net::Dcgan);
    }

    #[test]
    fn refusals_name_key_value_and_range() {
        let error = Config::from_toml("learning_rate = 1", None).unwrap_err().to_string();
        assert!(error.contains("learning_rate"), "{error}");
        assert!(Config::from_toml("net = \"vae\"", None).is_err() && Config::from_toml("batch = \"x\"", None).is_err());
        let refused = |change: fn(&mut Config)| {
            let mut config = Config { steps: Some(1), ..Config::new(Net::Mlp) };
            change(&mut config);
            config.validate().unwrap_err().to_string()
        };
        let error = refused(|config| config.batch = 1);
        assert!(error.contains("batch") && error.contains('1') && error.contains("2 to 1024"), "{error}");
        assert!(refused(|config| config.lr_g = f64::NAN).contains("lr_g"));
        assert!(refused(|config| config.minutes = Some(1.0)).contains("not both"));
        assert!(refused(|config| config.steps = None).contains("when to stop"));
    }

    #[test]
    fn only_the_recipe_must_stay_when_resuming() {
        let config = Config::new(Net::Mlp);
        let longer = Config { minutes: Some(3.0), keep: 9, ..config.clone() };
        assert_eq!(config.difference(&longer), None);
        let other = Config { seed: 4, ..config.clone() };
        assert_eq!(config.difference(&other), Some(("seed".into(), "0".into(), "4".into())));
        let without = Config { without: vec![Part::Texture], ..config.clone() };
        for (one, other) in [(&config, &without), (&without, &config)] {
            assert_eq!(one.difference(other).unwrap().0, "without", "a key that one side leaves out");
        }
    }

    #[test]
    fn a_file_over_a_run_changes_the_keys_it_names() {
        let run = Config { lr_d: 0.003, minutes: Some(3.0), ..Config::new(Net::Dcgan) };
        assert_eq!(run.over("keep = 9").unwrap(), Config { keep: 9, ..run.clone() });
        assert_eq!(run.over("steps = 9").unwrap(), Config { steps: Some(9), minutes: None, ..run.clone() });
        assert_eq!(run.difference(&run.over("net = \"mlp\"").unwrap()).unwrap().0, "net");
    }
}
