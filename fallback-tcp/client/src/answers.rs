//! What the answers of a cluster are to the caller.

use crate::call::Outcome;
use paxon_fastpath::{ReplicaId, Slot};
use std::ops::Deref;

/// A command was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The slot in which it was applied; of a command that was sent several times, the first one.
    pub slot: Slot,
    /// The replica that said so.
    pub replica: ReplicaId,
    /// What the state machine answered.
    pub reply: Vec<u8>,
}

impl Deref for Applied {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.reply
    }
}

/// The answer to a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The last slot that the state held.
    pub slot: Slot,
    /// The replica that answered.
    pub replica: ReplicaId,
    /// What the state machine answered.
    pub bytes: Vec<u8>,
}

impl Deref for Answer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

/// The digest of a replica's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateDigest {
    /// The last slot that the state held.
    pub slot: Slot,
    /// Equal states have equal digests.
    pub digest: u64,
}

/// A session was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    pub(crate) id: u64,
    pub(crate) replica: ReplicaId,
}

/// What an answer is made into.
pub trait FromOutcome: sealed::Sealed {
    #[doc(hidden)]
    fn from_outcome(outcome: Outcome) -> Self;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! answers {
    ($($answer:ty: $from:expr;)*) => {$(
        impl sealed::Sealed for $answer {}

        impl FromOutcome for $answer {
            fn from_outcome(outcome: Outcome) -> Self {
                let from: fn(Outcome) -> $answer = $from;
                from(outcome)
            }
        }
    )*};
}

answers! {
    Applied: |outcome| Self { slot: outcome.slot, replica: outcome.replica, reply: outcome.bytes };
    Answer: |outcome| Self { slot: outcome.slot, replica: outcome.replica, bytes: outcome.bytes };
    StateDigest: |outcome| Self { slot: outcome.slot, digest: outcome.number };
    Opened: |outcome| Self { id: outcome.number, replica: outcome.replica };
    String: |outcome| String::from_utf8(outcome.bytes).unwrap_or_default();
}
