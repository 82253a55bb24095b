//! What there is to archive of a partition: facts in, a decision out.

/// Where a partition stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// First offset that the group ever read.
    pub start: i64,
    /// First offset of the cell that the group has not finished: an archive ends here or at an earlier such offset.
    pub cell: i64,
    /// The first offset that is still in the topic.
    pub low: i64,
    /// First offset that is not in the lake; `None` when nothing was archived yet.
    pub archived: Option<i64>,
}

/// What to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Everything that may be archived is.
    Nothing,
    /// The lake has more than the group has processed: another group's work; wait until this one has caught up.
    Ahead { archived: i64 },
    /// Archive this span, in one commit.
    Append { from: i64, to: i64 },
    /// Retention has deleted lines before they were archived: refuse, until a person has seen to it.
    Lost { from: i64, low: i64 },
}

impl Facts {
    #[must_use]
    pub fn decide(&self) -> Decision {
        // Lines before the group's start were never counted, but an archive that is there has no gap.
        let from = self.archived.unwrap_or(self.start);
        if from > self.cell {
            return Decision::Ahead { archived: from };
        }
        if from == self.cell {
            return Decision::Nothing;
        }
        if from < self.low {
            return Decision::Lost { from, low: self.low };
        }
        Decision::Append { from, to: self.cell }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_committed_and_not_archived_is_archived() {
        let at = |archived, start, low, cell| Facts { start, cell, low, archived }.decide();
        assert_eq!(at(None, 0, 0, 0), Decision::Nothing);
        assert_eq!(at(None, 0, 0, 70), Decision::Append { from: 0, to: 70 });
        assert_eq!(at(None, 40, 0, 70), Decision::Append { from: 40, to: 70 }, "a group that began in the middle");
        assert_eq!(at(Some(50), 0, 20, 70), Decision::Append { from: 50, to: 70 });
        assert_eq!(at(Some(50), 60, 0, 70), Decision::Append { from: 50, to: 70 }, "an archive has no gap");
        assert_eq!(at(Some(70), 0, 0, 70), Decision::Nothing);
        assert_eq!(at(Some(70), 0, 90, 70), Decision::Nothing, "what retention eats behind the archive is safe");
        assert_eq!(at(Some(80), 0, 0, 70), Decision::Ahead { archived: 80 });
        assert_eq!(at(Some(50), 0, 51, 70), Decision::Lost { from: 50, low: 51 });
        assert_eq!(at(None, 0, 10, 70), Decision::Lost { from: 0, low: 10 });
    }
}
