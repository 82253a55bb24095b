//! What is said of mistakes in rule files, and that none makes it fall over.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::float_cmp,
    clippy::print_stdout,
    clippy::too_many_lines,
    clippy::cast_possible_truncation,
    reason = "a test may panic: that is how it fails"
)]

use proptest::prelude::*;
use rules::RuleSet;

fn mistakes(text: &str) -> Vec<String> {
    match RuleSet::read(&[("a.toml".into(), text.into())]) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.iter().map(ToString::to_string).collect(),
    }
}

/// What is said of a condition on clicks, without the place.
fn condition(cel: &str) -> String {
    let text = format!("[features.f]\nfrom = \"clickstream\"\nmeasure = \"count\"\nwhere = '''{cel}'''\n");
    let mistakes = mistakes(&text);
    assert!(mistakes.len() <= 1, "{mistakes:?}");
    let first = mistakes.into_iter().next().unwrap_or_default();
    first.strip_prefix("a.toml:4: features.f.where: ").unwrap_or(&first).to_owned()
}

#[test]
fn a_feature_without_a_topic_hides_no_other_mistake() {
    let text = "[features.f]\nwhere = 'event.price > 1'\nmeasure = \"cuont\"\nover = \"5 hous\"\ncolour = 1\n";
    let fields = mistakes(text).into_iter().map(|told| told.split(' ').take(2).collect::<Vec<_>>().join(" "));
    let expected = [
        "a.toml:1: features.f:",
        "a.toml:3: features.f.measure:",
        "a.toml:4: features.f.over:",
        "a.toml:5: features.f.colour:",
    ];
    assert_eq!(fields.collect::<Vec<_>>(), expected);
}

#[test]
fn conditions_are_checked_against_fields_and_types() {
    let table = [
        ("event.type == \"view\" && event.price > 100", ""),
        ("event.type in [\"view\", \"cart\"] || !event.brand.startsWith(\"a\")", ""),
        ("event.event_time - timestamp(\"2026-01-01T00:00:00Z\") < duration(\"1h\")", ""),
        ("event.time.getHours() >= 22 && size(event.brand) % 2 == 0 && has(event.price)", ""),
        ("event.product_name.matches(\"(?i)phone\") ? event.price / 2.0 > 3 : true", ""),
        ("event.prize > 1", "clickstream has no field prize: is price meant? its fields are"),
        ("event.order_status == \"x\"", "clickstream has no field order_status: its fields are"),
        (
            "event.brand > 5",
            "event.brand (a text) cannot be compared with 5 (a number) by >: a text stands in quotes, \"5\"",
        ),
        (
            "event.price == \"5\"",
            "event.price (a number) cannot be compared with \"5\" (a text) by ==: only price is a number",
        ),
        ("event.event_time > \"2026-01-01\"", "write timestamp(\"2026-01-01\")"),
        ("event.price", "a condition is true or false, but this is event.price (a number): compare it with something"),
        ("event.price + 1", "a condition is true or false"),
        ("event", "event is an event, not a value"),
        ("brand == \"x\"", "brand is not known: is event.brand meant, the field of clickstream?"),
        ("event.type == view", "view is not known: a text stands in quotes, \"view\""),
        ("cart.first.price > 1", "cart is not known: fields are written event.price"),
        ("event.type.beginsWith(\"v\")", "there is no function beginsWith: is endsWith meant?"),
        ("event.brand.startsWith(1)", "startsWith does not go with event.brand (a text) and 1 (a number)"),
        ("event.brand.matches(\"(\")", "not a regular expression"),
        ("event.brand in [\"a\", 1]", "both texts and numbers"),
        ("event.brand in []", "the list is empty"),
        ("[1,2].all(x, x > 0)", "all(), exists() and the like are not known here"),
        ("event.price >", "not an expression, at letter"),
        ("", "the expression is empty"),
        ("event.brand == null", "fields are never null"),
        ("true && event.price", "true or false is needed, but there is event.price (a number)"),
        ("event.brand + \"x\" == \"y\"", "there is no arithmetic with"),
        ("timestamp(\"soon\") < event.time", "is not a time: write timestamp("),
    ];
    for (cel, wanted) in table {
        let said = condition(cel);
        assert_eq!(said.is_empty(), wanted.is_empty(), "{cel}: {said}");
        assert!(said.contains(wanted), "{cel}: {said}");
    }
}

#[test]
fn mistakes_name_file_line_and_field() {
    let table = [
        ("[features.f]\nfrom = \"clicks\"\nmeasure = \"count\"", "a.toml:2: features.f.from: \"clicks\" is not known"),
        ("[features.f]\nfrom = \"clickstream\"\n", "a.toml:1: features.f: measure is missing"),
        ("[features.f]\nfrom = \"clickstream\"\nmeasure = \"sum\"", "a.toml:1: features.f: a sum needs of"),
        (
            "[features.f]\nfrom = \"clickstream\"\nmeasure = \"count\"\nover = \"3 hours\"",
            "a.toml:4: features.f.over: a feature is over whole days",
        ),
        (
            "[features.f]\nfrom = \"clickstream\"\nmeasure = \"count\"\nwere = 'true'",
            "a.toml:4: features.f.were: \"were\" is not known: is where meant?",
        ),
        (
            "[scores.s]\nof = \"nothing\"\nat_least = { 5 = 1 }\notherwise = 1",
            "a.toml:2: scores.s.of: nothing is not known",
        ),
        (
            "[scores.s]\nof = \"1\"\nat_least = { 5 = 1, 4 = 1 }\notherwise = 1",
            "a.toml:3: scores.s.at_least: thresholds must differ",
        ),
        ("[segments]\nA = 'r > 1'", "a.toml:2: segments.A: r is not known"),
        ("[segments]\nA = 5", "a.toml:2: segments.A: is an integer, but should be a condition in quotes"),
        ("[pattern.x]", "a.toml:1: pattern: \"pattern\" is not known: is patterns meant?"),
        ("x = [", "a.toml:1: unclosed array"),
        (
            "[patterns.p]\nkey = \"user\"\non_match = \"X\"\n[[patterns.p.stages]]\nname = \"a\"",
            "a.toml:2: patterns.p.key: \"user\" is not known: is user_id meant?",
        ),
        (
            "[patterns.p]\nkey = \"user_id\"\non_match = \"X\"\n[[patterns.p.stages]]\nname = \"a\"\n[[patterns.p.stages]]\nname = \"b\"\nfollows = \"followed_by\"\nwhere = 'event.price < c.first.price'",
            "a.toml:9: patterns.p.stages[1].where: there is no stage c: the stages are a, b",
        ),
        (
            "[patterns.p]\nkey = \"user_id\"\non_match = \"X\"\n[[patterns.p.stages]]\nname = \"a\"\nwhere = 'b.first.price > 1'\n[[patterns.p.stages]]\nname = \"b\"\nfollows = \"next\"",
            "a.toml:6: patterns.p.stages[0].where: stage b comes later",
        ),
        (
            "[patterns.p]\nkey = \"user_id\"\non_match = \"X\"\n[[patterns.p.stages]]\nname = \"a\"\n[[patterns.p.stages]]\nname = \"b\"\nfollows = \"followed_by\"\nwhere = 'event.price > 1'",
            "a.toml:1: patterns.p.within: a run can wait for ever in stage b",
        ),
        (
            "[patterns.p]\nkey = \"user_id\"\non_match = \"X\"\nwithin = \"1 h\"\n[[patterns.p.stages]]\nname = \"a\"\n[[patterns.p.stages]]\nname = \"b\"\nfollows = \"followed_by\"\nat_least = 1\ninner = \"combinations\"\n[[patterns.p.stages]]\nname = \"c\"\nfollows = \"followed_by\"",
            "a.toml:1: patterns.p: every event that fits can double the runs",
        ),
        (
            "[patterns.p]\nkey = \"user_id\"\n[[patterns.p.stages]]\nname = \"a\"",
            "a.toml:1: patterns.p: nothing would be reported",
        ),
        ("[patterns.p]\nkey = \"user_id\"\non_match = \"X\"", "a.toml:1: patterns.p: stages are missing"),
        (
            "[patterns.p]\nkey = \"user_id\"\non_match = \"X\"\n[[patterns.p.stages]]\nname = \"a\"\n[[patterns.p.stages]]\nname = \"b\"\nfollows = \"not_followed_by\"",
            "a.toml:8: patterns.p.stages[1].follows: stage \"b\" is the last and forbids events",
        ),
        (
            "[patterns.p]\nkey = \"user_id\"\non_match = \"X\"\n[[patterns.p.stages]]\nname = \"a\"\n[[patterns.p.stages]]\nname = \"a\"\nfollows = \"next\"",
            "a.toml:7: patterns.p.stages[1].name: two stages are named \"a\"",
        ),
        (
            "[patterns.p]\nkey = \"user_id\"\non_match = \"X\"\nskip = { to_first = \"z\" }\n[[patterns.p.stages]]\nname = \"a\"",
            "a.toml:4: patterns.p.skip: there is no stage \"z\" to skip to",
        ),
    ];
    for (text, wanted) in table {
        let said = mistakes(text);
        assert!(said.iter().any(|said| said.starts_with(wanted)), "{text}\n{said:#?}");
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let said = mistakes("[features.a]\nfrom = \"x\"\n[features.b]\nfrom = \"y\"\n[segments]\nA = 'z'\n");
    assert_eq!(said.len(), 5, "{said:#?}");
}

const SHIPPED: [&str; 2] = [include_str!("../shipped/scores.toml"), include_str!("../shipped/patterns.toml")];

/// Reads it; each mistake must have a line.
fn survives(text: &str) {
    if let Err(errors) = RuleSet::read(&[("a.toml".into(), text.into())]) {
        let lines = text.lines().count() + 1;
        for error in errors {
            assert!((1..=lines).contains(&error.line), "{error}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn broken_files_are_refused_with_a_line(file in 0..2_usize, from in 0..4000_usize, cut in 0..60_usize, put in "\\PC{0,12}") {
        let text = SHIPPED[file];
        let clip = |at: usize| (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        let (from, to) = (clip(from), clip(from + cut));
        survives(&format!("{}{put}{}", &text[..from], &text[to..]));
    }

    #[test]
    fn pieces_in_any_order_are_survived(places in proptest::collection::vec((0..2_usize, 0..150_usize), 0..40)) {
        let line = |(file, line): (usize, usize)| {
            let lines: Vec<&str> = SHIPPED[file].lines().collect();
            lines[line % lines.len()]
        };
        let text: Vec<&str> = places.into_iter().map(line).collect();
        survives(&text.join("\n"));
    }

    #[test]
    fn conditions_of_any_letters_are_survived(cel in "[a-z.()&|!<>=+*/%?:,0-9\"\\[\\]{} -]{0,60}") {
        survives(&format!("[segments]\nA = '''{cel}'''\n"));
    }

    #[test]
    fn conditions_of_any_tokens_are_survived(tokens in proptest::collection::vec(0..24_usize, 0..30)) {
        const TOKENS: [&str; 24] = [
            "event", ".", "price", "type", "\"view\"", "==", ">", "&&", "||", "!", "(", ")", "in", "[", "]", ",", "1.5",
            "2", "-", "matches", "size", "?", ":", "cart.first.price",
        ];
        let cel: Vec<&str> = tokens.into_iter().map(|token| TOKENS[token]).collect();
        let cel = cel.join(" ");
        survives(&format!("[features.a]\nfrom = \"clickstream\"\nmeasure = \"count\"\nwhere = '''{cel}'''\n"));
    }
}

#[test]
fn long_and_deep_conditions_are_refused_or_understood() {
    let refused = [
        format!("{}event.price > 1.0{}", "(".repeat(1000), ")".repeat(1000)),
        format!("{}true", "!".repeat(4000)),
        format!("{}event.price > 1.0", "true ? false : ".repeat(200)),
        format!("event.price > {}1.0", "1.0 + ".repeat(2000)),
    ];
    for cel in refused {
        assert!(!condition(&cel).is_empty());
    }
    for by in [" && ", " || "] {
        assert_eq!(condition(&vec!["event.price > 1"; 100].join(by)), "");
    }
    let _ = condition(&format!("event.price > {}1.0", "1.0 + ".repeat(600)));
    let _ = condition(&format!("event{} == 1", ".price".repeat(600)));
}
