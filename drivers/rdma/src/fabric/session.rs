//! A session: the acceptor's side of a connection, with the rights of one proposer.

use crate::completion::{CompletionQueue, WorkCompletion};
use crate::connect::Endpoint;
use crate::fabric::ground::{Ground, SetupError};
use crate::fabric::message::{Frame, Message};
use crate::memory_region::{MemoryRegion, PeerAccess};
use crate::protection_domain::ProtectionDomain;
use crate::queue_pair::{CHAIN_REQUESTS_MAX, QueuePair, QueuePairOptions};
use paxon_fastpath::{Area, ReplicaId};
use std::sync::Arc;

/// What one proposer may reach of the own memory, through one queue pair. When it is dropped nothing of that proposer lands any
/// more: the queue pair is destroyed and the regions are deregistered, both of which are barriers. So a new session never
/// stands beside the one before (rule 5 of "Recycling" in the protocol).
#[derive(Debug)]
pub(crate) struct Session {
    /// The offer that it was made for.
    pub(crate) frame: Frame,
    /// The answer, for when the offer is repeated.
    pub(crate) welcome: Vec<u8>,
    /// Before the regions: what it is destroyed with is not posted to any more.
    _queue_pair: QueuePair,
    regions: Vec<MemoryRegion>,
}

impl Session {
    /// Sends of the queue pair that answers: it never posts, and has as few as the device allows.
    pub(crate) const SENDS: u32 = CHAIN_REQUESTS_MAX as u32;

    /// Opens the own memory to the proposer that offers `endpoint`. The session before must be gone.
    pub(crate) fn open(
        ground: &Ground,
        completions: &Arc<CompletionQueue>,
        frame: Frame,
        endpoint: &Endpoint,
    ) -> Result<Self, SetupError> {
        let domain = ProtectionDomain::create(&ground.device)?;
        let areas = frame.layout.areas();
        let registered = areas.map(|area| register(ground, &domain, area, frame.proposer));
        let regions = registered.collect::<Result<Vec<_>, _>>()?;
        let options = QueuePairOptions { send_depth: Self::SENDS, inline_bytes: 0, ..ground.options.queue_pair };
        let mut queue_pair = QueuePair::create(&domain, completions, &ground.source, options)?;
        queue_pair.connect(endpoint, ground.options.timing)?;
        let welcome = Message::Welcome {
            frame,
            endpoint: queue_pair.endpoint(),
            incarnation: ground.own.incarnation(),
            areas: regions.iter().map(MemoryRegion::claim).collect(),
        };
        Ok(Self { frame, welcome: welcome.encode(), _queue_pair: queue_pair, regions })
    }

    /// Takes the memory away from the proposer and leaves the queue pair, so that the proposer is told at its next operation.
    pub(crate) fn fence(&mut self) {
        self.regions.clear();
    }

    /// Whether the memory was taken away.
    pub(crate) const fn is_fenced(&self) -> bool {
        self.regions.is_empty()
    }
}

/// Empties the queue of the completions that sessions leave behind: their queue pairs never post, so there are none but of
/// errors. Room that a dropped queue pair had reserved is free afterwards.
pub(crate) fn sweep(completions: &CompletionQueue) -> Result<(), SetupError> {
    while completions.poll(&mut [WorkCompletion::default(); 16])? > 0 {}
    Ok(())
}

fn register(
    ground: &Ground,
    domain: &Arc<ProtectionDomain>,
    area: Area,
    proposer: ReplicaId,
) -> Result<MemoryRegion, SetupError> {
    Ok(MemoryRegion::register(domain, ground.own.region(area).clone(), rights(area, proposer))?)
}

/// What `proposer` may do with `area` of another replica's memory: the table that the device enforces.
pub(crate) fn rights(area: Area, proposer: ReplicaId) -> PeerAccess {
    match area {
        Area::Promise => PeerAccess { read: true, write: false, atomic: true },
        Area::Lane(owner) if owner == proposer => PeerAccess { read: true, write: true, atomic: false },
        Area::Status | Area::Lane(_) | Area::Snapshot => PeerAccess { read: true, write: false, atomic: false },
    }
}
