//! Many publications: time travel to each, and vacuum.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use crate::kills::unneeded;
use crate::support::{Lake, Place, View};

/// More than the 20 commits at which Delta writes a checkpoint.
const RUNS: i64 = 23;
const KEPT: i64 = 4;

fn publications(lake: &Lake) -> Vec<i64> {
    let history = lake.json(&["history"]);
    let ids = history["publications"].as_array().expect("publications").iter().map(|row| &row["publication"]);
    ids.filter_map(Value::as_i64).collect()
}

#[test]
fn old_publications_stay_until_they_are_forgotten() {
    let place = Place::new();
    let lake = place.lake("lake");
    let mut views: Vec<(i64, View)> = Vec::new();
    for id in 1..=RUNS {
        let (orders, _) = place.orders("orders.csv", 200, id.unsigned_abs());
        // Every third run only recomputes, at another date.
        let done = match id % 3 {
            0 => lake.json(&["run", "--reference-date", &format!("2012-01-{id:02}")]),
            _ => lake.run(&[&orders]),
        };
        assert_eq!(done["publication"], id);
        let kept = id > RUNS - KEPT;
        views.push((id, if kept { lake.view(None) } else { lake.glance(None) }));
    }
    assert!(fs::exists(lake.path().join("customer_rfm/_delta_log/_last_checkpoint")).expect("an answer"));
    for (id, view) in &views {
        lake.glance(Some(*id)).must_equal(view, &format!("publication {id} of {RUNS}"));
    }

    let keep = KEPT.to_string();
    let before = lake.files();
    let planned = lake.json(&["vacuum", "--keep", &keep, "--dry-run"]);
    assert_eq!(lake.files(), before, "a dry run removes nothing");
    assert_eq!(publications(&lake).len(), views.len());
    let done = lake.json(&["vacuum", "--keep", &keep]);
    assert_eq!(done["publications"], planned["publications"]);
    assert_eq!(done["publications"].as_array().map(Vec::len), Some(views.len() - 4));

    assert_eq!(publications(&lake), (RUNS - KEPT + 1..=RUNS).collect::<Vec<_>>());
    lake.ask(&["show", "--publication", "1"]).must_fail(1, &["has no publication 1"]);
    lake.ask(&["export", "customer_rfm", "--publication", "1"]).must_fail(1, &["has no publication 1"]);
    for (id, view) in &views[views.len() - 4..] {
        lake.view(Some(*id)).must_equal(view, &format!("kept publication {id}"));
    }
    let removed: BTreeSet<_> = before.keys().filter(|path| !lake.files().contains_key(*path)).cloned().collect();
    assert_eq!(done["files"], removed.len());
    for table in ["customer_rfm", "customer_segments", "segment_profiles", "counted_invoices"] {
        let prefix = format!("{table}/part-");
        let left = lake.files().into_keys().filter(|path| path.starts_with(&prefix)).count();
        assert_eq!(left, 4, "one file of {table} for each kept publication");
    }
    assert!(!removed.iter().any(|path| path.starts_with("orders/") || path.contains("_delta_log")), "{removed:?}");

    assert_eq!(lake.json(&["vacuum", "--keep", &keep])["files"], 0, "nothing more to remove");
    lake.json(&["vacuum", "--keep", "1"]);
    assert_eq!(unneeded(&lake), BTreeSet::new());
    lake.view(None).must_equal(&views[views.len() - 1].1, "the last one kept");
    assert_eq!(lake.run(&[])["publication"], RUNS + 1);
}
