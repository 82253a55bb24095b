//! Who may ask: API keys with a scope, and session cookies made of them.

use std::collections::HashMap;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use axum::http::{HeaderMap, HeaderValue, header};
use data::EventTime;
use ring::digest::{SHA256, digest};
use ring::hmac;
use tokio::sync::watch;

use crate::error::{Error, Result};

const COOKIE: &str = "clientele_session";
const SESSION_SECONDS: i64 = 12 * 3_600;
/// Shorter ones can be guessed.
const SHORTEST: usize = 16;

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Of the key; empty where none is needed.
    pub name: String,
    pub may_write: bool,
}

#[derive(Clone, Debug)]
struct Key {
    name: String,
    may_write: bool,
    digest: [u8; 32],
}

/// The keys that are good now.
#[derive(Clone, Debug, Default)]
pub struct Keys(Vec<Key>);

impl Keys {
    /// Reads lines of `name read|write key`, where the key is spelled out or is its SHA-256 in hexadecimal digits; `#` begins
    /// a comment.
    ///
    /// # Errors
    /// Names the line and what is wrong with it.
    pub fn read(text: &str) -> std::result::Result<Self, String> {
        let mut keys = Vec::new();
        for (line, text) in (1..).zip(text.lines()) {
            let text = text.split('#').next().unwrap_or_default();
            let words: Vec<&str> = text.split_whitespace().collect();
            match words.as_slice() {
                [] => {}
                [name, scope @ ("read" | "write"), key] => {
                    let digest = match sha256_of_digits(key) {
                        Some(digest) => digest,
                        None if key.len() >= SHORTEST => sha256(key),
                        None => return Err(format!("line {line}: a key has at least {SHORTEST} letters")),
                    };
                    keys.push(Key { name: (*name).to_owned(), may_write: *scope == "write", digest });
                }
                _ => return Err(format!("line {line}: write `name read|write key`")),
            }
        }
        if keys.is_empty() { Err("there is no key in it".to_owned()) } else { Ok(Self(keys)) }
    }

    /// Looks at every key, so that the time taken says nothing.
    fn find(&self, key: &str) -> Option<&Key> {
        let asked = sha256(key);
        let mut found = None;
        for own in &self.0 {
            if is_same(&own.digest, &asked) {
                found = Some(own);
            }
        }
        found
    }
}

fn sha256(text: &str) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (byte, own) in bytes.iter_mut().zip(digest(&SHA256, text.as_bytes()).as_ref()) {
        *byte = *own;
    }
    bytes
}

fn sha256_of_digits(text: &str) -> Option<[u8; 32]> {
    let bytes = hex(text)?;
    bytes.try_into().ok()
}

fn hex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect()
}

/// Takes the same time wherever they differ.
fn is_same(one: &[u8; 32], other: &[u8; 32]) -> bool {
    black_box(one.iter().zip(other).fold(0, |differs, (one, other)| differs | (one ^ other))) == 0
}

/// Whether keys are asked for, and which.
#[derive(Debug, Default)]
pub struct Access {
    /// `None`: everybody may everything.
    keys: Option<RwLock<Arc<Keys>>>,
    /// Whether browsers reach this over TLS only, so that cookies can be kept to it.
    secure: bool,
    /// The claims of sessions that were ended before their time, and when that would have been at the latest, in seconds since 1970.
    ended: Mutex<HashMap<Vec<u8>, i64>>,
    /// How often keys changed or a session was ended.
    changes: watch::Sender<u64>,
}

impl Access {
    #[must_use]
    pub fn with(keys: Option<Keys>, secure: bool) -> Self {
        Self { keys: keys.map(|keys| RwLock::new(Arc::new(keys))), secure, ..Self::default() }
    }

    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.keys.is_none()
    }

    fn keys(&self) -> Option<Arc<Keys>> {
        self.keys.as_ref().map(|keys| Arc::clone(&keys.read().unwrap_or_else(PoisonError::into_inner)))
    }

    /// Other keys from now on.
    pub fn rotate(&self, keys: Keys) {
        if let Some(own) = &self.keys {
            *own.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
            self.changes.send_modify(|count| *count += 1);
        }
    }

    /// Tells of changed keys: who is connected has to be looked at again.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn ended(&self) -> MutexGuard<'_, HashMap<Vec<u8>, i64>> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The key of the request's session, and the session's claim.
    fn session_of<'k>(&self, keys: &'k Keys, headers: &HeaderMap) -> Option<(&'k Key, Vec<u8>)> {
        of_cookie(keys, headers).filter(|(_, claim)| !self.ended().contains_key(claim))
    }

    /// Who asks; `None` for nobody known.
    #[must_use]
    pub fn caller(&self, headers: &HeaderMap) -> Option<Caller> {
        let Some(keys) = self.keys() else { return Some(Caller { name: String::new(), may_write: true }) };
        let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let key = match bearer.and_then(|value| value.split_once(' ')) {
            Some((scheme, key)) if scheme.eq_ignore_ascii_case("bearer") => keys.find(key.trim()),
            Some(_) => None,
            None => self.session_of(&keys, headers).map(|(key, _)| key),
        }?;
        Some(Caller { name: key.name.clone(), may_write: key.may_write })
    }

    /// `Set-Cookie` for a good key.
    #[must_use]
    pub fn session(&self, key: &str) -> Option<HeaderValue> {
        let Some(keys) = self.keys() else { return self.cookie("open", 0) };
        let key = keys.find(key)?;
        let until = EventTime::now().micros() / 1_000_000 + SESSION_SECONDS;
        // Each is one of its own: to end it ends no other.
        let claim = format!("{}|{}|{until}", key.name, uuid::Uuid::new_v4().simple());
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key.digest), claim.as_bytes());
        self.cookie(&format!("{}.{}", digits(claim.as_bytes()), digits(tag.as_ref())), SESSION_SECONDS)
    }

    /// Ends the session of a request, for this process; `Set-Cookie` that takes it away.
    #[must_use]
    pub fn end_session(&self, headers: &HeaderMap) -> HeaderValue {
        let keys = self.keys();
        if let Some(claim) = keys.and_then(|keys| self.session_of(&keys, headers).map(|(_, claim)| claim)) {
            let now = EventTime::now().micros() / 1_000_000;
            let mut ended = self.ended();
            ended.retain(|_, until| *until >= now);
            ended.insert(claim, now + SESSION_SECONDS);
            drop(ended);
            self.changes.send_modify(|count| *count += 1);
        }
        self.cookie("", 0).unwrap_or_else(|| HeaderValue::from_static(""))
    }

    fn cookie(&self, value: &str, seconds: i64) -> Option<HeaderValue> {
        let secure = if self.secure { "; Secure" } else { "" };
        let text = format!("{COOKIE}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}");
        HeaderValue::from_str(&text).ok()
    }
}

fn digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The key that the cookie was made of, and what the cookie claims: any process with that key made it, and it ends with the key.
fn of_cookie<'k>(keys: &'k Keys, headers: &HeaderMap) -> Option<(&'k Key, Vec<u8>)> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|cookies| cookies.to_str().ok());
    let mut cookies = cookies.flat_map(|cookies| cookies.split(';')).map(str::trim);
    let value = cookies.find_map(|cookie| cookie.strip_prefix(COOKIE)?.strip_prefix('='))?;
    let (claim, tag) = value.split_once('.')?;
    let (claim, tag) = (hex(claim)?, hex(tag)?);
    let (session, until) = std::str::from_utf8(&claim).ok()?.rsplit_once('|')?;
    let (name, _) = session.rsplit_once('|')?;
    let is_over = until.parse::<i64>().ok()? < EventTime::now().micros() / 1_000_000;
    let good = |key: &&Key| {
        key.name == name && hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, &key.digest), &claim, &tag).is_ok()
    };
    let key = if is_over { None } else { keys.0.iter().find(good) }?;
    Some((key, claim))
}

/// Where keys come from.
#[derive(Clone, Debug)]
pub enum KeySource {
    File(PathBuf),
    Text(String),
}

impl KeySource {
    /// # Errors
    /// When there is no good key.
    pub fn read(&self) -> Result<Keys> {
        let read = match self {
            Self::File(path) => read_file(path).and_then(|text| Keys::read(&text)),
            Self::Text(text) => Keys::read(&text.replace(';', "\n")),
        };
        read.map_err(|reason| match self {
            Self::File(path) => Error::Setting { name: "keys", reason: format!("{}: {reason}", path.display()) },
            Self::Text(_) => Error::Setting { name: "CLIENTELE_KEYS", reason },
        })
    }
}

fn read_file(path: &Path) -> std::result::Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| error.to_string())
}

/// Takes up another key file within two seconds, for as long as the process serves. A bad one changes nothing.
pub async fn keep_rotating(access: Arc<Access>, path: PathBuf) {
    let mut before = read_file(&path).ok();
    loop {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        let now = read_file(&path).ok();
        if now == before {
            continue;
        }
        match now.as_deref().map(Keys::read) {
            Some(Ok(keys)) => {
                tracing::info!(keys = keys.0.len(), "the key file changed: its keys are good from now on");
                access.rotate(keys);
            }
            Some(Err(reason)) => tracing::warn!(reason, "the key file changed and is not good: keys stay as they are"),
            None => tracing::warn!("the key file cannot be read: keys stay as they are"),
        }
        before = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# who\nanna read 0123456789abcdef-anna\nshop write 0123456789abcdef-shop # posts\n";

    fn bearer(key: &str) -> HeaderMap {
        let value = HeaderValue::from_str(&format!("Bearer {key}")).expect("a header");
        HeaderMap::from_iter([(header::AUTHORIZATION, value)])
    }

    #[test]
    fn keys_have_scopes() {
        let access = Access::with(Some(Keys::read(FILE).expect("keys")), false);
        let anna = access.caller(&bearer("0123456789abcdef-anna")).expect("known");
        assert_eq!((anna.name.as_str(), anna.may_write), ("anna", false));
        assert!(access.caller(&bearer("0123456789abcdef-shop")).is_some_and(|shop| shop.may_write));
        assert_eq!(access.caller(&bearer("0123456789abcdef-annb")), None);
        assert_eq!(access.caller(&HeaderMap::new()), None);
    }

    #[test]
    fn a_digest_stands_for_its_key() {
        let digest = digits(&sha256("open sesame, please"));
        let access = Access::with(Some(Keys::read(&format!("a write {digest}")).expect("keys")), false);
        assert!(access.caller(&bearer("open sesame, please")).is_some());
        assert!(access.caller(&bearer(&digest)).is_none(), "the digest is no key");
    }

    #[test]
    fn a_session_ends_with_its_key() {
        let access = Access::with(Some(Keys::read(FILE).expect("keys")), true);
        assert!(access.session("wrong").is_none());
        let cookie = access.session("0123456789abcdef-shop").expect("a session");
        let cookie = cookie.to_str().expect("text");
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict") && cookie.contains("Secure"));
        let value = cookie.split(';').next().expect("a value");
        let of =
            |value: &str| HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_str(value).expect("a header"))]);
        assert!(access.caller(&of(&format!("a=b; {value}"))).is_some_and(|caller| caller.may_write));
        let last = value.chars().next_back().expect("a digit");
        let forged = format!("{}{}", &value[..value.len() - 1], if last == '0' { '1' } else { '0' });
        assert_eq!(access.caller(&of(&forged)), None);
        access.rotate(Keys::read("shop write 0123456789abcdef-new!").expect("keys"));
        assert_eq!(access.caller(&of(value)), None);
    }

    #[test]
    fn a_session_that_was_ended_is_over_whoever_kept_its_cookie() {
        let access = Access::with(Some(Keys::read(FILE).expect("keys")), false);
        let cookie = access.session("0123456789abcdef-anna").expect("a session");
        let kept = cookie.to_str().expect("text").split(';').next().expect("a value").to_owned();
        let headers = HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_str(&kept).expect("a header"))]);
        let mut changes = access.changes();
        assert!(access.caller(&headers).is_some());
        assert!(access.end_session(&headers).to_str().is_ok_and(|cookie| cookie.contains("Max-Age=0")));
        assert!(changes.has_changed().expect("there") && access.caller(&headers).is_none());
        // However its digits are spelled.
        let (name, value) = kept.split_once('=').expect("a name and a value");
        let spelled = format!("{name}={}", value.to_uppercase());
        let spelled = HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_str(&spelled).expect("a header"))]);
        assert!(access.caller(&spelled).is_none());
        // The key itself stays good, and a session beside it.
        let beside = access.session("0123456789abcdef-anna").expect("a session");
        assert!(access.caller(&HeaderMap::from_iter([(header::COOKIE, beside)])).is_some());
        assert!(access.caller(&bearer("0123456789abcdef-anna")).is_some());
        changes.mark_unchanged();
        let _ = access.end_session(&headers);
        assert!(!changes.has_changed().expect("there"), "it was over already");
    }

    #[test]
    fn bad_lines_are_named() {
        for (text, told) in [("", "no key"), ("a b c", "line 1"), ("\na read short", "line 2"), ("a read", "line 1")] {
            assert!(Keys::read(text).is_err_and(|reason| reason.contains(told)), "{text:?}");
        }
    }
}
