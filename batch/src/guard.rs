//! Decoders of other crates panic on some damaged bytes: here that is an error as any other.

use std::any::Any;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};

use parquet::errors::{ParquetError, Result};

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `read`; its panic is an error. What it was filling must not be used then.
///
/// # Errors
/// Those of `read`, and when it panics.
pub fn guarded<T>(read: impl FnOnce() -> Result<T>) -> Result<T> {
    let before = GUARDED.replace(true);
    let outcome = panic::catch_unwind(AssertUnwindSafe(read));
    GUARDED.set(before);
    outcome.unwrap_or_else(|panic| Err(ParquetError::General(format!("it is damaged: {}", told(&*panic)))))
}

/// Keeps panics that are caught from being printed; to be called once, when the program starts.
pub fn silence() {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        if !GUARDED.get() {
            usual(panic);
        }
    }));
}

fn told(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("its decoder gave up")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error() {
        let error = guarded::<()>(|| panic!("slice of {} bytes", 3)).expect_err("a panic");
        assert_eq!(error.to_string(), "Parquet error: it is damaged: slice of 3 bytes");
        assert!(!GUARDED.get());
        assert_eq!(guarded(|| Ok(7)).expect("a value"), 7);
    }
}
