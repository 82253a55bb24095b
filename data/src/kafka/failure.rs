//! Why a cluster does not answer, in words that help.
//!
//! librdkafka tells a wrong password, an untrusted certificate and a broker that is not there all as "all broker
//! connections are down". The reason goes to its callbacks only: [`Context`] keeps it, [`explain`] translates it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::client::Client;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::Metadata;

/// What is wrong with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The broker does not know this account, password or mechanism.
    Authentication,
    /// One side does not trust the other's certificate, or speaks no TLS.
    Tls,
    /// One side speaks TLS or SASL where the other does not.
    Protocol,
    /// The host has no address.
    Resolve,
    /// Nothing listens there.
    Refused,
    /// The account may not do this.
    Authorization,
    /// Something listens, but nothing comes back.
    Silent,
    Other,
}

impl Cause {
    /// Waiting will not help.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Authentication | Self::Tls | Self::Authorization)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Authentication => "the login is refused",
            Self::Tls => "no secure connection",
            Self::Protocol => "it hangs up, as brokers do that expect another security.protocol",
            Self::Resolve => "the host is unknown",
            Self::Refused => "nothing listens there",
            Self::Authorization => "the account may not do this",
            Self::Silent => "no answer",
            Self::Other => "failed",
        }
    }

    const fn advice(self) -> &'static str {
        match self {
            Self::Authentication => "check sasl.username, sasl.password and sasl.mechanism",
            Self::Tls => {
                "check security.protocol, ssl.ca.location and, where the broker asks for a certificate, \
                 ssl.certificate.location and ssl.key.location"
            }
            Self::Protocol => "check security.protocol: plaintext, ssl, sasl_plaintext or sasl_ssl",
            Self::Resolve => "check the host in --brokers",
            Self::Refused => "check host and port in --brokers, and that the broker runs",
            Self::Authorization => "give the account the right in the broker's ACLs",
            Self::Silent => "check host and port in --brokers, and what lies between",
            Self::Other => "check --brokers and the [kafka] settings",
        }
    }
}

/// Why a broker could not be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// `host:port`, where the client said.
    pub broker: Option<String>,
    pub cause: Cause,
    /// librdkafka's own words.
    pub detail: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.broker {
            Some(broker) => write!(out, "kafka broker {broker}: {}", self.cause.name())?,
            None => write!(out, "kafka: {}", self.cause.name())?,
        }
        if !self.detail.is_empty() {
            write!(out, " ({})", self.detail)?;
        }
        write!(out, "; {}", self.cause.advice())
    }
}

impl std::error::Error for Failure {}

/// What `code` with librdkafka's `text` means.
#[must_use]
pub fn explain(code: RDKafkaErrorCode, text: &str) -> Failure {
    let (broker, detail) = split(text);
    Failure { broker, cause: cause(code, detail), detail: detail.to_owned() }
}

fn cause(code: RDKafkaErrorCode, detail: &str) -> Cause {
    use RDKafkaErrorCode as Code;
    let says = |words: &str| detail.contains(words);
    match code {
        Code::Authentication | Code::SaslAuthenticationFailed | Code::UnsupportedSASLMechanism => Cause::Authentication,
        Code::SSL => Cause::Tls,
        Code::Resolve => Cause::Resolve,
        Code::TopicAuthorizationFailed
        | Code::GroupAuthorizationFailed
        | Code::ClusterAuthorizationFailed
        | Code::TransactionalIdAuthorizationFailed => Cause::Authorization,
        _ if says("SSL handshake") || says("certificate") => Cause::Tls,
        _ if says("Failed to resolve") => Cause::Resolve,
        _ if says("refused") => Cause::Refused,
        // Brokers hang up on whoever does not begin as their listener expects.
        _ if says("Disconnected") && says("APIVERSION_QUERY") => Cause::Protocol,
        Code::OperationTimedOut | Code::RequestTimedOut | Code::BrokerTransportFailure => Cause::Silent,
        _ => Cause::Other,
    }
}

/// Takes `sasl_ssl://host:9093/bootstrap: what happened` apart.
fn split(text: &str) -> (Option<String>, &str) {
    let Some((name, detail)) = text.split_once(": ") else { return (None, text) };
    let address = name.split_once("://").map_or(name, |(_, address)| address);
    let address = address.split_once('/').map_or(address, |(address, _)| address);
    let has_port = address.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    if has_port && !address.contains(' ') { (Some(address.to_owned()), detail) } else { (None, text) }
}

/// A client's context that keeps the last reason for which it could not reach a broker. Clones share it, so that
/// a client with a context of its own can hold one and pass its callbacks on.
#[derive(Clone, Debug, Default)]
pub struct Context {
    last: Arc<Mutex<Option<Failure>>>,
}

impl Context {
    /// The last reason, until [`Context::forget`].
    #[must_use]
    pub fn reason(&self) -> Option<Failure> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// To be called once a broker has answered.
    pub fn forget(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// `error` with what is known of the connection.
    #[must_use]
    pub fn explain(&self, error: &KafkaError) -> Failure {
        let code = error.rdkafka_error_code();
        let told = explain(code.unwrap_or(RDKafkaErrorCode::Unknown), &told_by(error));
        if told.cause == Cause::Authorization { told } else { self.reason().unwrap_or(told) }
    }

    fn keep(&self, failure: Failure) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        // What says little does not hide what says more.
        if !matches!(failure.cause, Cause::Silent | Cause::Other) || last.is_none() {
            *last = Some(failure);
        }
    }
}

/// Its own words, without the name of the operation that failed.
fn told_by(error: &KafkaError) -> String {
    match error {
        KafkaError::ClientConfig(_, description, name, value)
            if super::settings::is_secret(name) || value.is_empty() =>
        {
            format!("property {name}: {description}")
        }
        KafkaError::ClientConfig(_, description, name, value) => format!("property {name} = {value}: {description}"),
        KafkaError::ClientCreation(text) => text.clone(),
        // Nothing beyond what Silent says.
        KafkaError::MetadataFetch(RDKafkaErrorCode::BrokerTransportFailure | RDKafkaErrorCode::OperationTimedOut) => {
            String::new()
        }
        other => other.to_string(),
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        // A broker that only hangs up is worth a line of the log to librdkafka, and no error.
        if facility == "FAIL" {
            let text =
                text.strip_prefix("[thrd:").and_then(|text| text.split_once("]: ")).map_or(text, |(_, text)| text);
            self.keep(explain(RDKafkaErrorCode::BrokerTransportFailure, text));
        }
        // It warns of what it then puts right; whoever uses the client says what it could not.
        if level as i32 <= RDKafkaLogLevel::Warning as i32 {
            tracing::info!(target: "librdkafka", facility, "{text}");
        } else {
            tracing::debug!(target: "librdkafka", facility, "{text}");
        }
    }

    fn error(&self, error: KafkaError, text: &str) {
        tracing::debug!(target: "librdkafka", %error, "{text}");
        let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
        // It follows each of the errors that name a broker.
        if code != RDKafkaErrorCode::AllBrokersDown {
            self.keep(explain(code, text));
        }
    }
}

impl ConsumerContext for Context {}

/// Waits until a broker answers, and says what it knows of `topic`, or of all topics. `poll` serves the client's
/// callbacks.
///
/// # Errors
/// The reason, at once where waiting will not help, else after `patience`.
pub fn reach<C: ClientContext>(
    client: &Client<C>,
    context: &Context,
    poll: impl Fn(),
    topic: Option<&str>,
    patience: Duration,
) -> Result<Metadata, Failure> {
    const STEP: Duration = Duration::from_millis(500);
    let deadline = Instant::now() + patience;
    loop {
        let error = match client.fetch_metadata(topic, STEP) {
            Ok(metadata) => {
                context.forget();
                return Ok(metadata);
            }
            Err(error) => error,
        };
        poll();
        if Instant::now() >= deadline || context.reason().is_some_and(|failure| failure.cause.is_final()) {
            return Err(context.explain(&error));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_broker_cause_and_remedy() {
        let failure = explain(
            RDKafkaErrorCode::Authentication,
            "sasl_ssl://127.0.0.1:9093/bootstrap: SASL authentication error: Authentication failed",
        );
        assert_eq!(failure.broker.as_deref(), Some("127.0.0.1:9093"));
        assert_eq!(
            failure.to_string(),
            "kafka broker 127.0.0.1:9093: the login is refused (SASL authentication error: Authentication failed); \
             check sasl.username, sasl.password and sasl.mechanism"
        );
    }

    #[test]
    fn a_broker_without_a_name_is_left_out() {
        let failure = explain(RDKafkaErrorCode::Unknown, "something: happened");
        assert_eq!((failure.broker, failure.detail.as_str()), (None, "something: happened"));
    }

    #[test]
    fn what_says_little_does_not_hide_what_says_more() {
        let context = Context::default();
        let shared = context.clone();
        let global = |code| KafkaError::Global(code);
        shared.error(global(RDKafkaErrorCode::Resolve), "nowhere:9092/bootstrap: Failed to resolve 'nowhere:9092'");
        shared.error(global(RDKafkaErrorCode::AllBrokersDown), "1/1 brokers are down");
        shared.error(global(RDKafkaErrorCode::Fail), "something");
        let reason = context.reason().expect("a reason");
        assert_eq!((reason.cause, reason.broker.as_deref()), (Cause::Resolve, Some("nowhere:9092")));
        let timeout = KafkaError::MetadataFetch(RDKafkaErrorCode::OperationTimedOut);
        assert_eq!(context.explain(&timeout), reason);
        context.forget();
        assert_eq!(context.explain(&timeout).cause, Cause::Silent);
    }

    #[test]
    fn a_bad_property_is_named_without_its_secret() {
        let context = Context::default();
        let mut settings = super::super::KafkaSettings::new("here:9092");
        settings.set("linger.msx", "5");
        let refused = |settings: &super::super::KafkaSettings| {
            let created: Result<rdkafka::consumer::BaseConsumer, _> = settings.client_config().create();
            context.explain(&created.err().expect("refused")).to_string()
        };
        let said = refused(&settings);
        assert!(said.contains("linger.msx"), "{said}");
        let mut settings = super::super::KafkaSettings::new("here:9092");
        settings.set("ssl.keypassword", "hush");
        let said = refused(&settings);
        assert!(said.contains("ssl.keypassword") && !said.contains("hush"), "{said}");
    }
}
