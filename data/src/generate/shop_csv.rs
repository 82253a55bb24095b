//! A shop's events as files: clicks, and news of orders, one a line.

use std::io::{self, Write};

use super::shop::{Shop, ShopOptions, What};

const CLICKS: &str =
    "event_time,event_type,product_id,product_name,category_code,brand,price,user_id,user_session,event_id,page_url";
const ORDERS: &str = "order_time,order_id,user_id,event_id,order_status,price";

/// Writes the clicks; how many there are.
///
/// # Errors
/// What `out` returns.
pub fn write_clicks(options: &ShopOptions, out: &mut dyn Write) -> io::Result<u64> {
    let names = options.names();
    writeln!(out, "{CLICKS}")?;
    let mut written = 0;
    for event in Shop::new(options) {
        let What::Click { click, session, product } = event.what else { continue };
        let (at, click, price, user) = (event.at, click.name(), event.price, event.user);
        let (session, id) = (names.session(session), names.event(event.number));
        let (product, name, category, brand) = (product.id, product.name, product.category, product.brand);
        writeln!(
            out,
            "{at},{click},{product},{name},{category},{brand},{price},{user},{session},{id},/product/{product}"
        )?;
        written += 1;
    }
    out.flush()?;
    Ok(written)
}

/// Writes the news of orders; how many there are.
///
/// # Errors
/// What `out` returns.
pub fn write_order_events(options: &ShopOptions, out: &mut dyn Write) -> io::Result<u64> {
    let names = options.names();
    writeln!(out, "{ORDERS}")?;
    let mut written = 0;
    for event in Shop::new(options) {
        let What::Order { order, status } = event.what else { continue };
        let (order, id) = (names.order(order), names.event(event.number));
        writeln!(out, "{},{order},{},{id},{},{}", event.at, event.user, status.name(), event.price)?;
        written += 1;
    }
    out.flush()?;
    Ok(written)
}
