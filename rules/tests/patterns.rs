//! The shipped patterns, ids of alerts, and what becomes of state when rules change.
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

use std::path::{Path, PathBuf};

use patterns::KeyState;
use rules::{Alert, Event, EventTime, Group, RuleSet, dry_run};

fn shipped() -> RuleSet {
    RuleSet::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("shipped")).expect("the shipped rules are right")
}

/// A click at a second: kind, product, category, price.
fn click(row: u64, second: i64, kind: &str, product: &str, category: &str, price: f64) -> Event {
    let id = format!("e{row}");
    Event::new(EventTime(second * 1000), Some(price), &[&id, kind, "u1", "s1", product, "", category], row)
}

fn types(events: &[Event]) -> Vec<String> {
    let rules = shipped();
    let report = dry_run(&rules, events, 0).unwrap();
    report.alerts.iter().map(|alert| alert.alert_type().to_owned()).collect()
}

#[test]
fn a_shipped_pattern_means_what_its_comment_says() {
    let cart = |row, second, product| click(row, second, "cart", product, "", 300.0);
    let bought = |row, second, product| click(row, second, "purchase", product, "", 300.0);
    assert_eq!(types(&[cart(0, 0, "a"), bought(1, 1799, "a")]), ["PURCHASE_COMPLETION"]);
    assert_eq!(types(&[cart(0, 0, "a"), bought(1, 1800, "a")]), ["CART_ABANDONMENT"]);
    // Another product does not end it; what is cheap is not of interest.
    assert_eq!(types(&[cart(0, 0, "a"), bought(1, 10, "b")]), ["CART_ABANDONMENT"]);
    assert!(types(&[click(0, 0, "cart", "a", "", 200.0)]).is_empty());

    fn view(row: u64, second: i64, product: &str, category: &str, price: f64) -> Event {
        click(row, second, "view", product, category, price)
    }
    assert_eq!(
        types(&[view(0, 0, "a", "x", 1.0), view(1, 1, "b", "y", 1.0), view(2, 2, "c", "z", 1.0)]),
        ["CROSS_SELL"]
    );
    assert!(types(&[view(0, 0, "a", "x", 1.0), view(1, 1, "b", "", 1.0)]).is_empty());
    assert!(types(&[view(0, 0, "a", "x", 1.0), view(1, 300, "b", "y", 1.0)]).is_empty());

    let same: Vec<Event> = (0..4).map(|at| view(at, at as i64, "a", "", 1.0)).collect();
    assert_eq!(types(&same), ["PURCHASE_INTENT"]);
    let others: Vec<Event> = (0..4).map(|at| view(at, at as i64, &format!("p{at}"), "", 1.0)).collect();
    assert!(types(&others).is_empty());

    let fell = [
        view(0, 0, "a", "", 9.0),
        view(1, 5, "b", "", 1.0),
        view(2, 9, "a", "", 8.0),
        click(3, 20, "cart", "a", "", 8.0),
    ];
    assert_eq!(types(&fell), ["PRICE_SENSITIVITY"]);
    let same_price = [view(0, 0, "a", "", 9.0), view(2, 9, "a", "", 9.0), click(3, 20, "cart", "a", "", 9.0)];
    assert!(types(&same_price).is_empty());

    let mut looking: Vec<Event> = (0..12).map(|at| view(at, at as i64 * 3600, &format!("p{at}"), "", 1.0)).collect();
    assert_eq!(types(&looking), ["CHURN_RISK"]);
    looking.push(click(12, 6 * 86_400, "purchase", "p1", "", 1.0));
    assert!(types(&looking).is_empty());
}

#[test]
fn real_clicks_give_the_same_alerts_in_every_run_and_their_ids_are_their_own() {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/clickstream_2019_10_01.csv");
    if !path.exists() {
        return;
    }
    let (rules, events) = (shipped(), rules::read_events(&path).unwrap());
    let alerts = dry_run(&rules, &events, 10_000).unwrap().alerts;
    let again = dry_run(&rules, &events, 10_000).unwrap().alerts;
    let lines = |alerts: &[Alert<'_, '_>]| {
        alerts.iter().map(|alert| serde_json::to_string(&alert.line()).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(lines(&alerts), lines(&again));
    assert!(alerts.len() > 1000, "{}", alerts.len());
    let ids: std::collections::HashSet<String> = alerts.iter().map(|alert| alert.id()).collect();
    assert_eq!(ids.len(), alerts.len());
    let told = rules::explain(&rules, &events, &alerts);
    assert!(
        told.iter().any(|miss| miss.pattern == "abandoned-cart" || miss.pattern == "price-sensitivity"),
        "{told:#?}"
    );
}

/// Hands events to one group, cut by saving and restoring behind each.
fn run<'r>(
    rules: &'r RuleSet,
    group: &Group,
    state: &mut KeyState<Event>,
    events: &[Event],
    alerts: &mut Vec<Alert<'r, 'static>>,
) {
    let mut matcher = group.matcher(rules).unwrap();
    for event in events {
        let at = event.at().0;
        matcher.push(state, at, event.clone(), at - 1);
        matcher.advance(state, at, &mut |output| alerts.extend(group.alert(rules, "u1", &output).map(Alert::kept)));
        let saved = serde_json::to_string(&state.save()).unwrap();
        *state = matcher.restore(serde_json::from_str(&saved).unwrap()).unwrap();
    }
}

const SLOW: &str = r#"
[patterns.slow]
key = "user_id"
within = "1 h"
on_match = "SLOW"
[[patterns.slow.stages]]
name = "view"
where = 'event.type == "view"'
[[patterns.slow.stages]]
name = "cart"
follows = "followed_by"
where = 'event.type == "cart" && event.price < view.first.price'
"#;

const OTHER: &str = r#"
[patterns.other]
key = "user_id"
on_match = "OTHER"
[[patterns.other.stages]]
name = "any"
"#;

#[test]
fn runs_of_unchanged_patterns_outlive_a_reload() {
    let read = |text: String| RuleSet::read(&[("a.toml".into(), text)]).unwrap();
    let before = read(SLOW.to_owned());
    // Another pattern comes before it, and its words change, not its meaning.
    let after =
        read(format!("{OTHER}{}", SLOW.replace("on_match = \"SLOW\"", "on_match = \"SLOWER\"\nabout = \"so\"")));
    let changed = read(SLOW.replace("1 h", "2 h"));
    for (rules, wanted) in [(&after, vec!["OTHER", "SLOWER"]), (&changed, vec![])] {
        let mut state = KeyState::default();
        let mut alerts = Vec::new();
        let old = before.groups().remove(0);
        run(&before, &old, &mut state, &[click(0, 0, "view", "a", "", 9.0)], &mut alerts);
        let new = rules.groups().remove(0);
        state.rearrange(&new.from(rules, &old.label(&before)));
        run(rules, &new, &mut state, &[click(1, 5, "cart", "a", "", 8.0)], &mut alerts);
        let mut types: Vec<&str> = alerts.iter().map(|alert| alert.alert_type()).collect();
        types.sort_unstable();
        assert_eq!(types, wanted);
    }
}

#[test]
fn a_cap_on_runs_is_that_of_its_pattern() {
    let left = |id: &str, cap: &str| {
        format!(
            "[patterns.{id}]\nkey = 'user_id'\nwithin = '1 hour'\non_timeout = '{id}'\n{cap}\n\
             [[patterns.{id}.stages]]\nname = 'cart'\nwhere = 'event.type == \"cart\"'\n\
             [[patterns.{id}.stages]]\nname = 'purchase'\nfollows = 'followed_by'\nwhere = 'event.type == \"purchase\"'\n"
        )
    };
    let rules = RuleSet::read(&[("a.toml".into(), left("all", "") + &left("last", "max_runs = 2"))]).unwrap();
    assert_eq!(rules.groups().len(), 1, "they share what is remembered of a user");
    let carts: Vec<Event> = (0..5).map(|row| click(row, row as i64, "cart", "a", "", 9.0)).collect();
    let report = dry_run(&rules, &carts, 0).unwrap();
    let told = |kind: &str| report.alerts.iter().filter(|alert| alert.alert_type() == kind).count();
    // The run that has not begun is one of the two.
    assert_eq!((told("all"), told("last"), report.shed), (5, 1, 4));
}

#[test]
fn an_alert_is_a_cloud_event() {
    let events = [click(0, 0, "cart", "a", "", 300.0), click(1, 60, "purchase", "a", "", 300.0)];
    let rules = shipped();
    let alerts = dry_run(&rules, &events, 0).unwrap().alerts;
    let message = serde_json::to_value(alerts[0].cloud_event()).unwrap();
    assert_eq!(message["specversion"], "1.0");
    assert_eq!(message["source"], "/clientele/patterns/abandoned-cart");
    assert_eq!(message["type"], "clientele.alert.purchase_completion");
    assert_eq!(message["subject"], "u1");
    assert_eq!(message["time"], "1970-01-01T00:01:00Z");
    assert_eq!(message["id"].as_str().unwrap().len(), 32);
    assert_eq!(message["data"]["severity"], "warning");
    assert_eq!(message["data"]["events"][1]["stage"], "purchase");
    assert_eq!(message["data"]["events"][0]["price"], 300.0);
}
