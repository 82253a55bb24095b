//! How to reach a Kafka cluster: its brokers, and any property of librdkafka.

use std::collections::BTreeMap;
use std::fmt;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use serde::{Deserialize, Deserializer};

/// What a client asks for unless it is told otherwise.
const DEFAULTS: [(&str, &str); 2] = [
    ("client.id", "clientele"),
    // A dead connection behind a firewall is noticed before the next order needs it.
    ("socket.keepalive.enable", "true"),
];

/// What a producer asks for beyond that.
const PRODUCER_DEFAULTS: [(&str, &str); 3] = [
    // Java's default: a key has one partition, whoever writes it.
    ("partitioner", "murmur2_random"),
    ("enable.idempotence", "true"),
    ("compression.codec", "lz4"),
];

/// The table `[kafka]` of a settings file: `brokers`, and beside it any property of librdkafka, quoted
/// (`"linger.ms" = 5`) or bare (`security.protocol = "SASL_SSL"`).
#[derive(Clone, Default, PartialEq, Eq)]
pub struct KafkaSettings {
    /// `host:port,…`; empty when nobody said.
    pub brokers: String,
    pub properties: BTreeMap<String, String>,
}

impl KafkaSettings {
    #[must_use]
    pub fn new(brokers: impl Into<String>) -> Self {
        Self { brokers: brokers.into(), properties: BTreeMap::new() }
    }

    /// Sets one property; `brokers` and its librdkafka names set the brokers.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        let (name, value) = (name.into(), value.into());
        match name.as_str() {
            "brokers" | "bootstrap.servers" | "metadata.broker.list" => self.brokers = value,
            _ => {
                self.properties.insert(name, value);
            }
        }
    }

    /// The same with the flags' `properties` on top.
    #[must_use]
    pub fn with(mut self, properties: impl IntoIterator<Item = (String, String)>) -> Self {
        properties.into_iter().for_each(|(name, value)| self.set(name, value));
        self
    }

    /// The same with what the environment says on top: `CLIENTELE_KAFKA_SASL_PASSWORD` is `sasl.password`, so that secrets need
    /// stand neither in a file that many read nor on a command line.
    #[must_use]
    pub fn with_environment(self, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let property = |(name, value): (String, String)| {
            let name = name.strip_prefix("CLIENTELE_KAFKA_")?.to_ascii_lowercase().replace('_', ".");
            Some((name, value))
        };
        self.with(variables.into_iter().filter_map(property))
    }

    /// Whether librdkafka knows every property and takes its value; it connects to nobody.
    ///
    /// # Errors
    /// Names the property.
    pub fn check(&self) -> Result<(), String> {
        self.client_config().create_native_config().map(drop).map_err(|error| error.to_string())
    }

    /// What librdkafka is given for a consumer or an admin client: defaults, then brokers, then properties.
    #[must_use]
    pub fn client_config(&self) -> ClientConfig {
        self.config(&DEFAULTS)
    }

    /// The same for a producer: idempotent, and partitioned as Java's.
    #[must_use]
    pub fn producer_config(&self) -> ClientConfig {
        self.config(&[DEFAULTS.as_slice(), &PRODUCER_DEFAULTS].concat())
    }

    fn config(&self, defaults: &[(&str, &str)]) -> ClientConfig {
        let mut config = ClientConfig::new();
        // What Context and the log's own filter choose from.
        config.set_log_level(RDKafkaLogLevel::Info);
        for (name, value) in defaults {
            config.set(*name, *value);
        }
        config.set("bootstrap.servers", &self.brokers);
        for (name, value) in &self.properties {
            if name == "compression.type" {
                config.remove("compression.codec"); // two names of one property
            }
            config.set(name, value);
        }
        config
    }
}

/// Secrets are left out: this ends up in logs.
impl fmt::Debug for KafkaSettings {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.properties.iter().map(|(name, value)| (name, if is_secret(name) { "…" } else { value }));
        out.debug_struct("KafkaSettings")
            .field("brokers", &self.brokers)
            .field("properties", &shown.collect::<BTreeMap<_, _>>())
            .finish()
    }
}

/// Whether the value of property `name` must never be shown.
#[must_use]
pub fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.contains("password")
        || name.contains("secret")
        || name.contains("sasl.oauthbearer.config")
        || name.contains("jaas")
        || matches!(name.as_str(), "ssl.key.pem" | "ssl_key" | "sasl.oauthbearer.assertion.private.key.pem")
}

/// A flag `--kafka key=value`.
///
/// # Errors
/// When `text` has no `=`, or nothing before it.
pub fn parse_property(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_owned(), value.trim().to_owned())),
        _ => Err("give a property of librdkafka as key=value, such as security.protocol=SASL_SSL".to_owned()),
    }
}

impl<'de> Deserialize<'de> for KafkaSettings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut settings = Self::default();
        for (name, value) in BTreeMap::<String, Value>::deserialize(deserializer)? {
            value.spell(&name, &mut settings);
        }
        Ok(settings)
    }
}

/// librdkafka takes texts; people write numbers and booleans too, and a bare dotted key is a table within a table.
#[derive(Deserialize)]
#[serde(untagged, expecting = "a text, a number, a boolean or a list of texts")]
enum Value {
    Text(String),
    Whole(i64),
    Fraction(f64),
    Flag(bool),
    List(Vec<String>),
    Table(BTreeMap<String, Value>),
}

impl Value {
    fn spell(self, name: &str, settings: &mut KafkaSettings) {
        match self {
            Self::Text(text) => settings.set(name, text),
            Self::Whole(number) => settings.set(name, number.to_string()),
            Self::Fraction(number) => settings.set(name, number.to_string()),
            Self::Flag(flag) => settings.set(name, flag.to_string()),
            Self::List(texts) => settings.set(name, texts.join(",")),
            Self::Table(table) => {
                table.into_iter().for_each(|(rest, value)| value.spell(&format!("{name}.{rest}"), settings));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> KafkaSettings {
        toml::from_str(text).expect("settings")
    }

    #[test]
    fn reads_properties_however_they_are_written() {
        let settings = read(
            "brokers = ['one:9092', 'two:9092']\n\
             security.protocol = 'SASL_SSL'\n\
             'linger.ms' = 5\n\
             socket.keepalive.enable = false\n\
             'sasl.password' = 'hush'",
        );
        let config = settings.client_config();
        let expected = [
            ("bootstrap.servers", "one:9092,two:9092"),
            ("security.protocol", "SASL_SSL"),
            ("linger.ms", "5"),
            ("socket.keepalive.enable", "false"),
            ("client.id", "clientele"),
        ];
        for (name, value) in expected {
            assert_eq!(config.get(name), Some(value), "{name}");
        }
        assert_eq!(read(""), KafkaSettings::default());
        assert!(toml::from_str::<KafkaSettings>("brokers = [1]").is_err());
    }

    #[test]
    fn flags_go_before_the_file() {
        let flags =
            ["linger.ms = 7", "bootstrap.servers=three:1"].map(|text| parse_property(text).expect("a property"));
        let config = read("brokers = 'one:9092'\n'linger.ms' = 5").with(flags).producer_config();
        assert_eq!(config.get("linger.ms"), Some("7"));
        assert_eq!(config.get("bootstrap.servers"), Some("three:1"));
        assert_eq!(config.get("partitioner"), Some("murmur2_random"));
        assert_eq!(config.get("enable.idempotence"), Some("true"));
        for text in ["linger.ms", "=5", ""] {
            assert!(parse_property(text).is_err(), "{text}");
        }
        assert_eq!(parse_property("ssl.key.pem=a=b"), Ok(("ssl.key.pem".to_owned(), "a=b".to_owned())));
    }

    #[test]
    fn secrets_are_never_shown() {
        let mut settings = KafkaSettings::new("here:9092");
        for name in ["sasl.password", "ssl.keystore.password", "sasl.oauthbearer.client.secret", "ssl.key.pem"] {
            settings.set(name, "hush");
        }
        settings.set("sasl.username", "anna");
        let shown = format!("{settings:?}");
        assert!(!shown.contains("hush"), "{shown}");
        assert!(shown.contains("anna") && shown.contains("here:9092"), "{shown}");
    }
}
