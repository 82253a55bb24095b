//! How every binary logs: human-readable lines on stderr, `RUST_LOG` to see more.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;

/// Starts logging to stderr: warnings, and this project's own life cycle unless `quiet`.
pub fn start(quiet: bool) {
    let default = if quiet { LevelFilter::ERROR } else { LevelFilter::WARN };
    // The Delta kernel logs at ERROR what it also returns, even where we expect it; we tell what matters of that.
    let filter = match std::env::var(EnvFilter::DEFAULT_ENV) {
        Ok(directives) => EnvFilter::builder().with_default_directive(default.into()).parse_lossy(directives),
        Err(_) => EnvFilter::new(format!("{default},buoyant_kernel=off")),
    };
    // A second start, as tests make, keeps the first.
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init();
}
