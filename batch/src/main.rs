mod csv; mod error; mod ingest; mod progress; mod source;
fn main() {}
