//! The stations of a command on its way from the client to the reply.

use std::fmt;

/// A station of a command. Stamps and histograms are indexed by it; a latency is named after the stage that ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Stage {
    /// The replica took the request from the client.
    Received,
    /// The signature was found good.
    Verified,
    /// The record stands in the leader's own journal.
    Written,
    /// The chains to the acceptors were posted.
    Posted,
    /// Votes of an accept quorum are in: the slot is committed.
    Quorum,
    /// The state machine has applied the command.
    Applied,
    /// The reply was handed to the client.
    Replied,
}

impl Stage {
    /// All stages, in the order in which a command passes them.
    pub const ALL: [Self; 7] =
        [Self::Received, Self::Verified, Self::Written, Self::Posted, Self::Quorum, Self::Applied, Self::Replied];

    /// The stage as an index into per-stage arrays.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The name used in reports and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Verified => "verified",
            Self::Written => "written",
            Self::Posted => "posted",
            Self::Quorum => "quorum",
            Self::Applied => "applied",
            Self::Replied => "replied",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_lists_every_stage_at_its_own_index() {
        for (index, stage) in Stage::ALL.into_iter().enumerate() {
            assert_eq!(stage.index(), index, "{stage}");
        }
    }
}
