//! One-sided operations, and the order in which a proposer posts them on the channel to an acceptor.

use std::fmt;

use crate::mutant::Mutant;

/// A one-sided operation on the memory of an acceptor; it executes in one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// `CAS(PROMISE, predicted, ballot)`.
    Promise,
    /// `READ` of the journal that this proposer writes.
    Read(usize),
    /// The first half of the `WRITE` of a record.
    WriteHalf,
    /// The `WRITE` of a record, or the rest of it where its first half has landed.
    WriteRest,
    /// `CAS(PROMISE, ballot, ballot)`.
    Check,
}

/// The operations of a prepare of `proposer`, in channel order.
pub fn prepare_operations(proposer: usize, mutant: Option<Mutant>) -> &'static [Operation] {
    use Operation::{Promise, Read};
    match (mutant, proposer) {
        (Some(Mutant::ReadsBeforePromise), _) => &[Read(0), Read(1), Promise],
        (Some(Mutant::OwnJournalOnly), 0) => &[Promise, Read(0)],
        (Some(Mutant::OwnJournalOnly), _) => &[Promise, Read(1)],
        _ => &[Promise, Read(0), Read(1)],
    }
}

/// The operations of an accept, in channel order.
pub fn accept_operations(torn_writes: bool, mutant: Option<Mutant>) -> &'static [Operation] {
    use Operation::{Check, WriteHalf, WriteRest};
    match (mutant, torn_writes) {
        (Some(Mutant::NoCheck), true) => &[WriteHalf, WriteRest],
        (Some(Mutant::NoCheck), false) => &[WriteRest],
        (Some(Mutant::CheckBeforeWrite), true) => &[Check, WriteHalf, WriteRest],
        (Some(Mutant::CheckBeforeWrite), false) => &[Check, WriteRest],
        (_, true) => &[WriteHalf, WriteRest, Check],
        (_, false) => &[WriteRest, Check],
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Promise => f.write_str("CAS on PROMISE"),
            Self::Read(proposer) => write!(f, "READ of journal {proposer}"),
            Self::WriteHalf => f.write_str("first half of the WRITE of the record"),
            Self::WriteRest => f.write_str("WRITE of the record"),
            Self::Check => f.write_str("check"),
        }
    }
}
