//! The forgers who work by hand: a genuine picture and a random stream go in, a forgery leaves. A file a kind, a function a family.
//!
//! How far a forger goes is drawn for each picture, from what an attentive eye just sees to what anyone does.

pub(super) mod collage;
pub(super) mod resample;
mod skeleton;
pub(super) mod strokes;
pub(super) mod texture;
pub(super) mod tone;
pub(super) mod warp;
pub(super) mod weight;
