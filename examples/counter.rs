//! A replicated counter: three replicas, two hundred increments, one restart, and every replica counts the same.

use paxon::machines::Counter;
use paxon::{LocalCluster, ReplicaId, Session};
use std::io::Write;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(10);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut out = std::io::stdout();
    let mut cluster = LocalCluster::start(3, |_| Counter::default())?;
    let leader = cluster.leader(PATIENCE).ok_or("no leader was elected")?.replica();
    writeln!(out, "{leader} leads")?;

    // A session's commands are applied exactly once, whatever happens to leaders and replies.
    let mut session = Session::open(cluster.handles())?;
    for _ in 0..100 {
        session.propose(&1u64.to_le_bytes())?;
    }
    cluster.restart(leader, Counter::default())?;
    let next = cluster.leader(PATIENCE).ok_or("no leader was elected")?.replica();
    writeln!(out, "{leader} was restarted, now {next} leads")?;

    let mut session = Session::resume(cluster.handles(), session.id(), session.next_sequence());
    let mut last = session.propose(&1u64.to_le_bytes())?;
    for _ in 1..100 {
        last = session.propose(&1u64.to_le_bytes())?;
    }
    let counted = u64::from_le_bytes(last[..].try_into()?);
    writeln!(out, "the counter stands at {counted} in {}", last.slot())?;
    assert_eq!(counted, 200, "each increment counts once");

    let digests = cluster.digests(last.slot(), PATIENCE)?;
    for (id, (slot, digest)) in ReplicaId::all(3).zip(&digests) {
        writeln!(out, "{id} has applied {slot}, digest {digest:016x}")?;
    }
    assert!(digests.iter().all(|(_, digest)| *digest == digests[0].1), "the replicas differ");
    Ok(())
}
