//! One operation of one client.

use serde::{Deserialize, Serialize};

/// What a client asked for, when, and what came of it. Times are nanoseconds on a clock that all clients share;
/// [`Recorder`](crate::Recorder) uses the monotonic clock of the host, so that histories of its processes can be put together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation<C, R> {
    /// Who asked; for messages only.
    pub client: u64,
    /// A command or a read.
    pub kind: Kind,
    /// What was asked.
    pub command: C,
    /// Not later than when it was first sent.
    pub began: u64,
    /// What came of it.
    pub outcome: Outcome<R>,
}

/// How an operation is executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Kind {
    /// In a slot of its own, or in one that it shares with commands of the same record.
    Command,
    /// On the state after some slot, without changing it.
    Read,
}

/// What a client knows of its operation in the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome<R> {
    /// It was answered.
    Replied {
        /// Not earlier than when the reply arrived.
        at: u64,
        /// Of a command the slot in which it took effect, from 1; of a read the last slot that it saw, 0 for none.
        slot: u64,
        /// The answer.
        reply: R,
    },
    /// There was no answer: a command may have taken effect, may do so later, or never.
    Unknown,
    /// It was refused, with the promise that it has no effect.
    Refused,
}
