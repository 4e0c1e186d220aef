//! A journal cell: the header of a record and its inline payload.

use crate::bug::{Bug, planted};
use crate::checksum;
use crate::ids::{Seq, Slot};
use crate::layout::{CELL_WORDS, INLINE_BYTES, LINE_WORDS};
use crate::memory::words_of;
use crate::promise::Ballot;

/// What a record is. Bits of the header; unknown bits make a record invalid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(pub u8);

impl Flags {
    /// The payload lies in the arena, not in the cell.
    pub const ARENA: Self = Self(1);
    /// A hole filled by a new leader; applies to nothing.
    pub const NOOP: Self = Self(1 << 1);
    /// A configuration record; its payload is a [`crate::Configuration`].
    pub const CONFIG: Self = Self(1 << 2);
    /// The payload carries signatures.
    pub const SIGNED: Self = Self(1 << 3);
    /// A new leader proposed again what an older ballot had proposed.
    pub const ADOPTED: Self = Self(1 << 4);
    /// The payload is a batch of commands, each with its own session and sequence; the header's are zero.
    pub const BATCH: Self = Self(1 << 5);
    const KNOWN: u8 = (1 << 6) - 1;

    /// Both sets of bits.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// These bits without those of `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether all bits of `other` are set.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// The first line of a cell, unpacked.
///
/// ```text
/// w0 seq   w1 slot   w2 ballot   w3 [commit_lag:16 | commands:16 | flags:8 | payload_bytes:24]
/// w4 session, or arena position   w5 sequence   w6 payload hash   w7 header check (of w0..w6); or w6 w7 one tag (`seal.rs`)
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Position in the proposer's journal.
    pub seq: Seq,
    /// The slot it proposes for.
    pub slot: Slot,
    /// The ballot it is proposed under.
    pub ballot: Ballot,
    /// `slot - commit_lag` is the highest slot that the proposer knew to be committed; at least 1.
    pub commit_lag: u16,
    /// Commands in the payload.
    pub commands: u16,
    /// What the record is.
    pub flags: Flags,
    /// Bytes of payload, below 2^24.
    pub payload_bytes: u32,
    /// Of an inline record the client session, of an arena record the payload's position in the arena in words.
    pub session_or_arena: u64,
    /// Of an inline record the command's number in its session.
    pub sequence: u64,
    /// Hash of the payload: XXH3-64, or under a key 128 bits of a payload in the arena and zero for an inline one.
    pub payload_hash: u128,
}

impl Header {
    /// The commit index that the record carries.
    pub const fn commit(&self) -> Slot {
        Slot(self.slot.0.saturating_sub(self.commit_lag as u64))
    }

    /// Words of payload.
    pub const fn payload_words(&self) -> usize {
        words_of(self.payload_bytes as usize)
    }

    /// The header as the first line of a cell, not sealed yet.
    #[inline]
    pub(crate) fn words(&self) -> [u64; LINE_WORDS] {
        let shape = u64::from(self.commit_lag) << 48
            | u64::from(self.commands) << 32
            | u64::from(self.flags.0) << 24
            | u64::from(self.payload_bytes);
        [self.seq.0, self.slot.0, self.ballot.0, shape, self.session_or_arena, self.sequence, 0, 0]
    }

    /// The header as the first line of a cell, with the checksum of the memory identified by `seed`.
    #[inline]
    pub fn encode(&self, seed: u64) -> [u64; LINE_WORDS] {
        let mut line = self.words();
        line[LINE_WORDS - 2] = self.payload_hash as u64;
        line[LINE_WORDS - 1] = checksum::of_words(&line[..LINE_WORDS - 1], seed);
        line
    }

    /// Reads a header line with a checksum; `None` if it is not whole, not of this cluster and lane (`seed`), or not possible.
    #[inline]
    pub fn decode(line: &[u64; LINE_WORDS], seed: u64) -> Option<Self> {
        let whole = line[LINE_WORDS - 1] == checksum::of_words(&line[..LINE_WORDS - 1], seed);
        if !whole && !planted(Bug::HeaderChecksumIgnored) {
            return None;
        }
        let header = Self::unpack(line);
        header.is_possible().then_some(header)
    }

    /// Reads a header line that this replica wrote itself, into memory that nobody else writes.
    #[inline]
    pub(crate) const fn unpack(line: &[u64; LINE_WORDS]) -> Self {
        let shape = line[3];
        Self {
            seq: Seq(line[0]),
            slot: Slot(line[1]),
            ballot: Ballot(line[2]),
            commit_lag: (shape >> 48) as u16,
            commands: (shape >> 32) as u16,
            flags: Flags((shape >> 24) as u8),
            payload_bytes: shape as u32 & 0xff_ffff,
            session_or_arena: line[4],
            sequence: line[5],
            payload_hash: line[6] as u128,
        }
    }

    pub(crate) fn is_possible(&self) -> bool {
        self.slot > Slot::NONE
            && self.commit_lag >= 1
            && self.flags.0 & !Flags::KNOWN == 0
            && (self.flags.has(Flags::ARENA) || self.payload_bytes as usize <= INLINE_BYTES)
    }
}

/// A whole cell, copied out of shared memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell(pub [u64; CELL_WORDS]);

impl Cell {
    /// The header line.
    pub fn line(&self) -> &[u64; LINE_WORDS] {
        self.0.first_chunk().expect("a cell is longer than a line")
    }

    /// The inline payload line.
    pub fn inline(&self) -> &[u64; LINE_WORDS] {
        self.0.last_chunk().expect("a cell is longer than a line")
    }
}
