//! The bug zoo: known mistakes, planted one at a time to prove that the simulator or a scenario sees them.
//!
//! Without the feature `bug-zoo` (which no product enables) [`planted`] is constant and the hooks compile to nothing.

/// A mistake that somebody could make in this protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum Bug {
    /// Records are sent without the check behind them; their completion counts as a vote.
    NoCheck = 1,
    /// A check that found another ballot counts as a vote.
    FailedCheckCounted,
    /// The check is executed before the records are written.
    CheckBeforeWrites,
    /// Two members of the accept quorum are thought to be enough with one vote less.
    SmallAcceptQuorum,
    /// A candidate leads with one promise less than the prepare quorum.
    SmallPrepareQuorum,
    /// A candidate asks the others before its own acceptor has promised, and may use a ballot twice.
    OthersAskedFirst,
    /// Of several records for a slot the one with the lowest ballot is adopted.
    LowestBallotAdopted,
    /// Nothing is adopted: slots that may be chosen are filled with no-ops.
    NothingAdopted,
    /// A new tenure rewrites the cells of the one before instead of appending.
    InPlaceRewrite,
    /// Cells are reused whether or not anybody has applied them.
    ReuseBeforeTrim,
    /// A damaged head is taken for an empty journal.
    DamagedHeadIsEmpty,
    /// A commit index vouches for the records of every ballot.
    OldCommitTrusted,
    /// The checksum of a header is not looked at.
    HeaderChecksumIgnored,
    /// The hash of a payload is not looked at.
    PayloadHashIgnored,
    /// Lost memory votes at once, as if it had never promised anything.
    LostMemoryVotes,
    /// A leader goes on in the epoch that its configuration record ends.
    EpochNotEnded,
    /// Linearizable reads are served without the check.
    ReadsUnchecked,
    /// A command that was applied before is applied again.
    DedupeLost,
    /// Time-outs do not allow for the round trip: on a path that is slower than suspicion, elections go on for ever.
    RoundTripsIgnored,
    /// A record with a right checksum is believed although the cluster has a secret.
    MacIgnored,
    /// A command that the machine's screen refuses uses up its number all the same.
    RefusedBurnsSequence,
    /// Records that a new leader proposes again are not screened, as if their first leader had done it.
    AdoptedUnscreened,
}

impl Bug {
    /// Those that the simulator finds within some thousands of seeds.
    pub const COMMON: [Self; 19] = [
        Self::NoCheck,
        Self::FailedCheckCounted,
        Self::CheckBeforeWrites,
        Self::SmallAcceptQuorum,
        Self::SmallPrepareQuorum,
        Self::LowestBallotAdopted,
        Self::NothingAdopted,
        Self::InPlaceRewrite,
        Self::ReuseBeforeTrim,
        Self::OldCommitTrusted,
        Self::HeaderChecksumIgnored,
        Self::PayloadHashIgnored,
        Self::LostMemoryVotes,
        Self::ReadsUnchecked,
        Self::DedupeLost,
        Self::RoundTripsIgnored,
        Self::MacIgnored,
        Self::RefusedBurnsSequence,
        Self::AdoptedUnscreened,
    ];

    /// Those that need so rare a schedule that a scenario has to lead there (`tests/zoo.rs`).
    pub const RARE: [Self; 3] = [Self::OthersAskedFirst, Self::DamagedHeadIsEmpty, Self::EpochNotEnded];
}

#[cfg(feature = "bug-zoo")]
mod planting {
    use super::Bug;
    use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

    static PLANTED: AtomicU8 = AtomicU8::new(0);

    /// Plants a bug in every replica of this process, or removes it.
    pub fn plant(bug: Option<Bug>) {
        PLANTED.store(bug.map_or(0, |bug| bug as u8), Relaxed);
    }

    /// Whether `bug` is planted.
    pub(crate) fn planted(bug: Bug) -> bool {
        PLANTED.load(Relaxed) == bug as u8
    }
}

#[cfg(feature = "bug-zoo")]
pub use planting::plant;
#[cfg(feature = "bug-zoo")]
pub(crate) use planting::planted;

/// Whether `bug` is planted: never.
#[cfg(not(feature = "bug-zoo"))]
pub(crate) const fn planted(_bug: Bug) -> bool {
    false
}
