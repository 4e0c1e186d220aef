//! What a leader can still write once another one leads.

use crate::cluster::Cluster;
use crate::engine::{Member, config, member};
use paxon_conformance::{Group, Setup};
use paxon_fastpath::{Area, Fabric, FabricEvent, Nanos, Op, ReplicaId, Role, Seq, Span, Token};
use paxon_rdma::RdmaFabric;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);
/// All members run on one thread, so none stands still for long without the others.
const SUSPECT: Nanos = Nanos::from_millis(3_000);
const FORGED: u64 = 0x0dd_ba11;

/// Polls the members that are not `stopped` until `done`.
fn run(members: &mut [Member<RdmaFabric>], stopped: Option<usize>, done: impl Fn(&[Member<RdmaFabric>]) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done(members) {
        for (_, member) in members.iter_mut().enumerate().filter(|(at, _)| Some(*at) != stopped) {
            member.poll();
        }
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}");
        std::thread::yield_now();
    }
}

fn leader(members: &[Member<RdmaFabric>], but: Option<usize>) -> Option<usize> {
    (0..members.len()).find(|&at| Some(at) != but && members[at].replica.role() == Role::Leader)
}

/// Proposes at `at` and waits until all but `stopped` have applied it.
fn commit(members: &mut [Member<RdmaFabric>], at: usize, stopped: Option<usize>) {
    let slot = members[at].propose(1).expect("room in an idle journal");
    let has_applied = move |members: &[Member<RdmaFabric>]| {
        let all = members.iter().enumerate().filter(|(at, _)| Some(*at) != stopped);
        all.fold(true, |so_far, (_, member)| so_far && member.replica.applied() >= slot)
    };
    run(members, stopped, has_applied);
}

#[test]
fn a_deposed_leader_writes_nothing_any_more_and_rejoins_by_itself() {
    let first = config(ReplicaId(0), SUSPECT);
    let setup = Setup { cluster: 7, layout: first.layout, scratch_words: first.scratch_words(), recovering: None };
    let mut cluster = Cluster::start(&setup);
    let (fabrics, started) = (cluster.take().into_iter().enumerate(), Instant::now());
    let join = |(id, fabric)| member(config(ReplicaId(id as u8), SUSPECT), fabric, started);
    let mut members: Vec<_> = fabrics.map(join).collect();
    run(&mut members, None, |members| leader(members, None).is_some());
    let old = leader(&members, None).expect("a leader");
    commit(&mut members, old, None);

    // The leader's thread stands still, and another one leads.
    run(&mut members, Some(old), |members| leader(members, Some(old)).is_some());
    let new = leader(&members, Some(old)).expect("another leader");
    commit(&mut members, new, Some(old));

    // It does not know, and writes: a cell that is not in use, so that the bytes show whether it could.
    let lane = Area::Lane(ReplicaId(old as u8));
    let span = Span { area: lane, start: setup.layout.cell(Seq(setup.layout.cells as u64 - 1)), words: 16 };
    let own = &mut members[old].fabric;
    own.local(lane)[span.start].store(FORGED, Relaxed);
    let peers: Vec<usize> = (0..members.len()).filter(|&at| at != old).collect();
    for &peer in &peers {
        let own = &mut members[old].fabric;
        // A link that is down already was found out before.
        let _ = own.post(ReplicaId(peer as u8), Token(1), &[Op::Write(span)]);
        let deadline = Instant::now() + PATIENCE;
        loop {
            match own.poll() {
                Some(FabricEvent::LinkDown { peer: who, .. }) if who.index() == peer => break,
                Some(FabricEvent::Done(done)) if done.token == Token(1) && done.peer.index() == peer => {
                    panic!("the write of a deposed leader at {peer} has succeeded")
                }
                _ => assert!(Instant::now() < deadline, "the write has no end"),
            }
        }
        assert_eq!(members[peer].fabric.local(lane)[span.start].load(Relaxed), 0, "replica {peer}");
    }
    members[old].fabric.local(lane)[span.start].store(0, Relaxed);

    // The links that it lost come up again, and its engine learns what has happened. (The one that the test took an event from
    // is announced anew.)
    let target = members[new].replica.applied();
    run(&mut members, None, |members| members[old].replica.applied() >= target && leader(members, None) != Some(old));
    drop(members);
}
