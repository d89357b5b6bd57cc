//! A tensor's numbers as a plain slice, from which the custom operations of this folder start.

use candle_core::{CpuStorage, Layout, Result, Storage, Tensor, bail};

/// The f32 numbers of a contiguous CPU storage, in row-major order. `op` is named in errors.
pub(crate) fn floats<'a>(storage: &'a CpuStorage, layout: &Layout, op: &'static str) -> Result<&'a [f32]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&storage.as_slice::<f32>()?[start..end]),
        None => bail!("{op} needs a contiguous tensor, got {layout:?}"),
    }
}

/// The f32 numbers of a contiguous CPU storage, in row-major order and writable. `op` is named in errors.
pub(crate) fn floats_mut<'a>(storage: &'a mut CpuStorage, layout: &Layout, op: &'static str) -> Result<&'a mut [f32]> {
    match (layout.contiguous_offsets(), storage) {
        (Some((start, end)), CpuStorage::F32(data)) => Ok(&mut data[start..end]),
        _ => bail!("{op} needs a contiguous f32 tensor, got {layout:?}"),
    }
}

/// Calls `read` with the f32 numbers of a contiguous tensor in main memory. `op` is named in errors.
pub(crate) fn with_floats<T>(tensor: &Tensor, op: &'static str, read: impl FnOnce(&[f32]) -> T) -> Result<T> {
    let (storage, layout) = tensor.storage_and_layout();
    match &*storage {
        Storage::Cpu(storage) => Ok(read(floats(storage, layout, op)?)),
        _ => bail!("{op} runs on the CPU only"),
    }
}
