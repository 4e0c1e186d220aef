//! Clients that go on asking while the network suffers.

use super::history::History;
use super::{PATIENCE, TcpCluster};
use paxon_client::Client;
use paxon_history::KvCommand;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Pause of a client between two operations: the network is the subject, not the processors that all processes share.
const PACE: Duration = Duration::from_millis(3);
/// Longer than any network here suffers: every command is answered in the end, so that its outcome is known.
const CLIENT_PATIENCE: Duration = Duration::from_secs(200);
/// Keys that the clients fight for.
const KEYS: u64 = 4;

/// Clients over TCP, each a thread with a session of its own, until they are stopped.
pub struct Load {
    threads: Vec<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
    /// Operations answered so far.
    answered: Arc<AtomicU64>,
}

impl Load {
    /// Starts so many clients and waits until each has opened its session.
    pub fn start(cluster: &TcpCluster, history: &History, clients: u64) -> Self {
        Self::with(history, clients, || cluster.client())
    }

    /// The same with clients of the caller's making.
    pub fn with(history: &History, clients: u64, client: impl Fn() -> Client) -> Self {
        let (stop, answered) = <(Arc<AtomicBool>, Arc<AtomicU64>)>::default();
        let start = |number| {
            let client = client().with_patience(CLIENT_PATIENCE);
            let worker = Worker { number, client, history: history.clone() };
            let (stop, answered) = (stop.clone(), answered.clone());
            thread::spawn(move || worker.run(&stop, &answered))
        };
        let load = Self { threads: (0..clients).map(start).collect(), stop, answered };
        load.wait_for(clients);
        load
    }

    /// Operations answered so far.
    pub fn answered(&self) -> u64 {
        self.answered.load(Relaxed)
    }

    /// Waits until so many more operations were answered; how long that took.
    #[track_caller]
    pub fn wait_for(&self, more: u64) -> Duration {
        self.wait_for_within(more, PATIENCE)
    }

    /// The same on a network where that takes long.
    #[track_caller]
    pub fn wait_for_within(&self, more: u64, patience: Duration) -> Duration {
        let (began, target) = (Instant::now(), self.answered() + more);
        while self.answered() < target {
            let alive = self.threads.iter().all(|thread| !thread.is_finished());
            assert!(alive && began.elapsed() < patience, "{} of {target} operations were answered", self.answered());
            thread::park_timeout(PACE);
        }
        began.elapsed()
    }

    /// Ends the clients, each with the answer to what it has asked; the operations answered.
    #[track_caller]
    pub fn stop(self) -> u64 {
        self.stop.store(true, Relaxed);
        for thread in self.threads {
            assert!(thread.join().is_ok(), "a client has failed");
        }
        self.answered.load(Relaxed)
    }
}

struct Worker {
    number: u64,
    client: Client,
    history: History,
}

impl Worker {
    fn run(self, stop: &AtomicBool, answered: &AtomicU64) {
        let Self { number, client, history } = self;
        let session = client.open_session().wait().unwrap_or_else(|error| panic!("client {number}: {error}"));
        for count in 1u64.. {
            if stop.load(Relaxed) {
                return;
            }
            let draw = xxh3_64_with_seed(&count.to_le_bytes(), number);
            let key = vec![b'a' + (draw % KEYS) as u8];
            let done = match command(draw / KEYS, key.clone(), value(number, count), value(number, count - 1)) {
                Some(command) => history.command(&session, &command).map(drop),
                None => history.read(&client, session.id(), &key),
            };
            done.unwrap_or_else(|error| panic!("client {number}, operation {count}: {error}"));
            answered.fetch_add(1, Relaxed);
            thread::park_timeout(PACE);
        }
    }
}

/// A command by lot; `None` for a read.
fn command(draw: u64, key: Vec<u8>, value: Vec<u8>, earlier: Vec<u8>) -> Option<KvCommand> {
    match draw % 8 {
        0..3 => Some(KvCommand::Put { key, value }),
        3 => Some(KvCommand::Cas { key, expected: Some(earlier), value }),
        4 => Some(KvCommand::Cas { key, expected: None, value }),
        5 => Some(KvCommand::Delete { key }),
        _ => None,
    }
}

/// No two commands write the same value.
fn value(client: u64, count: u64) -> Vec<u8> {
    format!("{client}.{count}").into_bytes()
}
