//! Parquet files, rendered as delimited text.

use std::fs::File;
use std::io::BufWriter;

use arrow::csv::WriterBuilder;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};

use crate::error::{Error, Result};
use crate::guard::guarded;

/// Renders `file` into a temporary file: times in ISO 8601, decimals and numbers in full.
///
/// # Errors
/// When the file is no Parquet file inside, or has columns that text cannot show.
pub fn render(file: File, name: &str) -> Result<File> {
    let unreadable = |error: &dyn std::fmt::Display| Error::Source {
        name: name.to_owned(),
        reason: format!("is no readable Parquet file ({error}); write it again"),
    };
    let spooled = tempfile::tempfile().map_err(|source| Error::Read { name: name.to_owned(), source })?;
    let mut writer = WriterBuilder::new().with_header(true).build(BufWriter::new(spooled));
    let copied = guarded(|| {
        // What Arrow added about its own types is not needed, and may be damaged.
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        for batch in ParquetRecordBatchReaderBuilder::try_new_with_options(file, options)?.build()? {
            writer.write(&batch?)?;
        }
        Ok(())
    });
    copied.map_err(|error| unreadable(&error))?;
    let out = writer.into_inner();
    out.into_inner().map_err(|error| Error::Read { name: name.to_owned(), source: error.into_error() })
}
