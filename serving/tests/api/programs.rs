//! The programs as their users run them.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::client::{Answer, Stream, ask};

/// `serving run` on a free port, killed when it is dropped.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
}

impl Server {
    pub fn start(lake: &Path, arguments: &[&str]) -> Self {
        Self::start_on(lake, "127.0.0.1:0", arguments)
    }

    pub fn start_on(lake: &Path, listen: &str, arguments: &[&str]) -> Self {
        Self::start_in(&[], lake, listen, arguments)
    }

    /// With more in its environment.
    pub fn start_in(environment: &[(&str, String)], lake: &Path, listen: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_serving"));
        command.args(["run", "--quiet", "--listen", listen, "--lake"]).arg(lake).args(arguments);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CLIENTELE_")) {
            command.env_remove(name);
        }
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("started");
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().expect("its output")).read_line(&mut line).expect("a line");
        let address = line.rsplit("http://").next().and_then(|rest| rest.trim().trim_end_matches('/').parse().ok());
        let address: SocketAddr = address.unwrap_or_else(|| panic!("no address in {line:?}"));
        let address = SocketAddr::from(([127, 0, 0, 1], address.port()));
        Self { child, address }
    }

    pub fn get(&self, path: &str) -> Answer {
        ask(self.address, "GET", path, &[], b"")
    }

    /// What the API answers with 200.
    pub fn api(&self, path: &str) -> Value {
        let answer = self.get(&format!("/api/v1{path}"));
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()
    }

    pub fn post(&self, path: &str, body: &Value, headers: &[(&str, &str)]) -> Answer {
        let headers = [&[("Content-Type", "application/json")], headers].concat();
        ask(self.address, "POST", &format!("/api/v1{path}"), &headers, body.to_string().as_bytes())
    }

    pub fn stream(&self, path: &str, last: Option<&str>) -> Stream {
        Stream::open(self.address, &format!("/api/v1{path}"), last)
    }

    /// Asks until `good`, for a while.
    pub fn until(&self, path: &str, what: &str, good: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let found = self.api(path);
            if good(&found) {
                return found;
            }
            assert!(Instant::now() < deadline, "{what} does not come about: {found}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Asks it to end; how long that took.
    pub fn end(mut self) -> Duration {
        let since = Instant::now();
        let sent = Command::new("kill").args(["-s", "TERM", &self.child.id().to_string()]).status();
        assert!(sent.expect("kill").success());
        assert!(self.child.wait().expect("ended").success());
        since.elapsed()
    }

    /// MiB in memory.
    pub fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("a status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a figure");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") / 1_024
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `speed run`, killed when it is dropped.
pub struct Speed(Child);

impl Speed {
    pub fn start(config: &Path) -> Self {
        let mut command = Command::new(program("speed"));
        command.args(["run", "--quiet", "--listen", "off", "--config"]).arg(config).stdin(Stdio::null());
        Self(command.spawn().expect("started"))
    }

    /// Asks it to end, and waits.
    pub fn end(mut self) {
        let sent = Command::new("kill").args(["-s", "TERM", &self.0.id().to_string()]).status();
        assert!(sent.expect("kill").success());
        assert!(self.0.wait().expect("ended").success());
    }
}

impl Drop for Speed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `batch run` on a lake, with a file or without.
pub fn batch(lake: &Path, input: Option<&Path>) {
    batch_in(&[], lake, input);
}

/// The same, with more in its environment.
pub fn batch_in(environment: &[(&str, String)], lake: &Path, input: Option<&Path>) {
    let mut command = Command::new(program("batch"));
    command.args(["run", "--quiet", "--lake"]).arg(lake);
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    if let Some(input) = input {
        command.arg("--input").arg(input);
    }
    let output = command.output().expect("started");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Where `serving` was built: `cargo test --workspace` has made the others before any test runs.
fn program(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| Path::new(env!("CARGO_BIN_EXE_serving")).with_file_name(""));
    let program = folder.join(name);
    assert!(program.exists(), "{name} is not built: run the tests with cargo test --workspace");
    program
}

/// The Python that tests run; `None`, and a note, where there is none.
pub fn python() -> Option<String> {
    if let Ok(python) = std::env::var("CLIENTELE_PYTHON") {
        return Some(python);
    }
    assert!(std::env::var_os("CI").is_none(), "CLIENTELE_PYTHON is not set; ./just test makes that Python and sets it");
    eprintln!("skipped: CLIENTELE_PYTHON is not set; ./just test makes that Python and sets it");
    None
}
