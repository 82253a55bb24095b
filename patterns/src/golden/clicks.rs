//! Files of clicks: `event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session`.

use super::Error;

/// One line of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Click {
    /// Its line, from 0, the header not counted.
    pub row: u64,
    /// Milliseconds since 1970.
    pub at: i64,
    pub price: f64,
    fields: [Box<str>; 7],
}

const FIELDS: [&str; 7] =
    ["event_type", "product_id", "category_id", "category_code", "brand", "user_id", "user_session"];

/// A field's value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'c> {
    Text(&'c str),
    Number(f64),
}

impl Click {
    /// The value of a field; `None` if there is no such field.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<Value<'_>> {
        if name == "price" {
            return Some(Value::Number(self.price));
        }
        let place = FIELDS.iter().position(|field| *field == name)?;
        self.fields.get(place).map(|text| Value::Text(text))
    }

    /// The value of a field as a key.
    #[must_use]
    pub fn key(&self, name: &str) -> String {
        match self.field(name) {
            Some(Value::Text(text)) => text.to_owned(),
            Some(Value::Number(number)) => format!("{number:?}"),
            None => String::new(),
        }
    }
}

/// Reads a whole file with its header.
///
/// # Errors
/// The first line that is not a click.
pub fn read_clicks(text: &str) -> Result<Vec<Click>, Error> {
    let lines = text.lines().skip(1).filter(|line| !line.is_empty());
    lines.zip(0..).map(|(line, row)| click(line, row).ok_or(Error::Click { row })).collect()
}

fn click(line: &str, row: u64) -> Option<Click> {
    let mut fields = line.splitn(9, ',');
    let at = time(fields.next()?)?;
    let [kind, product, category_id, category, brand, price, user, session] =
        std::array::from_fn(|_| fields.next().unwrap_or("\u{0}"));
    if session == "\u{0}" {
        return None;
    }
    let fields = [kind, product, category_id, category, brand, user, session].map(Box::from);
    Some(Click { row, at, price: price.trim().parse().ok()?, fields })
}

/// `YYYY-MM-DD HH:MM:SS[.mmm] UTC` in milliseconds.
fn time(text: &str) -> Option<i64> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let seconds = number(11, 13)? * 3600 + number(14, 16)? * 60 + number(17, 19)?;
    let millis = if text.get(19..20) == Some(".") { number(20, 23)? } else { 0 };
    Some((days(year, month, day) * 86_400 + seconds) * 1000 + millis)
}

/// Days since 1970-01-01 of a date of the Gregorian calendar, counted in years that begin in March.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month = (month + 9) % 12;
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * month + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_milliseconds() {
        assert_eq!(time("2019-10-01 00:00:05.850 UTC"), Some(1_569_888_005_850));
        assert_eq!(time("1970-01-01 00:00:00 UTC"), Some(0));
        assert_eq!(time("2020-02-29 23:59:59 UTC"), Some(1_583_020_799_000));
        assert_eq!(time("yesterday"), None);
    }
}
