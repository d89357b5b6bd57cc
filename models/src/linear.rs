//! Small systems of linear equations.

/// Solves `N` equations by Gaussian elimination with partial pivoting; `None` when the matrix is singular.
///
/// Only the four basic operations are used, so every machine finds the same numbers.
pub(crate) fn solve<const N: usize>(mut matrix: [[f64; N]; N], mut right: [f64; N]) -> Option<[f64; N]> {
    for pivot in 0..N {
        let largest = (pivot..N)
            .fold(pivot, |best, row| if matrix[row][pivot].abs() > matrix[best][pivot].abs() { row } else { best });
        matrix.swap(pivot, largest);
        right.swap(pivot, largest);
        let (head, value) = (matrix[pivot], right[pivot]);
        if head[pivot] == 0.0 || !head[pivot].is_finite() {
            return None;
        }
        for row in pivot + 1..N {
            let factor = matrix[row][pivot] / head[pivot];
            for (entry, other) in matrix[row].iter_mut().zip(head) {
                *entry -= factor * other;
            }
            right[row] -= factor * value;
        }
    }
    let mut solution = [0.0; N];
    for row in (0..N).rev() {
        let known: f64 = (row + 1..N).map(|column| matrix[row][column] * solution[column]).sum();
        solution[row] = (right[row] - known) / matrix[row][row];
    }
    solution.iter().all(|value| value.is_finite()).then_some(solution)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_is_solved_and_a_singular_one_is_not() {
        let solution = solve([[0.0, 2.0, 1.0], [1.0, 1.0, 0.0], [3.0, 0.0, -1.0]], [7.0, 3.0, 0.0]).unwrap();
        assert!(solution.iter().zip([1.0, 2.0, 3.0]).all(|(a, b)| (a - b).abs() < 1e-12), "{solution:?}");
        assert_eq!(solve([[1.0, 2.0], [2.0, 4.0]], [1.0, 2.0]), None);
        assert_eq!(solve([[f64::NAN]], [1.0]), None);
    }
}
