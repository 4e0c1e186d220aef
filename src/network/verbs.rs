//! RDMA: which device of this host serves a replica, and how its links are.

mod adapter;
mod status;

pub use adapter::RdmaOptions;
pub use status::{RdmaLink, RdmaStatus};

pub(super) use adapter::Adapter;

use crate::build_error::BuildError;
use crate::network::rdma_setup::{Me, SetupDesk};
use paxon_acceptor::AdapterAcceptor;
use paxon_channel::Porter;
use paxon_fastpath::{Area, Config, Fabric, FabricEvent, Op, PostError, ReplicaId, Span, Token};
use paxon_rdma::{FabricOptions, QueuePairOptions, RdmaFabric, Timing};
use status::Board;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

/// The fabric over verbs, with its links shown to operators.
#[derive(Debug)]
pub struct VerbsFabric {
    fabric: RdmaFabric,
    board: Arc<Board>,
}

impl VerbsFabric {
    /// Joins with the memory of `own`; set-up messages go by the porter, and come in at the desk.
    pub(super) fn join(
        config: &Config,
        own: Arc<AdapterAcceptor>,
        adapter: &Adapter,
        desk: &SetupDesk,
        porter: &Arc<Porter>,
    ) -> Result<Self, BuildError> {
        let me = Me {
            replica: config.replica,
            cluster: config.cluster,
            layout: config.layout,
            incarnation: own.incarnation().0,
        };
        let peers: Vec<_> = ReplicaId::all(config.replicas()).filter(|&id| id != config.replica).collect();
        let options = FabricOptions {
            cluster: config.cluster,
            scratch_words: config.scratch_words(),
            timing: Timing::for_detection(Duration::from_nanos(config.timing.suspect.0)),
            queue_pair: QueuePairOptions::default(),
        };
        let board = Arc::new(Board::new(config.replica, config.replicas(), desk.clone(), adapter.describe()));
        let fabric = RdmaFabric::join(own, &adapter.device, &adapter.source, &peers, options, |mailbox| {
            let deliver = Arc::new(move |from, message: &[u8]| mailbox.deliver(from, message));
            Box::new(desk.open(me, porter, deliver))
        })?;
        Ok(Self { fabric, board })
    }

    /// How the links are.
    pub fn status(&self) -> RdmaStatus {
        RdmaStatus(self.board.clone())
    }

    #[cold]
    fn note(&self, event: &FabricEvent) {
        match event {
            FabricEvent::LinkUp { peer, .. } => self.board.up(*peer),
            FabricEvent::LinkDown { peer, .. } => self.board.down(*peer, self.fabric.problem(*peer)),
            _ => {}
        }
    }
}

impl Fabric for VerbsFabric {
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
        let event = self.fabric.poll();
        if let Some(link @ (FabricEvent::LinkUp { .. } | FabricEvent::LinkDown { .. })) = &event {
            self.note(link);
        }
        event
    }
}
