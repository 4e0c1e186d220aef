//! Links that go down and come up again.

use crate::cluster::Cluster;
use paxon_conformance::{Group, Setup};
use paxon_fastpath::{Area, Epoch, Fabric, FabricEvent, Incarnation, Op, Promise, ReplicaId, Span, Token};
use std::process::Command;
use std::time::{Duration, Instant};

const A: ReplicaId = ReplicaId(0);
const B: ReplicaId = ReplicaId(1);
const FRESH: u64 = Promise::fresh(Epoch::FIRST).0;
const BEAT: [Op; 1] = [Op::Read { span: Span { area: Area::Status, start: 0, words: 8 }, into: 0 }];
const PATIENCE: Duration = Duration::from_secs(30);

/// Polls `member` until it reports what is wanted. Meanwhile it reads the peer's status, as an engine does that looks for
/// heartbeats: a link that nobody uses is not found to be dead.
fn wait_for<T>(cluster: &mut Cluster, member: ReplicaId, wanted: impl FnMut(FabricEvent) -> Option<T>) -> T {
    wait_while_posting(cluster, member, &BEAT, wanted)
}

/// The same while it posts `chain`, or nothing.
fn wait_while_posting<T>(
    cluster: &mut Cluster,
    member: ReplicaId,
    chain: &[Op],
    mut wanted: impl FnMut(FabricEvent) -> Option<T>,
) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let fabric = &mut cluster.members()[member.index()];
        if !chain.is_empty() {
            let _ = fabric.post(B, Token(7), chain);
        }
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
fn a_replica_that_comes_back_is_known_to_have_been_gone_without_any_operation() {
    let mut cluster = Cluster::start(&Setup::SMALL);
    wait_while_posting(&mut cluster, A, &[], up(B));
    for _ in 0..3 {
        cluster.stop(B);
        cluster.restart(B);
        wait_while_posting(&mut cluster, A, &[], down(B));
        wait_while_posting(&mut cluster, A, &[], up(B));
        assert_eq!(exchange(&mut cluster, 1, 1), FRESH, "the link leads to the new process");
    }
}

#[test]
fn a_fenced_proposer_is_cut_off_and_comes_back_by_itself() {
    let mut cluster = Cluster::start(&Setup::SMALL);
    wait_for(&mut cluster, A, up(B));
    let write = [Op::Write(Span { area: Area::Lane(A), start: 512, words: 16 })];
    for round in 0..10 {
        let started = Instant::now();
        cluster.members()[B.index()].fence(A);
        wait_while_posting(&mut cluster, A, &write, down(B));
        let cut_off = started.elapsed();
        wait_for(&mut cluster, A, up(B));
        println!("cut off after {cut_off:?}, linked again after {:?}", started.elapsed());
        assert_eq!(exchange(&mut cluster, FRESH + round, FRESH + round + 1), FRESH + round);
    }
}

#[test]
fn a_fenced_proposer_that_only_reads_is_not_disturbed() {
    let mut cluster = Cluster::start(&Setup::SMALL);
    wait_for(&mut cluster, A, up(B));
    cluster.members()[B.index()].fence(A);
    for _ in 0..100 {
        let fabric = &mut cluster.members()[A.index()];
        fabric.post(B, Token(8), &BEAT).expect("an idle link");
        wait_while_posting(&mut cluster, A, &[], |event| match event {
            FabricEvent::Done(done) if done.token == Token(8) => Some(()),
            FabricEvent::LinkDown { .. } => panic!("{event:?}"),
            _ => None,
        });
    }
}

/// Devices of the machine that `softroce-vm` starts stand on virtual wires, whose other ends are named `port1` and so on.
#[test]
fn a_port_without_a_link_takes_links_down_before_any_operation_fails() {
    if std::env::var_os("SOFTROCE_NODE").is_none() {
        println!("left out: the ports of this host are not ours to take down");
        return;
    }
    let wire = |state| {
        let status = Command::new("ip").args(["link", "set", "port1", state]).status().expect("ip runs");
        assert!(status.success(), "port1 cannot be set {state}");
    };
    let mut cluster = Cluster::start(&Setup::SMALL);
    wait_while_posting(&mut cluster, A, &[], up(B));
    wire("down");
    let started = Instant::now();
    wait_while_posting(&mut cluster, A, &[], down(B));
    println!("the link was known to be down after {:?}", started.elapsed());
    assert!(cluster.members()[A.index()].problem(B).is_none_or(|problem| problem.contains("port")));
    wire("up");
    wait_for(&mut cluster, A, up(B));
    assert_eq!(exchange(&mut cluster, FRESH, FRESH), FRESH);
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
