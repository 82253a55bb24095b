//! What the C library's allocator is told, so that memory which is given back goes back.

/// Allocations of so many bytes are mapped by themselves. By default that limit grows with the first large one that is given
/// back, up to 32 MiB, and what is mapped no more stays with the process.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const MAPPED: libc::c_int = 128 << 10;
/// Arenas beside one for each processor. By default each thread that allocates gets one of its own, up to eight for each
/// processor; where two workers share one, they spend a fifth of their time waiting for each other (`bench/patterns.py`).
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const MORE_ARENAS: usize = 2;

/// Keeps the process small; to be called before other threads allocate.
///
/// With the archive at work on 1 M customers, peak memory is some 80 MB less with it, at the same processor time.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "measured: the allocator's settings have no other door but the environment")]
pub fn keep_small() {
    let arenas = std::thread::available_parallelism().map_or(1, usize::from) + MORE_ARENAS;
    // SAFETY: mallopt takes two numbers, and refuses those that it does not know.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED);
        libc::mallopt(libc::M_ARENA_MAX, libc::c_int::try_from(arenas).unwrap_or(libc::c_int::MAX));
    }
}

/// Other C libraries have no such settings.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn keep_small() {}
