//! How the system's allocator gives memory back. A box runs for months with a few hundred megabytes, and pictures and
//! bodies of requests come in bursts.
//!
//! glibc keeps a heap for each of many threads, and from the first large block on it keeps blocks of up to 32 MB. So
//! each burst would stay in some heap, unused. One heap, and blocks from 4 MB on that go back to the system at once,
//! keep the process at what it uses; the buffers of the inference engine are smaller, so one thread is as fast as before.
//! With one heap, several threads are up to a fifth slower: programs that judge a folder with all cores do not want it.

/// Sets the allocator up for a program that runs for long. Called once, before there is a second thread.
#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "no safe function sets the options of the allocator")]
pub(crate) fn set_up() {
    use std::ffi::c_int;

    use counterfoil_edge::http::body::LARGE_BLOCK;

    // The parameters of mallopt(3), from malloc.h.
    const M_TRIM_THRESHOLD: c_int = -1;
    const M_MMAP_THRESHOLD: c_int = -3;
    const M_ARENA_MAX: c_int = -8;
    // SAFETY: this is the function's signature in malloc.h. It takes any two numbers, and locks what it changes.
    unsafe extern "C" {
        safe fn mallopt(parameter: c_int, value: c_int) -> c_int;
    }
    let large = LARGE_BLOCK as c_int;
    for (parameter, value) in [(M_ARENA_MAX, 1), (M_MMAP_THRESHOLD, large), (M_TRIM_THRESHOLD, large)] {
        // An allocator that refuses an option works without it.
        let _ = mallopt(parameter, value);
    }
}

/// Other systems' allocators are left as they are.
#[cfg(not(target_env = "gnu"))]
pub(crate) fn set_up() {}
