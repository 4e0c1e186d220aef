//! What a running replica tells about itself.

use paxon_fastpath::{Ballot, Fabric, Outcomes, REPLICAS_MAX, Replica, ReplicaId, Role, Slot, StateMachine};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::node::Node;

/// Who leads, as one replica sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Leadership {
    /// This replica leads under the ballot.
    Leader {
        /// Its ballot.
        ballot: Ballot,
    },
    /// Another replica leads, or nobody is known to.
    Follower {
        /// Who leads, if that is known.
        leader: Option<ReplicaId>,
    },
    /// This replica stands for election.
    Candidate,
    /// This replica lost its memory and waits to be readmitted.
    Recovering,
    /// This replica was shut down.
    Stopped,
}

/// A change of leadership, as one replica sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeadershipEvent {
    /// Who leads from then on.
    pub leadership: Leadership,
    /// When the engine's thread saw the change; of the first event of a subscription, when that began.
    pub at: Instant,
}

/// How far a member has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerStatus {
    /// The member.
    pub peer: ReplicaId,
    /// Whether it is taken for alive.
    pub alive: bool,
    /// The last slot that it had applied when its status was last pulled, if that is known.
    pub applied: Option<Slot>,
    /// Slots that the asked replica knows to be committed and that member had not applied yet.
    pub lag: Option<u64>,
}

/// A running replica at a glance. The numbers are read one by one and may be microseconds apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaStatus {
    /// Which replica.
    pub replica: ReplicaId,
    /// What it is doing.
    pub leadership: Leadership,
    /// Who leads, if that is known; possibly itself.
    pub leader: Option<ReplicaId>,
    /// The ballot that it leads or stands under or follows.
    pub ballot: Ballot,
    /// The highest slot that it knows to be committed.
    pub committed: Slot,
    /// The highest slot that it has applied.
    pub applied: Slot,
    /// Decided records that could not be read; not 0 only if a proposer is broken.
    pub malformed: u64,
    /// All members, itself included.
    pub peers: Vec<PeerStatus>,
}

/// `leader` if nobody is known to lead.
const NOBODY: u8 = u8::MAX;
/// `applied` of a peer of which nothing is known.
const UNKNOWN: u64 = u64::MAX;
/// Role of a replica that was shut down; the others are numbered by [`role_code`].
const STOPPED: u8 = u8::MAX;

const fn role_code(role: Role) -> u8 {
    match role {
        Role::Recovering => 0,
        Role::Follower => 1,
        Role::Candidate => 2,
        Role::Leader => 3,
    }
}

/// The engine's notice board. Written by the engine's thread, read by anybody; nothing else depends on what it shows.
#[derive(Debug)]
pub(crate) struct Board {
    replica: ReplicaId,
    replicas: usize,
    role: AtomicU8,
    leader: AtomicU8,
    ballot: AtomicU64,
    committed: AtomicU64,
    applied: AtomicU64,
    malformed: AtomicU64,
    /// Bit `i`: member `i` is taken for alive.
    alive: AtomicU8,
    peers_applied: [AtomicU64; REPLICAS_MAX],
    /// Who wants to hear of changes of leadership. Locked only when leadership changes.
    subscribers: Mutex<Vec<Sender<LeadershipEvent>>>,
}

impl Board {
    pub(crate) fn new(replica: ReplicaId, replicas: usize) -> Self {
        Self {
            replica,
            replicas,
            role: AtomicU8::new(role_code(Role::Follower)),
            leader: AtomicU8::new(NOBODY),
            ballot: AtomicU64::new(0),
            committed: AtomicU64::new(0),
            applied: AtomicU64::new(0),
            malformed: AtomicU64::new(0),
            alive: AtomicU8::new(0),
            peers_applied: [const { AtomicU64::new(UNKNOWN) }; REPLICAS_MAX],
            subscribers: Mutex::default(),
        }
    }

    /// Shows the role of the engine and tells the subscribers if it changed. Returns whether it did.
    pub(crate) fn show_role(&self, replica: &Replica) -> bool {
        let role = role_code(replica.role());
        let leader = replica.leader().map_or(NOBODY, |leader| leader.0);
        let ballot = replica.ballot().0;
        let shown = (self.role.load(Relaxed), self.leader.load(Relaxed), self.ballot.load(Relaxed));
        if shown == (role, leader, ballot) {
            return false;
        }
        self.ballot.store(ballot, Relaxed);
        self.leader.store(leader, Relaxed);
        self.role.store(role, Relaxed);
        self.announce();
        true
    }

    /// Shows how far the engine has come. Returns whether that changed.
    pub(crate) fn show_progress(&self, replica: &Replica) -> bool {
        let (committed, applied) = (replica.committed().0, replica.applied().0);
        let changed = self.committed.load(Relaxed) != committed || self.applied.load(Relaxed) != applied;
        if changed {
            self.committed.store(committed, Relaxed);
            self.applied.store(applied, Relaxed);
        }
        changed
    }

    /// Shows what is known of the peers.
    pub(crate) fn show_peers<S: StateMachine, F: Fabric, O: Outcomes>(&self, node: &Node<S, F, O>) {
        let replica = node.replica();
        let mut alive = 0;
        for peer in ReplicaId::all(self.replicas) {
            alive |= u8::from(replica.peer_alive(peer)) << peer.0;
            let applied = replica.peer_applied(peer).map_or(UNKNOWN, |slot| slot.0);
            self.peers_applied[peer.index()].store(applied, Relaxed);
        }
        self.alive.store(alive, Relaxed);
        self.malformed.store(node.service().malformed(), Relaxed);
    }

    /// The replica has stopped.
    pub(crate) fn show_stopped(&self) {
        self.leader.store(NOBODY, Relaxed);
        self.role.store(STOPPED, Relaxed);
        self.announce();
    }

    fn announce(&self) {
        let event = self.leadership_event();
        let mut subscribers = self.subscribers.lock().unwrap_or_else(PoisonError::into_inner);
        subscribers.retain(|subscriber| subscriber.send(event).is_ok());
    }

    /// The present leadership and then every change.
    pub(crate) fn subscribe(&self) -> Receiver<LeadershipEvent> {
        let (sender, receiver) = channel();
        let mut subscribers = self.subscribers.lock().unwrap_or_else(PoisonError::into_inner);
        // Under the lock, so that a change is either seen here or announced afterwards. The receiver is alive: it is below.
        let _ = sender.send(self.leadership_event());
        subscribers.push(sender);
        receiver
    }

    pub(crate) const fn replica(&self) -> ReplicaId {
        self.replica
    }

    pub(crate) fn is_leader(&self) -> bool {
        self.role.load(Relaxed) == role_code(Role::Leader)
    }

    pub(crate) fn leader(&self) -> Option<ReplicaId> {
        Some(self.leader.load(Relaxed)).filter(|&leader| leader != NOBODY).map(ReplicaId)
    }

    pub(crate) fn leadership(&self) -> Leadership {
        match self.role.load(Relaxed) {
            STOPPED => Leadership::Stopped,
            role if role == role_code(Role::Leader) => Leadership::Leader { ballot: Ballot(self.ballot.load(Relaxed)) },
            role if role == role_code(Role::Candidate) => Leadership::Candidate,
            role if role == role_code(Role::Recovering) => Leadership::Recovering,
            _ => Leadership::Follower { leader: self.leader() },
        }
    }

    fn leadership_event(&self) -> LeadershipEvent {
        LeadershipEvent { leadership: self.leadership(), at: Instant::now() }
    }

    pub(crate) fn status(&self) -> ReplicaStatus {
        let committed = self.committed.load(Relaxed);
        let alive = self.alive.load(Relaxed);
        let peer = |peer: ReplicaId| {
            let applied = Some(self.peers_applied[peer.index()].load(Relaxed)).filter(|&slot| slot != UNKNOWN);
            PeerStatus {
                peer,
                alive: alive >> peer.0 & 1 == 1,
                applied: applied.map(Slot),
                lag: applied.map(|applied| committed.saturating_sub(applied)),
            }
        };
        ReplicaStatus {
            replica: self.replica,
            leadership: self.leadership(),
            leader: self.leader(),
            ballot: Ballot(self.ballot.load(Relaxed)),
            committed: Slot(committed),
            applied: Slot(self.applied.load(Relaxed)),
            malformed: self.malformed.load(Relaxed),
            peers: ReplicaId::all(self.replicas).map(peer).collect(),
        }
    }
}
