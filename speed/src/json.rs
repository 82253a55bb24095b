//! Writing the JSON of output topics: flat objects, straight into a buffer, money exact.

use data::{EventTime, Money};

/// Writes the fields of one object; [`Object::end`] closes it.
pub struct Object<'b> {
    out: &'b mut Vec<u8>,
    empty: bool,
}

impl<'b> Object<'b> {
    pub fn begin(out: &'b mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, empty: true }
    }

    pub fn end(self) {
        self.out.push(b'}');
    }

    pub fn text(&mut self, name: &str, value: &str) -> &mut Self {
        write_text(self.name(name), value);
        self
    }

    pub fn integer(&mut self, name: &str, value: impl itoa::Integer) -> &mut Self {
        write_integer(self.name(name), value);
        self
    }

    pub fn money(&mut self, name: &str, value: Money) -> &mut Self {
        write_money(self.name(name), value);
        self
    }

    pub fn time(&mut self, name: &str, value: EventTime) -> &mut Self {
        let out = self.name(name);
        out.push(b'"');
        value.write_iso(out);
        out.push(b'"');
        self
    }

    pub fn flag(&mut self, name: &str, value: bool) -> &mut Self {
        self.name(name).extend_from_slice(if value { b"true" } else { b"false" });
        self
    }

    /// A value that may be missing, written as null then.
    pub fn or_null<T>(&mut self, name: &str, value: Option<T>, write: impl FnOnce(&mut Vec<u8>, T)) -> &mut Self {
        let out = self.name(name);
        match value {
            Some(value) => write(out, value),
            None => out.extend_from_slice(b"null"),
        }
        self
    }

    /// A value that `write` writes.
    pub fn value(&mut self, name: &str, write: impl FnOnce(&mut Vec<u8>)) -> &mut Self {
        write(self.name(name));
        self
    }

    fn name(&mut self, name: &str) -> &mut Vec<u8> {
        if !std::mem::take(&mut self.empty) {
            self.out.push(b',');
        }
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.out
    }
}

pub fn write_integer(out: &mut Vec<u8>, value: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// In currency units with the decimals it needs, four at most: exact, however large.
pub fn write_money(out: &mut Vec<u8>, value: Money) {
    let raw = value.raw();
    if raw < 0 {
        out.push(b'-');
    }
    let raw = raw.unsigned_abs();
    write_integer(out, raw / 10_000);
    let mut fraction = raw % 10_000;
    if fraction == 0 {
        return;
    }
    let mut digits = 4;
    while fraction.is_multiple_of(10) {
        (fraction, digits) = (fraction / 10, digits - 1);
    }
    out.push(b'.');
    let mut number = itoa::Buffer::new();
    let number = number.format(fraction).as_bytes();
    out.extend(std::iter::repeat_n(b'0', digits - number.len()));
    out.extend_from_slice(number);
}

pub fn write_text(out: &mut Vec<u8>, value: &str) {
    out.push(b'"');
    if value.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
        out.extend_from_slice(value.as_bytes());
    } else {
        for character in value.chars() {
            match character {
                '"' => out.extend_from_slice(b"\\\""),
                '\\' => out.extend_from_slice(b"\\\\"),
                '\n' => out.extend_from_slice(b"\\n"),
                '\r' => out.extend_from_slice(b"\\r"),
                '\t' => out.extend_from_slice(b"\\t"),
                control if control < ' ' => out.extend_from_slice(format!("\\u{:04x}", u32::from(control)).as_bytes()),
                plain => out.extend_from_slice(plain.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_reads_back(text in any::<String>(), raw in any::<i64>(), whole in any::<i64>()) {
            let mut out = Vec::new();
            let mut object = Object::begin(&mut out);
            object.text("text", &text).money("money", Money::from_raw(raw)).integer("whole", whole).flag("flag", true);
            object.or_null("none", None::<i64>, write_integer);
            object.end();
            let value: serde_json::Value = serde_json::from_slice(&out).expect("JSON");
            prop_assert_eq!(value["text"].as_str(), Some(text.as_str()));
            prop_assert_eq!(value["whole"].as_i64(), Some(whole));
            prop_assert!(value["none"].is_null());
            let written = String::from_utf8(out).expect("UTF-8");
            let digits = written.split("\"money\":").nth(1).and_then(|rest| rest.split(',').next()).expect("digits");
            let (number, fraction) = digits.split_once('.').unwrap_or((digits, ""));
            prop_assert!(fraction.len() <= 4 && !fraction.ends_with('0'));
            let back = format!("{number}{fraction:0<4}").parse::<i128>().expect("digits");
            prop_assert_eq!(back, i128::from(raw));
        }
    }
}
