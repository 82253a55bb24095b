//! Patterns without skip strategy and greed, against every choice of events that their definition allows.
//!
//! The definition is the one of the Flink documentation, written down as what each taken event demands of those before it.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic: that is how it fails")]

mod common;

use common::{Event, LETTERS, Told, conditions, told};
use patterns::{Contiguity, Draft, Inner, KeyState, Limits, Matcher, Skip, Stage, Times};
use proptest::prelude::*;

/// One event to be taken: for which stage, how it follows the one before, and what must not come between.
#[derive(Clone, Copy, Debug)]
struct Place {
    stage: usize,
    fits: &'static [u8],
    how: Contiguity,
    not_next: Option<&'static [u8]>,
    not_between: Option<&'static [u8]>,
    /// What must not come once an event was skipped. Of Flink, not of its documentation: what is forbidden before a stage is
    /// so again where the stage could end already, and waits for more.
    not_behind_skipped: Option<&'static [u8]>,
}

fn letters(stage: &Stage) -> &'static [u8] {
    LETTERS[usize::from(stage.condition.expect("every stage has a condition"))]
}

/// All sequences of places that a pattern stands for.
fn sequences(stages: &[Stage], longest: usize) -> Vec<Vec<Place>> {
    let mut all = vec![Vec::new()];
    let (mut not_next, mut not_between) = (None, None);
    for (number, stage) in stages.iter().enumerate() {
        match stage.contiguity {
            Contiguity::NotNext => not_next = Some(letters(stage)),
            Contiguity::NotFollowedBy => not_between = Some(letters(stage)),
            how => {
                let (from, to) = match stage.times {
                    Times::Once => (1, 1),
                    Times::Exactly(n) => (n, n),
                    Times::Between(from, to) => (from, to),
                    Times::AtLeast(n) => (n, i64::try_from(longest).expect("few events")),
                };
                let counts = (from..=to).chain(stage.optional.then_some(0));
                let more = counts.flat_map(|count| {
                    let fits = letters(stage);
                    let first = Place { stage: number, fits, how, not_next, not_between, not_behind_skipped: None };
                    let next = match stage.inner {
                        Inner::Relaxed => Contiguity::FollowedBy,
                        Inner::Consecutive => Contiguity::Next,
                        Inner::Combinations => Contiguity::FollowedByAny,
                    };
                    let rest = Place { how: next, not_next: None, not_between: None, ..first };
                    let may_end = |nth| matches!(stage.times, Times::Between(from, _) if nth >= from);
                    let taken = (0..count).map(|nth| match nth {
                        0 => first,
                        _ if may_end(nth) => Place { not_behind_skipped: not_between, ..rest },
                        _ => rest,
                    });
                    let taken: Vec<_> = taken.collect();
                    all.iter().map(|before: &Vec<Place>| [before.clone(), taken.clone()].concat()).collect::<Vec<_>>()
                });
                all = more.collect();
                (not_next, not_between) = (None, None);
            }
        }
    }
    all.retain(|places| !places.is_empty());
    all
}

/// Every way to take events for `places` from `events[at..]`, the event before taken at `at - 1`.
fn choices(
    places: &[Place],
    events: &[Event],
    at: usize,
    taken: &mut Vec<(usize, u32)>,
    found: &mut Vec<Vec<(usize, u32)>>,
) {
    let Some((place, rest)) = places.split_first() else { return found.push(taken.clone()) };
    let first = taken.is_empty();
    for (nth, event) in events[at..].iter().enumerate() {
        let fits = place.fits.contains(&event.letter);
        // What is forbidden is so for the event that would be taken, too, unless it completes the match: Flink then
        // reports the match first.
        let not_next = nth == 0 && place.not_next.is_some_and(|not| not.contains(&event.letter));
        let behind_skipped = place.not_behind_skipped.filter(|_| nth > 0);
        let not_between = place.not_between.or(behind_skipped).is_some_and(|not| not.contains(&event.letter));
        if !first && (not_next || (not_between && !(fits && rest.is_empty()))) {
            return;
        }
        if fits {
            taken.push((place.stage, event.row));
            choices(rest, events, at + nth + 1, taken, found);
            taken.pop();
        }
        let goes_on = match place.how {
            _ if first => true,
            Contiguity::FollowedBy => !fits,
            Contiguity::FollowedByAny => true,
            _ => false,
        } && (first || !not_between);
        if !goes_on {
            return;
        }
    }
}

fn expected(stages: &[Stage], events: &[(i64, Event)], window: i64) -> Vec<Vec<(usize, u32)>> {
    let only: Vec<_> = events.iter().map(|(_, event)| *event).collect();
    let mut found = Vec::new();
    for places in sequences(stages, only.len()) {
        choices(&places, &only, 0, &mut Vec::new(), &mut found);
    }
    let at = |row: u32| events[row as usize].0;
    found.retain(|rows| at(rows[rows.len() - 1].1) - at(rows[0].1) < window);
    found.sort();
    found
}

fn matched(stages: &[Stage], events: &[(i64, Event)]) -> Option<Vec<Vec<(usize, u32)>>> {
    let pattern = Draft { stages: stages.to_vec(), skip: Skip::No }.check().ok()?;
    let mut matcher = Matcher::new(conditions(), Limits::default());
    matcher.add(&pattern, false).expect("a checked pattern compiles");
    let (mut state, mut all) = (KeyState::default(), Vec::<Told>::new());
    for &(at, event) in events {
        matcher.push(&mut state, at, event, at - 1);
        matcher.advance(&mut state, at, &mut |output| all.push(told(&output)));
    }
    matcher.advance(&mut state, i64::MAX, &mut |output| all.push(told(&output)));
    let mut rows: Vec<_> = all.into_iter().map(|(_, _, rows)| rows).collect();
    rows.sort();
    Some(rows)
}

fn stages() -> impl Strategy<Value = Vec<Stage>> {
    let contiguity = prop::sample::select(vec![
        Contiguity::Next,
        Contiguity::FollowedBy,
        Contiguity::FollowedByAny,
        Contiguity::NotNext,
        Contiguity::NotFollowedBy,
    ]);
    let times = prop_oneof![
        3 => Just(Times::Once),
        1 => (1..3_i64).prop_map(Times::Exactly),
        1 => (1..3_i64, 0..2_i64).prop_map(|(from, more)| Times::Between(from, from + more)),
        1 => (1..3_i64).prop_map(Times::AtLeast),
    ];
    let inner = prop::sample::select(vec![Inner::Relaxed, Inner::Consecutive, Inner::Combinations]);
    let stage = (contiguity, 0..5_u16, times, inner, prop::bool::weighted(0.2));
    prop::collection::vec(stage, 1..4).prop_map(|stages| {
        let mut before_not = false;
        let numbered = stages.into_iter().enumerate();
        let mut stages: Vec<_> = numbered
            .map(|(place, (how, condition, times, inner, optional))| {
                // The first and the last stage take events, and no two forbidding ones meet.
                let not = how.is_not() && place > 0 && !before_not;
                let how = if how.is_not() && !not { Contiguity::FollowedBy } else { how };
                before_not = not;
                let stage = Stage::new(format!("s{place}"), if place == 0 { Contiguity::Next } else { how });
                let inner = if times == Times::Once { Inner::Relaxed } else { inner };
                if not {
                    return Stage { condition: Some(condition), ..stage };
                }
                Stage { condition: Some(condition), times, inner, optional, ..stage }
            })
            .collect();
        stages.push(Stage { condition: Some(2), ..Stage::new("end", Contiguity::FollowedBy) });
        // An optional stage next to a forbidding one is a corner of its own.
        for place in 1..stages.len() {
            if stages[place].contiguity.is_not() {
                stages[place - 1].optional = false;
                stages[place + 1].optional = false;
                stages[place - 1].times = Times::Once;
                stages[place - 1].inner = Inner::Relaxed;
            }
        }
        stages[0].optional = false;
        stages
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn matches_are_those_that_the_definition_allows(
        stages in stages(),
        letters in prop::collection::vec((b'a'..=b'd', 1..4_i64), 1..11),
        window in prop_oneof![Just(1_000_i64), 3..15_i64],
    ) {
        let mut stages = stages;
        stages.last_mut().expect("there is an end").within = Some(window);
        let mut at = 0;
        let events: Vec<_> = letters.iter().zip(0..).map(|(&(letter, step), row)| {
            at += step;
            (at, Event { letter, price: 0, row })
        }).collect();
        let Some(matched) = matched(&stages, &events) else { return Ok(()) };
        prop_assert_eq!(matched, expected(&stages, &events, window));
    }
}

/// As Flink CEP 2.3 answers: one skipped event is no harm, a forbidden one behind it is, but for a loop without end it is not.
#[test]
fn what_is_forbidden_is_so_again_behind_what_a_stage_skipped() {
    let rows = |letters: &str, times: Times| {
        let events: Vec<_> =
            letters.bytes().zip(0..).map(|(letter, row)| (i64::from(row), Event { letter, price: 0, row })).collect();
        let stages = vec![
            Stage { condition: Some(2), ..Stage::new("s0", Contiguity::Next) },
            Stage { condition: Some(0), ..Stage::new("s1", Contiguity::NotFollowedBy) },
            Stage { condition: Some(2), times, ..Stage::new("s2", Contiguity::Next) },
            Stage { condition: Some(2), within: Some(1_000), ..Stage::new("s3", Contiguity::FollowedBy) },
        ];
        let matched = matched(&stages, &events).expect("a good pattern");
        matched.into_iter().map(|rows| rows.into_iter().map(|(_, row)| row).collect()).collect::<Vec<Vec<u32>>>()
    };
    assert_eq!(rows("ccaacc", Times::Between(1, 2)), [vec![0, 1, 4]]);
    assert_eq!(rows("ccacc", Times::Between(1, 2)), [vec![0, 1, 3, 4], vec![0, 1, 3]]);
    assert_eq!(rows("ccbacc", Times::Between(1, 2)), [vec![0, 1, 4]]);
    assert_eq!(rows("ccaacc", Times::Exactly(2)), [vec![0, 1, 4, 5]]);
    assert_eq!(rows("ccaacc", Times::AtLeast(1)), [vec![0, 1, 4, 5], vec![0, 1, 4]]);
}
