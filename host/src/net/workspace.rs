//! What a network keeps from step to step: buffers that were used once and plans that were made once.
//!
//! Every step needs the same buffers as the one before. Given back to the system each time, they would come back as fresh pages, each to be
//! mapped and cleared, which took a good part of a training step before this file was written.

use std::collections::HashMap;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::conv::{Maps, Plans};

/// Shared by all passes through a network and its copies.
#[derive(Clone, Debug, Default)]
pub(crate) struct Workspace(Arc<Shelves>);

#[derive(Debug, Default)]
struct Shelves {
    /// Free buffers by their length.
    buffers: Mutex<HashMap<usize, Vec<Vec<f32>>>>,
    plans: Mutex<HashMap<Maps, Arc<Plans>>>,
}

impl Workspace {
    /// A buffer of `length` numbers, whatever they are: a used one if there is one.
    pub(super) fn buffer(&self, length: usize) -> Buffer {
        let used = lock(&self.0.buffers).get_mut(&length).and_then(Vec::pop);
        Buffer { numbers: used.unwrap_or_else(|| vec![0.0; length]), home: self.clone() }
    }

    /// How many numbers lie free.
    #[cfg(test)]
    pub(crate) fn free(&self) -> usize {
        lock(&self.0.buffers).iter().map(|(length, buffers)| length * buffers.len()).sum()
    }

    /// A copy of numbers.
    pub(crate) fn copy(&self, numbers: &[f32]) -> Buffer {
        let mut buffer = self.buffer(numbers.len());
        buffer.copy_from_slice(numbers);
        buffer
    }

    /// The plans of a pair of maps, made by the first who asks.
    pub(super) fn plans(&self, maps: &Maps) -> Arc<Plans> {
        Arc::clone(lock(&self.0.plans).entry(*maps).or_insert_with(|| Arc::new(maps.plans())))
    }
}

/// Numbers that go back to their workspace when they are dropped.
#[derive(Debug)]
pub struct Buffer {
    numbers: Vec<f32>,
    home: Workspace,
}

impl Buffer {
    /// Takes the numbers away from the workspace.
    pub(super) fn into_vec(mut self) -> Vec<f32> {
        std::mem::take(&mut self.numbers)
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.numbers
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.numbers
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let numbers = std::mem::take(&mut self.numbers);
        if !numbers.is_empty() {
            lock(&self.home.0.buffers).entry(numbers.len()).or_default().push(numbers);
        }
    }
}

/// What lies on the shelves is whole after every change: a panic elsewhere spoils nothing.
fn lock<T>(shelf: &Mutex<T>) -> MutexGuard<'_, T> {
    shelf.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_buffer_is_used_again() {
        let workspace = Workspace::default();
        let first = workspace.copy(&[1.0, 2.0]);
        let place = first.as_ptr();
        let second = workspace.buffer(2);
        drop(first);
        assert_eq!(workspace.buffer(2).as_ptr(), place);
        assert_ne!(second.as_ptr(), place);
        assert_eq!(workspace.copy(&[3.0, 4.0, 5.0]).into_vec(), [3.0, 4.0, 5.0]);
        assert!(lock(&workspace.0.buffers)[&2].len() == 1 && !lock(&workspace.0.buffers).contains_key(&3));
    }
}
