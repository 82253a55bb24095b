//! The broker as its test sees it.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rustix::process::Signal;

use crate::error::{Error, Result};
use crate::folder::Folder;
use crate::installation::libraries;
use crate::java::{Java, Server};
use crate::options::{BrokerOptions, Security};
use crate::ports::Ports;

/// On two busy cores a start takes 2 to 10 s.
const START_PATIENCE: Duration = Duration::from_secs(90);
const STOP_PATIENCE: Duration = Duration::from_secs(30);
/// Ports found free may be taken before Kafka opens them.
const ATTEMPTS: usize = 5;

/// A running Kafka; dropped, it is killed and its temporary data are removed.
#[derive(Debug)]
pub struct Broker {
    // Dropped before the folder that it writes to.
    server: Option<Server>,
    pid: u32,
    ports: Ports,
    java: Java,
    folder: Folder,
    options: BrokerOptions,
}

impl Broker {
    /// Starts a broker and waits until it answers.
    ///
    /// # Errors
    /// When Kafka or Java is missing, a given port is taken, or the broker does not come up: the message then
    /// holds the end of its log.
    pub fn start(options: BrokerOptions) -> Result<Self> {
        let libraries = libraries()?;
        let folder = Folder::make(&options)?;
        let (scratch, log, log_settings) = (folder.path().to_owned(), folder.log(), folder.log_settings());
        let java = Java { libraries, scratch, log, log_settings };
        let ports = Ports::find(options.port)?;
        let mut broker = Self { server: None, pid: 0, ports, java, folder, options };
        broker.folder.write_settings(&broker.options, ports)?;
        broker.format()?;
        for attempt in 1.. {
            match broker.launch() {
                Err(Error::Failed { log, .. }) if attempt < ATTEMPTS && log.contains("Address already in use") => {
                    broker.ports = Ports::find(broker.options.port)?;
                    broker.folder.write_settings(&broker.options, broker.ports)?;
                }
                launched => return launched.map(|()| broker),
            }
        }
        Err(Error::NoPorts)
    }

    /// The same for a test, which is skipped where Kafka is not installed: then `None`, and a message; not in CI.
    ///
    /// # Errors
    /// As [`Broker::start`].
    pub fn start_or_skip(options: BrokerOptions) -> Result<Option<Self>> {
        match Self::start(options) {
            Err(error @ Error::NotInstalled { .. }) if std::env::var_os("CI").is_none() => {
                eprintln!("skipped: {error}");
                Ok(None)
            }
            started => started.map(Some),
        }
    }

    /// `127.0.0.1:port`, for clients as [`Broker::client_properties`] make them.
    #[must_use]
    pub fn bootstrap(&self) -> String {
        address(self.ports.clients).to_string()
    }

    /// Another address of the same broker, open to all whatever its security.
    #[must_use]
    pub fn internal_bootstrap(&self) -> String {
        address(self.ports.internal).to_string()
    }

    /// What a client needs beside the address, as librdkafka names it; nothing for an open broker.
    #[must_use]
    pub fn client_properties(&self) -> BTreeMap<String, String> {
        let Some(files) = self.folder.certificates() else { return BTreeMap::new() };
        let authority = files.authority.display().to_string();
        let properties: Vec<(&str, String)> = match &self.options.security {
            Security::Open => Vec::new(),
            Security::ScramSsl { user, password } => vec![
                ("security.protocol", "SASL_SSL".to_owned()),
                ("ssl.ca.location", authority),
                ("sasl.mechanism", "SCRAM-SHA-512".to_owned()),
                ("sasl.username", user.clone()),
                ("sasl.password", password.clone()),
            ],
            Security::MutualTls => vec![
                ("security.protocol", "SSL".to_owned()),
                ("ssl.ca.location", authority),
                ("ssl.certificate.location", files.client_certificate.display().to_string()),
                ("ssl.key.location", files.client_key.display().to_string()),
            ],
        };
        properties.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// A client of this broker: its address and [`Broker::client_properties`].
    #[must_use]
    pub fn client_config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.bootstrap()).extend(self.client_properties());
        config
    }

    /// The process started last.
    #[must_use]
    pub const fn pid(&self) -> u32 {
        self.pid
    }

    /// The end of the broker's log.
    #[must_use]
    pub fn log_tail(&self) -> String {
        self.java.log_tail()
    }

    /// Whether the process is there, paused or not.
    pub fn is_running(&mut self) -> bool {
        self.server.as_mut().is_some_and(|server| server.ended().is_none())
    }

    /// Ends it in order (SIGTERM), also when it is paused; data and ports stay. Killed when that takes over 30 s.
    ///
    /// # Errors
    /// When it cannot be told.
    pub fn stop(&mut self) -> Result<()> {
        let Some(mut server) = self.server.take() else { return Ok(()) };
        if server.ended().is_none() {
            server.signal(Signal::TERM)?;
            server.signal(Signal::CONT)?;
            server.wait(STOP_PATIENCE);
        }
        Ok(())
    }

    /// Ends it at once (SIGKILL); data and ports stay.
    pub fn kill(&mut self) {
        self.server = None;
    }

    /// Stops it if it runs, then starts it with the same ports and data, and waits until it answers.
    ///
    /// # Errors
    /// As [`Broker::start`].
    pub fn restart(&mut self) -> Result<()> {
        self.stop()?;
        self.launch()
    }

    /// Freezes it (SIGSTOP): connections stay, nothing answers.
    ///
    /// # Errors
    /// When it has ended.
    pub fn pause(&mut self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets it go on (SIGCONT).
    ///
    /// # Errors
    /// When it has ended.
    pub fn resume(&mut self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    fn signal(&mut self, signal: Signal) -> Result<()> {
        let running = self.server.as_mut().and_then(|server| server.ended().is_none().then_some(server));
        running.map_or(Err(Error::Signal { source: std::io::Error::other("it has ended") }), |server| {
            server.signal(signal)
        })
    }

    fn format(&self) -> Result<()> {
        if self.folder.is_formatted() {
            return Ok(());
        }
        let arguments = self.folder.format_arguments(&self.options.security);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        self.java.run("formatting the broker's storage", "kafka.tools.StorageTool", &arguments)
    }

    fn launch(&mut self) -> Result<()> {
        let started =
            self.java.start(&self.options.heap, "kafka.Kafka", &self.folder.settings(), self.folder.doomed())?;
        self.pid = started.pid();
        let server = self.server.insert(started);
        let deadline = Instant::now() + START_PATIENCE;
        while !answers(self.ports) {
            if server.ended().is_some() {
                self.server = None;
                return Err(Error::Failed { doing: "starting the broker", log: self.java.log_tail() });
            }
            if Instant::now() >= deadline {
                self.server = None;
                return Err(Error::Silent { waited_s: START_PATIENCE.as_secs(), log: self.java.log_tail() });
            }
            sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

/// Whether both ports for clients are open and the broker tells what topics it has.
fn answers(ports: Ports) -> bool {
    let open = |port| TcpStream::connect_timeout(&address(port), Duration::from_secs(1)).is_ok();
    if !open(ports.clients) || !open(ports.internal) {
        return false;
    }
    let asked = ClientConfig::new().set("bootstrap.servers", address(ports.internal).to_string()).create();
    let consumer: BaseConsumer = match asked {
        Ok(consumer) => consumer,
        Err(_) => return false,
    };
    consumer.fetch_metadata(None, Duration::from_secs(5)).is_ok_and(|metadata| !metadata.brokers().is_empty())
}

fn address(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}
