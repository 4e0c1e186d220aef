//! The small numbers of the protocol, each with its own type so that one cannot be passed for another.

use std::fmt;

/// A member of the group, `0..replicas`, fixed for the life of the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplicaId(pub u8);

impl ReplicaId {
    /// The id as an index into per-replica arrays.
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// All ids of a cluster of `replicas`.
    pub fn all(replicas: usize) -> impl Iterator<Item = Self> + Clone {
        (0..replicas as u8).map(Self)
    }
}

impl fmt::Display for ReplicaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "r{}", self.0)
    }
}

/// A place in the replicated log. The first command sits in slot 1; slot 0 means "none".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(pub u64);

impl Slot {
    /// No slot: nothing committed, nothing applied.
    pub const NONE: Self = Self(0);

    /// The slot after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s{}", self.0)
    }
}

/// A generation of the membership. Each epoch is an instance of Multi-Paxos over fixed acceptor incarnations; the first is 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u16);

impl Epoch {
    /// The epoch in which a new cluster starts.
    pub const FIRST: Self = Self(1);
    /// The last epoch that the 12 bits of the PROMISE word can name.
    pub const LAST: Self = Self((1 << 12) - 1);
}

/// The position of a record in its proposer's journal: `[epoch:12 | count:52]`.
///
/// `count` grows by one per record and selects the cell (`count mod cells`). The epoch is the one in which the proposer's
/// memory was admitted: a member that lost its memory starts a sequence that no older cell can be mistaken for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(pub u64);

impl Seq {
    /// The first sequence number of memory that was admitted in `epoch`. Zero is never a sequence number.
    pub const fn first(epoch: Epoch) -> Self {
        Self((epoch.0 as u64) << 52 | 1)
    }

    /// The sequence number `n` records later.
    #[must_use]
    pub const fn plus(self, n: u64) -> Self {
        // Saturating: it is also applied to numbers that a peer's memory holds.
        Self(self.0.saturating_add(n))
    }

    /// How many records lie from `earlier` to this one.
    pub const fn since(self, earlier: Self) -> u64 {
        self.0 - earlier.0
    }
}

/// A life of an acceptor's memory: chosen at random when the memory is created, kept as long as the memory lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Incarnation(pub u64);

/// Nanoseconds on the embedder's monotonic clock, whose zero is arbitrary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nanos(pub u64);

impl Nanos {
    /// `micros` microseconds.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros * 1_000)
    }

    /// `millis` milliseconds.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis * 1_000_000)
    }

    /// The time that passed since `earlier`, zero if the clock went back.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Self {
        Self(self.0.saturating_sub(earlier.0))
    }

    /// This time and `span` more.
    #[must_use]
    pub const fn plus(self, span: Self) -> Self {
        Self(self.0 + span.0)
    }
}
