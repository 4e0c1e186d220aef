//! Fabrics that get out of the way.

use paxon_fastpath::{Area, Fabric, FabricEvent, Op, PostError, ReplicaId, Token};
use paxon_tcp::TcpFabric;
use std::sync::atomic::AtomicU64;

/// Yields when there is nothing to report: races between more threads than cores would take for ever otherwise.
pub struct Polite(pub TcpFabric);

impl Fabric for Polite {
    fn local(&self, area: Area) -> &[AtomicU64] {
        self.0.local(area)
    }

    fn scratch(&self, peer: ReplicaId) -> &[AtomicU64] {
        self.0.scratch(peer)
    }

    fn post(&mut self, peer: ReplicaId, token: Token, chain: &[Op]) -> Result<(), PostError> {
        self.0.post(peer, token, chain)
    }

    fn poll(&mut self) -> Option<FabricEvent> {
        let event = self.0.poll();
        if event.is_none() {
            std::thread::yield_now();
        }
        event
    }
}

/// No fabric at all: stands in where the other side of a conversation has a thread of its own.
pub struct Nobody;

impl Fabric for Nobody {
    fn local(&self, _area: Area) -> &[AtomicU64] {
        &[]
    }

    fn scratch(&self, _peer: ReplicaId) -> &[AtomicU64] {
        &[]
    }

    fn post(&mut self, _peer: ReplicaId, _token: Token, _chain: &[Op]) -> Result<(), PostError> {
        Err(PostError::Down)
    }

    fn poll(&mut self) -> Option<FabricEvent> {
        None
    }
}
