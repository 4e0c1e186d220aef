//! A cluster of replicas over TCP on loopback, for the length of a test.
#![allow(dead_code, unused_imports, reason = "each test program uses a part of it")]

mod driven;
mod polite;
mod speaker;

pub use driven::Driven;
pub use polite::{Nobody, Polite};
pub use speaker::{Doorstep, Speaker};

use paxon_acceptor::{Acceptor, Directory};
use paxon_channel::{Identity, Member, PrivateKey, Roster, Security};
use paxon_conformance::Setup;
use paxon_fastpath::{Fabric, FabricEvent, ReplicaId};
use paxon_tcp::backend::IoKind;
use paxon_tcp::{Connections, TcpFabric, TcpOptions};
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

pub const A: ReplicaId = ReplicaId(0);
pub const B: ReplicaId = ReplicaId(1);
pub const C: ReplicaId = ReplicaId(2);

/// A test that waits longer than this has failed.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Clusters made by this process.
static MADE: AtomicU32 = AtomicU32::new(0);

/// What the members need besides each other. Each has a directory of its own, as on a host of its own.
pub struct Cluster {
    path: PathBuf,
    pub setup: Setup,
    pub roster: Arc<Roster>,
    pub options: TcpOptions,
    /// Kept, so that a member that starts again finds its port.
    listeners: Vec<TcpListener>,
}

impl Cluster {
    /// A small cluster in fresh directories.
    pub fn small(security: Security, options: TcpOptions) -> Self {
        Self::of(&Setup::SMALL, security, options)
    }

    /// A cluster in fresh directories.
    pub fn of(setup: &Setup, security: Security, options: TcpOptions) -> Self {
        let path = format!("/dev/shm/paxon-tcp-test-{}-{}", std::process::id(), MADE.fetch_add(1, Relaxed));
        let path = PathBuf::from(path);
        std::fs::create_dir_all(&path).expect("/dev/shm is writable");
        let members = ReplicaId::all(setup.layout.replicas);
        let bind = |_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port of loopback");
        let listeners: Vec<_> = members.clone().map(bind).collect();
        let member = |(id, listener): (ReplicaId, &TcpListener)| {
            let key = PrivateKey::generate().expect("random numbers");
            key.write_new(key_file(&path, id)).expect("a new file");
            let address = listener.local_addr().expect("bound").to_string();
            Member { id, address, key: Some(key.public()), expires: None }
        };
        let members = members.zip(&listeners).map(member).collect();
        let roster = Roster::new(setup.cluster, setup.layout, members, vec![], security).expect("a good roster");
        Self { path, setup: *setup, roster: Arc::new(roster), options, listeners }
    }

    /// The directory of a member's host.
    pub fn directory(&self, member: ReplicaId) -> Directory {
        let path = self.path.join(format!("host-{}", member.0));
        Directory::open(path, self.setup.cluster, self.setup.layout).expect("/dev/shm is a tmpfs")
    }

    /// Who a member is.
    pub fn identity(&self, member: ReplicaId) -> Identity {
        let key = PrivateKey::read(key_file(&self.path, member)).expect("written by the constructor");
        Identity::replica(self.roster.clone(), member, Some(key)).expect("listed")
    }

    /// Joins as `member`, which must succeed.
    pub fn open(&self, member: ReplicaId) -> TcpFabric {
        self.open_with(member, &self.options)
    }

    /// Joins as `member` with choices of its own.
    pub fn open_with(&self, member: ReplicaId, options: &TcpOptions) -> TcpFabric {
        let (directory, connections) = (self.directory(member), self.connections(member));
        let words = self.setup.scratch_words;
        TcpFabric::open(&directory, member, connections, words, options).expect("the member can start")
    }

    /// Joins as `member`, which reaches and serves `peers` alone.
    pub fn join(&self, member: ReplicaId, peers: &[ReplicaId]) -> TcpFabric {
        let (directory, connections) = (self.directory(member), self.connections(member));
        let own = Arc::new(Acceptor::claim(&directory, member).expect("the member can start"));
        TcpFabric::join(&directory, own, peers, connections, self.setup.scratch_words, &self.options)
            .expect("the member can start")
    }

    /// Joins as `member`, driven by a thread of its own.
    pub fn drive(&self, member: ReplicaId) -> Driven {
        let (directory, connections) = (self.directory(member), self.connections(member));
        let own = Arc::new(Acceptor::claim(&directory, member).expect("the member can start"));
        let (words, replicas) = (self.setup.scratch_words, self.setup.layout.replicas);
        let others: Vec<_> = ReplicaId::all(replicas).filter(|&id| id != member).collect();
        let fabric = TcpFabric::join(&directory, own.clone(), &others, connections, words, &self.options);
        Driven::new(fabric.expect("the member can start"), own, replicas, words)
    }

    /// A porter of `member`.
    pub fn connections(&self, member: ReplicaId) -> Connections {
        let listener = self.listeners[member.index()].try_clone().expect("a descriptor");
        Connections::start(self.identity(member), Some(listener)).expect("a porter")
    }

    /// Makes the memory of `member`, which is not running, count as lost.
    pub fn damage(&self, member: ReplicaId) {
        let file = self.directory(member).file(member, paxon_fastpath::Area::Snapshot);
        std::fs::remove_file(file).expect("the memory was created");
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

fn key_file(path: &std::path::Path, member: ReplicaId) -> PathBuf {
    path.join(format!("key-{}", member.0))
}

/// io_uring where there is one; says so where the tests of it run over epoll.
#[expect(clippy::print_stderr, reason = "a test that does less than its name says has to say so")]
pub fn uring_if_there_is_one() -> IoKind {
    match paxon_tcp::backend::open(IoKind::IoUring, &paxon_tcp::backend::Options::default()) {
        Ok(_) => IoKind::IoUring,
        Err(why) => {
            eprintln!("SKIPPED for io_uring, run over epoll instead: {why}");
            IoKind::Epoll
        }
    }
}

/// Options with a back end.
pub fn over(io: IoKind) -> TcpOptions {
    TcpOptions { io, ..TcpOptions::default() }
}

/// Polls all members until `done` says so.
pub fn poll_until(members: &mut [&mut dyn Fabric], what: &str, mut done: impl FnMut(usize, FabricEvent) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut idle = true;
        for (at, member) in members.iter_mut().enumerate() {
            if let Some(event) = member.poll() {
                idle = false;
                if done(at, event) {
                    return;
                }
            }
        }
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        if idle {
            std::thread::yield_now();
        }
    }
}

/// Polls all members until the first has a link to `peer`.
pub fn link_up(members: &mut [&mut dyn Fabric], peer: ReplicaId) {
    poll_until(members, "the link comes up", |at, event| {
        at == 0 && matches!(event, FabricEvent::LinkUp { peer: up, .. } if up == peer)
    });
}

/// Polls all members until the first has lost its link to `peer`.
pub fn link_down(members: &mut [&mut dyn Fabric], peer: ReplicaId) {
    poll_until(members, "the link goes down", |at, event| {
        at == 0 && matches!(event, FabricEvent::LinkDown { peer: down, .. } if down == peer)
    });
}
