//! Reading a publication from the lake.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Decimal64Type, Field, Int64Type, Schema, TimestampMicrosecondType};
use futures::future::join3;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};

use super::{Base, BaseParts};
use crate::lake::{Error, FileHandle, Lake, Publication, Result, Table};
use crate::merge::{InvoiceSet, Span, Totals};
use crate::{EventTime, Money};

const BATCH_ROWS: usize = 1 << 16;
/// Kafka allows more; a number beyond it is no partition but damage.
const MOST_PARTITIONS: usize = 1 << 20;

impl Base {
    /// Reads the tables that `publication` names: a page at a time, customers and invoices beside one another, so that
    /// memory holds little besides what is kept.
    ///
    /// # Errors
    /// When a table cannot be read, or holds what no batch run publishes.
    pub async fn load(lake: &Lake, publication: &Publication) -> Result<Self> {
        let versions = &publication.versions;
        // All are waited for: the Delta kernel panics when a reading of its is dropped with the runtime.
        let (customers, netted, invoices) = join3(
            Files::open(lake, Table::CustomerRfm, versions.customer_rfm),
            Files::open(lake, Table::NettedCustomers, versions.netted_customers),
            Files::open(lake, Table::CountedInvoices, versions.counted_invoices),
        )
        .await;
        let (customers, netted, invoices) = (customers?, netted?, invoices?);
        let model = serde_json::from_str(&publication.model).map_err(|error| broken(Table::Publications, error))?;
        let parts = BaseParts {
            publication: publication.id,
            published_at: publication.published_at,
            reference: publication.reference_time,
            covered: covered(&publication.kafka_offsets)?,
            ..BaseParts::default()
        };
        let invoices = tokio::task::spawn_blocking(move || read_invoices(&invoices));
        let base = tokio::task::spawn_blocking(move || read_customers(Self::new(parts, model), &customers, &netted));
        let (base, invoices) = (joined(base.await), joined(invoices.await));
        Ok(Self { invoices: invoices?, ..base? })
    }
}

fn joined<T>(done: std::result::Result<T, tokio::task::JoinError>) -> T {
    match done {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(error) => unreachable!("nobody cancels it: {error}"),
        },
    }
}

fn read_invoices(files: &Files) -> Result<InvoiceSet> {
    let mut hashes = Vec::with_capacity(files.rows());
    files.each_batch(&["invoice_hash"], |batch| {
        let values = column(batch, files.table, 0)?.as_primitive::<Int64Type>();
        hashes.extend(values.values().iter().map(|hash| hash.cast_unsigned()));
        Ok(())
    })?;
    Ok(InvoiceSet::new(hashes))
}

fn read_customers(mut base: Base, files: &Files, netted: &Files) -> Result<Base> {
    let mut without_purchase = Vec::with_capacity(netted.rows());
    netted.each_batch(&["customer_id", "monetary"], |batch| {
        let ids = column(batch, netted.table, 0)?.as_string::<i32>();
        let monetary = column(batch, netted.table, 1)?.as_primitive::<Decimal64Type>();
        let rows = ids.iter().flatten().zip(monetary.values());
        without_purchase.extend(rows.map(|(id, raw)| (id.to_owned(), Money::from_raw(*raw))));
        Ok(())
    })?;
    let mut without_purchase = without_purchase.into_iter().peekable();
    base.reserve(files.rows() + without_purchase.len(), files.bytes_of("customer_id"));
    let columns = ["customer_id", "frequency", "monetary", "first_order_at", "last_order_at"];
    files.each_batch(&columns, |batch| base.add_customers(batch, &mut without_purchase))?;
    without_purchase.try_for_each(|netted| base.add_netted(netted))?;
    base.ids.index();
    Ok(base)
}

type Netted = (String, Money);

impl Base {
    fn reserve(&mut self, customers: usize, id_bytes: usize) {
        self.ids.bytes.reserve(id_bytes);
        self.ids.ends.reserve(customers);
        self.frequency.reserve(customers);
        self.monetary.reserve(customers);
        self.first.reserve(customers);
        self.last.reserve(customers);
    }

    /// Adds the rows of `customer_rfm`, and before each the customers without a purchase whose ids are smaller.
    fn add_customers(
        &mut self,
        batch: &RecordBatch,
        netted: &mut Peekable<impl Iterator<Item = Netted>>,
    ) -> Result<()> {
        let table = Table::CustomerRfm;
        let ids = column(batch, table, 0)?.as_string::<i32>();
        let frequency = column(batch, table, 1)?.as_primitive::<Int64Type>().values();
        let monetary = column(batch, table, 2)?.as_primitive::<Decimal64Type>().values();
        let first = column(batch, table, 3)?.as_primitive::<TimestampMicrosecondType>().values();
        let last = column(batch, table, 4)?.as_primitive::<TimestampMicrosecondType>().values();
        let rows = ids.iter().flatten().zip(frequency).zip(monetary).zip(first.iter().zip(last));
        for (((id, frequency), monetary), (first, last)) in rows {
            while let Some(netted) = netted.next_if(|(netted, _)| netted.as_str() < id) {
                self.add_netted(netted)?;
            }
            let span = Span { first: EventTime::from_micros(*first), last: EventTime::from_micros(*last) };
            let frequency = u64::try_from(*frequency).unwrap_or_default();
            let totals = Totals { frequency, monetary: Money::from_raw(*monetary), span: Some(span) };
            self.add(table, id, &totals)?;
        }
        Ok(())
    }

    fn add_netted(&mut self, (id, monetary): Netted) -> Result<()> {
        self.add(Table::NettedCustomers, &id, &Totals { monetary, ..Totals::default() })
    }

    fn add(&mut self, table: Table, id: &str, totals: &Totals) -> Result<()> {
        if self.len().checked_sub(1).is_some_and(|last| self.ids.get(last) >= id) {
            return Err(broken(table, format!("customer {id:?} is not behind {:?}", self.ids.get(self.len() - 1))));
        }
        self.push(id, totals);
        Ok(())
    }
}

/// By topic id, then by partition, from `topic id:partition`.
fn covered(offsets: &BTreeMap<String, i64>) -> Result<BTreeMap<String, Vec<i64>>> {
    let mut covered: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for (place, next) in offsets {
        let parsed = place.rsplit_once(':').and_then(|(topic, partition)| Some((topic, partition.parse().ok()?)));
        let Some((topic, partition)) = parsed.filter(|(_, partition): &(_, usize)| *partition < MOST_PARTITIONS) else {
            return Err(broken(Table::Publications, format!("kafka_offsets: {place:?} is no topic id:partition")));
        };
        let partitions = covered.entry(topic.to_owned()).or_default();
        partitions.resize(partitions.len().max(partition + 1), 0);
        if let Some(place) = partitions.get_mut(partition) {
            *place = *next;
        }
    }
    Ok(covered)
}

fn broken(table: Table, reason: impl std::fmt::Display) -> Error {
    Error::Content { table, reason: reason.to_string() }
}

/// The data files of a table at one version.
struct Files {
    table: Table,
    /// Path, handle and footer.
    files: Vec<(String, FileHandle, ArrowReaderMetadata)>,
}

impl Files {
    async fn open(lake: &Lake, table: Table, version: u64) -> Result<Self> {
        let snapshot = lake.snapshot(table, Some(version)).await?.ok_or_else(|| broken(table, "there is none"))?;
        let mut files = Vec::new();
        for file in snapshot.files()? {
            let handle = snapshot.open_file(&file).await?;
            let options = ArrowReaderOptions::new().with_schema(Arc::new(reading_schema(table)));
            let footer = ArrowReaderMetadata::load(&handle, options).map_err(Error::file(table, &file.path))?;
            files.push((file.path, handle, footer));
        }
        Ok(Self { table, files })
    }

    fn rows(&self) -> usize {
        let rows = |footer: &ArrowReaderMetadata| footer.metadata().file_metadata().num_rows();
        self.files.iter().map(|(.., footer)| usize::try_from(rows(footer)).unwrap_or_default()).sum()
    }

    /// At least the bytes of all texts in column `name`, unless they are stored as a dictionary.
    fn bytes_of(&self, name: &str) -> usize {
        let groups = self.files.iter().flat_map(|(.., footer)| footer.metadata().row_groups());
        let columns = groups.flat_map(parquet::file::metadata::RowGroupMetaData::columns);
        let sizes = columns.filter(|column| column.column_path().string() == name);
        sizes.map(|column| usize::try_from(column.uncompressed_size()).unwrap_or_default()).sum()
    }

    /// Hands every row on, in the order of the files; columns are in the order of `names`, which is the table's.
    fn each_batch(&self, names: &[&str], mut take: impl FnMut(&RecordBatch) -> Result<()>) -> Result<()> {
        for (path, handle, footer) in &self.files {
            let columns = footer.metadata().file_metadata().schema_descr();
            let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(handle.clone(), footer.clone())
                .with_projection(ProjectionMask::columns(columns, names.iter().copied()))
                .with_batch_size(BATCH_ROWS)
                .build()
                .map_err(Error::file(self.table, path))?;
            for batch in reader {
                take(&batch.map_err(Error::columns(self.table))?)?;
            }
        }
        Ok(())
    }
}

/// As the table's files, but money as the 64-bit integers it is stored as.
fn reading_schema(table: Table) -> Schema {
    let kind = |field: &Field| match field.data_type() {
        DataType::Decimal128(precision, scale) => DataType::Decimal64(*precision, *scale),
        other => other.clone(),
    };
    let fields = table.file_schema();
    Schema::new(fields.fields().iter().map(|field| Field::new(field.name(), kind(field), true)).collect::<Vec<_>>())
}

/// A column, none of whose values is missing.
fn column(batch: &RecordBatch, table: Table, place: usize) -> Result<&dyn Array> {
    match batch.columns().get(place) {
        Some(column) if column.null_count() == 0 => Ok(column),
        Some(_) => {
            Err(broken(table, format!("column {} has rows without a value", batch.schema().field(place).name())))
        }
        None => Err(broken(table, "a column is missing")),
    }
}
