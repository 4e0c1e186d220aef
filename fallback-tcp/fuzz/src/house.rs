//! A replica's fabric over TCP, whose peers the fuzzer plays.

use crate::frames::LAYOUT;
use paxon_acceptor::Directory;
use paxon_channel::{Cipher, Hello, Identity, Member, Porter, Purpose, Roster, Secured, Security};
use paxon_fastpath::{Area, Fabric, FabricEvent, ReplicaId};
use paxon_tcp::backend::IoKind;
use paxon_tcp::{Connections, Door, TcpFabric, TcpOptions};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// A run that takes longer hangs.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// The cluster of the house.
pub const CLUSTER: u64 = 0xF0;
/// Whose house it is.
pub const ME: ReplicaId = ReplicaId(0);
/// Words in which reads land.
pub const SCRATCH_WORDS: usize = 1024;

/// Houses that this process has made.
static MADE: AtomicU32 = AtomicU32::new(0);

/// A fabric that listens nowhere: its connections are put before its door.
pub struct House {
    /// The fabric.
    pub fabric: TcpFabric,
    /// Where connections arrive.
    pub door: Door,
    listener: TcpListener,
    /// Connections made.
    attempts: u64,
}

impl House {
    /// Moves in. The memory has no name: it ends with the process.
    ///
    /// # Panics
    /// If the system has no tmpfs at `/dev/shm`, or no loopback.
    pub fn new() -> Self {
        let name = format!("/dev/shm/paxon-fuzz-{}-{}", std::process::id(), MADE.fetch_add(1, Relaxed));
        let path = PathBuf::from(name);
        let directory = Directory::open(&path, CLUSTER, LAYOUT).expect("/dev/shm is a tmpfs");
        // The other members listen at a port where nobody answers.
        let member = |id| Member { id, address: "127.0.0.1:9".into(), key: None, expires: None };
        let members = ReplicaId::all(LAYOUT.replicas).map(member).collect();
        let roster = Roster::new(CLUSTER, LAYOUT, members, vec![], Security::Plaintext).expect("a good roster");
        let identity = Identity::replica(Arc::new(roster), ME, None).expect("a member");
        let porter = Arc::new(Porter::start(identity, None, drop).expect("a thread"));
        let door = Door::new();
        let connections = Connections { porter, door: door.clone() };
        // A machine that is busy is no finding.
        let silence_min = Duration::from_secs(25);
        let options = TcpOptions { io: IoKind::Epoll, silence_min, ..TcpOptions::default() };
        let fabric = TcpFabric::open(&directory, ME, connections, SCRATCH_WORDS, &options).expect("a fresh memory");
        std::fs::remove_dir_all(&path).expect("it was made above");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback");
        Self { fabric, door, listener, attempts: 0 }
    }

    /// The life of the fabric's own memory.
    pub fn incarnation(&self) -> u64 {
        self.fabric.local(Area::Status)[6].load(Relaxed)
    }

    /// A connection: the peer's end, and the fabric's.
    ///
    /// # Panics
    /// If loopback does not work.
    pub fn connection(&self) -> (TcpStream, Secured) {
        let address = self.listener.local_addr().expect("it is bound");
        let peer = TcpStream::connect(address).expect("it listens");
        let (stream, _) = self.listener.accept().expect("somebody connects");
        // Closed by a reset: a port in TIME_WAIT for each run would soon be all of them.
        rustix::net::sockopt::set_socket_linger(peer.as_fd(), Some(Duration::ZERO)).expect("a socket");
        peer.set_nodelay(true).expect("a socket");
        peer.set_nonblocking(true).expect("a socket");
        stream.set_nonblocking(true).expect("a socket");
        (peer, Secured { stream, cipher: Cipher::Plain, early: Vec::new() })
    }

    /// The hello of a connection between two members; each is a later one.
    pub fn hello(&mut self, from: ReplicaId, to: ReplicaId) -> Hello {
        self.attempts += 1;
        let (purpose, incarnation) = (Purpose::Operations, if from == ME { self.incarnation() } else { 5 });
        Hello { purpose, cluster: CLUSTER, from: Some(from), to, layout: LAYOUT, incarnation, attempt: self.attempts }
    }

    /// Polls the fabric until `done` has something to return.
    ///
    /// # Panics
    /// If that takes too long.
    pub fn poll_until<T>(&mut self, what: &str, mut done: impl FnMut(Option<FabricEvent>) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let event = self.fabric.poll();
            if let Some(found) = done(event) {
                return found;
            }
            assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        }
    }
}

impl Default for House {
    fn default() -> Self {
        Self::new()
    }
}
