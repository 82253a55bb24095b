//! Looks at the rules' folder while the process runs, and tells on `rule-status` which rules are in force and what was refused.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use data::EventTime;
use rules::{RuleError, RuleSet};
use serde::Serialize;

use crate::config::Config;
use crate::error::{Error, Result};
use crate::kafka::Notices;
use crate::rulebook::{Difference, Found, LOOK_EVERY, Rulebook, Watch};
use crate::run::Shared;

/// Who is silent for three times as long has ended.
const TELL_EVERY: Duration = Duration::from_secs(30);

/// A value of `rule-status`; its key is the process.
#[derive(Debug, Serialize)]
struct Status<'r> {
    process: &'r str,
    at: EventTime,
    /// Since when these rules are in force.
    since: EventTime,
    fingerprint: String,
    rules: Rules<'r>,
    refused: Option<&'r Refused>,
}

#[derive(Debug, Serialize)]
struct Rules<'r> {
    features: Vec<Feature<'r>>,
    scores: Vec<Score<'r>>,
    segments: Vec<Segment<'r>>,
    patterns: Vec<Pattern<'r>>,
}

#[derive(Debug, Serialize)]
struct Feature<'r> {
    name: &'r str,
    about: &'r str,
    measure: &'static str,
    days: Option<i64>,
}

#[derive(Debug, Serialize)]
struct Score<'r> {
    name: &'r str,
    about: &'r str,
    of: String,
}

#[derive(Debug, Serialize)]
struct Segment<'r> {
    name: &'r str,
    when: String,
}

#[derive(Debug, Serialize)]
struct Pattern<'r> {
    id: &'r str,
    about: &'r str,
    severity: rules::Severity,
}

/// Files that cannot be taken up.
#[derive(Debug, Serialize)]
struct Refused {
    at: EventTime,
    mistakes: Vec<RuleError>,
}

impl<'r> Rules<'r> {
    fn of(rules: &'r RuleSet) -> Self {
        let features = rules.features.iter();
        let scores = rules.scores.iter();
        let segments = rules.segments.iter();
        let patterns = rules.patterns.iter();
        Self {
            features: features
                .map(|own| Feature { name: &own.name, about: &own.about, measure: own.measure.name(), days: own.days })
                .collect(),
            scores: scores.map(|own| Score { name: &own.name, about: &own.about, of: own.of.to_string() }).collect(),
            segments: segments.map(|own| Segment { name: &own.name, when: own.condition.to_string() }).collect(),
            patterns: patterns.map(|own| Pattern { id: &own.id, about: &own.about, severity: own.severity }).collect(),
        }
    }
}

/// Reads the rules, if a run is to have any.
///
/// # Errors
/// Every mistake in them.
pub fn open(config: &Config) -> Result<Option<(Arc<Rulebook>, Watch)>> {
    let Some(path) = &config.rules else { return Ok(None) };
    let (book, watch) = Watch::open(path).map_err(Error::Rules)?;
    Ok(Some((Arc::new(book), watch)))
}

/// Looks and tells until the run stops.
///
/// # Errors
/// When a setting of Kafka's is refused.
pub fn start(
    (book, watch): (Arc<Rulebook>, Watch),
    config: &Config,
    process: &str,
    shared: &Arc<Shared>,
) -> Result<JoinHandle<()>> {
    let notices = Notices::new(&config.place.kafka, &config.place.topics.rule_status).map_err(Error::Kafka)?;
    let process = format!("{}/{process}", config.place.group);
    let mut looking = Looking { watch, book, notices, process, since: EventTime::now(), refused: None };
    let shared = Arc::clone(shared);
    Ok(thread::spawn(move || looking.run(&shared)))
}

struct Looking {
    watch: Watch,
    book: Arc<Rulebook>,
    notices: Notices,
    process: String,
    since: EventTime,
    refused: Option<Refused>,
}

impl Looking {
    fn run(&mut self, shared: &Shared) {
        let mut told = self.tell().then(Instant::now);
        while !shared.waited(LOOK_EVERY) {
            let is_news = self.look(shared);
            if is_news || told.is_none_or(|told| told.elapsed() >= TELL_EVERY) {
                told = self.tell().then(Instant::now);
            }
        }
        if let Err(reason) = self.notices.tell(&self.process, None) {
            tracing::debug!(reason, "the end of this process is not told");
        }
    }

    /// Whether something changed.
    fn look(&mut self, shared: &Shared) -> bool {
        let metrics = &shared.health.metrics;
        match self.watch.look(&self.book) {
            Found::Unchanged => return false,
            Found::Changed(difference) => {
                metrics.rules_edition.set(i64::try_from(self.book.newest().number).unwrap_or_default());
                metrics.rules_broken.set(0);
                (self.since, self.refused) = (EventTime::now(), None);
                let Difference { unchanged, changed, added, removed } = difference;
                tracing::info!(?changed, ?added, ?removed, unchanged = unchanged.len(), "rules changed");
            }
            Found::Refused(errors) => {
                metrics.rules_refused.inc();
                metrics.rules_broken.set(1);
                for error in &errors {
                    tracing::error!("rules refused, the old ones stay in force: {error}");
                }
                self.refused = Some(Refused { at: EventTime::now(), mistakes: errors });
            }
        }
        true
    }

    /// Whether it was told.
    fn tell(&self) -> bool {
        let edition = self.book.newest();
        let status = Status {
            process: &self.process,
            at: EventTime::now(),
            since: self.since,
            fingerprint: format!("{:016x}", edition.fingerprint),
            rules: Rules::of(&edition.rules),
            refused: self.refused.as_ref(),
        };
        // Such a value can always be written.
        let value = serde_json::to_vec(&status).unwrap_or_default();
        let told = self.notices.tell(&self.process, Some(&value));
        if let Err(reason) = &told {
            tracing::debug!(reason, "which rules are in force is not told; again soon");
        }
        told.is_ok()
    }
}
