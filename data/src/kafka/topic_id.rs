//! Kafka's own id of a topic, which a topic that is deleted and made again does not keep.

use std::ffi::{CStr, CString};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::bindings as c;
use rdkafka::client::Client;
use rdkafka::types::RDKafkaRespErr;

/// Asks the cluster for the id of the topic called `name`: 22 characters of base 64; `None` where it gives its topics no ids, as
/// before Kafka 2.8.
///
/// # Errors
/// What the cluster, or librdkafka for it, says against it.
#[expect(unsafe_code, reason = "rdkafka has no binding of its own for DescribeTopics, and no other call tells the id")]
pub fn topic_id<C: ClientContext>(client: &Client<C>, name: &str, timeout: Duration) -> Result<Option<String>, String> {
    let text = CString::new(name).map_err(|error| error.to_string())?;
    let millis = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
    let rk = client.native_ptr();
    // SAFETY: each handle is made here, used while its owner lives, and destroyed once, in reverse order; the result,
    // its topics and the id belong to the event and are copied before it is destroyed.
    unsafe {
        let mut names = [text.as_ptr()];
        let topics = c::rd_kafka_TopicCollection_of_topic_names(names.as_mut_ptr(), names.len());
        let queue = c::rd_kafka_queue_new(rk);
        c::rd_kafka_DescribeTopics(rk, topics, std::ptr::null(), queue);
        let event = c::rd_kafka_queue_poll(queue, millis);
        let id = if event.is_null() {
            Err("no answer in time".to_owned())
        } else {
            let id = described_id(event);
            c::rd_kafka_event_destroy(event);
            id
        };
        c::rd_kafka_queue_destroy(queue);
        c::rd_kafka_TopicCollection_destroy(topics);
        id
    }
}

/// # Safety
/// `event` must be live and the answer to `DescribeTopics`.
#[expect(unsafe_code, reason = "see topic_id")]
unsafe fn described_id(event: *mut c::rd_kafka_event_t) -> Result<Option<String>, String> {
    // SAFETY: the caller keeps the event alive, and everything read here belongs to it; nulls are looked for.
    unsafe {
        let text = |text: *const std::ffi::c_char| {
            if text.is_null() { String::new() } else { CStr::from_ptr(text).to_string_lossy().into_owned() }
        };
        if c::rd_kafka_event_error(event) != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
            return Err(text(c::rd_kafka_event_error_string(event)));
        }
        let result = c::rd_kafka_event_DescribeTopics_result(event);
        if result.is_null() {
            return Err("an unexpected answer".to_owned());
        }
        let mut count = 0;
        let topics = c::rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
        if topics.is_null() || count != 1 {
            return Err("an unexpected answer".to_owned());
        }
        let error = c::rd_kafka_TopicDescription_error(*topics);
        if !error.is_null() && c::rd_kafka_error_code(error) != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
            return Err(text(c::rd_kafka_error_string(error)));
        }
        let id = c::rd_kafka_TopicDescription_topic_id(*topics);
        if id.is_null() {
            return Ok(None);
        }
        Ok(Some(text(c::rd_kafka_Uuid_base64str(id))).filter(|id| id.bytes().any(|byte| byte != b'A')))
    }
}
