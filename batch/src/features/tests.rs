use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Decimal64Array, RecordBatch, StringArray, StringDictionaryBuilder, TimestampMicrosecondArray,
    new_null_array,
};
use arrow::compute::concat;
use arrow::datatypes::Int32Type;
use data::lake::{FileHandle, Table, money_column, times_column};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder, WriterVersion};
use parquet::file::reader::{FileReader, SerializedFileReader};
use proptest::prelude::*;

use super::lines::Lines;
use super::*;

/// Customer, invoice, amount, country, time.
type Line = (u8, u8, i64, u8, i64);

fn batch(lines: &[Line]) -> RecordBatch {
    let texts = |text: &dyn Fn(&Line) -> String| {
        let mut column = StringDictionaryBuilder::<Int32Type>::new();
        lines.iter().for_each(|line| column.append_value(text(line)));
        Arc::new(column.finish()) as arrow::array::ArrayRef
    };
    let amounts = Decimal64Array::from_iter_values(lines.iter().map(|line| line.2));
    let times = TimestampMicrosecondArray::from_iter_values(lines.iter().map(|line| line.4)).with_timezone("UTC");
    let columns = vec![
        ("customer_id", texts(&|line| format!("U{}", line.0))),
        ("invoice", texts(&|line| line.1.to_string())),
        ("country", texts(&|line| format!("country {}", line.3))),
        ("amount", Arc::new(amounts.with_precision_and_scale(18, 4).expect("a scale")) as _),
        ("ordered_at", Arc::new(times) as _),
    ];
    RecordBatch::try_from_iter(columns).expect("columns of one length")
}

/// Each part is one thread's share, in batches of up to three lines.
fn fold(parts: &[Vec<Line>]) -> Option<Customers> {
    let mut whole = Fold::default();
    for part in parts {
        let mut fold = Fold::default();
        part.chunks(3).for_each(|lines| fold.add(&Lines::of_batch(&batch(lines)).expect("lines")));
        fold.settle();
        whole.merge(fold);
    }
    whole.finish()
}

/// The same by the book.
fn expected(lines: &[Line]) -> Customers {
    let mut by_customer: BTreeMap<String, Vec<Line>> = BTreeMap::new();
    lines.iter().for_each(|line| by_customer.entry(format!("U{}", line.0)).or_default().push(*line));
    let mut customers = Customers { lines: lines.len() as u64, ..Customers::default() };
    for (id, lines) in by_customer {
        let purchases: Vec<Line> = lines.iter().copied().filter(|line| line.2 > 0).collect();
        let monetary = Money::from_raw(lines.iter().map(|line| line.2).sum());
        let Some(last) = purchases.iter().map(|line| line.4).max() else {
            customers.netted.push((id, monetary));
            continue;
        };
        let countries = purchases.iter().filter(|line| line.4 == last).map(|line| format!("country {}", line.3));
        let invoices: BTreeSet<u8> = purchases.iter().map(|line| line.1).collect();
        let hash = |invoice: &u8| InvoiceHash::of(id.as_bytes(), invoice.to_string().as_bytes());
        customers.invoices.extend(invoices.iter().map(hash));
        customers.id.push(id);
        customers.frequency.push(invoices.len().try_into().expect("few"));
        customers.monetary.push(monetary);
        customers.first_order_at.push(EventTime::from_micros(purchases.iter().map(|line| line.4).min().expect("one")));
        customers.last_order_at.push(EventTime::from_micros(last));
        customers.country.push(countries.min().expect("one"));
    }
    customers.invoices.sort_unstable();
    customers
}

/// Rows of `orders`; columns that nothing is computed from are empty.
fn table_batch(lines: &[Line]) -> RecordBatch {
    let schema = Arc::new(Table::Orders.file_schema());
    let texts = |of: &dyn Fn(&Line) -> String| -> ArrayRef {
        Arc::new(lines.iter().map(|line| Some(of(line))).collect::<StringArray>())
    };
    let columns = schema.fields().iter().map(|field| match (field.name().as_str(), field.data_type()) {
        ("customer_id", _) => texts(&|line| format!("U{}", line.0)),
        ("invoice", _) => texts(&|line| line.1.to_string()),
        ("country", _) => texts(&|line| format!("country {}", line.3)),
        ("source", _) => texts(&|line| format!("kafka://{}", line.1 % 2)),
        ("amount", _) => money_column(&lines.iter().map(|line| Money::from_raw(line.2)).collect::<Vec<_>>()),
        ("ordered_at", _) => times_column(lines.iter().map(|line| EventTime::from_micros(line.4))),
        (_, kind) => new_null_array(kind, lines.len()),
    });
    RecordBatch::try_new(schema.clone(), columns.collect()).expect("columns of the table")
}

/// A file of `orders` with row groups of up to a hundred lines.
fn file(lines: &[Line], properties: WriterPropertiesBuilder) -> FileHandle {
    let batch = table_batch(lines);
    let mut file = tempfile::tempfile().expect("a file");
    let properties = properties.set_max_row_group_row_count(Some(100)).build();
    let mut writer = ArrowWriter::try_new(&mut file, batch.schema(), Some(properties)).expect("a writer");
    writer.write(&batch).expect("rows");
    writer.close().expect("a file");
    FileHandle::Local(Arc::new(file))
}

/// Customers of a file, and of how many of its row groups the pages were read.
fn read(handle: &FileHandle) -> (Option<Customers>, usize) {
    let mut fold = Fold::default();
    lines::each_row_group(handle.clone(), |lines| fold.add(&lines)).expect("lines");
    fold.settle();
    let file = SerializedFileReader::new(handle.clone()).expect("a file");
    let groups = file.metadata().row_groups();
    let by_pages =
        groups.iter().filter(|group| Lines::of_pages(&Arc::new(handle.clone()), group, true).expect("pages").is_some());
    let by_pages = by_pages.count();
    (fold.finish(), by_pages)
}

#[test]
fn files_of_other_forms_are_read_to_the_same_result() {
    // Beyond the 1,024 rows at which Arrow's writer looks whether a page is full.
    let lines: Vec<Line> = (0..5_000_u32)
        .map(|row| {
            let invoice = u8::try_from(row / 23 % 200).expect("small");
            (invoice / 3, invoice, i64::from(row % 97) * 10_000 - 20_000, invoice % 4, i64::from(row / 23))
        })
        .collect();
    let mut expected = expected(&lines);
    for source in 0..2 {
        let of_it = lines.iter().filter(|line| line.1 % 2 == source).count();
        expected.archived.insert(format!("kafka://{source}"), of_it as u64);
    }
    let forms = [
        ("as Arrow writes", WriterProperties::builder(), 50),
        ("compressed", WriterProperties::builder().set_compression(Compression::SNAPPY), 50),
        ("of small pages", WriterProperties::builder().set_data_page_row_count_limit(7).set_write_batch_size(7), 50),
        ("of the second version", WriterProperties::builder().set_writer_version(WriterVersion::PARQUET_2_0), 0),
        ("without dictionaries", WriterProperties::builder().set_dictionary_enabled(false), 0),
    ];
    for (form, properties, by_pages) in forms {
        assert_eq!(read(&file(&lines, properties)), (Some(expected.clone()), by_pages), "{form}");
    }
    // Amounts outgrow their dictionary: what follows it is plain.
    let many: Vec<Line> =
        lines.iter().zip(1..).map(|(line, amount)| (line.0, line.1, amount, line.3, line.4)).collect();
    let small = WriterProperties::builder().set_column_dictionary_page_size_limit("amount".into(), 64);
    let small = small.set_data_page_row_count_limit(20).set_write_batch_size(20);
    let whole = read(&file(&many, WriterProperties::builder()));
    assert_eq!(read(&file(&many, small)), whole);
    assert_eq!(whole.1, 50);
}

#[test]
fn a_line_without_a_value_is_told() {
    let whole = vec![(1, 1, 10, 1, 5), (1, 2, 20, 1, 6)];
    for name in ["customer_id", "invoice", "country", "amount", "ordered_at"] {
        let mut file = tempfile::tempfile().expect("a file");
        let batch = table_batch(&whole);
        let place = batch.schema().index_of(name).expect("a column");
        let mut columns = batch.columns().to_vec();
        let nothing = new_null_array(columns[place].data_type(), 1);
        columns[place] = concat(&[&columns[place].slice(0, 1), &nothing]).expect("one kind");
        let batch = RecordBatch::try_new(batch.schema(), columns).expect("columns of the table");
        let mut writer = ArrowWriter::try_new(&mut file, batch.schema(), None).expect("a writer");
        writer.write(&batch).expect("rows");
        writer.close().expect("a file");
        let error = lines::each_row_group(FileHandle::Local(Arc::new(file)), |_| {}).expect_err("a value is missing");
        assert!(error.to_string().contains(&format!("column {name} has lines without a value")), "{error}");
    }
}

#[test]
fn equal_times_take_the_first_country_by_name() {
    let lines: Vec<Line> = vec![(1, 1, 10, 3, 5), (1, 1, 10, 1, 5), (1, 1, 10, 2, 5), (1, 2, 10, 0, 4)];
    let customers = fold(std::slice::from_ref(&lines)).expect("a small sum");
    assert_eq!(customers.country, ["country 1"]);
    let apart: Vec<Vec<Line>> = lines.into_iter().rev().map(|line| vec![line]).collect();
    assert_eq!(fold(&apart), Some(customers));
}

#[test]
fn a_netted_cancellation_takes_money_and_nothing_else() {
    let lines: Vec<Line> = vec![(1, 1, 100, 1, 5), (1, 9, -30, 2, 9), (1, 9, -10, 2, 1), (2, 8, -50, 3, 7)];
    let customers = fold(&[lines]).expect("a small sum");
    assert_eq!((customers.id.as_slice(), customers.lines), (["U1".to_owned()].as_slice(), 4));
    assert_eq!((customers.monetary[0].raw(), customers.frequency[0]), (60, 1));
    assert_eq!((customers.first_order_at[0].micros(), customers.last_order_at[0].micros()), (5, 5));
    assert_eq!(customers.country, ["country 1"]);
    assert_eq!(customers.netted, [("U2".to_owned(), Money::from_raw(-50))]);
    assert_eq!(customers.invoices, [InvoiceHash::of(b"U1", b"1")]);
}

#[test]
fn sums_beyond_eighteen_digits_are_told() {
    let most = 999_999_999_999_999_999;
    assert_eq!(fold(&[vec![(1, 1, most, 1, 1)], vec![(1, 2, 1, 1, 1)]]), None);
    assert_eq!(fold(&[vec![(1, 1, most, 1, 1)], vec![(2, 2, 1, 1, 1)]]), None);
    let netted = fold(&[vec![(1, 1, most, 1, 1)], vec![(1, 2, 1, 1, 1), (1, 3, -1, 1, 1)]]);
    assert_eq!(netted.map(|customers| customers.monetary), Some(vec![Money::from_raw(most)]));
}

#[test]
fn nobody_has_no_reference() {
    let nobody = fold(&[]).expect("an empty sum");
    assert!(nobody.is_empty());
    assert_eq!(nobody.default_reference(), None);
}

proptest! {
    #[test]
    fn neither_order_nor_threads_matter(
        lines in prop::collection::vec((0_u8..4, 0_u8..6, -20_i64..100, 0_u8..3, 0_i64..8), 0..60),
        places in prop::collection::vec((0_usize..5, any::<u32>()), 60),
    ) {
        let mut shuffled: Vec<_> = lines.iter().copied().zip(&places).collect();
        shuffled.sort_by_key(|(_, (_, place))| *place);
        let mut parts: Vec<Vec<Line>> = vec![Vec::new(); 5];
        shuffled.into_iter().for_each(|(line, (part, _))| parts[*part].push(line));
        let expected = expected(&lines);
        prop_assert_eq!(fold(&[lines]), Some(expected.clone()));
        prop_assert_eq!(fold(&parts), Some(expected));
    }
}
