//! From what the user names to the files that are meant.

use std::io;
use std::path::{Path, PathBuf};

use super::Source;
use crate::error::{Error, Result};

const KNOWN: [&str; 6] = ["csv", "tsv", "txt", "xlsx", "parquet", "pq"];
const COMPRESSED: [&str; 2] = ["gz", "zst"];

/// The sources behind file names, folders, globs and `-`; each file once, in order.
///
/// # Errors
/// Names the input that is missing, or stands for no file.
pub fn expand(inputs: &[String]) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for input in inputs {
        if input == "-" {
            sources.push(Source::of_stdin()?);
            continue;
        }
        for path in files_behind(input)? {
            if seen.insert(path.canonicalize().unwrap_or_else(|_| path.clone())) {
                sources.push(Source::of_file(path)?);
            }
        }
    }
    Ok(sources)
}

fn files_behind(input: &str) -> Result<Vec<PathBuf>> {
    let path = Path::new(input);
    if path.is_dir() {
        return files_in(path, input);
    }
    let is_pattern = input.contains(['*', '?', '[']);
    if path.exists() || !is_pattern {
        return Ok(vec![path.to_owned()]);
    }
    // As shells do it.
    let options = glob::MatchOptions { require_literal_leading_dot: true, ..glob::MatchOptions::default() };
    let found =
        glob::glob_with(input, options).map_err(|error| refused(input, &format!("is no valid pattern: {error}")))?;
    let mut files: Vec<PathBuf> = found.filter_map(std::result::Result::ok).filter(|path| path.is_file()).collect();
    files.sort();
    if files.is_empty() { Err(refused(input, "matches no file")) } else { Ok(files) }
}

fn files_in(folder: &Path, input: &str) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    collect(folder, &mut files).map_err(|source| Error::Read { name: input.to_owned(), source })?;
    files.sort();
    if files.is_empty() {
        return Err(refused(
            input,
            "is a folder without order files in it or below (.csv, .tsv, .txt, .xlsx, .parquet, also .gz and .zst)",
        ));
    }
    Ok(files)
}

/// Adds the order files in `folder` and below; hidden ones, and linked folders, are somebody else's.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let (name, path) = (entry.file_name(), entry.path());
        // Excel puts "~$orders.xlsx" beside a workbook that is open.
        if [".", "~$"].iter().any(|hidden| name.as_encoded_bytes().starts_with(hidden.as_bytes())) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            collect(&path, files)?;
        } else if path.is_file() && is_known(&path) {
            files.push(path);
        }
    }
    Ok(())
}

fn is_known(path: &Path) -> bool {
    let extension =
        |path: &Path| path.extension().map(|end| end.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    let last = extension(path);
    if COMPRESSED.contains(&last.as_str()) {
        return path.file_stem().is_some_and(|stem| KNOWN.contains(&extension(Path::new(stem)).as_str()));
    }
    KNOWN.contains(&last.as_str())
}

fn refused(input: &str, reason: &str) -> Error {
    Error::Source { name: input.to_owned(), reason: reason.to_owned() }
}
