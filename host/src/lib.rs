//! The workstation: trains a GAN and its detector on pictures, exports them as a bundle, and evaluates the bundle.
//!
//! `data` -> `run` -> `gan` (`nn`, `quality`) with the `detector`s -> `export` (`onnx`) ->
//! `judge`, `baseline` and `drift` -> `eval` -> `report`. `math` works on plain numbers, `backup` keeps a second
//! copy of a run, and `durable` writes its files atomically. `specimen` draws the embedded default data set,
//! `zoo` makes the forgeries on which a detector is evaluated, and `game` is the face-off. The program's
//! subcommands are in `cmd`, beside `main.rs`.

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
pub mod math;
pub mod nn;
pub mod onnx;
pub mod quality;
pub mod report;
pub mod run;
pub mod specimen;
pub mod zoo;
