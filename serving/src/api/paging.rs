//! Pages of lists that are at hand as a whole.

use serde::Serialize;
use utoipa::ToSchema;

use super::{Answered, Problem};

pub const NO_CURSOR: &str = "is none that a page gave; begin without it";

/// Some items of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Paged<T> {
    pub items: Vec<T>,
    /// For the next page; `null` at the end.
    pub next_cursor: Option<String>,
    /// As many as there are.
    pub total: usize,
}

impl<T> Paged<T> {
    /// The page behind the first `skip` of `all`.
    #[must_use]
    pub fn of(all: Vec<T>, skip: usize, limit: usize) -> Self {
        let total = all.len();
        let items = all.into_iter().skip(skip).take(limit).collect();
        Self { items, next_cursor: next(skip, limit, total), total }
    }
}

/// The cursor behind a page.
#[must_use]
pub fn next(skip: usize, limit: usize, total: usize) -> Option<String> {
    let end = skip.saturating_add(limit);
    (end < total).then(|| format!("{end:x}"))
}

/// How many items to pass over, and how many to give.
///
/// # Errors
/// When the cursor is none of ours, or the limit out of bounds.
pub fn offset(cursor: Option<&str>, limit: Option<usize>, usual: usize, most: usize) -> Answered<(usize, usize)> {
    let limit = checked(limit, usual, most)?;
    let skip = cursor.map_or(Some(0), |cursor| usize::from_str_radix(cursor, 16).ok());
    let skip = skip.ok_or_else(|| Problem::parameter("cursor", NO_CURSOR))?;
    Ok((skip, limit))
}

/// How many items to give.
///
/// # Errors
/// When it is out of bounds.
pub fn checked(limit: Option<usize>, usual: usize, most: usize) -> Answered<usize> {
    let limit = limit.unwrap_or(usual);
    if (1..=most).contains(&limit) { Ok(limit) } else { Err(Problem::parameter("limit", format!("is 1 to {most}"))) }
}
