//! How much one client may ask.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Clients that are remembered; when there are more, all start afresh.
const CLIENTS: usize = 20_000;

/// A bucket for each address: so many requests a second, ten times as many at once.
#[derive(Debug, Default)]
pub struct Limits {
    per_second: Option<f64>,
    clients: Mutex<HashMap<IpAddr, (f64, Instant)>>,
}

impl Limits {
    /// `None`: no limit.
    #[must_use]
    pub fn new(per_second: Option<u32>) -> Self {
        Self { per_second: per_second.map(f64::from), clients: Mutex::default() }
    }

    /// Whether one more request is within the limit.
    #[must_use]
    pub fn allows(&self, client: Option<IpAddr>) -> bool {
        let (Some(per_second), Some(client)) = (self.per_second, client) else { return true };
        let most = per_second * 10.0;
        let now = Instant::now();
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if clients.len() >= CLIENTS && !clients.contains_key(&client) {
            clients.clear();
        }
        let (left, since) = clients.entry(client).or_insert((most, now));
        *left = now.duration_since(*since).as_secs_f64().mul_add(per_second, *left).min(most);
        *since = now;
        if *left < 1.0 {
            return false;
        }
        *left -= 1.0;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_runs_dry_for_its_client_alone() {
        let limits = Limits::new(Some(1));
        let [one, other] = [1, 2].map(|last| Some(IpAddr::from([10, 0, 0, last])));
        assert_eq!((0..20).filter(|_| limits.allows(one)).count(), 10);
        assert!(limits.allows(other));
        assert!((0..1_000).all(|_| Limits::new(None).allows(one)));
    }
}
