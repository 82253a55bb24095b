//! Java programs of Kafka, and the watcher that ends a broker with us.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::error::{Error, Result};

/// What the end of a log shows.
const TAIL_BYTES: u64 = 4_000;
/// Waits for the pipe to close, which it does when its owner ends, however that happens.
const WATCH: &str = r#"read -r _; kill -9 "$0"; [ -z "$1" ] || rm -rf -- "$1""#;

/// How Kafka's programs are called.
#[derive(Clone, Debug)]
pub struct Java {
    pub libraries: PathBuf,
    /// For what Java unpacks, and would leave behind when killed.
    pub scratch: PathBuf,
    pub log: PathBuf,
    pub log_settings: PathBuf,
}

impl Java {
    /// Runs a short program to its end.
    pub fn run(&self, doing: &'static str, class: &str, arguments: &[&str]) -> Result<()> {
        // It is over before the better compiler would pay.
        let mut command = self.command(&["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"], class)?;
        let status = command.args(arguments).status().map_err(|source| Error::Java { source })?;
        if status.success() { Ok(()) } else { Err(Error::Failed { doing, log: self.log_tail() }) }
    }

    /// Starts a server; `doomed`, if any, is a folder to remove should we be killed.
    pub fn start(&self, heap: &str, class: &str, settings: &Path, doomed: Option<&Path>) -> Result<Server> {
        let heap = format!("-Xmx{heap}");
        // As Kafka's own start script has them.
        let collector = ["-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35"];
        let options: Vec<&str> = std::iter::once(heap.as_str()).chain(collector).collect();
        let mut command = self.command(&options, class)?;
        // Ctrl-C on a terminal is for us; we tell the broker ourselves.
        let child = command.arg(settings).process_group(0).spawn().map_err(|source| Error::Java { source })?;
        let watcher = Command::new("sh")
            .args(["-c", WATCH, &child.id().to_string()])
            .arg(doomed.unwrap_or(Path::new("")))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn();
        let mut server = Server { child, watcher: None };
        server.watcher = Some(watcher.map_err(Error::file("sh"))?);
        Ok(server)
    }

    fn command(&self, options: &[&str], class: &str) -> Result<Command> {
        let log = OpenOptions::new().create(true).append(true).open(&self.log).map_err(Error::file(&self.log))?;
        let errors = log.try_clone().map_err(Error::file(&self.log))?;
        let mut command = Command::new("java");
        command
            .args(options)
            .arg(format!("-Djava.io.tmpdir={}", self.scratch.display()))
            .args(["-Djava.awt.headless=true", "-cp"])
            .arg(self.libraries.join("*"))
            .arg(format!("-Dlog4j2.configurationFile={}", self.log_settings.display()))
            .arg(class)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors);
        Ok(command)
    }

    /// The last lines of the log.
    pub fn log_tail(&self) -> String {
        let read = || {
            let mut file = File::open(&self.log)?;
            let length = file.metadata()?.len();
            file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
            let mut tail = Vec::new();
            file.read_to_end(&mut tail)?;
            Ok::<_, std::io::Error>(String::from_utf8_lossy(&tail).into_owned())
        };
        read().unwrap_or_else(|error| format!("(cannot read {}: {error})", self.log.display()))
    }
}

/// A running server; dropped, it is killed.
#[derive(Debug)]
pub struct Server {
    child: Child,
    watcher: Option<Child>,
}

impl Server {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The status of a server that has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    pub fn signal(&self, signal: Signal) -> Result<()> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let sent = pid.map_or(Err(rustix::io::Errno::SRCH), |pid| kill_process(pid, signal));
        sent.map_err(|source| Error::Signal { source: source.into() })
    }

    /// Whether it has ended within `patience`.
    pub fn wait(&mut self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        while self.ended().is_none() {
            if Instant::now() >= deadline {
                return false;
            }
            sleep(Duration::from_millis(10));
        }
        true
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Each has ended already, or is about to: nothing to tell.
        let _ = self.child.kill();
        let _ = self.child.wait();
        // The watcher last: its pid to kill is now nobody's.
        if let Some(watcher) = &mut self.watcher {
            let _ = watcher.kill();
            let _ = watcher.wait();
        }
    }
}
