//! Patterns over a file of events, without a broker.

use patterns::{Arrival, Keys, Output};

use crate::RuleSet;
use crate::alert::Alert;
use crate::error::DryRunError;
use crate::event::Event;
use crate::matching::Group;

/// The states of the keys of so many events are fetched together.
const TOGETHER: usize = 32;

/// What a dry run found.
#[derive(Debug, Default)]
pub struct Report<'r> {
    /// By pattern, key, time, kind and rows.
    pub alerts: Vec<Alert<'r, 'static>>,
    pub events: u64,
    /// Rows that came too late.
    pub late: Vec<u64>,
    /// Rows without the key of some pattern.
    pub keyless: u64,
    /// Runs that were dropped because of limits, and events that were not taken because of them.
    pub shed: u64,
}

/// Matches all patterns over events that come one by one. The watermark follows each event, so many milliseconds behind the
/// newest. Memory follows open runs.
pub struct DryRun<'r> {
    rules: &'r RuleSet,
    groups: Vec<(Group, Keys<Event>)>,
    out_of_order: i64,
    newest: i64,
    /// Without alerts.
    report: Report<'r>,
}

impl<'r> DryRun<'r> {
    /// # Errors
    /// A pattern that cannot be compiled.
    pub fn new(rules: &'r RuleSet, out_of_order: i64) -> Result<Self, DryRunError> {
        let broken = |source| DryRunError::Pattern { pattern: "of all".to_owned(), source };
        let with_keys = |group: Group| Ok((group.matcher(rules).map_err(broken)?, group));
        let groups = rules.groups().into_iter().map(with_keys).collect::<Result<Vec<_>, DryRunError>>()?;
        let groups =
            groups.into_iter().map(|(matcher, group)| (group, Keys::new(matcher).touching(Event::touch))).collect();
        Ok(Self { rules, groups, out_of_order, newest: i64::MIN, report: Report::default() })
    }

    /// Takes events, and hands over the alerts of which it is then certain that they are.
    pub fn push(&mut self, events: &[Event], each: &mut dyn FnMut(Alert<'r, '_>)) {
        for few in events.chunks(TOGETHER) {
            for (group, keys) in &mut self.groups {
                keys.fetch(few.iter().map(|event| event.key(group.key)).filter(|key| !key.is_empty()));
            }
            few.iter().for_each(|event| self.push_one(event, each));
        }
    }

    fn push_one(&mut self, event: &Event, each: &mut dyn FnMut(Alert<'r, '_>)) {
        self.report.events += 1;
        let mut late = false;
        for (group, keys) in &mut self.groups {
            let key = event.key(group.key);
            if key.is_empty() {
                self.report.keyless += 1;
            } else {
                let arrival = keys.push(&key, event.at().0, event.clone());
                late |= arrival == Arrival::Late;
                self.report.shed += u64::from(arrival == Arrival::Full);
            }
        }
        if late {
            self.report.late.push(event.row());
        }
        self.newest = self.newest.max(event.at().0);
        self.advance(self.newest.saturating_sub(self.out_of_order).saturating_sub(1), each);
    }

    /// Closes everything that is open; what was counted, without alerts. Events that come later are late.
    pub fn finish(&mut self, each: &mut dyn FnMut(Alert<'r, '_>)) -> Report<'r> {
        self.advance(i64::MAX, each);
        std::mem::take(&mut self.report)
    }

    fn advance(&mut self, watermark: i64, each: &mut dyn FnMut(Alert<'r, '_>)) {
        let Self { rules, groups, report, .. } = self;
        for (group, keys) in groups {
            keys.advance(watermark, &mut |key, output| {
                if let Output::Shed { runs, .. } = output {
                    report.shed += runs as u64;
                }
                if let Some(alert) = group.alert(rules, key, &output) {
                    each(alert);
                }
            });
        }
    }
}

/// Matches all patterns over `events`. The watermark follows each event, `out_of_order` milliseconds behind the newest, and at
/// the end everything closes.
///
/// # Errors
/// A pattern that cannot be compiled.
pub fn dry_run<'r>(rules: &'r RuleSet, events: &[Event], out_of_order: i64) -> Result<Report<'r>, DryRunError> {
    let mut run = DryRun::new(rules, out_of_order)?;
    let mut alerts = Vec::new();
    run.push(events, &mut |alert| alerts.push(alert.kept()));
    let report = run.finish(&mut |alert| alerts.push(alert.kept()));
    sort(rules, &mut alerts);
    Ok(Report { alerts, ..report })
}

/// By pattern as the rules have them, then by key, time, kind and rows.
fn sort(rules: &RuleSet, alerts: &mut [Alert<'_, '_>]) {
    let place = |alert: &Alert<'_, '_>| rules.patterns.iter().position(|pattern| pattern.id == alert.rule.id);
    alerts.sort_by_cached_key(|alert| {
        let rows: Vec<Vec<u64>> = (0..alert.rule.stages.len())
            .map(|stage| alert.events().filter(|(of, _)| *of == stage).map(|(_, event)| event.row()).collect())
            .collect();
        (place(alert), alert.key.clone(), alert.at, alert.kind, rows)
    });
}
