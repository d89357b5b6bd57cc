//! Face-offs: who plays, what is shown, who keeps the record, and who looks on.
//!
//! A [`referee`] mixes [`exhibits`] or has sealed [`cards`] laid. It shows them to every [`contestant`], of which the
//! [`boxes`] are asked over the network, and keeps the [`record`]. A [`scoreboard`] shows the game as it is played.
//! In a [`league`] every generator meets every detective.

pub mod boxes;
pub mod cards;
pub mod contestant;
pub mod exhibits;
pub mod league;
pub mod record;
pub mod referee;
pub mod scoreboard;
