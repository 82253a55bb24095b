//! What speed and serving take from a publication is what batch published.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Int32Type, Int64Type, TimestampMicrosecondType};
use data::base::Base;
use data::generate::RawOptions;
use data::lake::{Lake, Publication, Table, money_at};
use data::merge::{InvoiceHash, Span, Totals};
use data::{EventTime, Money};
use support::Place;

struct Published {
    lake: Lake,
    publication: Publication,
    base: Base,
}

impl Published {
    async fn read(location: &str) -> Self {
        let lake = Lake::open_existing(location).expect("a lake");
        let publication = lake.publication(None).await.expect("a publication");
        let base = Base::load(&lake, &publication).await.expect("a base");
        Self { lake, publication, base }
    }

    async fn rows(&self, table: Table) -> Vec<RecordBatch> {
        let version = self.publication.versions.of(table);
        self.lake.snapshot(table, version).await.expect("a version").expect("a table").rows().await.expect("rows")
    }

    /// Totals by customer, of the tables that hold customers.
    async fn totals(&self) -> BTreeMap<String, Totals> {
        let mut found = BTreeMap::new();
        for batch in self.rows(Table::CustomerRfm).await {
            let frequency = column(&batch, "frequency").as_primitive::<Int64Type>();
            let times = |name| column(&batch, name).as_primitive::<TimestampMicrosecondType>();
            let (first, last) = (times("first_order_at"), times("last_order_at"));
            for (row, id) in texts(&batch, "customer_id").into_iter().enumerate() {
                let time = EventTime::from_micros;
                let span = Span { first: time(first.value(row)), last: time(last.value(row)) };
                let monetary = money_at(batch.column_by_name("monetary").expect("a column"), row);
                let frequency = frequency.value(row).try_into().expect("a count");
                found.insert(id, Totals { frequency, monetary, span: Some(span) });
            }
        }
        for batch in self.rows(Table::NettedCustomers).await {
            for (row, id) in texts(&batch, "customer_id").into_iter().enumerate() {
                let monetary = money_at(batch.column_by_name("monetary").expect("a column"), row);
                let earlier = found.insert(id, Totals { monetary, ..Totals::default() });
                assert_eq!(earlier, None, "who has a purchase is in customer_rfm");
            }
        }
        found
    }
}

fn column<'a>(batch: &'a RecordBatch, name: &str) -> &'a dyn Array {
    batch.column_by_name(name).expect(name)
}

fn texts(batch: &RecordBatch, name: &str) -> Vec<String> {
    let texts = arrow::compute::cast(column(batch, name), &DataType::Utf8).expect("texts");
    texts.as_string::<i32>().iter().map(|text| text.expect(name).to_owned()).collect()
}

async fn check(published: &Published) {
    let base = &published.base;
    assert_eq!((base.publication, base.reference), (published.publication.id, published.publication.reference_time));
    let expected = published.totals().await;
    assert_eq!(base.len(), expected.len());
    for (place, (id, totals)) in expected.iter().enumerate() {
        assert_eq!((base.id(place), base.totals(place)), (id.as_str(), *totals), "in the order of ids");
        assert_eq!(base.find(id), Some(place));
    }
    let mut segments = 0;
    for batch in published.rows(Table::CustomerSegments).await {
        let ids = column(&batch, "segment_id").as_primitive::<Int32Type>();
        for (customer, id) in texts(&batch, "customer_id").iter().zip(ids.values()) {
            let segment = base.segment(&expected[customer], base.reference).expect("a segment");
            assert_eq!(i64::from(segment.id), i64::from(*id), "{customer}");
            segments += 1;
        }
    }
    assert_eq!(segments, published.publication.customers);

    let mut counted = BTreeSet::new();
    for batch in published.rows(Table::Orders).await {
        let amounts = batch.column_by_name("amount").expect("a column");
        for (row, pair) in texts(&batch, "customer_id").into_iter().zip(texts(&batch, "invoice")).enumerate() {
            if money_at(amounts, row) > Money::ZERO {
                counted.insert(pair);
            }
        }
    }
    for (customer, invoice) in &counted {
        let hash = |customer: &str, invoice: &str| InvoiceHash::of(customer.as_bytes(), invoice.as_bytes());
        assert!(base.invoices.contains(hash(customer, invoice)), "{customer} {invoice}");
        for other in [hash(customer, &format!("{invoice}x")), hash(&format!("{customer}x"), invoice)] {
            assert!(!base.invoices.contains(other), "{customer} {invoice}");
        }
    }
    assert_eq!((base.invoices.len(), counted.len() as u64), (counted.len(), published.publication.invoices));
}

#[test]
fn l_1_a_base_is_what_batch_published() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().expect("a runtime");
    for (seed, flags) in [(1, &[][..]), (2, &["--cancellations", "net", "--reference-date", "2012-03-01"])] {
        let place = Place::new();
        let lake = place.lake("lake");
        let raw = RawOptions { lines: Some(20_000), customers: Some(900), seed, dirty: 0.02, ..RawOptions::default() };
        let (orders, _) = place.write_orders("orders.csv", raw);
        // Two customers who only sent things back, one before and one among the others.
        let header = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country";
        let lines = "C1,A,BOX,-1,2011-05-05,2.5,!first,UK\nC2,A,BOX,-3,2011-05-05,2.5,12500x,UK\n1,A,BOX,1,2011-05-05,1,12501x,UK";
        let netted = place.path("netted.csv");
        std::fs::write(&netted, format!("{header}\n{lines}\n")).expect("a file");
        let inputs = [&support::with_inputs("run", &[&orders, &netted])[..], flags].concat();
        assert_eq!(lake.json(&inputs)["publication"], 1);
        runtime.block_on(async {
            let published = Published::read(&lake.location).await;
            check(&published).await;
            let netted = published.rows(Table::NettedCustomers).await.iter().map(RecordBatch::num_rows).sum::<usize>();
            assert_eq!(netted > 1, !flags.is_empty(), "{netted} customers without a purchase");
        });
    }
}
