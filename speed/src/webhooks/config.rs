//! Who is told of alerts: a TOML file, checked once.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::Url;
use rules::Severity;
use serde::Deserialize;
use toml::Spanned;

use super::signature::Secret;

/// Endpoints that answer later than this are not worth waiting for.
const LONGEST_TIMEOUT_SECONDS: u64 = 120;
const MOST_ATTEMPTS: u32 = 100;

/// The file as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    #[serde(default)]
    webhooks: BTreeMap<Spanned<String>, RawWebhook>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawWebhook {
    kind: Kind,
    url: Option<Spanned<String>>,
    url_env: Option<Spanned<String>>,
    url_file: Option<Spanned<PathBuf>>,
    secret_env: Option<Spanned<String>>,
    secret_file: Option<Spanned<PathBuf>>,
    severities: Option<Vec<Severity>>,
    patterns: Option<BTreeSet<String>>,
    timeout_seconds: Option<Spanned<u64>>,
    attempts: Option<Spanned<u32>>,
}

/// What an endpoint understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The alert as it is, signed as Standard Webhooks say.
    Standard,
    Slack,
    Discord,
}

/// An endpoint, checked.
#[derive(Clone, Debug)]
pub struct Webhook {
    pub name: String,
    pub kind: Kind,
    pub address: Address,
    /// Only for [`Kind::Standard`], and always there.
    pub secret: Option<Secret>,
    /// `None`: all.
    severities: Option<Vec<Severity>>,
    patterns: Option<BTreeSet<String>>,
    pub timeout: Duration,
    pub attempts: u32,
}

/// An endpoint's URL. Those of Slack and Discord are secrets, so only the host is ever shown.
#[derive(Clone)]
pub struct Address(pub Url);

impl fmt::Debug for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}://{}/…", self.0.scheme(), self.0.host_str().unwrap_or_default())
    }
}

impl Webhook {
    /// Whether it wants to hear of such alerts.
    #[must_use]
    pub fn wants(&self, severity: Severity, pattern: &str) -> bool {
        self.severities.as_ref().is_none_or(|wanted| wanted.contains(&severity))
            && self.patterns.as_ref().is_none_or(|wanted| wanted.contains(pattern))
    }
}

/// A mistake in the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {field}: {reason}")]
pub struct Mistake {
    pub file: String,
    /// From 1; 0 for the file as a whole.
    pub line: usize,
    pub field: String,
    pub reason: String,
}

/// Reads and checks the file; secrets come from `environment` or from files of their own.
///
/// # Errors
/// Every mistake.
pub fn read(path: &Path, environment: &dyn Fn(&str) -> Option<String>) -> Result<Vec<Webhook>, Vec<Mistake>> {
    let file = path.display().to_string();
    let whole =
        |line: usize, reason: String| vec![Mistake { file: file.clone(), line, field: "file".to_owned(), reason }];
    let text = std::fs::read_to_string(path).map_err(|error| whole(0, error.to_string()))?;
    let raw: RawFile = toml::from_str(&text).map_err(|error| {
        let line = error.span().map_or(0, |span| line_of(&text, span.start));
        whole(line, error.message().to_owned())
    })?;
    if raw.webhooks.is_empty() {
        return Err(whole(0, "it names no webhook; add a table [webhooks.NAME] with kind and url".to_owned()));
    }
    let mut check = Check { file, text: &text, environment, mistakes: Vec::new() };
    let webhooks: Vec<_> = raw.webhooks.into_iter().filter_map(|(name, raw)| check.webhook(&name, raw)).collect();
    if check.mistakes.is_empty() { Ok(webhooks) } else { Err(check.mistakes) }
}

/// The line of a place in a text, from 1.
fn line_of(text: &str, place: usize) -> usize {
    text.bytes().take(place).filter(|byte| *byte == b'\n').count() + 1
}

struct Check<'c> {
    file: String,
    text: &'c str,
    environment: &'c dyn Fn(&str) -> Option<String>,
    mistakes: Vec<Mistake>,
}

/// Where something stands: its place in the text, and the name of the field.
type Place = (usize, String);

impl Check<'_> {
    fn wrong<T>(&mut self, (place, field): Place, reason: impl Into<String>) -> Option<T> {
        let line = line_of(self.text, place);
        self.mistakes.push(Mistake { file: self.file.clone(), line, field, reason: reason.into() });
        None
    }

    fn webhook(&mut self, name: &Spanned<String>, raw: RawWebhook) -> Option<Webhook> {
        let table = name.span().start;
        let name = name.get_ref().clone();
        let field = |field: &str| format!("webhooks.{name}.{field}");
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')) {
            return self.wrong((table, field("")), "a name has letters, digits, hyphens and underscores");
        }
        let address = self.address(&name, table, &raw);
        let secret = self.secret(&name, table, &raw);
        let timeout = raw.timeout_seconds.map_or(Some(10), |given| match *given.get_ref() {
            seconds @ 1..=LONGEST_TIMEOUT_SECONDS => Some(seconds),
            seconds => self.wrong(
                (given.span().start, field("timeout_seconds")),
                format!("{seconds} is out of range; give 1 to {LONGEST_TIMEOUT_SECONDS}"),
            ),
        });
        let attempts = raw.attempts.map_or(Some(14), |given| match *given.get_ref() {
            attempts @ 1..=MOST_ATTEMPTS => Some(attempts),
            attempts => self.wrong(
                (given.span().start, field("attempts")),
                format!("{attempts} is out of range; give 1 to {MOST_ATTEMPTS}"),
            ),
        });
        Some(Webhook {
            kind: raw.kind,
            address: address?,
            secret: secret?,
            severities: raw.severities,
            patterns: raw.patterns,
            timeout: Duration::from_secs(timeout?),
            attempts: attempts?,
            name,
        })
    }

    fn address(&mut self, name: &str, table: usize, raw: &RawWebhook) -> Option<Address> {
        let field = |field: &str| format!("webhooks.{name}.{field}");
        let (place, text) = match (&raw.url, &raw.url_env, &raw.url_file) {
            (Some(url), None, None) => ((url.span().start, field("url")), url.get_ref().clone()),
            (None, Some(variable), None) => {
                let place = (variable.span().start, field("url_env"));
                (place.clone(), self.variable(place, variable.get_ref())?)
            }
            (None, None, Some(path)) => {
                let place = (path.span().start, field("url_file"));
                (place.clone(), self.content(place, path.get_ref())?)
            }
            _ => return self.wrong((table, field("url")), "give one of url, url_env and url_file"),
        };
        match Url::parse(text.trim()) {
            Ok(url) if matches!(url.scheme(), "https" | "http") && url.has_host() => Some(Address(url)),
            // The text is not shown: it may be a secret.
            Ok(_) => self.wrong(place, "is no address of a web server; it begins with https://"),
            Err(error) => self.wrong(place, format!("is no URL: {error}")),
        }
    }

    /// `Some(None)` where none is needed.
    fn secret(&mut self, name: &str, table: usize, raw: &RawWebhook) -> Option<Option<Secret>> {
        let field = |field: &str| format!("webhooks.{name}.{field}");
        let (place, text) = match (&raw.secret_env, &raw.secret_file) {
            (None, None) if raw.kind != Kind::Standard => return Some(None),
            (None, None) => {
                let reason = "a standard webhook is signed: name the environment variable that holds whsec_…, or give secret_file";
                return self.wrong((table, field("secret_env")), reason);
            }
            (Some(variable), None) => {
                let place = (variable.span().start, field("secret_env"));
                (place.clone(), self.variable(place, variable.get_ref())?)
            }
            (None, Some(path)) => {
                let place = (path.span().start, field("secret_file"));
                (place.clone(), self.content(place, path.get_ref())?)
            }
            (Some(variable), Some(_)) => {
                return self
                    .wrong((variable.span().start, field("secret_env")), "give one of secret_env and secret_file");
            }
        };
        if raw.kind != Kind::Standard {
            return self.wrong(place, "only a standard webhook is signed; leave it out");
        }
        match Secret::read(text.trim()) {
            Ok(secret) => Some(Some(secret)),
            Err(reason) => self.wrong(place, reason),
        }
    }

    fn variable(&mut self, place: Place, name: &str) -> Option<String> {
        let found = (self.environment)(name).filter(|value| !value.is_empty());
        found.or_else(|| self.wrong(place, format!("the environment variable {name} is not set")))
    }

    fn content(&mut self, place: Place, path: &Path) -> Option<String> {
        match std::fs::read_to_string(path) {
            Ok(text) => Some(text),
            Err(error) => self.wrong(place, format!("cannot read {}: {error}", path.display())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn environment(name: &str) -> Option<String> {
        let of_slack = "https://hooks.example.org/services/T000/B000/XXXX";
        [("OPS", KEY), ("SHORT", "whsec_AAAA"), ("SLACK", of_slack)]
            .into_iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value.to_owned())
    }

    fn read_text(text: &str) -> Result<Vec<Webhook>, Vec<Mistake>> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("webhooks.toml");
        std::fs::write(&path, text).expect("written");
        read(&path, &environment)
    }

    #[test]
    fn a_good_file_is_read_and_filters_hold() {
        let text = "[webhooks.ops]\nkind = \"standard\"\nurl = \"https://example.org/in\"\nsecret_env = \"OPS\"\n\
                    severities = [\"critical\"]\n[webhooks.team]\nkind = \"slack\"\nurl_env = \"SLACK\"\npatterns = [\"a\"]\nattempts = 3\n";
        let webhooks = read_text(text).expect("good");
        let [ops, team] = &webhooks[..] else { panic!("{webhooks:?}") };
        assert!(ops.wants(Severity::Critical, "b") && !ops.wants(Severity::Info, "b"));
        assert!(team.wants(Severity::Info, "a") && !team.wants(Severity::Info, "b"));
        assert_eq!((team.attempts, ops.attempts, ops.timeout), (3, 14, Duration::from_secs(10)));
        let shown = format!("{webhooks:?}");
        assert!(!shown.contains("MfKQ9r8") && !shown.contains("XXXX"), "{shown}");
    }

    #[test]
    fn mistakes_name_line_and_field() {
        let of = |lines: &str| format!("# who is told\n[webhooks.ops]\nkind = \"standard\"\n{lines}\n");
        let url = "url = \"https://example.org\"\n";
        let cases = [
            (of(url), 2, "webhooks.ops.secret_env", "whsec_"),
            (of("secret_env = \"OPS\""), 2, "webhooks.ops.url", "one of url"),
            (of(&format!("{url}secret_env = \"NO\"")), 5, "webhooks.ops.secret_env", "NO is not set"),
            (of(&format!("{url}secret_env = \"SHORT\"")), 5, "webhooks.ops.secret_env", "24 to 64 bytes"),
            (of(&format!("{url}secret_file = \"/no/such\"")), 5, "webhooks.ops.secret_file", "cannot read"),
            (of("url = \"ftp://x\"\nsecret_env = \"OPS\""), 4, "webhooks.ops.url", "https://"),
            (of(&format!("{url}secret_env = \"OPS\"\nattempts = 0")), 6, "webhooks.ops.attempts", "1 to 100"),
            (
                of(&format!("{url}secret_env = \"OPS\"\ntimeout_seconds = 500")),
                6,
                "webhooks.ops.timeout_seconds",
                "1 to 120",
            ),
            (of("colour = 1"), 4, "file", "unknown field `colour`"),
            ("[webhooks.a]\nkind = \"fax\"\n".to_owned(), 2, "file", "unknown variant `fax`"),
            (
                "[webhooks.a]\nkind = \"slack\"\nurl = \"https://x\"\nsecret_env = \"OPS\"".to_owned(),
                4,
                "webhooks.a.secret_env",
                "leave it out",
            ),
            (String::new(), 0, "file", "names no webhook"),
        ];
        for (text, line, field, reason) in cases {
            let mistakes = read_text(&text).expect_err("refused");
            let found = mistakes
                .iter()
                .any(|found| (found.line, found.field.as_str()) == (line, field) && found.reason.contains(reason));
            assert!(found, "{text}: {mistakes:?}");
        }
    }
}
