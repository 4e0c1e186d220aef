//! What do the parts of a commit cost, when nobody polls the memory? Encode, seal, append, check and an idle poll.

use criterion::Criterion;
use paxon::machines::Counter;
use paxon::{Node, ReplicaBuilder};
use paxon_fastpath::{
    Ballot, CELL_WORDS, Epoch, Fabric, Flags, Header, LINE_WORDS, Op, RecordSecret, ReplicaId, Role, Sealing, Seq,
    Slot, Token, Unheard,
};
use paxon_shm::{Directory, ShmFabric};
use std::hint::black_box;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
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
    fn leader(&self, sealing: Sealing) -> Node<Counter, ShmFabric> {
        let builder = match sealing {
            Sealing::Checksum => self.builder(),
            Sealing::Mac(secret) => self.builder().record_secret(secret),
        };
        let mut node = builder.build(Counter::default(), Unheard).expect("a cluster of one");
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

/// Both ways to seal, as a suffix of names.
const SEALINGS: [(&str, Sealing); 2] =
    [("checksum", Sealing::Checksum), ("code", Sealing::Mac(RecordSecret::new([7; 32])))];

/// A record of 64 bytes in its cell, sealed and opened.
fn seal(criterion: &mut Criterion) {
    for (name, sealing) in SEALINGS {
        let seal = sealing.lane(1, ReplicaId(0));
        let cell: [AtomicU64; CELL_WORDS] = [const { AtomicU64::new(7) }; CELL_WORDS];
        let payload = [7; LINE_WORDS];
        criterion.bench_function(&format!("seal a record of 64 bytes, {name}"), |bencher| {
            bencher.iter(|| {
                let payload = black_box(&payload);
                let payload_hash = seal.payload_hash(Flags::default(), payload);
                seal.close(&Header { payload_hash, ..header() }, payload, &cell, 0);
            });
        });
        criterion.bench_function(&format!("open a record of 64 bytes, {name}"), |bencher| {
            bencher.iter(|| {
                let header = seal.open_at(black_box(&cell), 0).expect("it is whole");
                assert!(seal.matches(&header, black_box(&payload)));
            });
        });
    }
}

fn append(criterion: &mut Criterion, suffix: &str, sealing: Sealing) {
    let place = Workplace::new("append");
    let mut node = place.leader(sealing);
    criterion.bench_function(&format!("append 64 bytes to the own journal{suffix}"), |bencher| {
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
    criterion.bench_function(&format!("an idle poll of a leader{suffix}"), |bencher| bencher.iter(|| node.poll()));
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
    seal(&mut criterion);
    append(&mut criterion, "", Sealing::Checksum);
    append(&mut criterion, ", code", SEALINGS[1].1);
    check(&mut criterion);
    criterion.final_summary();
}
