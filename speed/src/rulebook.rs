//! The rules that are in force, and how a changed file comes into force.
//!
//! The folder is looked at from outside the workers. Files that can be read make a new edition, which each worker takes up at
//! its next epoch; files that cannot are refused, and the old edition goes on.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub use rules::Difference;
use rules::{RuleError, RuleSet};
use xxhash_rust::xxh3::Xxh3;

/// How often the folder is looked at: a change holds within 2 s.
pub const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Rules, and which edition of them this is.
#[derive(Debug)]
pub struct Edition {
    /// Counted within this process.
    pub number: u64,
    /// A hash of the files: the same in every process that reads the same ones.
    pub fingerprint: u64,
    pub rules: RuleSet,
}

/// Where the newest edition is found.
#[derive(Debug)]
pub struct Rulebook {
    newest: Mutex<Arc<Edition>>,
    /// How often files were refused.
    pub refused: AtomicU64,
}

impl Rulebook {
    #[must_use]
    pub fn new(rules: RuleSet, fingerprint: u64) -> Self {
        let newest = Mutex::new(Arc::new(Edition { number: 1, fingerprint, rules }));
        Self { newest, refused: AtomicU64::new(0) }
    }

    #[must_use]
    pub fn newest(&self) -> Arc<Edition> {
        Arc::clone(&self.newest.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts new rules in force.
    pub fn put(&self, rules: RuleSet, fingerprint: u64) {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        *newest = Arc::new(Edition { number: newest.number + 1, fingerprint, rules });
    }
}

/// Looks at a folder of rules again and again.
#[derive(Debug)]
pub struct Watch {
    path: PathBuf,
    /// Of the files that were read last, good or not.
    seen: u64,
    /// Of the files at the last look.
    looked: u64,
}

/// What a look found.
#[derive(Debug)]
pub enum Found {
    Unchanged,
    Changed(Difference),
    Refused(Vec<RuleError>),
}

impl Watch {
    /// Reads the rules for the first time.
    ///
    /// # Errors
    /// Every mistake.
    pub fn open(path: &Path) -> Result<(Rulebook, Self), Vec<RuleError>> {
        let seen = fingerprint(path);
        Ok((Rulebook::new(RuleSet::load(path)?, seen), Self { path: path.to_owned(), seen, looked: seen }))
    }

    /// Reads the files if they changed, and puts them in force if they are good; only when they were the same at the look before, since
    /// somebody may be writing them.
    pub fn look(&mut self, book: &Rulebook) -> Found {
        let now = fingerprint(&self.path);
        let is_settled = std::mem::replace(&mut self.looked, now) == now;
        if now == self.seen || !is_settled {
            return Found::Unchanged;
        }
        self.seen = now;
        match RuleSet::load(&self.path) {
            Ok(rules) => {
                let difference = rules.since(&book.newest().rules);
                book.put(rules, now);
                Found::Changed(difference)
            }
            Err(errors) => {
                book.refused.fetch_add(1, Ordering::Relaxed);
                Found::Refused(errors)
            }
        }
    }
}

/// A hash of the rule files' names and contents.
fn fingerprint(path: &Path) -> u64 {
    let mut files: Vec<PathBuf> = match std::fs::read_dir(path) {
        Ok(entries) => entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect(),
        Err(_) => vec![path.to_owned()],
    };
    files.retain(|file| file.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    let mut hash = Xxh3::new();
    for file in files {
        let text = std::fs::read(&file).unwrap_or_default();
        hash.update(file.file_name().unwrap_or_default().as_encoded_bytes());
        hash.update(&(text.len() as u64).to_le_bytes());
        hash.update(&text);
    }
    hash.digest()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "[features.views]\nfrom = \"clickstream\"\nmeasure = \"count\"\n";

    #[test]
    fn a_changed_file_comes_into_force_and_a_broken_one_does_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("a.toml");
        std::fs::write(&file, GOOD).expect("written");
        let (book, mut watch) = Watch::open(folder.path()).expect("good rules");
        assert!(matches!(watch.look(&book), Found::Unchanged));
        std::fs::write(&file, "[features.views]\nfrom = \"clicks\"\n").expect("written");
        assert!(matches!(watch.look(&book), Found::Unchanged), "it may be written just now");
        assert!(matches!(watch.look(&book), Found::Refused(errors) if errors.iter().any(|error| error.line == 2)));
        assert!(matches!(watch.look(&book), Found::Unchanged), "a refused file is told of once");
        assert_eq!((book.newest().number, book.refused.load(Ordering::Relaxed)), (1, 1));
        std::fs::write(
            &file,
            format!("{GOOD}about = \"x\"\n[scores.s]\nof = \"views\"\nat_least = {{ 2 = 1 }}\notherwise = 1"),
        )
        .expect("written");
        assert!(matches!(watch.look(&book), Found::Unchanged));
        let Found::Changed(difference) = watch.look(&book) else { panic!("it is good") };
        assert_eq!((difference.unchanged, difference.added), (vec!["views".to_owned()], vec!["s".to_owned()]));
        assert_eq!(book.newest().number, 2);
    }
}
