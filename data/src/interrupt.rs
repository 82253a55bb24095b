//! Ctrl-C and SIGTERM, as a flag.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use tokio::signal::unix::{SignalKind, signal};

/// A flag that the first signal sets; the second ends the process at once.
///
/// # Errors
/// When signals cannot be listened to.
pub fn flag() -> io::Result<Arc<AtomicBool>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let stop = Arc::new(AtomicBool::new(false));
    let set = Arc::clone(&stop);
    // Before the thread, so that no signal is missed.
    let (mut interrupt, mut terminate) = {
        let _context = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    thread::spawn(move || {
        runtime.block_on(async {
            loop {
                let (interrupted, terminated) = (Box::pin(interrupt.recv()), Box::pin(terminate.recv()));
                futures::future::select(interrupted, terminated).await;
                if set.swap(true, Ordering::Relaxed) {
                    std::process::exit(130);
                }
            }
        });
    });
    Ok(stop)
}
