use data::model::{Model, Segment};
use serde_json::json;

use super::*;
use crate::model::{ElbowPoint, Quality};

/// Five customers in two segments, the second of which has the greater spend.
fn computed() -> Computed {
    let segment = |id, name: &str, customers| Segment { id, name: name.to_owned(), customers, centroid: [0.0; 3] };
    let raw = [100_000, 200_000, 300_000, 10_000_001, 30_000_000];
    let customers = Customers {
        id: (1..=5).map(|id| format!("U{id}")).collect(),
        frequency: vec![1, 2, 3, 10, 21],
        monetary: raw.map(Money::from_raw).to_vec(),
        first_order_at: vec![EventTime::at_day(0); 5],
        last_order_at: [90, 80, 70, 99, 97].map(EventTime::at_day).to_vec(),
        country: vec!["France".to_owned(); 5],
        lines: 50,
        ..Customers::default()
    };
    let reference = EventTime::at_day(100);
    let recency_days = customers.recency_days(reference);
    let quality = Quality {
        inertia: 1.5,
        silhouette: None,
        silhouette_sample: None,
        davies_bouldin: Some(0.5),
        calinski_harabasz: Some(7.0),
    };
    let fit = Fit {
        model: Model {
            k: 2,
            seed: 42,
            scale: [1.0; 3],
            inertia: 1.5,
            segments: vec![segment(3, "New / Promising", 3), segment(7, "High Value VIP", 2)],
        },
        labels: vec![0, 0, 0, 1, 1],
        distances: vec![0.0; 5],
        quality,
        elbow: vec![ElbowPoint { k: 2, inertia: 1.5, silhouette: None }],
        notes: Vec::new(),
    };
    let scores = Scores { recency: vec![1, 2, 1, 5, 5], frequency: vec![1, 2, 3, 4, 5], monetary: vec![1, 2, 3, 4, 5] };
    Computed { customers, reference, recency_days, scores, fit }
}

fn counts() -> Counts {
    Counts::from_json(50, r#"{"cancellation": 3, "bad_date": 2}"#).expect("counts")
}

#[test]
fn segments_are_means_of_their_customers_the_richest_first() {
    let segments = serde_json::to_value(computed().segments()).expect("json");
    let expected = json!([
        {"segment_id": 7, "segment_name": "High Value VIP", "customers": 2, "revenue": 4000.0001,
         "recency_days": 2.0, "frequency": 15.5, "monetary": 2000.00005},
        {"segment_id": 3, "segment_name": "New / Promising", "customers": 3, "revenue": 60.0,
         "recency_days": 20.0, "frequency": 2.0, "monetary": 20.0},
    ]);
    assert_eq!(segments, expected);
}

#[test]
fn rfm_segments_and_grid_hold_every_customer_once() {
    let report = report(None);
    let expected = json!([
        {"rfm_segment": "Champions", "customers": 2, "revenue": 4000.0001},
        {"rfm_segment": "At Risk", "customers": 1, "revenue": 30.0},
        {"rfm_segment": "Hibernating", "customers": 2, "revenue": 30.0},
    ]);
    assert_eq!(report["rfm_segments"], expected);
    let grid = json!([[1, 0, 1, 0, 0], [0, 1, 0, 0, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0], [0, 0, 0, 1, 1]]);
    assert_eq!(report["rfm_grid"], grid);
    assert_eq!(report["rfm_names"][4][4], "Champions");
}

fn report(ingested: Option<&Ingested>) -> Value {
    let report = computed().report(&Scoring::default(), "€", ingested, &counts(), BTreeMap::new());
    serde_json::to_value(report).expect("json")
}

#[test]
fn the_whole_adds_up() {
    let report = report(None);
    let input = json!({"read": 55, "accepted": 50, "rejected": {"cancellation": 3, "bad_date": 2}, "already_known": 0});
    assert_eq!((&report["input"], &report["lake"]), (&input, &input));
    assert_eq!((&report["customers"], &report["invoices"]), (&json!(5), &json!(37)));
    assert_eq!(report["revenue"].to_string(), "4060.0001");
    assert_eq!(report["median"], json!({"recency_days": 10.0, "frequency": 3.0, "monetary": 30.0}));
    assert_eq!((&report["model"]["silhouette"], &report["model"]["sampled"]), (&Value::Null, &Value::Null));
    assert_eq!(report["sources"], json!([]));
}

#[test]
fn the_input_of_an_ingest_is_its_own() {
    let counts = Counts::from_json(10, r#"{"bad_price": 1}"#).expect("counts");
    let report = report(Some(&Ingested { counts, already_known: 44, sources: Vec::new() }));
    let input = json!({"read": 55, "accepted": 10, "rejected": {"bad_price": 1}, "already_known": 44});
    assert_eq!(report["input"], input);
    assert_eq!(report["lake"]["accepted"], 50);
}

#[test]
fn medians_lie_between_two_middles() {
    let cases: [(&[i64], f64); 5] = [(&[], 0.0), (&[7], 7.0), (&[9, 1], 5.0), (&[3, 1, 2], 2.0), (&[4, 1, 2, 9], 3.0)];
    for (values, expected) in cases {
        assert!((median(values.to_vec()) - expected).abs() < f64::EPSILON, "{values:?}");
    }
}
