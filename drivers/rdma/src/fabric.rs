//! The fabric: one-sided operations of the engine as work requests.
//!
//! ```text
//!  engine's thread                                    steward's thread
//!  post ──▶ Link ══ queue pair ═══════════════╗       offers, welcomes over the control channel
//!  poll ◀── completion queue of all links     ║       makes Links, destroys failed ones
//!                                             ▼       keeps Sessions: what each proposer may reach
//!                              a peer's Session ── its memory, no processor involved
//! ```
//!
//! A link and a session are the two ends of one connection, in one direction: to write to each other, two replicas have two.
//! The way to the own memory is a link too, because all exchanges on a PROMISE are its device's.

mod control;
mod drawing;
mod ground;
mod link;
mod message;
mod news;
mod session;
mod steward;

pub use control::{ControlChannel, LocalExchange, Mailbox};
pub use ground::FabricOptions;
pub use message::MESSAGE_BYTES_MAX;

use crate::completion::{CompletionQueue, WorkCompletion};
use crate::create_error::CreateError;
use crate::device::Device;
use crate::source::Source;
use ground::Ground;
use link::Link;
use news::News;
use paxon_acceptor::{AdapterAcceptor, CHAINS_MAX};
use paxon_fastpath::{Area, Fabric, FabricEvent, LinkDown, Op, PostError, ReplicaId, Token};
use paxon_region::{Region, RegionError};
use std::fmt::{self, Debug, Formatter};
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use steward::{Note, Steward};

/// Completions that are taken from the device at a time.
const BATCH: usize = 32;

/// Why a replica cannot join the fabric.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// A region of this process's own could not be made.
    #[error("cannot make the scratch memory")]
    Scratch(#[from] RegionError),
    /// A resource of the device could not be made.
    #[error(transparent)]
    Create(#[from] CreateError),
    /// The thread that sets connections up could not be started.
    #[error("cannot start the thread that sets connections up")]
    Thread(#[source] io::Error),
}

/// One replica's access to the memory of all acceptors over RDMA. Fields are dropped in this order: the replica's lock, which
/// stands on the ground, outlives every mapping of its memory.
pub struct RdmaFabric {
    /// Indexed by replica, the own one included; `None` while the link is down.
    links: Vec<Option<Box<Link>>>,
    /// Completions that were taken and not looked at yet: `batch[next..filled]`.
    batch: [WorkCompletion; BATCH],
    next: usize,
    filled: usize,
    /// The device cannot be polled any more: all links go down.
    is_dead: bool,
    /// A link is broken without a completion that would say so.
    has_broken: bool,
    news: Arc<News>,
    notes: Sender<Note>,
    steward: Option<JoinHandle<()>>,
    ground: Arc<Ground>,
}

impl RdmaFabric {
    /// Joins the fabric with the memory of `own`, over `device` from `source`. `control` is given the mailbox for messages
    /// that come in, and returns the channel for those that go out. Peers are announced as they are connected.
    ///
    /// # Errors
    /// [`JoinError`].
    pub fn join(
        own: Arc<AdapterAcceptor>,
        device: &Arc<Device>,
        source: &Source,
        peers: &[ReplicaId],
        options: FabricOptions,
        control: impl FnOnce(Mailbox) -> Box<dyn ControlChannel>,
    ) -> Result<Self, JoinError> {
        let replicas = own.layout().replicas;
        // Twice: a new link is made before the completions of the failed one are known to be gone.
        let entries = 2 * options.queue_pair.send_depth * replicas as u32;
        let completions = CompletionQueue::create(device, entries)?;
        // Behind the scratch, a word for what each outstanding exchange finds.
        let scratch = (0..replicas).map(|_| Region::anonymous(options.scratch_words + CHAINS_MAX).map(Arc::new));
        let scratch = scratch.collect::<Result<_, _>>()?;
        let ground = Ground { own, device: device.clone(), source: *source, options, completions, scratch };
        let (ground, news, (notes, inbox)) = (Arc::new(ground), Arc::new(News::default()), channel());
        let control = control(Mailbox(notes.clone()));
        let process = random_number().map_err(JoinError::Thread)?;
        let steward = Steward::new(ground.clone(), control, news.clone(), peers, process)?;
        let thread = std::thread::Builder::new().name("paxon-rdma".into());
        let steward = thread.spawn(move || steward.run(&inbox)).map_err(JoinError::Thread)?;
        Ok(Self {
            links: (0..replicas).map(|_| None).collect(),
            batch: [WorkCompletion::default(); BATCH],
            next: 0,
            filled: 0,
            is_dead: false,
            has_broken: false,
            news,
            notes,
            steward: Some(steward),
            ground,
        })
    }

    /// Takes the lane of `proposer` in the own memory away from it, soon after: its writes fail from then on, and it has to
    /// connect anew; until then it can still read and exchange PROMISE. Defence in depth against an old leader; nothing
    /// depends on it. The engine asks for it by [`Fabric::deposed`].
    pub fn fence(&self, proposer: ReplicaId) {
        // Without a steward there is no session either.
        let _ = self.notes.send(Note::Fence(proposer));
    }

    /// Why there is no link to `peer`, in words for an operator; `None` if there is one or nothing is known.
    pub fn problem(&self, peer: ReplicaId) -> Option<String> {
        self.news.problem(peer)
    }

    /// What a completion says; `None` if it is of a link that is gone. Numbers of queue pairs that are gone do not come back
    /// while completions of theirs are left: drivers either remove those or count numbers up.
    #[inline]
    fn look_at(&mut self, completion: WorkCompletion) -> Option<FabricEvent> {
        let number = completion.queue_pair();
        let is_its = |link: &&mut Box<Link>| link.queue_pair.number() == number;
        let link = self.links.iter_mut().flatten().find(is_its)?;
        match link.complete(&completion) {
            Ok(done) => Some(FabricEvent::Done(done)),
            Err(_) => {
                let peer = link.peer();
                self.news.set_problem(peer, self.ground.completions.explain(&completion));
                Some(self.take_down(peer))
            }
        }
    }

    #[cold]
    fn take_down(&mut self, peer: ReplicaId) -> FabricEvent {
        if let Some(link) = self.links[peer.index()].take() {
            // Without a steward the link is dropped here, which ends it as well.
            let _ = self.notes.send(Note::Failed(link));
        }
        FabricEvent::LinkDown { peer, reason: LinkDown::Failed }
    }

    #[cold]
    fn take_down_broken(&mut self) -> Option<FabricEvent> {
        let is_dead = self.is_dead;
        let broken = self.links.iter().flatten().find(|link| is_dead || link.is_broken).map(|link| link.peer());
        self.has_broken = broken.is_some();
        broken.map(|peer| self.take_down(peer))
    }

    #[cold]
    fn next_news(&mut self) -> Option<FabricEvent> {
        let Some(connected) = self.news.pop() else {
            let number = self.news.pop_broken()?;
            let link = self.links.iter_mut().flatten().find(|link| link.queue_pair.number() == number)?;
            link.is_broken = true;
            self.has_broken = true;
            return self.take_down_broken();
        };
        let (peer, incarnation) = (connected.link.peer(), connected.incarnation);
        self.links[peer.index()] = Some(connected.link);
        Some(FabricEvent::LinkUp { peer, incarnation })
    }

    #[inline]
    fn refill(&mut self) {
        (self.next, self.filled) = (0, 0);
        match self.ground.completions.poll(&mut self.batch) {
            Ok(filled) => self.filled = filled,
            Err(_) => (self.is_dead, self.has_broken) = (true, true),
        }
    }
}

impl Fabric for RdmaFabric {
    #[inline]
    fn local(&self, area: Area) -> &[AtomicU64] {
        self.ground.own.words(area)
    }

    #[inline]
    fn scratch(&self, peer: ReplicaId) -> &[AtomicU64] {
        &self.ground.scratch[peer.index()].words()[..self.ground.options.scratch_words]
    }

    fn deposed(&mut self, old: ReplicaId) {
        self.fence(old);
    }

    #[inline]
    fn post(&mut self, peer: ReplicaId, token: Token, chain: &[Op]) -> Result<(), PostError> {
        let link = self.links[peer.index()].as_mut().ok_or(PostError::Down)?;
        let posted = link.post(token, chain);
        self.has_broken |= link.is_broken;
        posted
    }

    #[inline]
    fn poll(&mut self) -> Option<FabricEvent> {
        if self.next == self.filled {
            if self.has_broken
                && let Some(event) = self.take_down_broken()
            {
                return Some(event);
            }
            if self.news.is_pending() {
                return self.next_news();
            }
            self.refill();
        }
        while self.next < self.filled {
            self.next += 1;
            let event = self.look_at(self.batch[self.next - 1]);
            if event.is_some() {
                return event;
            }
        }
        None
    }
}

impl Debug for RdmaFabric {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("RdmaFabric").field("ground", &self.ground).field("links", &self.links).finish_non_exhaustive()
    }
}

impl Drop for RdmaFabric {
    fn drop(&mut self) {
        // A steward that is gone already needs not to be told.
        let _ = self.notes.send(Note::Stop);
        if let Some(steward) = self.steward.take() {
            // What it died of was printed by its own thread.
            let _ = steward.join();
        }
    }
}

fn random_number() -> io::Result<u64> {
    let mut bytes = [0; 8];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
    Ok(u64::from_ne_bytes(bytes))
}
