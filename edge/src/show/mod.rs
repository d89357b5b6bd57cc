//! What a person in front of the box sees, hears and presses: lights, buzzer, display and button, by the pins of a
//! [`board`].

pub mod board;
pub mod button;
pub mod display;
pub mod indicator;
pub mod panel;
pub mod screen;
