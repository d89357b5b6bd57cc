//! The devices for a person in front of the box: lights, buzzer, display and button, on the pins of a [`board`].

pub mod board;
pub mod button;
pub mod display;
pub mod indicator;
pub mod panel;
pub mod screen;
