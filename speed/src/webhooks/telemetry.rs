//! What `/metrics` says of webhooks.

use std::sync::{Mutex, PoisonError};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Labels {
    pub webhook: String,
}

/// Counters of every webhook.
#[derive(Debug)]
pub struct Metrics {
    registry: Mutex<Registry>,
    families: [Family<Labels, Counter>; 5],
}

/// Those of one.
#[derive(Clone, Debug)]
pub struct Counters {
    pub delivered: Counter,
    pub retried: Counter,
    pub failed: Counter,
    pub repeated: Counter,
    pub filtered: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("clientele_webhooks");
        let names = [
            ("delivered", "Alerts that the endpoint took"),
            ("retried", "Attempts that failed and were made again"),
            ("failed", "Alerts that were not told, and are kept as dead letters"),
            ("repeated", "Alerts that came again and were not told again"),
            ("filtered", "Alerts that the webhook does not want"),
        ];
        let families = names.map(|(name, help)| {
            let family = Family::default();
            registry.register(name, help, Family::clone(&family));
            family
        });
        Self { registry: Mutex::new(registry), families }
    }
}

impl Metrics {
    #[must_use]
    pub fn of(&self, webhook: &str) -> Counters {
        let labels = Labels { webhook: webhook.to_owned() };
        let [delivered, retried, failed, repeated, filtered] =
            self.families.each_ref().map(|family| family.get_or_create_owned(&labels));
        Counters { delivered, retried, failed, repeated, filtered }
    }

    /// The text that Prometheus reads.
    #[must_use]
    pub fn encoded(&self) -> String {
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = encode(&mut text, &self.registry.lock().unwrap_or_else(PoisonError::into_inner));
        text
    }
}
