//! What a run is asked for: a TOML file, then the environment, then flags; checked once.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use data::kafka::KafkaSettings;
use data::{DateFormat, DayMonth};
use serde::Deserialize;

use crate::cli::RunArgs;
use crate::error::{Error, Result};
use crate::http::KeySource;
use crate::live::TopicNames;

const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
/// Keys in the environment.
const KEYS: &str = "CLIENTELE_KEYS";
const RATE: u32 = 100;

/// The configuration file as it is written.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RawConfig {
    lake: Option<String>,
    listen: Option<String>,
    keys: Option<PathBuf>,
    hosts: Vec<String>,
    rate_limit: Option<u32>,
    /// Whether browsers reach this over TLS only, through a proxy.
    secure_cookies: bool,
    currency: Option<String>,
    date_format: Option<String>,
    demo: bool,
    /// Of `speed run`.
    group: Option<String>,
    kafka: KafkaSettings,
    topics: TopicNames,
}

/// Everything a run needs, checked.
#[derive(Clone, Debug)]
pub struct Config {
    pub lake: String,
    /// `None`: the lake alone.
    pub kafka: Option<KafkaSettings>,
    pub topics: TopicNames,
    pub listen: SocketAddr,
    pub keys: Option<KeySource>,
    pub secure_cookies: bool,
    pub hosts: Vec<String>,
    pub rate_limit: Option<u32>,
    pub currency: Option<String>,
    pub dates: DateFormat,
    pub demo: bool,
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

    /// Lays environment and flags over the file and checks the whole.
    ///
    /// # Errors
    /// Names the setting that cannot be.
    pub fn check(self, args: &RunArgs) -> Result<Config> {
        let wrong = |name, reason: String| Error::Setting { name, reason };
        let listen = match args.listen.as_deref().or(self.listen.as_deref()) {
            None => LISTEN,
            Some(text) => {
                text.parse().map_err(|_| wrong("listen", format!("{text:?} is no address such as 127.0.0.1:8080")))?
            }
        };
        let text = std::env::var(KEYS).ok().filter(|text| !text.trim().is_empty());
        let keys = args.keys.clone().or(self.keys).map(KeySource::File).or_else(|| text.map(KeySource::Text));
        let is_loopback = listen.ip().is_loopback();
        if !is_loopback && keys.is_none() {
            let reason = format!(
                "{listen} can be reached from elsewhere, so API keys are needed: --keys FILE (lines of `name read|write key`) \
                 or {KEYS}"
            );
            return Err(wrong("listen", reason));
        }
        let dates = args.date_format.as_deref().or(self.date_format.as_deref());
        let dates = dates.map_or(Ok(DateFormat::Order(DayMonth::MonthFirst)), |text| {
            DateFormat::from_flag(text).map_err(|reason| wrong("date_format", reason))
        })?;
        let rate = args.rate_limit.or(self.rate_limit).or((!is_loopback).then_some(RATE));
        let mut kafka = self.kafka;
        if let Some(brokers) = &args.brokers {
            if brokers.trim().is_empty() {
                let reason = "is empty; leave it out (and CLIENTELE_BROKERS unset) to serve the lake alone";
                return Err(wrong("brokers", reason.to_owned()));
            }
            kafka.brokers.clone_from(brokers);
        }
        let currency = args.currency.clone().or(self.currency);
        if let Some(text) = currency.as_ref().filter(|text| !(1..=3).contains(&text.trim().chars().count())) {
            return Err(wrong("currency", format!("{text:?} is none; write a code such as GBP, or a sign such as £")));
        }
        let kafka = kafka.with(args.kafka.iter().cloned());
        let mut topics = self.topics;
        if let Some(group) = args.group.clone().or(self.group) {
            topics.group = group;
        }
        Ok(Config {
            lake: args.lake.clone().or(self.lake).unwrap_or_else(|| "./lake".to_owned()),
            kafka: (!kafka.brokers.is_empty()).then_some(kafka),
            topics,
            listen,
            keys,
            secure_cookies: self.secure_cookies,
            hosts: [self.hosts, args.host.clone()].concat(),
            rate_limit: rate.filter(|rate| *rate > 0),
            currency,
            dates,
            demo: args.demo || self.demo,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, args: &RunArgs) -> Result<Config> {
        toml::from_str::<RawConfig>(text).expect("settings").check(args)
    }

    #[test]
    fn an_open_address_needs_keys() {
        let at = |listen: &str| RunArgs { listen: Some(listen.to_owned()), ..RunArgs::default() };
        assert!(check("", &at("0.0.0.0:80")).is_err_and(|error| error.to_string().contains("--keys")));
        assert!(check("keys = 'k'", &at("0.0.0.0:80")).is_ok_and(|config| config.rate_limit == Some(RATE)));
        assert!(check("", &at("[::1]:80")).is_ok_and(|config| config.rate_limit.is_none()));
        assert!(check("", &at("here")).is_err());
    }

    #[test]
    fn flags_go_before_the_file() {
        let args = RunArgs { lake: Some("b".to_owned()), host: vec!["two".to_owned()], ..RunArgs::default() };
        let config = check("lake = 'a'\nhosts = ['one']\n[kafka]\nbrokers = 'k:1'", &args).expect("good");
        assert_eq!((config.lake.as_str(), config.hosts), ("b", vec!["one".to_owned(), "two".to_owned()]));
        assert!(config.kafka.is_some());
        assert!(check("", &RunArgs::default()).is_ok_and(|config| config.kafka.is_none()));
    }
}
