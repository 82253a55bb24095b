//! A lake in an object store: answers come from there as from a folder.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::json;
use tempfile::TempDir;

use crate::programs::{Server, batch_in, python};

/// An S3 server of the test's own, killed when it is dropped.
struct Store {
    process: Child,
    _commands: ChildStdin,
    _answers: BufReader<ChildStdout>,
    port: u16,
}

impl Store {
    /// With an empty bucket `shop`; `None` where there is no Python.
    fn start() -> Option<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../batch/tests/python/s3_server.py");
        let mut server = Command::new(python()?);
        let mut process =
            server.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python starts");
        let mut commands = process.stdin.take().expect("piped");
        let mut answers = BufReader::new(process.stdout.take().expect("piped"));
        let mut line = String::new();
        answers.read_line(&mut line).expect("a port");
        let port = line.trim().parse().expect("a port: the server says above why it did not start");
        writeln!(commands, "bucket shop").expect("the server listens");
        answers.read_line(&mut line).expect("the server answers");
        Some(Self { process, _commands: commands, _answers: answers, port })
    }

    fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", self.port)),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
            ("AWS_ACCESS_KEY_ID", "nobody".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "nothing".to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("NO_PROXY", "127.0.0.1".to_owned()),
        ]
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Lines 1 to `count`: customer `C<n>` buys n pieces on the n-th day; one line without a customer.
fn orders(folder: &Path, month: u32, count: usize) -> std::path::PathBuf {
    let file = folder.join(format!("{month}.csv"));
    let header = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n";
    let line = |n: usize| format!("{month}{n:02},A,a,{n},2011-{month:02}-{:02} 10:00,2.5,C{n},France\n", n % 27 + 1);
    let lines: String = (1..=count).map(line).collect();
    std::fs::write(&file, format!("{header}{lines}{month}99,A,a,1,2011-{month:02}-20 10:00,1,,France\n"))
        .expect("written");
    file
}

#[test]
fn a_lake_in_an_object_store_is_served_and_followed() {
    let Some(store) = Store::start() else { return };
    let folder = TempDir::with_prefix("clientele-").expect("a folder");
    let (environment, lake) = (store.environment(), Path::new("s3://shop/some/lake"));
    batch_in(&environment, lake, Some(&orders(folder.path(), 1, 12)));
    let server = Server::start_in(&environment, lake, "127.0.0.1:0", &[]);
    assert_eq!(server.api("/overview")["customers"], 12);
    let invoices = server.api("/customers/C7/orders");
    assert_eq!((&invoices["total"], &invoices["items"][0]["amount"]), (&json!(1), &json!(17.5)));
    let refused = server.api("/rejections?reason=missing_customer");
    assert_eq!((&refused["total"], &refused["items"][0]["reason"]), (&json!(1), &json!("missing_customer")));
    assert_eq!(server.get("/api/v1/customers?format=csv").text().lines().count(), 13);

    batch_in(&environment, lake, Some(&orders(folder.path(), 2, 20)));
    let overview = server.until("/overview", "the next publication", |found| found["view"]["publication"] == 2);
    assert_eq!((&overview["customers"], &overview["previous"]["customers"]), (&json!(20), &json!(12)));
    assert_eq!(server.api("/customers/C7/history")["items"].as_array().map(Vec::len), Some(2));
    assert_eq!(server.api("/overview?as_of=1")["customers"], 12);
    assert_eq!(server.api("/revenue?by=month")["points"].as_array().map(Vec::len), Some(2));
}
