//! One customer in every publication.

use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use data::Money;
use data::lake::{Lake, Publication, Table};

use super::{Files, columns};
use crate::error::Result;

/// What a publication said of a customer.
#[derive(Clone, Debug)]
pub struct Past {
    pub publication: Arc<Publication>,
    pub segment_id: i64,
    pub segment_name: String,
    pub rfm_segment: String,
    pub recency_days: i64,
    pub frequency: i64,
    pub monetary: Money,
}

/// `None` where the publication does not know the customer.
///
/// # Errors
/// When its tables cannot be read.
pub async fn past_of(lake: &Lake, publication: Arc<Publication>, customer: &str) -> Result<Option<Past>> {
    let versions = publication.versions;
    let rfm = Files::open(lake, Table::CustomerRfm, versions.customer_rfm);
    let segments = Files::open(lake, Table::CustomerSegments, versions.customer_segments);
    let (rfm, segments) = futures::future::join(rfm, segments).await;
    let (rfm, segments, customer) = (rfm?, segments?, customer.to_owned());
    let read = tokio::task::spawn_blocking(move || {
        let mut past = None;
        let names = ["customer_id", "recency_days", "frequency", "monetary", "rfm_segment"];
        rfm.each_batch_where(&names, ("customer_id", &customer), |batch| {
            let [days, invoices, money, named] =
                columns(batch, ["recency_days", "frequency", "monetary", "rfm_segment"])?;
            let number = |column: &arrow::array::ArrayRef| column.as_primitive::<Int64Type>().iter().flatten().next();
            let name = named.as_string::<i32>().iter().flatten().next().map(str::to_owned);
            if let (Some(days), Some(invoices), Some(money), Some(name)) =
                (number(&days), number(&invoices), number(&money), name)
            {
                past = Some((days, invoices, Money::from_raw(money), name));
            }
            Ok(())
        })?;
        let Some((recency_days, frequency, monetary, rfm_segment)) = past else { return Ok(None) };
        let mut segment = (0, String::new());
        let names = ["customer_id", "segment_id", "segment_name"];
        segments.each_batch_where(&names, ("customer_id", &customer), |batch| {
            let [ids, names] = columns(batch, ["segment_id", "segment_name"])?;
            let id = ids.as_primitive::<Int64Type>().iter().flatten().next();
            if let Some((id, name)) = id.zip(names.as_string::<i32>().iter().flatten().next()) {
                segment = (id, name.to_owned());
            }
            Ok(())
        })?;
        let (segment_id, segment_name) = segment;
        Ok(Some(Past { publication, segment_id, segment_name, rfm_segment, recency_days, frequency, monetary }))
    });
    read.await?
}
