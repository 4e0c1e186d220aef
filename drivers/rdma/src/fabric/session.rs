//! A session: the acceptor's side of a connection, with the rights of one proposer.

use crate::completion::{CompletionQueue, WorkCompletion};
use crate::connect::Endpoint;
use crate::fabric::drawing;
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
    queue_pair: QueuePair,
    /// In the order of [`Layout::areas`](paxon_fastpath::Layout::areas). Invariant: all of them, or all but the proposer's lane.
    regions: Vec<MemoryRegion>,
    is_fenced: bool,
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
        by: u64,
    ) -> Result<Self, SetupError> {
        let (domain, own) = (ProtectionDomain::create(&ground.device)?, ground.own.replica());
        let access = |area| (ground.own.region(area).clone(), rights(area, frame.proposer, own));
        let regions = drawing::regions(&domain, frame.layout.areas().map(access).collect())?;
        let options = QueuePairOptions { send_depth: Self::SENDS, inline_bytes: 0, ..ground.options.queue_pair };
        let mut queue_pair = drawing::queue_pair(&domain, completions, &ground.source, options)?;
        queue_pair.connect(endpoint, ground.options.timing)?;
        let welcome = Message::Welcome {
            frame,
            endpoint: queue_pair.endpoint(),
            by,
            incarnation: ground.own.incarnation(),
            areas: regions.iter().map(MemoryRegion::claim).collect(),
        };
        Ok(Self { frame, welcome: welcome.encode(), queue_pair, regions, is_fenced: false })
    }

    /// Takes the proposer's lane away from it: deregistering is a barrier, after which none of its writes lands. The queue pair
    /// and the other areas stay, so that a proposer that only follows from now on is not disturbed, and one that writes is
    /// told by that operation.
    pub(crate) fn fence(&mut self) {
        if !self.is_fenced {
            let lane = self.frame.layout.areas().position(|area| area == Area::Lane(self.frame.proposer));
            drop(lane.map(|lane| self.regions.remove(lane)));
            self.is_fenced = true;
        }
    }

    /// Whether the lane was taken away.
    pub(crate) const fn is_fenced(&self) -> bool {
        self.is_fenced
    }

    /// The number of its queue pair.
    pub(crate) const fn queue_pair(&self) -> u32 {
        self.queue_pair.number()
    }
}

/// Empties the queue of the completions that sessions leave behind: their queue pairs never post, so there are none but of
/// errors. Room that a dropped queue pair had reserved is free afterwards.
pub(crate) fn sweep(completions: &CompletionQueue) -> Result<(), SetupError> {
    while completions.poll(&mut [WorkCompletion::default(); 16])? > 0 {}
    Ok(())
}

/// What `proposer` may do with `area` of the memory of `acceptor`: the table that the device enforces. Its own lane in its own
/// memory a proposer writes by itself, so nobody may in its name.
fn rights(area: Area, proposer: ReplicaId, acceptor: ReplicaId) -> PeerAccess {
    match area {
        Area::Promise => PeerAccess { read: true, write: false, atomic: true },
        Area::Lane(owner) if owner == proposer && proposer != acceptor => {
            PeerAccess { read: true, write: true, atomic: false }
        }
        Area::Status | Area::Lane(_) | Area::Snapshot => PeerAccess { read: true, write: false, atomic: false },
    }
}
