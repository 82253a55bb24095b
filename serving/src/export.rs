//! Downloads: rows as CSV that no spreadsheet takes for formulas, or as Parquet.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, BooleanArray, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use data::lake::{money_column, money_type, time_type, times_column, writer_properties};
use data::{EventTime, Money};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use serde::Deserialize;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use utoipa::ToSchema;

use crate::api::CustomerRow;
use crate::error::Error;

/// Bytes that are handed to the client at once.
const PIECE: usize = 64 << 10;
const PIECES_WAITING: usize = 4;
const PARQUET_ROWS: usize = 1 << 16;
/// A client that takes nothing for so long is given up.
const PATIENCE: Duration = Duration::from_secs(30);
/// As errors name it.
const DOWNLOAD: &str = "download";

/// How rows are sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    #[default]
    Json,
    Csv,
    Parquet,
}

impl Format {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Csv => "csv",
            Self::Parquet => "parquet",
        }
    }

    const fn kind(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Csv => "text/csv; charset=utf-8",
            Self::Parquet => "application/vnd.apache.parquet",
        }
    }

    /// What the header `Accept` asks for.
    #[must_use]
    pub fn accepted(headers: &HeaderMap) -> Option<Self> {
        let accept = headers.get(header::ACCEPT)?.to_str().ok()?;
        let kinds = accept.split(',').map(|kind| kind.split(';').next().unwrap_or_default().trim());
        kinds
            .filter_map(|kind| match kind {
                "text/csv" => Some(Self::Csv),
                "application/vnd.apache.parquet" => Some(Self::Parquet),
                "application/json" | "*/*" => Some(Self::Json),
                _ => None,
            })
            .next()
    }
}

/// Why a download ends before its end.
#[derive(Debug)]
pub enum Broken {
    /// The client has gone, or takes nothing any more.
    Gone,
    Failed(Error),
}

pub type Written = Result<(), Broken>;

/// Where rows go.
pub struct Sink {
    format: Format,
    /// `None` says that all was sent.
    sender: mpsc::Sender<Option<Bytes>>,
    runtime: Handle,
    text: Vec<u8>,
    columns: Columns,
    parquet: Option<ArrowWriter<Vec<u8>>>,
}

/// An answer whose rows `write` writes, on a thread for blocking work, as fast as the client takes them. It holds `place` as
/// long as that takes. One that breaks off breaks the connection, so that nobody takes a part for the whole.
pub fn stream(
    format: Format,
    place: OwnedSemaphorePermit,
    write: impl FnOnce(&mut Sink) -> Written + Send + 'static,
) -> Response {
    let (sender, receiver) = mpsc::channel(PIECES_WAITING);
    let runtime = Handle::current();
    tokio::task::spawn_blocking(move || {
        let _place = place;
        let mut sink = Sink::new(format, sender, runtime);
        match write(&mut sink).and_then(|()| sink.finish()) {
            Ok(()) => {}
            Err(Broken::Gone) => tracing::debug!("a download was broken off"),
            Err(Broken::Failed(error)) => tracing::error!(%error, "a download could not be finished"),
        }
    });
    let pieces = futures::stream::unfold(Some(receiver), |receiver| async move {
        let mut receiver = receiver?;
        match receiver.recv().await {
            Some(Some(piece)) => Some((Ok(piece), Some(receiver))),
            Some(None) => None,
            None => Some((Err(std::io::Error::other("the download was broken off")), None)),
        }
    });
    ([(header::CONTENT_TYPE, format.kind())], Body::from_stream(pieces)).into_response()
}

const HEADER: &str = "customer_id,country,segment_id,segment_name,rfm_segment,r_score,f_score,m_score,recency_days,\
                      frequency,monetary,first_order_at,last_order_at,live\r\n";

impl Sink {
    fn new(format: Format, sender: mpsc::Sender<Option<Bytes>>, runtime: Handle) -> Self {
        let text = if format == Format::Csv { HEADER.as_bytes().to_vec() } else { Vec::new() };
        Self { format, sender, runtime, text, columns: Columns::default(), parquet: None }
    }

    /// # Errors
    /// When the client takes it no more.
    pub fn row(&mut self, row: &CustomerRow<'_>) -> Written {
        if self.format == Format::Csv {
            csv_row(&mut self.text, row);
            return if self.text.len() >= PIECE { self.send() } else { Ok(()) };
        }
        self.columns.push(row);
        if self.columns.ids.len() >= PARQUET_ROWS { self.write_columns() } else { Ok(()) }
    }

    /// Cells of a line of text.
    ///
    /// # Errors
    /// When the client takes it no more.
    pub fn texts<'t>(&mut self, cells: impl IntoIterator<Item = &'t str>) -> Written {
        for (index, cell) in cells.into_iter().enumerate() {
            if index > 0 {
                self.text.push(b',');
            }
            cell_of_text(&mut self.text, cell);
        }
        self.text.extend_from_slice(b"\r\n");
        if self.text.len() >= PIECE { self.send() } else { Ok(()) }
    }

    /// Starts with another header than that of customers.
    pub fn header(&mut self, header: &str) {
        self.text = header.as_bytes().to_vec();
    }

    fn send(&mut self) -> Written {
        let piece = Bytes::from(std::mem::take(&mut self.text));
        if piece.is_empty() { Ok(()) } else { self.hand_over(Some(piece)) }
    }

    fn hand_over(&self, piece: Option<Bytes>) -> Written {
        self.runtime.block_on(self.sender.send_timeout(piece, PATIENCE)).map_err(|_| Broken::Gone)
    }

    fn write_columns(&mut self) -> Written {
        let failed = |source| Broken::Failed(Error::Parquet { table: DOWNLOAD, source });
        let batch = std::mem::take(&mut self.columns).batch();
        let batch = batch.map_err(|source| Broken::Failed(Error::Columns { table: DOWNLOAD, source }))?;
        let mut writer = match self.parquet.take() {
            Some(writer) => writer,
            None => {
                let properties = writer_properties(Compression::ZSTD(ZstdLevel::default()));
                ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).map_err(failed)?
            }
        };
        writer.write(&batch).and_then(|()| writer.flush()).map_err(failed)?;
        // What is written is handed on; positions in the footer go on counting.
        self.text = std::mem::take(writer.inner_mut());
        self.parquet = Some(writer);
        self.send()
    }

    fn finish(&mut self) -> Written {
        if self.format == Format::Parquet {
            self.write_columns()?;
            if let Some(mut writer) = self.parquet.take() {
                let failed = |source| Broken::Failed(Error::Parquet { table: DOWNLOAD, source });
                writer.finish().map_err(failed)?;
                self.text = std::mem::take(writer.inner_mut());
            }
        }
        self.send()?;
        self.hand_over(None)
    }
}

/// Rows as columns.
#[derive(Default)]
struct Columns {
    ids: Vec<String>,
    countries: Vec<Option<String>>,
    segments: Vec<Option<i32>>,
    names: Vec<String>,
    named: Vec<String>,
    scores: [Vec<i32>; 3],
    days: Vec<i64>,
    frequency: Vec<i64>,
    monetary: Vec<Money>,
    first: Vec<EventTime>,
    last: Vec<EventTime>,
    live: Vec<bool>,
}

impl Columns {
    fn push(&mut self, row: &CustomerRow<'_>) {
        let values = &row.values;
        self.ids.push(row.customer_id.to_owned());
        self.countries.push(row.country.map(str::to_owned));
        self.segments.push(values.segment_id.and_then(|id| i32::try_from(id).ok()));
        self.names.push(values.segment_name.to_owned());
        self.named.push(values.rfm_segment.to_owned());
        for (column, score) in self.scores.iter_mut().zip([values.r_score, values.f_score, values.m_score]) {
            column.push(i32::from(score));
        }
        self.days.push(values.recency_days);
        self.frequency.push(i64::from(values.frequency));
        self.monetary.push(values.monetary);
        self.first.push(values.first_order_at);
        self.last.push(values.last_order_at);
        self.live.push(row.live);
    }

    fn batch(self) -> Result<RecordBatch, ArrowError> {
        let [recency, frequency, monetary] = self.scores;
        let score = |scores: Vec<i32>| -> ArrayRef { Arc::new(Int32Array::from(scores)) };
        let columns: Vec<(&str, DataType, ArrayRef)> = vec![
            ("customer_id", DataType::Utf8, Arc::new(StringArray::from(self.ids))),
            ("country", DataType::Utf8, Arc::new(StringArray::from(self.countries))),
            ("segment_id", DataType::Int32, Arc::new(Int32Array::from(self.segments))),
            ("segment_name", DataType::Utf8, Arc::new(StringArray::from(self.names))),
            ("rfm_segment", DataType::Utf8, Arc::new(StringArray::from(self.named))),
            ("r_score", DataType::Int32, score(recency)),
            ("f_score", DataType::Int32, score(frequency)),
            ("m_score", DataType::Int32, score(monetary)),
            ("recency_days", DataType::Int64, Arc::new(Int64Array::from(self.days))),
            ("frequency", DataType::Int64, Arc::new(Int64Array::from(self.frequency))),
            ("monetary", money_type(), money_column(&self.monetary)),
            ("first_order_at", time_type(), times_column(self.first)),
            ("last_order_at", time_type(), times_column(self.last)),
            ("live", DataType::Boolean, Arc::new(BooleanArray::from(self.live))),
        ];
        let fields: Vec<Field> = columns.iter().map(|(name, kind, _)| Field::new(*name, kind.clone(), true)).collect();
        let columns = columns.into_iter().map(|(.., column)| column).collect();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
    }
}

fn csv_row(out: &mut Vec<u8>, row: &CustomerRow<'_>) {
    use std::io::Write;
    let values = &row.values;
    cell_of_text(out, row.customer_id);
    out.push(b',');
    cell_of_text(out, row.country.unwrap_or_default());
    out.push(b',');
    if let Some(id) = values.segment_id {
        let _ = write!(out, "{id}");
    }
    out.push(b',');
    cell_of_text(out, values.segment_name);
    out.push(b',');
    cell_of_text(out, values.rfm_segment);
    // Memory takes all that is written.
    let _ = write!(
        out,
        ",{},{},{},{},{},{},{},{},{}\r\n",
        values.r_score,
        values.f_score,
        values.m_score,
        values.recency_days,
        values.frequency,
        values.monetary,
        values.first_order_at,
        values.last_order_at,
        row.live
    );
}

/// What begins a formula, the full-width forms of it too.
const FORMULA: [char; 10] = ['=', '+', '-', '@', '\t', '\r', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'];

/// A cell that stays a text: what a spreadsheet would take for a formula gets an apostrophe before it, also behind what other
/// spreadsheets than those of commas begin a cell with, which do not see the quotes.
fn cell_of_text(out: &mut Vec<u8>, text: &str) {
    let begins = |at: usize| text.get(at..).is_some_and(|rest| rest.trim_start_matches(' ').starts_with(FORMULA));
    if !begins(0) && !text.contains([',', ';', '"', '\n', '\r', '\t']) {
        return out.extend_from_slice(text.as_bytes());
    }
    out.push(b'"');
    if begins(0) {
        out.push(b'\'');
    }
    for (at, letter) in text.char_indices() {
        if letter == '"' {
            out.push(b'"');
        }
        out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
        if matches!(letter, ';' | '\t' | '\n' | '\r') && begins(at + 1) {
            out.push(b'\'');
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_stay_texts() {
        let cell = |text: &str| {
            let mut out = Vec::new();
            cell_of_text(&mut out, text);
            String::from_utf8(out).expect("UTF-8")
        };
        assert_eq!(cell("12347"), "12347");
        assert_eq!(cell("=HYPERLINK(\"x\")"), "\"'=HYPERLINK(\"\"x\"\")\"");
        for text in ["+1", "-1", "@a", "\ta", "\ra"] {
            assert!(cell(text).starts_with("\"'"), "{text:?}");
        }
        for text in ["\u{ff1d}1+1", "\u{ff0b}1", "\u{ff0d}1", "\u{ff20}a", " =1"] {
            assert!(cell(text).starts_with("\"'"), "{text:?}");
        }
        assert_eq!(cell("a,b"), "\"a,b\"");
        assert_eq!(cell("a;=1;b; +c"), "\"a;'=1;b;' +c\"");
        assert_eq!(cell("a\t@b"), "\"a\t'@b\"");
        assert_eq!(cell("a-b"), "a-b");
        assert_eq!(cell(""), "");
    }
}
