//! A link: the proposer's side of a connection to one acceptor's memory.

use crate::completion::{Status, WorkCompletion};
use crate::connect::{ConnectError, Endpoint};
use crate::fabric::drawing;
use crate::fabric::ground::{Ground, SetupError};
use crate::memory_region::{MemoryRegion, PeerAccess, RegionClaim, RemoteRegion};
use crate::protection_domain::ProtectionDomain;
use crate::queue_pair::{self, CHAIN_REQUESTS_MAX, QueuePair};
use paxon_acceptor::CHAINS_MAX;
use paxon_fastpath::{Area, CHAIN_OPS_MAX, Completion, Layout, Op, PostError, ReplicaId, Token};
use std::sync::atomic::Ordering::Relaxed;

const _: () = assert!(CHAIN_OPS_MAX <= CHAIN_REQUESTS_MAX);

/// A chain without a completion.
#[derive(Clone, Copy, Debug)]
struct Pending {
    token: Token,
    has_exchange: bool,
}

/// The proposer's side of a connection. All of it is made by the steward's thread and used by the engine's.
#[derive(Debug)]
pub(crate) struct Link {
    peer: ReplicaId,
    /// Whether it leads to the proposer's own memory: writes have nothing to do there.
    is_loopback: bool,
    pub(crate) queue_pair: QueuePair,
    /// The proposer's own lane in its own memory: what writes copy from.
    lane: MemoryRegion,
    own_lane: Area,
    /// Where reads land, and behind that a word for what each outstanding exchange finds.
    scratch: MemoryRegion,
    scratch_words: usize,
    /// The acceptor's areas in the order of [`Layout::areas`]; empty until it is connected.
    remote: Vec<RemoteRegion>,
    layout: Layout,
    /// A ring. Invariant: the chains `done..posted` are outstanding, each at its number modulo `CHAINS_MAX`.
    pending: [Pending; CHAINS_MAX],
    posted: usize,
    done: usize,
    /// The driver refused a chain after it may have taken a part of it: nobody knows what was executed.
    pub(crate) is_broken: bool,
}

impl Link {
    /// Makes the local side of a link to `peer`.
    pub(crate) fn prepare(ground: &Ground, peer: ReplicaId) -> Result<Self, SetupError> {
        let domain = ProtectionDomain::create(&ground.device)?;
        let queue_pair = drawing::queue_pair(&domain, &ground.completions, &ground.source, ground.options.queue_pair)?;
        let own_lane = Area::Lane(ground.own.replica());
        let register = |region| MemoryRegion::register(&domain, region, PeerAccess::NONE);
        Ok(Self {
            peer,
            is_loopback: peer == ground.own.replica(),
            queue_pair,
            lane: register(ground.own.region(own_lane).clone())?,
            own_lane,
            scratch: register(ground.scratch[peer.index()].clone())?,
            scratch_words: ground.options.scratch_words,
            remote: vec![],
            layout: *ground.own.layout(),
            pending: [Pending { token: Token(0), has_exchange: false }; CHAINS_MAX],
            posted: 0,
            done: 0,
            is_broken: false,
        })
    }

    /// Connects it to an acceptor's queue pair and memory.
    pub(crate) fn connect(
        &mut self,
        ground: &Ground,
        endpoint: &Endpoint,
        areas: &[RegionClaim],
    ) -> Result<(), SetupError> {
        if areas.len() != self.layout.areas().count() {
            return Err(SetupError::Areas(areas.len()));
        }
        let claims = self.layout.areas().zip(areas);
        let checked = claims.map(|(area, &claim)| RemoteRegion::of(claim, self.layout.words(area)));
        self.remote = checked.collect::<Result<_, _>>()?;
        let connected: Result<(), ConnectError> = self.queue_pair.connect(endpoint, ground.options.timing);
        Ok(connected?)
    }

    pub(crate) const fn peer(&self) -> ReplicaId {
        self.peer
    }

    /// Posts a chain, as [`Fabric::post`](paxon_fastpath::Fabric::post) says.
    #[inline]
    pub(crate) fn post(&mut self, token: Token, ops: &[Op]) -> Result<(), PostError> {
        assert!(ops.len() <= CHAIN_OPS_MAX, "a chain of {} operations, {CHAIN_OPS_MAX} are allowed", ops.len());
        if self.posted - self.done == CHAINS_MAX {
            return Err(PostError::Full);
        }
        let slot = self.posted % CHAINS_MAX;
        let found = self.scratch_words + slot;
        let (mut is_empty, mut has_exchange) = (true, false);
        let mut chain = self.queue_pair.chain(slot as u64);
        for op in ops {
            match *op {
                Op::Write(span) => {
                    assert!(
                        span.area == self.own_lane,
                        "a write to {span:?}, which is not the own {:?}",
                        self.own_lane
                    );
                    let from = self.lane.span(span.start, span.words);
                    if self.is_loopback || span.words == 0 {
                        continue;
                    }
                    let into = self.remote[index(&self.layout, span.area)].span(span.start, span.words);
                    chain = chain.write(from, into);
                }
                Op::Read { span, into } => {
                    let end = into.checked_add(span.words).filter(|&end| end <= self.scratch_words);
                    assert!(
                        end.is_some(),
                        "a read of {span:?} to {into}, with {} words of scratch",
                        self.scratch_words
                    );
                    let from = self.remote[index(&self.layout, span.area)].span(span.start, span.words);
                    if span.words == 0 {
                        continue;
                    }
                    chain = chain.read(from, self.scratch.span(into, span.words));
                }
                Op::Cas { expected, new } => {
                    assert!(!has_exchange, "a chain has at most one compare-and-exchange");
                    has_exchange = true;
                    let promise = self.remote[index(&self.layout, Area::Promise)].span(0, 1);
                    chain = chain.compare_exchange(promise, expected, new, self.scratch.span(found, 1));
                }
            }
            is_empty = false;
        }
        let posted = if is_empty { chain.nothing().post() } else { chain.post() };
        self.note(posted, Pending { token, has_exchange })
    }

    #[inline]
    fn note(&mut self, posted: Result<(), queue_pair::PostError>, pending: Pending) -> Result<(), PostError> {
        match posted {
            Ok(()) => {}
            Err(queue_pair::PostError::Full { .. }) => return Err(PostError::Full),
            Err(queue_pair::PostError::Disconnected) => return Err(PostError::Down),
            // A prefix may be executed, so the chain counts as taken, and the link goes down before it completes.
            Err(queue_pair::PostError::Refused(_)) => self.is_broken = true,
        }
        self.pending[self.posted % CHAINS_MAX] = pending;
        self.posted += 1;
        Ok(())
    }

    /// Takes the end of the oldest chain.
    ///
    /// # Errors
    /// How an operation failed; the link is of no use any more.
    #[inline]
    pub(crate) fn complete(&mut self, completion: &WorkCompletion) -> Result<Completion, Status> {
        self.queue_pair.retire(completion)?;
        assert!(self.done < self.posted, "a completion of a chain that was not posted");
        let slot = self.done % CHAINS_MAX;
        debug_assert_eq!(completion.id(), slot as u64, "completions come in the order of posting");
        self.done += 1;
        let Pending { token, has_exchange } = self.pending[slot];
        // Relaxed: the driver has ordered what the device wrote before the completion that it returned.
        let found = if has_exchange { self.scratch.words()[self.scratch_words + slot].load(Relaxed) } else { 0 };
        Ok(Completion { peer: self.peer, token, found })
    }
}

/// The place of an area in the order of [`Layout::areas`].
#[inline]
const fn index(layout: &Layout, area: Area) -> usize {
    match area {
        Area::Promise => 0,
        Area::Status => 1,
        Area::Lane(proposer) => 2 + proposer.index(),
        Area::Snapshot => 2 + layout.replicas,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_have_the_places_of_their_order() {
        let layout = Layout { replicas: 5, cells: 64, arena_words: 256, snapshot_words: 512 };
        for (place, area) in layout.areas().enumerate() {
            assert_eq!(index(&layout, area), place);
        }
    }
}
