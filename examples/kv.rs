//! A replicated key-value store: writes, a compare-and-swap race that one client wins, linearizable and local reads.

use paxon::machines::{KvCommand, KvReply, KvStore};
use paxon::{Handle, LocalCluster, Session, Slot};
use std::error::Error;
use std::io::Write;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(10);

/// Has a command applied once; returns the slot and whether it was done.
fn execute(session: &mut Session, command: KvCommand<'_>) -> Result<(Slot, bool), Box<dyn Error>> {
    let mut bytes = Vec::new();
    command.encode(&mut bytes)?;
    let reply = session.propose(&bytes)?;
    Ok((reply.slot(), KvReply::decode(&reply).ok_or("not a reply of the store")? == KvReply::Done))
}

fn text(reply: &[u8]) -> String {
    match KvReply::decode(reply) {
        Some(KvReply::Value(value)) => String::from_utf8_lossy(value).into_owned(),
        other => format!("{other:?}"),
    }
}

/// Each client wants the lock for itself. Returns the last slot and whether this one got it.
fn race(handles: &[Handle], name: &str) -> Result<(Slot, bool), Box<dyn Error>> {
    let mut session = Session::open(handles)?;
    execute(&mut session, KvCommand::Cas { key: b"lock", expected: None, value: name.as_bytes() })
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = std::io::stdout();
    let cluster = LocalCluster::start(3, |_| KvStore::default())?;
    cluster.leader(PATIENCE).ok_or("no leader was elected")?;

    let mut session = Session::open(cluster.handles())?;
    for (key, value) in [("planet", "earth"), ("moon", "luna"), ("comet", "halley")] {
        execute(&mut session, KvCommand::Put { key: key.as_bytes(), value: value.as_bytes() })?;
    }
    let (_, deleted) = execute(&mut session, KvCommand::Delete { key: b"comet" })?;
    writeln!(out, "three keys put, comet deleted: {deleted}")?;

    let handles = cluster.handles();
    let results: Vec<(Slot, bool)> = std::thread::scope(|scope| {
        let clients =
            ["ann", "bob", "cid"].map(|name| scope.spawn(move || race(handles, name).map_err(|e| e.to_string())));
        clients
            .into_iter()
            .map(|client| client.join().map_err(|_| "a client panicked")?.map_err(Box::from))
            .collect::<Result<_, Box<dyn Error>>>()
    })?;
    let winners = results.iter().filter(|(_, won)| *won).count();
    assert_eq!(winners, 1, "a lock has one owner");

    let leader = cluster.leader(PATIENCE).ok_or("no leader was elected")?;
    let owner = leader.read(b"lock")?.wait()?;
    writeln!(out, "three clients raced for the lock, {} has it (read at {})", text(&owner), owner.slot())?;
    for handle in handles {
        let planet = handle.read_local(b"planet", owner.slot())?.wait()?;
        writeln!(out, "{} knows that planet is {} (at {})", handle.replica(), text(&planet), planet.slot())?;
        assert_eq!(text(&planet), "earth");
    }
    let digests = cluster.digests(owner.slot(), PATIENCE)?;
    assert!(digests.iter().all(|(_, digest)| *digest == digests[0].1), "the replicas differ");
    writeln!(out, "all three stores have digest {:016x}", digests[0].1)?;
    Ok(())
}
