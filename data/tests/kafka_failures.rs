//! What a person reads when a cluster cannot be reached, asked of a real broker.
#![cfg(feature = "kafka")]
#![allow(clippy::expect_used, reason = "a test fails by it")]

use std::net::TcpListener;
use std::time::{Duration, Instant};

use data::kafka::{Cause, Context, Failure, KafkaSettings, reach};
use kafka::{Broker, BrokerOptions, Security};
use rdkafka::consumer::{BaseConsumer, Consumer};

fn ask(settings: &KafkaSettings) -> Result<(), Failure> {
    let context = Context::default();
    let begun = Instant::now();
    let consumer: BaseConsumer<Context> =
        settings.client_config().create_with_context(context.clone()).map_err(|error| context.explain(&error))?;
    let poll = || drop(consumer.poll(Duration::ZERO));
    let answer = reach(consumer.client(), &context, poll, None, Duration::from_secs(8)).map(drop);
    assert!(begun.elapsed() < Duration::from_secs(12), "{:?}", begun.elapsed());
    if let Err(failure) = &answer {
        eprintln!("{failure}");
    }
    answer
}

fn settings(broker: &Broker, changes: &[(&str, &str)]) -> KafkaSettings {
    let changes = changes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    KafkaSettings::new(broker.bootstrap()).with(broker.client_properties()).with(changes)
}

fn cause(settings: &KafkaSettings) -> Option<Cause> {
    ask(settings).err().map(|failure| failure.cause)
}

#[test]
fn nobody_there_and_nobody_answering() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = free.local_addr().expect("bound").to_string();
    // It accepts, and then says nothing.
    assert_eq!(cause(&KafkaSettings::new(&address)), Some(Cause::Silent));
    drop(free);
    let refused = ask(&KafkaSettings::new("127.0.0.1:1")).expect_err("refused");
    assert_eq!((refused.cause, refused.broker.as_deref()), (Cause::Refused, Some("127.0.0.1:1")));
    assert_eq!(cause(&KafkaSettings::new("no-such-host.invalid:9092")), Some(Cause::Resolve));
}

#[test]
fn wrong_logins() {
    let security = Security::ScramSsl { user: "anna".to_owned(), password: "hush".to_owned() };
    let Some(broker) = Broker::start_or_skip(BrokerOptions::secured(security)).expect("a broker") else { return };
    assert_eq!(cause(&settings(&broker, &[])), None);
    let wrong = ask(&settings(&broker, &[("sasl.password", "guess")])).expect_err("refused");
    assert_eq!((wrong.cause, wrong.broker), (Cause::Authentication, Some(broker.bootstrap())));
    assert_eq!(cause(&settings(&broker, &[("sasl.mechanism", "PLAIN")])), Some(Cause::Authentication));
    assert_eq!(cause(&settings(&broker, &[("ssl.ca.location", "/etc/ssl/certs")])), Some(Cause::Tls));
    assert_eq!(cause(&settings(&broker, &[("security.protocol", "plaintext")])), Some(Cause::Protocol));
}

#[test]
fn missing_certificates() {
    let Some(broker) = Broker::start_or_skip(BrokerOptions::secured(Security::MutualTls)).expect("a broker") else {
        return;
    };
    assert_eq!(cause(&settings(&broker, &[])), None);
    let bare = [("ssl.certificate.location", ""), ("ssl.key.location", "")];
    assert_eq!(cause(&settings(&broker, &bare)), Some(Cause::Tls));
    // The other way round: TLS where the broker speaks none.
    let open = Broker::start(BrokerOptions::default()).expect("a broker");
    assert_eq!(cause(&settings(&open, &[("security.protocol", "ssl")])), Some(Cause::Tls));
}
