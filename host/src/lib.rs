//! The workstation: pictures become a trained pair, the pair becomes a bundle, the bundle is judged.
//!
//! `data` -> `run` -> `train` (`net`, `loss`, `adam`, `stream`; `detective` looks on) or `statistics` or `strokes` -> `export` -> `judge`, `baseline` and
//! `drift` -> `eval` -> `report`. `backup` keeps a run twice, `durable` writes its files whole. `specimen` draws the embedded default data
//! set, `zoo` the forgers a detector is judged by. The program's subcommands are in `cmd`, beside `main.rs`.

pub mod adam;
pub mod backup;
pub mod baseline;
pub mod data;
pub mod detective;
pub mod drift;
mod durable;
pub mod eval;
pub mod export;
pub mod forger;
pub mod judge;
pub mod league;
pub mod loss;
pub mod net;
pub mod referee;
pub mod remote;
pub mod report;
pub mod run;
pub mod scoreboard;
pub mod specimen;
pub mod statistics;
pub mod stream;
pub mod strokes;
pub mod subspace;
pub mod train;
pub mod zoo;
