//! Refused lines, a page at a time.

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use data::lake::{Lake, Table};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Files, columns};
use crate::error::Result;

const COLUMNS: [&str; 4] = ["raw_line", "source", "source_position", "reason"];

/// A line that was refused.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RefusedLine {
    pub source: String,
    /// Line of the file, or offset of the topic.
    pub source_position: i64,
    pub reason: String,
    pub raw_line: String,
}

/// Where a page begins; what lies before it is not read again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// A row group, counted over all files.
    pub group: usize,
    /// So many of its lines are passed over, of those that are wanted.
    pub lines: usize,
}

/// The refused lines of a version of the table that have some reason, or are of some source.
pub struct Refused {
    files: Files,
    reason: Option<String>,
    source: Option<String>,
}

impl Refused {
    /// # Errors
    /// When the table cannot be read.
    pub async fn open(lake: &Lake, version: u64, reason: Option<String>, source: Option<String>) -> Result<Self> {
        Ok(Self { files: Files::open(lake, Table::RejectedOrders, version).await?, reason, source })
    }

    fn wanted(&self) -> Vec<(&str, &str)> {
        let texts = [("reason", self.reason.as_deref()), ("source", self.source.as_deref())];
        texts.into_iter().filter_map(|(column, text)| Some((column, text?))).collect()
    }

    /// How many there are.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub fn count(&self) -> Result<usize> {
        let wanted = self.wanted();
        if wanted.is_empty() {
            return Ok(self.files.groups().map(|group| group.rows()).sum());
        }
        let mut count = 0;
        for group in self.files.groups() {
            group.each_batch_where(&["reason"], &wanted, (0, usize::MAX), |batch| {
                count += batch.num_rows();
                Ok(())
            })?;
        }
        Ok(count)
    }

    /// Up to `limit` lines from `place` on in the order of the table, and where the next page begins; `None` at the end.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub fn page(&self, place: Place, limit: usize) -> Result<(Vec<RefusedLine>, Option<Place>)> {
        let (wanted, mut lines) = (self.wanted(), Vec::new());
        for (number, group) in self.files.groups().enumerate().skip(place.group) {
            let skip = if number == place.group { place.lines } else { 0 };
            let before = lines.len();
            // One more than wanted says that there is more.
            group.each_batch_where(&COLUMNS, &wanted, (skip, limit + 1 - before), |batch| {
                each_line(batch, |line| lines.push(line))
            })?;
            if lines.len() > limit {
                lines.truncate(limit);
                return Ok((lines, Some(Place { group: number, lines: skip + limit - before })));
            }
        }
        Ok((lines, None))
    }
}

fn each_line(batch: &RecordBatch, mut take: impl FnMut(RefusedLine)) -> Result<()> {
    let [lines, sources, positions, reasons] = columns(batch, COLUMNS)?;
    let (lines, sources) = (lines.as_string::<i32>(), sources.as_string::<i32>());
    let (positions, reasons) = (positions.as_primitive::<Int64Type>(), reasons.as_string::<i32>());
    for row in 0..batch.num_rows() {
        take(RefusedLine {
            source: sources.value(row).to_owned(),
            source_position: positions.value(row),
            reason: reasons.value(row).to_owned(),
            raw_line: lines.value(row).to_owned(),
        });
    }
    Ok(())
}
