//! Links that go down and come up again.

use crate::cluster::Cluster;
use paxon_conformance::{Group, Setup};
use paxon_fastpath::{Area, Epoch, Fabric, FabricEvent, Incarnation, Op, Promise, ReplicaId, Span, Token};
use std::time::{Duration, Instant};

const A: ReplicaId = ReplicaId(0);
const B: ReplicaId = ReplicaId(1);
const FRESH: u64 = Promise::fresh(Epoch::FIRST).0;
const BEAT: [Op; 1] = [Op::Read { span: Span { area: Area::Status, start: 0, words: 8 }, into: 0 }];
const PATIENCE: Duration = Duration::from_secs(30);

/// Polls `member` until it reports what is wanted. Meanwhile it reads the peer's status, as an engine does that looks for
/// heartbeats: a link that nobody uses is not found to be dead.
fn wait_for<T>(cluster: &mut Cluster, member: ReplicaId, mut wanted: impl FnMut(FabricEvent) -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let fabric = &mut cluster.members()[member.index()];
        let _ = fabric.post(B, Token(7), &BEAT);
        while let Some(event) = fabric.poll() {
            if let Some(found) = wanted(event) {
                return found;
            }
        }
        assert!(Instant::now() < deadline, "no such event within {PATIENCE:?}: {:?}", fabric.problem(B));
        std::thread::yield_now();
    }
}

fn up(peer: ReplicaId) -> impl FnMut(FabricEvent) -> Option<Incarnation> {
    move |event| match event {
        FabricEvent::LinkUp { peer: who, incarnation } if who == peer => Some(incarnation),
        _ => None,
    }
}

fn down(peer: ReplicaId) -> impl FnMut(FabricEvent) -> Option<()> {
    move |event| matches!(event, FabricEvent::LinkDown { peer: who, .. } if who == peer).then_some(())
}

/// What the next exchange of A at B finds.
fn exchange(cluster: &mut Cluster, expected: u64, new: u64) -> u64 {
    let mine = Token(expected ^ new << 1);
    cluster.members()[A.index()].post(B, mine, &[Op::Cas { expected, new }]).expect("a link that is up");
    wait_for(cluster, A, |event| match event {
        FabricEvent::Done(done) if done.token == mine => Some(done.found),
        FabricEvent::LinkDown { .. } => panic!("{event:?}"),
        _ => None,
    })
}

#[test]
fn a_replica_that_comes_back_is_linked_again_with_what_it_promised() {
    let mut cluster = Cluster::start(&Setup::SMALL);
    let life = wait_for(&mut cluster, A, up(B));
    let mut slowest = Duration::ZERO;
    for round in 0..10 {
        assert_eq!(exchange(&mut cluster, FRESH + round, FRESH + round + 1), FRESH + round);
        cluster.stop(B);
        wait_for(&mut cluster, A, down(B));
        let started = Instant::now();
        cluster.restart(B);
        assert_eq!(wait_for(&mut cluster, A, up(B)), life, "the memory outlived the replica");
        slowest = slowest.max(started.elapsed());
    }
    println!("10 restarts, the slowest was linked again after {slowest:?}");
}

#[test]
fn a_fenced_proposer_is_cut_off_and_comes_back_by_itself() {
    let mut cluster = Cluster::start(&Setup::SMALL);
    wait_for(&mut cluster, A, up(B));
    for round in 0..10 {
        let started = Instant::now();
        cluster.members()[B.index()].fence(A);
        wait_for(&mut cluster, A, down(B));
        let cut_off = started.elapsed();
        wait_for(&mut cluster, A, up(B));
        println!("cut off after {cut_off:?}, linked again after {:?}", started.elapsed());
        assert_eq!(exchange(&mut cluster, FRESH + round, FRESH + round + 1), FRESH + round);
    }
}

#[test]
fn a_stranger_is_not_let_in_and_both_sides_say_why() {
    let mut cluster = Cluster::start(&Setup::SMALL);
    wait_for(&mut cluster, A, up(B));
    cluster.stop(B);
    wait_for(&mut cluster, A, down(B));
    cluster.restart_as(B, &Setup { cluster: Setup::SMALL.cluster + 1, ..Setup::SMALL });
    let deadline = Instant::now() + PATIENCE;
    for member in [A, B] {
        let other = if member == A { B } else { A };
        loop {
            let fabric = &mut cluster.members()[member.index()];
            if let Some(problem) = fabric.problem(other).filter(|problem| problem.contains("cluster")) {
                println!("{member}: {problem}");
                break;
            }
            assert!(Instant::now() < deadline, "{member} says {:?}", fabric.problem(other));
            assert!(!matches!(fabric.poll(), Some(FabricEvent::LinkUp { peer, .. }) if peer == other && member == A));
            std::thread::yield_now();
        }
    }
}
