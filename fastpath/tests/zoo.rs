//! Bugs that need so rare a schedule that the simulator does not get there by chance: a scenario leads to each, passes
//! without the bug and fails with it.
#![cfg(feature = "bug-zoo")]

mod support;

use paxon_fastpath::{Area, Bug, Role, plant};
use std::sync::atomic::Ordering::SeqCst;
use support::Cluster;

/// The own acceptor promises before any other is asked: a ballot that it does not hold could be used again after a crash.
fn own_promise_comes_first() -> bool {
    let mut cluster = Cluster::new(3);
    cluster.stopped = vec![false, true, true];
    cluster.fabrics[0].held[0] = true;
    while cluster.replicas[0].role() != Role::Candidate {
        cluster.run(10);
    }
    cluster.run(100);
    let memory = &cluster.fabrics[0].memories;
    memory[1][&Area::Promise][0].load(SeqCst) == memory[2][&Area::Promise][0].load(SeqCst)
        && memory[1][&Area::Promise][0].load(SeqCst) == memory[0][&Area::Promise][0].load(SeqCst)
}

/// A candidate that meets damaged heads finds what was chosen all the same.
fn damaged_heads_hide_nothing() -> bool {
    let mut cluster = Cluster::new(3);
    let old = cluster.elect();
    for text in ["a", "b"] {
        cluster.propose(old, text);
        cluster.poll(old);
    }
    cluster.stopped[old] = true;
    for memory in &cluster.fabrics[old].memories {
        memory[&Area::Lane(paxon_fastpath::ReplicaId(old as u8))][7].fetch_xor(1, SeqCst);
    }
    for _ in 0..10_000 {
        cluster.run(10);
        if cluster.leader().is_some() {
            break;
        }
    }
    let Some(new) = cluster.leader() else { return false };
    cluster.propose(new, "c");
    cluster.run(500);
    cluster.texts(new) == ["a", "b", "c"]
}

/// A leader proposes nothing after the record that ends its epoch.
fn an_epoch_ends_with_its_record() -> bool {
    let mut cluster = Cluster::new(3);
    let leader = cluster.elect();
    cluster.propose(leader, "a");
    cluster.run(100);
    let (lost, third) = ((leader + 1) % 3, (leader + 2) % 3);
    cluster.wipe(lost);
    cluster.stopped[third] = true;
    cluster.fabrics[leader].held[third] = true;
    let all = cluster.replicas[leader].room();
    while cluster.replicas[leader].room() == all {
        cluster.run(10);
    }
    // The configuration record waits for the third replica's vote.
    cluster.replicas[leader].room() == 0
}

#[test]
fn each_rare_bug_fails_its_scenario() {
    for bug in Bug::RARE {
        let scenario = match bug {
            Bug::OthersAskedFirst => own_promise_comes_first,
            Bug::DamagedHeadIsEmpty => damaged_heads_hide_nothing,
            Bug::EpochNotEnded => an_epoch_ends_with_its_record,
            other => panic!("no scenario for {other:?}"),
        };
        plant(None);
        assert!(scenario(), "the scenario of {bug:?} fails without the bug");
        plant(Some(bug));
        assert!(!scenario(), "{bug:?} was not caught");
        plant(None);
    }
}
