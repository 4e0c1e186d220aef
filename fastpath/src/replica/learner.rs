//! What a follower has seen of the journals in its own memory, and what of it is decided.

use crate::bug::{Bug, planted};
use crate::ids::{ReplicaId, Seq, Slot};
use crate::promise::Ballot;
use crate::record::Header;

/// Tenures that a follower remembers. More leaders than this without a commit that reaches it, and it asks for a snapshot.
const RUNS_MAX: usize = 8;

/// Consecutive records of one ballot in one lane of the own memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    lane: ReplicaId,
    ballot: Ballot,
    first_slot: Slot,
    first_seq: Seq,
    /// Records in the run.
    records: u64,
    /// The highest slot that is committed according to this very ballot: only its own records may be applied by it.
    commit: Slot,
}

impl Run {
    fn seq_of(&self, slot: Slot) -> Option<Seq> {
        let offset = slot.0.checked_sub(self.first_slot.0)?;
        (offset < self.records).then(|| self.first_seq.plus(offset))
    }
}

/// Where a record lies in the own memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) lane: ReplicaId,
    pub(crate) seq: Seq,
    pub(crate) ballot: Ballot,
}

/// The learner: which records are here, which ballots say that they are committed.
#[derive(Debug, Default)]
pub(crate) struct Learner {
    runs: Vec<Run>,
    /// The highest slot that any ballot has called committed.
    known_commit: Slot,
}

impl Learner {
    pub(crate) fn new() -> Self {
        Self { runs: Vec::with_capacity(RUNS_MAX + 1), known_commit: Slot::NONE }
    }

    /// The highest slot that is known to be committed, whether or not its record is here.
    pub(crate) const fn known_commit(&self) -> Slot {
        self.known_commit
    }

    /// A valid record header was found in `lane`.
    pub(crate) fn record(&mut self, lane: ReplicaId, header: &Header) {
        let continues = |run: &&mut Run| {
            run.ballot == header.ballot
                && run.first_seq.plus(run.records) == header.seq
                && run.first_slot.0.checked_add(run.records) == Some(header.slot.0)
        };
        match self.runs.last_mut().filter(continues) {
            Some(run) => run.records += 1,
            None => self.begin(lane, header),
        }
        self.committed(header.ballot, header.commit());
    }

    fn begin(&mut self, lane: ReplicaId, header: &Header) {
        if self.runs.len() == RUNS_MAX {
            self.runs.remove(0);
        }
        let same_ballot = self.runs.iter().filter(|run| run.ballot == header.ballot);
        let commit = same_ballot.map(|run| run.commit).max().unwrap_or_default();
        let Header { ballot, slot: first_slot, seq: first_seq, .. } = *header;
        self.runs.push(Run { lane, ballot, first_slot, first_seq, records: 1, commit });
    }

    /// `ballot` says that all slots up to `commit` are committed. It vouches for its own records only.
    pub(crate) fn committed(&mut self, ballot: Ballot, commit: Slot) {
        self.known_commit = self.known_commit.max(commit);
        for run in &mut self.runs {
            if run.ballot == ballot || planted(Bug::OldCommitTrusted) {
                run.commit = run.commit.max(commit);
            }
        }
    }

    /// The decided record for `slot`, if it is here.
    pub(crate) fn decided(&self, slot: Slot) -> Option<Place> {
        self.runs.iter().rev().filter(|run| run.commit >= slot).find_map(|run| {
            let seq = run.seq_of(slot)?;
            Some(Place { lane: run.lane, seq, ballot: run.ballot })
        })
    }

    /// Slots up to `applied` are of no interest any more.
    pub(crate) fn forget(&mut self, applied: Slot) {
        let newest = self.runs.len().saturating_sub(1);
        let mut at = 0;
        self.runs.retain(|run| {
            let keep = at == newest || run.first_slot.0.saturating_add(run.records) > applied.0.saturating_add(1);
            at += 1;
            keep
        });
        self.known_commit = self.known_commit.max(applied);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Epoch;
    use crate::record::Flags;

    fn header(ballot: Ballot, seq: u64, slot: u64, commit: u64) -> Header {
        Header {
            seq: Seq(seq),
            slot: Slot(slot),
            ballot,
            commit_lag: (slot - commit) as u16,
            commands: 1,
            flags: Flags::default(),
            payload_bytes: 0,
            session_or_arena: 0,
            sequence: 0,
            payload_hash: 0,
        }
    }

    fn ballot(round: u64, proposer: u8) -> Ballot {
        Ballot::new(Epoch::FIRST, round, ReplicaId(proposer))
    }

    #[test]
    fn a_commit_index_vouches_for_records_of_its_own_ballot_only() {
        let mut learner = Learner::new();
        learner.record(ReplicaId(0), &header(ballot(1, 0), 1, 1, 0));
        learner.record(ReplicaId(0), &header(ballot(1, 0), 2, 2, 1));
        assert_eq!(learner.decided(Slot(1)).map(|place| place.seq), Some(Seq(1)));
        assert_eq!(learner.decided(Slot(2)), None);
        learner.committed(ballot(2, 1), Slot(2));
        assert_eq!(learner.decided(Slot(2)), None, "another ballot may have decided another value");
        assert_eq!(learner.known_commit(), Slot(2));
        learner.committed(ballot(1, 0), Slot(2));
        assert_eq!(learner.decided(Slot(2)).map(|place| place.ballot), Some(ballot(1, 0)));
    }

    #[test]
    fn a_new_tenure_in_the_same_lane_starts_a_run_of_its_own() {
        let mut learner = Learner::new();
        learner.record(ReplicaId(0), &header(ballot(1, 0), 1, 1, 0));
        learner.record(ReplicaId(0), &header(ballot(3, 0), 2, 1, 0));
        learner.record(ReplicaId(0), &header(ballot(3, 0), 3, 2, 1));
        assert_eq!(learner.decided(Slot(1)).map(|place| place.seq), Some(Seq(2)));
    }
}
