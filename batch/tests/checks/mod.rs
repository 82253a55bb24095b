//! A place for one test: it runs the program there and reads what was published.

#![allow(dead_code, reason = "each test binary uses a part of it")]

pub mod input;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;
use tempfile::TempDir;

/// A folder with a lake, gone when the test ends.
pub struct Place(TempDir);

impl Place {
    pub fn new() -> Self {
        Self(TempDir::new().expect("a temporary folder"))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        std::fs::write(&path, text).expect("a file");
        shown(&path)
    }

    /// Runs `batch` on the lake; the document that it prints.
    pub fn batch(&self, arguments: &[&str]) -> Value {
        let done = self.try_batch(arguments);
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "batch {arguments:?}: {}\n{said}", done.status);
        serde_json::from_slice(&done.stdout).expect("one json document")
    }

    pub fn try_batch(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_batch"));
        command.args(arguments).arg("--lake").arg(self.path("lake")).arg("--json");
        for name in ["CLIENTELE_LAKE", "CLIENTELE_CONFIG", "CLIENTELE_K", "CLIENTELE_SEED"] {
            command.env_remove(name);
        }
        command.stdin(Stdio::null()).output().expect("batch starts")
    }

    /// A table of the current publication as a file for Python.
    pub fn export(&self, table: &str) -> String {
        let path = shown(&self.path(&format!("{table}.csv")));
        self.batch(&["export", table, "-o", &path]);
        path
    }

    /// A table of the current publication, by its key.
    pub fn table(&self, table: &str) -> Rows {
        let path = self.path(&format!("{table}.parquet"));
        self.batch(&["export", table, "-o", &shown(&path)]);
        let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).expect("an export"))
            .and_then(ParquetRecordBatchReaderBuilder::build)
            .expect("a parquet file");
        let batches: Vec<RecordBatch> = reader.collect::<Result<_, _>>().expect("rows");
        let schema = batches.first().expect("rows").schema();
        Rows(concat_batches(&schema, &batches).expect("one schema"))
    }

    /// Every table that batch computes.
    pub fn computed(&self) -> [Rows; 4] {
        ["customer_rfm", "customer_segments", "segment_profiles", "counted_invoices"].map(|table| self.table(table))
    }
}

pub fn shown(path: &Path) -> String {
    path.to_str().expect("an utf-8 path").to_owned()
}

/// A table, column by column.
#[derive(Debug, PartialEq)]
pub struct Rows(RecordBatch);

impl Rows {
    pub fn len(&self) -> usize {
        self.0.num_rows()
    }

    pub fn texts(&self, name: &str) -> Vec<String> {
        self.column(name, &DataType::Utf8).as_string::<i32>().iter().map(|text| text.expect(name).to_owned()).collect()
    }

    pub fn integers(&self, name: &str) -> Vec<i64> {
        self.column(name, &DataType::Int64).as_primitive::<Int64Type>().values().to_vec()
    }

    pub fn floats(&self, name: &str) -> Vec<f64> {
        self.column(name, &DataType::Float64).as_primitive::<Float64Type>().values().to_vec()
    }

    /// In ten-thousandths.
    pub fn money(&self, name: &str) -> Vec<i64> {
        let column = self.column(name, &data::lake::money_type());
        let narrow = |raw: &i128| i64::try_from(*raw).expect("18 digits");
        column.as_primitive::<Decimal128Type>().values().iter().map(narrow).collect()
    }

    /// In microseconds.
    pub fn times(&self, name: &str) -> Vec<i64> {
        self.column(name, &data::lake::time_type()).as_primitive::<TimestampMicrosecondType>().values().to_vec()
    }

    /// The column, none of whose values is missing.
    fn column(&self, name: &str, kind: &DataType) -> arrow::array::ArrayRef {
        let column = self.0.column_by_name(name).expect(name);
        assert_eq!(column.null_count(), 0, "{name}");
        cast(column, kind).expect(name)
    }
}

/// A file of real data. Without it a test has nothing to say, which CI does not let pass.
pub fn real_file(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("CLIENTELE_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"), PathBuf::from);
    let path = folder.join(name);
    path.is_file()
        .then_some(path)
        .or_else(|| skip(&format!("{name} is neither in $CLIENTELE_DATA nor in ../shared/data")))
}

/// Runs `tests/python/SCRIPT`; the JSON document that it prints.
pub fn python(script: &str, arguments: &[&str]) -> Option<Value> {
    let Some(python) = std::env::var_os("CLIENTELE_PYTHON") else {
        return skip("$CLIENTELE_PYTHON names no Python with tests/requirements.txt");
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python").join(script);
    let done = Command::new(python).arg(script).args(arguments).output().expect("python starts");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    Some(serde_json::from_slice(&done.stdout).expect("one json document"))
}

fn skip<T>(reason: &str) -> Option<T> {
    assert!(std::env::var_os("CI").is_none(), "{reason}");
    eprintln!("skipped: {reason}");
    None
}

/// The two agree to `tolerance`, relative to `expected`.
pub fn assert_near(found: f64, expected: f64, tolerance: f64, what: &str) {
    assert!((found - expected).abs() <= tolerance * expected.abs(), "{what}: {found}, expected {expected}");
}

/// The rows of `orders`, by line.
pub fn orders(rows: &Rows) -> Vec<input::Order> {
    let texts = |name| rows.texts(name).into_iter();
    let fields = texts("invoice").zip(texts("stock_code")).zip(texts("description"));
    let ids = texts("customer_id").zip(texts("country"));
    let numbers = rows.integers("quantity").into_iter().zip(rows.money("unit_price")).zip(rows.money("amount"));
    let places = rows.times("ordered_at").into_iter().zip(rows.integers("source_position"));
    let mut orders: Vec<input::Order> = fields
        .zip(ids)
        .zip(numbers.zip(places))
        .map(|((((invoice, stock_code), description), (customer_id, country)), (numbers, places))| {
            let (((quantity, unit_price), amount), (ordered_at, position)) = (numbers, places);
            input::Order {
                position,
                invoice,
                stock_code,
                description,
                quantity,
                unit_price,
                amount,
                customer_id,
                country,
                ordered_at,
            }
        })
        .collect();
    orders.sort_unstable();
    for (order, month) in rows.times("ordered_at").into_iter().zip(rows.texts("month")) {
        assert_eq!(data::EventTime::from_micros(order).month().to_string(), month);
    }
    orders
}
