//! Random patterns over events that are a letter and a price.
#![allow(dead_code, reason = "each test file uses a part of this")]
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic: that is how it fails")]

use patterns::{ConditionId, Conditions, Contiguity, Draft, Found, Inner, Limits, Matcher, Output, Skip, Stage, Times};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    pub letter: u8,
    pub price: u8,
    /// Its number.
    pub row: u32,
}

/// Letters a, b, c; a or b, b or c; and, as the last two, the letter b if it costs more than the first event of stage 0, the
/// letter c if it costs no more than the last event of stage 0.
pub fn conditions() -> Conditions<Event> {
    let mut conditions = Conditions::default();
    for letters in LETTERS {
        conditions.event(move |event: &Event| letters.contains(&event.letter)).expect("few conditions");
    }
    conditions
        .taken(|event: &Event, taken| event.letter == b'b' && taken.first(0).is_some_and(|a| a.price < event.price))
        .expect("few conditions");
    conditions
        .taken(|event: &Event, taken| event.letter == b'c' && taken.last(0).is_some_and(|a| a.price >= event.price))
        .expect("few conditions");
    conditions
}

pub const LETTERS: [&[u8]; 5] = [b"a", b"b", b"c", b"ab", b"bc"];

pub fn matcher(draft: &Draft, timeouts: bool, limits: Limits) -> Option<Matcher<Event>> {
    let pattern = draft.clone().check().ok()?;
    let mut matcher = Matcher::new(conditions(), limits);
    matcher.add(&pattern, timeouts).expect("a checked pattern compiles");
    Some(matcher)
}

/// Events with their keys and times, nearly in order.
pub fn events(most: usize) -> impl Strategy<Value = Vec<(u8, i64, Event)>> {
    let event = (0..3_u8, prop_oneof![Just(0), Just(1), Just(5), Just(10)], b'a'..=b'd', 0..4_u8, 0..8_i64);
    prop::collection::vec(event, 1..most).prop_map(|events| {
        let mut now = 1_000;
        let place = |(row, (key, step, letter, price, back)): (u32, (u8, i64, u8, u8, i64))| {
            now += step;
            let at = if back < 2 { now - back * 4 } else { now };
            (key, at, Event { letter, price, row })
        };
        (0..).zip(events).map(place).collect()
    })
}

fn times() -> impl Strategy<Value = Times> {
    prop_oneof![
        3 => Just(Times::Once),
        1 => (1..4_i64).prop_map(Times::Exactly),
        1 => (0..3_i64, 0..3_i64).prop_map(|(from, more)| Times::Between(from, from + more)),
        2 => (1..4_i64).prop_map(Times::AtLeast),
    ]
}

fn stage() -> impl Strategy<Value = Stage> {
    let contiguity = prop_oneof![
        2 => Just(Contiguity::Next),
        3 => Just(Contiguity::FollowedBy),
        2 => Just(Contiguity::FollowedByAny),
        1 => Just(Contiguity::NotNext),
        1 => Just(Contiguity::NotFollowedBy),
    ];
    let inner = prop_oneof![3 => Just(Inner::Relaxed), 1 => Just(Inner::Consecutive), 1 => Just(Inner::Combinations)];
    let condition = || prop::option::weighted(0.9, 0..7_u16);
    let flags = (prop::bool::weighted(0.2), prop::bool::weighted(0.2));
    let windows = (prop::option::weighted(0.1, 0..60_i64), prop::option::weighted(0.1, 0..40_i64));
    (contiguity, condition(), times(), inner, flags, prop::option::weighted(0.1, 0..7_u16), windows).prop_map(
        |(contiguity, condition, times, inner, (greedy, optional), until, (within, within_previous))| {
            let plain = contiguity.is_not() || times == Times::Once;
            let until: Option<ConditionId> = until.filter(|_| matches!(times, Times::AtLeast(_)));
            Stage {
                condition,
                times: if contiguity.is_not() { Times::Once } else { times },
                inner: if plain { Inner::Relaxed } else { inner },
                greedy: greedy && !plain && inner != Inner::Combinations,
                optional: optional && !contiguity.is_not(),
                until: until.filter(|_| !contiguity.is_not()),
                within,
                within_previous,
                ..Stage::new("", contiguity)
            }
        },
    )
}

/// Patterns, most of which are good ones.
pub fn draft() -> impl Strategy<Value = Draft> {
    let skip = prop_oneof![
        4 => Just(Skip::No),
        1 => Just(Skip::ToNext),
        1 => Just(Skip::PastLast),
        1 => (0..4_u8).prop_map(|stage| Skip::ToFirst(format!("s{stage}"))),
        1 => (0..4_u8).prop_map(|stage| Skip::ToLast(format!("s{stage}"))),
    ];
    let window = prop::option::weighted(0.7, 1..80_i64);
    (prop::collection::vec(stage(), 1..5), skip, window).prop_map(|(mut stages, skip, window)| {
        for (place, stage) in stages.iter_mut().enumerate() {
            stage.name = format!("s{place}");
        }
        stages[0].contiguity = Contiguity::Next;
        if let Some(last) = stages.last_mut() {
            last.within = window;
        }
        Draft { stages, skip }
    })
}

/// What was reported, in a form that can be compared: kind, time, and stage and row of each event.
pub type Told = (&'static str, i64, Vec<(usize, u32)>);

pub fn told(output: &Output<'_, Event>) -> Told {
    let rows = |found: &Found<'_, Event>| found.events().map(|(stage, _, event)| (stage, event.row)).collect();
    match output {
        Output::Match(found) => ("match", found.at, rows(found)),
        Output::Timeout(found) => ("timeout", found.at, rows(found)),
        Output::Shed { runs, .. } => ("shed", i64::try_from(*runs).expect("few runs"), Vec::new()),
    }
}
