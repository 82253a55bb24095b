//! A lake in a folder and topics of a real broker, with everything that a group would commit.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use data::kafka::{KafkaSettings, topic_id};
use data::lake::{Lake, Table};
use data::{DateFormat, DayMonth, Rules};
use kafka::{Broker, BrokerOptions, create_topic, produce_all};
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use speed::archive::{Archiver, Settings};
use speed::operators::segments::Reading;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

pub struct World {
    pub bootstrap: String,
    /// Of this world alone, and so is the group of that name.
    pub topic: String,
    /// Holds the lake, and what else the world needs.
    pub folder: TempDir,
    pub runtime: Runtime,
    /// What clients of `bootstrap` need beside it.
    pub properties: BTreeMap<String, String>,
    /// Where the same broker asks for nothing.
    pub internal: String,
    committer: BaseConsumer,
}

/// One broker for every test that leaves it as it is; it ends with this process.
fn shared() -> Option<&'static str> {
    static BROKER: OnceLock<Option<(Broker, String)>> = OnceLock::new();
    let start = || {
        let broker = Broker::start_or_skip(BrokerOptions::default()).expect("a broker")?;
        let bootstrap = broker.bootstrap();
        Some((broker, bootstrap))
    };
    BROKER.get_or_init(start).as_ref().map(|(_, bootstrap)| bootstrap.as_str())
}

impl World {
    /// On the broker that tests share; `None` where Kafka is not installed.
    pub fn new(topic: &str, partitions: i32) -> Option<Self> {
        Some(Self::on(shared()?.to_owned(), topic, partitions))
    }

    /// On a broker of its own, reached as its security wants it.
    pub fn of(broker: &Broker, topic: &str, partitions: i32) -> Self {
        let world = Self::on(broker.internal_bootstrap(), topic, partitions);
        let mut properties = broker.client_properties();
        properties.remove("bootstrap.servers");
        Self { bootstrap: broker.bootstrap(), properties, ..world }
    }

    pub fn on(bootstrap: String, topic: &str, partitions: i32) -> Self {
        create_topic(&bootstrap, topic, partitions, &[]).expect("a topic");
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let folder = TempDir::new().expect("a folder");
        let mut config = KafkaSettings::new(&bootstrap).client_config();
        let committer = config.set("group.id", topic).create().expect("a client");
        let (internal, properties) = (bootstrap.clone(), BTreeMap::new());
        let world = Self { bootstrap, topic: topic.to_owned(), folder, runtime, properties, internal, committer };
        world.runtime.block_on(world.lake().tables(&Rules::default())).expect("tables");
        world
    }

    pub fn client(&self) -> ClientConfig {
        self.kafka().client_config()
    }

    pub fn lake_path(&self) -> PathBuf {
        self.folder.path().join("lake")
    }

    pub fn lake(&self) -> Lake {
        Lake::open(self.lake_path().to_str().expect("a path")).expect("a lake")
    }

    pub fn kafka(&self) -> KafkaSettings {
        KafkaSettings::new(&self.bootstrap).with(self.properties.clone())
    }

    pub fn settings(&self) -> Settings {
        let client: BaseConsumer = self.client().create().expect("a client");
        Settings {
            kafka: self.kafka(),
            group: self.topic.clone(),
            topic: self.topic.clone(),
            topic_id: topic_id(client.client(), &self.topic, Duration::from_secs(10)).expect("asked").expect("an id"),
            shards: 2,
            reading: Reading { rules: Rules::default(), dates: DateFormat::Order(DayMonth::MonthFirst) },
            every: Duration::ZERO,
            records: 1,
            skip_lost: false,
        }
    }

    pub fn archiver(&self) -> Archiver {
        Archiver::new(self.settings(), self.lake(), self.runtime.handle().clone()).expect("an archiver")
    }

    /// Writes lines, each to the partition of its key.
    pub fn produce(&self, lines: &[(String, String)]) {
        let lines: Vec<_> = lines.iter().map(|(key, line)| (Some(key), line)).collect();
        produce_all(&self.bootstrap, &self.topic, &lines).expect("produced");
    }

    /// Commits as the workers do: the next offset to read, and the cell that is open.
    pub fn commit(&self, partition: i32, offset: i64, metadata: &str) {
        let mut list = TopicPartitionList::new();
        let mut element = list.add_partition(&self.topic, partition);
        element.set_offset(Offset::Offset(offset)).expect("an offset");
        element.set_metadata(metadata);
        // A broker that has just started may still be loading the group.
        while let Err(error) = self.committer.commit(&list, CommitMode::Sync) {
            eprintln!("committing again: {error}");
        }
    }

    /// Deletes the first records of a partition, as retention does.
    pub fn delete_before(&self, partition: i32, offset: i64) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().expect("a client");
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.topic, partition, Offset::Offset(offset)).expect("an offset");
        self.runtime.block_on(admin.delete_records(&list, &AdminOptions::new())).expect("deleted");
    }

    /// Offsets by source, in `orders` and in `rejected_orders`.
    pub fn archived(&self) -> [BTreeMap<String, Vec<i64>>; 2] {
        [Table::Orders, Table::RejectedOrders].map(|table| {
            let mut found: BTreeMap<String, Vec<i64>> = BTreeMap::new();
            let snapshot = self.runtime.block_on(self.lake().snapshot(table, None)).expect("a lake").expect("a table");
            for batch in self.runtime.block_on(snapshot.rows()).expect("rows") {
                let sources = batch.column_by_name("source").expect("a column").as_string::<i32>();
                let offsets = batch.column_by_name("source_position").expect("a column").as_primitive::<Int64Type>();
                for (source, offset) in sources.iter().flatten().zip(offsets.values()) {
                    found.entry(source.to_owned()).or_default().push(*offset);
                }
            }
            found.values_mut().for_each(|offsets| offsets.sort_unstable());
            found
        })
    }
}

/// Both shards.
pub fn all() -> BTreeSet<u32> {
    BTreeSet::from([0, 1])
}

pub fn line(invoice: &str, customer: &str, quantity: i64, price: &str, date: &str) -> (String, String) {
    let line = format!(
        r#"{{"InvoiceNo":"{invoice}","StockCode":"S1","Description":"BOX","Quantity":{quantity},"InvoiceDate":"{date}","UnitPrice":{price},"CustomerID":"{customer}","Country":"UK"}}"#
    );
    (customer.to_owned(), line)
}
