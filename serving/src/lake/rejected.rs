//! Refused lines, a page at a time.

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use data::lake::{Lake, Table};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Files, columns};
use crate::error::Result;

/// A line that was refused.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RefusedLine {
    pub source: String,
    /// Line of the file, or offset of the topic.
    pub source_position: i64,
    pub reason: String,
    pub raw_line: String,
}

/// Some of them.
#[derive(Debug)]
pub struct RefusedPage {
    pub items: Vec<RefusedLine>,
    /// As many as match.
    pub total: usize,
}

/// Up to `limit` lines behind the first `skip` of those with `reason` and `source`, in the order of the table.
///
/// # Errors
/// When the table cannot be read.
pub async fn rejected(
    lake: &Lake,
    version: u64,
    (reason, source): (Option<String>, Option<String>),
    (skip, limit): (usize, usize),
) -> Result<RefusedPage> {
    let files = Files::open(lake, Table::RejectedOrders, version).await?;
    let read = tokio::task::spawn_blocking(move || {
        let mut page = RefusedPage { items: Vec::new(), total: 0 };
        files.each_batch(&["raw_line", "source", "source_position", "reason"], |batch| {
            let [lines, sources, positions, reasons] =
                columns(batch, ["raw_line", "source", "source_position", "reason"])?;
            let (lines, sources) = (lines.as_string::<i32>(), sources.as_string::<i32>());
            let (positions, reasons) = (positions.as_primitive::<Int64Type>(), reasons.as_string::<i32>());
            for row in 0..batch.num_rows() {
                let wanted = reason.as_deref().is_none_or(|reason| reasons.value(row) == reason)
                    && source.as_deref().is_none_or(|source| sources.value(row) == source);
                if !wanted {
                    continue;
                }
                if page.total >= skip && page.items.len() < limit {
                    page.items.push(RefusedLine {
                        source: sources.value(row).to_owned(),
                        source_position: positions.value(row),
                        reason: reasons.value(row).to_owned(),
                        raw_line: lines.value(row).to_owned(),
                    });
                }
                page.total += 1;
            }
            Ok(())
        })?;
        Ok(page)
    });
    read.await?
}
