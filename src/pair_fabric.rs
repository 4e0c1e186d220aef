//! Two fabrics behind one replica: each peer is reached by the better of both.

use paxon_fastpath::{Area, Fabric, FabricEvent, Op, PostError, REPLICAS_MAX, ReplicaId, Span, Token};
use paxon_shm::ShmFabric;
use paxon_tcp::TcpFabric;
use std::sync::atomic::AtomicU64;

/// A fabric that executes on the replica's memory with processors of this host, so that it can share that memory with another
/// of the kind. One of verbs is not: its PROMISE belongs to an adapter.
///
/// ```compile_fail
/// fn pair(near: paxon::ShmFabric, far: paxon::VerbsFabric) {
///     paxon::PairFabric::new(paxon::ReplicaId(0), near, far, &[]);
/// }
/// ```
pub trait OnProcessors: Fabric {}

impl OnProcessors for ShmFabric {}
impl OnProcessors for TcpFabric {}

/// A replica's peers, reached by two fabrics that serve the same memory of its own.
///
/// Both execute on that memory with the processors of this host: it is one `Acceptor` of `paxon-acceptor`, whose PROMISE has
/// one atomicity domain. The near fabric carries what the replica posts to itself.
#[derive(Debug)]
pub struct PairFabric<N, F> {
    replica: ReplicaId,
    near: N,
    far: F,
    /// Whether a peer is reached by the far fabric. Never set for the replica itself.
    is_far: [bool; REPLICAS_MAX],
    /// The far fabric is asked first at the next poll: neither keeps the other waiting.
    far_first: bool,
}

impl<N: OnProcessors, F: OnProcessors> PairFabric<N, F> {
    /// Joins two fabrics of `replica` that were opened on the same memory, the far one for `far_peers` alone.
    pub fn new(replica: ReplicaId, near: N, far: F, far_peers: &[ReplicaId]) -> Self {
        let mut is_far = [false; REPLICAS_MAX];
        for peer in far_peers.iter().filter(|&&peer| peer != replica) {
            is_far[peer.index()] = true;
        }
        Self { replica, near, far, is_far, far_first: false }
    }

    /// The fabric of the near peers.
    pub const fn near(&self) -> &N {
        &self.near
    }

    /// The fabric of the far peers.
    pub const fn far(&self) -> &F {
        &self.far
    }

    /// The next event of the far fabric; that the replica reaches itself is the near one's to say.
    fn poll_far(&mut self) -> Option<FabricEvent> {
        match self.far.poll() {
            Some(FabricEvent::LinkUp { peer, .. }) if peer == self.replica => self.far.poll(),
            event => event,
        }
    }
}

impl<N: OnProcessors, F: OnProcessors> Fabric for PairFabric<N, F> {
    #[inline]
    fn local(&self, area: Area) -> &[AtomicU64] {
        self.near.local(area)
    }

    #[inline]
    fn scratch(&self, peer: ReplicaId) -> &[AtomicU64] {
        if self.is_far[peer.index()] { self.far.scratch(peer) } else { self.near.scratch(peer) }
    }

    #[inline]
    fn expect_write(&self, span: Span) {
        self.near.expect_write(span);
        self.far.expect_write(span);
    }

    fn deposed(&mut self, old: ReplicaId) {
        self.near.deposed(old);
        self.far.deposed(old);
    }

    #[inline]
    fn post(&mut self, peer: ReplicaId, token: Token, chain: &[Op]) -> Result<(), PostError> {
        if self.is_far[peer.index()] { self.far.post(peer, token, chain) } else { self.near.post(peer, token, chain) }
    }

    #[inline]
    fn poll(&mut self) -> Option<FabricEvent> {
        self.far_first = !self.far_first;
        if self.far_first {
            self.poll_far().or_else(|| self.near.poll())
        } else {
            self.near.poll().or_else(|| self.poll_far())
        }
    }
}
