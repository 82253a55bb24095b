//! Requests that are done once, whichever server is asked and however often: `Idempotency-Key`.
//!
//! A topic is the arbiter. Who is to do a request first claims its key there, and reads on until its claim has come back: the first
//! claim of a key is the one that counts, for every server alike. What was answered follows on the same topic, so that a server which was
//! started again knows it too. A claim that no answer follows stays: whether its orders were written, nobody can tell any more,
//! and to do it again could count them twice.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::thread;
use std::time::Duration;

use axum::body::Bytes;
use data::kafka::{KafkaSettings, Topics};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::sync::watch;
use tokio::time::timeout;
use xxhash_rust::xxh3::xxh3_128;

use super::reader::{is_lost, partitions_of, reading_client};
use super::{Follow, Place, Producer};

/// How long the topic keeps a key.
const KEPT_MS: &str = "86400000";
/// Bytes of keys and answers in memory; the oldest answers go first, then the oldest keys.
const HELD: usize = 64 << 20;
/// What a key takes beside its text, about.
const OVERHEAD: usize = 300;
/// Until the topic is there and read, and until a claim has come back.
const PATIENCE: Duration = Duration::from_secs(5);
const ASK: Duration = Duration::from_secs(3);
const POLL: Duration = Duration::from_millis(100);

/// What is to be done about a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// To be done by whoever asked; [`Requests::done`] must follow once it is, and nothing when it failed.
    New(Claim),
    /// Another has claimed it, and has not said what it answered.
    Underway,
    Done(Bytes),
    /// Done, and what was answered is not held any more.
    Forgotten,
    /// The key was used for something else.
    Other,
}

/// The right to do the request with this key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim(String);

/// A record of the topic; its key is the request's.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Entry<'r> {
    Claim {
        by: String,
        digest: String,
    },
    Done {
        by: String,
        #[serde(borrow)]
        answer: &'r RawValue,
    },
}

/// The keys of a topic, read from when the first is asked for.
pub struct Requests {
    shared: Arc<Shared>,
    producer: Producer,
    started: Once,
    /// Stands in the claims of this process.
    own: String,
    /// Keys that this process is at, and those whose orders it failed to write: some of them may have been written.
    busy: Mutex<HashSet<String>>,
}

struct Shared {
    kafka: KafkaSettings,
    topic: String,
    follow: Arc<Follow>,
    held: Mutex<Held>,
    /// As it was at first while there is no reader.
    read: watch::Sender<Progress>,
    /// Why there is no reader.
    error: Mutex<String>,
}

/// How far the topic was read.
#[derive(Default)]
struct Progress {
    /// The first offsets that were not read yet.
    next: Offsets,
    /// Whether that is all that was there when the reader began.
    whole: bool,
}

/// By partition.
type Offsets = BTreeMap<i32, i64>;

impl Requests {
    /// # Errors
    /// When a setting is refused.
    pub fn new(kafka: &KafkaSettings, topic: &str, follow: Arc<Follow>) -> Result<Self, String> {
        let shared = Shared {
            kafka: kafka.clone(),
            topic: topic.to_owned(),
            follow,
            held: Mutex::default(),
            read: watch::Sender::default(),
            error: Mutex::new("the brokers have not answered yet".to_owned()),
        };
        Ok(Self {
            shared: Arc::new(shared),
            producer: Producer::new(kafka, topic)?,
            started: Once::new(),
            own: uuid::Uuid::new_v4().simple().to_string(),
            busy: Mutex::default(),
        })
    }

    /// Claims the request with this key and body.
    ///
    /// # Errors
    /// When the brokers do not answer: nothing was done.
    pub async fn begin(&self, key: &str, body: &[u8]) -> Result<Known, String> {
        let digest = format!("{:032x}", xxh3_128(body));
        let known = self.shared.lock().look(key, &digest, &self.own);
        let known = match known {
            Some(known) => known,
            None if !self.busy().insert(key.to_owned()) => Known::Underway,
            None => {
                let known = self.claim(key, &digest).await;
                if !matches!(known, Ok(Known::New(_))) {
                    self.busy().remove(key);
                }
                known?
            }
        };
        // Whoever is at it will soon be done.
        if known != Known::Underway {
            return Ok(known);
        }
        let settled = |held: &Held| held.look(key, &digest, &self.own).filter(|known| *known != Known::Underway);
        let _ = self.read_until(|_| settled(&self.shared.lock()).is_some()).await;
        Ok(settled(&self.shared.lock()).unwrap_or(known))
    }

    async fn claim(&self, key: &str, digest: &str) -> Result<Known, String> {
        self.started.call_once(|| {
            let shared = Arc::clone(&self.shared);
            thread::spawn(move || read(&shared));
        });
        // A claim that is not come to in time would stand in everybody's way.
        self.read_until(|read| read.whole).await?;
        let places = self.write(key, &Entry::Claim { by: self.own.clone(), digest: digest.to_owned() }).await?;
        let is_behind =
            |next: &Offsets, place: &Place| next.get(&place.partition).is_some_and(|next| *next > place.offset);
        self.read_until(|read| places.iter().all(|place| is_behind(&read.next, place))).await?;
        // Another's may have come first.
        let known = self.shared.lock().look(key, digest, &self.own);
        Ok(known.unwrap_or_else(|| Known::New(Claim(key.to_owned()))))
    }

    /// Tells every server what was answered.
    pub async fn done(&self, Claim(key): Claim, answer: Bytes) {
        let Ok(raw) = serde_json::from_slice::<&RawValue>(&answer) else { return };
        self.shared.lock().done(&key, &self.own, answer.clone());
        if let Err(reason) = self.write(&key, &Entry::Done { by: self.own.clone(), answer: raw }).await {
            tracing::warn!(reason, "what was answered to an Idempotency-Key is known to this process alone");
        }
        self.busy().remove(&key);
    }

    fn busy(&self) -> MutexGuard<'_, HashSet<String>> {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn write(&self, key: &str, entry: &Entry<'_>) -> Result<Vec<Place>, String> {
        let value = serde_json::to_vec(entry).map_err(|error| error.to_string())?;
        self.producer.write(&[(key.to_owned(), value)]).await
    }

    async fn read_until(&self, reached: impl FnMut(&Progress) -> bool) -> Result<(), String> {
        let mut read = self.shared.read.subscribe();
        let waited = timeout(PATIENCE, read.wait_for(reached)).await;
        match waited {
            Ok(Ok(_)) => Ok(()),
            _ => Err(self.shared.error.lock().unwrap_or_else(PoisonError::into_inner).clone()),
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, error: &str) {
        error.clone_into(&mut self.error.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Reads the topic for as long as the process serves, on a thread of its own.
fn read(shared: &Shared) {
    while !shared.follow.stopped() {
        let reason = match open(shared) {
            Ok((reader, ends)) => follow(shared, &reader, &ends),
            Err(reason) => reason,
        };
        if shared.follow.stopped() {
            return;
        }
        shared.read.send_replace(Progress::default());
        tracing::warn!(reason, topic = shared.topic, "requests with an Idempotency-Key are not taken now");
        shared.tell(&reason);
        shared.follow.wait(Duration::from_secs(1));
    }
}

/// A reader of every partition from its first record on, and where each ends.
fn open(shared: &Shared) -> Result<(BaseConsumer<data::kafka::Context>, Offsets), String> {
    let topics = Topics::new(&shared.kafka)?;
    let settings = [("cleanup.policy", "delete"), ("retention.ms", KEPT_MS)];
    topics.ensure(&shared.topic, 1, &settings).map_err(|failure| failure.to_string())?;
    let reader = reading_client(&shared.kafka, false)?;
    let told = |error: rdkafka::error::KafkaError| error.to_string();
    let metadata = reader.fetch_metadata(Some(&shared.topic), ASK).map_err(told)?;
    let (mut list, mut starts, mut ends) = (TopicPartitionList::new(), Offsets::new(), Offsets::new());
    for partition in partitions_of(&metadata, &shared.topic) {
        let (low, high) = reader.fetch_watermarks(&shared.topic, partition, ASK).map_err(told)?;
        list.add_partition_offset(&shared.topic, partition, Offset::Offset(low)).map_err(told)?;
        starts.insert(partition, low);
        ends.insert(partition, high);
    }
    reader.assign(&list).map_err(told)?;
    shared.tell("the Idempotency-Keys of the last day are still being read");
    shared.read.send_replace(Progress { whole: starts == ends, next: starts });
    Ok((reader, ends))
}

/// Takes records in until the topic is lost, or the process ends; why.
fn follow(shared: &Shared, reader: &BaseConsumer<data::kafka::Context>, ends: &Offsets) -> String {
    while !shared.follow.stopped() {
        match reader.poll(POLL) {
            Some(Ok(message)) => {
                let key = String::from_utf8_lossy(message.key().unwrap_or_default());
                if let Err(error) = shared.lock().take(&key, message.payload().unwrap_or_default()) {
                    shared.follow.unreadable(&shared.topic, &error.to_string());
                }
                shared.read.send_modify(|read| {
                    read.next.insert(message.partition(), message.offset() + 1);
                    read.whole |= ends.iter().all(|(of, end)| read.next.get(of).is_some_and(|next| next >= end));
                });
            }
            Some(Err(error)) if is_lost(&error) => return error.to_string(),
            Some(Err(error)) => shared.tell(&reader.context().explain(&error).to_string()),
            None => {}
        }
    }
    "the process ends".to_owned()
}

/// What the topic says of each key.
#[derive(Debug, Default)]
struct Held {
    requests: HashMap<Arc<str>, Request>,
    /// Keys as they were claimed.
    claimed: VecDeque<Arc<str>>,
    /// Keys as they were answered, while their answers are held.
    answered: VecDeque<Arc<str>>,
    bytes: usize,
}

#[derive(Debug)]
struct Request {
    by: String,
    digest: String,
    answer: Answer,
}

#[derive(Debug)]
enum Answer {
    None,
    Held(Bytes),
    Forgotten,
}

impl Held {
    fn take(&mut self, key: &str, value: &[u8]) -> Result<(), serde_json::Error> {
        match serde_json::from_slice(value)? {
            Entry::Claim { by, digest } => self.claim(key, by, digest),
            Entry::Done { by, answer } => self.done(key, &by, Bytes::copy_from_slice(answer.get().as_bytes())),
        }
        Ok(())
    }

    /// The first claim counts.
    fn claim(&mut self, key: &str, by: String, digest: String) {
        if self.requests.contains_key(key) {
            return;
        }
        let key: Arc<str> = key.into();
        self.bytes += key.len() + OVERHEAD;
        self.claimed.push_back(Arc::clone(&key));
        self.requests.insert(key, Request { by, digest, answer: Answer::None });
        self.make_room();
    }

    fn done(&mut self, key: &str, by: &str, answer: Bytes) {
        let Some(request) = self.requests.get_mut(key).filter(|request| request.by == by) else { return };
        // One that is read back is known already.
        if !matches!(request.answer, Answer::None) {
            return;
        }
        self.bytes += answer.len();
        request.answer = Answer::Held(answer);
        self.answered.push_back(key.into());
        self.make_room();
    }

    fn make_room(&mut self) {
        while self.bytes > HELD
            && let Some(oldest) = self.answered.pop_front()
        {
            let Some(request) = self.requests.get_mut(&oldest) else { continue };
            if let Answer::Held(answer) = std::mem::replace(&mut request.answer, Answer::Forgotten) {
                self.bytes -= answer.len();
            }
        }
        while self.bytes > HELD
            && let Some(oldest) = self.claimed.pop_front()
        {
            self.requests.remove(&oldest);
            self.bytes -= oldest.len() + OVERHEAD;
        }
    }

    /// `None` when whoever claims in the name `by` may do the request: nobody has claimed it, or this very one, without doing it.
    fn look(&self, key: &str, digest: &str, by: &str) -> Option<Known> {
        let request = self.requests.get(key)?;
        match &request.answer {
            _ if request.digest != digest => Some(Known::Other),
            Answer::Held(answer) => Some(Known::Done(answer.clone())),
            Answer::Forgotten => Some(Known::Forgotten),
            Answer::None => (request.by != by).then_some(Known::Underway),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(held: &mut Held, key: &str, entry: &Entry<'_>) {
        held.take(key, &serde_json::to_vec(entry).expect("written")).expect("read");
    }

    fn claim(by: &str, digest: &str) -> Entry<'static> {
        Entry::Claim { by: by.to_owned(), digest: digest.to_owned() }
    }

    fn done(by: &str) -> Entry<'static> {
        Entry::Done { by: by.to_owned(), answer: serde_json::from_str("{\"accepted\":1}").expect("JSON") }
    }

    #[test]
    fn the_first_claim_of_a_key_counts() {
        let mut held = Held::default();
        assert_eq!(held.look("a", "1", "one"), None);
        take(&mut held, "a", &claim("one", "1"));
        take(&mut held, "a", &claim("two", "1"));
        assert_eq!(held.look("a", "1", "one"), None);
        assert_eq!(held.look("a", "1", "two"), Some(Known::Underway));
        assert_eq!(held.look("a", "2", "one"), Some(Known::Other));
        // Not from whom it would count.
        take(&mut held, "a", &done("two"));
        assert_eq!(held.look("a", "1", "two"), Some(Known::Underway));
        take(&mut held, "a", &done("one"));
        for by in ["one", "two"] {
            assert_eq!(held.look("a", "1", by), Some(Known::Done(Bytes::from_static(b"{\"accepted\":1}"))));
        }
        assert_eq!(held.look("b", "1", "two"), None);
        assert!(held.take("c", b"{}").is_err());
    }

    #[test]
    fn memory_is_bounded() {
        let mut held = Held::default();
        let long = "k".repeat(1 << 20);
        for number in 0..100 {
            take(&mut held, &format!("{number}{long}"), &claim("one", "1"));
        }
        let bytes: usize = held.requests.keys().map(|key| key.len() + OVERHEAD).sum();
        assert_eq!((held.bytes, held.claimed.len()), (bytes, held.requests.len()));
        assert!(bytes <= HELD && held.look(&format!("99{long}"), "1", "two").is_some());
    }

    #[test]
    fn answers_are_forgotten_before_keys() {
        let mut held = Held::default();
        for number in 0..100 {
            let key = number.to_string();
            held.claim(&key, "one".to_owned(), "1".to_owned());
            held.done(&key, "one", Bytes::from(vec![b'x'; 1 << 20]));
            // Read back.
            held.done(&key, "one", Bytes::from_static(b"again"));
        }
        assert!(held.bytes <= HELD);
        assert_eq!(held.look("0", "1", "one"), Some(Known::Forgotten));
        assert!(matches!(held.look("99", "1", "two"), Some(Known::Done(answer)) if answer.len() == 1 << 20));
    }
}
