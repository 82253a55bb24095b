//! What the tests of whole runs share: made-up order files, the program, and lakes compared by what they say.
#![allow(dead_code, reason = "every test program uses its part")]
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use data::generate::{RawOptions, Summary, write_orders};
use serde_json::Value;
use tempfile::TempDir;

/// The tables that a publication names versions of.
pub const TABLES: [&str; 8] = [
    "orders",
    "rejected_orders",
    "sources",
    "customer_rfm",
    "customer_segments",
    "segment_profiles",
    "counted_invoices",
    "netted_customers",
];

/// A folder of one test.
pub struct Place {
    folder: TempDir,
}

impl Place {
    pub fn new() -> Self {
        Self { folder: TempDir::with_prefix("clientele-").expect("a folder for the test") }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn lake(&self, name: &str) -> Lake {
        Lake::at(self.path(name).to_str().expect("a plain path"))
    }

    /// An order file, and what it holds; another seed makes another one.
    pub fn orders(&self, name: &str, lines: u64, seed: u64) -> (PathBuf, Summary) {
        let raw = RawOptions { lines: Some(lines), customers: Some(120), seed, dirty: 0.02, ..RawOptions::default() };
        self.write_orders(name, raw)
    }

    pub fn write_orders(&self, name: &str, raw: RawOptions) -> (PathBuf, Summary) {
        let path = self.path(name);
        let file = io::BufWriter::new(File::create(&path).expect("an order file"));
        let (file, summary) = write_orders(&raw.check().expect("good options"), file, |_| ()).expect("orders");
        file.into_inner().expect("the whole file");
        (path, summary)
    }
}

/// A lake as its users see it: through the program.
#[derive(Clone)]
pub struct Lake {
    pub location: String,
    environment: Vec<(String, String)>,
}

impl Lake {
    pub fn at(location: &str) -> Self {
        Self { location: location.to_owned(), environment: Vec::new() }
    }

    pub fn with(mut self, key: &str, value: &str) -> Self {
        self.environment.push((key.to_owned(), value.to_owned()));
        self
    }

    pub fn path(&self) -> &Path {
        Path::new(&self.location)
    }

    /// `batch ARGUMENTS --lake …`, not started yet.
    pub fn command(&self, arguments: &[&str]) -> Command {
        self.prepare(Command::new(env!("CARGO_BIN_EXE_batch")), arguments)
    }

    /// The same, started by `sh` after `preparation`.
    pub fn command_after(&self, preparation: &str, arguments: &[&str]) -> Command {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("{preparation}; exec \"$@\""), "sh", env!("CARGO_BIN_EXE_batch")]);
        self.prepare(shell, arguments)
    }

    fn prepare(&self, mut command: Command, arguments: &[&str]) -> Command {
        for (key, _) in std::env::vars().filter(|(key, _)| key.starts_with("AWS_") || key.starts_with("CLIENTELE_")) {
            command.env_remove(key);
        }
        command.env_remove("RUST_LOG").envs(self.environment.iter().map(|(key, value)| (key, value)));
        command.args(arguments).args(["--lake", &self.location]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).spawn().expect("batch starts")
    }

    pub fn ask(&self, arguments: &[&str]) -> Done {
        Done::of(self.command(arguments).output().expect("batch starts"))
    }

    /// What the program prints; it must not fail.
    pub fn text(&self, arguments: &[&str]) -> String {
        let done = self.ask(arguments);
        assert!(done.succeeded(), "batch {arguments:?}: {done:?}");
        done.stdout
    }

    pub fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.text(&[arguments, &["--json"]].concat())).expect("one JSON document")
    }

    /// `batch run`, of these files if any.
    pub fn run(&self, inputs: &[&Path]) -> Value {
        self.json(&with_inputs("run", inputs))
    }

    /// Everything that a publication shows, exactly as it shows it.
    pub fn view(&self, publication: Option<i64>) -> View {
        self.view_of(publication, &TABLES)
    }

    /// The part of it that tells most.
    pub fn glance(&self, publication: Option<i64>) -> View {
        self.view_of(publication, &["customer_rfm"])
    }

    fn view_of(&self, publication: Option<i64>, tables: &[&'static str]) -> View {
        let id = publication.map(|id| id.to_string());
        let of: Vec<&str> = id.iter().flat_map(|id| ["--publication", id]).collect();
        let mut parts = BTreeMap::from([("show", self.text(&[&["show", "--json"], &of[..]].concat()))]);
        for table in tables {
            parts.insert(table, self.text(&[&["export", table], &of[..]].concat()));
        }
        View(parts)
    }

    /// What the newest publication says about customers and orders: [`Lake::view`] without names and times of the run.
    pub fn figures(&self) -> View {
        let View(mut parts) = self.view(None);
        let mut show: Value = serde_json::from_str(&parts["show"]).expect("one JSON document");
        for key in ["publication", "published_at", "input", "sources", "timings_ms"] {
            show.as_object_mut().expect("an object").remove(key);
        }
        parts.insert("show", format!("{show:#}"));
        let mut sources = self.json(&["export", "sources"]);
        for row in sources.as_array_mut().expect("rows") {
            row.as_object_mut().expect("an object").remove("ingested_at");
        }
        parts.insert("sources", format!("{sources:#}"));
        View(parts)
    }

    /// A copy of a local lake, with all that lies about in it.
    pub fn copy(&self, to: &Lake) {
        copy_folder(self.path(), to.path()).expect("a copy of the lake");
    }

    /// The files of a local lake, relative to it, with their sizes; the lock is none.
    pub fn files(&self) -> BTreeMap<String, u64> {
        let mut found = BTreeMap::new();
        list_folder(self.path(), "", &mut found).expect("the lake's files");
        found.remove("_writer.lock");
        found
    }
}

/// A command line over these files.
pub fn with_inputs<'a>(command: &'a str, inputs: &[&'a Path]) -> Vec<&'a str> {
    let paths = inputs.iter().map(|path| path.to_str().expect("a plain path"));
    let flags = if inputs.is_empty() { vec![command] } else { vec![command, "--input"] };
    flags.into_iter().chain(paths).collect()
}

/// Text by the part of a lake that it comes from.
#[derive(Clone, PartialEq, Eq)]
pub struct View(BTreeMap<&'static str, String>);

impl View {
    pub fn part(&self, name: &str) -> &str {
        &self.0[name]
    }

    /// Every part that it has must be as expected. Fails with the first line that differs, not with two whole lakes.
    pub fn must_equal(&self, expected: &Self, when: &str) {
        for (part, got) in &self.0 {
            let (mut got, mut wanted) = (got.lines(), expected.part(part).lines());
            for number in 1.. {
                let (got, wanted) = (got.next(), wanted.next());
                assert_eq!(got, wanted, "{when}: {part}, line {number}");
                if got.is_none() {
                    break;
                }
            }
        }
    }
}

/// What a finished program left.
#[derive(Debug)]
pub struct Done {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Done {
    pub fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Self { status: output.status, stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    pub fn ended(child: Child) -> Self {
        Self::of(child.wait_with_output().expect("batch ends"))
    }

    pub fn succeeded(&self) -> bool {
        self.status.success()
    }

    /// Ended with `code` and one error that says all of `words`; nothing on stdout, no panic.
    pub fn must_fail(&self, code: i32, words: &[&str]) {
        assert_eq!(self.status.code(), Some(code), "{self:?}");
        assert_eq!(self.stdout, "", "{self:?}");
        assert!(!self.stderr.contains("panicked"), "{self:?}");
        assert_eq!(self.stderr.lines().filter(|line| line.starts_with("error: ")).count(), 1, "{self:?}");
        for word in words {
            assert!(self.stderr.contains(word), "no {word:?} in {self:?}");
        }
    }
}

/// Sends STOP, CONT, TERM or KILL; until somebody waits for the child, its id is no other's.
pub fn signal(child: &Child, name: &str) {
    let id = child.id().to_string();
    let sent = Command::new("sh").args(["-c", &format!("kill -{name} {id}")]).status();
    assert!(sent.is_ok_and(|status| status.success()), "{name} to process {id}");
}

/// Ends a process that a test leaves behind by failing.
pub struct Guarded(pub Child);

impl Drop for Guarded {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The Python that reads our tables and serves S3; `None`, with a message, where there is none and none is required.
pub fn python() -> Option<String> {
    if let Ok(python) = std::env::var("CLIENTELE_PYTHON") {
        return Some(python);
    }
    assert!(std::env::var_os("CI").is_none(), "CLIENTELE_PYTHON is not set; ./just test makes that Python and sets it");
    eprintln!("skipped: CLIENTELE_PYTHON is not set; ./just test makes that Python and sets it");
    None
}

/// The path of one of our Python programs.
pub fn script(name: &str) -> String {
    format!("{}/tests/python/{name}", env!("CARGO_MANIFEST_DIR"))
}

pub fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}

fn list_folder(folder: &Path, prefix: &str, found: &mut BTreeMap<String, u64>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            list_folder(&entry.path(), &format!("{name}/"), found)?;
        } else {
            found.insert(name, entry.metadata()?.len());
        }
    }
    Ok(())
}
