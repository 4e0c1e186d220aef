//! What do the parts of a commit cost, when nobody polls the memory? Encode, append, check and an idle poll.

use criterion::Criterion;
use paxon::machines::Counter;
use paxon::{Node, ReplicaBuilder};
use paxon_fastpath::{Ballot, Epoch, Fabric, Flags, Header, Op, ReplicaId, Role, Seq, Slot, Token, Unheard};
use paxon_shm::{Directory, ShmFabric};
use std::hint::black_box;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Proposals between two turns of the engine, within its window.
const PROPOSALS_PER_TURN: u64 = 64;

/// A directory of its own, removed in the end.
struct Workplace(PathBuf);

impl Workplace {
    fn new(name: &str) -> Self {
        Self(PathBuf::from(format!("/dev/shm/paxon-bench-{name}-{}", std::process::id())))
    }

    fn builder(&self) -> ReplicaBuilder {
        ReplicaBuilder::default().cluster("bench").replicas(1).shm(&self.0)
    }

    /// A cluster of one that leads.
    fn leader(&self) -> Node<Counter, ShmFabric> {
        let mut node = self.builder().build(Counter::default(), Unheard).expect("a cluster of one");
        while node.replica().role() != Role::Leader {
            node.poll();
        }
        node
    }
}

impl Drop for Workplace {
    fn drop(&mut self) {
        // Nobody is left to tell.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn header() -> Header {
    Header {
        seq: Seq::first(Epoch::FIRST),
        slot: Slot(1),
        ballot: Ballot::new(Epoch::FIRST, 1, ReplicaId(0)),
        commit_lag: 1,
        commands: 1,
        flags: Flags::default(),
        payload_bytes: 64,
        session_or_arena: 0,
        sequence: 0,
        payload_hash: 7,
    }
}

fn encode(criterion: &mut Criterion) {
    let header = header();
    let line = header.encode(1);
    criterion.bench_function("encode a header", |bencher| bencher.iter(|| black_box(&header).encode(black_box(1))));
    criterion.bench_function("decode a header", |bencher| bencher.iter(|| Header::decode(black_box(&line), 1)));
}

fn append(criterion: &mut Criterion) {
    let place = Workplace::new("append");
    let mut node = place.leader();
    criterion.bench_function("append 64 bytes to the own journal", |bencher| {
        bencher.iter_custom(|iterations| {
            let mut elapsed = Duration::ZERO;
            let mut left = iterations;
            while left > 0 {
                let block = left.min(PROPOSALS_PER_TURN);
                let start = Instant::now();
                for _ in 0..block {
                    black_box(node.propose(black_box(&[7; 64]))).expect("the window has room");
                }
                elapsed += start.elapsed();
                left -= block;
                while node.replica().room() < PROPOSALS_PER_TURN as usize {
                    node.poll();
                }
                node.poll();
            }
            elapsed
        });
    });
    criterion.bench_function("an idle poll of a leader", |bencher| bencher.iter(|| node.poll()));
}

fn check(criterion: &mut Criterion) {
    let place = Workplace::new("check");
    let config = place.builder().config().expect("valid");
    let directory = Directory::open(&place.0, config.cluster, config.layout).expect("a directory on tmpfs");
    let mut fabric = ShmFabric::open(&directory, ReplicaId(0), config.scratch_words()).expect("own memory");
    while fabric.poll().is_some() {}
    let chain = [Op::Cas { expected: 1, new: 1 }];
    criterion.bench_function("post and complete a check", |bencher| {
        bencher.iter(|| {
            fabric.post(ReplicaId(0), Token(1), black_box(&chain)).expect("room");
            fabric.poll()
        });
    });
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    encode(&mut criterion);
    append(&mut criterion);
    check(&mut criterion);
    criterion.final_summary();
}
