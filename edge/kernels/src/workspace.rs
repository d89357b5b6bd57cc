//! Buffers that a network keeps from step to step.
//!
//! Every step needs the same buffers as the one before. If they were given back to the system each time, they
//! would come back as fresh pages, which have to be mapped and cleared. That took a good part of a training step
//! before this module was written.

use std::collections::HashMap;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Free buffers, shared by all passes through a network and its copies.
#[derive(Clone, Debug, Default)]
pub struct Workspace(Arc<Mutex<Free>>);

/// Free buffers by their length.
type Free = HashMap<usize, Vec<Vec<f32>>>;

impl Workspace {
    /// A buffer of `length` numbers with any content: a free one if there is one, else a new one.
    pub fn buffer(&self, length: usize) -> Buffer {
        let used = self.free_buffers().get_mut(&length).and_then(Vec::pop);
        Buffer { numbers: used.unwrap_or_else(|| vec![0.0; length]), home: self.clone() }
    }

    /// How many numbers the free buffers have in total.
    #[must_use]
    pub fn free(&self) -> usize {
        self.free_buffers().iter().map(|(length, buffers)| length * buffers.len()).sum()
    }

    /// A buffer with a copy of `numbers`.
    #[must_use]
    pub fn copy(&self, numbers: &[f32]) -> Buffer {
        let mut buffer = self.buffer(numbers.len());
        buffer.copy_from_slice(numbers);
        buffer
    }

    /// The free buffers, locked. A poisoned lock is no problem: the map is consistent after every change.
    fn free_buffers(&self) -> MutexGuard<'_, Free> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A buffer that returns to its workspace when it is dropped.
#[derive(Debug)]
pub struct Buffer {
    numbers: Vec<f32>,
    home: Workspace,
}

impl Buffer {
    /// Takes the numbers out; they do not return to the workspace.
    #[must_use]
    pub fn into_vec(mut self) -> Vec<f32> {
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
            self.home.free_buffers().entry(numbers.len()).or_default().push(numbers);
        }
    }
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
        assert!(workspace.free_buffers()[&2].len() == 1 && !workspace.free_buffers().contains_key(&3));
    }
}
