//! What a run is asked for: a TOML file, then the environment, then flags; checked once.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use data::kafka::KafkaSettings;
use data::{DateFormat, DayMonth, EventTime};
use serde::Deserialize;

use crate::cli::{Common, Listen, RunArgs};
use crate::error::{Error, Result};
use crate::frame::Patience;
use crate::kafka::{Delivery, Start};
use crate::topology::TopicNames;
use crate::worker::Limits;

const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9464);
/// Properties of librdkafka that are not the user's to set, and what to do instead.
const OURS: [(&str, &str); 9] = [
    ("group.id", "give --group"),
    ("group.instance.id", "give --instance"),
    ("transactional.id", "give --instance"),
    ("enable.idempotence", "give --delivery"),
    ("isolation.level", "only what is committed is read"),
    ("auto.offset.reset", "give --from for a new group; a gap is never skipped"),
    ("enable.auto.commit", "offsets are committed with what they led to"),
    ("enable.auto.offset.store", "offsets are committed with what they led to"),
    ("enable.partition.eof", "leave it out"),
];
/// More would mean epochs near the transaction timeout of 10 s (EO-4).
const LONGEST_EPOCH_MS: u64 = 2_000;

/// The configuration file as it is written.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RawConfig {
    lake: Option<String>,
    group: Option<String>,
    instance: Option<String>,
    delivery: Option<Delivery>,
    from: Option<String>,
    workers: Option<u32>,
    listen: Option<String>,
    rules: Option<PathBuf>,
    date_format: Option<String>,
    kafka: KafkaSettings,
    topics: TopicNames,
    epoch: RawEpoch,
    archive: RawArchive,
    time: RawTime,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawEpoch {
    longest_ms: Option<u64>,
    shortest_ms: Option<u64>,
    records: Option<usize>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawArchive {
    enabled: Option<bool>,
    interval_seconds: Option<u64>,
    records: Option<u32>,
    skip_lost: Option<bool>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawTime {
    lateness_seconds: Option<f64>,
    idleness_seconds: Option<f64>,
    quiet_seconds: Option<f64>,
}

impl RawTime {
    fn check(&self) -> Result<Patience> {
        let seconds = |name: &'static str, given: Option<f64>, default: Duration| {
            let found = given.map_or(Ok(default), Duration::try_from_secs_f64);
            let reason = || format!("{:?} is no duration: give seconds, such as 0.5", given.unwrap_or_default());
            found.map_err(|_| Error::Setting { name, reason: reason() })
        };
        Ok(Patience {
            lateness: seconds("time.lateness_seconds", self.lateness_seconds, Duration::from_millis(500))?,
            idleness: seconds("time.idleness_seconds", self.idleness_seconds, Duration::from_secs(30))?,
            quiet: seconds("time.quiet_seconds", self.quiet_seconds, Duration::from_millis(100))?,
        })
    }
}

/// Where everything is: what every command needs.
#[derive(Clone, Debug)]
pub struct Place {
    pub kafka: KafkaSettings,
    pub lake: String,
    pub group: String,
    pub topics: TopicNames,
}

/// Everything a run needs, checked.
#[derive(Clone, Debug)]
pub struct Config {
    pub place: Place,
    pub instance: Option<String>,
    pub delivery: Delivery,
    pub start: Start,
    pub workers: Option<u32>,
    pub listen: Listen,
    pub dates: DateFormat,
    pub limits: Limits,
    /// How often the lake is given what was processed; `None` for never.
    pub archive_every: Option<Duration>,
    /// What retention deleted before it was archived is given up.
    pub archive_skips_lost: bool,
    pub patience: Patience,
    /// The folder of rules; `None` for none.
    pub rules: Option<PathBuf>,
}

impl RawConfig {
    /// Reads a configuration file, if one is named.
    ///
    /// # Errors
    /// Names the file, the line and what is wrong with it.
    pub fn read(path: Option<&Path>) -> Result<Self> {
        let Some(path) = path else { return Ok(Self::default()) };
        let fail = |reason: String| Error::Config { path: path.to_owned(), reason };
        let text = std::fs::read_to_string(path).map_err(|error| fail(error.to_string()))?;
        toml::from_str(&text).map_err(|error| fail(error.to_string()))
    }

    /// Lays environment and flags over the file: where everything is.
    ///
    /// # Errors
    /// Names the setting that cannot be.
    pub fn place(&self, common: &Common) -> Result<Place> {
        let mut kafka = self.kafka.clone().with_environment(std::env::vars());
        if let Some(brokers) = &common.brokers {
            if brokers.trim().is_empty() {
                let reason = "it is empty; give host:port, or leave it out for localhost:9092".to_owned();
                return Err(Error::Setting { name: "brokers", reason });
            }
            kafka.brokers.clone_from(brokers);
        }
        if kafka.brokers.is_empty() {
            "localhost:9092".clone_into(&mut kafka.brokers);
        }
        self.topics.check().map_err(|(name, reason)| Error::Setting { name, reason })?;
        let kafka = kafka.with(common.kafka.iter().cloned());
        kafka.check().map_err(|reason| Error::Setting { name: "kafka", reason })?;
        if let Some((name, instead)) = OURS.into_iter().find(|(name, _)| kafka.properties.contains_key(*name)) {
            return Err(Error::Setting {
                name: "kafka",
                reason: format!("{name} follows from what is promised: {instead}"),
            });
        }
        Ok(Place {
            kafka,
            lake: first(&common.lake, &self.lake).unwrap_or_else(|| "./lake".to_owned()),
            group: first(&common.group, &self.group).unwrap_or_else(|| "clientele".to_owned()),
            topics: self.topics.clone(),
        })
    }

    /// How bare dates of the topic are read: by `flag`, or by the file.
    ///
    /// # Errors
    /// When it is no date format.
    pub fn dates(&self, flag: Option<&str>) -> Result<DateFormat> {
        flag.or(self.date_format.as_deref()).map_or(Ok(DateFormat::Order(DayMonth::MonthFirst)), |text| {
            DateFormat::from_flag(text).map_err(|reason| Error::Setting { name: "date_format", reason })
        })
    }

    /// Where metrics are served: by `flag`, or by the file.
    ///
    /// # Errors
    /// When it is no address.
    pub fn listen(&self, flag: Option<&str>) -> Result<Listen> {
        listen(flag.or(self.listen.as_deref()))
    }

    /// Lays environment and flags over the file and checks the whole.
    ///
    /// # Errors
    /// Names the setting that cannot be.
    pub fn check(self, args: &RunArgs) -> Result<Config> {
        let place = self.place(&args.common)?;
        let delivery = args.delivery.or(self.delivery).unwrap_or_default();
        let start = args.from.as_ref().or(self.from.as_ref()).map_or(Ok(Start::Earliest), |text| start(text))?;
        let dates = self.dates(args.date_format.as_deref())?;
        let workers = args.workers.or(self.workers);
        if workers == Some(0) {
            return Err(Error::Setting { name: "workers", reason: "at least one is needed".to_owned() });
        }
        let archive_every = Duration::from_secs(self.archive.interval_seconds.unwrap_or(30));
        let archives = !args.no_archive && self.archive.enabled.unwrap_or(true);
        Ok(Config {
            place,
            instance: first(&args.instance, &self.instance),
            delivery,
            start,
            workers,
            listen: self.listen(args.listen.as_deref())?,
            dates,
            limits: self.limits(delivery, archive_every)?,
            archive_every: archives.then_some(archive_every),
            archive_skips_lost: self.archive.skip_lost.unwrap_or(false),
            patience: self.time.check()?,
            rules: args.rules.clone().or_else(|| self.rules.clone()),
        })
    }

    fn limits(&self, delivery: Delivery, cut_every: Duration) -> Result<Limits> {
        let defaults = Limits::default();
        let millis = |given: Option<u64>, default| given.map_or(default, Duration::from_millis);
        let epoch = millis(self.epoch.longest_ms, defaults.epoch);
        if epoch.is_zero() || epoch > Duration::from_millis(LONGEST_EPOCH_MS) {
            let reason = format!("an epoch takes from 1 to {LONGEST_EPOCH_MS} ms, far below the transaction timeout");
            return Err(Error::Setting { name: "epoch.longest_ms", reason });
        }
        Ok(Limits {
            epoch,
            shortest_epoch: millis(self.epoch.shortest_ms, defaults.shortest_epoch).min(epoch),
            epoch_records: self.epoch.records.unwrap_or(defaults.epoch_records).max(1),
            cut_every,
            cut_records: self.archive.records.map_or(defaults.cut_records, i64::from).max(1),
            cut_behind_backlog: delivery == Delivery::AtLeastOnce,
            ..defaults
        })
    }
}

/// What was given first; an empty text, as a variable that is not set leaves behind, is nothing.
fn first(flag: &Option<String>, file: &Option<String>) -> Option<String> {
    [flag, file].into_iter().flatten().find(|text| !text.trim().is_empty()).cloned()
}

fn start(text: &str) -> Result<Start> {
    match text {
        "earliest" => Ok(Start::Earliest),
        "latest" => Ok(Start::Latest),
        _ => {
            let time: Option<EventTime> = DateFormat::Order(DayMonth::MonthFirst).parse(text.as_bytes());
            time.map(Start::Time).ok_or_else(|| Error::Setting {
                name: "from",
                reason: format!("{text:?} is neither earliest nor latest nor a time such as 2026-11-01T00:00:00Z"),
            })
        }
    }
}

fn listen(text: Option<&str>) -> Result<Listen> {
    match text {
        None => Ok(Listen::At { address: LISTEN, near: true }),
        Some("off") => Ok(Listen::Off),
        Some(text) => text.parse().map(|address| Listen::At { address, near: false }).map_err(|_| Error::Setting {
            name: "listen",
            reason: format!("{text:?} is no address such as 127.0.0.1:9464, nor off"),
        }),
    }
}
