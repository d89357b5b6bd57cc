//! The stories: what a user does with the programs, and what happens when something is wrong.

mod aarch64;
mod bundles;
mod path;
mod pictures;
mod training;
