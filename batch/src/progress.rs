//! What a person sees while a run works: a bar on a terminal, log lines elsewhere, nothing when quiet.

use std::cell::Cell;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A log line at most so often.
const LOG_EVERY: Duration = Duration::from_secs(5);

/// Where progress goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    Bar,
    Lines,
    Quiet,
}

impl Progress {
    #[must_use]
    pub fn new(quiet: bool) -> Self {
        match (quiet, std::io::stderr().is_terminal()) {
            (true, _) => Self::Quiet,
            (false, true) => Self::Bar,
            (false, false) => Self::Lines,
        }
    }

    /// Starts a task of `total` bytes.
    #[must_use]
    pub fn bytes(self, what: &str, total: u64) -> Task {
        let template = "{msg} [{bar:32}] {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left";
        self.task(what, total, template)
    }

    fn task(self, what: &str, total: u64, template: &str) -> Task {
        let bar = (self == Self::Bar).then(|| {
            let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(10));
            let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
            bar.set_style(style.progress_chars("=> "));
            bar.set_message(what.to_owned());
            bar
        });
        Task { bar, lines: self == Self::Lines, what: what.to_owned(), total, told: Cell::new(Instant::now()) }
    }

    /// Says one thing, such as which step begins.
    pub fn say(self, text: &str) {
        if self != Self::Quiet {
            eprintln!("{text}");
        }
    }
}

/// One task under way; its bar goes when it is dropped.
pub struct Task {
    bar: Option<ProgressBar>,
    lines: bool,
    what: String,
    total: u64,
    told: Cell<Instant>,
}

impl Task {
    pub fn at(&self, position: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(position);
        } else if self.lines && self.told.get().elapsed() >= LOG_EVERY {
            self.told.set(Instant::now());
            eprintln!("{}: {} %", self.what, (position * 100).checked_div(self.total).unwrap_or(100));
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
