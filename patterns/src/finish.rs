//! Finished runs become matches, as far as the skip strategy lets them.

use crate::automaton::Pruning;
use crate::heap::{self, Heap};
use crate::runs::{Run, Runs, UNBEGUN, Work};
use crate::store::Events;
use crate::{Found, Limits, Output};

impl Runs {
    /// Reports matches at `now`, the earliest start first, until one has to wait for an older run.
    pub(crate) fn complete<E>(&mut self, now: i64, work: &mut Work<'_, E>) {
        let mut completed = match &mut self.rare {
            Some(rare) if !rare.completed.is_empty() => std::mem::take(&mut rare.completed),
            _ if work.room.finished.is_empty() => return,
            _ => std::mem::take(&mut work.room.completed),
        };
        for run in work.room.finished.drain(..) {
            heap::push(&mut completed, run);
        }
        let pruning = work.automaton.pruning();
        while let Some(earliest) = completed.first() {
            let older = self.partial.first().is_some_and(|partial| earliest.start > partial.start);
            if pruning != Pruning::No && older {
                break;
            }
            let Some(run) = heap::pop(&mut completed) else { break };
            self.chains.path(run.node(), &mut work.room.path);
            if let Some(limit) = last_start(pruning, &work.room.path, work.events) {
                self.prune(limit, &mut completed, work);
            }
            let found = Found { pattern: work.pattern, at: now, path: &work.room.path, events: work.events };
            (work.out)(Output::Match(found));
            self.chains.release(work.events, run.node());
        }
        if completed.is_empty() {
            work.room.completed = completed;
        } else {
            self.rare.get_or_insert_default().completed = completed;
        }
    }

    /// Drops all runs that started up to `limit`, finished or not.
    fn prune<E>(&mut self, limit: u64, completed: &mut Heap, work: &mut Work<'_, E>) {
        let pruned = |run: &Run| run.start != UNBEGUN && run.start <= limit;
        let mut dropped = heap::extract(&mut self.partial, pruned);
        self.note_oldest();
        dropped.extend(heap::extract(completed, pruned));
        for run in dropped {
            self.chains.release(work.events, run.node());
        }
    }

    /// Drops the oldest runs until the key keeps within its limits.
    pub(crate) fn shed<E>(&mut self, now: i64, limits: &Limits, work: &mut Work<'_, E>) {
        let mut runs = 0;
        while self.partial.len() + self.completed().len() > limits.runs || self.chains.len() > limits.taken {
            if self.partial.first().is_none_or(|run| run.start == UNBEGUN) {
                break;
            }
            let Some(run) = heap::pop(&mut self.partial) else { break };
            self.note_oldest();
            self.chains.release(work.events, run.node());
            runs += 1;
            self.complete(now, work);
        }
        if runs > 0 {
            (work.out)(Output::Shed { pattern: work.pattern, runs });
        }
    }

    /// Gives back everything.
    pub(crate) fn release_all<E>(&mut self, events: &mut Events<E>) {
        let completed = self.rare.take().map_or_else(Heap::new, |rare| rare.completed);
        for run in self.partial.drain(..).chain(completed) {
            self.chains.release(events, run.node());
        }
    }
}

/// Runs that started up to this event are skipped after a match along `path`.
fn last_start<E>(pruning: Pruning, path: &[(u16, u32)], events: &Events<E>) -> Option<u64> {
    let order = |place: Option<&(u16, u32)>| place.map(|&(_, event)| events.order(event));
    match pruning {
        Pruning::No => None,
        Pruning::ToNext => order(path.first()),
        Pruning::PastLast => order(path.last()),
        // Runs that started with that very event stay.
        Pruning::ToFirst(stage) => order(path.iter().find(|(of, _)| Some(*of) == stage))?.checked_sub(1),
        Pruning::ToLast(stage) => order(path.iter().rfind(|(of, _)| Some(*of) == stage))?.checked_sub(1),
    }
}
