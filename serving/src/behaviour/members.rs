//! Each customer's segment, scores and features by rules.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap};

use foldhash::fast::FixedState;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

/// A customer who is known to the rules.
#[derive(Debug)]
pub struct Member {
    /// Among the segments' names; `None`: no segment fits.
    segment: Option<u16>,
    shape: u16,
    pub at: Box<str>,
    /// Scores, then features; those without a value are not numbers.
    values: Box<[f64]>,
}

/// The names of a record's scores and features: the same for all records of an edition of rules.
#[derive(Debug, Default, PartialEq, Eq)]
struct Shape {
    scores: Vec<String>,
    features: Vec<String>,
}

/// A value with its name.
#[derive(Clone, Debug, PartialEq)]
pub struct Named<'m> {
    pub name: &'m str,
    pub value: Option<f64>,
}

/// All of them, and how many each segment has.
#[derive(Debug, Default)]
pub struct Members {
    customers: HashMap<Box<str>, Member, FixedState>,
    shapes: Vec<Shape>,
    names: Vec<String>,
    /// By segment, and of those without one.
    counts: Vec<u64>,
    without: u64,
}

#[derive(Deserialize)]
struct WireMember<'r> {
    segment: Option<String>,
    #[serde(borrow)]
    scores: Pairs<'r>,
    #[serde(borrow)]
    features: Pairs<'r>,
    at: Box<str>,
}

/// An object of numbers, in its order.
struct Pairs<'r>(Vec<(&'r str, Option<f64>)>);

impl<'de: 'r, 'r> Deserialize<'de> for Pairs<'r> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Pairs<'de>;

            fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str("an object of numbers")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Pairs<'de>, M::Error> {
                let mut pairs = Vec::with_capacity(8);
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

impl Members {
    #[must_use]
    pub fn len(&self) -> usize {
        self.customers.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.customers.is_empty()
    }

    /// Takes the newest record of a customer of `rule-segments`; `None` is a tombstone.
    ///
    /// # Errors
    /// When it is no record; then nothing changes.
    pub fn put(&mut self, customer: &str, record: Option<&[u8]>) -> Result<(), serde_json::Error> {
        let member = record.map(|record| self.read(record)).transpose()?;
        let now = member.as_ref().map(|member| member.segment);
        let before = match member {
            Some(member) => self.customers.insert(customer.into(), member),
            None => self.customers.remove(customer),
        };
        if let Some(count) = before.and_then(|before| self.count_of(before.segment)) {
            *count -= 1;
        }
        if let Some(count) = now.and_then(|segment| self.count_of(segment)) {
            *count += 1;
        }
        Ok(())
    }

    fn count_of(&mut self, segment: Option<u16>) -> Option<&mut u64> {
        match segment {
            None => Some(&mut self.without),
            Some(segment) => self.counts.get_mut(usize::from(segment)),
        }
    }

    fn read(&mut self, record: &[u8]) -> Result<Member, serde_json::Error> {
        let wire: WireMember<'_> = serde_json::from_slice(record)?;
        let values = wire.scores.0.iter().chain(&wire.features.0).map(|(_, value)| value.unwrap_or(f64::NAN)).collect();
        let segment = wire.segment.map(|name| self.segment_named(&name));
        Ok(Member { segment, shape: self.shape_of(&wire.scores.0, &wire.features.0), at: wire.at, values })
    }

    fn segment_named(&mut self, name: &str) -> u16 {
        let place = self.names.iter().position(|own| own == name).unwrap_or_else(|| {
            self.names.push(name.to_owned());
            self.counts.push(0);
            self.names.len() - 1
        });
        u16::try_from(place).unwrap_or(u16::MAX)
    }

    fn shape_of(&mut self, scores: &[(&str, Option<f64>)], features: &[(&str, Option<f64>)]) -> u16 {
        let is = |own: &[String], names: &[(&str, Option<f64>)]| own.iter().eq(names.iter().map(|(name, _)| name));
        let known = self.shapes.iter().rposition(|own| is(&own.scores, scores) && is(&own.features, features));
        let place = known.unwrap_or_else(|| {
            let names = |pairs: &[(&str, Option<f64>)]| pairs.iter().map(|(name, _)| (*name).to_owned()).collect();
            self.shapes.push(Shape { scores: names(scores), features: names(features) });
            self.shapes.len() - 1
        });
        u16::try_from(place).unwrap_or(u16::MAX)
    }

    /// Every segment that a customer was ever in, with how many are; those whom no segment fits come last, without a name.
    pub fn segments(&self) -> impl Iterator<Item = (Option<&str>, u64)> {
        let named = self.names.iter().zip(&self.counts).map(|(name, count)| (Some(name.as_str()), *count));
        named.chain((self.without > 0).then_some((None, self.without)))
    }

    #[must_use]
    pub fn get(&self, customer: &str) -> Option<&Member> {
        self.customers.get(customer)
    }

    /// The name of a customer's segment.
    #[must_use]
    pub fn segment_of(&self, member: &Member) -> Option<&str> {
        self.names.get(usize::from(member.segment?)).map(String::as_str)
    }

    /// A customer's scores, and the features that they follow from.
    #[must_use]
    pub fn values_of<'m>(&'m self, member: &'m Member) -> (Vec<Named<'m>>, Vec<Named<'m>>) {
        let Some(shape) = self.shapes.get(usize::from(member.shape)) else { return Default::default() };
        let (scores, features) = member.values.split_at_checked(shape.scores.len()).unwrap_or_default();
        let named = |names: &'m [String], values: &[f64]| {
            let named = names.iter().zip(values);
            named.map(|(name, value)| Named { name, value: Some(*value).filter(|value| value.is_finite()) }).collect()
        };
        (named(&shape.scores, scores), named(&shape.features, features))
    }

    /// The customers of a segment behind `after`, `limit` at most, and whether there are more.
    #[must_use]
    pub fn page(&self, segment: &str, sort: &Sort, after: Option<&Cursor>, limit: usize) -> MemberPage<'_> {
        let wanted = self.names.iter().position(|own| own == segment);
        // The last of those that are kept is on top.
        let mut kept: BinaryHeap<Ranked<'_>> = BinaryHeap::with_capacity(limit + 2);
        let after = after.map(|cursor| Ranked { key: cursor.key, id: &cursor.id });
        for (id, member) in &self.customers {
            if wanted.is_none() || member.segment.map(usize::from) != wanted {
                continue;
            }
            let ranked = Ranked { key: self.key(member, sort), id };
            let is_before = after.as_ref().is_some_and(|after| ranked <= *after);
            if is_before || (kept.len() > limit && kept.peek().is_some_and(|last| ranked >= *last)) {
                continue;
            }
            kept.push(ranked);
            if kept.len() > limit + 1 {
                kept.pop();
            }
        }
        let mut ranked = kept.into_sorted_vec();
        let more = ranked.len() > limit;
        ranked.truncate(limit);
        let next = ranked.last().filter(|_| more).map(|last| Cursor { key: last.key, id: last.id.to_owned() });
        let found = |ranked: &Ranked<'_>| self.customers.get_key_value(ranked.id);
        let customers = ranked.iter().filter_map(found).map(|(id, member)| (&**id, member)).collect();
        MemberPage { customers, next }
    }

    /// Small ones come first.
    fn key(&self, member: &Member, sort: &Sort) -> f64 {
        let Sort::Value { name, descending } = sort else { return 0.0 };
        let Some(shape) = self.shapes.get(usize::from(member.shape)) else { return f64::INFINITY };
        let place = shape.scores.iter().chain(&shape.features).position(|own| own == name);
        let value = place.and_then(|place| member.values.get(place)).copied().filter(|value| value.is_finite());
        // Who has no such value comes last.
        value.map_or(f64::INFINITY, |value| if *descending { -value } else { value })
    }

    /// Whether some customer has a score or feature called `name`.
    #[must_use]
    pub fn has_value(&self, name: &str) -> bool {
        self.shapes.iter().any(|shape| shape.scores.iter().chain(&shape.features).any(|own| own == name))
    }
}

/// An order of customers; equals follow by id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sort {
    Id,
    Value { name: String, descending: bool },
}

/// The place of a customer in an order.
#[derive(Clone, Debug, PartialEq)]
pub struct Cursor {
    key: f64,
    id: String,
}

impl Cursor {
    /// Reads what [`Cursor`] shows.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let (key, id) = text.split_once('~')?;
        let key = f64::from_bits(u64::from_str_radix(key, 16).ok()?);
        Some(Self { key: if key.is_nan() { f64::INFINITY } else { key }, id: id.to_owned() })
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{:x}~{}", self.key.to_bits(), self.id)
    }
}

/// Some customers of a segment.
#[derive(Debug)]
pub struct MemberPage<'m> {
    pub customers: Vec<(&'m str, &'m Member)>,
    /// Behind the last of them; `None` at the end.
    pub next: Option<Cursor>,
}

struct Ranked<'m> {
    key: f64,
    id: &'m str,
}

impl Ord for Ranked<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key.total_cmp(&other.key).then_with(|| self.id.cmp(other.id))
    }
}

impl PartialOrd for Ranked<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ranked<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Ranked<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(segment: Option<&str>, score: u32, spend: Option<f64>) -> Vec<u8> {
        let record = serde_json::json!({
            "customer_id": "-", "segment": segment, "scores": {"r": score}, "features": {"spend": spend},
            "at": "2026-01-01T00:00:00Z",
        });
        record.to_string().into_bytes()
    }

    fn members() -> Members {
        let mut members = Members::default();
        for (id, segment, spend) in
            [("a", "X", Some(3.0)), ("b", "X", Some(9.0)), ("c", "Y", None), ("d", "X", None), ("e", "X", Some(3.0))]
        {
            members.put(id, Some(&record(Some(segment), 4, spend))).expect("a record");
        }
        members
    }

    #[test]
    fn counts_follow_moves_and_ends() {
        let mut members = members();
        members.put("a", Some(&record(Some("Y"), 5, None))).expect("a record");
        members.put("b", None).expect("a tombstone");
        members.put("f", Some(&record(None, 1, None))).expect("a record");
        assert!(members.put("a", Some(b"{\"segment\":1}")).is_err());
        let counts: Vec<_> = members.segments().collect();
        assert_eq!(counts, [(Some("X"), 2), (Some("Y"), 2), (None, 1)]);
        let member = members.get("a").expect("a member");
        let (scores, features) = members.values_of(member);
        assert_eq!(
            (scores, features),
            (vec![Named { name: "r", value: Some(5.0) }], vec![Named { name: "spend", value: None }])
        );
    }

    #[test]
    fn pages_go_through_everybody_once() {
        let members = members();
        let spend = |descending| Sort::Value { name: "spend".to_owned(), descending };
        for (sort, expected) in [
            (Sort::Id, ["a", "b", "d", "e"]),
            (spend(false), ["a", "e", "b", "d"]),
            (spend(true), ["b", "a", "e", "d"]),
        ] {
            for limit in 1..5 {
                let (mut found, mut after) = (Vec::new(), None);
                loop {
                    let page = members.page("X", &sort, after.as_ref(), limit);
                    found.extend(page.customers.iter().map(|(id, _)| *id));
                    let Some(next) = page.next else { break };
                    after = Some(Cursor::read(&next.to_string()).expect("a cursor"));
                }
                assert_eq!(found, expected, "{sort:?} {limit}");
            }
        }
        assert!(members.page("Z", &Sort::Id, None, 5).customers.is_empty());
    }
}
