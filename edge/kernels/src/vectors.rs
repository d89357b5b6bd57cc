//! What the products and filters share about the vectors of the processor at hand.

use pulp::{Arch, Simd, WithSimd};

/// Numbers in a vector on this machine.
pub(crate) fn lanes() -> usize {
    struct Lanes;
    impl WithSimd for Lanes {
        type Output = usize;
        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) -> usize {
            S::F32_LANES
        }
    }
    Arch::new().dispatch(Lanes)
}

/// Loads up to V vectors of numbers and fills the rest with zeros.
#[inline(always)]
pub(crate) fn load<S: Simd, const V: usize>(simd: S, from: &[f32]) -> [S::f32s; V] {
    let (whole, tail) = S::as_simd_f32s(from);
    let mut numbers = [simd.splat_f32s(0.0); V];
    for (vector, numbers) in numbers.iter_mut().enumerate() {
        if let Some(from) = whole.get(vector) {
            *numbers = *from;
        } else if vector == whole.len() {
            *numbers = simd.partial_load_f32s(tail);
        }
    }
    numbers
}

/// Stores as many of the numbers as `to` has room for.
#[inline(always)]
pub(crate) fn store<S: Simd, const V: usize>(simd: S, to: &mut [f32], numbers: [S::f32s; V]) {
    let (whole, tail) = S::as_mut_simd_f32s(to);
    let count = whole.len();
    for (vector, numbers) in numbers.into_iter().enumerate() {
        if let Some(to) = whole.get_mut(vector) {
            *to = numbers;
        } else if vector == count {
            simd.partial_store_f32s(tail, numbers);
        }
    }
}

/// max(x, 0) + slope * min(x, 0).
#[inline(always)]
pub(crate) fn leaky<S: Simd>(simd: S, slope: f32, x: S::f32s) -> S::f32s {
    let zero = simd.splat_f32s(0.0);
    // In this order NaN stays NaN: x86 returns the second operand.
    simd.mul_add_e_f32s(simd.splat_f32s(slope), simd.min_f32s(zero, x), simd.max_f32s(zero, x))
}
