//! Computes error rates with intervals from judged pictures, which are given as plain data.
//!
//! Nothing here opens a bundle or a picture. The caller passes [`Scored`] records, so that our detectors, the
//! baselines and a detector trained elsewhere are all measured by the same code.
//!
//! `Scored` -> [`Sample`] (sorted once) -> [`Step`]s (counts of one resample) -> a statistic -> [`Estimate`]. A
//! counterfeit is the positive class throughout, and a low score indicates a counterfeit.

mod auroc;
mod bootstrap;
mod claims;
mod conformal;
mod detection;
mod eer;
mod error;
mod estimate;
mod evaluation;
mod false_alarm;
mod hardest;
mod lead;
mod metrics;
mod promise;
mod resampled;
mod roc;
mod sample;
mod scored;
mod single_number;
mod tpr_at_fpr;
mod zoo;

pub use auroc::auroc;
pub use bootstrap::{Bootstrap, Statistic};
pub use claims::{Claim, over_draws};
pub use conformal::AlarmInterval;
pub use detection::detection_rate;
pub use eer::eer;
pub use error::EvalError;
pub use estimate::Estimate;
pub use evaluation::{Baseline, Evaluation, Family, evaluate};
pub use false_alarm::false_alarm_rate;
pub use hardest::{Hardest, caught, hardest};
pub use lead::Lead;
pub use metrics::{Metrics, Ranking};
pub use promise::CalibrationCheck;
pub use resampled::Resampled;
pub use roc::roc;
pub use sample::{Observation, Sample, Step};
pub use scored::Scored;
pub use single_number::{BestStatistic, Measured, Side, SingleNumbers, StatisticTable, best_single_number};
pub use tpr_at_fpr::{tpr_at_fpr, tpr_at_fpr01};
pub use zoo::{Kinship, Summary, ZooSummary};
