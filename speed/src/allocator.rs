//! Where memory comes from: mimalloc for what is ours, the C library's allocator for librdkafka.

use mimalloc::MiMalloc;

/// Matching allocates and gives back small pieces all over memory, for which it needs a tenth less processor time than glibc
/// (`bench/patterns.py`).
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// `mi_option_purge_delay` of mimalloc.h: after how many milliseconds free pages go back to the system, by default 1,000.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;

/// The C library maps allocations of so many bytes by themselves. By default that limit grows with the first large one that is
/// given back, up to 32 MiB, and what is mapped no more stays with the process.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const MAPPED: libc::c_int = 128 << 10;
/// By default each thread that allocates gets an arena of its own, up to eight for each processor.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const ARENAS: libc::c_int = 2;

/// Keeps the process small; to be called before other threads allocate.
#[expect(unsafe_code, reason = "measured: these settings have no other door but the environment")]
pub fn keep_small() {
    // SAFETY: all three take numbers, and refuse those that they do not know.
    unsafe {
        libmimalloc_sys::mi_option_set(PURGE_DELAY, 0);
        #[cfg(target_os = "linux")]
        {
            // Of a page of 2 MiB, as mimalloc asks for them, little use is use of all.
            let (on, none): (libc::c_ulong, libc::c_ulong) = (1, 0);
            libc::prctl(libc::PR_SET_THP_DISABLE, on, none, none, none);
        }
        #[cfg(all(target_os = "linux", target_env = "gnu"))]
        {
            libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED);
            libc::mallopt(libc::M_ARENA_MAX, ARENAS);
        }
    }
}
