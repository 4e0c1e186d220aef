//! An acceptor: its memory, and what is under way on the channels that lead to it.

use crate::journal::{Ballot, Cell, Journal, Record};
use crate::operation::Operation;
use crate::scenario::{ATTEMPTS_MAX, PROPOSERS};

/// The memory of one acceptor and the channels to it. Nothing else in a state names an acceptor, so acceptors may be
/// reordered freely.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Acceptor {
    /// The PROMISE word.
    pub promise: Ballot,
    /// One journal for each proposer.
    pub journals: [Journal; PROPOSERS],
    /// The live channel of each proposer.
    pub lanes: [Lane; PROPOSERS],
    /// What each attempt of each proposer left behind.
    pub leftovers: [[Leftover; ATTEMPTS_MAX]; PROPOSERS],
}

/// Progress of a proposer's present phase at one acceptor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lane {
    /// Nothing is posted.
    #[default]
    Idle,
    /// Some operations have yet to execute.
    Posted(Posted),
    /// All operations executed with success: a promise with its reads, or a vote.
    Done {
        /// The record to prefer among those a prepare read.
        best: Option<Record>,
    },
    /// A higher ballot was seen: this acceptor counts for nothing.
    Refused,
}

/// A batch of operations on a channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Posted {
    /// Position of the next operation in the batch.
    pub next: u8,
    /// What the CAS of a prepare expects in PROMISE.
    pub predicted: Ballot,
    /// The record to prefer among those read so far.
    pub best: Option<Record>,
}

/// Operations that an attempt left on a channel and that still change memory when they land.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Leftover {
    /// The prediction of a CAS on PROMISE.
    pub promise: Option<Ballot>,
    /// The record of a WRITE.
    pub write: Option<Record>,
    /// Whether the first half of that WRITE has landed.
    pub half_landed: bool,
}

impl Lane {
    /// A channel on which a batch was just posted.
    pub fn posted(predicted: Ballot) -> Self {
        Self::Posted(Posted { predicted, ..Posted::default() })
    }
}

impl Leftover {
    /// Takes over what of `batch` has not executed; reads and checks change nothing and are forgotten.
    pub fn collect(&mut self, batch: &[Operation], posted: Posted, record: Record) {
        let (executed, rest) = batch.split_at(usize::from(posted.next));
        for operation in rest {
            match operation {
                Operation::Promise => self.promise = Some(posted.predicted),
                Operation::WriteRest => self.write = Some(record),
                Operation::Read(_) | Operation::WriteHalf | Operation::Check => {}
            }
        }
        self.half_landed |= self.write.is_some() && executed.contains(&Operation::WriteHalf);
    }

    /// The part of the WRITE that lands next.
    pub fn next_write(&self, torn_writes: bool) -> Option<Operation> {
        self.write.map(|_| if torn_writes && !self.half_landed { Operation::WriteHalf } else { Operation::WriteRest })
    }
}

impl Acceptor {
    /// Whether the prepare of `proposer` has read a journal here in which a WRITE is still landing.
    pub fn read_beside_torn_record(&self, proposer: usize) -> bool {
        let torn = self.journals.iter().flatten().any(Cell::is_torn);
        torn && matches!(self.lanes[proposer], Lane::Done { .. })
    }
}
