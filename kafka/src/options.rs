//! What a broker is asked to be.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// How clients must introduce themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Security {
    #[default]
    Open,
    /// TLS, then SCRAM-SHA-256 or SCRAM-SHA-512 with this one account.
    ScramSsl { user: String, password: String },
    /// TLS with a certificate on both sides.
    MutualTls,
}

/// The default is an open broker on free ports, with its data in a folder that goes with it.
#[derive(Clone, Debug)]
pub struct BrokerOptions {
    pub security: Security,
    /// The port for clients; a free one if `None`.
    pub port: Option<u16>,
    /// Where the data stay; without it they go with the broker.
    pub data: Option<PathBuf>,
    /// Java's heap, as `-Xmx` takes it.
    pub heap: String,
    /// On top of ours, as in Kafka's `server.properties`.
    pub properties: BTreeMap<String, String>,
}

impl Default for BrokerOptions {
    fn default() -> Self {
        Self { security: Security::Open, port: None, data: None, heap: "1g".to_owned(), properties: BTreeMap::new() }
    }
}

impl BrokerOptions {
    /// The default behind `security`.
    #[must_use]
    pub fn secured(security: Security) -> Self {
        Self { security, ..Self::default() }
    }

    /// The same with one more of Kafka's properties.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.properties.insert(name.into(), value.into());
        self
    }
}
