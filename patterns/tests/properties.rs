//! What holds for every pattern: state survives a restart anywhere, keys may be spread, limits are kept, nothing panics.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic: that is how it fails")]

mod common;

use std::collections::BTreeMap;

use common::{Event, Told, conditions, draft, events, matcher, told};
use patterns::{Arrival, Draft, Growth, KeyState, Keys, Limits, Matcher, Saved};
use proptest::prelude::*;

const LATENESS: i64 = 6;

/// What a key is told, with a restart after every event or without.
fn of_one_key(matcher: &mut Matcher<Event>, events: &[(u8, i64, Event)], restart: bool) -> (Vec<Told>, bool) {
    let mut state = KeyState::default();
    let (mut all, mut newest) = (Vec::new(), i64::MIN);
    for &(_, at, event) in events {
        let watermark = newest.saturating_sub(LATENESS);
        matcher.push(&mut state, at, event, watermark);
        state = restarted(matcher, state, restart);
        newest = newest.max(at);
        matcher.advance(&mut state, newest - LATENESS, &mut |output| all.push(told(&output)));
        state = restarted(matcher, state, restart);
    }
    matcher.advance(&mut state, i64::MAX, &mut |output| all.push(told(&output)));
    (all, state.is_empty() && state.events() == 0)
}

fn restarted(matcher: &Matcher<Event>, state: KeyState<Event>, restart: bool) -> KeyState<Event> {
    if !restart {
        return state;
    }
    let written = rmp_serde::to_vec(&state.save()).expect("a state can be written");
    let saved: Saved<Event> = rmp_serde::from_slice(&written).expect("a state can be read");
    let again = matcher.restore(saved).expect("a state can be restored");
    assert_eq!((again.runs(), again.events()), (state.runs(), state.events()));
    again
}

/// What all keys are told when they are spread over so many matchers, and so many events' keys are fetched at once.
fn spread(
    draft: &Draft,
    events: &[(u8, i64, Event)],
    parts: u8,
    at_once: usize,
) -> Option<BTreeMap<String, Vec<Told>>> {
    let mut all: BTreeMap<_, Vec<_>> = BTreeMap::new();
    let mut keys = Vec::new();
    for _ in 0..parts {
        keys.push(Keys::new(matcher(draft, true, Limits::default())?));
    }
    let mut newest = i64::MIN;
    for (number, &(key, at, event)) in events.iter().enumerate() {
        if number.is_multiple_of(at_once) {
            let next = &events[number..events.len().min(number + at_once)];
            for (part, keys) in (0..).zip(&mut keys) {
                // Every third is another than was said.
                keys.fetch(
                    next.iter()
                        .filter(|(key, ..)| key % parts == part)
                        .map(|(key, at, _)| format!("k{}", key + u8::from(at % 3 == 0))),
                );
            }
        }
        let name = format!("k{key}");
        if keys[usize::from(key % parts)].push(&name, at, event) == Arrival::Late {
            all.entry(name).or_default().push(("late", at, vec![(0, event.row)]));
        }
        newest = newest.max(at);
        for part in &mut keys {
            part.advance(newest - LATENESS, &mut |key, output| {
                all.entry(key.to_owned()).or_default().push(told(&output));
            });
        }
    }
    for part in &mut keys {
        part.advance(i64::MAX, &mut |key, output| all.entry(key.to_owned()).or_default().push(told(&output)));
    }
    Some(all)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_state_survives_a_restart_anywhere(draft in draft(), events in events(24), timeouts: bool) {
        let Some(mut matcher) = matcher(&draft, timeouts, Limits::default()) else { return Ok(()) };
        let whole = of_one_key(&mut matcher, &events, false);
        let torn = of_one_key(&mut matcher, &events, true);
        prop_assert_eq!(&whole, &torn);
        let ends = draft.stages.iter().filter_map(|stage| stage.within).all(|window| window > 0);
        let window = matcher.automaton(0).is_some_and(|automaton| automaton.window() > 0);
        prop_assert!(!(window && ends) || whole.1, "a state is left over when all windows are closed");
    }

    #[test]
    fn keys_may_be_spread(draft in draft(), events in events(40)) {
        let Some(together) = spread(&draft, &events, 1, 1) else { return Ok(()) };
        for (parts, at_once) in [(1, 5), (1, 40), (2, 1), (8, 7)] {
            let apart = spread(&draft, &events, parts, at_once);
            prop_assert_eq!(Some(&together), apart.as_ref());
        }
    }

    #[test]
    fn limits_are_kept(draft in draft(), events in events(60), runs in 1..6_usize, taken in 1..12_usize) {
        let limits = Limits { runs, taken, waiting: 3 };
        let Some(mut matcher) = matcher(&draft, true, limits) else { return Ok(()) };
        let mut state = KeyState::default();
        let mut newest = i64::MIN;
        for &(_, at, event) in &events {
            matcher.push(&mut state, at, event, newest.saturating_sub(LATENESS));
            newest = newest.max(at);
            matcher.advance(&mut state, newest - LATENESS, &mut |_| {});
            // The run that has not begun is never dropped.
            prop_assert!(state.runs() <= runs.max(1));
            prop_assert!(state.events() <= taken + 3);
        }
    }

    #[test]
    fn damaged_states_are_refused(draft in draft(), events in events(12), at in 0..10_000_usize, byte: u8) {
        let Some(mut matcher) = matcher(&draft, true, Limits::default()) else { return Ok(()) };
        let mut state = KeyState::default();
        for &(_, at, event) in &events {
            matcher.push(&mut state, at, event, i64::MIN);
        }
        matcher.advance(&mut state, 1_030, &mut |_| {});
        let mut written = rmp_serde::to_vec(&state.save()).expect("a state can be written");
        let place = at % written.len();
        written[place] = byte;
        let Ok(saved) = rmp_serde::from_slice::<Saved<Event>>(&written) else { return Ok(()) };
        if let Ok(mut state) = matcher.restore(saved) {
            for &(_, at, event) in &events {
                matcher.push(&mut state, at + 40, event, i64::MIN);
            }
            matcher.advance(&mut state, i64::MAX, &mut |output| { told(&output); });
        }
    }

    #[test]
    fn patterns_of_any_numbers_are_refused_or_compiled(mut draft in draft(), counts in prop::array::uniform4(any::<i64>())) {
        for (stage, count) in draft.stages.iter_mut().zip(counts) {
            stage.times = match count.rem_euclid(4) {
                0 => patterns::Times::Exactly(count),
                1 => patterns::Times::Between(count / 2, count),
                2 => patterns::Times::AtLeast(count >> (count & 63)),
                _ => patterns::Times::Once,
            };
            stage.within = Some(count);
        }
        let draft_len = draft.stages.len();
        if let Ok(pattern) = draft.check() {
            let mut matcher = Matcher::new(conditions(), Limits::default());
            matcher.add(&pattern, true).expect("a checked pattern compiles");
            let growth = matcher.automaton(0).expect("it was added").growth();
            let stage = if let Growth::Unbounded { stage, .. } = growth { stage } else { 0 };
            prop_assert!(stage < draft_len);
        }
    }
}

#[test]
fn a_full_key_says_so() {
    let draft = Draft { stages: vec![patterns::Stage::new("a", patterns::Contiguity::Next)], ..Draft::default() };
    let limits = Limits { waiting: 1, ..Limits::default() };
    let matcher = matcher(&draft, false, limits).expect("a good pattern");
    let mut state = KeyState::default();
    let event = Event { letter: b'a', price: 0, row: 0 };
    assert_eq!(matcher.push(&mut state, 5, event, 5), Arrival::Late);
    assert_eq!(matcher.push(&mut state, 6, event, 5), Arrival::Waiting);
    assert_eq!(matcher.push(&mut state, 6, event, 5), Arrival::Full);
}

#[test]
fn a_pattern_that_stays_keeps_its_runs_when_others_change() {
    let stage = |name: &str, letter, contiguity| patterns::Stage {
        condition: Some(letter),
        within: Some(50),
        ..patterns::Stage::new(name, contiguity)
    };
    let draft = |last| {
        let stages =
            vec![stage("a", 0, patterns::Contiguity::Next), stage("z", last, patterns::Contiguity::FollowedBy)];
        Draft { stages, ..Draft::default() }.check().expect("a good pattern")
    };
    let (b, c) = (draft(1), draft(2));
    let of = |patterns: &[&patterns::Pattern]| {
        let mut matcher = Matcher::new(conditions(), Limits::default());
        for pattern in patterns {
            matcher.add(pattern, false).expect("a checked pattern compiles");
        }
        matcher
    };
    let event = |letter, row| Event { letter, price: 0, row };
    let mut state = KeyState::default();
    let (mut before, mut after) = (of(&[&b, &c]), of(&[&c]));
    before.push(&mut state, 1, event(b'a', 0), 0);
    before.advance(&mut state, 1, &mut |_| {});
    state.rearrange(&[Some(1)]);
    let mut all = Vec::new();
    for (at, letter) in [(2, b'b'), (3, b'c')] {
        after.push(&mut state, at, event(letter, u32::from(letter)), at - 1);
        after.advance(&mut state, at, &mut |output| all.push(told(&output)));
    }
    assert_eq!(all, [("match", 3, vec![(0, 0), (1, 99)])]);
    assert_eq!((state.is_empty(), state.events()), (true, 0));
}
