//! Which alerts are taken, which are told, and up to where offsets may be committed.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use xxhash_rust::xxh3::xxh3_128;

/// Where a record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    pub partition: i32,
    pub offset: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting,
    /// A request is under way.
    Trying,
    Done,
}

/// A record that was taken: taken again, as when its partition went and came back, it has another ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    pub place: Place,
    number: u64,
}

#[derive(Debug, Default)]
struct Partition {
    taken: BTreeMap<i64, (u64, State)>,
    /// No longer this process's, or about to be so: nothing more is tried.
    left: bool,
}

/// What is under way, by partition.
#[derive(Debug, Default)]
pub struct Ledger {
    partitions: Mutex<BTreeMap<i32, Partition>>,
    tickets: AtomicU64,
}

impl Ledger {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<i32, Partition>> {
        self.partitions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn take(&self, place: Place) -> Ticket {
        let number = self.tickets.fetch_add(1, Ordering::Relaxed);
        self.lock().entry(place.partition).or_default().taken.insert(place.offset, (number, State::Waiting));
        Ticket { place, number }
    }

    /// Whether a request may be sent for it.
    #[must_use]
    pub fn try_now(&self, ticket: Ticket) -> bool {
        self.set(ticket, State::Trying)
    }

    /// Whether it is still this process's.
    #[must_use]
    pub fn holds(&self, ticket: Ticket) -> bool {
        let partitions = self.lock();
        let partition = partitions.get(&ticket.place.partition).filter(|partition| !partition.left);
        partition
            .is_some_and(|found| found.taken.get(&ticket.place.offset).is_some_and(|(held, _)| *held == ticket.number))
    }

    pub fn wait(&self, ticket: Ticket) {
        self.set(ticket, State::Waiting);
    }

    pub fn done(&self, ticket: Ticket) {
        self.set(ticket, State::Done);
    }

    fn set(&self, ticket: Ticket, to: State) -> bool {
        let mut partitions = self.lock();
        let Some(partition) = partitions.get_mut(&ticket.place.partition) else { return false };
        // What was under way when the partition was taken away counts all the same.
        if partition.left && to == State::Trying {
            return false;
        }
        let found = partition.taken.get_mut(&ticket.place.offset).filter(|(number, _)| *number == ticket.number);
        found.map(|(_, state)| *state = to).is_some()
    }

    /// Lets nothing more be tried for these.
    pub fn leave(&self, partitions: &[i32]) {
        let mut all = self.lock();
        partitions.iter().filter_map(|partition| all.get_mut(partition).map(|found| found.left = true)).for_each(drop);
    }

    /// Whether a request is under way for one of these.
    #[must_use]
    pub fn is_trying(&self, partitions: &[i32]) -> bool {
        let all = self.lock();
        let mut found = partitions.iter().filter_map(|partition| all.get(partition));
        found.any(|partition| partition.taken.values().any(|(_, state)| *state == State::Trying))
    }

    /// The offset up to which everything of each partition is done, and forgets what is before it.
    #[must_use]
    pub fn settle(&self) -> Vec<Place> {
        let mut settled = Vec::new();
        for (&number, partition) in &mut *self.lock() {
            let mut reached = None;
            while let Some(entry) = partition.taken.first_entry()
                && entry.get().1 == State::Done
            {
                reached = Some(entry.remove_entry().0 + 1);
            }
            settled.extend(reached.map(|offset| Place { partition: number, offset }));
        }
        settled
    }

    /// Forgets partitions that are gone.
    pub fn forget(&self, partitions: &[i32]) {
        let mut all = self.lock();
        partitions.iter().for_each(|partition| drop(all.remove(partition)));
    }

    /// Every partition that something was taken of.
    #[must_use]
    pub fn partitions(&self) -> Vec<i32> {
        self.lock().keys().copied().collect()
    }
}

/// The ids of alerts that were told last, and of those that are being told.
#[derive(Debug)]
pub struct Told {
    ids: HashSet<u128>,
    order: VecDeque<u128>,
    claimed: HashSet<u128>,
    most: usize,
}

/// What somebody learns who wants to tell an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Nobody else tells it until the claim is given up.
    Granted,
    /// Somebody is about it.
    Busy,
    Told,
}

impl Told {
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { ids: HashSet::new(), order: VecDeque::new(), claimed: HashSet::new(), most }
    }

    pub fn claim(&mut self, id: &str) -> Claim {
        let id = xxh3_128(id.as_bytes());
        if self.ids.contains(&id) {
            Claim::Told
        } else if self.claimed.insert(id) {
            Claim::Granted
        } else {
            Claim::Busy
        }
    }

    /// Gives a claim up, for an alert that is told now or is not.
    pub fn give_up(&mut self, id: &str, told: bool) {
        let id = xxh3_128(id.as_bytes());
        self.claimed.remove(&id);
        if told && self.ids.insert(id) {
            self.order.push_back(id);
        }
        if self.order.len() > self.most
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn place(partition: i32, offset: i64) -> Place {
        Place { partition, offset }
    }

    #[test]
    fn offsets_stop_at_the_first_that_is_not_done() {
        let ledger = Ledger::default();
        let tickets = [(0, 5), (0, 6), (0, 9), (1, 3)].map(|(partition, offset)| ledger.take(place(partition, offset)));
        assert_eq!(ledger.settle(), []);
        [0, 2, 3].into_iter().for_each(|number| ledger.done(tickets[number]));
        assert_eq!(ledger.settle(), [place(0, 6), place(1, 4)]);
        ledger.done(tickets[1]);
        assert_eq!(ledger.settle(), [place(0, 10)], "offsets of transactions' marks are skipped");
        assert_eq!(ledger.settle(), []);
    }

    #[test]
    fn what_is_taken_away_is_not_tried_again_but_counts_when_it_ends_well() {
        let ledger = Ledger::default();
        let [first, second] = [0, 1].map(|offset| ledger.take(place(0, offset)));
        assert!(ledger.try_now(first));
        ledger.leave(&[0, 7]);
        assert!(ledger.is_trying(&[0]) && !ledger.try_now(second));
        ledger.done(first);
        assert!(!ledger.is_trying(&[0]));
        assert_eq!(ledger.settle(), [place(0, 1)]);
        ledger.forget(&[0]);
        let again = ledger.take(place(0, 1));
        assert!(!ledger.try_now(second) && ledger.try_now(again), "the partition came back, and its record with it");
        ledger.done(second);
        assert_eq!(ledger.settle(), []);
    }

    #[test]
    fn an_alert_is_told_by_one_and_the_oldest_are_forgotten() {
        let mut told = Told::new(2);
        assert_eq!([told.claim("a"), told.claim("a")], [Claim::Granted, Claim::Busy]);
        told.give_up("a", false);
        assert_eq!(told.claim("a"), Claim::Granted);
        ["a", "b", "a", "c"].into_iter().for_each(|id| told.give_up(id, true));
        assert_eq!(["a", "b", "c"].map(|id| told.claim(id)), [Claim::Granted, Claim::Told, Claim::Told]);
    }
}
