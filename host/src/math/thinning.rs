//! Thinning of areas to lines of one pixel (Zhang and Suen, A fast parallel algorithm for thinning digital
//! patterns, 1984, doi:10.1145/357994.358023).

/// Offsets (x, y) of the neighbours, clockwise from above as in the paper: P2 to P9.
pub const AROUND: [[isize; 2]; 8] = [[0, -1], [1, -1], [1, 0], [1, 1], [0, 1], [-1, 1], [-1, 0], [-1, -1]];

/// Thins `ink`, the pixels of a picture `width` pixels wide, row-major, until no pixel can be removed without
/// breaking a line.
pub fn thin(ink: &mut [bool], width: usize) {
    while pass(ink, width, false) | pass(ink, width, true) {}
}

/// The index of the neighbour of pixel `at` in a direction of [`AROUND`]; `None` if it is not ink.
#[must_use]
pub fn neighbour(ink: &[bool], width: usize, at: usize, direction: usize) -> Option<usize> {
    let [dx, dy] = AROUND[direction];
    let x = (at % width).checked_add_signed(dx).filter(|x| *x < width)?;
    let y = (at / width).checked_add_signed(dy)?;
    let neighbour = y * width + x;
    ink.get(neighbour).copied().unwrap_or_default().then_some(neighbour)
}

/// One of the two alternating passes: removes the rim on two sides where that breaks no line. Returns
/// whether any pixel was removed.
fn pass(ink: &mut [bool], width: usize, second: bool) -> bool {
    let rim: Vec<usize> = (0..ink.len()).filter(|at| ink[*at] && is_rim(ink, width, *at, second)).collect();
    for at in &rim {
        ink[*at] = false;
    }
    !rim.is_empty()
}

fn is_rim(ink: &[bool], width: usize, at: usize, second: bool) -> bool {
    let around: [bool; 8] = std::array::from_fn(|direction| neighbour(ink, width, at, direction).is_some());
    let count = around.iter().filter(|ink| **ink).count();
    let crossings = (0..8).filter(|&i| !around[i] && around[(i + 1) % 8]).count();
    let [north, east, south, west] = [around[0], around[2], around[4], around[6]];
    // One pass removes pixels from the south and east, the other from the north and west.
    let ((a, b), (c, d)) = if second { ((north, west), (east, south)) } else { ((east, south), (north, west)) };
    (2..=6).contains(&count) && crossings == 1 && !(a && b && (c || d))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_becomes_its_middle_and_a_line_stays() {
        let (width, height) = (12, 7);
        let bar = |rows: std::ops::Range<usize>| -> Vec<bool> {
            (0..width * height).map(|at| rows.contains(&(at / width)) && (2..10).contains(&(at % width))).collect()
        };
        let mut thinned = bar(2..5);
        thin(&mut thinned, width);
        let rows: Vec<usize> = (0..thinned.len()).filter(|at| thinned[*at]).map(|at| at / width).collect();
        assert!(rows.len() >= 5 && rows.iter().all(|row| *row == 3), "{rows:?}");
        let line = bar(3..4);
        let mut thinned = line.clone();
        thin(&mut thinned, width);
        assert_eq!(thinned, line);
    }
}
