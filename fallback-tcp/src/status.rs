//! What an operator sees of the fabric, kept by its threads and read by others.
//!
//! Round trips are atomics that the polling thread stores; all else changes when a connection comes or goes and lies under
//! locks that nobody holds for longer than a copy takes.

use crate::frame::Violation;
use crate::io::Io;
use paxon_channel::{Counters, Porter, Reason};
use paxon_fastpath::{Layout, ReplicaId};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

/// The state of a fabric at one moment, as far as several counters can be of one moment.
#[derive(Clone, Debug)]
pub struct FabricStatus {
    /// The back end of the polling thread.
    pub back_end: BackEnd,
    /// The back end of the server, if it has a thread of its own.
    pub server_back_end: Option<BackEnd>,
    /// The links to the peers' acceptors.
    pub links: Vec<LinkStatus>,
    /// The peers that this process serves.
    pub sessions: Vec<SessionStatus>,
    /// How often a connection was ended for what its bytes said; reasons that never occurred are left out.
    pub violations: Vec<(Violation, u64)>,
    /// What the porter has counted; `None` once it has ended.
    pub handshakes: Option<Handshakes>,
}

/// How sockets are driven, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BackEnd {
    /// `io_uring` or `epoll`.
    pub name: &'static str,
    /// Why it is this one.
    pub reason: String,
}

/// The link to a peer's acceptor.
#[derive(Clone, Debug)]
pub struct LinkStatus {
    /// The peer.
    pub peer: ReplicaId,
    /// Whether its memory can be reached.
    pub up: bool,
    /// Since when that is so.
    pub since: Instant,
    /// The address of the present or the last connection.
    pub address: Option<SocketAddr>,
    /// What protects it.
    pub cipher: Option<&'static str>,
    /// The round trip as it was measured lately, smoothed; that of the handshake before the first chain.
    pub round_trip: Option<Duration>,
    /// How often it came up again.
    pub reconnects: u64,
    /// What was last wrong with it.
    pub problem: Option<String>,
}

/// A peer as a proposer that this process serves.
#[derive(Clone, Debug)]
pub struct SessionStatus {
    /// The peer.
    pub proposer: ReplicaId,
    /// Whether it has a session.
    pub up: bool,
    /// Since when that is so.
    pub since: Instant,
    /// The address of the present or the last session.
    pub address: Option<SocketAddr>,
    /// What protects it.
    pub cipher: Option<&'static str>,
    /// Sessions that it has had.
    pub sessions: u64,
    /// Why the last one ended, if not because a newer one began.
    pub problem: Option<String>,
}

/// What the porter has counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handshakes {
    /// Connections accepted.
    pub accepted: u64,
    /// Accepted connections that have shown who they are.
    pub admitted: u64,
    /// Accepted connections that have not, at the moment.
    pub strangers: u64,
    /// Accepted connections that came to nothing; reasons that never occurred are left out.
    pub refused: Vec<(Reason, u64)>,
    /// Times that accepting failed.
    pub accept_errors: u64,
    /// Attempts to connect to peers.
    pub attempts: u64,
    /// Connections made.
    pub connected: u64,
    /// Attempts that failed.
    pub failed: u64,
}

impl Handshakes {
    fn of(counters: &Counters) -> Self {
        let refused = Reason::ALL.into_iter().map(|reason| (reason, counters.refused(reason)));
        Self {
            accepted: counters.accepted(),
            admitted: counters.admitted(),
            strangers: counters.strangers(),
            refused: refused.filter(|(_, count)| *count > 0).collect(),
            accept_errors: counters.accept_errors(),
            attempts: counters.attempts(),
            connected: counters.connected(),
            failed: counters.failed(),
        }
    }
}

/// A window on a fabric for other threads; cheap to clone, and it outlives the fabric.
#[derive(Clone, Debug)]
pub struct StatusView {
    board: Arc<Board>,
    porter: Weak<Porter>,
}

impl StatusView {
    pub(crate) fn new(board: Arc<Board>, porter: &Arc<Porter>) -> Self {
        Self { board, porter: Arc::downgrade(porter) }
    }

    /// The state at this moment. Waits for nobody but a thread that is copying a line.
    pub fn read(&self) -> FabricStatus {
        let violations = Violation::ALL.into_iter().zip(&self.board.violations);
        let violations = violations.map(|(violation, count)| (violation, count.load(Relaxed)));
        let inner = self.board.lock();
        FabricStatus {
            back_end: inner.back_end.clone(),
            server_back_end: inner.server_back_end.clone(),
            links: inner.links.iter().zip(&self.board.round_trips).filter_map(with_round_trip).collect(),
            sessions: inner.sessions.iter().flatten().cloned().collect(),
            violations: violations.filter(|(_, count)| *count > 0).collect(),
            handshakes: self.porter.upgrade().map(|porter| Handshakes::of(porter.counters())),
        }
    }
}

fn with_round_trip((link, nanos): (&Option<LinkStatus>, &AtomicU64)) -> Option<LinkStatus> {
    let nanos = nanos.load(Relaxed);
    let round_trip = (nanos > 0).then(|| Duration::from_nanos(nanos));
    Some(LinkStatus { round_trip, ..link.clone()? })
}

/// What the threads of the fabric write down.
#[derive(Debug)]
pub(crate) struct Board {
    /// Smoothed round trips in nanoseconds, 0 if unknown, indexed by replica.
    round_trips: Vec<AtomicU64>,
    /// Indexed by [`Violation`].
    violations: [AtomicU64; Violation::ALL.len()],
    /// A bit for each violation that was logged, indexed by replica.
    logged: Vec<AtomicU32>,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    back_end: BackEnd,
    server_back_end: Option<BackEnd>,
    /// Indexed by replica; `None` for those that are not reached over this fabric.
    links: Vec<Option<LinkStatus>>,
    sessions: Vec<Option<SessionStatus>>,
}

impl Board {
    pub(crate) fn new(layout: &Layout, peers: &[ReplicaId]) -> Self {
        let now = Instant::now();
        let link = |peer| LinkStatus {
            peer,
            up: false,
            since: now,
            address: None,
            cipher: None,
            round_trip: None,
            reconnects: 0,
            problem: None,
        };
        let session = |proposer| SessionStatus {
            proposer,
            up: false,
            since: now,
            address: None,
            cipher: None,
            sessions: 0,
            problem: None,
        };
        let members = || ReplicaId::all(layout.replicas);
        let inner = Inner {
            back_end: BackEnd::default(),
            server_back_end: None,
            links: members().map(|id| peers.contains(&id).then(|| link(id))).collect(),
            sessions: members().map(|id| peers.contains(&id).then(|| session(id))).collect(),
        };
        Self {
            round_trips: members().map(|_| AtomicU64::new(0)).collect(),
            violations: [const { AtomicU64::new(0) }; Violation::ALL.len()],
            logged: members().map(|_| AtomicU32::new(0)).collect(),
            inner: Mutex::new(inner),
        }
    }

    pub(crate) fn back_end(&self, io: &Io) {
        self.lock().back_end = BackEnd { name: io.name(), reason: io.reason().to_owned() };
    }

    pub(crate) fn server_back_end(&self, io: &Io) {
        self.lock().server_back_end = Some(BackEnd { name: io.name(), reason: io.reason().to_owned() });
    }

    pub(crate) fn round_trip(&self, peer: ReplicaId, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.round_trips[peer.index()].store(nanos, Relaxed);
    }

    /// Counts a violation; true if it is the first of its kind by this peer, which is worth a line in the log.
    pub(crate) fn count(&self, peer: ReplicaId, violation: Violation) -> bool {
        self.violations[violation as usize].fetch_add(1, Relaxed);
        let bit = 1 << violation as u32;
        self.logged[peer.index()].fetch_or(bit, Relaxed) & bit == 0
    }

    pub(crate) fn link(&self, peer: ReplicaId, change: impl FnOnce(&mut LinkStatus)) {
        if let Some(Some(link)) = self.lock().links.get_mut(peer.index()) {
            change(link);
        }
    }

    pub(crate) fn session(&self, proposer: ReplicaId, change: impl FnOnce(&mut SessionStatus)) {
        if let Some(Some(session)) = self.lock().sessions.get_mut(proposer.index()) {
            change(session);
        }
    }

    /// Nothing here is left half done by a panic, so a poisoned lock is as good as any.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LinkStatus {
    pub(crate) fn went_up(&mut self, address: Option<SocketAddr>, cipher: &'static str) {
        self.reconnects += u64::from(self.cipher.is_some());
        (self.up, self.since, self.address, self.cipher) = (true, Instant::now(), address, Some(cipher));
    }

    pub(crate) fn went_down(&mut self, problem: String) {
        if self.up {
            (self.up, self.since) = (false, Instant::now());
        }
        self.problem = Some(problem);
    }
}

impl SessionStatus {
    pub(crate) fn began(&mut self, address: Option<SocketAddr>, cipher: &'static str) {
        self.sessions += 1;
        (self.up, self.since, self.address, self.cipher) = (true, Instant::now(), address, Some(cipher));
    }

    pub(crate) fn ended(&mut self, problem: String) {
        (self.up, self.since, self.problem) = (false, Instant::now(), Some(problem));
    }
}
