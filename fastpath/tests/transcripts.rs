//! Small scenarios that a human can follow.

mod support;

use paxon_fastpath::{Area, Ballot, Epoch, ReplicaId, Role, Seq, Slot};
use std::sync::atomic::Ordering::SeqCst;
use support::Cluster;

#[test]
fn a_proposal_is_committed_in_one_turn_and_reaches_the_followers() {
    let mut cluster = Cluster::new(3);
    let leader = cluster.elect();
    assert_eq!(cluster.propose(leader, "a"), Slot(1));
    cluster.poll(leader);
    assert_eq!(cluster.replicas[leader].committed(), Slot(1));
    assert_eq!(cluster.texts(leader), ["a"]);
    cluster.run(200);
    for at in 0..3 {
        assert_eq!(cluster.texts(at), ["a"], "replica {at}");
    }
}

#[test]
fn stopped_followers_still_vote_because_their_memory_does() {
    let mut cluster = Cluster::new(3);
    let leader = cluster.elect();
    cluster.stopped = (0..3).map(|at| at != leader).collect();
    for text in ["a", "b", "c"] {
        cluster.propose(leader, text);
        cluster.poll(leader);
    }
    assert_eq!(cluster.replicas[leader].committed(), Slot(3));
}

#[test]
fn a_new_leader_adopts_what_the_old_one_may_have_committed() {
    let mut cluster = Cluster::new(3);
    let old = cluster.elect();
    cluster.propose(old, "a");
    cluster.poll(old);
    // The commit index of "b" never leaves the old leader.
    cluster.propose(old, "b");
    cluster.poll(old);
    assert_eq!(cluster.replicas[old].committed(), Slot(2));
    cluster.stopped[old] = true;
    let new = cluster.elect();
    assert_ne!(new, old);
    cluster.propose(new, "c");
    cluster.run(500);
    for at in (0..3).filter(|&at| at != old) {
        assert_eq!(cluster.texts(at), ["a", "b", "c"], "replica {at}");
    }
}

#[test]
fn a_deposed_leader_commits_nothing_and_says_so() {
    let mut cluster = Cluster::new(3);
    let old = cluster.elect();
    cluster.propose(old, "a");
    cluster.run(100);
    cluster.stopped[old] = true;
    let new = cluster.elect();
    cluster.propose(new, "b");
    cluster.run(100);
    // It resumes where it was: it believes to lead and proposes before it looks at anything.
    cluster.stopped[old] = false;
    cluster.propose(old, "x");
    cluster.poll(old);
    assert_ne!(cluster.replicas[old].role(), Role::Leader);
    cluster.run(1_000);
    assert_eq!(cluster.texts(old), ["a", "b"]);
    assert_eq!(cluster.replicas[old].leader(), Some(paxon_fastpath::ReplicaId(new as u8)));
}

#[test]
fn rings_recycle_and_followers_keep_up() {
    let mut cluster = Cluster::new(3);
    let leader = cluster.elect();
    for i in 0..1_000 {
        cluster.propose(leader, &format!("command {i}"));
        cluster.run(10);
    }
    cluster.run(500);
    let expected: Vec<String> = (0..1_000).map(|i| format!("command {i}")).collect();
    for at in 0..3 {
        assert_eq!(cluster.texts(at), expected, "replica {at}");
    }
}

#[test]
fn a_follower_that_slept_through_a_lap_of_the_journal_gets_a_snapshot() {
    let mut cluster = Cluster::new(3);
    let leader = cluster.elect();
    let sleeper = (leader + 1) % 3;
    cluster.stopped[sleeper] = true;
    for i in 0..300 {
        cluster.propose(leader, &format!("{i}"));
        cluster.run(10);
    }
    cluster.stopped[sleeper] = false;
    cluster.run(5_000);
    assert_eq!(cluster.texts(sleeper), cluster.texts(leader));
}

#[test]
fn a_restarted_replica_takes_part_again() {
    let mut cluster = Cluster::new(3);
    let leader = cluster.elect();
    for i in 0..20 {
        cluster.propose(leader, &format!("{i}"));
        cluster.run(10);
    }
    cluster.restart(leader);
    cluster.run(5_000);
    let new = cluster.elect();
    cluster.propose(new, "after");
    cluster.run(5_000);
    for at in 0..3 {
        assert_eq!(cluster.texts(at).len(), 21, "replica {at}");
        assert_eq!(cluster.texts(at).last(), Some(&"after"), "replica {at}");
    }
}

#[test]
fn a_member_that_lost_its_memory_is_readmitted_in_a_new_epoch() {
    let mut cluster = Cluster::new(3);
    let leader = cluster.elect();
    for i in 0..20 {
        cluster.propose(leader, &format!("{i}"));
        cluster.run(10);
    }
    let lost = (leader + 1) % 3;
    cluster.wipe(lost);
    assert_eq!(cluster.replicas[lost].role(), Role::Recovering);
    cluster.run(20_000);
    let leader = cluster.elect();
    assert_eq!(cluster.replicas[lost].role(), Role::Follower);
    assert_eq!(cluster.replicas[leader].configuration().epoch.0, 2);
    // It votes again: with the third replica's memory out of reach, the two of them are a quorum.
    let third = 3 - leader - lost;
    for fabric in &mut cluster.fabrics {
        fabric.cut(third);
    }
    cluster.stopped[third] = true;
    cluster.propose(leader, "after");
    cluster.run(2_000);
    assert_eq!(cluster.texts(lost).last(), Some(&"after"));
}

#[test]
fn a_hole_is_filled_with_a_no_op_and_what_lies_behind_it_is_adopted() {
    let mut cluster = Cluster::new(3);
    let old = cluster.elect();
    cluster.run(100);
    for at in (0..3).filter(|&at| at != old) {
        cluster.fabrics[old].held[at] = true;
    }
    cluster.propose(old, "a");
    cluster.propose(old, "b");
    cluster.poll(old);
    cluster.stopped[old] = true;
    // Of what the old leader sent, only the second record arrives, at one acceptor, and the head is torn.
    let lane = Area::Lane(ReplicaId(old as u8));
    let (from, to) = (&cluster.fabrics[old].memories[old][&lane], &cluster.fabrics[old].memories[(old + 1) % 3][&lane]);
    let second = cluster.config.layout.cell(Seq::first(Epoch::FIRST).plus(1));
    for at in (0..7).chain(second..second + 16) {
        to[at].store(from[at].load(SeqCst), SeqCst);
    }
    to[7].store(1, SeqCst);
    for at in (0..3).filter(|&at| at != old) {
        cluster.fabrics[at].cut(old);
    }
    let new = cluster.elect();
    cluster.propose(new, "c");
    cluster.run(1_000);
    let expected = [(1, "-"), (2, "b"), (3, "c")].map(|(slot, text)| (slot, text.to_owned()));
    for at in (0..3).filter(|&at| at != old) {
        assert_eq!(cluster.hosts[at].log, expected, "replica {at}");
    }
}

#[test]
fn a_candidate_that_meets_a_higher_promise_gives_way_and_stands_again_above_it() {
    let mut cluster = Cluster::new(3);
    let high = Ballot::new(Epoch::FIRST, 40, ReplicaId(2));
    cluster.fabrics[0].memories[1][&Area::Promise][0].store(high.0, SeqCst);
    cluster.fabrics[0].memories[2][&Area::Promise][0].store(high.0, SeqCst);
    let leader = cluster.elect();
    assert!(cluster.replicas[leader].ballot() > high);
}
