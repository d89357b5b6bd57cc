//! HTTP for the box's API and live page, and for the workstation's scoreboard: connections within limits, and pages.

pub mod body;
pub mod hosts;
pub mod page;
pub mod places;
pub mod refusal;
pub mod server;
