//! What the tests of the command line share: a folder with order files and a lake, and the program run in it.
#![allow(dead_code, reason = "each test file uses a part of this")]
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic: that is how it fails")]

pub mod orders;
pub mod workbook;

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

pub const BATCH: &str = env!("CARGO_BIN_EXE_batch");
/// The columns as Online Retail names them.
pub const HEADER: &str = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country";

/// A temporary folder that commands run in: files are named from here, and the lake is `./lake`.
pub struct Shop(TempDir);

impl Shop {
    pub fn new() -> Self {
        Self(TempDir::new().expect("a temporary folder"))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file, and the folders above it.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("its folder");
        std::fs::write(path, bytes).expect("the file is written");
    }

    /// Writes order lines below the usual header.
    pub fn write_lines(&self, name: &str, lines: &[&str]) {
        let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
        self.write(name, format!("{HEADER}\n{lines}"));
    }

    /// The program, untouched by this machine's settings.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(BATCH);
        let ours = |name: &str| name.starts_with("CLIENTELE_") || name == "RUST_LOG";
        for (name, _) in std::env::vars().filter(|(name, _)| ours(name)) {
            command.env_remove(name);
        }
        command.args(arguments).current_dir(self.0.path()).stdin(Stdio::null());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Answer {
        Answer::of(&self.command(arguments).output().expect("batch starts"))
    }

    /// Runs a command that must succeed; what it prints on stdout.
    pub fn done(&self, arguments: &[&str]) -> String {
        let answer = self.run(arguments);
        assert_eq!(answer.code, 0, "batch {arguments:?}: {}", answer.stderr);
        answer.stdout
    }

    /// Runs a command that must succeed, with `--json`; its document.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let arguments = [arguments, &["--json"]].concat();
        let stdout = self.done(&arguments);
        serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("batch {arguments:?}: {error} in {stdout:?}"))
    }

    /// Runs a command that must be refused: status 1 or 2, one message, nothing on stdout, no panic.
    pub fn refused(&self, arguments: &[&str]) -> String {
        let answer = self.run(arguments);
        assert!(matches!(answer.code, 1 | 2), "batch {arguments:?} ended with {}: {}", answer.code, answer.stderr);
        assert_eq!(answer.stdout, "", "batch {arguments:?}");
        assert!(!answer.stderr.contains("panicked"), "batch {arguments:?}: {}", answer.stderr);
        answer.stderr
    }

    /// The rows of a table, by its key.
    pub fn table(&self, name: &str) -> Vec<Value> {
        let rows = self.done(&["export", name, "--format", "json"]);
        serde_json::from_str(&rows).unwrap_or_else(|error| panic!("table {name}: {error} in {rows:?}"))
    }

    /// The rows of a table, only these columns.
    pub fn columns(&self, table: &str, names: &[&str]) -> Vec<Vec<Value>> {
        let cells = |row: Value| names.iter().map(|name| row[*name].clone()).collect();
        self.table(table).into_iter().map(cells).collect()
    }

    /// Lines that the lake has accepted.
    pub fn accepted(&self) -> usize {
        if self.path("lake/orders/_delta_log").exists() { self.table("orders").len() } else { 0 }
    }
}

/// What a process left behind.
#[derive(Debug)]
pub struct Answer {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Answer {
    pub fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code().unwrap_or(-1), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }
}

/// A real file of `../shared/data` or `$CLIENTELE_DATA`; `None`, and a message, where it may be missing.
pub fn real_file(name: &str) -> Option<PathBuf> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let path = std::env::var_os("CLIENTELE_DATA").map_or_else(beside, PathBuf::from).join(name);
    if path.exists() {
        return Some(path);
    }
    assert!(std::env::var_os("CI").is_none(), "{} is missing; set CLIENTELE_DATA to its folder", path.display());
    eprintln!("skipped: {} is missing; set CLIENTELE_DATA to its folder", path.display());
    None
}
