use std::io;
use std::path::PathBuf;

use rdkafka::error::KafkaError;

pub type Result<T> = std::result::Result<T, Error>;

/// Why there is no broker, or no answer from it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("no Kafka here: {reason}; ./just test and ./just kafka fetch it and set CLIENTELE_KAFKA to its libraries")]
    NotInstalled { reason: String },
    #[error("cannot start java: {source}; install Java 17 or newer (Debian: openjdk-17-jre-headless)")]
    Java { source: io::Error },
    #[error("{path}: {source}")]
    File { path: PathBuf, source: io::Error },
    #[error("cannot signal the broker: {source}")]
    Signal { source: io::Error },
    #[error("cannot make a certificate: {source}")]
    Certificate { source: rcgen::Error },
    #[error("port {port} of 127.0.0.1 is in use; give another")]
    PortTaken { port: u16 },
    #[error("no three free ports on 127.0.0.1")]
    NoPorts,
    #[error("{doing} failed; the end of its log:\n{log}")]
    Failed { doing: &'static str, log: String },
    #[error("the broker does not answer after {waited_s} s; the end of its log:\n{log}")]
    Silent { waited_s: u64, log: String },
    #[error("{doing}: {source}")]
    Client { doing: String, source: KafkaError },
}

impl Error {
    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }

    pub(crate) fn client(doing: impl Into<String>) -> impl FnOnce(KafkaError) -> Self {
        let doing = doing.into();
        move |source| Self::Client { doing, source }
    }
}
