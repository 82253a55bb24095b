//! `cargo run --release -p base -- [CUSTOMERS [INVOICES]]`: publishes so many customers (one million) and invoices (four
//! millions) in a lake of its own, loads them as speed and serving do, and prints the time and the memory that it took.
#![expect(clippy::print_stdout, reason = "it prints its measurements")]

use std::error::Error;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, new_null_array};
use arrow::datatypes::{DataType, Field};
use data::base::Base;
use data::lake::{Lake, Publication, PublishedQuality, Table, Versions, money_column, times_column};
use data::merge::InvoiceHash;
use data::model::{Model, Segment};
use data::{EventTime, Money, Rules};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const DAY: i64 = data::time::DAY_MICROS;
const LOADS: usize = 7;
/// Customers are numbered from here, as those of the real file are.
const FIRST_ID: i64 = 10_000;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build()?;
    if let [made, location, customers, invoices] = arguments.as_slice()
        && made == "make"
    {
        return runtime.block_on(make(&Lake::open(location)?, customers.parse()?, invoices.parse()?));
    }
    let number = |place: usize, usual: &str| arguments.get(place).cloned().unwrap_or_else(|| usual.to_owned());
    let folder = tempfile::tempdir()?;
    let location = folder.path().to_str().ok_or("the temporary folder's name is no text")?;
    // Another process, so that its memory is not in ours.
    let maker = Command::new(std::env::current_exe()?)
        .args(["make", location, &number(0, "1000000"), &number(1, "4000000")])
        .status()?;
    if !maker.success() {
        return Err("the lake was not made".into());
    }
    runtime.block_on(measure(&Lake::open(location)?))
}

async fn measure(lake: &Lake) -> Result<()> {
    let publication = lake.publication(None).await?;
    let before = memory("VmHWM")?;
    let mut times = Vec::new();
    for load in 0..LOADS {
        let started = Instant::now();
        let base = Base::load(lake, &publication).await?;
        times.push(started.elapsed().as_secs_f64());
        if load == 0 {
            println!("{} customers, {} invoices", base.len(), base.invoices.len());
            println!("memory: {} MiB while loading, {} MiB kept", memory("VmHWM")? - before, memory("VmRSS")? - before);
        }
    }
    let first = times.first().copied().unwrap_or_default();
    times.sort_by(f64::total_cmp);
    let median = times.get(LOADS / 2).copied().unwrap_or_default();
    println!("loaded in {first:.3} s at first, {median:.3} s as the median of {LOADS}");
    Ok(())
}

/// MiB, as Linux counts them.
fn memory(name: &str) -> Result<i64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)).ok_or("no such figure")?;
    let kibibytes: i64 = line.trim_matches(|sign: char| !sign.is_ascii_digit()).parse()?;
    Ok(kibibytes / 1024)
}

async fn make(lake: &Lake, customers: i64, invoices: i64) -> Result<()> {
    let mut tables = lake.tables(&Rules::default()).await?;
    let mut hashes: Vec<u64> = (0..invoices).map(|invoice| hash(invoice, customers)).collect();
    hashes.sort_unstable();
    let hashes = Int64Array::from_iter_values(hashes.iter().map(|hash| hash.cast_signed()));
    let counted = RecordBatch::try_new(Arc::new(Table::CountedInvoices.file_schema()), vec![Arc::new(hashes)])?;
    tables.overwrite(&[(Table::CustomerRfm, rfm(customers)?), (Table::CountedInvoices, counted)]).await?;
    let version = |table| tables.get(table).version();
    let segment = |id: u32| Segment { id, name: id.to_string(), customers: 1, centroid: [f64::from(id); 3] };
    let model = Model { k: 4, seed: 1, scale: [1.0; 3], inertia: 0.0, segments: (0..4).map(segment).collect() };
    let publication = Publication {
        id: 1,
        published_at: EventTime::now(),
        reference_time: EventTime::at_day(16_000),
        versions: Versions {
            customer_rfm: version(Table::CustomerRfm),
            counted_invoices: version(Table::CountedInvoices),
            netted_customers: version(Table::NettedCustomers),
            ..Versions::default()
        },
        orders: 0,
        customers: customers.unsigned_abs(),
        invoices: invoices.unsigned_abs(),
        revenue: Money::ZERO,
        quality: PublishedQuality::default(),
        kafka_offsets: std::collections::BTreeMap::new(),
        model: serde_json::to_string(&model)?,
        report: "{}".to_owned(),
    };
    Ok(tables.get_mut(Table::Publications).append_rows(&publication.to_batch()?).await?)
}

fn hash(invoice: i64, customers: i64) -> u64 {
    InvoiceHash::of((FIRST_ID + invoice % customers).to_string().as_bytes(), invoice.to_string().as_bytes()).0
}

fn rfm(customers: i64) -> Result<RecordBatch> {
    let schema = Arc::new(Table::CustomerRfm.file_schema());
    let mixed =
        |customer: i64, range: i64| customer.wrapping_mul(0x9E37_79B9_7F4A_7C15_u64.cast_signed()).rem_euclid(range);
    let time = |customer| EventTime::from_micros(15_000 * DAY + mixed(customer, 700 * DAY));
    let column = |field: &Field| -> ArrayRef {
        let rows = 0..customers;
        match field.data_type() {
            DataType::Utf8 if field.name() == "customer_id" => {
                let mut ids: Vec<String> = rows.map(|customer| (FIRST_ID + customer).to_string()).collect();
                ids.sort_unstable();
                Arc::new(StringArray::from_iter_values(ids))
            }
            DataType::Int64 => Arc::new(Int64Array::from_iter_values(rows.map(|customer| 1 + mixed(customer, 30)))),
            DataType::Decimal128(..) => {
                let amounts: Vec<Money> = rows.map(|customer| Money::from_raw(mixed(customer, 90_000_000))).collect();
                money_column(&amounts)
            }
            DataType::Timestamp(..) => times_column(rows.map(time)),
            other => new_null_array(other, usize::try_from(customers).unwrap_or_default()),
        }
    };
    let columns = schema.fields().iter().map(|field| column(field)).collect();
    Ok(RecordBatch::try_new(schema, columns)?)
}
