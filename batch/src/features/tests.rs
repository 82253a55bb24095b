use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{Decimal64Array, RecordBatch, StringDictionaryBuilder, TimestampMicrosecondArray};
use arrow::datatypes::Int32Type;
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
