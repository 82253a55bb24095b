//! What the lake has: publications, and how far the topic is archived.

use data::lake::{Lake, Publication, SourceRow, Table};
use tokio::runtime::Handle;

/// The lake's side of a status.
#[derive(Debug, Default)]
pub struct LakeLook {
    /// Oldest first.
    pub publications: Vec<Publication>,
    /// By partition of the topic of orders: the first offset that is not archived.
    pub archived: Vec<Option<i64>>,
    /// Why there is nothing.
    pub trouble: Option<String>,
}

/// Looks at the lake at `location`, which need not be one.
pub fn look(location: &str, runtime: &Handle, topic: &str, topic_id: &str, partitions: u32) -> LakeLook {
    let looked = runtime.block_on(async {
        let lake = Lake::open_existing(location)?;
        let publications = match lake.snapshot(Table::Publications, None).await? {
            Some(table) => table.publications().await?,
            None => Vec::new(),
        };
        let mut archived = Vec::new();
        if let Some(orders) = lake.snapshot(Table::Orders, None).await? {
            for partition in 0..partitions {
                let row = SourceRow::for_topic(topic_id, topic, partition);
                archived.push(orders.application_version(&SourceRow::application_id(&row.source_id)).await?);
            }
        }
        Ok::<_, data::lake::Error>(LakeLook { publications, archived, trouble: None })
    });
    looked.unwrap_or_else(|error| LakeLook { trouble: Some(error.to_string()), ..LakeLook::default() })
}
