//! The right-hand matrix of a product, laid out as the kernels of `product` read it: a row-major matrix goes in, panels come out.
//!
//! A panel is as many columns as two vector registers hold, row after row; a matrix becomes its panels one after the other, the last one
//! padded with zeros. The kernels then read one panel straight through, whatever the width of the matrix was.

use std::ops::Deref;

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::workspace::{Buffer, Workspace};

/// Rows that are transposed at a time: their share of a panel stays in the first cache.
const BLOCK: usize = 16;

/// A matrix [rows, columns], to be read as panels [rows, width].
#[derive(Debug)]
pub(super) struct Panels<'a> {
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// Columns of a panel: two vectors of this machine.
    pub(super) width: usize,
    source: Source<'a>,
    /// All panels one after the other, once packed.
    packed: Option<Buffer>,
}

#[derive(Clone, Copy, Debug)]
enum Source<'a> {
    /// [rows, columns]
    Matrix(&'a [f32]),
    /// Matrices [columns, R], so many one after the other.
    Transposed(&'a [f32], usize),
}

/// One panel: lent where it lies packed already, else packed for whoever asked.
#[derive(Debug)]
pub(super) enum Panel<'a> {
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
    pub(super) fn of(matrix: &'a [f32], columns: usize) -> Self {
        let rows = matrix.len() / columns;
        Self { rows, columns, width: width(), source: Source::Matrix(matrix), packed: None }
    }

    /// The panels of `blocks` row-major matrices [`columns`, R], each transposed to [R, `columns`], one below the other.
    pub(super) fn transposed(matrices: &'a [f32], blocks: usize, columns: usize) -> Self {
        let rows = matrices.len() / columns;
        Self { rows, columns, width: width(), source: Source::Transposed(matrices, blocks), packed: None }
    }

    /// How many panels there are.
    pub(super) fn count(&self) -> usize {
        self.columns.div_ceil(self.width)
    }

    /// Packs all panels, for several to read.
    pub(super) fn pack(&mut self, workspace: &Workspace) {
        let size = self.rows * self.width;
        if self.lies_packed().is_none() {
            let mut packed = workspace.buffer(self.count() * size);
            packed.par_chunks_exact_mut(size).enumerate().for_each(|(index, panel)| self.fill(index, panel));
            self.packed = Some(packed);
        }
    }

    /// Panel number `index`, [rows, width].
    pub(super) fn panel(&self, workspace: &Workspace, index: usize) -> Panel<'_> {
        if self.lies_packed().is_some() {
            return Panel::Lent(self.packed(index));
        }
        let mut panel = workspace.buffer(self.rows * self.width);
        self.fill(index, &mut panel);
        Panel::Own(panel)
    }

    /// Panel number `index` after `pack`.
    pub(super) fn packed(&self, index: usize) -> &[f32] {
        let size = self.rows * self.width;
        &self.lies_packed().expect("`pack` was called")[index * size..][..size]
    }

    /// All panels, if packed; a matrix as wide as a panel is one.
    fn lies_packed(&self) -> Option<&[f32]> {
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

/// Columns of a panel on this machine.
fn width() -> usize {
    struct Width;
    impl WithSimd for Width {
        type Output = usize;
        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) -> usize {
            2 * S::F32_LANES
        }
    }
    Arch::new().dispatch(Width)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Row by row what the panels hold, padding left out, packed at once or one by one; the padding must be zeros.
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
