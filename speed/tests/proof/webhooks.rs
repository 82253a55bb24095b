//! Webhooks against a real broker and a web server that fails, slows down and sends elsewhere.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use kafka::{create_topic, produce_all, read_committed};
use serde_json::{Value, json};

use crate::programs::Speed;
use crate::support::World;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A request as it came.
#[derive(Clone, Debug)]
struct Request {
    path: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
    at: Instant,
}

impl Request {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    fn id(&self) -> String {
        self.headers["webhook-id"].clone()
    }
}

/// A web server; its paths say what it does.
#[derive(Clone, Default)]
struct Endpoint(Arc<Mutex<Vec<Request>>>);

impl Endpoint {
    fn start(world: &World) -> (Self, SocketAddr) {
        let endpoint = Self::default();
        let router = Router::new().fallback(answer).with_state(endpoint.clone());
        let listener = world.runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a port");
        let address = listener.local_addr().expect("an address");
        world.runtime.spawn(async move { axum::serve(listener, router).await });
        (endpoint, address)
    }

    fn to(&self, path: &str) -> Vec<Request> {
        let all = self.0.lock().expect("a lock");
        all.iter().filter(|request| request.path == path).cloned().collect()
    }

    fn until(&self, path: &str, count: usize) -> Vec<Request> {
        let since = Instant::now();
        loop {
            let found = self.to(path);
            if found.len() >= count {
                return found;
            }
            assert!(since.elapsed() < Duration::from_secs(60), "{path}: {} of {count}", found.len());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

async fn answer(
    State(endpoint): State<Endpoint>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, [(&'static str, &'static str); 1]) {
    let texts = headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned()));
    let path = uri.path().to_owned();
    let request = Request { path: path.clone(), headers: texts.collect(), body: body.to_vec(), at: Instant::now() };
    let before = {
        let mut all = endpoint.0.lock().expect("a lock");
        let same = |other: &&Request| (&other.path, &other.body) == (&request.path, &request.body);
        let before = all.iter().filter(same).count();
        all.push(request);
        before
    };
    let none = ("x-nothing", "");
    match (path.as_str(), before) {
        ("/gone", _) => (StatusCode::NOT_FOUND, [none]),
        ("/moved", _) => (StatusCode::FOUND, [("location", "/elsewhere")]),
        ("/limited", 0) => (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "3")]),
        ("/flaky", 0 | 1) => (StatusCode::SERVICE_UNAVAILABLE, [none]),
        ("/slow", _) => {
            tokio::time::sleep(Duration::from_secs(5)).await;
            (StatusCode::OK, [none])
        }
        ("/pace", _) => {
            tokio::time::sleep(Duration::from_millis(30)).await;
            (StatusCode::OK, [none])
        }
        _ => (StatusCode::NO_CONTENT, [none]),
    }
}

fn alert(number: usize, severity: &str) -> (Option<String>, String) {
    let key = format!("u{number}");
    let alert = json!({
        "specversion": "1.0", "id": format!("alert-{number}"), "source": "/clientele/patterns/p", "type": "clientele.alert.left",
        "subject": key, "time": "2026-01-31T12:00:00Z", "datacontenttype": "application/json",
        "data": {
            "pattern": "p", "kind": "match", "alert_type": "LEFT", "severity": severity, "about": "<b> & co",
            "key_field": "user_id", "key": key, "events": [{"stage": "a", "event_type": "cart", "price": 250.5}],
        },
    });
    (Some(key), alert.to_string())
}

impl World {
    fn alert(&self, numbers: std::ops::Range<usize>, severity: &str) {
        let alerts: Vec<_> = numbers.map(|number| alert(number, severity)).collect();
        produce_all(&self.bootstrap, &self.names().alerts, &alerts).expect("produced");
    }
}

/// As the specification says, by Python's own HMAC.
fn signed(request: &Request) -> bool {
    let Some(python) = std::env::var_os("CLIENTELE_PYTHON") else {
        assert!(std::env::var_os("CI").is_none(), "CLIENTELE_PYTHON is missing");
        eprintln!("the signature is not verified: CLIENTELE_PYTHON is missing");
        return true;
    };
    let program = "import base64, hashlib, hmac, sys\n\
                   secret, id, at, body, given = sys.argv[1:]\n\
                   key = base64.b64decode(secret.removeprefix('whsec_'))\n\
                   made = hmac.new(key, f'{id}.{at}.{body}'.encode(), hashlib.sha256).digest()\n\
                   sys.exit(given != 'v1,' + base64.b64encode(made).decode())";
    let headers = &request.headers;
    let body = String::from_utf8(request.body.clone()).expect("text");
    let arguments =
        [SECRET, &headers["webhook-id"], &headers["webhook-timestamp"], &body, &headers["webhook-signature"]];
    Command::new(python).args(["-c", program]).args(arguments).status().expect("python").success()
}

fn ids(requests: &[Request]) -> BTreeMap<String, usize> {
    let mut ids = BTreeMap::new();
    requests.iter().for_each(|request| *ids.entry(request.id()).or_default() += 1);
    ids
}

#[test]
fn endpoints_are_told_once_though_they_fail_and_none_waits_for_another() {
    let Some(world) = World::new("webhooks", 2) else { return };
    create_topic(&world.bootstrap, &world.names().alerts, 4, &[]).expect("a topic");
    let (endpoint, address) = Endpoint::start(&world);
    let standard = |name: &str, more: &str| {
        format!(
            "[webhooks.{name}]\nkind = \"standard\"\nurl = \"http://{address}/{name}\"\nsecret_env = \"KEY\"\n{more}\n"
        )
    };
    let chat = |name: &str| format!("[webhooks.{name}]\nkind = \"{name}\"\nurl_env = \"{}\"\n", name.to_uppercase());
    let file = [
        standard("good", ""),
        standard("dear", "severities = [\"critical\"]"),
        standard("gone", ""),
        standard("moved", ""),
        standard("flaky", ""),
        standard("limited", ""),
        standard("slow", "timeout_seconds = 1\nattempts = 2"),
        chat("slack"),
        chat("discord"),
    ];
    let urls = ["slack", "discord"].map(|name| format!("http://{address}/{name}"));
    let environment = [("KEY", SECRET), ("SLACK", &urls[0]), ("DISCORD", &urls[1])];
    world.alert(0..20, "warning");
    let webhooks = Speed::webhooks(&world, &file.concat(), &environment);
    let good = endpoint.until("/good", 20);
    assert!(endpoint.to("/slow").len() < 40 && ids(&good).values().all(|times| *times == 1));
    // The same once more, as after a crash without transactions, and new ones.
    world.alert(0..20, "warning");
    world.alert(20..22, "critical");
    let good = endpoint.until("/good", 22);
    assert!(good.iter().all(signed), "signatures");
    assert_eq!(good[0].headers["content-type"], "application/json");
    assert_eq!(good[0].json()["data"]["pattern"], "p");

    let dear = endpoint.until("/dear", 2);
    assert!(dear.iter().all(|request| request.json()["data"]["severity"] == "critical"));
    let flaky = endpoint.until("/flaky", 66);
    assert!(ids(&flaky).values().all(|times| *times == 3));
    let limited = endpoint.until("/limited", 44);
    for id in ids(&limited).keys() {
        let times: Vec<Instant> =
            limited.iter().filter(|request| request.id() == *id).map(|request| request.at).collect();
        assert!(times.len() == 2 && times[1] - times[0] >= Duration::from_secs(3), "{id}");
    }
    let text = endpoint.until("/slack", 22)[0].json()["text"].as_str().expect("a text").to_owned();
    assert!(text.contains("*LEFT*") && text.contains("&lt;b&gt; &amp; co"), "{text}");
    let content = endpoint.until("/discord", 22)[0].json()["content"].as_str().expect("a text").to_owned();
    assert!(content.contains("**LEFT**") && content.contains(r"\<b\> & co"), "{content}");

    let dead = world.until_dead(22 * 3);
    let count =
        |webhook: &str, reason: &str| dead.iter().filter(|(of, why, _)| of == webhook && why.contains(reason)).count();
    assert_eq!([count("gone", "404"), count("moved", "redirects"), count("slow", "2 times")], [22, 22, 22], "{dead:?}");
    assert!(dead.iter().any(|(.., id)| id == "alert-21"));
    assert!(endpoint.to("/elsewhere").is_empty(), "redirects are not followed");
    assert_eq!([endpoint.to("/gone").len(), endpoint.to("/moved").len(), endpoint.to("/slow").len()], [22, 22, 44]);
    let said = webhooks.said();
    assert!(said.contains("an alert was not told") && !said.contains("MfKQ9r8"), "{said}");
    assert!(!said.contains("/discord") && !said.contains("/slack"), "an address may be a secret: {said}");
    assert_eq!((endpoint.to("/good").len(), endpoint.to("/dear").len(), endpoint.to("/slack").len()), (22, 2, 22));
}

impl World {
    /// Webhook, reason and alert's id of so many dead letters.
    fn until_dead(&self, count: usize) -> Vec<(String, String, String)> {
        let since = Instant::now();
        loop {
            let found = read_committed(&self.bootstrap, &self.names().webhooks_dlq).unwrap_or_default();
            if found.len() >= count {
                let text = |record: &kafka::ReadRecord, name: &str| {
                    let found = record.headers.iter().find(|(key, _)| key == name);
                    String::from_utf8(found.expect("a header").1.clone().expect("a value")).expect("text")
                };
                let id = |record: &kafka::ReadRecord| {
                    let value: Value = serde_json::from_slice(record.value.as_deref().expect("a value")).expect("JSON");
                    value["id"].as_str().expect("an id").to_owned()
                };
                return found
                    .iter()
                    .map(|record| (text(record, "webhook"), text(record, "reason"), id(record)))
                    .collect();
            }
            assert!(since.elapsed() < Duration::from_secs(60), "{} of {count} dead letters", found.len());
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

#[test]
fn nothing_is_missed_when_it_is_killed_and_nothing_repeated_when_it_is_stopped() {
    let Some(world) = World::new("webhooks_killed", 2) else { return };
    create_topic(&world.bootstrap, &world.names().alerts, 4, &[]).expect("a topic");
    let (endpoint, address) = Endpoint::start(&world);
    let file = format!("[webhooks.w]\nkind = \"standard\"\nurl = \"http://{address}/pace\"\nsecret_env = \"KEY\"\n");
    let start = || Speed::webhooks(&world, &file, &[("KEY", SECRET)]);
    world.alert(0..300, "info");
    let webhooks = start();
    endpoint.until("/pace", 100);
    webhooks.kill();
    let again = start();
    let since = Instant::now();
    while ids(&endpoint.to("/pace")).len() < 300 {
        assert!(since.elapsed() < Duration::from_secs(90), "{}", ids(&endpoint.to("/pace")).len());
        std::thread::sleep(Duration::from_millis(50));
    }
    let told = endpoint.to("/pace").len();
    assert!(told <= 300 + 32, "{told}: no more than were under way, and those told since the last commit");
    // Stopped in the middle of work, it ends what is under way and commits it.
    world.alert(300..600, "info");
    while endpoint.to("/pace").len() < told + 50 {
        std::thread::sleep(Duration::from_millis(5));
    }
    again.signal("TERM");
    again.wait();
    let before = endpoint.to("/pace").len();
    assert!(before < told + 300, "{before}: it was stopped in the middle");
    let _again = start();
    endpoint.until("/pace", told + 300);
    std::thread::sleep(Duration::from_secs(1));
    let repeated: Vec<_> = ids(&endpoint.to("/pace")[told..]).into_iter().filter(|(_, times)| *times > 1).collect();
    assert!(repeated.is_empty(), "{repeated:?}");
    assert_eq!(ids(&endpoint.to("/pace")).len(), 600);
}

#[test]
fn several_processes_share_the_alerts() {
    let Some(world) = World::new("webhooks_shared", 2) else { return };
    create_topic(&world.bootstrap, &world.names().alerts, 4, &[]).expect("a topic");
    let (endpoint, address) = Endpoint::start(&world);
    let file = format!("[webhooks.w]\nkind = \"standard\"\nurl = \"http://{address}/pace\"\nsecret_env = \"KEY\"\n");
    let start = || Speed::webhooks(&world, &file, &[("KEY", SECRET)]);
    world.alert(0..400, "info");
    let _one = start();
    endpoint.until("/pace", 20);
    // The second one joins in the middle, and the first leaves in the middle.
    let two = start();
    world.alert(400..2_000, "info");
    endpoint.until("/pace", 1_000);
    two.signal("TERM");
    two.wait();
    endpoint.until("/pace", 2_000);
    std::thread::sleep(Duration::from_secs(1));
    let found = ids(&endpoint.to("/pace"));
    assert!(found.len() == 2_000 && found.values().all(|times| *times == 1), "{} told", endpoint.to("/pace").len());
}
