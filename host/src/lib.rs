//! The workstation: trains a GAN and its detector on pictures, exports them as a bundle, and evaluates the bundle.
//!
//! `data` -> `run` -> `gan` (`nn`, `quality`) with the `detector`s -> `export` (`onnx`) -> `judging` -> `eval` ->
//! `report`. `math` works on plain numbers, and `durable` writes files atomically. `synthetic` draws the embedded
//! default data set and the forgeries on which a detector is evaluated, and `game` is the face-off. The program's
//! subcommands are in `cmd`, beside `main.rs`.

pub mod data;
pub mod detector;
mod durable;
pub mod eval;
pub mod export;
pub mod game;
pub mod gan;
pub mod judging;
pub mod math;
pub mod nn;
pub mod onnx;
pub mod quality;
pub mod report;
pub mod run;
pub mod synthetic;
