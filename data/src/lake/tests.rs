use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, StringArray};

use super::*;
use crate::{Cancellations, EventTime, Money};

fn lake() -> (tempfile::TempDir, Lake) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let lake = Lake::open(folder.path().join("lake").to_str().expect("a path")).expect("a lake");
    (folder, lake)
}

fn publication(id: i64) -> Publication {
    Publication {
        id,
        published_at: EventTime::from_micros(1_700_000_000_123_456),
        reference_time: EventTime::at_day(15_318),
        versions: Versions {
            orders: 1,
            rejected_orders: 2,
            sources: 3,
            customer_rfm: 4,
            customer_segments: 5,
            segment_profiles: 6,
            counted_invoices: 7,
            netted_customers: 8,
        },
        orders: 397_884,
        customers: 4_338,
        invoices: 18_532,
        revenue: Money::from_raw(89_114_079_040),
        quality: PublishedQuality {
            k: 4,
            inertia: Some(4092.42),
            silhouette: None,
            davies_bouldin: Some(0.1),
            calinski_harabasz: None,
        },
        kafka_offsets: BTreeMap::from([("topic:0".to_owned(), 7), ("topic:1".to_owned(), i64::MAX)]),
        model: "{\"k\":4}".to_owned(),
        report: "{\"currency\":\"£\"}".to_owned(),
    }
}

#[tokio::test]
async fn publications_read_back_oldest_first() {
    let (_folder, lake) = lake();
    let missing = lake.publication(None).await.expect_err("no lake yet");
    assert!(missing.to_string().contains("has no publication yet"), "{missing}");

    let mut tables = lake.tables(&Rules::default()).await.expect("tables");
    for id in [1, 2, 3] {
        let rows = publication(id).to_batch().expect("a row");
        tables.get_mut(Table::Publications).append_rows(&rows).await.expect("a commit");
    }
    let table = lake.snapshot(Table::Publications, None).await.expect("a table").expect("a table");
    assert_eq!(table.publications().await.expect("rows"), [1, 2, 3].map(publication));
    assert_eq!(lake.publication(None).await.expect("the newest"), publication(3));
    assert_eq!(lake.publication(Some(2)).await.expect("an older one"), publication(2));
    let missing = lake.publication(Some(9)).await.expect_err("never published").to_string();
    assert!(missing.contains("has no publication 9; `batch history` lists them"), "{missing}");

    let first = lake.snapshot(Table::Publications, Some(1)).await.expect("a version").expect("a table");
    assert_eq!(first.publications().await.expect("rows"), [publication(1)]);
}

#[tokio::test]
async fn sources_read_back() {
    let (_folder, lake) = lake();
    let row = SourceRow {
        source_id: "00ff".to_owned(),
        source: "März, £.csv".to_owned(),
        ingested_at: EventTime::from_micros(5),
        bytes: 1 << 40,
        lines: 11,
        read: 10,
        accepted: 9,
        rejected: "{\"bad_date\":1}".to_owned(),
        fingerprint: "{}".to_owned(),
        evidence: "[]".to_owned(),
    };
    let mut tables = lake.tables(&Rules::default()).await.expect("tables");
    let later = SourceRow { ingested_at: EventTime::from_micros(6), ..row.clone() };
    for row in [&later, &row] {
        let rows = row.to_batch().expect("a row");
        tables.get_mut(Table::Sources).append_rows(&rows).await.expect("a commit");
    }
    assert_eq!(tables.get(Table::Sources).sources().await.expect("rows"), [row, later]);
}

#[tokio::test]
async fn orders_keep_the_rules_that_the_lake_was_made_with() {
    let (_folder, lake) = lake();
    let rules = Rules {
        cancellations: Cancellations::Net,
        exclude_stock_codes: BTreeSet::from(["POST".to_owned(), "£".to_owned()]),
        cancellation_prefix: "R".to_owned(),
        adjustment_prefix: String::new(),
    };
    lake.tables(&rules).await.expect("tables");
    let again = lake.tables(&Rules::default()).await.expect("the same tables");
    assert_eq!(again.get(Table::Orders).rules().expect("rules"), rules);
    let reopened = Lake::open_existing(&lake.location()).expect("a lake");
    let orders = reopened.snapshot(Table::Orders, None).await.expect("a table").expect("a table");
    assert_eq!(orders.rules().expect("rules"), rules);
}

#[tokio::test]
async fn the_lock_is_taken_once() {
    let (_folder, lake) = lake();
    let held = WriterLock::take(&lake, Duration::ZERO, |_| unreachable!("nobody holds it")).await.expect("the lock");
    held.check().expect("still ours");
    let mut told = None;
    let refused = WriterLock::take(&lake, Duration::from_millis(1), |holder| told = Some(holder.to_owned())).await;
    let refused = refused.expect_err("held").to_string();
    let holder = format!("process {}", std::process::id());
    assert!(refused.contains(&holder) && told.is_some_and(|told| told.contains(&holder)), "{refused}");
    assert!(refused.ends_with("try again later or raise --wait"), "{refused}");
    drop(held);
    let next = WriterLock::take(&lake, Duration::ZERO, |_| unreachable!("nobody holds it")).await.expect("the lock");
    next.release().await;
    WriterLock::take(&lake, Duration::ZERO, |_| unreachable!("nobody holds it")).await.expect("the lock again");
}

fn segments(customers: &[&str]) -> RecordBatch {
    let ids: ArrayRef = Arc::new(StringArray::from(customers.to_vec()));
    let rows = customers.len();
    let columns = Table::CustomerSegments.file_schema();
    let others = columns.fields().iter().skip(1).map(|field| arrow::array::new_null_array(field.data_type(), rows));
    RecordBatch::try_new(Arc::new(columns.clone()), std::iter::once(ids).chain(others).collect()).expect("columns")
}

async fn rows(lake: &Lake, version: Option<u64>) -> usize {
    let table = lake.snapshot(Table::CustomerSegments, version).await.expect("a table").expect("a table");
    table.rows().await.expect("rows").iter().map(RecordBatch::num_rows).sum()
}

#[tokio::test]
async fn an_overwritten_table_keeps_its_older_versions_until_they_are_vacuumed() {
    let (_folder, lake) = lake();
    let mut tables = lake.tables(&Rules::default()).await.expect("tables");
    for (id, customers) in [(1, &["a", "b"][..]), (2, &["a"]), (3, &["a", "b", "c"])] {
        tables.overwrite(&[(Table::CustomerSegments, segments(customers))]).await.expect("a commit");
        let customer_segments = tables.get(Table::CustomerSegments).version();
        let versions = Versions { customer_segments, ..Versions::default() };
        let row = Publication { versions, ..publication(id) }.to_batch().expect("a row");
        tables.get_mut(Table::Publications).append_rows(&row).await.expect("a commit");
    }
    assert_eq!((rows(&lake, Some(1)).await, rows(&lake, Some(2)).await, rows(&lake, None).await), (2, 1, 3));

    let planned = vacuum(&lake, 2, Duration::ZERO, true).await.expect("a plan");
    assert_eq!((planned.publications.as_slice(), planned.kept_publications), ([1].as_slice(), 2));
    assert_eq!(rows(&lake, Some(1)).await, 2);
    let done = vacuum(&lake, 2, Duration::ZERO, false).await.expect("a vacuum");
    assert_eq!(done.publications, [1]);
    assert_eq!((rows(&lake, Some(2)).await, rows(&lake, None).await), (1, 3));
    let first = lake.snapshot(Table::CustomerSegments, Some(1)).await.expect("a table").expect("a table");
    first.rows().await.expect_err("its file is gone");
    assert_eq!(lake.publication(None).await.expect("the newest").id, 3);
    lake.publication(Some(1)).await.expect_err("forgotten");
    let nothing = vacuum(&lake, 2, Duration::ZERO, false).await.expect("a vacuum");
    assert_eq!((nothing.publications.len(), nothing.kept_publications), (0, 2));
}

#[tokio::test]
async fn an_application_commits_under_its_version() {
    let (_folder, lake) = lake();
    let mut tables = lake.tables(&Rules::default()).await.expect("tables");
    let orders = tables.get_mut(Table::Orders);
    assert_eq!(orders.application_version("source:1").await.expect("a log"), None);
    orders.append(Vec::new(), &[("source:1".to_owned(), 12)]).await.expect("a commit");
    assert_eq!(orders.application_version("source:1").await.expect("a log"), Some(12));
    let again = lake.snapshot(Table::Orders, None).await.expect("a table").expect("a table");
    assert_eq!(again.application_version("source:1").await.expect("a log"), Some(12));
    assert_eq!(again.application_version("source:2").await.expect("a log"), None);
}

#[tokio::test]
async fn of_two_that_go_on_from_the_same_version_one_succeeds() {
    let (_folder, lake) = lake();
    lake.tables(&Rules::default()).await.expect("tables");
    let open = async || lake.snapshot(Table::Orders, None).await.expect("a table").expect("a table");
    let (mut one, mut other) = (open().await, open().await);
    let append = async |orders: &mut Snapshot, from, to| orders.append_from(Vec::new(), "a", from, to).await;
    assert_eq!(append(&mut one, None, 5).await.expect("a commit"), Appended::Done);
    assert_eq!(append(&mut other, None, 7).await.expect("a table"), Appended::Refused { at: Some(5) });
    assert_eq!(append(&mut other, Some(5), 5).await.expect("a table"), Appended::Refused { at: Some(5) });
    let (first, second) = tokio::join!(append(&mut one, Some(5), 8), append(&mut other, Some(5), 9));
    let done = [first.expect("a table"), second.expect("a table")];
    let at = open().await.application_version("a").await.expect("a log");
    assert!(done.contains(&Appended::Done) && done.contains(&Appended::Refused { at }), "{done:?} {at:?}");
}

#[tokio::test]
async fn a_topic_partition_is_registered_once() {
    let (_folder, lake) = lake();
    lake.tables(&Rules::default()).await.expect("tables");
    let row = SourceRow::for_topic("uuid", "orders", 3);
    assert_eq!(row.topic_partition().map(|place| place.to_string()).as_deref(), Some("uuid:3"));
    let open = async || lake.snapshot(Table::Sources, None).await.expect("a table").expect("a table");
    let (mut one, mut other) = (open().await, open().await);
    let (first, second) = tokio::join!(one.register(&row), other.register(&row));
    assert_ne!(first.expect("a commit"), second.expect("a commit"));
    assert!(!other.register(&row).await.expect("a table"));
    assert!(other.register(&SourceRow::for_topic("uuid", "orders", 4)).await.expect("a commit"));
    assert_eq!(open().await.sources().await.expect("rows").len(), 2);
}

#[tokio::test]
async fn a_watch_finds_what_is_newer() {
    let (_folder, lake) = lake();
    let mut watch = PublicationWatch::new(lake.clone(), None);
    assert_eq!(watch.poll().await.expect("no lake yet"), None);
    let mut tables = lake.tables(&Rules::default()).await.expect("tables");
    assert_eq!(watch.poll().await.expect("a look"), None);
    let mut publish = async |id| {
        let rows = publication(id).to_batch().expect("a row");
        tables.get_mut(Table::Publications).append_rows(&rows).await.expect("a commit");
    };
    publish(1).await;
    publish(2).await;
    let mut later = PublicationWatch::new(lake.clone(), Some(1));
    let found = async |watch: &mut PublicationWatch| watch.poll().await.expect("a look").map(|found| found.id);
    assert_eq!((found(&mut watch).await, found(&mut watch).await), (Some(2), None));
    assert_eq!((found(&mut later).await, found(&mut later).await), (Some(2), None));
    let kept = publication(2).to_batch().expect("a row");
    let publications = tables.get_mut(Table::Publications);
    publications.overwrite(&kept).await.expect("a commit");
    assert_eq!(found(&mut watch).await, None, "forgetting is nothing new");
    publications.append_rows(&publication(3).to_batch().expect("a row")).await.expect("a commit");
    assert_eq!((found(&mut watch).await, found(&mut watch).await), (Some(3), None));
}

#[test]
fn a_lake_that_is_not_there_is_not_made() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let missing = folder.path().join("lake");
    let refused = Lake::open_existing(missing.to_str().expect("a path")).expect_err("no lake").to_string();
    assert!(refused.contains("there is no such folder; make a lake with batch run --input FILE"), "{refused}");
    assert!(!missing.exists());
}
