//! `data generate orders` as a process.

use std::io::Read;
use std::process::{Command, Stdio};

fn generate(flags: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_data"));
    command.args(["generate", "orders"]).args(flags).stdin(Stdio::null());
    command
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let flags = ["-o", "-", "--lines", "300000", "--quiet"];
    let mut child = generate(&flags).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let mut begin = [0; 9];
    child.stdout.take().expect("piped").read_exact(&mut begin).expect("a header");
    assert_eq!(&begin, b"InvoiceNo");
    let done = child.wait_with_output().expect("it ends");
    assert!(done.status.success(), "{:?}", done.status);
    assert_eq!(String::from_utf8_lossy(&done.stderr), "");
}

#[test]
fn orders_on_stdout_leave_the_document_to_stderr() {
    let done = generate(&["-o", "-", "--lines", "500", "--json"]).output().expect("it runs");
    let document: serde_json::Value = serde_json::from_slice(&done.stderr).expect("one document");
    assert_eq!(document["lines"], 500);
    assert_eq!(document["bytes"], done.stdout.len());
    assert_eq!(done.stdout.iter().filter(|&&byte| byte == b'\n').count(), 501);
}

#[test]
fn bad_options_exit_with_two() {
    let done = generate(&["--lines", "0"]).output().expect("it runs");
    assert_eq!(done.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&done.stderr).contains("--lines: 0 is out of range"));
}
