//! A lake, topics of a real broker, and the programs around them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::OnceLock;

use kafka::{Broker, BrokerOptions, create_topic, produce_all};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::programs::{Server, Speed, batch};

pub struct World {
    pub bootstrap: String,
    /// Of this world alone, and so is the group of that name.
    pub topic: String,
    pub folder: TempDir,
}

/// What a customer's accepted lines add up to: invoices, ten-thousandths, last order.
pub type Sums = BTreeMap<String, (std::collections::BTreeSet<String>, i64, String)>;

/// One broker for every test that leaves it as it is; it ends with this process.
fn shared() -> Option<&'static str> {
    static BROKER: OnceLock<Option<(Broker, String)>> = OnceLock::new();
    let start = || {
        let options = BrokerOptions { heap: "400m".to_owned(), ..BrokerOptions::default() };
        let broker = Broker::start_or_skip(options).expect("a broker")?;
        let bootstrap = broker.bootstrap();
        Some((broker, bootstrap))
    };
    BROKER.get_or_init(start).as_ref().map(|(_, bootstrap)| bootstrap.as_str())
}

impl World {
    /// With a publication of the first lines; `None` where Kafka is not installed.
    pub fn new(topic: &str, history: usize) -> Option<Self> {
        Some(Self::on(shared()?, topic, history))
    }

    pub fn on(bootstrap: &str, topic: &str, history: usize) -> Self {
        create_topic(bootstrap, topic, 4, &[]).expect("a topic");
        let folder = TempDir::with_prefix("clientele-").expect("a folder");
        let world = Self { bootstrap: bootstrap.to_owned(), topic: topic.to_owned(), folder };
        let file = world.folder.path().join("orders.csv");
        let header = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n";
        let rows: String = (0..history)
            .map(|number| {
                let line = line(number);
                let field = |name: &str| line[name].to_string().trim_matches('"').to_owned();
                format!(
                    "{},A,a,{},{},{},{},France\n",
                    field("InvoiceNo"),
                    field("Quantity"),
                    field("InvoiceDate"),
                    field("UnitPrice"),
                    field("CustomerID")
                )
            })
            .collect();
        std::fs::write(&file, format!("{header}{rows}")).expect("written");
        batch(&world.lake(), Some(&file));
        for program in ["speed", "serving"] {
            std::fs::write(world.config(program), world.settings(program == "speed")).expect("written");
        }
        world
    }

    pub fn lake(&self) -> PathBuf {
        self.folder.path().join("lake")
    }

    fn config(&self, program: &str) -> PathBuf {
        self.folder.path().join(format!("{program}.toml"))
    }

    /// The settings of both programs, with topics of this world alone.
    fn settings(&self, is_speed: bool) -> String {
        let (lake, brokers, topic) = (self.lake(), &self.bootstrap, &self.topic);
        let mut named =
            vec!["orders_enriched", "customer_state", "segment_changes", "alerts", "rule_segments", "rule_status"];
        let mut settings = format!("lake = '{}'\n", lake.display());
        let mut more = "";
        settings.push_str(&format!("group = '{topic}'\n"));
        if is_speed {
            more = "[archive]\ninterval_seconds = 1\n";
            named.extend(["orders_by_customer", "clickstream", "clickstream_by_user", "order_events"]);
            named.extend(["clickstream_by_field", "order_events_by_user", "rule_state", "alert_state"]);
            named.push("alert_state_by_field");
            if self.rules().exists() {
                settings.push_str(&format!("rules = '{}'\n", self.rules().display()));
            }
        } else {
            named.push("order_requests");
        }
        let named: String = named.iter().map(|name| format!("{name} = '{}'\n", self.name(name))).collect();
        settings + &format!("[kafka]\nbrokers = '{brokers}'\n{more}[topics]\norders = '{topic}'\n{named}")
    }

    /// The topic of this world that has this setting.
    pub fn name(&self, setting: &str) -> String {
        format!("{}-{setting}", self.topic)
    }

    /// The folder of rules, if there are any.
    pub fn rules(&self) -> PathBuf {
        self.folder.path().join("rules")
    }

    /// From now on speed has these rules.
    pub fn set_rules(&self, text: &str) {
        std::fs::create_dir_all(self.rules()).expect("a folder");
        std::fs::write(self.rules().join("rules.toml"), text).expect("written");
        std::fs::write(self.config("speed"), self.settings(true)).expect("written");
    }

    pub fn speed(&self) -> Speed {
        Speed::start(&self.config("speed"))
    }

    /// Serves once the topics are there and read.
    pub fn serving(&self, arguments: &[&str]) -> Server {
        let config = self.config("serving").to_str().expect("a path").to_owned();
        let server = Server::start(&self.lake(), &[&["--config", &config], arguments].concat());
        server.until("/overview", "live orders", |overview| overview["live"]["connected"] == true);
        server
    }

    /// Writes lines of these numbers, each to the partition of its key.
    pub fn produce(&self, numbers: std::ops::Range<usize>) {
        let lines: Vec<_> = numbers
            .map(|number| {
                let line = line(number);
                (Some(line["CustomerID"].as_str().expect("an id").to_owned()), line.to_string())
            })
            .collect();
        produce_all(&self.bootstrap, &self.topic, &lines).expect("produced");
    }
}

/// Line n of all: invoices have three lines, one in eleven lines is refused.
pub fn line(number: usize) -> Value {
    let invoice = number / 3;
    let customer = format!("C{}", invoice * 7 % 97 + invoice % 5);
    let quantity = if number % 11 == 4 { 0 } else { number % 9 + 1 };
    let (day, minute) = (invoice / 60 % 28 + 1, invoice % 60);
    json!({
        "InvoiceNo": format!("{}", 500_000 + invoice), "StockCode": "A", "Description": "a", "Quantity": quantity,
        "InvoiceDate": format!("2026-05-{day:02}T10:{minute:02}:00Z"), "UnitPrice": (number % 50 + 1) as f64 / 4.0,
        "CustomerID": customer, "Country": "France"
    })
}

/// What the first lines add up to, told in another way than the programs do.
pub fn sums(lines: usize) -> Sums {
    let mut sums = Sums::new();
    for line in (0..lines).map(line) {
        let quantity = line["Quantity"].as_i64().expect("a number");
        if quantity == 0 {
            continue;
        }
        let text = |name: &str| line[name].as_str().expect("a text").to_owned();
        let (invoices, amount, last) = sums.entry(text("CustomerID")).or_default();
        invoices.insert(text("InvoiceNo"));
        *amount += quantity * (line["UnitPrice"].as_f64().expect("a price") * 10_000.0) as i64;
        *last = last.clone().max(text("InvoiceDate"));
    }
    sums
}
