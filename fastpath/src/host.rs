//! What the engine needs of the program that embeds it.

use crate::ids::{ReplicaId, Slot};
use crate::promise::Ballot;
use crate::record::Header;

/// A decided record, given to the host once per slot and in slot order.
#[derive(Clone, Copy, Debug)]
pub struct Decided<'a> {
    /// The slot.
    pub slot: Slot,
    /// Header of the record that was decided (its ballot may differ between replicas, its value never does).
    pub header: &'a Header,
    /// The payload, zero-padded to whole words; the first [`Header::payload_bytes`] bytes are meant.
    pub payload: &'a [u64],
}

impl Decided<'_> {
    /// The payload bytes.
    pub fn bytes(&self) -> &[u8] {
        &bytemuck::cast_slice(self.payload)[..self.header.payload_bytes as usize]
    }
}

/// A record that has arrived in the journal of a follower. It may be decided for its slot, or another may.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The slot that it was proposed for.
    pub slot: Slot,
    /// Its header.
    pub header: &'a Header,
    /// The payload, zero-padded to whole words.
    pub payload: &'a [u64],
}

/// Something the host may want to know. Losing one costs nothing but knowledge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// This replica leads under the ballot and takes proposals.
    Leading(Ballot),
    /// This replica no longer leads. Proposals above the applied slot have an unknown outcome.
    Deposed {
        /// The ballot it led under.
        ballot: Ballot,
        /// What took its place, as far as it is known.
        by: Ballot,
    },
    /// This replica follows the proposer of the ballot.
    Following(Ballot),
    /// The leader seems to be gone: this replica stands for election.
    Campaigning(Ballot),
    /// This replica lost its memory and waits to be readmitted.
    Recovering,
    /// A configuration record was applied and a new epoch began.
    EpochBegan(crate::ids::Epoch),
    /// This replica fell behind the journals and waits for a snapshot.
    Lagging {
        /// The slot that a snapshot has to reach.
        needs: Slot,
    },
    /// A snapshot of a peer was installed.
    Restored {
        /// The peer it came from.
        from: ReplicaId,
        /// The last slot it covers.
        upto: Slot,
    },
    /// A read round was confirmed: reads of this and earlier rounds may be served from the applied state.
    ReadReady(crate::replica::ReadRound),
    /// The host's snapshot does not fit into the snapshot area: members that fall behind cannot be helped by this one.
    SnapshotTooLarge {
        /// Bytes of the snapshot.
        bytes: usize,
        /// Bytes of the area.
        capacity: usize,
    },
}

/// Why a snapshot could not be installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the snapshot cannot be read")]
pub struct SnapshotError;

/// The program above the engine: it applies what was decided.
pub trait Host {
    /// Whether [`Host::expected`] wants to be called. Asked before each call, so that a host without use for it costs nothing.
    #[inline]
    fn expects(&self) -> bool {
        false
    }

    /// A record has arrived and may be decided soon. A hint: some are never announced, some are announced twice, some are
    /// never decided.
    #[inline]
    fn expected(&mut self, expected: Expected<'_>) {
        let _ = expected;
    }

    /// A slot was decided. Called once per slot, in slot order, without gaps (a restored snapshot skips to its slot).
    fn decided(&mut self, decided: Decided<'_>);

    /// Appends the state after the last decided slot to `into`.
    fn snapshot(&mut self, into: &mut Vec<u8>);

    /// Replaces the state by a snapshot that covers all slots up to `upto`.
    ///
    /// # Errors
    /// [`SnapshotError`] if the bytes are not a snapshot; the state must then be as it was.
    fn restore(&mut self, upto: Slot, bytes: &[u8]) -> Result<(), SnapshotError>;

    /// Something happened that the host may want to know.
    fn notice(&mut self, notice: Notice);
}
