//! Face-offs: the contestants, the exhibits, the record and the scoreboard.
//!
//! A [`referee`] mixes [`exhibits`], or lets an operator lay out exhibits with sealed [`cards`]. It shows each
//! exhibit to every [`contestant`] and keeps the [`record`]. Contestants that are [`boxes`] are asked over the
//! network. A [`scoreboard`] shows the game live. In a [`league`] every generator meets every detector.

pub mod boxes;
pub mod cards;
pub mod contestant;
pub mod exhibits;
pub mod league;
pub mod record;
pub mod referee;
pub mod scoreboard;
