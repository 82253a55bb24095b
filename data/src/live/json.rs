//! The value of topic `orders`: one order line as a JSON object.

use std::fmt::Display;
use std::io::Write;

use serde::Serialize;

/// Writes one object field by field into a buffer that is used again.
#[derive(Debug)]
pub struct Object<'a> {
    buffer: &'a mut Vec<u8>,
}

impl<'a> Object<'a> {
    /// Empties `buffer` and begins.
    pub fn begin(buffer: &'a mut Vec<u8>) -> Self {
        buffer.clear();
        Self { buffer }
    }

    /// A text; null when empty.
    pub fn text(&mut self, name: &str, text: &str) {
        self.name(name);
        if text.is_empty() {
            self.buffer.extend_from_slice(b"null");
        } else {
            self.escaped(text);
        }
    }

    /// As it is spelled: a number where it is spelled as JSON spells numbers, else a text.
    pub fn number_or_text(&mut self, name: &str, text: &str) {
        if is_number(text.as_bytes()) {
            self.shown(name, text);
        } else {
            self.text(name, text);
        }
    }

    /// What needs no quotes.
    pub fn shown(&mut self, name: &str, value: impl Display) {
        self.name(name);
        self.put(format_args!("{value}"));
    }

    /// What needs quotes and no escapes.
    pub fn quoted(&mut self, name: &str, value: impl Display) {
        self.name(name);
        self.put(format_args!("\"{value}\""));
    }

    pub fn end(self) {
        self.buffer.push(b'}');
    }

    fn name(&mut self, name: &str) {
        self.buffer.push(if self.buffer.is_empty() { b'{' } else { b',' });
        self.buffer.push(b'"');
        self.buffer.extend_from_slice(name.as_bytes());
        self.buffer.extend_from_slice(b"\":");
    }

    fn escaped(&mut self, text: &str) {
        let plain = text.bytes().all(|byte| byte >= b' ' && !matches!(byte, b'"' | b'\\'));
        if plain {
            self.buffer.push(b'"');
            self.buffer.extend_from_slice(text.as_bytes());
            self.buffer.push(b'"');
        } else {
            // Memory takes all that is written.
            let _ = text.serialize(&mut serde_json::Serializer::new(&mut *self.buffer));
        }
    }

    fn put(&mut self, value: std::fmt::Arguments<'_>) {
        let _ = self.buffer.write_fmt(value); // memory takes all that is written
    }
}

/// Whether JSON spells a number so: `6`, `-0.5`, `1e3`; not `.5`, `007`, `+1`, `1,000`.
fn is_number(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let (whole, rest) = digits(text);
    if whole.is_empty() || (whole.len() > 1 && whole.starts_with(b"0")) {
        return false;
    }
    let rest = match rest.strip_prefix(b".").map(digits) {
        Some(([], _)) => return false,
        Some((_, rest)) => rest,
        None => rest,
    };
    match rest.split_first() {
        None => true,
        Some((b'e' | b'E', exponent)) => {
            let unsigned = exponent.strip_prefix(b"-").or(exponent.strip_prefix(b"+")).unwrap_or(exponent);
            matches!(digits(unsigned), ([_, ..], []))
        }
        Some(_) => false,
    }
}

fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    text.split_at(text.iter().take_while(|byte| byte.is_ascii_digit()).count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_what_json_reads() {
        let mut buffer = b"left over".to_vec();
        let mut object = Object::begin(&mut buffer);
        object.quoted("InvoiceNo", "536365");
        object.text("Description", "7\" RECORD \\ £\u{1}");
        object.number_or_text("Quantity", "6");
        object.number_or_text("UnitPrice", "1,250.00");
        object.text("CustomerID", "");
        object.end();
        let value: serde_json::Value = serde_json::from_slice(&buffer).expect("json");
        let expected = serde_json::json!({
            "InvoiceNo": "536365", "Description": "7\" RECORD \\ £\u{1}", "Quantity": 6,
            "UnitPrice": "1,250.00", "CustomerID": null
        });
        assert_eq!(value, expected);
    }

    #[test]
    fn knows_numbers_as_json_does() {
        let texts = [
            "6", "-2", "2.55", "0", "-0.5", "1e3", "1E-05", "007", "+1", ".5", "5.", "1,0", "", "-", "1e", "0x1", "NaN",
        ];
        for text in texts {
            let number = serde_json::from_str::<f64>(text).is_ok();
            assert_eq!(is_number(text.as_bytes()), number, "{text}");
        }
    }
}
