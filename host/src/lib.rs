//! The workstation: pictures become a trained pair, the pair becomes a bundle, the bundle is judged.
//!
//! `data` -> `run` -> `train` (`net`, `loss`, `adam`) with the `detector`s -> `export` (`onnx`) -> `judge`,
//! `baseline` and `drift` -> `eval` -> `report`. `math` holds what is numbers only, `backup` keeps a run twice,
//! `durable` writes its files whole. `specimen` draws the embedded default data set, `zoo` the forgers a detector is
//! judged by, and in `game` they are played. The program's subcommands are in `cmd`, beside `main.rs`.

pub mod adam;
pub mod backup;
pub mod baseline;
pub mod data;
pub mod detector;
pub mod drift;
mod durable;
pub mod eval;
pub mod export;

pub mod game;
pub mod gan;
pub mod judge;
pub mod loss;
pub mod math;
pub mod net;
pub mod onnx;
pub mod quality;
pub mod report;
pub mod run;
pub mod specimen;

pub mod zoo;
