//! What each of Kafka's errors asks for (EO-5).

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::topology::START_ANEW;
use crate::worker::port::Failure;

/// What to do about an error of a transactional call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The same call again.
    Retry,
    Fail(Failure),
}

/// Why an epoch is done again when the group took on or lost a member meanwhile.
pub const REBALANCED: &str = "the group has changed";

/// Judges an error of begin, send-offsets, commit, abort or init.
pub fn of_transaction(call: &str, error: &KafkaError) -> Verdict {
    let told = format!("{call}: {error}");
    match error {
        KafkaError::Transaction(cause) if cause.is_retriable() => Verdict::Retry,
        KafkaError::Transaction(cause) if is_rebalance(cause.code()) => Verdict::Fail(of_code(cause.code(), told)),
        KafkaError::Transaction(cause) if cause.txn_requires_abort() => Verdict::Fail(Failure::Abort(told)),
        KafkaError::Transaction(cause) if cause.is_fatal() => Verdict::Fail(Failure::Ended(told)),
        KafkaError::Transaction(cause) => Verdict::Fail(of_code(cause.code(), told)),
        _ => Verdict::Fail(of_code(error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown), told)),
    }
}

/// The group has moved on, or the producer is over: librdkafka says so by code alone on some paths.
fn of_code(code: RDKafkaErrorCode, told: String) -> Failure {
    if is_rebalance(code) { Failure::Abort(format!("{REBALANCED}: {told}")) } else { Failure::Ended(told) }
}

/// A member that is rejoining has another id at the broker than it knows of, so its offsets are refused as those of a fenced
/// instance. Whether another process really has its name, its own requests to the group are told: see [`of_reading`].
const fn is_rebalance(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(code, Code::IllegalGeneration | Code::UnknownMemberId | Code::RebalanceInProgress | Code::FencedInstanceId)
}

/// Two that go by one name would fence each other for ever: the one that came first gives way.
fn same_instance(told: &str) -> Failure {
    Failure::Stop(format!("another process runs as the same --instance: give each a name of its own ({told})"))
}

/// Judges an error that reading, or asking for membership, came upon; `None` when librdkafka goes on by itself.
pub fn of_reading(error: &KafkaError) -> Option<Failure> {
    use RDKafkaErrorCode as Code;
    let told = error.to_string();
    match error {
        KafkaError::MessageConsumptionFatal(Code::FencedInstanceId) => return Some(same_instance(&told)),
        KafkaError::MessageConsumptionFatal(_) => return Some(Failure::Ended(told)),
        KafkaError::PartitionEOF(_) | KafkaError::NoMessageReceived => return None,
        _ => {}
    }
    match error.rdkafka_error_code()? {
        Code::AutoOffsetReset | Code::OffsetOutOfRange => Some(Failure::Stop(format!(
            "{told}: offsets that were not read yet are gone (retention, or the topic was made anew); {START_ANEW}"
        ))),
        Code::TopicAuthorizationFailed | Code::GroupAuthorizationFailed | Code::ClusterAuthorizationFailed => {
            Some(Failure::Stop(format!("{told}: grant this user what ARCHITECTURE.md lists")))
        }
        Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition => {
            Some(Failure::Stop(format!("{told}: the topic was deleted; {START_ANEW}")))
        }
        Code::FencedInstanceId => Some(same_instance(&told)),
        Code::Fenced | Code::PollExceeded => Some(Failure::Ended(told)),
        _ => None,
    }
}
