//! A state of the model: acceptors, proposers and what was decided.

use crate::acceptor::{Acceptor, Lane};
use crate::journal::{Ballot, Record, Value};
use crate::scenario::{ACCEPTORS, PROPOSERS};

/// Everything that the next steps depend on, and the decisions so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct State {
    /// Memory and channels.
    pub acceptors: [Acceptor; ACCEPTORS],
    /// The proposers.
    pub proposers: [Proposer; PROPOSERS],
    /// The values decided by any attempt of any proposer.
    pub decided: ValueSet,
}

/// A proposer of the slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Proposer {
    /// Position of its ballot in the scenario; also the `seq` of the record it appends.
    pub attempt: u8,
    /// How far it is.
    pub phase: Phase,
    /// What it writes, from the accept on.
    pub record: Record,
}

/// Phases of an attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Phase 1: promises and reads.
    #[default]
    Prepare,
    /// Phase 2: records and checks.
    Accept,
    /// An accept quorum voted. The replies may be lost, hence a retry is still possible.
    Decided,
    /// Stopped for good.
    Crashed,
}

/// A set of values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ValueSet(u8);

impl ValueSet {
    /// Adds a value, at most 7.
    pub fn insert(&mut self, value: Value) {
        assert!(value < 8, "value {value} does not fit into the set");
        self.0 |= 1 << value;
    }

    /// Number of values.
    pub fn len(self) -> u32 {
        self.0.count_ones()
    }

    /// Whether no value is in the set.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether the value is in the set.
    pub fn contains(self, value: Value) -> bool {
        self.0 >> value & 1 == 1
    }
}

impl State {
    /// Posts the batch of a phase on every channel of a proposer.
    pub fn post(&mut self, proposer: usize, predicted: Ballot) {
        for acceptor in &mut self.acceptors {
            acceptor.lanes[proposer] = Lane::posted(predicted);
        }
    }

    /// Whether the check of a proposer in its accept failed somewhere.
    pub fn refused_check(&self) -> bool {
        self.lanes_in(Phase::Accept).any(|(acceptor, proposer)| acceptor.lanes[proposer] == Lane::Refused)
    }

    /// Whether a prepare has read a journal in which a WRITE is still landing.
    pub fn read_beside_torn_record(&self) -> bool {
        self.lanes_in(Phase::Prepare).any(|(acceptor, proposer)| acceptor.read_beside_torn_record(proposer))
    }

    fn lanes_in(&self, phase: Phase) -> impl Iterator<Item = (&Acceptor, usize)> {
        let proposers = (0..PROPOSERS).filter(move |proposer| self.proposers[*proposer].phase == phase);
        proposers.flat_map(|proposer| self.acceptors.iter().map(move |acceptor| (acceptor, proposer)))
    }
}

impl Proposer {
    /// Whether the value it proposes was first proposed under another ballot.
    pub fn has_adopted(&self) -> bool {
        matches!(self.phase, Phase::Accept | Phase::Decided) && self.record.value != self.record.ballot
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_set_counts_each_value_once() {
        let mut set = ValueSet::default();
        assert!(set.is_empty());
        set.insert(3);
        set.insert(3);
        set.insert(0);
        assert_eq!(set.len(), 2);
        assert!(set.contains(0) && set.contains(3) && !set.contains(1));
    }
}
