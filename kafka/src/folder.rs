//! The folder of a broker: its settings, certificates, data and log.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::certificates::Certificates;
use crate::error::{Error, Result};
use crate::options::{BrokerOptions, Security};
use crate::ports::Ports;

/// Any will do: a cluster here is one node.
const CLUSTER_ID: &str = "Q2xpZW50ZWxlLUthZmthMQ";

const LOG_SETTINGS: &str = "\
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d{ISO8601} %p %m (%c)%n
logger.config.name=org.apache.kafka.common.config
logger.config.level=WARN
rootLogger.level=INFO
rootLogger.appenderRef.out.ref=out
";

/// One node that is all there is, and that does not wait for others.
const PROPERTIES: [(&str, &str); 18] = [
    ("process.roles", "broker,controller"),
    ("node.id", "1"),
    ("controller.listener.names", "CONTROLLER"),
    ("inter.broker.listener.name", "INTERNAL"),
    ("num.partitions", "4"),
    ("default.replication.factor", "1"),
    ("offsets.topic.replication.factor", "1"),
    ("offsets.topic.num.partitions", "4"),
    ("transaction.state.log.replication.factor", "1"),
    ("transaction.state.log.min.isr", "1"),
    ("transaction.state.log.num.partitions", "4"),
    ("share.coordinator.state.topic.replication.factor", "1"),
    ("share.coordinator.state.topic.min.isr", "1"),
    ("share.coordinator.state.topic.num.partitions", "4"),
    ("group.initial.rebalance.delay.ms", "0"),
    ("group.min.session.timeout.ms", "1000"),
    // One that was killed must not be waited for when it comes back.
    ("broker.session.timeout.ms", "3000"),
    ("broker.heartbeat.interval.ms", "500"),
];

#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// Removed when dropped.
    temporary: Option<TempDir>,
    certificates: Option<Certificates>,
}

impl Folder {
    pub fn make(options: &BrokerOptions) -> Result<Self> {
        let (path, temporary) = match &options.data {
            Some(path) => {
                fs::create_dir_all(path).map_err(Error::file(path))?;
                (path.canonicalize().map_err(Error::file(path))?, None)
            }
            None => {
                let made = tempfile::Builder::new().prefix("kafka-").tempdir();
                let folder = made.map_err(Error::file(std::env::temp_dir()))?;
                (folder.path().to_owned(), Some(folder))
            }
        };
        let certificates = match options.security {
            Security::Open => None,
            Security::ScramSsl { .. } | Security::MutualTls => Some(Certificates::make(&path)?),
        };
        let folder = Self { path, temporary, certificates };
        folder.write(&folder.log_settings(), LOG_SETTINGS)?;
        Ok(folder)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn log(&self) -> PathBuf {
        self.path.join("broker.log")
    }

    pub fn log_settings(&self) -> PathBuf {
        self.path.join("log4j2.properties")
    }

    pub fn settings(&self) -> PathBuf {
        self.path.join("server.properties")
    }

    pub fn is_formatted(&self) -> bool {
        self.data().join("meta.properties").exists()
    }

    /// The folder, where it goes with the broker.
    pub fn doomed(&self) -> Option<&Path> {
        self.temporary.as_ref().map(TempDir::path)
    }

    pub fn certificates(&self) -> Option<&Certificates> {
        self.certificates.as_ref()
    }

    /// What `StorageTool` is told.
    pub fn format_arguments(&self, security: &Security) -> Vec<String> {
        let settings = self.settings().display().to_string();
        let mut arguments: Vec<String> =
            ["format", "-t", CLUSTER_ID, "-c", &settings].into_iter().map(str::to_owned).collect();
        if let Security::ScramSsl { user, password } = security {
            for mechanism in ["SCRAM-SHA-256", "SCRAM-SHA-512"] {
                arguments.extend(["--add-scram".to_owned(), format!("{mechanism}=[name={user},password={password}]")]);
            }
        }
        arguments
    }

    /// Writes `server.properties`; later ones of a name win.
    pub fn write_settings(&self, options: &BrokerOptions, ports: Ports) -> Result<()> {
        let ours = PROPERTIES.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let mut properties: Vec<(String, String)> = ours.collect();
        properties.extend(self.addresses(options, ports));
        properties.extend(self.security(&options.security));
        properties.extend(options.properties.clone());
        let text = properties.iter().fold(String::new(), |mut text, (name, value)| {
            let _ = writeln!(text, "{name}={value}"); // into a text, which takes all
            text
        });
        self.write(&self.settings(), &text)
    }

    fn addresses(&self, options: &BrokerOptions, ports: Ports) -> Vec<(String, String)> {
        let protocol = match options.security {
            Security::Open => "PLAINTEXT",
            Security::ScramSsl { .. } => "SASL_SSL",
            Security::MutualTls => "SSL",
        };
        let Ports { clients, internal, controller } = ports;
        let reached = format!("CLIENTS://127.0.0.1:{clients},INTERNAL://127.0.0.1:{internal}");
        let controller = format!("127.0.0.1:{controller}");
        owned([
            ("listeners", format!("{reached},CONTROLLER://{controller}")),
            ("advertised.listeners", reached),
            ("listener.security.protocol.map", format!("CLIENTS:{protocol},INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT")),
            ("controller.quorum.voters", format!("1@{controller}")),
            ("log.dirs", self.data().display().to_string()),
        ])
    }

    fn security(&self, security: &Security) -> Vec<(String, String)> {
        const LOGIN: &str = "org.apache.kafka.common.security.scram.ScramLoginModule required;";
        let Some(files) = &self.certificates else { return Vec::new() };
        let mut properties = owned([
            ("ssl.keystore.type", "PEM".to_owned()),
            ("ssl.keystore.location", files.broker.display().to_string()),
            ("ssl.truststore.type", "PEM".to_owned()),
            ("ssl.truststore.location", files.authority.display().to_string()),
        ]);
        properties.extend(match security {
            Security::ScramSsl { .. } => owned([
                ("sasl.enabled.mechanisms", "SCRAM-SHA-256,SCRAM-SHA-512".to_owned()),
                ("listener.name.clients.scram-sha-256.sasl.jaas.config", LOGIN.to_owned()),
                ("listener.name.clients.scram-sha-512.sasl.jaas.config", LOGIN.to_owned()),
            ]),
            _ => owned([("listener.name.clients.ssl.client.auth", "required".to_owned())]),
        });
        properties
    }

    fn data(&self) -> PathBuf {
        self.path.join("data")
    }

    fn write(&self, path: &Path, text: &str) -> Result<()> {
        fs::write(path, text).map_err(Error::file(path))
    }
}

fn owned<const N: usize>(properties: [(&str, String); N]) -> Vec<(String, String)> {
    properties.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
