//! The API against its own description: requests made of it by schemathesis, answers checked by it.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::facts::retail;
use crate::programs::python;

/// Checks of every answer: no 5xx, and status, type, headers and body as described. What is refused or not is checked elsewhere.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,\
                      response_schema_conformance";

#[test]
fn answers_are_as_they_are_described() {
    let (Some(python), Some(retail)) = (python(), retail()) else { return };
    let address = retail.server.address;
    let mut command = Command::new(python);
    let known = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/api/schemathesis.toml");
    command.args(["-m", "schemathesis.cli", "--config-file"]).arg(known);
    command.args(["run", &format!("http://{address}/api/openapi.json"), "--checks", CHECKS]);
    command.args(["--phases", "coverage,fuzzing", "--max-examples", "10", "--seed", "7"]);
    // Streams do not end.
    command.args(["--exclude-path-regex", "/live/", "--request-timeout", "30", "--no-color"]);
    let output = command.stdin(Stdio::null()).output().expect("started");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
}
