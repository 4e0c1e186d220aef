//! On RDMA: the bare chains of a commit, on the queue pairs of the engine itself.
//!
//! The leader posts to every follower what a commit writes there, with the exchange behind it, and waits until all are
//! done: the bytes are those of its first cells and of the beginning of its arena, which are there already, and the exchange
//! never matches. The followers have nothing to do with it.

use super::{Counterpart, Floor};
use crate::measure::cluster::Cluster;
use crate::measure::{MeasureError, Options};
use paxon_fastpath::{
    Area, CELL_WORDS, ENTRY_WORDS, Fabric, FabricEvent, INLINE_BYTES, Op, PostError, ReplicaId, Seq, Span, Token,
};
use std::collections::VecDeque;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

/// The measuring replica.
const LEADER: ReplicaId = ReplicaId(0);
/// Marks the chains of bare rounds; no token of the engine's has this bit.
const BARE: Token = Token(1 << 63);

/// A fabric on which bare chains are posted between those of the engine.
pub(in crate::measure) struct Tapped<F> {
    fabric: F,
    /// Events for the engine that came while a bare round waited for its own: no more than the engine has chains under way.
    kept: VecDeque<FabricEvent>,
}

impl<F: Fabric> Tapped<F> {
    pub(in crate::measure) const fn new(fabric: F) -> Self {
        Self { fabric, kept: VecDeque::new() }
    }

    /// Keeps an event for the engine; an error if it says that a round will not end.
    fn keep(&mut self, event: FabricEvent) -> Result<(), MeasureError> {
        let lost = if let FabricEvent::LinkDown { peer, .. } = event { Some(peer) } else { None };
        self.kept.push_back(event);
        lost.map_or(Ok(()), |ReplicaId(replica)| Err(MeasureError::LinkLost { replica }))
    }
}

impl<F: Fabric> Fabric for Tapped<F> {
    #[inline]
    fn local(&self, area: Area) -> &[AtomicU64] {
        self.fabric.local(area)
    }

    #[inline]
    fn scratch(&self, peer: ReplicaId) -> &[AtomicU64] {
        self.fabric.scratch(peer)
    }

    #[inline]
    fn expect_write(&self, span: Span) {
        self.fabric.expect_write(span);
    }

    fn deposed(&mut self, old: ReplicaId) {
        self.fabric.deposed(old);
    }

    #[inline]
    fn post(&mut self, peer: ReplicaId, token: Token, chain: &[Op]) -> Result<(), PostError> {
        self.fabric.post(peer, token, chain)
    }

    #[inline]
    fn poll(&mut self) -> Option<FabricEvent> {
        if self.kept.is_empty() { self.fabric.poll() } else { self.kept.pop_front() }
    }
}

/// Bare rounds.
pub(in crate::measure) struct RdmaFloor {
    chain: Vec<Op>,
    followers: u8,
}

impl RdmaFloor {
    pub(in crate::measure) fn new(options: &Options, cluster: &Cluster) -> Result<Self, MeasureError> {
        let layout = cluster.builder(LEADER.0).config()?.layout;
        let write = |start, words| Op::Write(Span { area: Area::Lane(LEADER), start, words });
        let payload_words = options.payload.div_ceil(8);
        let inline = options.batch == 1 && options.payload <= INLINE_BYTES;
        let arena_words = options.outstanding * options.batch * (ENTRY_WORDS + payload_words);
        let arena = (!inline).then(|| write(layout.arena(0), arena_words));
        let records = write(layout.cell(Seq(0)), options.outstanding * CELL_WORDS);
        // No PROMISE is ever 0: the word stays as it is.
        let check = Op::Cas { expected: 0, new: 0 };
        Ok(Self { chain: arena.into_iter().chain([records, check]).collect(), followers: options.replicas as u8 - 1 })
    }
}

impl<F: Fabric> Floor<Tapped<F>> for RdmaFloor {
    fn round(&mut self, tapped: &mut Tapped<F>) -> Result<(), MeasureError> {
        for replica in 1..=self.followers {
            let posted = tapped.fabric.post(ReplicaId(replica), BARE, &self.chain);
            posted.map_err(|_| MeasureError::LinkLost { replica })?;
        }
        let mut missing = self.followers;
        while missing > 0 {
            match tapped.fabric.poll() {
                Some(FabricEvent::Done(done)) if done.token == BARE => missing -= 1,
                Some(event) => tapped.keep(event)?,
                None => {}
            }
        }
        Ok(())
    }
}

/// A follower's side: an adapter does all there is to do.
pub(in crate::measure) struct Bystander;

impl Counterpart for Bystander {
    const TURNS_PER_ENGINE: u32 = 1;

    /// No processor of a follower takes part in a commit, and one that polls would take the time of those that do.
    const NAP: Option<Duration> = Some(Duration::from_micros(500));

    fn poll(&mut self) -> Result<bool, MeasureError> {
        Ok(false)
    }
}
