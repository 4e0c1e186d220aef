//! What the engine needs of a network: one-sided operations on the memory of acceptors.
//!
//! # What every fabric guarantees (the conformance suite checks it)
//!
//! 1. **Order.** Chains to one acceptor execute in the order of posting, and the operations of a chain in their order. A
//!    [`Op::Cas`] executes after everything before it is visible to every later reader of that memory, and before anything
//!    after it. On shared memory it is a full fence.
//! 2. **Mirror.** [`Op::Write`] copies from the caller's own memory to the same place of the acceptor's memory, at any time
//!    between the post and the completion. It may be seen torn at 8-byte words, never inside one.
//! 3. **One domain.** All compare-and-exchanges on one PROMISE word, its owner's included, go through one atomicity domain.
//! 4. **Prefix.** When a chain fails, the operations executed are a prefix of it, possibly empty and possibly all of it;
//!    nothing posted later to that acceptor executes before the fabric has announced the link as up again.
//! 5. **No ghosts.** After [`FabricEvent::LinkUp`] no operation posted before it executes any more (see "Leftover operations" in DESIGN.md).
//! 6. **Bounds.** A chain has at most [`CHAIN_OPS_MAX`] operations and at most one compare-and-exchange. What a peer's
//!    memory says never makes the fabric read or write outside the areas.

use crate::ids::{Incarnation, ReplicaId};
use crate::layout::{Area, Span};
use std::sync::atomic::AtomicU64;

/// Most operations of a chain.
pub const CHAIN_OPS_MAX: usize = 16;

/// The caller's name for a chain; the fabric returns it and does not look at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token(pub u64);

/// One one-sided operation on an acceptor's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Copies the span of the caller's own memory to the same span of the acceptor's. To the caller's own acceptor it does nothing.
    Write(Span),
    /// Copies the span of the acceptor's memory to word `into` of the caller's scratch for that acceptor.
    Read {
        /// What to read.
        span: Span,
        /// First word of the scratch.
        into: usize,
    },
    /// Compares PROMISE with `expected` and, if equal, exchanges it for `new`. The completion carries what was found.
    Cas {
        /// The value to find.
        expected: u64,
        /// The value to leave.
        new: u64,
    },
}

/// Why a chain was not taken. Nothing of it was or will be executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PostError {
    /// Too many chains are outstanding; try again after a completion.
    #[error("the send queue is full")]
    Full,
    /// There is no link to that acceptor.
    #[error("the link is down")]
    Down,
}

/// The end of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Completion {
    /// The acceptor it was posted to.
    pub peer: ReplicaId,
    /// The caller's name for it.
    pub token: Token,
    /// What its compare-and-exchange found in PROMISE; 0 if it had none.
    pub found: u64,
}

/// Why a link went down, as far as the fabric knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkDown {
    /// An operation failed or timed out. The acceptor may be well.
    Failed,
    /// The acceptor's memory was replaced or withdrawn.
    Revoked,
}

/// What a fabric reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FabricEvent {
    /// A chain was executed to its end.
    Done(Completion),
    /// The memory of `peer` can be reached; its life is `incarnation`. The caller's own acceptor is announced too.
    LinkUp {
        /// The acceptor.
        peer: ReplicaId,
        /// Which life of its memory.
        incarnation: Incarnation,
    },
    /// The memory of `peer` cannot be reached. Chains without a completion have none; a prefix of them may have been executed.
    LinkDown {
        /// The acceptor.
        peer: ReplicaId,
        /// Why.
        reason: LinkDown,
    },
    /// A local hint that the process of `peer` has died. Its memory may still be reachable. Safety never depends on it.
    ProcessDied {
        /// The member.
        peer: ReplicaId,
    },
}

/// One-sided access to the memory of all acceptors of the group, the caller's own included.
pub trait Fabric {
    /// The caller's own acceptor memory. The caller stores only to its status page, its own lane and its snapshot; other
    /// areas may be mapped read-only.
    fn local(&self, area: Area) -> &[AtomicU64];

    /// Where reads from `peer` land, [`crate::Config::scratch_words`] long. Stable between the completion of a read and the next post that reads into it.
    fn scratch(&self, peer: ReplicaId) -> &[AtomicU64];

    /// A hint: the caller is about to write this span at every acceptor. A fabric of memory can ask for the cache lines
    /// meanwhile; others ignore it.
    #[inline]
    fn expect_write(&self, _span: Span) {}

    /// A hint: the caller follows another proposer than `old` now, or leads itself. A fabric that can take `old`'s lane in the
    /// caller's memory away from it does so, until `old` has connected anew; others ignore it. Safety never depends on it.
    fn deposed(&mut self, _old: ReplicaId) {}

    /// Posts a chain of operations to `peer`'s memory.
    ///
    /// # Errors
    /// [`PostError`] if the chain was not taken.
    fn post(&mut self, peer: ReplicaId, token: Token, chain: &[Op]) -> Result<(), PostError>;

    /// The next event, if there is one.
    fn poll(&mut self) -> Option<FabricEvent>;
}
