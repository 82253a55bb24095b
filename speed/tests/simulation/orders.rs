//! Order lines as shops send them, and what each of them is in truth.

use data::numbers::DecimalMark;
use data::{EventTime, RawLine, Rules};

use super::chance::Chance;

/// A line in truth: what every layer has to make of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub customer: String,
    pub invoice: String,
    /// In ten-thousandths; negative for a netted cancellation.
    pub amount: i64,
    pub at: EventTime,
}

/// One record of the topic, as it was meant.
#[derive(Clone, Debug)]
pub struct Produced {
    pub value: Option<Vec<u8>>,
    pub key: Option<Vec<u8>>,
    /// Or why it is refused.
    pub verdict: Result<Line, &'static str>,
    /// What the second operator makes of it.
    pub session: Option<(String, EventTime)>,
}

/// Who orders, and how carelessly.
#[derive(Debug)]
pub struct Shop {
    pub customers: Vec<String>,
    pub rules: Rules,
    /// Percent of lines that are dirty.
    pub dirt: u32,
    /// Percent of lines with another key than the customer's, or none.
    pub wrong_keys: u32,
    /// The day that most orders are of.
    pub day: i64,
    pub recent: Vec<(String, String)>,
    pub last: Option<Produced>,
}

const COUNTRIES: [&str; 4] = ["France", "Norway", "EIRE", "Österreich"];

/// Values that are no order lines at all, with the reason for which they are refused.
const GARBAGE: [(Option<&[u8]>, &str); 8] = [
    (None, "malformed"),
    (Some(b""), "malformed"),
    (Some(b"{\"InvoiceNo\":"), "malformed"),
    (Some(b"[1,2,3]"), "malformed"),
    (Some(b"{\"InvoiceNo\":[1]}"), "malformed"),
    (Some(b"\xff\xfe{}"), "bad_encoding"),
    (Some(b"{}"), "missing_invoice"),
    (Some(b"{\"InvoiceNo\":null,\"Quantity\":1}"), "missing_invoice"),
];

impl Shop {
    /// The next line.
    pub fn line(&mut self, chance: &mut Chance) -> Produced {
        if chance.one_in(25)
            && let Some(last) = &self.last
        {
            return last.clone();
        }
        if chance.percent(self.dirt) && chance.one_in(2) {
            let (value, reason) = *chance.pick(&GARBAGE);
            let key = chance.one_in(2).then(|| b"any".to_vec());
            return Produced { value: value.map(<[u8]>::to_vec), key, verdict: Err(reason), session: None };
        }
        let produced = self.order(chance);
        self.last = Some(produced.clone());
        produced
    }

    fn order(&mut self, chance: &mut Chance) -> Produced {
        let customer = chance.pick(&self.customers).clone();
        let invoice = self.invoice(&customer, chance);
        let cancelled = invoice.starts_with('C');
        let mut quantity = i64::from(chance.between(1, 9));
        if cancelled {
            quantity = -quantity;
        }
        let mut spelled =
            [customer.clone(), quantity.to_string(), format!("{}.{:02}", chance.below(30), chance.between(1, 99))];
        let at = self.moment(chance);
        let mut date = at.to_string();
        if chance.percent(self.dirt) {
            match chance.below(6) {
                0 => spelled[0].clear(),
                1 => spelled[1] = (-quantity).to_string(),
                2 => spelled[1] = "many".to_owned(),
                3 => spelled[2] = "0".to_owned(),
                4 => spelled[2] = "9e999".to_owned(),
                _ => "31.31.2011".clone_into(&mut date),
            }
        }
        let readable = data::DateFormat::from_flag("mdy").expect("a format").parse(date.as_bytes());
        let [id, quantity, price] = &spelled;
        let raw = RawLine {
            invoice: invoice.as_bytes(),
            stock_code: b"85123A",
            quantity: quantity.as_bytes(),
            unit_price: price.as_bytes(),
            customer_id: id.as_bytes(),
        };
        let verdict = self.rules.clean(&raw, readable, DecimalMark::Point, data::EventTime::MAX);
        let verdict = verdict.map_err(data::Reason::name).map(|line| Line {
            customer: customer.clone(),
            invoice: invoice.clone(),
            amount: line.amount.raw(),
            at: line.ordered_at,
        });
        let country = *chance.pick(&COUNTRIES);
        let value = write(&invoice, &spelled, &date, country, chance);
        let session = readable.map(|at| (country.to_owned(), at));
        Produced { value: Some(value), key: self.key(&customer, chance), verdict, session }
    }

    fn key(&self, customer: &str, chance: &mut Chance) -> Option<Vec<u8>> {
        if !chance.percent(self.wrong_keys) {
            return Some(customer.as_bytes().to_vec());
        }
        chance.one_in(2).then(|| chance.pick(&self.customers).clone().into_bytes())
    }

    /// A new invoice, or one seen before: of this customer, or of another, for whom it is another one.
    fn invoice(&mut self, customer: &str, chance: &mut Chance) -> String {
        if chance.percent(45) {
            let own: Vec<_> = self.recent.iter().filter(|(_, of)| of == customer || chance.one_in(20)).collect();
            if !own.is_empty() {
                return chance.pick(&own).0.clone();
            }
        }
        let prefix = if chance.one_in(8) { "C" } else { "" };
        let invoice = format!("{prefix}{}", 536_000 + self.recent.len());
        self.recent.push((invoice.clone(), customer.to_owned()));
        invoice
    }

    /// Mostly of the current day, which moves on; sometimes late.
    fn moment(&mut self, chance: &mut Chance) -> EventTime {
        if chance.one_in(12) {
            self.day += i64::from(chance.between(1, 4));
        }
        let day = if chance.one_in(6) { self.day - i64::from(chance.below(12)) } else { self.day };
        EventTime::from_micros(EventTime::at_day(day).micros() + i64::from(chance.below(86_400)) * 1_000_000)
    }
}

fn write(
    invoice: &str,
    [id, quantity, price]: &[String; 3],
    date: &str,
    country: &str,
    chance: &mut Chance,
) -> Vec<u8> {
    let plain = |text: &str| text.parse::<f64>().is_ok_and(f64::is_finite) && !text.is_empty();
    let mut scalar = |text: &str| {
        if plain(text) && chance.one_in(2) { text.to_owned() } else { serde_json::Value::from(text).to_string() }
    };
    let (quantity, price) = (scalar(quantity), scalar(price));
    let id = match id.as_str() {
        "" => "null".to_owned(),
        // As spreadsheets spell it.
        id if id.bytes().all(|byte| byte.is_ascii_digit()) && id.len() > 1 => format!("{id}.0"),
        id => serde_json::Value::from(id).to_string(),
    };
    format!(
        r#"{{"InvoiceNo":"{invoice}","StockCode":"85123A","Description":"T-LIGHT \"HOLDER\"","Quantity":{quantity},"InvoiceDate":"{date}","UnitPrice":{price},"CustomerID":{id},"Country":"{country}"}}"#
    )
    .into_bytes()
}
