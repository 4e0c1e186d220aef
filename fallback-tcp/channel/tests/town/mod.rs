//! A cluster of porters on loopback for the tests: keys, rosters, listeners, and waits with a deadline.
#![allow(dead_code, reason = "each test file uses its part")]

use paxon_channel::{
    Arrival, ClientKey, DialError, Greeting, Hello, Identity, Limits, Member, Party, Porter, PrivateKey, PublicKey,
    Purpose, Roster, Secured, Security, Welcome,
};
use paxon_fastpath::{Layout, ReplicaId};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant, SystemTime};

pub const LAYOUT: Layout = Layout { replicas: 3, cells: 1024, arena_words: 4096, snapshot_words: 512 };
pub const CLUSTER: u64 = 77;
/// How long anything may take before a test fails; loaded machines are slow.
pub const PATIENCE: Duration = Duration::from_secs(20);
pub const R0: ReplicaId = ReplicaId(0);
pub const R1: ReplicaId = ReplicaId(1);
pub const R2: ReplicaId = ReplicaId(2);
pub const WELCOME: Welcome = Welcome { incarnation: 5, frame_bytes_max: 1 << 20, outstanding_max: 64 };

/// Keys in files of their own folder, since a private key cannot be copied; gone with the value.
pub struct KeyRing {
    folder: PathBuf,
}

impl KeyRing {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("paxon-channel-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder for keys");
        for name in ["r0", "r1", "r2", "alice", "mallory"] {
            PrivateKey::generate().expect("random numbers").write_new(folder.join(name)).expect("a new file");
        }
        Self { folder }
    }

    pub fn private(&self, name: &str) -> PrivateKey {
        PrivateKey::read(self.folder.join(name)).expect("the key is there")
    }

    pub fn public(&self, name: &str) -> PublicKey {
        self.private(name).public()
    }
}

impl Drop for KeyRing {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

/// What a roster is made of, to be changed by a test before it is made.
#[derive(Clone)]
pub struct Plan {
    pub cluster: u64,
    pub layout: Layout,
    pub members: Vec<Member>,
    pub clients: Vec<ClientKey>,
    pub security: Security,
}

impl Plan {
    pub fn roster(&self) -> Arc<Roster> {
        let Self { cluster, layout, members, clients, security } = self.clone();
        Arc::new(Roster::new(cluster, layout, members, clients, security).expect("a roster"))
    }
}

/// Keys, and a listener for each of the three members.
pub struct Town {
    pub ring: KeyRing,
    pub plan: Plan,
    listeners: Vec<TcpListener>,
}

impl Town {
    pub fn new(security: Security) -> Self {
        let ring = KeyRing::new();
        let listeners: Vec<_> = (0..3).map(|_| TcpListener::bind("127.0.0.1:0").expect("a port")).collect();
        let member = |(id, listener): (u8, &TcpListener)| Member {
            id: ReplicaId(id),
            address: listener.local_addr().expect("bound").to_string(),
            key: Some(ring.public(&format!("r{id}"))),
            expires: None,
        };
        let members = (0..).zip(&listeners).map(member).collect();
        let clients = vec![ClientKey { name: "alice".into(), key: ring.public("alice"), expires: None }];
        let plan = Plan { cluster: CLUSTER, layout: LAYOUT, members, clients, security };
        Self { ring, plan, listeners }
    }

    pub fn replica(&self, plan: &Plan, id: ReplicaId) -> Identity {
        let key = self.ring.private(&format!("r{}", id.0));
        Identity::replica(plan.roster(), id, Some(key)).expect("a member")
    }

    pub fn client(&self, plan: &Plan) -> Identity {
        Identity::client(plan.roster(), Some(self.ring.private("alice"))).expect("a client")
    }

    pub fn listener(&self, id: ReplicaId) -> TcpListener {
        self.listeners[id.index()].try_clone().expect("a file descriptor")
    }

    pub fn address(&self, id: ReplicaId) -> SocketAddr {
        self.listeners[id.index()].local_addr().expect("bound")
    }

    /// A porter of `id` that accepts, with the roster of `plan`.
    pub fn open(&self, plan: &Plan, id: ReplicaId) -> Desk {
        Desk::start(self.replica(plan, id), Some(self.listener(id)), Limits::default())
    }

    /// A porter of `id` that accepts, with other limits.
    pub fn open_with(&self, id: ReplicaId, limits: Limits) -> Desk {
        Desk::start(self.replica(&self.plan, id), Some(self.listener(id)), limits)
    }

    /// A porter of `id` that only dials, one attempt at a time.
    pub fn dialler(&self, plan: &Plan, id: ReplicaId) -> Desk {
        let calm = Limits { eager_every: 10 * PATIENCE, ..Limits::default() };
        Desk::start(self.replica(plan, id), None, calm)
    }

    /// A porter of `id` that only dials, as it does by default.
    pub fn eager_dialler(&self, plan: &Plan, id: ReplicaId) -> Desk {
        Desk::start(self.replica(plan, id), None, Limits::default())
    }

    /// A connection of a stranger to `id`.
    pub fn stranger(&self, id: ReplicaId) -> TcpStream {
        let stream = TcpStream::connect(self.address(id)).expect("somebody listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        stream
    }
}

/// A porter and what it has reported.
pub struct Desk {
    pub porter: Porter,
    pub arrivals: Receiver<Arrival>,
}

impl Desk {
    pub fn start(identity: Identity, listener: Option<TcpListener>, limits: Limits) -> Self {
        let (sender, arrivals) = channel();
        let on_arrival = move |arrival| drop(sender.send(arrival));
        Self { porter: Porter::start_with(identity, listener, limits, on_arrival).expect("a thread"), arrivals }
    }

    pub fn next(&self) -> Arrival {
        self.arrivals.recv_timeout(PATIENCE).expect("an arrival in time")
    }

    pub fn inbound(&self) -> (Hello, Party, Secured) {
        match self.next() {
            Arrival::Inbound { hello, party, connection } => (hello, party, connection),
            other => panic!("not an inbound connection: {other:?}"),
        }
    }

    /// The next outbound connection; failures on the way are skipped.
    pub fn outbound(&self) -> (ReplicaId, Welcome, Secured, Duration) {
        loop {
            match self.next() {
                Arrival::Outbound { peer, welcome, connection, round_trip } => {
                    return (peer, welcome, connection, round_trip);
                }
                Arrival::DialFailed { .. } => {}
                other => panic!("not an outbound connection: {other:?}"),
            }
        }
    }

    pub fn failure(&self) -> DialError {
        match self.next() {
            Arrival::DialFailed { reason, .. } => reason,
            other => panic!("not a failure: {other:?}"),
        }
    }

    /// Waits until the condition holds.
    pub fn until(&self, what: &str, holds: impl Fn(&Porter) -> bool) {
        until(what, || holds(&self.porter));
    }
}

pub fn until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        std::thread::yield_now();
    }
}

pub fn operations(identity: &Identity, to: ReplicaId) -> Hello {
    identity.hello(to, Purpose::Operations, 9)
}

/// A moment at which every key that expires there has expired.
pub fn long_ago() -> Option<SystemTime> {
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000))
}

/// Sends `plain` through the cipher.
pub fn send(connection: &mut Secured, plain: &[u8]) {
    connection.stream.set_nonblocking(false).expect("a socket");
    let mut wire = vec![];
    connection.cipher.seal(plain, &mut wire).expect("the connection stands");
    connection.stream.write_all(&wire).expect("the connection stands");
}

/// Receives `bytes` of plaintext through the cipher, the early ones first.
pub fn receive(connection: &mut Secured, bytes: usize) -> Vec<u8> {
    connection.stream.set_nonblocking(false).expect("a socket");
    connection.stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    let mut plain = std::mem::take(&mut connection.early);
    let mut wire = [0; 4096];
    while plain.len() < bytes {
        let received = connection.stream.read(&mut wire).expect("bytes in time");
        assert!(received > 0, "closed after {} of {bytes} bytes", plain.len());
        connection.cipher.open(&wire[..received], &mut plain).expect("whole bytes");
    }
    plain
}

pub fn welcome(connection: &mut Secured) {
    send(connection, &Greeting::Welcome(WELCOME).encode());
}

/// Connects the porter of `from` to that of `to`: the dialler's end, and the acceptor's.
pub fn connect(from: &Desk, identity: &Identity, to: &Desk, id: ReplicaId) -> (Secured, Secured) {
    from.porter.dial(id, operations(identity, id));
    meet(from, to)
}

/// Welcomes all that comes to `to` until the dial of `from` has succeeded.
pub fn meet(from: &Desk, to: &Desk) -> (Secured, Secured) {
    let (far, near) = meet_one_of(from, to, vec![]);
    (far, near.1)
}

/// The same, after some have come already and were welcomed. On a slow machine an attempt may be overtaken by the next, and
/// the one welcomed first need not be the one that stands; it must be the newest of those that `to` has seen.
pub fn meet_one_of(from: &Desk, to: &Desk, mut nears: Vec<(Hello, Secured)>) -> (Secured, (Hello, Secured)) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        assert!(Instant::now() < deadline, "not connected in time");
        match to.arrivals.recv_timeout(Duration::from_millis(1)) {
            Ok(Arrival::Inbound { hello, mut connection, .. }) => {
                try_send(&mut connection, &Greeting::Welcome(WELCOME));
                nears.push((hello, connection));
            }
            Ok(other) => panic!("not an inbound connection: {other:?}"),
            Err(_) => {}
        }
        match from.arrivals.try_recv() {
            Ok(Arrival::Outbound { connection: far, .. }) => {
                let end = far.stream.local_addr().expect("a socket");
                let is_near = |near: &Secured| near.stream.peer_addr().is_ok_and(|address| address == end);
                let at = nears.iter().position(|(_, near)| is_near(near)).expect("whoever is welcome was welcomed");
                let near = nears.swap_remove(at);
                assert!(nears.iter().all(|(hello, _)| hello.is_older_than(&near.0)), "the newest stands");
                return (far, near);
            }
            Ok(Arrival::Inbound { .. }) => panic!("an inbound connection at the dialler"),
            Ok(Arrival::DialFailed { .. }) | Err(_) => {}
        }
    }
}

/// Answers a connection that the dialler may have given up.
pub fn try_send(connection: &mut Secured, greeting: &Greeting) {
    let mut wire = vec![];
    connection.cipher.seal(&greeting.encode(), &mut wire).expect("the cipher stands");
    drop(connection.stream.write_all(&wire));
}
