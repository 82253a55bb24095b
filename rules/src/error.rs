//! What is wrong with rule files and with events.

use serde::Serialize;

/// One mistake in a rule file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize)]
#[error("{file}{}: {}{message}", line_of(*.line), path_of(.field))]
pub struct RuleError {
    pub file: String,
    /// From 1; 0 if the file as a whole is meant.
    pub line: usize,
    /// Where in the file, as `patterns.cart.stages[1].where`; empty if the file as a whole is meant.
    pub field: String,
    /// What is wrong, and what would be right.
    pub message: String,
}

fn line_of(line: usize) -> String {
    if line == 0 { String::new() } else { format!(":{line}") }
}

fn path_of(field: &str) -> String {
    if field.is_empty() { String::new() } else { format!("{field}: ") }
}

/// Why a record is not an event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    #[error("not JSON with the fields of the topic: {0}")]
    Json(String),
    #[error("field {0} is missing")]
    Missing(&'static str),
    #[error(
        "field {field} is not a time: {value:?}; write it as 2026-01-31T12:00:00Z, or in milliseconds since 1970, from 2000 on"
    )]
    Time { field: &'static str, value: String },
    #[error("not CSV with the fields of the topic: {0}")]
    Csv(String),
    #[error("field price is not a number of at most 10^12: {0:?}")]
    Price(String),
    #[error("its texts have {length} bytes, where an event has at most {most}")]
    Long { length: usize, most: usize },
}

/// Why a dry run cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum DryRunError {
    #[error("cannot read {path}: {source}")]
    Read { path: String, source: std::io::Error },
    #[error("{path}: row {row} is not an event: {source}")]
    Event { path: String, row: u64, source: EventError },
    #[error("{path} has no column {column}: name the columns in the first line, or write JSON lines")]
    Column { path: String, column: &'static str },
    #[error("{path}: its first line is no text ({reason}): clicks are CSV or JSON lines in UTF-8")]
    Header { path: String, reason: String },
    #[error("{path}: none of its rows is a click")]
    NoEvent { path: String },
    #[error("cannot write: {0}")]
    Write(#[from] std::io::Error),
    #[error("pattern {pattern}: {source}")]
    Pattern { pattern: String, source: patterns::Malformed },
}

/// The candidate that is nearest to what was written, to be named in an error.
pub fn nearest<'c>(written: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let far = |candidate: &str| {
        let begun = written.len() > 2 && candidate.starts_with(written);
        if begun { 1 } else { distance(written, candidate) }
    };
    let scored = candidates.into_iter().map(|candidate| (far(candidate), candidate));
    scored.filter(|(far, _)| *far <= written.chars().count().max(3) / 2).min().map(|(_, candidate)| candidate)
}

/// How many letters have to be changed (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (place, letter) in one.chars().take(64).enumerate() {
        let mut next = vec![place + 1];
        for ((against, above_left), above) in other.iter().zip(&row).zip(row.iter().skip(1)) {
            let left = next.last().copied().unwrap_or(0);
            next.push((above_left + usize::from(*against != letter)).min(above + 1).min(left + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}
