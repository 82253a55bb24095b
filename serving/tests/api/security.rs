//! Who may ask what, under which name, and what all answers have in common.

use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{Answer, Stream, ask};
use crate::programs::{Server, batch};

const READER: &str = "reader-0123456789abcdef";
const WRITER: &str = "writer-0123456789abcdef";

/// A few orders, and a server that asks for keys.
struct Guarded {
    folder: TempDir,
    server: Server,
}

impl Guarded {
    fn new(arguments: &[&str]) -> Self {
        let folder = TempDir::with_prefix("clientele-").expect("a folder");
        let (lake, file, keys) =
            (folder.path().join("lake"), folder.path().join("orders.csv"), folder.path().join("keys"));
        let header = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n";
        let lines: String = (1..9).map(|n| format!("{n},A,a,{n},2011-01-0{n} 10:00,2.5,C{n},France\n")).collect();
        std::fs::write(&file, format!("{header}{lines}")).expect("written");
        std::fs::write(&keys, format!("anna read {READER}\nshop write {WRITER}\n")).expect("written");
        batch(&lake, Some(&file));
        let keys = keys.to_str().expect("a path").to_owned();
        let rate = if arguments.contains(&"--rate-limit") { &[][..] } else { &["--rate-limit", "0"] };
        let arguments = [&["--keys", &keys], rate, arguments].concat();
        let server = Server::start_on(&lake, "0.0.0.0:0", &arguments);
        Self { folder, server }
    }

    fn ask(&self, method: &str, path: &str, key: Option<&str>, body: &[u8]) -> Answer {
        let bearer = key.map(|key| format!("Bearer {key}")).unwrap_or_default();
        let mut headers = vec![("Content-Type", "application/json")];
        if key.is_some() {
            headers.push(("Authorization", &bearer));
        }
        ask(self.server.address, method, path, &headers, body)
    }
}

/// Every operation of the description: method and path, its parameters filled in.
fn operations() -> Vec<(String, String)> {
    let document: Value = serde_json::to_value(serving::api::document()).expect("JSON");
    let mut operations = Vec::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for method in methods.as_object().expect("methods").keys() {
            operations.push((method.to_uppercase(), path.replace("{id}", "1")));
        }
    }
    assert!(operations.len() > 25, "{operations:?}");
    operations
}

#[test]
fn every_route_asks_for_a_key() {
    let guarded = Guarded::new(&[]);
    let open = ["/api/v1/session", "/api/v1/config"];
    for (method, path) in operations() {
        let body: &[u8] = if method == "POST" { b"{}" } else { b"" };
        let without = guarded.ask(&method, &path, None, body);
        let wrong = guarded.ask(&method, &path, Some("wrong-0123456789abcdef"), body);
        if !open.contains(&path.as_str()) {
            assert_eq!((without.status, wrong.status), (401, 401), "{method} {path}");
            assert_eq!(without.json()["status"], 401, "{method} {path}");
            assert_eq!(without.header("www-authenticate"), "Bearer", "{method} {path}");
        }
        if method != "GET" && !open.contains(&path.as_str()) {
            assert_eq!(guarded.ask(&method, &path, Some(READER), body).status, 403, "{method} {path}");
            assert!(![401, 403].contains(&guarded.ask(&method, &path, Some(WRITER), body).status), "{method} {path}");
        } else if !path.starts_with("/api/v1/live/") {
            assert!(
                ![401, 403, 500].contains(&guarded.ask(&method, &path, Some(READER), body).status),
                "{method} {path}"
            );
        }
    }
    for path in ["/metrics", "/api/openapi.json", "/api/v1/nothing"] {
        assert_eq!(guarded.ask("GET", path, None, b"").status, 401, "{path}");
    }
    for path in ["/healthz", "/readyz", "/", "/customers/12347", "/docs", "/docs/docs.js"] {
        assert_eq!(guarded.ask("GET", path, None, b"").status, 200, "{path}");
    }
}

#[test]
fn a_key_becomes_a_session_and_ends_with_its_key() {
    let guarded = Guarded::new(&[]);
    let refused = guarded.server.post("/session", &json!({"key": "wrong"}), &[]);
    assert_eq!((refused.status, refused.header("set-cookie")), (401, ""));
    let answer = guarded.server.post("/session", &json!({"key": READER}), &[]);
    assert_eq!(answer.status, 204);
    let cookie = answer.header("set-cookie").to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    let cookie = cookie.split(';').next().expect("a value").to_owned();
    let with = |path: &str| ask(guarded.server.address, "GET", path, &[("Cookie", &cookie)], b"").status;
    assert_eq!(with("/api/v1/overview"), 200);
    let stream = |path: &str, key: &str| {
        let bearer = format!("Bearer {key}");
        Stream::open_with(guarded.server.address, path, &[("Authorization", &bearer)])
    };
    let mut streams = [stream("/api/v1/live/orders", READER), stream("/api/v1/live/view", READER)];
    let mut kept = stream("/api/v1/live/orders", WRITER);
    std::fs::write(guarded.folder.path().join("keys"), format!("shop write {WRITER}\n")).expect("written");
    for _ in 0..100 {
        if with("/api/v1/overview") == 401 {
            let refused = guarded.ask("GET", "/api/v1/overview", Some(READER), b"");
            assert_eq!(refused.status, 401);
            assert!(refused.text().contains("not known"), "{}", refused.text());
            for stream in &mut streams {
                let ends = std::iter::from_fn(|| stream.next(Duration::from_secs(5))).any(|event| event.name == "end");
                assert!(ends, "what is followed ends with its key");
            }
            assert_eq!(kept.next(Duration::from_millis(300)), None, "the other key is as good as before");
            assert_eq!(guarded.ask("GET", "/api/v1/overview", Some(WRITER), b"").status, 200);
            // A file that is no good changes nothing.
            std::fs::write(guarded.folder.path().join("keys"), "nonsense").expect("written");
            std::thread::sleep(Duration::from_millis(1_500));
            assert_eq!(guarded.ask("GET", "/api/v1/overview", Some(WRITER), b"").status, 200);
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("the key is still good");
}

#[test]
fn an_open_address_without_keys_is_refused() {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_serving"));
    command.env_remove("CLIENTELE_KEYS").env_remove("CLIENTELE_KEYS_FILE");
    let output = command.args(["run", "--listen", "0.0.0.0:0", "--lake", "nowhere"]).output().expect("started");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("--keys FILE"), "{told}");
}

#[test]
fn other_names_and_other_sites_are_refused() {
    let guarded = Guarded::new(&["--host", "shop.example"]);
    let address = guarded.server.address;
    let bearer = format!("Bearer {WRITER}");
    let under =
        |host: &str| ask(address, "GET", "/api/v1/overview", &[("Host", host), ("Authorization", &bearer)], b"");
    for host in ["localhost", "127.0.0.1:8080", "[::1]", "shop.example", "SHOP.example:443"] {
        assert_eq!(under(host).status, 200, "{host}");
    }
    for host in ["evil.example", "127.0.0.1.evil.example", "shop.example.evil.example", ""] {
        assert_eq!(under(host).status, 421, "{host}");
    }
    let twice = [("Host", "localhost"), ("Host", "evil.example"), ("Authorization", &bearer)];
    assert_eq!(ask(address, "GET", "/api/v1/overview", &twice, b"").status, 400);
    let post = |headers: &[(&str, &str)]| {
        let own = [("Authorization", bearer.as_str())];
        ask(address, "POST", "/api/v1/orders", &[&own, headers].concat(), b"{}").status
    };
    let json = ("Content-Type", "application/json");
    assert_eq!(post(&[("Content-Type", "text/plain")]), 415);
    assert_eq!(post(&[]), 415);
    assert_eq!(post(&[json, ("Origin", "https://evil.example")]), 403);
    assert_eq!(post(&[json, ("Sec-Fetch-Site", "cross-site")]), 403);
    assert_eq!(post(&[json, ("Origin", "null")]), 403);
    assert_eq!(post(&[json, ("Origin", &format!("http://{address}"))]), 422);
}

#[test]
fn every_answer_is_framed() {
    let guarded = Guarded::new(&[]);
    for path in ["/", "/docs", "/healthz", "/api/v1/config", "/api/v1/overview", "/api/v1/nothing"] {
        let answer = guarded.ask("GET", path, None, b"");
        assert!(answer.header("content-security-policy").contains("frame-ancestors 'none'"), "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("referrer-policy"), "same-origin", "{path}");
        assert_eq!(answer.header("x-request-id").len(), 32, "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), "", "{path}");
    }
    let given = ask(guarded.server.address, "GET", "/api/v1/overview", &[("X-Request-Id", "trace-7")], b"");
    assert_eq!((given.header("x-request-id"), &given.json()["request_id"]), ("trace-7", &json!("trace-7")));
    let strange = ask(guarded.server.address, "GET", "/healthz", &[("X-Request-Id", "a b<")], b"");
    assert_eq!(strange.header("x-request-id").len(), 32);
    let large = vec![b' '; 2 << 20];
    let answer = guarded.ask("POST", "/api/v1/orders", Some(WRITER), &large);
    assert_eq!((answer.status, &answer.json()["status"]), (413, &json!(413)));
    assert_eq!(guarded.ask("PUT", "/api/v1/overview", Some(WRITER), b"{}").status, 405);
}

#[test]
fn one_client_is_held_back_alone() {
    let guarded = Guarded::new(&["--rate-limit", "2"]);
    let answers: Vec<u16> = (0..40).map(|_| guarded.ask("GET", "/healthz", None, b"").status).collect();
    assert!(answers[..20].iter().all(|status| *status == 200), "{answers:?}");
    assert!(answers.contains(&429), "{answers:?}");
}
