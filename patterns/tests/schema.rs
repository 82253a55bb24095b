//! Any JSON is a case, or is refused: nothing panics.
#![allow(clippy::expect_used, reason = "a test may panic: that is how it fails")]

use patterns::golden::{PatternSpec, build};
use proptest::prelude::*;
use serde_json::{Value, json};

fn condition() -> impl Strategy<Value = Value> {
    let operand = prop_oneof![
        Just(json!({"f": "brand"})),
        Just(json!({"f": "price"})),
        Just(json!({"f": "nothing"})),
        Just(json!({"v": "a"})),
        Just(json!({"v": 2.5})),
        Just(json!({"v": null})),
        Just(json!({"stage": "s0", "f": "price"})),
        Just(json!({"stage": "s9", "at": "last", "f": "price"})),
        Just(json!(7)),
    ];
    let operation = prop::sample::select(vec!["eq", "ne", "lt", "le", "gt", "ge", "xor"]);
    let leaf = prop_oneof![
        4 => (operation, operand.clone(), operand).prop_map(|(op, l, r)| json!({"op": op, "l": l, "r": r})),
        1 => Just(json!({"op": "true"})),
    ];
    leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(|args| json!({"op": "and", "args": args})),
            prop::collection::vec(inner.clone(), 0..3).prop_map(|args| json!({"op": "or", "args": args})),
            inner.prop_map(|arg| json!({"op": "not", "arg": arg})),
        ]
    })
}

fn stage() -> impl Strategy<Value = Value> {
    let word = |words: &'static [&'static str]| prop::sample::select(words);
    let contiguity = word(&["begin", "next", "followed_by", "followed_by_any", "not_next", "not_followed_by", "never"]);
    let name = word(&["s0", "s1", "s2", "s3", "s4", "s5", "s1:0", ":", "", "$endState$"]);
    let inner = word(&["relaxed", "consecutive", "combinations"]);
    let quant = (
        prop::option::of(-1..4_i64),
        prop::option::of((-1..4_i64, -1..5_i64)),
        prop::option::of(prop_oneof![9 => -1..4_i64, 1 => any::<i64>()]),
        inner,
        (any::<bool>(), any::<bool>()),
        prop::option::weighted(0.2, condition()),
    );
    let quant = quant.prop_map(|(times, range, at_least, inner, (greedy, optional), until)| {
        json!({"times": times, "from": range.map(|range| range.0), "to": range.map(|range| range.1),
               "at_least": at_least, "inner": inner, "greedy": greedy, "optional": optional, "until": until})
    });
    let within = prop::option::weighted(0.1, any::<i64>());
    (name, contiguity, prop::option::of(condition()), prop::option::of(quant), within).prop_map(
        |(name, contiguity, condition, quant, within)| {
            json!({"name": name, "contiguity": contiguity, "where": condition, "quant": quant, "within_ms": within})
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn any_stages_are_refused_or_built(
        stages in prop::collection::vec(stage(), 0..6),
        skip in prop::option::of(prop::sample::select(vec![
            json!("no_skip"), json!("skip_to_next"), json!({"to_first": "s1"}), json!({"to_last": "zzz"}), json!(3),
        ])),
        within in prop::option::of(-5..9_000_i64),
    ) {
        let spec = json!({"id": "p", "stages": stages, "skip": skip, "within_ms": within, "alert": {"match": "M"}});
        let Ok(spec) = serde_json::from_value::<PatternSpec>(spec) else { return Ok(()) };
        if let Err(malformed) = build(&spec) {
            prop_assert!(!malformed.to_string().is_empty());
        }
    }
}
