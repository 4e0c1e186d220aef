//! A replica over memory that its peers fill as they like, and links that answer as they like.
//!
//! The input is a list of deeds: words stored anywhere, heads, records, status and snapshots with checksums that fit, time that
//! passes, proposals, links that come and go, restarts.

use crate::acceptors::{Acceptors, config};
use crate::input::Input;
use paxon::machines::{KvLimits, KvStore};
use paxon_fastpath::{
    Area, Ballot, Decided, Epoch, Flags, Head, Header, Host, LINE_WORDS, Nanos, Notice, Replica, ReplicaId, Seq,
    Service, SessionLimits, Slot, SnapshotError, Submission, Unheard, lane_seed,
};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The turns that one deed lets pass at most.
const TURNS_MAX: usize = 64;
/// Deeds of a run: it stays short.
const DEEDS_MAX: usize = 100;
const SESSIONS: SessionLimits = SessionLimits { sessions_max: 4, window: 4, reply_bytes_max: 16 };

/// Runs one input.
pub fn run(data: &[u8]) {
    decided(data);
}

/// Runs one input; returns the last slot that was decided in the last life of the replica.
pub fn decided(data: &[u8]) -> u64 {
    let mut input = Input::new(data);
    let mut run = Run::new();
    for _ in 0..DEEDS_MAX {
        if input.is_empty() {
            break;
        }
        run.deed(&mut input);
    }
    run.turns(TURNS_MAX);
    run.host.last.0
}

/// What was decided comes in order; what a machine makes of it is not the question here.
struct Watched {
    service: Service<KvStore, Unheard>,
    last: Slot,
}

impl Watched {
    fn new() -> Self {
        let store = KvStore::new(KvLimits { bytes_max: 1 << 10 });
        let service = Service::new(store, SESSIONS, Unheard).expect("the limits are in range");
        Self { service, last: Slot::NONE }
    }
}

impl Host for Watched {
    fn decided(&mut self, decided: Decided<'_>) {
        assert_eq!(decided.slot, self.last.next(), "slots come in order");
        assert_eq!(decided.header.slot, decided.slot);
        self.last = decided.slot;
        self.service.decided(decided);
    }

    fn snapshot(&mut self, into: &mut Vec<u8>) {
        self.service.snapshot(into);
    }

    fn restore(&mut self, upto: Slot, bytes: &[u8]) -> Result<(), SnapshotError> {
        self.service.restore(upto, bytes)?;
        assert!(upto > self.last, "a snapshot leads back");
        self.last = upto;
        Ok(())
    }

    fn notice(&mut self, _: Notice) {}
}

struct Run {
    acceptors: Acceptors,
    replica: Replica,
    host: Watched,
    now: Nanos,
}

impl Run {
    fn new() -> Self {
        let acceptors = Acceptors::new();
        let replica = Replica::new(config(), &acceptors).expect("the configuration is valid");
        Self { acceptors, replica, host: Watched::new(), now: Nanos(1_000_000) }
    }

    fn deed(&mut self, input: &mut Input<'_>) {
        match input.u8() % 11 {
            0 => self.store(input),
            1 => self.head(input),
            2 | 3 => self.record(input),
            4 => self.status(input),
            5 => self.snapshot(input),
            6 => self.link(input),
            7 => self.acceptors.lie = input.u64(),
            8 => {
                let payload = input.take(20);
                let submission = Submission::Command { session: 0, sequence: 0, payload };
                // Mostly it does not lead.
                let _ = self.replica.propose(&mut self.acceptors, submission);
            }
            9 => self.restart(),
            _ => {
                let turns = input.below(TURNS_MAX);
                self.turns(turns);
            }
        }
    }

    fn turns(&mut self, turns: usize) {
        for _ in 0..turns {
            self.now = self.now.plus(Nanos::from_micros(25));
            self.replica.poll(self.now, &mut self.acceptors, &mut self.host);
        }
    }

    /// Stores words; those that only the replica's own process writes were there before it began.
    fn put(&mut self, acceptor: u8, area: Area, start: usize, words: &[u64]) {
        if self.acceptors.store(acceptor, area, start, words) {
            self.restart();
        }
    }

    fn store(&mut self, input: &mut Input<'_>) {
        let (acceptor, area, word, value) = (input.u8(), input.area(), input.u16(), input.odd_u64());
        self.put(acceptor, area, word.into(), &[value]);
    }

    fn head(&mut self, input: &mut Input<'_>) {
        let (acceptor, lane) = (input.u8(), ReplicaId(input.u8() % 3));
        let head = Head {
            ballot: ballot(input, lane),
            commit: Slot(input.odd_u64()),
            live: seq(input),
            closed_by: ballot(input, lane),
            closed_at: Slot(input.odd_u64()),
            scattered: input.u8() & 1 == 1,
            covered: Slot(input.odd_u64()),
        };
        self.put(acceptor, Area::Lane(lane), 0, &head.encode(lane_seed(config().cluster, lane)));
    }

    fn record(&mut self, input: &mut Input<'_>) {
        let (acceptor, lane) = (input.u8(), ReplicaId(input.u8() % 3));
        let (layout, seed) = (config().layout, lane_seed(config().cluster, lane));
        let seq = seq(input);
        let flags = Flags(input.u8());
        let (slot, ballot, commit_lag) = (Slot(input.odd_u64()), ballot(input, lane), input.u16());
        let (commands, bytes, session_or_arena) = (input.u8().into(), input.u8(), input.odd_u64());
        let payload = input.words(usize::from(bytes).div_ceil(8));
        let header = Header {
            seq,
            slot,
            ballot,
            commit_lag,
            commands,
            flags,
            payload_bytes: bytes.into(),
            session_or_arena,
            sequence: 1,
            payload_hash: xxh3_64_with_seed(bytemuck::cast_slice(&payload), seed).into(),
        };
        let cell = layout.cell(seq);
        self.put(acceptor, Area::Lane(lane), cell, &header.encode(seed));
        let place = if flags.has(Flags::ARENA) { layout.arena(session_or_arena) } else { cell + LINE_WORDS };
        self.put(acceptor, Area::Lane(lane), place, &payload);
    }

    /// A line of the status page with its twin or its checksum.
    fn status(&mut self, input: &mut Input<'_>) {
        let (acceptor, line, value) = (input.u8(), usize::from(input.u8() % 8), input.odd_u64());
        let words = if line == 4 || line >= 6 {
            let mut lines = input.words(if line == 4 { LINE_WORDS } else { 2 * LINE_WORDS } - 1);
            lines.resize(if line == 4 { LINE_WORDS } else { 2 * LINE_WORDS } - 1, value);
            self.sealed_as_status(lines)
        } else {
            vec![value, !value, input.odd_u64()]
        };
        self.put(acceptor, Area::Status, line.min(6) * LINE_WORDS, &words);
    }

    fn sealed_as_status(&self, mut lines: Vec<u64>) -> Vec<u64> {
        lines.push(xxh3_64_with_seed(bytemuck::cast_slice(&lines), self.acceptors.magic));
        lines
    }

    /// A snapshot that is offered with the right hash.
    fn snapshot(&mut self, input: &mut Input<'_>) {
        let (acceptor, upto, extra) = (input.u8(), input.odd_u64(), input.u8());
        let bytes = usize::from(input.u16() % 1024);
        let mut words = input.words(bytes.div_ceil(8));
        words.resize(bytes.div_ceil(8), 0);
        self.put(acceptor, Area::Snapshot, 0, &words);
        let hash = xxh3_64_with_seed(bytemuck::cast_slice(&words), u64::from(extra & 1));
        let claimed = if extra & 2 == 2 { input.odd_u64() } else { bytes as u64 };
        let line = self.sealed_as_status(vec![upto, 0, claimed, hash, 0, 0, 0]);
        self.put(acceptor, Area::Status, 4 * LINE_WORDS, &line);
        // A replica that is behind asks for one: make it so.
        self.put(acceptor, Area::Status, 2 * LINE_WORDS, &[upto, !upto]);
    }

    fn link(&mut self, input: &mut Input<'_>) {
        let peer = ReplicaId(input.u8() % 4);
        match input.u8() % 4 {
            0 => self.acceptors.down(peer, false),
            1 => self.acceptors.down(peer, true),
            2 => self.acceptors.died(peer),
            _ => self.acceptors.up(peer, input.odd_u64()),
        }
    }

    /// The process ends and another begins over the same memory.
    fn restart(&mut self) {
        self.acceptors.reconnect();
        self.replica = Replica::new(config(), &self.acceptors).expect("the configuration is valid");
        self.host = Watched::new();
    }
}

fn ballot(input: &mut Input<'_>, lane: ReplicaId) -> Ballot {
    let choice = input.u8();
    if choice < 200 { Ballot::new(Epoch::FIRST, u64::from(choice % 50), lane) } else { Ballot(input.u64()) }
}

fn seq(input: &mut Input<'_>) -> Seq {
    let choice = input.u8();
    if choice < 200 { Seq::first(Epoch::FIRST).plus(choice.into()) } else { Seq(input.u64()) }
}
