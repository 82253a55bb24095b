//! What is known about UCI Online Retail, asked over HTTP.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::ask;
use crate::programs::{Server, batch};

const SEGMENTS: [(&str, u64); 4] =
    [("High Value VIP", 13), ("Loyal / Frequent", 204), ("New / Promising", 3060), ("Churn Risk", 1061)];

/// The real file in a lake of its own, published twice.
pub struct Retail {
    pub server: Server,
    _folder: TempDir,
}

/// One for all tests that only read it, which ends with the last of them; `None` where the file is not at hand.
pub fn retail() -> Option<Arc<Retail>> {
    static SHARED: Mutex<Weak<Retail>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(retail) = shared.upgrade() {
        return Some(retail);
    }
    let file = real_file()?;
    let folder = TempDir::with_prefix("clientele-").expect("a folder");
    let lake = folder.path().join("lake");
    batch(&lake, Some(&file));
    batch(&lake, None);
    let retail = Arc::new(Retail { server: Server::start(&lake, &[]), _folder: folder });
    *shared = Arc::downgrade(&retail);
    Some(retail)
}

fn real_file() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/online_retail.csv");
    beside.exists().then_some(beside)
}

#[test]
fn the_figures_are_those_of_the_file() {
    let Some(retail) = retail() else { return };
    let server = &retail.server;
    let overview = server.api("/overview");
    let expected = json!({"customers": 4338, "orders": 18532, "revenue": 8_911_407.904, "median_recency_days": 51.0});
    for (field, value) in expected.as_object().expect("an object") {
        assert_eq!(overview[field], *value, "{field}");
        assert_eq!(overview["previous"][field], *value, "{field} before");
    }
    assert_eq!(overview["view"]["orders"], 397_884);
    assert!(overview["live"].is_null());
    let segments = server.api("/segments");
    let found: Vec<(&str, u64)> = segments["segments"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|segment| {
            (segment["segment_name"].as_str().expect("a name"), segment["customers"].as_u64().expect("many"))
        })
        .collect();
    assert_eq!(found, SEGMENTS);
}

#[test]
fn pages_do_not_differ() {
    let Some(retail) = retail() else { return };
    let server = &retail.server;
    let revenue = 8_911_407.904;
    let sum = |list: &Value, field: &str| {
        list.as_array().expect("a list").iter().map(|item| item[field].as_f64().expect("a number")).sum::<f64>()
    };
    let near = |found: f64, what: &str| assert!((found - revenue).abs() < 1e-3, "{what}: {found}");
    near(sum(&server.api("/segments")["segments"], "revenue"), "segments");
    near(sum(&server.api("/rfm-grid")["cells"], "revenue"), "grid");
    near(sum(&server.api("/rfm-grid")["names"], "revenue"), "names");
    for by in ["day", "week", "month", "year"] {
        let points = server.api(&format!("/revenue?by={by}"))["points"].clone();
        near(sum(&points, "revenue"), by);
        assert_eq!(sum(&points, "orders"), 18532.0, "{by}");
    }
    let coarse = server.api("/revenue?by=day&most=20");
    assert_eq!((&coarse["by"], coarse["points"].as_array().map(Vec::len)), (&json!("month"), Some(13)));
    let cohorts = server.api("/cohorts");
    assert_eq!(sum(&cohorts["cohorts"], "customers"), 4338.0);
    assert_eq!(
        cohorts["cohorts"][0]["active"],
        json!([885, 324, 286, 340, 321, 352, 321, 309, 313, 350, 331, 445, 235])
    );
    let distribution = server.api("/distribution");
    for measure in ["recency_days", "frequency", "monetary"] {
        let counts = distribution[measure]["counts"].as_array().expect("a list");
        assert_eq!(counts.iter().map(|count| count.as_u64().expect("a count")).sum::<u64>(), 4338, "{measure}");
        assert_eq!(distribution[measure]["edges"].as_array().map(Vec::len), Some(counts.len() + 1), "{measure}");
    }
    assert_eq!(server.api("/scatter")["customer_id"].as_array().map(Vec::len), Some(4338));
    assert_eq!(server.api("/scatter?limit=100")["customer_id"].as_array().map(Vec::len), Some(100));
    let quality = server.api("/quality");
    assert_eq!((&quality["read"], &quality["accepted"]), (&json!(541_909), &json!(397_884)));
    assert_eq!(server.api("/rejections?reason=adjustment")["total"], 3);
    // Page by page, nothing twice and nothing left out.
    let (mut positions, mut cursor) = (std::collections::BTreeSet::new(), String::new());
    loop {
        let page = server.api(&format!("/rejections?reason=cancellation&limit=1000{cursor}"));
        assert_eq!(page["total"], 9_288);
        for item in page["items"].as_array().expect("a list") {
            assert_eq!(item["reason"], "cancellation");
            assert!(positions.insert(item["source_position"].as_i64()), "{item} twice");
        }
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(positions.len(), 9_288);
    let all = server.api("/rejections?limit=1");
    assert_eq!((&all["total"], all["items"].as_array().map(Vec::len)), (&json!(144_025), Some(1)));
    assert_eq!(server.get("/api/v1/rejections?cursor=ffff.0.0.1").status, 400);
}

#[test]
fn every_page_of_customers_in_every_order() {
    let Some(retail) = retail() else { return };
    let server = &retail.server;
    for sort in ["customer_id", "-customer_id", "recency_days", "-recency_days", "frequency", "-monetary"] {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = server.api(&format!("/customers?sort={sort}&limit=1000{cursor}"));
            assert_eq!(page["total"], 4338);
            seen.extend(page["items"].as_array().expect("a list").clone());
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        let ids: BTreeSet<&str> = seen.iter().map(|item| item["customer_id"].as_str().expect("an id")).collect();
        assert_eq!((seen.len(), ids.len()), (4338, 4338), "{sort}");
        let (field, falls) = sort.strip_prefix('-').map_or((sort, false), |field| (field, true));
        let key = |item: &Value| item[field].as_f64().or_else(|| item[field].as_str()?.parse().ok()).expect("a number");
        let in_order = seen
            .iter()
            .zip(&seen[1..])
            .all(|(one, next)| if falls { key(one) >= key(next) } else { key(one) <= key(next) });
        assert!(in_order, "{sort}");
    }
}

#[test]
fn filters_hold_together() {
    let Some(retail) = retail() else { return };
    let server = &retail.server;
    let total = |query: &str| server.api(&format!("/customers?limit=1&{query}"))["total"].as_u64().expect("a count");
    assert_eq!((0..4).map(|id| total(&format!("segment={id}"))).sum::<u64>(), 4338);
    for cell in server.api("/rfm-grid")["cells"].as_array().expect("a list") {
        assert_eq!(total(&format!("r={}&f={}", cell["r"], cell["f"])), cell["customers"].as_u64().expect("a count"));
    }
    assert_eq!(total("cohort=2010-12"), 885);
    assert_eq!(total("min_frequency=2") + total("max_frequency=1"), 4338);
    assert_eq!(total("prefix=12347"), 1);
    assert_eq!(total("country=Iceland"), 1);
    let moved: u64 = (0..4).map(|id| total(&format!("moved_from={id}&since=1"))).sum();
    assert_eq!(moved, 4338);
    assert_eq!(total("moved_from=new&since=1"), 0);
    assert_eq!(total("ordered_from=2010-12-01&ordered_to=2011-01-01"), 885);
    assert_eq!(total("ordered_from=2012-01-01"), 0);
    let all = server.api("/segments/1/customers?limit=1000");
    assert_eq!(all["total"], 204);
}

#[test]
fn one_customer_and_the_orders() {
    let Some(retail) = retail() else { return };
    let server = &retail.server;
    let customer = server.api("/customers/12347");
    assert_eq!(customer["merged"]["frequency"], 7);
    assert_eq!(customer["merged"]["monetary"], 4310.0);
    assert_eq!(customer["merged"], customer["batch"]);
    assert_eq!(customer["distances"].as_array().map(Vec::len), Some(4));
    assert_eq!(customer["distances"][0]["segment_id"], customer["merged"]["segment_id"]);
    let orders = server.api("/customers/12347/orders");
    assert_eq!(orders["total"], 7);
    let amounts =
        orders["items"].as_array().expect("a list").iter().map(|order| order["amount"].as_f64().expect("money"));
    assert!((amounts.sum::<f64>() - 4310.0).abs() < 1e-6);
    let history = server.api("/customers/12347/history");
    assert_eq!(history["items"].as_array().map(Vec::len), Some(2));
    assert_eq!(server.get("/api/v1/customers/nobody").status, 404);
    assert_eq!(server.get("/api/v1/customers/nobody/history").status, 404);
    let past = server.api("/customers/12347/history?as_of=1");
    assert_eq!((past["items"].as_array().map(Vec::len), &past["items"][0]["publication"]), (Some(1), &json!(1)));
}

#[test]
fn the_past_can_be_asked() {
    let Some(retail) = retail() else { return };
    let server = &retail.server;
    let past = server.api("/overview?as_of=1");
    assert_eq!(
        (&past["view"]["publication"], &past["view"]["as_of"], &past["customers"]),
        (&json!(1), &json!("1"), &json!(4338))
    );
    assert_eq!(server.api("/migration")["flows"].as_array().map(Vec::len), Some(4));
    assert_eq!(server.api("/publications")["total"], 2);
    assert_eq!(server.api("/publications/2")["report"]["lake"]["read"], 541_909);
    assert_eq!(server.get("/api/v1/overview?as_of=3").status, 404);
    assert_eq!(server.get("/api/v1/overview?as_of=soon").status, 400);
    assert_eq!(server.get("/api/v1/overview?as_of=2001-01-01").status, 404);
}

#[test]
fn what_is_known_is_not_sent_again() {
    let Some(retail) = retail() else { return };
    let server = &retail.server;
    let first = server.get("/api/v1/segments");
    let tag = first.header("etag").to_owned();
    let again = ask(server.address, "GET", "/api/v1/segments", &[("If-None-Match", &tag)], b"");
    assert_eq!((again.status, again.body.len()), (304, 0));
    let other = ask(server.address, "GET", "/api/v1/segments?as_of=1", &[("If-None-Match", &tag)], b"");
    assert_eq!(other.status, 200);
    for coding in ["gzip", "br"] {
        let small = ask(server.address, "GET", "/api/v1/segments", &[("Accept-Encoding", coding)], b"");
        assert_eq!(small.header("content-encoding"), coding);
        assert!(small.body.len() * 2 < first.body.len(), "{coding}");
    }
}

#[test]
fn downloads_have_every_row() {
    let Some(retail) = retail() else { return };
    let server = &retail.server;
    let csv = server.get("/api/v1/customers?format=csv");
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8");
    assert_eq!(csv.text().lines().count(), 4339);
    assert_eq!(server.get("/api/v1/customers?format=csv&limit=5").status, 400, "it has no pages");
    let accepted = ask(server.address, "GET", "/api/v1/segments/0/customers", &[("Accept", "text/csv")], b"");
    assert_eq!(accepted.text().lines().count(), 14);
    let parquet = server.get("/api/v1/customers?format=parquet");
    let bytes = bytes::Bytes::from(parquet.body);
    let builder = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(bytes).expect("Parquet");
    let rows: usize = builder.build().expect("a reader").map(|batch| batch.expect("rows").num_rows()).sum();
    assert_eq!(rows, 4338);
    let lines = server.get("/api/v1/rejections?format=csv&reason=adjustment").text();
    assert_eq!(lines.lines().count(), 4);
}

#[test]
fn formulas_in_orders_stay_texts() {
    let folder = TempDir::with_prefix("clientele-").expect("a folder");
    let (lake, file) = (folder.path().join("lake"), folder.path().join("orders.csv"));
    let header = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n";
    let lines = "1,A,a,1,2011-01-05 10:00,2.5,=1+1,@SUM(A1)\n2,A,a,1,2011-01-06 10:00,2.5,-2,-3\n3,A,a,1,2011-01-07 10:00,2.5,7,\"a,b\"\n";
    std::fs::write(&file, format!("{header}{lines}")).expect("written");
    batch(&lake, Some(&file));
    let server = Server::start(&lake, &[]);
    let csv = server.get("/api/v1/customers?format=csv&sort=customer_id").text();
    let found: Vec<&str> = csv.lines().skip(1).collect();
    assert!(found[0].starts_with("\"'-2\",\"'-3\","), "{csv}");
    assert!(found[1].starts_with("7,\"a,b\","), "{csv}");
    assert!(found[2].starts_with("\"'=1+1\",\"'@SUM(A1)\","), "{csv}");
}

#[test]
fn what_nobody_can_mean_is_refused_by_its_name() {
    let Some(retail) = retail() else { return };
    let server = &retail.server;
    for (path, field) in [
        ("/segments/0/customers?segment=1", "segment"),
        ("/customers?since=1", "since"),
        ("/customers?rfm_segment=zz", "rfm_segment"),
        ("/customers?prefix=%FF", "prefix"),
        ("/customers?ordered_from=2011-1-1", "ordered_from"),
        ("/revenue?from=-99999-01-01", "from"),
        ("/live/feeds?feed=orders%3Fcustomer=%25FF", "customer"),
        ("/overview?as_of=9999-12-31T00:00:00Z", "as_of"),
    ] {
        let answer = server.get(&format!("/api/v1{path}"));
        assert_eq!(answer.status, 400, "{path}: {}", answer.text());
        assert_eq!(answer.json()["errors"][0]["field"], field, "{path}");
    }
    assert_eq!(server.api("/customers?rfm_segment=Champions&limit=1")["items"][0]["rfm_segment"], "Champions");
}

#[test]
fn paths_that_are_no_page_are_not_found() {
    let Some(retail) = retail() else { return };
    let get = |path: &str, accepts: &str| ask(retail.server.address, "GET", path, &[("Accept", accepts)], b"");
    for path in ["/favicon.ico", "/assets/nope.js", "/nowhere"] {
        let answer = get(path, "*/*");
        assert_eq!((answer.status, answer.header("content-type")), (404, "application/problem+json"), "{path}");
        assert_eq!(answer.json()["instance"], path);
        // Who reads gets the page, which says so in words.
        let page = get(path, "text/html,application/xhtml+xml,*/*;q=0.8");
        assert_eq!((page.status, page.header("content-type")), (404, "text/html; charset=utf-8"), "{path}");
    }
    assert_eq!(get("/customers/12347", "*/*").status, 200);
}

#[test]
fn years_without_an_order_can_be_left_out() {
    let folder = TempDir::with_prefix("clientele-").expect("a folder");
    let (lake, file) = (folder.path().join("lake"), folder.path().join("orders.csv"));
    let header = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n";
    let line = |(number, day): (usize, &&str)| format!("{number},A,a,1,{day} 10:00,2.5,{number},France\n");
    let days = ["2011-01-13", "2011-01-14", "2011-12-20", "2020-03-15", "2020-03-16"];
    let lines: String = days.iter().enumerate().map(line).collect();
    std::fs::write(&file, format!("{header}{lines}")).expect("written");
    batch(&lake, Some(&file));
    let server = Server::start(&lake, &[]);
    let revenue = |query: &str| {
        let found = server.api(&format!("/revenue?{query}"));
        let points = found["points"].as_array().expect("a list");
        assert_eq!(points.iter().map(|point| point["orders"].as_u64().expect("a count")).sum::<u64>(), 5, "{query}");
        let last = points.last().expect("a point")["start"].as_str().expect("a day").to_owned();
        (found["by"].as_str().expect("a period").to_owned(), points.len(), last)
    };
    assert_eq!(revenue("by=month"), ("month".to_owned(), 111, "2020-03-01".to_owned()));
    assert_eq!(revenue("by=month&skip_gaps=true"), ("month".to_owned(), 13, "2020-03-01".to_owned()));
    assert_eq!(revenue("by=day&most=400"), ("month".to_owned(), 111, "2020-03-01".to_owned()));
    assert_eq!(revenue("by=day&most=400&skip_gaps=true"), ("day".to_owned(), 344, "2020-03-16".to_owned()));
}
