//! What was answered to requests that may come twice.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use axum::body::Bytes;
use xxhash_rust::xxh3::xxh3_128;

/// Keys that are remembered.
const HELD: usize = 10_000;

/// By `Idempotency-Key`: what the request was, and the answer.
#[derive(Debug, Default)]
pub struct Idempotency(Mutex<Held>);

#[derive(Debug, Default)]
struct Held {
    answers: HashMap<String, (u128, Option<Bytes>)>,
    order: VecDeque<String>,
}

/// What to do about a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// To be done; [`Idempotency::done`] or [`Idempotency::failed`] must follow.
    New,
    /// It is being done.
    Underway,
    Done(Bytes),
    /// The key was used for something else.
    Other,
}

impl Idempotency {
    #[must_use]
    pub fn begin(&self, key: &str, body: &[u8]) -> Known {
        let digest = xxh3_128(body);
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match held.answers.get(key) {
            Some((own, _)) if *own != digest => Known::Other,
            Some((_, None)) => Known::Underway,
            Some((_, Some(answer))) => Known::Done(answer.clone()),
            None => {
                held.answers.insert(key.to_owned(), (digest, None));
                held.order.push_back(key.to_owned());
                if held.order.len() > HELD
                    && let Some(oldest) = held.order.pop_front()
                {
                    held.answers.remove(&oldest);
                }
                Known::New
            }
        }
    }

    pub fn done(&self, key: &str, answer: Bytes) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, own)) = held.answers.get_mut(key) {
            *own = Some(answer);
        }
    }

    /// The next request with this key is a new one.
    pub fn failed(&self, key: &str) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.answers.remove(key);
        held.order.retain(|own| own != key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_stands_for_one_request() {
        let known = Idempotency::default();
        assert_eq!(known.begin("a", b"1"), Known::New);
        assert_eq!(known.begin("a", b"1"), Known::Underway);
        known.done("a", Bytes::from_static(b"answer"));
        assert_eq!(known.begin("a", b"1"), Known::Done(Bytes::from_static(b"answer")));
        assert_eq!(known.begin("a", b"2"), Known::Other);
        assert_eq!(known.begin("b", b"2"), Known::New);
        known.failed("b");
        assert_eq!(known.begin("b", b"3"), Known::New);
    }
}
