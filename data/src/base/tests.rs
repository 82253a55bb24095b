use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, new_null_array};
use arrow::datatypes::{DataType, Field};

use super::*;
use crate::Rules;
use crate::lake::{Lake, Publication, PublishedQuality, Table, Versions, money_column, times_column};
use crate::merge::InvoiceHash;
use crate::model::Segment;

fn model() -> Model {
    let segment = |id, centroid| Segment { id, name: format!("segment {id}"), customers: 1, centroid };
    let segments = vec![segment(0, [1.0, 1.0, 1.0]), segment(5, [100.0, 9.0, 900.0])];
    Model { k: 2, seed: 1, scale: [1.0; 3], inertia: 0.0, segments }
}

#[test]
fn finds_customers_by_id_and_by_order() {
    let totals = |frequency| Totals {
        frequency,
        monetary: Money::from_raw(7),
        span: (frequency > 0).then_some(Span::at(EventTime::at_day(3))),
    };
    let customers = vec![("b".to_owned(), totals(2)), ("a".to_owned(), totals(0)), ("ç9".to_owned(), totals(4))];
    let covered = BTreeMap::from([("id".to_owned(), vec![5, 0])]);
    let base = Base::new(BaseParts { publication: 3, customers, covered, ..BaseParts::default() }, model());
    assert_eq!((0..3).map(|place| base.id(place)).collect::<Vec<_>>(), ["a", "b", "ç9"]);
    assert_eq!(base.find("b"), Some(1));
    assert_eq!(base.find("bb"), None);
    assert_eq!(base.find(""), None);
    assert_eq!(base.totals(0), totals(0));
    assert_eq!(base.totals(2), totals(4));
    assert_eq!(base.totals(3), Totals::default());
    assert_eq!(base.of("b", "id").covered, [5, 0]);
    assert!(base.of("b", "other topic").covered.is_empty());
    assert_eq!(base.segment(&totals(1), EventTime::at_day(5)).map(|segment| segment.id), Some(0));
    assert_eq!(base.segment(&totals(0), EventTime::at_day(5)), None);
}

/// A publication of these customers, in the order given.
async fn publish(lake: &Lake, customers: &[&str], netted: &[&str]) -> Publication {
    let rows_of = |table: Table, customers: &[&str]| {
        let ids: ArrayRef = Arc::new(StringArray::from(customers.to_vec()));
        let numbers = (1..).zip(customers).map(|(number, _)| number);
        let of = |field: &Field| -> ArrayRef {
            match field.data_type() {
                DataType::Utf8 => ids.clone(),
                DataType::Int64 => Arc::new(Int64Array::from_iter_values(numbers.clone())),
                DataType::Decimal128(..) => money_column(&numbers.clone().map(Money::from_raw).collect::<Vec<_>>()),
                DataType::Timestamp(..) => times_column(numbers.clone().map(EventTime::from_micros)),
                other => new_null_array(other, customers.len()),
            }
        };
        let schema = Arc::new(table.file_schema());
        let columns = schema.fields().iter().map(|field| of(field)).collect();
        RecordBatch::try_new(schema, columns).expect("columns")
    };
    let hashes: Vec<i64> = [3_u64, 5, u64::MAX].iter().map(|hash| hash.cast_signed()).collect();
    let invoices = RecordBatch::try_from_iter([("invoice_hash", Arc::new(Int64Array::from(hashes)) as ArrayRef)]);
    let mut tables = lake.tables(&Rules::default()).await.expect("tables");
    let rows = [
        (Table::CustomerRfm, rows_of(Table::CustomerRfm, customers)),
        (Table::NettedCustomers, rows_of(Table::NettedCustomers, netted)),
        (Table::CountedInvoices, invoices.expect("a column")),
    ];
    tables.overwrite(&rows).await.expect("commits");
    let version = |table| tables.get(table).version();
    Publication {
        id: 4,
        published_at: EventTime::at_day(9),
        reference_time: EventTime::at_day(8),
        versions: Versions {
            customer_rfm: version(Table::CustomerRfm),
            counted_invoices: version(Table::CountedInvoices),
            netted_customers: version(Table::NettedCustomers),
            ..Versions::default()
        },
        orders: 3,
        customers: 2,
        invoices: 3,
        revenue: Money::from_raw(3),
        quality: PublishedQuality::default(),
        kafka_offsets: BTreeMap::from([("t:0".to_owned(), 7), ("t:2".to_owned(), 9), ("a:b:1".to_owned(), 1)]),
        model: serde_json::to_string(&model()).expect("a model"),
        report: "{}".to_owned(),
    }
}

#[tokio::test]
async fn loads_what_was_published() {
    let folder = tempfile::tempdir().expect("a folder");
    let lake = Lake::open(folder.path().to_str().expect("a path")).expect("a lake");
    let publication = publish(&lake, &["b", "d", "é"], &["a", "c", "ê"]).await;
    let base = Base::load(&lake, &publication).await.expect("a base");
    assert_eq!((0..6).map(|place| base.id(place)).collect::<Vec<_>>(), ["a", "b", "c", "d", "é", "ê"]);
    assert_eq!(base.totals(0), Totals { monetary: Money::from_raw(1), ..Totals::default() });
    let span = Some(Span::at(EventTime::from_micros(2)));
    assert_eq!(base.totals(3), Totals { frequency: 2, monetary: Money::from_raw(2), span });
    assert_eq!((base.find("c"), base.find("e"), base.len()), (Some(2), None, 6));
    assert_eq!((base.publication, base.reference), (4, EventTime::at_day(8)));
    assert_eq!((base.covered("t"), base.covered("a:b"), base.covered("a")), (&[7, 0, 9][..], &[0, 1][..], &[][..]));
    let known = [3, 5, u64::MAX, 4].map(|hash| base.invoices.contains(InvoiceHash(hash)));
    assert_eq!(known, [true, true, true, false]);
    assert_eq!(base.model, model());

    for (customers, netted) in [(["b", "a"], "c"), (["a", "a"], "c"), (["a", "b"], "b")] {
        let publication = publish(&lake, &customers, &[netted]).await;
        let refused = Base::load(&lake, &publication).await.expect_err("out of order").to_string();
        assert!(refused.contains("is not behind"), "{refused}");
    }
    let publication = Publication { kafka_offsets: BTreeMap::from([("t:x".to_owned(), 7)]), ..publication };
    let refused = Base::load(&lake, &publication).await.expect_err("no partition").to_string();
    assert!(refused.contains("\"t:x\" is no topic id:partition"), "{refused}");
}
