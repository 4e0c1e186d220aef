//! The PROMISE word and the ballots in it.

use crate::ids::{Epoch, ReplicaId};
use std::fmt;

const PROPOSER_BITS: u32 = 8;
const ROUND_BITS: u32 = 40;
const STATE_BITS: u32 = 4;
const ROUND_MAX: u64 = (1 << ROUND_BITS) - 1;

/// A ballot: `[epoch:12 | 0:4 | round:40 | proposer:8]`, ordered as an integer. Zero is no ballot.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ballot(pub u64);

impl Ballot {
    /// No ballot: nobody has led yet.
    pub const NONE: Self = Self(0);

    /// Packs a ballot.
    ///
    /// # Panics
    /// If `round` needs more than 40 bits: at a million leader changes a second that is 12 days of nothing else.
    pub const fn new(epoch: Epoch, round: u64, proposer: ReplicaId) -> Self {
        assert!(round <= ROUND_MAX, "ballot rounds are exhausted");
        Self(Promise::pack(epoch, AcceptorState::Normal, round, proposer.0))
    }

    /// The epoch of the ballot.
    pub const fn epoch(self) -> Epoch {
        Promise(self.0).epoch()
    }

    /// The round within the epoch.
    pub const fn round(self) -> u64 {
        self.0 >> PROPOSER_BITS & ROUND_MAX
    }

    /// The only replica that may use this ballot.
    pub const fn proposer(self) -> ReplicaId {
        ReplicaId(self.0 as u8)
    }
}

impl Ballot {
    /// The last round that a ballot can have.
    pub(crate) const ROUND_MAX: u64 = ROUND_MAX;
}

impl fmt::Debug for Ballot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b{}.{}.{}", self.epoch().0, self.round(), self.proposer())
    }
}

/// What an acceptor may do, as its PROMISE word says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcceptorState {
    /// Promises and votes.
    Normal,
    /// Sealed by a configuration change; votes no more in this epoch.
    Sealed,
    /// Its memory was lost and has not been readmitted; no compare-and-exchange of a proposer succeeds.
    Recovering,
    /// A value that this version never writes.
    Unknown(u8),
}

/// The PROMISE word of an acceptor: `[epoch:12 | state:4 | round:40 | proposer:8]`.
///
/// It grows monotonically as an integer and is changed only by compare-and-exchange through one atomicity domain.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Promise(pub u64);

impl Promise {
    const fn pack(epoch: Epoch, state: AcceptorState, round: u64, proposer: u8) -> u64 {
        let state = match state {
            AcceptorState::Normal => 0,
            AcceptorState::Sealed => 14,
            AcceptorState::Recovering => 15,
            AcceptorState::Unknown(bits) => bits as u64,
        };
        assert!(epoch.0 <= Epoch::LAST.0, "epochs are exhausted");
        (((epoch.0 as u64) << STATE_BITS | state) << ROUND_BITS | round) << PROPOSER_BITS | proposer as u64
    }

    /// The word of an acceptor that has promised nothing in `epoch`.
    pub const fn fresh(epoch: Epoch) -> Self {
        Self(Self::pack(epoch, AcceptorState::Normal, 0, 0))
    }

    /// The word of an acceptor whose memory was lost: below every word of a live epoch, equal to no ballot.
    pub const fn recovering() -> Self {
        Self(Self::pack(Epoch(0), AcceptorState::Recovering, 0, 0))
    }

    /// The epoch of the word.
    pub const fn epoch(self) -> Epoch {
        Epoch((self.0 >> (STATE_BITS + ROUND_BITS + PROPOSER_BITS)) as u16)
    }

    /// The state of the acceptor.
    pub const fn state(self) -> AcceptorState {
        match (self.0 >> (ROUND_BITS + PROPOSER_BITS)) as u8 & 0xf {
            0 => AcceptorState::Normal,
            14 => AcceptorState::Sealed,
            15 => AcceptorState::Recovering,
            other => AcceptorState::Unknown(other),
        }
    }

    /// The promised ballot; `None` while the acceptor is not in the normal state. A fresh word gives round 0, which nobody uses.
    pub const fn ballot(self) -> Option<Ballot> {
        match self.state() {
            AcceptorState::Normal => Some(Ballot(self.0)),
            _ => None,
        }
    }
}

impl fmt::Debug for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ballot() {
            Some(ballot) => write!(f, "{ballot:?}"),
            None => write!(f, "{:?}@{}", self.state(), self.epoch().0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ballot_unpacks_to_what_it_was_made_of() {
        let ballot = Ballot::new(Epoch(4095), ROUND_MAX, ReplicaId(6));
        assert_eq!((ballot.epoch(), ballot.round(), ballot.proposer()), (Epoch(4095), ROUND_MAX, ReplicaId(6)));
        assert_eq!(Promise(ballot.0).ballot(), Some(ballot));
    }

    #[test]
    fn ballots_order_by_epoch_then_round_then_proposer() {
        let b = |e, r, p| Ballot::new(Epoch(e), r, ReplicaId(p));
        assert!(b(1, 9, 6) < b(2, 0, 0));
        assert!(b(2, 1, 6) < b(2, 2, 0));
        assert!(b(2, 2, 0) < b(2, 2, 1));
    }

    #[test]
    fn a_recovering_word_is_below_every_live_epoch_and_holds_no_ballot() {
        assert!(Promise::recovering() < Promise::fresh(Epoch::FIRST));
        assert_eq!(Promise::recovering().ballot(), None);
    }
}
