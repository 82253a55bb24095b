//! What rules say of customers: segments and scores of each, and which rules are in force.
//!
//! ```text
//! rule-segments ─▶ a thread of its own ─▶ Members      one record for each customer, read from the beginning
//! rule-status   ─▶ the thread of events ─▶ Statuses    one record for each process of `speed`
//! ```

mod follow;
mod members;
mod status;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

pub use follow::follow_members;
pub use members::{Cursor, Member, MemberPage, Members, Named, Sort};
pub use status::{
    FeatureRule, PatternRule, Refused, RuleMistake, RuleStatus, RulesInForce, ScoreRule, SegmentRule, Statuses,
};

/// What the threads share with those who answer.
#[derive(Debug, Default)]
pub struct Behaviour {
    members: RwLock<Members>,
    statuses: RwLock<Statuses>,
    /// Whether every customer that there was has been read.
    pub complete: AtomicBool,
    /// Grows with all that changes here.
    version: AtomicU64,
}

impl Behaviour {
    pub fn members(&self) -> RwLockReadGuard<'_, Members> {
        self.members.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// To change them: [`Behaviour::version`] grows.
    fn change_members(&self) -> RwLockWriteGuard<'_, Members> {
        self.version.fetch_add(1, Ordering::Relaxed);
        self.members.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn statuses(&self) -> RwLockReadGuard<'_, Statuses> {
        self.statuses.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a record of `rule-status`.
    ///
    /// # Errors
    /// When it is none.
    pub fn put_status(&self, process: &str, value: Option<&[u8]>) -> Result<(), serde_json::Error> {
        let mut statuses = self.statuses.write().unwrap_or_else(PoisonError::into_inner);
        if statuses.put(process, value)? {
            self.version.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    #[must_use]
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Relaxed)
    }

    /// Whether there are rules, or were.
    #[must_use]
    pub fn is_there(&self) -> bool {
        !self.members().is_empty() || !self.statuses().is_empty()
    }
}
