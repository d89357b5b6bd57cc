//! The right-hand matrix of a product, laid out as the kernels of `product` read it: a row-major matrix goes in, panels come out.
//!
//! A panel is as many columns as two vector registers hold, row after row; a matrix becomes its panels one after the other, the last one
//! padded with zeros. The kernels then read one panel straight through, whatever the width of the matrix was.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::workspace::{Buffer, Workspace};

/// Rows that are transposed at a time: their share of a panel stays in the first cache.
const BLOCK: usize = 16;

/// A matrix [rows, columns] as panels.
#[derive(Debug)]
pub(super) struct Panels<'a> {
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// Columns of a panel: two vectors of this machine.
    pub(super) width: usize,
    data: Data<'a>, // [panels, rows, width]
}

#[derive(Debug)]
enum Data<'a> {
    Borrowed(&'a [f32]),
    Owned(Buffer),
}

impl<'a> Panels<'a> {
    /// The panels of a row-major matrix [rows, `columns`], in place where it is one panel already.
    pub(super) fn of(workspace: &Workspace, matrix: &'a [f32], columns: usize) -> Self {
        let (rows, width) = (matrix.len() / columns, width());
        if columns == width {
            return Self { rows, columns, width, data: Data::Borrowed(matrix) };
        }
        let mut data = workspace.buffer(columns.div_ceil(width) * rows * width);
        data.par_chunks_exact_mut(rows * width).enumerate().for_each(|(index, panel)| {
            let (first, end) = (index * width, columns.min((index + 1) * width));
            for (to, from) in panel.chunks_exact_mut(width).zip(matrix.chunks_exact(columns)) {
                let (to, padding) = to.split_at_mut(end - first);
                to.copy_from_slice(&from[first..end]);
                padding.fill(0.0);
            }
        });
        Self { rows, columns, width, data: Data::Owned(data) }
    }

    /// The panels of `blocks` row-major matrices [`columns`, R], each transposed to [R, `columns`], one below the other.
    pub(super) fn transposed(workspace: &Workspace, matrices: &[f32], blocks: usize, columns: usize) -> Self {
        let (size, width) = (matrices.len() / blocks, width());
        let block_rows = size / columns;
        let rows = blocks * block_rows;
        let mut data = workspace.buffer(columns.div_ceil(width) * rows * width);
        data.par_chunks_exact_mut(rows * width).enumerate().for_each(|(index, panel)| {
            let (first, end) = (index * width, columns.min((index + 1) * width));
            if end - first < width {
                panel.fill(0.0);
            }
            for (panel, matrix) in panel.chunks_exact_mut(block_rows * width).zip(matrices.chunks_exact(size)) {
                for (tall, panel) in panel.chunks_mut(BLOCK * width).enumerate() {
                    for column in first..end {
                        let from = &matrix[column * block_rows + tall * BLOCK..][..panel.len() / width];
                        for (to, from) in panel[column - first..].iter_mut().step_by(width).zip(from) {
                            *to = *from;
                        }
                    }
                }
            }
        });
        Self { rows, columns, width, data: Data::Owned(data) }
    }

    /// How many panels there are.
    pub(super) fn count(&self) -> usize {
        self.columns.div_ceil(self.width)
    }

    /// Panel number `index`, [rows, width].
    pub(super) fn panel(&self, index: usize) -> &[f32] {
        let size = self.rows * self.width;
        let data = match &self.data {
            Data::Borrowed(matrix) => matrix,
            Data::Owned(buffer) => &buffer[..],
        };
        &data[index * size..][..size]
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

    /// Row by row what the panels hold, padding left out.
    fn unpacked(panels: &Panels) -> Vec<f32> {
        let at =
            |row: usize, column: usize| panels.panel(column / panels.width)[row * panels.width + column % panels.width];
        (0..panels.rows).flat_map(|row| (0..panels.columns).map(move |column| at(row, column))).collect()
    }

    #[test]
    fn panels_hold_the_matrix_and_zeros() {
        let workspace = Workspace::default();
        for columns in [1, 7, width() - 1, width(), width() + 1, 3 * width()] {
            for rows in [1, 5, BLOCK, 2 * BLOCK + 3] {
                let matrix: Vec<f32> = (1..=rows * columns).map(|i| i as f32).collect();
                let panels = Panels::of(&workspace, &matrix, columns);
                assert_eq!(unpacked(&panels), matrix);
                let all: f32 = (0..panels.count()).flat_map(|index| panels.panel(index)).sum();
                let padding = all - matrix.iter().sum::<f32>();
                assert_eq!(padding, 0.0);

                let transposed: Vec<f32> = (0..rows)
                    .flat_map(|row| (0..columns).map(move |column| (column * rows + row + 1) as f32))
                    .collect();
                assert_eq!(unpacked(&Panels::transposed(&workspace, &matrix, 1, columns)), transposed);
                let twice = [matrix.clone(), matrix].concat();
                assert_eq!(
                    unpacked(&Panels::transposed(&workspace, &twice, 2, columns)),
                    [transposed.clone(), transposed].concat()
                );
            }
        }
    }
}
