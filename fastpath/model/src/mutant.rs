//! Planted bugs. The model must catch every one of them, or it proves nothing about the protocol.

use crate::scenario::Scenario;

/// A bug planted in the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mutant {
    /// A vote counts once its record is written; PROMISE is not looked at.
    NoCheck,
    /// The check runs ahead of the write it should follow.
    CheckBeforeWrite,
    /// A vote counts whatever its check saw.
    FailedCheckCounted,
    /// A prepare reads the journals before it installs its promise.
    ReadsBeforePromise,
    /// The reads of a prepare count although its CAS failed.
    FailedPromiseCounted,
    /// A prepare reads only the proposer's own journal.
    OwnJournalOnly,
    /// A proposer proposes its own value whatever its prepare read.
    NoAdoption,
    /// The record with the lowest ballot is adopted.
    LowestBallotAdopted,
    /// One vote is an accept quorum while a prepare asks only a majority.
    AcceptQuorumTooSmall,
    /// One promise is a prepare quorum while an accept asks only a majority.
    PrepareQuorumTooSmall,
    /// A retry rewrites the proposer's journal cell instead of appending.
    RewriteInPlace,
    /// A record counts as soon as its header has landed; there is no checksum.
    TornRecordTrusted,
    /// PROMISE is set by a plain store.
    PlainStorePromise,
    /// A CAS that met a higher ballot is posted again with that ballot as its prediction.
    PromiseLowered,
}

impl Mutant {
    /// Every mutant.
    pub const ALL: [Self; 14] = [
        Self::NoCheck,
        Self::CheckBeforeWrite,
        Self::FailedCheckCounted,
        Self::ReadsBeforePromise,
        Self::FailedPromiseCounted,
        Self::OwnJournalOnly,
        Self::NoAdoption,
        Self::LowestBallotAdopted,
        Self::AcceptQuorumTooSmall,
        Self::PrepareQuorumTooSmall,
        Self::RewriteInPlace,
        Self::TornRecordTrusted,
        Self::PlainStorePromise,
        Self::PromiseLowered,
    ];

    /// Word by which the command line knows the mutant.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoCheck => "no-check",
            Self::CheckBeforeWrite => "check-before-write",
            Self::FailedCheckCounted => "failed-check-counted",
            Self::ReadsBeforePromise => "reads-before-promise",
            Self::FailedPromiseCounted => "failed-promise-counted",
            Self::OwnJournalOnly => "own-journal-only",
            Self::NoAdoption => "no-adoption",
            Self::LowestBallotAdopted => "lowest-ballot-adopted",
            Self::AcceptQuorumTooSmall => "accept-quorum-too-small",
            Self::PrepareQuorumTooSmall => "prepare-quorum-too-small",
            Self::RewriteInPlace => "rewrite-in-place",
            Self::TornRecordTrusted => "torn-record-trusted",
            Self::PlainStorePromise => "plain-store-promise",
            Self::PromiseLowered => "promise-lowered",
        }
    }

    /// The mutant with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mutant| mutant.name() == name)
    }

    /// A small scenario in which the bug leads to a disagreement; the correct protocol is safe there.
    pub fn scenario(self) -> Scenario {
        match self {
            Self::RewriteInPlace | Self::TornRecordTrusted => Scenario::PERSISTENT,
            _ => Scenario::OVERTAKEN,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mutant_is_found_by_its_name() {
        for mutant in Mutant::ALL {
            assert_eq!(Mutant::named(mutant.name()), Some(mutant));
        }
        assert_eq!(Mutant::named("none of them"), None);
    }
}
