//! A key-value store that three replicas keep in step, and a client that reaches them over unix sockets.
//!
//! `cargo run --release -p paxon-client --example put_get`

use paxon::machines::{KvCommand, KvReply, KvStore};
use paxon::serve::Server;
use paxon::{LocalCluster, ReplicaId};
use paxon_client::{Client, ClientOptions, Pending, Target};
use std::error::Error;
use std::io::Write;
use std::time::{Duration, Instant};

fn main() -> Result<(), Box<dyn Error>> {
    // The replicas: usually processes of their own, here threads of this one.
    let cluster = LocalCluster::start(3, |_| KvStore::default())?;
    let folder = tempfile::tempdir()?;
    let socket = |id: usize| folder.path().join(format!("replica-{id}.sock"));
    let mut servers = Vec::new();
    for (id, handle) in cluster.handles().iter().enumerate() {
        servers.push(Server::builder(handle).unix(socket(id)).start()?);
    }

    // The client.
    let targets = (0..3).map(|id| Target::unix(ReplicaId(id), socket(usize::from(id))));
    let options = ClientOptions { patience: Duration::from_secs(5), ..ClientOptions::default() };
    let client = Client::builder().targets(targets).options(options).start()?;
    let session = client.open_session().wait()?;

    // Puts follow each other without waiting; each is applied once, in this order.
    let started = Instant::now();
    let puts: Vec<_> = (0..1000).map(|number| session.propose(&put("number", &format!("{number}")))).collect();
    let last = puts.into_iter().map(Pending::wait).collect::<Result<Vec<_>, _>>()?.pop().ok_or("no put")?;
    let elapsed = started.elapsed();

    // A read sees every put that was answered.
    let answer = client.read(b"number").wait()?;
    let Some(KvReply::Value(value)) = KvReply::decode(&answer) else { return Err("no such key".into()) };
    let mut out = std::io::stdout();
    writeln!(out, "1000 puts in {elapsed:?}, the last in {} at {}", last.slot, last.replica)?;
    writeln!(out, "number = {}", String::from_utf8_lossy(value))?;
    Ok(())
}

fn put(key: &str, value: &str) -> Vec<u8> {
    let mut command = Vec::new();
    KvCommand::Put { key: key.as_bytes(), value: value.as_bytes() }.encode(&mut command).expect("a short key");
    command
}
