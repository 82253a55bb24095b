//! Recency, frequency and monetary value of every customer, from the accepted lines of one snapshot.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use arrow::array::{Array, AsArray, DictionaryArray, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Decimal64Type, Field, Int32Type, Schema, TimestampMicrosecondType};
use data::lake::{DataFile, FileHandle, Snapshot, SourceRow, Table};
use data::merge::{CustomerHash, InvoiceHash};
use data::{EventTime, Money};
use hashbrown::HashTable;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use tokio::runtime::Handle;

use crate::error::{Error, Result};
use crate::ingest::Dictionary;
use crate::topics::{self, Lines};

const COLUMNS: [&str; 5] = ["invoice", "customer_id", "amount", "country", "ordered_at"];
/// Read where it may name topics.
const SOURCE: &str = "source";
const BATCH_ROWS: usize = 1 << 17;

/// The customers of a snapshot, sorted by id; the columns are of one length.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Customers {
    pub id: Vec<String>,
    /// Distinct invoices.
    pub frequency: Vec<i64>,
    pub monetary: Vec<Money>,
    pub first_order_at: Vec<EventTime>,
    pub last_order_at: Vec<EventTime>,
    /// Country of the newest line.
    pub country: Vec<String>,
    /// Every invoice with a purchase, ascending.
    pub invoices: Vec<InvoiceHash>,
    /// Customers without a purchase, by id, and what their netted cancellations add up to; they are in no other column.
    pub netted: Vec<(String, Money)>,
    /// Accepted lines behind all of it.
    pub lines: u64,
    /// Those of them that came from topics, by source.
    pub archived: Lines,
}

impl Customers {
    #[must_use]
    pub fn len(&self) -> usize {
        self.id.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.id.is_empty()
    }

    /// Calendar days from each customer's last order to `reference`.
    #[must_use]
    pub fn recency_days(&self, reference: EventTime) -> Vec<i64> {
        self.last_order_at.iter().map(|last| last.days_before(reference)).collect()
    }

    /// Midnight after the newest accepted order.
    #[must_use]
    pub fn default_reference(&self) -> Option<EventTime> {
        self.last_order_at.iter().max().map(|newest| EventTime::at_day(newest.day() + 1))
    }
}

/// Reads `orders` and folds its lines by customer, on `threads` threads.
///
/// Memory grows with customers and invoices, not with lines. The result depends neither on the order of
/// the lines nor on the threads: sums are of integers, the rest are minima, maxima and distinct counts.
///
/// # Errors
/// When a file cannot be read, or the revenue leaves 18 digits.
pub fn compute(orders: &Snapshot, threads: usize, runtime: &Handle) -> Result<Customers> {
    let files = orders.files()?;
    let next = AtomicUsize::new(0);
    let folds: Vec<Result<Fold>> = thread::scope(|scope| {
        let worker = || {
            let mut fold = Fold::default();
            while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                fold_file(orders, file, &mut fold, runtime)?;
            }
            Ok(fold)
        };
        let threads: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(worker)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    let mut folds = folds.into_iter();
    let mut whole = folds.next().unwrap_or_else(|| Ok(Fold::default()))?;
    for fold in folds {
        whole.merge(fold?);
    }
    whole.finish().ok_or_else(|| Error::RevenueOverflow)
}

fn fold_file(orders: &Snapshot, file: &DataFile, fold: &mut Fold, runtime: &Handle) -> Result<()> {
    let handle = runtime.block_on(orders.open_file(file))?;
    let fail = |source| Error::Orders { path: file.path.clone(), source };
    fold_row_groups(&handle, fold).map_err(fail)
}

fn fold_row_groups(handle: &FileHandle, fold: &mut Fold) -> parquet::errors::Result<()> {
    let options = ArrowReaderOptions::new().with_schema(Arc::new(reading_schema()));
    let metadata = ArrowReaderMetadata::load(handle, options)?;
    let columns = metadata.metadata().file_metadata().schema_descr();
    let projection = ProjectionMask::columns(columns, COLUMNS);
    let with_source = ProjectionMask::columns(columns, COLUMNS.into_iter().chain([SOURCE]));
    // A batch never spans row groups: each has a dictionary of its own.
    for (group, content) in metadata.metadata().row_groups().iter().enumerate() {
        let projection = if topics::may_be_in(content) { &with_source } else { &projection };
        let batches = ParquetRecordBatchReaderBuilder::new_with_metadata(handle.clone(), metadata.clone())
            .with_projection(projection.clone())
            .with_row_groups(vec![group])
            .with_batch_size(BATCH_ROWS)
            .build()?;
        for batch in batches {
            fold.add(&batch?)?;
        }
    }
    Ok(())
}

/// Texts as dictionaries, as they are stored; money as the 64-bit integers it is.
fn reading_schema() -> Schema {
    let text = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let fields = Table::Orders
        .file_schema()
        .fields()
        .iter()
        .map(|field| {
            let kind = match field.data_type() {
                DataType::Utf8 => text.clone(),
                DataType::Decimal128(precision, scale) => DataType::Decimal64(*precision, *scale),
                other => other.clone(),
            };
            Field::new(field.name(), kind, true)
        })
        .collect::<Vec<_>>();
    Schema::new(fields)
}

#[derive(Clone, Copy, Debug)]
struct Totals {
    monetary: i128,
    first: i64,
    last: i64,
    country: u32,
    invoices: i64,
}

impl Default for Totals {
    fn default() -> Self {
        Self { monetary: 0, first: i64::MAX, last: i64::MIN, country: 0, invoices: 0 }
    }
}

/// Lines folded by customer, as one thread saw them.
#[derive(Debug, Default)]
struct Fold {
    ids: Dictionary,
    countries: Dictionary,
    totals: Vec<Totals>,
    /// By customer.
    hashes: Vec<CustomerHash>,
    invoices: Invoices,
    lines: u64,
    archived: Lines,
}

/// Customer and invoice of one row group's lines, by the codes of its dictionaries.
struct Codes<'a> {
    keys: &'a [i32],
    values: &'a StringArray,
}

impl<'a> Codes<'a> {
    fn of(batch: &'a RecordBatch, name: &str) -> parquet::errors::Result<Self> {
        let column = column(batch, name)?;
        let dictionary: &DictionaryArray<Int32Type> = column.as_dictionary();
        if dictionary.null_count() > 0 {
            return Err(parquet::errors::ParquetError::General(format!("column {name} has lines without a value")));
        }
        Ok(Self { keys: dictionary.keys().values(), values: dictionary.values().as_string::<i32>() })
    }

    fn map<T>(&self, of: impl FnMut(&'a str) -> T) -> Vec<T> {
        self.values.iter().map(Option::unwrap_or_default).map(of).collect()
    }
}

fn column<'a>(batch: &'a RecordBatch, name: &str) -> parquet::errors::Result<&'a arrow::array::ArrayRef> {
    batch
        .column_by_name(name)
        .ok_or_else(|| parquet::errors::ParquetError::General(format!("column {name} is missing")))
}

#[expect(clippy::indexing_slicing, reason = "hot loop; codes are bounded by the dictionaries they come from")]
#[expect(clippy::cast_sign_loss, reason = "dictionary keys of valid values are not negative")]
impl Fold {
    fn add(&mut self, batch: &RecordBatch) -> parquet::errors::Result<()> {
        let (customers, invoices) = (Codes::of(batch, "customer_id")?, Codes::of(batch, "invoice")?);
        let countries = Codes::of(batch, "country")?;
        let amounts = column(batch, "amount")?.as_primitive::<Decimal64Type>().values();
        let times = column(batch, "ordered_at")?.as_primitive::<TimestampMicrosecondType>().values();
        let customer_of = customers.map(|id| self.ids.code(id.as_bytes()));
        let country_of = countries.map(|name| self.countries.code(name.as_bytes()));
        self.make_room();
        self.lines += batch.num_rows() as u64;
        if batch.column_by_name(SOURCE).is_some() {
            self.count_archived(&Codes::of(batch, SOURCE)?);
        }
        let mut before = (-1, -1);
        let keys = customers.keys.iter().zip(invoices.keys).zip(countries.keys);
        for (((customer_key, invoice_key), country_key), (amount, time)) in keys.zip(amounts.iter().zip(times)) {
            let customer = customer_of[*customer_key as usize];
            let totals = &mut self.totals[customer as usize];
            totals.monetary += i128::from(*amount);
            // A netted cancellation is no purchase.
            if *amount <= 0 {
                continue;
            }
            totals.first = totals.first.min(*time);
            if *time >= totals.last {
                let country = country_of[*country_key as usize];
                let newer = *time > totals.last || self.countries.get(country) < self.countries.get(totals.country);
                totals.last = *time;
                if newer {
                    totals.country = country;
                }
            }
            if before != (*customer_key, *invoice_key) {
                before = (*customer_key, *invoice_key);
                let invoice = invoices.values.value(*invoice_key as usize);
                if self.invoices.insert(customer, self.hashes[customer as usize].invoice(invoice.as_bytes())) {
                    totals.invoices += 1;
                }
            }
        }
        Ok(())
    }

    fn count_archived(&mut self, sources: &Codes<'_>) {
        let mut lines = vec![0; sources.values.len()];
        sources.keys.iter().for_each(|key| lines[*key as usize] += 1);
        for (source, lines) in sources.values.iter().flatten().zip(lines) {
            if lines > 0 && source.starts_with(SourceRow::TOPIC) {
                *self.archived.entry(source.to_owned()).or_default() += lines;
            }
        }
    }

    /// Makes a row for every customer that has an id.
    fn make_room(&mut self) {
        self.totals.resize(self.ids.len(), Totals::default());
        #[expect(clippy::cast_possible_truncation, reason = "codes are 32-bit")]
        let new = self.hashes.len() as u32..self.ids.len() as u32;
        self.hashes.extend(new.map(|code| CustomerHash::of(self.ids.get(code))));
    }

    /// Takes in what another thread saw.
    fn merge(&mut self, other: Self) {
        #[expect(clippy::cast_possible_truncation, reason = "codes are 32-bit")]
        let renumbered: Vec<u32> = (0..other.ids.len()).map(|code| self.ids.code(other.ids.get(code as u32))).collect();
        self.make_room();
        self.lines += other.lines;
        for (source, lines) in other.archived {
            *self.archived.entry(source).or_default() += lines;
        }
        for (theirs, &customer) in other.totals.iter().zip(&renumbered) {
            let country = self.countries.code(other.countries.get(theirs.country));
            let ours = &mut self.totals[customer as usize];
            ours.monetary += theirs.monetary;
            ours.first = ours.first.min(theirs.first);
            if theirs.last > ours.last
                || theirs.last == ours.last && self.countries.get(country) < self.countries.get(ours.country)
            {
                (ours.last, ours.country) = (theirs.last, country);
            }
        }
        self.invoices.reserve(other.invoices.0.len());
        for (customer, invoice) in other.invoices.0 {
            let customer = renumbered[customer as usize];
            if self.invoices.insert(customer, invoice) {
                self.totals[customer as usize].invoices += 1;
            }
        }
    }

    /// Customers with a purchase, sorted by id; `None` when the revenue leaves 18 digits.
    fn finish(self) -> Option<Customers> {
        #[expect(clippy::cast_possible_truncation, reason = "codes are 32-bit")]
        let mut order: Vec<u32> = (0..self.ids.len() as u32).collect();
        order.sort_unstable_by(|one, other| self.ids.get(*one).cmp(self.ids.get(*other)));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut customers = Customers { lines: self.lines, archived: self.archived, ..Customers::default() };
        let mut revenue = Money::ZERO;
        for code in order {
            let totals = self.totals[code as usize];
            let monetary = Money::from_raw(i64::try_from(totals.monetary).ok()?);
            if totals.invoices == 0 {
                customers.netted.push((text(self.ids.get(code)), monetary));
                continue;
            }
            revenue = revenue.checked_add(monetary)?;
            customers.id.push(text(self.ids.get(code)));
            customers.frequency.push(totals.invoices);
            customers.monetary.push(monetary);
            customers.first_order_at.push(EventTime::from_micros(totals.first));
            customers.last_order_at.push(EventTime::from_micros(totals.last));
            customers.country.push(text(self.countries.get(totals.country)));
        }
        customers.invoices = self.invoices.0.into_iter().map(|(_, invoice)| invoice).collect();
        customers.invoices.sort_unstable();
        Some(customers)
    }
}

/// The distinct invoices of each customer: 16 bytes an invoice. They find one another by their own hash.
#[derive(Debug, Default)]
struct Invoices(HashTable<(u32, InvoiceHash)>);

impl Invoices {
    /// So that entries of another such table, which come in the order of their hashes, do not crowd together.
    fn reserve(&mut self, more: usize) {
        self.0.reserve(more, |known| known.1.0);
    }

    /// Whether the invoice is new.
    fn insert(&mut self, customer: u32, invoice: InvoiceHash) -> bool {
        let entry = (customer, invoice);
        match self.0.entry(invoice.0, |known| *known == entry, |known| known.1.0) {
            hashbrown::hash_table::Entry::Occupied(_) => false,
            hashbrown::hash_table::Entry::Vacant(slot) => {
                slot.insert(entry);
                true
            }
        }
    }
}

#[cfg(test)]
mod tests;
