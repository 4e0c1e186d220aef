//! Clusters whose records carry message authentication codes: they do all that others do, and believe no stranger.

mod support;

use paxon_fastpath::{
    Area, Flags, Head, Header, LINE_WORDS, RecordSecret, ReplicaId, Seal, Sealing, Seq, Slot, Submission,
};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use support::Cluster;

const SECRET: Sealing = Sealing::Mac(RecordSecret::new([0x5e; 32]));

fn cluster() -> Cluster {
    Cluster::with(3, |config| config.sealing = SECRET)
}

fn seal(cluster: &Cluster, lane: usize) -> Seal {
    cluster.config.sealing.lane(cluster.config.cluster, ReplicaId(lane as u8))
}

/// Every record that is one, newest last.
fn records(cluster: &Cluster, seal: &Seal, lane: &[AtomicU64]) -> Vec<Header> {
    let start = |cell| cluster.config.layout.cell(Seq(cell as u64));
    let mut found: Vec<_> =
        (0..cluster.config.layout.cells).filter_map(|cell| seal.open_at(lane, start(cell))).collect();
    found.sort_by_key(|record| record.seq);
    found
}

/// What a stranger without the secret writes at `victim`: two records that follow the leader's last one, with right checksums,
/// and a head that calls both committed.
fn forge(cluster: &Cluster, leader: usize, victim: usize) {
    let (id, layout) = (ReplicaId(leader as u8), cluster.config.layout);
    let lane = &cluster.fabrics[0].memories[victim][&Area::Lane(id)];
    let last = records(cluster, &seal(cluster, leader), lane).pop().expect("a record");
    let plain = Sealing::Checksum.lane(cluster.config.cluster, id);
    for ahead in 1..=2 {
        let (seq, slot) = (last.seq.plus(ahead), Slot(last.slot.0 + ahead));
        let payload = [u64::from_le_bytes(*b"forged!\0")];
        let payload_hash = plain.payload_hash(Flags::default(), &payload);
        let header = Header { seq, slot, commit_lag: 1, payload_bytes: 7, payload_hash, ..last };
        let start = layout.cell(seq);
        lane[start + LINE_WORDS].store(payload[0], SeqCst);
        plain.close(&header, &payload, lane, start);
    }
    let head = Head { ballot: last.ballot, commit: Slot(last.slot.0 + 2), live: Seq(1), ..Head::default() };
    lane.iter().zip(plain.close_head(&head)).for_each(|(word, value)| word.store(value, SeqCst));
}

#[test]
fn commits_takeover_restart_and_lost_memory_work_as_with_checksums() {
    let mut cluster = cluster();
    let old = cluster.elect();
    cluster.propose(old, "a");
    cluster.poll(old);
    let large = [7; 20];
    let batch = Submission::Batch { commands: 1, words: &large, bytes: large.len() * 8 };
    cluster.replicas[old].propose(&mut cluster.fabrics[old], batch).expect("room");
    cluster.poll(old);
    // The commit index of "b" never leaves the old leader.
    cluster.propose(old, "b");
    cluster.poll(old);
    assert_eq!(cluster.replicas[old].committed(), Slot(3));
    cluster.stopped[old] = true;
    let new = cluster.elect();
    cluster.propose(new, "c");
    cluster.run(500);
    cluster.restart(old);
    cluster.run(5_000);
    let third = 3 - old - new;
    cluster.wipe(third);
    cluster.run(20_000);
    let leader = cluster.leader().expect("a leader");
    cluster.propose(leader, "d");
    cluster.run(5_000);
    for at in 0..3 {
        assert_eq!(cluster.replicas[at].applied(), cluster.replicas[leader].applied(), "replica {at}");
        assert_eq!(cluster.texts(at).last(), Some(&"d"), "replica {at}");
    }
}

#[test]
fn a_journal_many_times_round_is_read_back_after_a_restart_of_everybody() {
    let mut cluster = cluster();
    let leader = cluster.elect();
    for number in 0..300 {
        cluster.propose(leader, &number.to_string());
        cluster.run(50);
    }
    let before = cluster.replicas[leader].ballot();
    let own = &cluster.fabrics[leader].memories[leader][&Area::Lane(ReplicaId(leader as u8))];
    assert!(records(&cluster, &seal(&cluster, leader), own).len() >= cluster.config.layout.cells - 1);
    cluster.restart(leader);
    cluster.run(10_000);
    let next = cluster.elect();
    cluster.propose(next, "after");
    cluster.run(1_000);
    assert!(cluster.replicas[next].ballot() > before);
    assert_eq!(cluster.texts(next).last(), Some(&"after"));
}

#[test]
fn what_a_stranger_writes_is_applied_by_nobody_and_adopted_by_nobody() {
    let mut cluster = cluster();
    let leader = cluster.elect();
    cluster.propose(leader, "a");
    cluster.run(500);
    let victim = (leader + 1) % 3;
    forge(&cluster, leader, victim);
    cluster.run(1_000);
    assert_eq!(cluster.texts(victim), ["a"], "two more records and a commit index were forged");
    // The victim leads next, and so reads its own memory for votes.
    cluster.stopped[leader] = true;
    let next = cluster.elect();
    cluster.propose(next, "b");
    cluster.run(1_000);
    for at in (0..3).filter(|&at| at != leader) {
        assert_eq!(cluster.texts(at), ["a", "b"], "replica {at}");
    }
}

#[test]
fn with_checksums_the_same_stranger_is_believed() {
    let mut cluster = Cluster::new(3);
    let leader = cluster.elect();
    cluster.propose(leader, "a");
    cluster.run(500);
    let victim = (leader + 1) % 3;
    forge(&cluster, leader, victim);
    cluster.run(1_000);
    assert_eq!(cluster.texts(victim), ["a", "forged!", "forged!"], "this is what the secret is for");
}

#[test]
fn replicas_with_other_secrets_say_so_in_their_memory() {
    let other = Sealing::Mac(RecordSecret::new([0x5f; 32]));
    let marks = [SECRET, other, Sealing::Checksum].map(|sealing| sealing.mark(7));
    assert!(marks[0] != marks[1] && marks[1] != marks[2] && marks[0] != marks[2], "{marks:?}");
    let cluster = cluster();
    let words = &cluster.fabrics[0].memories[1][&Area::Status];
    let line: Vec<u64> = words[..LINE_WORDS].iter().map(|word| word.load(SeqCst)).collect();
    let identity =
        paxon_fastpath::Identity::decode(line.first_chunk().expect("a line")).expect("the identity of a member");
    assert_eq!(identity.seal, marks[0]);
    let expected = paxon_fastpath::Identity { seal: marks[1], ..identity };
    let refused = identity.expect(&expected).expect_err("another secret");
    assert!(refused.to_string().contains("the same record secret"), "{refused}");
}
