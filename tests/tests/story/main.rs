//! End-to-end tests ("stories"): what a user does with the programs, and what happens when something goes wrong.

#![expect(clippy::unwrap_used, reason = "a story that cannot be set up has failed")]

mod aarch64;
mod bundles;
mod deploy;
mod disks;
mod enrolment;
mod faceoff;
mod kill;
mod models;
mod named;
mod network;
mod path;
mod pictures;
mod training;
mod watch;
mod zoo;
