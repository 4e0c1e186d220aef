//! The store-buffering litmus: on it the safety of votes on shared memory rests.
//!
//! A leader stores a record and checks PROMISE; at the same time a candidate raises PROMISE and reads the record. A check
//! that held while the candidate did not see the record would lose a committed command. The fabric's check is a full
//! fence, and a million rounds show no such outcome; the same without the fence, planted here, shows some within seconds,
//! so the test would see the bug if it were there.

mod cluster;

use cluster::{Cluster, PATIENCE, wait_for_links};
use core_affinity::CoreId;
use paxon_conformance::races::{Duel, Meeting, ballots, lead, lead_round, stand, store_record};
use paxon_fastpath::{Area, Fabric, ReplicaId};
use paxon_shm::ShmFabric;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

const LEADER: ReplicaId = ReplicaId(0);
const CANDIDATE: ReplicaId = ReplicaId(1);
const BYSTANDER: ReplicaId = ReplicaId(2);
const ROUNDS: u64 = 1_000_000;
/// The planted bug is looked for in portions of this many rounds.
const PORTION: u64 = 100_000;

/// Two duels at once would share their cores and hardly ever meet.
static CORES: Mutex<()> = Mutex::new(());

#[test]
fn a_vote_at_a_third_acceptor_is_seen_or_refused_a_million_times() {
    let duel = fight(|meeting, leader| lead(meeting, leader, BYSTANDER, ROUNDS), BYSTANDER, ROUNDS);
    println!("at a third acceptor: {duel:?}");
    assert_eq!((duel.rounds, duel.missed), (ROUNDS, 0), "{duel:?}");
}

#[test]
fn a_vote_of_the_leader_itself_is_seen_or_refused_a_million_times() {
    let duel = fight(|meeting, leader| lead(meeting, leader, LEADER, ROUNDS), LEADER, ROUNDS);
    println!("at the leader's own acceptor: {duel:?}");
    assert_eq!((duel.rounds, duel.missed), (ROUNDS, 0), "{duel:?}");
}

#[test]
fn without_the_fence_votes_are_missed() {
    if two_cores().is_none() {
        println!("skipped: two threads on one core see each other's stores in order, so the bug cannot show");
        return;
    }
    let started = Instant::now();
    let mut rounds = 0;
    while started.elapsed() < PATIENCE {
        let duel = fight(lead_without_fence, LEADER, PORTION);
        rounds += duel.rounds;
        if duel.missed > 0 {
            println!("without the fence: {} missed in {rounds} rounds, {:?}", duel.missed, started.elapsed());
            return;
        }
    }
    panic!("{rounds} rounds without a fence showed no missed vote: this test cannot see the bug it is for");
}

/// The planted bug: the record is released and PROMISE acquired, which sounds right and lets the load overtake the store.
fn lead_without_fence(meeting: &Meeting, leader: &mut ShmFabric) -> Vec<bool> {
    let vote = |round: u64| {
        move |fabric: &mut ShmFabric| {
            store_record(fabric, round, Release);
            fabric.local(Area::Promise)[0].load(Acquire) == ballots(round).0
        }
    };
    (1..=PORTION).map(|round| lead_round(meeting, leader, LEADER, round, vote(round))).collect()
}

/// Lets the leader meet a candidate for `rounds` rounds at `acceptor`, on two cores if there are two.
fn fight(leader: impl FnOnce(&Meeting, &mut ShmFabric) -> Vec<bool> + Send, acceptor: ReplicaId, rounds: u64) -> Duel {
    let _cores = alone();
    let cluster = Cluster::small();
    let mut members = [LEADER, CANDIDATE, BYSTANDER].map(|member| cluster.open(member));
    for member in &mut members {
        wait_for_links(member, 3);
    }
    let [first, second, _] = &mut members;
    let (cores, meeting) = (two_cores(), &Meeting::of(2));
    let (votes, seen) = thread::scope(|scope| {
        let votes = scope.spawn(move || {
            pin(cores.map(|cores| cores[0]));
            leader(meeting, first)
        });
        let seen = scope.spawn(move || {
            pin(cores.map(|cores| cores[1]));
            stand(meeting, second, acceptor, rounds)
        });
        (votes.join().expect("the leader ends"), seen.join().expect("the candidate ends"))
    });
    Duel::of(&votes, &seen)
}

fn alone() -> MutexGuard<'static, ()> {
    CORES.lock().unwrap_or_else(PoisonError::into_inner)
}

fn two_cores() -> Option<[CoreId; 2]> {
    core_affinity::get_core_ids()?.first_chunk().copied()
}

fn pin(core: Option<CoreId>) {
    if let Some(core) = core {
        assert!(core_affinity::set_for_current(core), "cannot run on core {core:?}");
    }
}
