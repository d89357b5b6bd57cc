//! The contract shared by the trainer and the box: what a picture is, how it becomes the network's input, what a
//! score means, what a bundle holds, and the rules of a face-off.
//!
//! A picture passes through a chain of types, `Frame -> Plane -> Score -> Judgement`; each step has its own file.
//! This crate depends on neither candle nor tract, so that the trainer and the box share one implementation and
//! cannot differ.
//!
//! ```
//! use counterfoil_models::{Calibration, Score, Verdict};
//!
//! let genuine: Vec<f32> = (0..199).map(|i| i as f32).collect();
//! let calibration = Calibration::new(0.01, genuine)?;
//! assert_eq!(calibration.judge(Score::new(-5.0)?).verdict(), Verdict::Counterfeit);
//! assert_eq!(calibration.judge(Score::new(120.0)?).verdict(), Verdict::Genuine);
//! # Ok::<(), counterfoil_models::Error>(())
//! ```

mod article;
mod bundle;
mod calibration;
mod clarity;
mod digest;
mod distance;
mod durable;
mod enrolment;
mod error;
mod frame;
pub mod game;
mod golden;
pub mod limits;
mod linear;
mod manifest;
mod memory;
pub mod naming;
mod overlay;
pub mod pairing;
mod preprocess;
pub mod protocol;
mod references;
mod region;
mod registration;
mod score;
mod secret;
mod straighten;
mod verdict;
mod yuv;

pub use article::{Foreground, Outline};
pub use bundle::{Bundle, DISCRIMINATOR, Draft, GENERATOR, MANIFEST, SIGNATURE};
pub use calibration::Calibration;
pub use clarity::{Exposure, Light, SHARP, sharpness};
pub use digest::sha256_hex;
pub use distance::{Distance, EmbeddingPart};
pub use durable::{ensure_folder_free, ensure_free, lock_folder, sync, write_private, write_whole};
pub use enrolment::{Enrolment, ReferenceLevel, Scale};
pub use error::{Error, NotFound, Result};
pub use frame::{DecodedFrame, FileKind, Frame, KIND_BYTES, PictureFile};
pub use golden::{Golden, TOLERANCE as GOLDEN_TOLERANCE, sketch};
pub use manifest::{Engine, FileEntry, Manifest, Measured, SCHEMA, Training, WholePicture};
pub use memory::{DEFAULT_MEMORY, limit_memory, read_file};
pub use overlay::{Name, Overlay};
pub use preprocess::{Article, Color, Layout, Plane, Preprocess, Resize, unit};
pub use references::{MAX_REFERENCES, References};
pub use region::Region;
pub use registration::{Reference, Registration};
pub use score::{Join, JoinRule, Score};
pub use secret::{random, random_seed, secret};
pub use verdict::{Judgement, Verdict};
pub use yuv::{Matrix, Packing, Yuv};
