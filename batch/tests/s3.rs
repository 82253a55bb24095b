//! A lake in an object store: the same figures, one writer at a time, and faults that are told.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod support;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use support::{Done, Guarded, Lake, Place, python, script, signal, with_inputs};

const BUCKET: &str = "shop";

/// An S3 server of the test's own, which ends with it.
struct Server {
    _process: Guarded,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
    port: u16,
}

impl Server {
    /// With one empty bucket; `None` where there is no Python.
    fn start() -> Option<Self> {
        let mut server = Command::new(python()?);
        server.arg(script("s3_server.py")).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = Guarded(server.spawn().expect("python starts"));
        let commands = process.0.stdin.take().expect("piped");
        let mut answers = BufReader::new(process.0.stdout.take().expect("piped"));
        let mut port = String::new();
        answers.read_line(&mut port).expect("a port");
        let port = port.trim().parse().expect("a port: the server says above why it did not start");
        let mut server = Self { _process: process, commands, answers, port };
        server.tell(&format!("bucket {BUCKET}"));
        Some(server)
    }

    fn tell(&mut self, command: &str) {
        writeln!(self.commands, "{command}").expect("the server listens");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("the server answers");
        assert_eq!(answer, "done\n", "{command}");
    }

    fn lake(&self, prefix: &str) -> Lake {
        lake_at(self.port, &format!("s3://{BUCKET}/{prefix}"))
    }
}

fn lake_at(port: u16, location: &str) -> Lake {
    Lake::at(location)
        .with("AWS_ENDPOINT_URL", &format!("http://127.0.0.1:{port}"))
        .with("AWS_ALLOW_HTTP", "true")
        .with("AWS_ACCESS_KEY_ID", "nobody")
        .with("AWS_SECRET_ACCESS_KEY", "nothing")
        .with("AWS_REGION", "us-east-1")
        .with("NO_PROXY", "127.0.0.1")
}

#[test]
fn everything_works_as_in_a_folder() {
    let Some(server) = Server::start() else { return };
    let place = Place::new();
    let (first, _) = place.orders("first.csv", 1_500, 1);
    let (second, _) = place.orders("second.csv", 1_500, 2);
    let local = place.lake("lake");
    let remote = server.lake("some/prefix");
    remote.ask(&["show"]).must_fail(1, &["has no publication yet"]);
    let mut views = Vec::new();
    for (number, orders) in [&first, &second].into_iter().enumerate() {
        assert_eq!(remote.run(&[orders])["publication"], number + 1);
        local.run(&[orders]);
        views.push(remote.view(None));
    }
    remote.figures().must_equal(&local.figures(), &remote.location);
    remote.view(Some(1)).must_equal(&views[0], "the publication before");
    let again = remote.run(&[&second]);
    assert_eq!(again["input"]["already_known"], 1_500);
    let publications = || remote.json(&["history"])["publications"].as_array().map(Vec::len);
    assert_eq!(publications(), Some(3));
    let planned = remote.json(&["vacuum", "--keep", "2", "--dry-run"]);
    assert_eq!(publications(), Some(3));
    let done = remote.json(&["vacuum", "--keep", "2"]);
    assert_eq!(done["publications"], planned["publications"]);
    assert_eq!(publications(), Some(2));
    remote.view(Some(2)).must_equal(&views[1], "a kept publication");
    remote.ask(&["show", "--publication", "1"]).must_fail(1, &["has no publication 1"]);
    assert_eq!(remote.json(&["vacuum", "--keep", "2"])["files"], 0);

    let root = server.lake("");
    root.run(&[&first]);
    assert_eq!(root.json(&["show"])["customers"], local.json(&["show", "--publication", "1"])["customers"]);
    assert_eq!(root.json(&["vacuum", "--keep", "1"])["files"], 0);
}

#[test]
fn runs_at_once_publish_one_after_the_other() {
    let Some(server) = Server::start() else { return };
    let place = Place::new();
    let files = [1, 2].map(|seed| place.orders(&format!("{seed}.csv"), 1_500, seed));
    let lake = server.lake("lake");
    let running = files.each_ref().map(|(orders, _)| lake.start(&with_inputs("run", &[orders])));
    for done in running.map(Done::ended) {
        assert!(done.succeeded(), "{done:?}");
    }
    let document = lake.json(&["show"]);
    assert_eq!(document["publication"], 2);
    assert_eq!(document["lake"]["read"], 3_000);
    assert_eq!(document["lake"]["accepted"], files.iter().map(|(_, orders)| orders.accepted.lines).sum::<u64>());
}

#[test]
fn many_ingests_at_once_count_every_file_once() {
    let Some(server) = Server::start() else { return };
    let place = Place::new();
    let files: Vec<(PathBuf, _)> = (0..8).map(|seed| place.orders(&format!("{seed}.csv"), 400, seed)).collect();
    let lake = server.lake("lake");
    let running: Vec<Child> = files.iter().map(|(path, _)| lake.start(&with_inputs("ingest", &[path]))).collect();
    for done in running.into_iter().map(Done::ended) {
        assert!(done.succeeded(), "{done:?}");
    }
    let document = lake.run(&[]);
    assert_eq!(document["lake"]["read"], 8 * 400);
    assert_eq!(document["lake"]["accepted"], files.iter().map(|(_, orders)| orders.accepted.lines).sum::<u64>());
}

#[test]
fn a_killed_run_keeps_its_lease_for_a_minute() {
    let Some(mut server) = Server::start() else { return };
    let place = Place::new();
    let (first, _) = place.orders("first.csv", 1_500, 1);
    let (second, _) = place.orders("second.csv", 1_500, 2);
    let (lake, undisturbed) = (server.lake("lake"), place.lake("undisturbed"));
    lake.run(&[&first]);
    let published = lake.view(None);

    let mut killed = Guarded(lake.start(&with_inputs("run", &[&second])));
    let holder = format!("is being written by process {}", killed.0.id());
    server.tell(&format!("await {BUCKET} lake/_writer.lock"));
    signal(&killed.0, "STOP");
    lake.ask(&["run", "--wait", "0"]).must_fail(75, &[&holder]);
    killed.0.kill().and_then(|()| killed.0.wait()).expect("it ends");
    lake.view(None).must_equal(&published, "behind a killed run");
    lake.ask(&["run", "--wait", "1"]).must_fail(75, &[&holder, "waited 1 s"]);

    // A minute passes.
    server.tell(&format!("age {BUCKET} lake/_writer.lock 61"));
    lake.run(&[&second]);
    for orders in [&first, &second] {
        undisturbed.run(&[orders]);
    }
    lake.figures().must_equal(&undisturbed.figures(), "behind a killed run");
}

#[test]
fn a_run_killed_at_any_moment_is_made_good() {
    let Some(mut server) = Server::start() else { return };
    let place = Place::new();
    let (first, _) = place.orders("first.csv", 1_500, 1);
    let (second, _) = place.orders("second.csv", 1_500, 2);
    let (lake, undisturbed) = (server.lake("lake"), server.lake("undisturbed"));
    for lake in [&lake, &undisturbed] {
        lake.run(&[&first]);
    }
    let published = lake.view(None);
    let started = Instant::now();
    undisturbed.run(&[&second]);
    let whole = started.elapsed();
    for fifth in 1..=5 {
        let mut running = Guarded(lake.start(&with_inputs("run", &[&second])));
        thread::sleep(whole * fifth / 6);
        running.0.kill().and_then(|()| running.0.wait()).expect("it ends");
        lake.glance(Some(1)).must_equal(&published, "the publication before");
        // The lease may be gone already; then there is nothing to age.
        if !lake.ask(&["ingest", "--wait", "0", "--input", first.to_str().expect("a plain path")]).succeeded() {
            server.tell(&format!("age {BUCKET} lake/_writer.lock 61"));
        }
    }
    lake.run(&[&second]);
    lake.figures().must_equal(&undisturbed.figures(), "behind killed runs");
}

#[test]
fn a_storage_that_is_not_there_is_told_soon() {
    let Some(server) = Server::start() else { return };
    let place = Place::new();
    let (orders, _) = place.orders("orders.csv", 200, 1);
    let run = with_inputs("run", &[&orders]);
    let commands: [&[&str]; 3] = [&["show"], &["export", "orders"], &run];
    // Nobody listens on a port that was just given back.
    let closed = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
    for command in commands {
        let started = Instant::now();
        lake_at(server.port, "s3://nowhere/lake").ask(command).must_fail(1, &["NoSuchBucket", "nowhere"]);
        let location = format!("http://127.0.0.1:{closed}/{BUCKET}/lake");
        lake_at(closed, &format!("s3://{BUCKET}/lake")).ask(command).must_fail(1, &[&location]);
        assert!(started.elapsed() < Duration::from_secs(20), "{command:?} took {:?}", started.elapsed());
    }
}

#[test]
fn credentials_that_are_refused_are_told() {
    // A server that refuses every request, as S3 answers a wrong key.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("a port").port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut request = BufReader::new(&stream);
            let mut line = String::new();
            while request.read_line(&mut line).is_ok_and(|read| read > 2) {
                line.clear();
            }
            let body = "<Error><Code>InvalidAccessKeyId</Code><Message>no such key</Message></Error>";
            let head = "HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Type: application/xml\r\n";
            let _ = write!(&stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len());
        }
    });
    let place = Place::new();
    let (orders, _) = place.orders("orders.csv", 200, 1);
    let lake = lake_at(port, "s3://shop/lake");
    for command in [&["show"][..], &["history"], &["vacuum", "--keep", "1"], &with_inputs("run", &[&orders])] {
        let started = Instant::now();
        lake.ask(command).must_fail(1, &["403 Forbidden", "InvalidAccessKeyId"]);
        assert!(started.elapsed() < Duration::from_secs(10), "{command:?} took {:?}", started.elapsed());
    }
}
