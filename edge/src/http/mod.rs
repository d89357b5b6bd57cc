//! HTTP for the box's API and live page, and for the workstation's scoreboard: connections within limits, and pages.

pub mod page;
pub mod server;
