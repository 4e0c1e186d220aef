//! The engine, unchanged, over verbs: what a commit costs beside its bare operations, and that nothing is lost or mixed up.

use crate::cluster::Cluster;
use paxon_conformance::{Group, Setup};
use paxon_fastpath::{
    Area, Config, Decided, Fabric, FabricEvent, Host, Nanos, Notice, Op, PAGE_WORDS, PostError, ProposeError,
    QuorumSizes, Replica, ReplicaId, Role, Slot, SnapshotError, Span, Submission, Timing, Token,
};
use paxon_rdma::RdmaFabric;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

const LEADER: ReplicaId = ReplicaId(0);
const FOLLOWERS: [ReplicaId; 2] = [ReplicaId(1), ReplicaId(2)];
const PAYLOAD_BYTES: usize = 64;
const PATIENCE: Duration = Duration::from_secs(60);
/// The first cell of the leader's own lane. Writing it anew brings the bytes that are there already.
const CELL: Span = Span { area: Area::Lane(LEADER), start: PAGE_WORDS, words: 16 };
/// Marks the tokens of bare chains; the engine's own have it never set.
const BARE: u64 = 1 << 63;

/// Chains all decided records into one number.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Ledger {
    slots: u64,
    digest: u64,
}

impl Host for Ledger {
    fn decided(&mut self, decided: Decided<'_>) {
        self.slots += 1;
        let words =
            [decided.slot.0, u64::from(decided.header.payload_bytes)].into_iter().chain(decided.payload.to_vec());
        for word in words {
            self.digest = (self.digest.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
    }

    fn snapshot(&mut self, into: &mut Vec<u8>) {
        into.extend([self.slots, self.digest].iter().flat_map(|word| word.to_le_bytes()));
    }

    /// A link that was down for long, as on a host with too much to do, leaves a follower behind the journals.
    fn restore(&mut self, _upto: Slot, bytes: &[u8]) -> Result<(), SnapshotError> {
        let ([slots, digest], []) = bytes.as_chunks() else { return Err(SnapshotError) };
        (self.slots, self.digest) = (u64::from_le_bytes(*slots), u64::from_le_bytes(*digest));
        Ok(())
    }

    fn notice(&mut self, _notice: Notice) {}
}

/// A fabric on which the test posts chains of its own between those of the engine.
struct Tapped {
    fabric: RdmaFabric,
    /// Events of the engine that came while the test waited for its own.
    kept: VecDeque<FabricEvent>,
}

impl Fabric for Tapped {
    fn local(&self, area: Area) -> &[AtomicU64] {
        self.fabric.local(area)
    }

    fn scratch(&self, peer: ReplicaId) -> &[AtomicU64] {
        self.fabric.scratch(peer)
    }

    fn post(&mut self, peer: ReplicaId, token: Token, chain: &[Op]) -> Result<(), PostError> {
        self.fabric.post(peer, token, chain)
    }

    fn poll(&mut self) -> Option<FabricEvent> {
        self.kept.pop_front().or_else(|| self.fabric.poll())
    }
}

impl Tapped {
    /// What no commit can do without: a record written to both peers and a check behind it, both awaited.
    fn bare_chains(&mut self) {
        for peer in FOLLOWERS {
            let chain = [Op::Write(CELL), Op::Cas { expected: 0, new: 0 }];
            self.fabric.post(peer, Token(BARE), &chain).expect("an idle link");
        }
        let mut missing = FOLLOWERS.len();
        while missing > 0 {
            match self.fabric.poll() {
                Some(FabricEvent::Done(done)) if done.token == Token(BARE) => missing -= 1,
                Some(event) => self.kept.push_back(event),
                None => {}
            }
        }
    }
}

/// A replica and what drives it.
pub struct Member<F> {
    pub replica: Replica,
    pub fabric: F,
    ledger: Ledger,
    started: Instant,
}

impl<F: Fabric> Member<F> {
    pub fn poll(&mut self) {
        self.replica.poll(self.now(), &mut self.fabric, &mut self.ledger);
    }

    fn now(&self) -> Nanos {
        Nanos(self.started.elapsed().as_nanos() as u64)
    }

    /// Proposes as many commands, as far as there is room, and returns the last one's slot.
    pub fn propose(&mut self, count: u64) -> Option<Slot> {
        let mut last = None;
        for number in 0..count {
            let mut payload = [0x5a; PAYLOAD_BYTES];
            payload[..8].copy_from_slice(&(self.ledger.slots + number).to_le_bytes());
            let submission = Submission::Command { session: 0, sequence: 0, payload: &payload };
            match self.replica.propose(&mut self.fabric, submission) {
                Ok(slot) => last = Some(slot),
                // Without answers for long, it gives up and stands again.
                Err(ProposeError::Full { .. } | ProposeError::NotLeader { .. }) => break,
                Err(error) => panic!("{error}"),
            }
        }
        last
    }

    /// Proposes `depth` commands and waits until all are applied here. Returns how many there was room for.
    fn commit(&mut self, depth: u64) -> u64 {
        let (before, last) = (self.ledger.slots, self.propose(depth));
        let deadline = self.now().plus(Nanos(PATIENCE.as_nanos() as u64));
        while last.is_some_and(|last| self.replica.applied() < last) {
            // One reading of the clock a turn, as the engine's own thread does.
            let now = self.now();
            self.replica.poll(now, &mut self.fabric, &mut self.ledger);
            if self.replica.role() != Role::Leader {
                // Nobody knows yet what became of them.
                break;
            }
            assert!(now < deadline, "not committed: {:?} at {}", self.replica.role(), self.replica.applied());
        }
        if last.is_none() {
            // The journal is full: the followers have to apply first.
            self.poll();
            thread::yield_now();
        }
        self.ledger.slots - before
    }
}

/// How long the leader's silence is borne where nobody else is to lead, and how soon a leader stands.
///
/// An emulated machine on a busy host stands still for longer than any real one.
const PATIENT: Nanos = Nanos::from_millis(60_000);
const EAGER: Nanos = Nanos::from_millis(4_000);

pub fn config(member: ReplicaId, suspect: Nanos) -> Config {
    let mut config = Config::new(7, member, QuorumSizes::majority(3).expect("three replicas"));
    config.layout.cells = 4096;
    config.layout.arena_words = 1 << 16;
    config.layout.snapshot_words = 1 << 12;
    config.payload_bytes_max = 1 << 16;
    config.timing = Timing { beat: Nanos::from_millis(20), suspect, stagger: Nanos::from_millis(500), ..config.timing };
    config
}

/// Runs `leader` on a member that leads, with two followers that poll in another thread. In the end all must have applied
/// the same; returns that, and what `leader` returned.
fn lead<T>(leader: impl FnOnce(&mut Member<Tapped>) -> T) -> (Ledger, T) {
    let (first, started) = (config(LEADER, EAGER), Instant::now());
    let setup = Setup { cluster: 7, layout: first.layout, scratch_words: first.scratch_words(), recovering: None };
    let mut cluster = Cluster::start(&setup);
    let mut fabrics = cluster.take().into_iter();
    let tapped = Tapped { fabric: fabrics.next().expect("three members"), kept: VecDeque::new() };
    let target = &AtomicU64::new(u64::MAX);
    thread::scope(|scope| {
        let mut own = member(first, tapped, started);
        // The memory of the others votes without them. They join in later, so that none of them stands first.
        poll_until(&mut own, |own| own.replica.role() == Role::Leader);
        let followers = scope.spawn(move || {
            let started = Instant::now();
            follow(
                FOLLOWERS
                    .into_iter()
                    .zip(fabrics)
                    .map(|(id, fabric)| member(config(id, PATIENT), fabric, started))
                    .collect(),
                target,
            )
        });
        let _release = Release(target);
        poll_until(&mut own, |own| FOLLOWERS.iter().all(|&id| own.replica.peer_applied(id).is_some()));
        let result = leader(&mut own);
        target.store(own.replica.applied().0, Relaxed);
        while !followers.is_finished() {
            own.poll();
            thread::yield_now();
        }
        let ledgers = followers.join().expect("the followers end");
        assert_eq!(ledgers, [own.ledger; 2], "all replicas have applied the same");
        (own.ledger, result)
    })
}

pub fn member<F: Fabric>(config: Config, fabric: F, started: Instant) -> Member<F> {
    let replica = Replica::new(config, &fabric).expect("a good configuration");
    Member { replica, fabric, ledger: Ledger::default(), started }
}

fn poll_until<F: Fabric>(member: &mut Member<F>, done: impl Fn(&Member<F>) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done(member) {
        member.poll();
        thread::yield_now();
        let (role, ballot) = (member.replica.role(), member.replica.ballot());
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {role:?} of {ballot:?}");
    }
}

/// Polls the followers until they have applied what the leader says it has.
fn follow(mut followers: Vec<Member<RdmaFabric>>, target: &AtomicU64) -> Vec<Ledger> {
    while followers.iter().any(|follower| follower.replica.applied().0 < target.load(Relaxed)) {
        for follower in &mut followers {
            follower.poll();
        }
        thread::yield_now();
    }
    followers.iter().map(|follower| follower.ledger).collect()
}

/// Times `samples` groups of `depth` commits each; groups that the journal had no room for are no samples.
fn commit_block(leader: &mut Member<Tapped>, times: &mut Vec<Duration>, samples: usize, depth: u64) {
    let end = times.len() + samples;
    while times.len() < end {
        let started = Instant::now();
        if leader.commit(depth) == depth {
            times.push(started.elapsed());
        }
    }
}

/// Ends the followers if the leader's thread panics.
struct Release<'a>(&'a AtomicU64);

impl Drop for Release<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.store(0, Relaxed);
        }
    }
}

fn percentile(times: &mut [Duration], per_cent: usize) -> Duration {
    times.sort_unstable();
    times[(times.len() - 1) * per_cent / 100]
}

#[test]
fn a_commit_costs_little_more_than_its_bare_operations() {
    const BLOCKS: usize = 20;
    const BLOCK: usize = 50;
    let (_, (mut commits, mut floors, groups)) = lead(|leader| {
        leader.commit(1);
        let (mut commits, mut floors, mut groups) = (vec![], vec![], vec![]);
        for _ in 0..BLOCKS {
            commit_block(leader, &mut commits, BLOCK, 1);
            for _ in 0..BLOCK {
                let started = Instant::now();
                leader.fabric.bare_chains();
                floors.push(started.elapsed());
            }
            leader.poll();
            commit_block(leader, &mut groups, BLOCK / 5, 16);
        }
        (commits, floors, groups)
    });
    let (commit, floor) = (percentile(&mut commits, 50), percentile(&mut floors, 50));
    let ratio = commit.as_secs_f64() / floor.as_secs_f64();
    let pipelined = 16.0 * commits.iter().sum::<Duration>().as_secs_f64()
        / commits.len() as f64
        / (groups.iter().sum::<Duration>().as_secs_f64() / groups.len() as f64);
    println!("commit p50 {commit:?}, p99 {:?}, {} samples", percentile(&mut commits, 99), commits.len());
    println!("bare WRITE and CAS to two peers p50 {floor:?}, p99 {:?}", percentile(&mut floors, 99));
    println!("ratio {ratio:.2}; 16 at a time commit {pipelined:.1} times as many as one at a time");
    assert!(pipelined >= 4.0, "pipelining must pay: {pipelined:.1}");
}

#[test]
fn a_hundred_thousand_commits_are_the_same_at_every_replica() {
    const COMMITS: u64 = 100_000;
    let (ledger, took) = lead(|leader| {
        let (started, mut done) = (Instant::now(), 0);
        while done < COMMITS {
            let state = || {
                let (role, room) = (leader.replica.role(), leader.replica.room());
                let applied = FOLLOWERS.map(|id| (leader.replica.peer_applied(id), leader.replica.peer_alive(id)));
                format!("{role:?} with room for {room}, followers {applied:?}")
            };
            assert!(started.elapsed() < 5 * PATIENCE, "{done} commits in {:?}: {}", started.elapsed(), state());
            done += leader.commit(16.min(COMMITS - done));
        }
        started.elapsed()
    });
    println!("{COMMITS} commits in {took:?}: {ledger:?} at all three replicas");
    assert!(ledger.slots >= COMMITS);
}
