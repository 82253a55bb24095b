//! The embedded broker: librdkafka's mock cluster on loopback, for trying out without an installation.
//!
//! It keeps the newest 5 MiB or 100,000 batches of each partition in memory, and nothing when it ends. It knows
//! no transactions worth the name, no compaction and no admin requests; asked about a topic, it makes it.

use std::io::{self, copy};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;

use rdkafka::error::KafkaError;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedFailure {
    #[error("the embedded broker does not start: {source}")]
    Start { source: KafkaError },
    #[error("topic {topic} of the embedded broker: {source}")]
    Topic { topic: String, source: KafkaError },
    #[error("cannot listen on 127.0.0.1:{port}: {source}; give another --port")]
    Port { port: u16, source: io::Error },
}

/// Runs until it is dropped.
pub struct EmbeddedBroker {
    cluster: MockCluster<'static, DefaultProducerContext>,
    port: Option<u16>,
}

impl EmbeddedBroker {
    /// Starts it with `topics` (name, partitions). It picks its port by itself; at `port`, if given, it can be
    /// reached too.
    ///
    /// # Errors
    /// When the port is taken or a topic cannot be.
    pub fn start(topics: &[(String, i32)], port: Option<u16>) -> Result<Self, EmbeddedFailure> {
        let cluster = MockCluster::new(1).map_err(|source| EmbeddedFailure::Start { source })?;
        for (topic, partitions) in topics {
            let made = cluster.create_topic(topic, *partitions, 1);
            made.map_err(|source| EmbeddedFailure::Topic { topic: topic.clone(), source })?;
        }
        if let Some(port) = port {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port));
            let listener = listener.map_err(|source| EmbeddedFailure::Port { port, source })?;
            let target = cluster.bootstrap_servers();
            thread::spawn(move || introduce(&listener, &target));
        }
        Ok(Self { cluster, port })
    }

    /// `127.0.0.1:port`, where clients begin.
    #[must_use]
    pub fn bootstrap(&self) -> String {
        match self.port {
            Some(port) => SocketAddr::from((Ipv4Addr::LOCALHOST, port)).to_string(),
            None => self.cluster.bootstrap_servers(),
        }
    }
}

/// Passes on what arrives at a port of our choice. Clients ask there who the brokers are, and are told the port
/// that the cluster chose; so little goes this way.
fn introduce(listener: &TcpListener, target: &str) {
    for client in listener.incoming().flatten() {
        // One that cannot be passed on sees its connection end, and tries again.
        let Ok(broker) = TcpStream::connect(target) else { continue };
        let (Ok(from_client), Ok(from_broker)) = (client.try_clone(), broker.try_clone()) else { continue };
        thread::spawn(move || pass(from_client, broker));
        thread::spawn(move || pass(from_broker, client));
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream) {
    let _ = copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Both);
}
