//! What can go wrong at a call to Kafka.

use std::time::Duration;

use super::chance::Chance;

/// How often, by thousand calls.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// The brokers do not answer for too long: the epoch must be aborted.
    pub refusals: u32,
    /// The process dies.
    pub deaths: u32,
    /// A call hangs (or the process is stopped for a while).
    pub hangs: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    RefusedBefore,
    /// It happened, but the caller hears that it did not; never at a commit.
    RefusedAfter,
    DiedBefore,
    DiedWithin,
    DiedAfter,
    /// It happened, and the answer was lost: nobody can know.
    AnswerLost,
    /// The same, and it happens only later, if nothing forbids it then: a commit whose worker was stopped within.
    Delayed,
    Hung(Duration),
}

impl Faults {
    /// A commit is where it matters most.
    pub fn strike_commit(&self, chance: &mut Chance) -> Option<Fault> {
        let Self { refusals, deaths, hangs } = *self;
        let often = Self { refusals: refusals * 3, deaths: deaths * 10, hangs: hangs * 3 };
        match often.strike(chance) {
            Some(Fault::DiedWithin | Fault::AnswerLost) if chance.one_in(2) => Some(Fault::Delayed),
            fault => fault,
        }
    }

    pub fn strike(&self, chance: &mut Chance) -> Option<Fault> {
        let draw = chance.below(1_000);
        let Self { refusals, deaths, hangs } = *self;
        if draw < refusals {
            return Some(*chance.pick(&[Fault::RefusedBefore, Fault::RefusedAfter, Fault::AnswerLost]));
        }
        if draw < refusals + deaths {
            return Some(*chance.pick(&[Fault::DiedBefore, Fault::DiedWithin, Fault::DiedAfter]));
        }
        (draw < refusals + deaths + hangs).then(|| {
            let millis = if chance.one_in(6) { chance.between(9_000, 40_000) } else { chance.between(20, 400) };
            Fault::Hung(Duration::from_millis(u64::from(millis)))
        })
    }
}
