//! A customer's state: counted line by line, written and read back.

use std::sync::Arc;

use data::base::{Base, BaseParts};
use data::merge::{Contribution, InvoiceHash, Span, merge};
use data::model::{Model, Segment};
use data::{EventTime, Money};
use proptest::prelude::*;

use super::customer::Change;
use super::view::View;
use super::{Customer, Reading, Segments, Settings, Shelf, Suffix};
use crate::frame::TopicId;
use crate::topology::OpenError;

const ID: &str = "12347";

fn view(publication: i64, customers: Vec<(String, data::merge::Totals)>) -> View {
    let segment = |id: u32| Segment { id, name: format!("S{id}"), customers: 1, centroid: [f64::from(id); 3] };
    let model = Model { k: 2, seed: 0, scale: [1.0; 3], inertia: 0.0, segments: vec![segment(0), segment(1)] };
    let parts = BaseParts { publication, customers, reference: EventTime::at_day(16_000), ..BaseParts::default() };
    View::new(Arc::new(Base::new(parts, model)), "topic".into(), None)
}

/// Lines of one customer in the order of their offsets; some are netted cancellations, some of one invoice.
fn lines() -> impl Strategy<Value = Vec<Contribution>> {
    let line = (0..3_u32, 0..6_u64, -90_000_000..90_000_000_i64, any::<bool>(), 0..900_000_000_i64);
    prop::collection::vec(line, 0..12).prop_map(|lines| {
        let one =
            |(through, (partition, invoice, amount, is_purchase, micros)): (usize, (u32, u64, i64, bool, i64))| {
                let at = EventTime::from_micros(EventTime::at_day(15_000).micros() + micros * 1_007);
                Contribution {
                    partition,
                    cell: i64::try_from(through / 4 * 4).expect("small"),
                    through: i64::try_from(through).expect("small"),
                    invoice: InvoiceHash(invoice.wrapping_mul(0x9E37_79B9_7F4A_7C15)),
                    amount: Money::from_raw(if is_purchase { amount.abs() } else { -amount.abs() }),
                    purchased: is_purchase.then_some(Span::at(at)),
                }
            };
        lines.into_iter().enumerate().map(one).collect()
    })
}

fn counted(lines: &[Contribution], view: &View) -> Customer {
    let mut customer = Customer {
        totals: view.of(ID).totals,
        segment: Some(1),
        publication: view.base.publication,
        suffix: Suffix::new(),
    };
    for line in lines {
        assert_eq!(customer.count(*line, view), Change::Counted);
        assert_eq!(customer.count(*line, view), Change::Repeated);
    }
    customer
}

proptest! {
    #[test]
    fn counting_line_by_line_is_merging(lines in lines()) {
        let view = view(7, Vec::new());
        let customer = counted(&lines, &view);
        prop_assert_eq!(customer.totals, merge(&view.of(ID), &lines));
        prop_assert_eq!(customer.totals, merge(&view.of(ID), &customer.suffix));
    }

    #[test]
    fn what_is_written_is_read(lines in lines(), before in lines()) {
        let base = merge(&view(6, Vec::new()).of(ID), &before);
        let now = view(7, vec![(ID.to_owned(), base)]);
        let customer = counted(&lines, &now);
        let mut value = Vec::new();
        customer.write(ID, &now, &mut value);
        prop_assert_eq!(&Customer::read(ID, &value, &now), &Ok(customer.clone()));
        // Under another publication it is added up anew, and says what it is under.
        let later = view(8, Vec::new());
        let totals = merge(&later.of(ID), &customer.suffix);
        prop_assert_eq!(Customer::read(ID, &value, &later), Ok(Customer { totals, ..customer }));
    }
}

#[test]
fn what_is_no_state_is_told() {
    let view = view(7, Vec::new());
    for (value, told) in [
        ("", "EOF"),
        ("{}", "missing field"),
        (
            r#"{"first_order_at":"soon","last_order_at":null,"frequency":1,"monetary":1,"segment_id":0,"publication":7,"contributions":[]}"#,
            "soon",
        ),
        (
            r#"{"first_order_at":null,"last_order_at":null,"frequency":1,"monetary":"x","segment_id":0,"publication":7,"contributions":[]}"#,
            "no amount",
        ),
        (
            r#"{"first_order_at":null,"last_order_at":null,"frequency":1,"monetary":1,"segment_id":0,"publication":7,"contributions":[[0,0,0,"zz",0,null,null]]}"#,
            "invalid digit",
        ),
    ] {
        let reason = Customer::read(ID, value.as_bytes(), &view).expect_err(value);
        assert!(reason.contains(told), "{reason}");
    }
}

struct Only(Arc<Base>);

impl Shelf for Only {
    fn newest(&self) -> Arc<Base> {
        Arc::clone(&self.0)
    }

    fn get(&self, id: i64) -> Option<Arc<Base>> {
        Some(self.newest()).filter(|base| base.publication == id)
    }
}

#[test]
fn l_1_a_lake_put_back_from_a_copy_is_not_gone_on_with() {
    let base = view(3, Vec::new()).base;
    let published_at = base.published_at.micros();
    let settings = Arc::new(Settings {
        reading: Reading {
            rules: data::Rules::default(),
            dates: data::DateFormat::from_flag("mdy").expect("a format"),
        },
        orders: "orders".to_owned(),
        topic_id: "t".into(),
        lake_id: "l".into(),
        enriched: TopicId(0),
        state: TopicId(1),
        changes: TopicId(2),
    });
    let open = |published_at: i64| {
        let memo = format!(r#"{{"publication":3,"published_at":{published_at}}}"#);
        Segments::open(Arc::clone(&settings), (0, 1), &Only(Arc::clone(&base)), Some(&memo)).map(drop)
    };
    assert_eq!(open(published_at), Ok(()));
    assert!(matches!(open(published_at + 1), Err(OpenError::Foreign(told)) if told.contains("put back from a copy")));
}
