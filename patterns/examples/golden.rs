//! `cargo run --release -p patterns --example golden -- CASE.json` prints what is found in a reference case.

use std::io::Write;
use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("name a case: golden CASE.json")?;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for line in patterns::golden::run(Path::new(&path))? {
        serde_json::to_writer(&mut out, &line)?;
        out.write_all(b"\n")?;
    }
    Ok(out.flush()?)
}
