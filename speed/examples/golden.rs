//! `cargo run --release -p speed --example golden -- CASE.json` prints what the patterns of a reference case find.

use std::io::BufWriter;
use std::path::Path;

fn main() -> anyhow::Result<()> {
    let Some(case) = std::env::args_os().nth(1) else { anyhow::bail!("name a case: golden CASE.json") };
    Ok(patterns::golden::print(Path::new(&case), &mut BufWriter::new(std::io::stdout().lock()))?)
}
