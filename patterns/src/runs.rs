//! The runs of one pattern over the events of one key.

use crate::automaton::{Automaton, Decision};
use crate::compile::{Kind, StateId};
use crate::condition::Known;
use crate::heap::{self, Heap, Refilled};
use crate::store::{Chains, Events, NONE};
use crate::{Conditions, Found, Output, Taken};

/// The start of the run that has not begun: behind all others.
pub const UNBEGUN: u64 = u64::MAX;

/// How much longer than needed a run may be kept, milliseconds.
const LONGEST_DELAY: i64 = 3_600_000;

/// A partial match: the state it is in, and the chain of events it took.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// The order of its first event; runs are sorted by it.
    pub start: u64,
    pub start_at: i64,
    /// Node and state, as one number: a processor that has just written two small fields waits before it can copy them as one.
    place: u64,
}

impl Run {
    pub const fn new(start: u64, start_at: i64, node: u32, state: StateId) -> Self {
        Self { start, start_at, place: (node as u64) << 32 | state as u64 }
    }

    /// The last node of its chain.
    pub const fn node(&self) -> u32 {
        (self.place >> 32) as u32
    }

    pub const fn state(&self) -> StateId {
        (self.place & 0xffff) as StateId
    }

    /// The same run in another state.
    const fn in_state(self, state: StateId) -> Self {
        Self::new(self.start, self.start_at, self.node(), state)
    }
}

/// What one pattern remembers about one key.
#[derive(Clone, Debug, Default)]
pub struct Runs {
    /// A heap by start; among them the run that has not begun.
    pub partial: Heap,
    /// When the oldest began; none that has begun: `i64::MAX`.
    pub oldest: i64,
    /// When the last one that ever began did.
    pub newest: i64,
    pub chains: Chains,
    /// What few patterns need, apart, so that the runs of a key lie close together.
    pub rare: Option<Box<Rare>>,
}

#[derive(Clone, Debug, Default)]
pub struct Rare {
    /// Matches that a skip strategy holds back, a heap by start.
    pub completed: Heap,
    /// When Flink would look at the key although nothing came; only kept where two kinds of windows meet.
    pub timers: Vec<i64>,
    /// Something forbidden came before the first event was taken: Flink then never begins again.
    pub cannot_begin: bool,
}

/// One pattern, the events, and room to work in.
pub struct Work<'w, E> {
    pub pattern: usize,
    pub automaton: &'w Automaton,
    pub wants_timeouts: bool,
    pub conditions: &'w Conditions<E>,
    pub known: &'w mut Known,
    pub events: &'w mut Events<E>,
    pub room: &'w mut Room,
    pub out: &'w mut dyn FnMut(Output<'_, E>),
}

/// Buffers that are kept from event to event.
#[derive(Debug, Default)]
pub struct Room {
    pub(super) path: Vec<(u16, u32)>,
    next: Heap,
    more: Vec<Run>,
    pub(super) finished: Heap,
    /// An empty heap of finished runs.
    pub(super) completed: Heap,
    expired: Vec<(u32, i64)>,
}

/// An event at its place.
#[derive(Clone, Copy, Debug)]
pub struct Arrived {
    /// Its slot.
    pub event: u32,
    pub at: i64,
    pub order: u64,
}

impl Runs {
    /// Makes them those of a key that nothing has begun in, in the room of runs that are over.
    pub fn begin_anew(&mut self, automaton: &Automaton) {
        self.partial.clear();
        self.chains.clear();
        self.rare = None;
        self.newest = i64::MIN;
        self.partial.push(Run::new(UNBEGUN, i64::MAX, NONE, automaton.start()));
        self.oldest = i64::MAX;
    }

    /// Whether it takes little room, empty.
    pub fn is_small(&self) -> bool {
        !self.partial.spilled() && self.chains.nodes.capacity() <= 64
    }

    /// Brings `oldest` up to date.
    pub fn note_oldest(&mut self) {
        self.oldest = self.partial.first().map_or(i64::MAX, |run| run.start_at);
    }

    /// Whether nothing is left to remember. Flink forgets a key when a single run is left, whichever it is.
    pub fn is_over(&self) -> bool {
        self.partial.len() == 1 && self.completed().is_empty()
    }

    pub fn completed(&self) -> &[Run] {
        self.rare.as_ref().map_or(&[], |rare| &rare.completed)
    }

    fn cannot_begin(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.cannot_begin)
    }

    pub fn timers(&self) -> &[i64] {
        self.rare.as_ref().map_or(&[], |rare| &rare.timers)
    }

    /// When there is something to do without an event, at the earliest and at the latest. Where nobody can see a run leave
    /// its window, all may leave together after the newest, and a while later.
    pub fn due(&self, automaton: &Automaton, visible: bool) -> Option<(i64, i64)> {
        let window = automaton.window();
        if window <= 0 {
            return None;
        }
        if automaton.has_previous_windows() {
            return self.timers().iter().min().map(|&timer| (timer, timer));
        }
        if self.oldest == i64::MAX {
            return None;
        }
        if visible {
            let due = self.oldest.saturating_add(window);
            return Some((due, due));
        }
        let due = self.newest.saturating_add(window);
        let delay = window.saturating_mul(2).min(LONGEST_DELAY);
        // At a round time, so that many keys come together.
        let step = 1_i64 << (delay / 2).ilog2();
        Some((due, due.saturating_add(delay) & -step))
    }

    /// Whether all runs have left their window by `now`, unseen.
    pub fn has_faded(&self, automaton: &Automaton, visible: bool, now: i64) -> bool {
        !visible && !self.cannot_begin() && self.due(automaton, visible).is_some_and(|(due, _)| due <= now)
    }

    /// What the event does to every run; matches go out. Returns whether a run began.
    pub fn event<E>(&mut self, arrived: Arrived, work: &mut Work<'_, E>) -> bool {
        let Self { partial, chains, newest, rare, .. } = self;
        let (mut began, mut changed) = (false, false);
        let mut queue = Refilled::new(partial, &mut work.room.more);
        while let Some(run) = queue.next() {
            let taken = Taken { events: work.events, chains: Some(chains), last: run.node() };
            let (known, conditions) = (&mut *work.known, work.conditions);
            let holds = |condition| known.holds(conditions, condition, arrived.event, &taken);
            let decision = work.automaton.decide(run.state(), holds);
            if decision.stays {
                queue.push(run);
                continue;
            }
            changed = true;
            follow(&run, &decision, arrived, chains, work.events, &mut queue, &mut work.room.finished);
            if run.start == UNBEGUN {
                (began, *newest) = (true, arrived.at);
                if decision.stopped {
                    rare.get_or_insert_default().cannot_begin = true;
                } else {
                    queue.push(run);
                }
            }
        }
        let kept = queue.end();
        heap::refill(partial, kept, &mut work.room.more);
        if changed {
            self.note_oldest();
            if !work.room.finished.is_empty() || self.rare.is_some() {
                self.complete(arrived.at, work);
            }
        }
        began
    }

    /// Whether something may leave its window when time has come to `now`.
    pub fn may_expire(&self, automaton: &Automaton, now: i64) -> bool {
        let window = automaton.window();
        let over = self.oldest < i64::MAX && window > 0 && now.wrapping_sub(self.oldest) >= window;
        over || automaton.has_previous_windows()
    }

    /// Lets go of what left its window when time has come to `now`: time-outs go out, and matches that waited for it.
    #[inline(never)]
    pub fn expire<E>(&mut self, now: i64, work: &mut Work<'_, E>) {
        let automaton = work.automaton;
        let window = automaton.window();
        let out_of_window = |run: &Run| window > 0 && now.wrapping_sub(run.start_at) >= window;
        let mut old = std::mem::take(&mut self.partial);
        let mut next = std::mem::take(&mut work.room.next);
        next.clear();
        let mut expired = std::mem::take(&mut work.room.expired);
        for run in &old {
            let previous = automaton.within_previous(run.state());
            let since_previous = if previous > 0 && run.start != UNBEGUN {
                let taken_at = work.events.at(self.chains.event(run.node()));
                (now.wrapping_sub(taken_at) >= previous).then(|| taken_at.wrapping_add(previous))
            } else {
                None
            };
            let ended = since_previous
                .or_else(|| (run.start != UNBEGUN && out_of_window(run)).then(|| run.start_at.wrapping_add(window)));
            match ended {
                None => heap::push(&mut next, *run),
                Some(_) if automaton.kind(run.state()) == Kind::Pending => heap::push(&mut work.room.finished, *run),
                Some(at) => expired.push((run.node(), at)),
            }
        }
        let changed = next.len() < old.len();
        old.clear();
        old.extend_from_slice(&next);
        self.partial = old;
        work.room.next = next;
        if changed {
            self.note_oldest();
            self.complete(now, work);
            self.report_expired(&mut expired, work);
        }
        work.room.expired = expired;
    }

    fn report_expired<E>(&mut self, expired: &mut Vec<(u32, i64)>, work: &mut Work<'_, E>) {
        for (node, at) in expired.drain(..) {
            if work.wants_timeouts {
                self.chains.path(node, &mut work.room.path);
                let found = Found { pattern: work.pattern, at, path: &work.room.path, events: work.events };
                (work.out)(Output::Timeout(found));
            }
            self.chains.release(work.events, node);
        }
    }
}

/// What a decision makes of a run: those that go on go into the queue, those that are finished into the room for them.
#[inline]
fn follow<E>(
    run: &Run,
    decision: &Decision,
    arrived: Arrived,
    chains: &mut Chains,
    events: &mut Events<E>,
    queue: &mut Refilled<'_>,
    finished: &mut Heap,
) {
    // The run's own use of its node goes to the first that follows it.
    let mut left = true;
    for step in &decision.steps {
        let inherited = std::mem::take(&mut left);
        let uses = u32::from(step.goes_on) + step.finished;
        let follower = match step.stage {
            None => {
                chains.retain_by(run.node(), uses - u32::from(inherited));
                run.in_state(step.target)
            }
            Some(stage) => {
                let alone = decision.steps.len() == 1;
                let node = if alone && chains.extend(events, run.node(), arrived.event, stage, uses) {
                    run.node()
                } else {
                    if !inherited {
                        chains.retain_by(run.node(), 1);
                    }
                    chains.add(events, run.node(), arrived.event, stage, uses)
                };
                let (start, start_at) =
                    if run.start == UNBEGUN { (arrived.order, arrived.at) } else { (run.start, run.start_at) };
                Run::new(start, start_at, node, step.target)
            }
        };
        for _ in 0..step.finished {
            heap::push(finished, follower);
        }
        if step.goes_on {
            queue.push(follower);
        }
    }
    if left {
        chains.release(events, run.node());
    }
}
