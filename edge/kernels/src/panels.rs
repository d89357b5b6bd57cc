//! The right-hand matrix of a product, in the layout that the kernels of `product` read: a row-major matrix as panels.
//!
//! A panel has as many columns as two vector registers hold, stored row by row. A matrix becomes its panels
//! one after the other; the last one is padded with zeros. The kernels then read a panel sequentially,
//! whatever the width of the matrix is.

use std::ops::Deref;

use rayon::prelude::*;

use crate::vectors::lanes;
use crate::workspace::{Buffer, Workspace};

/// Rows that are transposed at a time; their part of a panel stays in the first-level cache.
const BLOCK: usize = 16;

/// A matrix [rows, columns], to be read as panels [rows, width].
#[derive(Debug)]
pub(crate) struct Panels<'a> {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    /// Columns of a panel: two vector registers of this machine.
    pub(crate) width: usize,
    source: Source<'a>,
    /// All panels one after the other, once they are packed.
    packed: Option<Buffer>,
}

#[derive(Clone, Copy, Debug)]
enum Source<'a> {
    /// A matrix [rows, columns].
    Matrix(&'a [f32]),
    /// A number of matrices [columns, R], one after the other, to be transposed.
    Transposed(&'a [f32], usize),
}

/// One panel: borrowed if the matrix is packed already, else packed into its own buffer.
#[derive(Debug)]
pub(crate) enum Panel<'a> {
    Lent(&'a [f32]),
    Own(Buffer),
}

impl Deref for Panel<'_> {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        match self {
            Self::Lent(panel) => panel,
            Self::Own(buffer) => buffer,
        }
    }
}

impl<'a> Panels<'a> {
    /// The panels of a row-major matrix [rows, `columns`].
    pub(crate) fn of(matrix: &'a [f32], columns: usize) -> Self {
        let rows = matrix.len() / columns;
        Self { rows, columns, width: width(), source: Source::Matrix(matrix), packed: None }
    }

    /// The panels of `blocks` row-major matrices [`columns`, R]. Each is transposed to [R, `columns`], one below
    /// the other.
    pub(crate) fn transposed(matrices: &'a [f32], blocks: usize, columns: usize) -> Self {
        let rows = matrices.len() / columns;
        Self { rows, columns, width: width(), source: Source::Transposed(matrices, blocks), packed: None }
    }

    /// The number of panels.
    pub(crate) fn count(&self) -> usize {
        self.columns.div_ceil(self.width)
    }

    /// Packs all panels, so that several tasks can read them.
    pub(crate) fn pack(&mut self, workspace: &Workspace) {
        let size = self.rows * self.width;
        if self.as_packed().is_none() {
            let mut packed = workspace.buffer(self.count() * size);
            packed.par_chunks_exact_mut(size).enumerate().for_each(|(index, panel)| self.fill(index, panel));
            self.packed = Some(packed);
        }
    }

    /// Panel number `index`, [rows, width].
    pub(crate) fn panel(&self, workspace: &Workspace, index: usize) -> Panel<'_> {
        if self.as_packed().is_some() {
            return Panel::Lent(self.packed(index));
        }
        let mut panel = workspace.buffer(self.rows * self.width);
        self.fill(index, &mut panel);
        Panel::Own(panel)
    }

    /// Panel number `index`, after a call of `pack`.
    pub(crate) fn packed(&self, index: usize) -> &[f32] {
        let size = self.rows * self.width;
        &self.as_packed().expect("`pack` was called")[index * size..][..size]
    }

    /// All panels, if they are packed. A matrix as wide as a panel is packed already.
    fn as_packed(&self) -> Option<&[f32]> {
        match (&self.packed, self.source) {
            (Some(packed), _) => Some(packed),
            (None, Source::Matrix(matrix)) if self.columns == self.width => Some(matrix),
            _ => None,
        }
    }

    fn fill(&self, index: usize, panel: &mut [f32]) {
        let Self { columns, width, .. } = *self;
        let (first, end) = (index * width, columns.min((index + 1) * width));
        if end - first < width {
            panel.fill(0.0); // the padding
        }
        match self.source {
            Source::Matrix(matrix) => {
                for (to, from) in panel.chunks_exact_mut(width).zip(matrix.chunks_exact(columns)) {
                    to[..end - first].copy_from_slice(&from[first..end]);
                }
            }
            Source::Transposed(matrices, blocks) => {
                let (size, rows) = (matrices.len() / blocks, self.rows / blocks);
                for (panel, matrix) in panel.chunks_exact_mut(rows * width).zip(matrices.chunks_exact(size)) {
                    for (tall, panel) in panel.chunks_mut(BLOCK * width).enumerate() {
                        for column in first..end {
                            let from = &matrix[column * rows + tall * BLOCK..][..panel.len() / width];
                            for (to, from) in panel[column - first..].iter_mut().step_by(width).zip(from) {
                                *to = *from;
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Number of columns of a panel on this machine.
fn width() -> usize {
    2 * lanes()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The content of the panels row by row, without the padding, packed at once or one by one. The padding must be
    /// zeros.
    fn unpacked(mut panels: Panels, at_once: bool) -> Vec<f32> {
        let workspace = Workspace::default();
        workspace.buffer(panels.rows * panels.width).fill(f32::NAN); // a used buffer is not clean
        if at_once {
            panels.pack(&workspace);
        }
        let numbers: Vec<Vec<f32>> =
            (0..panels.count()).map(|index| panels.panel(&workspace, index).to_vec()).collect();
        let at = |row: usize, column: usize| numbers[column / panels.width][row * panels.width + column % panels.width];
        assert!((0..panels.rows).all(|row| (panels.columns..panels.count() * panels.width).all(|c| at(row, c) == 0.0)));
        (0..panels.rows).flat_map(|row| (0..panels.columns).map(move |c| (row, c))).map(|(row, c)| at(row, c)).collect()
    }

    #[test]
    fn panels_hold_the_matrix_and_zeros() {
        for columns in [1, 7, width() - 1, width(), width() + 1, 3 * width()] {
            for (rows, at_once) in [(1, true), (5, false), (BLOCK, true), (2 * BLOCK + 3, false)] {
                let matrix: Vec<f32> = (1..=rows * columns).map(|i| i as f32).collect();
                assert_eq!(unpacked(Panels::of(&matrix, columns), at_once), matrix);
                let transposed: Vec<f32> = (0..rows)
                    .flat_map(|row| (0..columns).map(move |column| (column * rows + row + 1) as f32))
                    .collect();
                assert_eq!(unpacked(Panels::transposed(&matrix, 1, columns), at_once), transposed);
                let twice = [matrix.clone(), matrix].concat();
                let below = [transposed.clone(), transposed].concat();
                assert_eq!(unpacked(Panels::transposed(&twice, 2, columns), at_once), below);
            }
        }
    }
}
