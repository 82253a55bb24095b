//! Whatever parameters are sent, the answer is never a failure of ours.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};
use serde_json::Value;

use crate::client::ask;
use crate::facts::retail;

/// The paths that can be asked for and end, with their parameters, and some of no one's.
fn paths() -> Vec<(String, Vec<String>)> {
    let document: Value = serde_json::to_value(serving::api::document()).expect("JSON");
    let mut paths = Vec::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        let Some(get) = methods.get("get").filter(|_| !path.contains("/live/")) else { continue };
        let parameters = get["parameters"].as_array().map_or(&[][..], Vec::as_slice);
        let names = parameters.iter().filter(|one| one["in"] == "query").filter_map(|one| one["name"].as_str());
        paths.push((path.clone(), names.chain(["nonsense"]).map(str::to_owned).collect()));
    }
    assert!(paths.len() > 18, "{paths:?}");
    paths
}

fn value() -> impl Strategy<Value = String> {
    let known = vec![
        "",
        "0",
        "1",
        "2",
        "3",
        "-1",
        "5",
        "1000",
        "99999999999999999999",
        "-9223372036854775808",
        "1e308",
        "NaN",
        "inf",
        "0.5",
        "live",
        "csv",
        "parquet",
        "json",
        "week",
        "month",
        "day",
        "2011-12-01",
        "2011-12-01T00:00:00Z",
        "0000-00-00",
        "9999-12-31",
        "-monetary",
        "customer_id",
        "Champions",
        "missing_customer",
        "12347",
        "2010-12",
        "2010-13",
        "=1+1",
        "'; DROP TABLE orders; --",
        "../../etc/passwd",
        "\u{0}",
        "ffffffffffffffff",
        "377e2d31307e31",
    ];
    prop_oneof![4 => select(known).prop_map(str::to_owned), 1 => any::<String>(), 1 => any::<i64>().prop_map(|n| n.to_string())]
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[test]
fn no_parameter_makes_it_fail() {
    let Some(retail) = retail() else { return };
    let paths = paths();
    let count = paths.len();
    let one = (0..count, vec((any::<prop::sample::Index>(), value()), 0..4), value());
    let mut runner = TestRunner::new(Config { cases: 1_500, failure_persistence: None, ..Config::default() });
    let ran = runner.run(&one, |(path, parameters, id)| {
        let (path, names) = &paths[path];
        let query: Vec<String> = parameters
            .iter()
            .map(|(name, value)| format!("{}={}", names[name.index(names.len())], encoded(value)))
            .collect();
        let path = format!("{}?{}", path.replace("{id}", &encoded(&id)), query.join("&"));
        let answer = ask(retail.server.address, "GET", &path, &[], b"");
        prop_assert!([200, 304, 400, 404].contains(&answer.status), "{path}: {} {}", answer.status, answer.text());
        if answer.status != 200 {
            prop_assert_eq!(&answer.json()["status"], answer.status, "{}", path);
        }
        Ok(())
    });
    ran.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn no_body_makes_it_fail() {
    let Some(retail) = retail() else { return };
    let server = &retail.server;
    let bodies = vec![
        "",
        "[",
        "[]",
        "{}",
        "null",
        "1",
        "\"a\"",
        "[1]",
        "[{}]",
        "{\"key\":1}",
        "{\"count\":0}",
        "{\"count\":1e9}",
        "{\"invoice\":{}}",
        "{\"invoice\":\"1\",\"quantity\":\"1\",\"unit_price\":1,\"customer_id\":1,\"ordered_at\":1}",
    ];
    let body =
        prop_oneof![2 => select(bodies).prop_map(|text| text.as_bytes().to_vec()), 1 => vec(any::<u8>(), 0..200)];
    let path = select(vec!["orders", "demo/orders", "session"]);
    let mut runner = TestRunner::new(Config { cases: 300, failure_persistence: None, ..Config::default() });
    let ran = runner.run(&(path, body), |(path, body)| {
        let kind = ("Content-Type", "application/json");
        let answer = ask(server.address, "POST", &format!("/api/v1/{path}"), &[kind], &body);
        // There are no brokers here.
        prop_assert!([204, 400, 404, 422, 503].contains(&answer.status), "{path}: {}", answer.text());
        Ok(())
    });
    ran.unwrap_or_else(|error| panic!("{error}"));
}
