//! What clients learn when their leader loses its place with their commands under way.

use paxon::fastpath::{Area, Fabric, FabricEvent, Op, PostError, Token};
use paxon::machines::Counter;
use paxon::{Failure, Handle, Nanos, Paxon, ReplicaBuilder, ReplicaId, Session, SessionLimits, ShmFabric, Timing};
use paxon_shm::Directory;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(30);
const TIMING: Timing = Timing { suspect: Nanos::from_millis(3000), ..Timing::sharing() };

/// Holds back what a replica writes to its peers.
#[derive(Clone, Default)]
struct Gate {
    closed: Arc<AtomicBool>,
    held_back: Arc<AtomicU64>,
}

/// Shared memory behind a gate.
struct Gated {
    fabric: ShmFabric,
    own: ReplicaId,
    gate: Gate,
}

impl Fabric for Gated {
    fn local(&self, area: Area) -> &[AtomicU64] {
        self.fabric.local(area)
    }

    fn scratch(&self, peer: ReplicaId) -> &[AtomicU64] {
        self.fabric.scratch(peer)
    }

    fn post(&mut self, peer: ReplicaId, token: Token, chain: &[Op]) -> Result<(), PostError> {
        let writes = chain.iter().any(|op| matches!(op, Op::Write(_)));
        if writes && peer != self.own && self.gate.closed.load(Ordering::SeqCst) {
            self.gate.held_back.fetch_add(1, Ordering::SeqCst);
            return Err(PostError::Full);
        }
        self.fabric.post(peer, token, chain)
    }

    fn poll(&mut self) -> Option<FabricEvent> {
        self.fabric.poll()
    }
}

/// Three counters, each behind a gate of its own, in a directory that is removed in the end.
struct Cluster {
    replicas: Vec<(Handle, Gate)>,
    path: PathBuf,
}

impl Cluster {
    fn start(name: &str) -> Self {
        let path = PathBuf::from(format!("/dev/shm/paxon-test-{name}-{}", std::process::id()));
        let builder = Paxon::builder()
            .cluster(name)
            .cells(2048)
            .payload_bytes_max(64 << 10)
            .arena_bytes(256 << 10)
            .snapshot_bytes(1 << 20)
            .sessions(SessionLimits { sessions_max: 16, window: 16, reply_bytes_max: 64 })
            .timing(TIMING);
        let replicas = (0..3).map(|id| start(builder.clone().replica(id), &path)).collect();
        Self { replicas, path }
    }

    fn leader(&self) -> &(Handle, Gate) {
        let deadline = Instant::now() + LONG;
        loop {
            if let Some(leader) = self.replicas.iter().find(|(handle, _)| handle.leads()) {
                return leader;
            }
            assert!(Instant::now() < deadline, "nobody leads");
            thread::yield_now();
        }
    }

    fn handles(&self) -> Vec<Handle> {
        self.replicas.iter().map(|(handle, _)| handle.clone()).collect()
    }
}

fn start(builder: ReplicaBuilder, path: &PathBuf) -> (Handle, Gate) {
    let config = builder.config().expect("valid");
    let directory = Directory::open(path, config.cluster, config.layout).expect("tmpfs");
    let fabric = ShmFabric::open(&directory, config.replica, config.scratch_words()).expect("nobody has it");
    let gate = Gate::default();
    let gated = Gated { fabric, own: config.replica, gate: gate.clone() };
    (builder.start_on(gated, Counter::default()).expect("it starts"), gate)
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for (handle, _) in &self.replicas {
            handle.shutdown();
        }
        // Nothing to remove is as good as removed.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

fn number(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(*bytes.first_chunk().expect("eight bytes"))
}

fn wait_until(what: &str, ready: impl Fn() -> bool) {
    let deadline = Instant::now() + LONG;
    while !ready() {
        assert!(Instant::now() < deadline, "{what}");
        thread::yield_now();
    }
}

#[test]
fn a_command_without_a_session_is_unknown_and_a_session_learns_the_truth() {
    let cluster = Cluster::start("lost-leadership");
    let mut session = {
        cluster.leader();
        Session::open(&cluster.handles()).expect("a leader is there")
    };
    session.set_patience(LONG);
    // A session's commands count in the low byte, the command without one in the next.
    let mut unknown = 0;
    for round in 1..=10u64 {
        let (leader, gate) = cluster.leader();
        gate.closed.store(true, Ordering::SeqCst);
        let held_back = gate.held_back.load(Ordering::SeqCst);
        let plain = leader.propose(&(1u64 << 8).to_le_bytes()).expect("it leads");
        let reply = thread::scope(|scope| {
            let client = scope.spawn(|| session.propose(&1u64.to_le_bytes()));
            wait_until("no record is held back", || gate.held_back.load(Ordering::SeqCst) > held_back);
            leader.resign();
            let outcome = plain.wait();
            gate.closed.store(false, Ordering::SeqCst);
            match outcome {
                Err(Failure::Unknown) => unknown += 1,
                // It came to the engine only after the order to resign.
                Err(Failure::NotLeader { .. }) => {}
                other => panic!("{other:?} although nothing could be committed"),
            }
            client.join().expect("no panic").expect("an answer of the next leader")
        });
        assert_eq!(number(&reply) & 0xff, round, "the session's commands are applied once each");
        assert!(number(&reply) >> 8 <= round, "a command without a session is applied once or not at all");
    }
    assert!(unknown > 0, "no command was under way when leadership was lost");
}

#[test]
fn a_read_that_lost_its_leader_can_be_asked_again() {
    let cluster = Cluster::start("lost-read");
    let (leader, _) = cluster.leader();
    leader.propose(&1u64.to_le_bytes()).expect("it leads").wait().expect("an answer");
    leader.resign();
    let deadline = Instant::now() + LONG;
    let value = loop {
        assert!(Instant::now() < deadline, "no read is answered");
        match cluster.leader().0.read(b"").map(|read| read.wait()) {
            Ok(Ok(value)) => break number(&value),
            Ok(Err(failure)) => assert!(matches!(failure, Failure::NotLeader { .. }), "{failure}"),
            Err(_) => thread::yield_now(),
        }
    };
    assert_eq!(value, 1);
}
