use super::*;
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
    assert_eq!((base.after(""), base.after("a"), base.after("aa"), base.after("ç9")), (0, 1, 1, 3));
    assert_eq!(base.totals(0), totals(0));
    assert_eq!(base.totals(2), totals(4));
    assert_eq!(base.totals(3), Totals::default());
    assert_eq!(base.of("b", "id").covered, [5, 0]);
    assert!(base.of("b", "other topic").covered.is_empty());
    assert_eq!(base.segment(&totals(1), EventTime::at_day(5)).map(|segment| segment.id), Some(0));
    assert_eq!(base.segment(&totals(0), EventTime::at_day(5)), None);
}
