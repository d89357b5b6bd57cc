//! A detector's results on pictures: scores by the box's own code, trials with references, drift of the camera,
//! and the baselines that a detector has to beat. Knows no report and no subcommand.

pub mod baseline;
pub mod drift;
mod score;
mod trials;

pub use score::{Judged, judge, rates, refuse_both_sides, single_number};
pub use trials::ReferenceTrials;
