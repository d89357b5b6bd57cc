//! A tensor's numbers as a plain slice: what every own op of this folder starts from.

use candle_core::{CpuStorage, Layout, Result, Storage, Tensor, bail};

/// The f32 of a contiguous CPU storage, in row-major order.
pub(crate) fn floats<'a>(storage: &'a CpuStorage, layout: &Layout, op: &'static str) -> Result<&'a [f32]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&storage.as_slice::<f32>()?[start..end]),
        None => bail!("{op} needs a contiguous tensor, got {layout:?}"),
    }
}

/// The same, writable.
pub(crate) fn floats_mut<'a>(storage: &'a mut CpuStorage, layout: &Layout, op: &'static str) -> Result<&'a mut [f32]> {
    match (layout.contiguous_offsets(), storage) {
        (Some((start, end)), CpuStorage::F32(data)) => Ok(&mut data[start..end]),
        _ => bail!("{op} needs a contiguous f32 tensor, got {layout:?}"),
    }
}

/// Lends the f32 of a contiguous tensor in main memory to `read`.
pub(crate) fn with_floats<T>(tensor: &Tensor, op: &'static str, read: impl FnOnce(&[f32]) -> T) -> Result<T> {
    let (storage, layout) = tensor.storage_and_layout();
    match &*storage {
        Storage::Cpu(storage) => Ok(read(floats(storage, layout, op)?)),
        _ => bail!("{op} runs on the CPU only"),
    }
}
