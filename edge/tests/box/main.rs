//! The box, end to end inside its crate: bundles with a network of three nodes, pictures on disk, and the program itself.

#[cfg(test)]
mod bombs;
#[cfg(test)]
mod bundle;
#[cfg(test)]
mod calibrate;
#[cfg(test)]
mod cli;
#[cfg(test)]
mod detector;
#[cfg(test)]
mod drift;
#[cfg(test)]
mod enrolment;
#[cfg(test)]
mod explain;
#[cfg(test)]
mod faceoff;
#[cfg(test)]
mod kills;
#[cfg(test)]
mod network;
#[cfg(test)]
mod pipeline;
#[cfg(test)]
mod slots;
