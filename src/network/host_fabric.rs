//! The fabric of a replica as its configuration asks for it.

use crate::network::verbs::VerbsFabric;
use crate::pair_fabric::PairFabric;
use paxon_fastpath::{Area, Fabric, FabricEvent, Op, PostError, ReplicaId, Span, Token};
use paxon_shm::ShmFabric;
use paxon_tcp::TcpFabric;
use std::sync::atomic::AtomicU64;

/// Shared memory, TCP, both, or RDMA.
#[derive(Debug)]
pub enum HostFabric {
    /// Every peer is a process of this host.
    Shm(ShmFabric),
    /// Every peer is reached over TCP.
    Tcp(Box<TcpFabric>),
    /// Some peers are processes of this host.
    Pair(Box<PairFabric<ShmFabric, TcpFabric>>),
    /// Every peer is reached over RDMA, and so is the own memory: an adapter exchanges its PROMISE.
    Rdma(Box<VerbsFabric>),
}

macro_rules! each {
    ($self:ident, $fabric:ident => $call:expr) => {
        match $self {
            HostFabric::Shm($fabric) => $call,
            HostFabric::Tcp($fabric) => $call,
            HostFabric::Pair($fabric) => $call,
            HostFabric::Rdma($fabric) => $call,
        }
    };
}

impl Fabric for HostFabric {
    #[inline]
    fn local(&self, area: Area) -> &[AtomicU64] {
        each!(self, fabric => fabric.local(area))
    }

    #[inline]
    fn scratch(&self, peer: ReplicaId) -> &[AtomicU64] {
        each!(self, fabric => fabric.scratch(peer))
    }

    #[inline]
    fn expect_write(&self, span: Span) {
        each!(self, fabric => fabric.expect_write(span));
    }

    fn deposed(&mut self, old: ReplicaId) {
        each!(self, fabric => fabric.deposed(old));
    }

    #[inline]
    fn post(&mut self, peer: ReplicaId, token: Token, chain: &[Op]) -> Result<(), PostError> {
        each!(self, fabric => fabric.post(peer, token, chain))
    }

    #[inline]
    fn poll(&mut self) -> Option<FabricEvent> {
        each!(self, fabric => fabric.poll())
    }
}
