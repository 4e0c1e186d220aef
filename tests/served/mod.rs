//! Three replicas of this process that are served at unix sockets, and a state machine that remembers what was applied.

#![allow(dead_code, reason = "each test file uses its own part of this")]

use paxon::serve::{ServeOptions, Server};
use paxon::{Handle, LocalCluster, ReplicaId, ReplyBuffer, Slot, SnapshotError, StateMachine};
use paxon_client::{Client, ClientOptions, Target};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Nothing here takes longer on a machine that is not stuck.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// The query that gets an answer of many bytes; any other gets all commands.
pub const LONG_QUERY: &[u8] = b"long";
/// Bytes of that answer.
pub const LONG_ANSWER: usize = 256 << 10;

/// Remembers the first eight bytes of every command, in order. Its reply is how many there were before.
#[derive(Clone, Debug, Default)]
pub struct Witness(Vec<u64>);

impl StateMachine for Witness {
    fn apply(&mut self, _: Slot, command: &[u8], reply: &mut ReplyBuffer) {
        reply.write(&(self.0.len() as u64).to_le_bytes());
        self.0.push(number(command));
    }

    fn snapshot(&self, into: &mut Vec<u8>) {
        into.extend(self.0.iter().flat_map(|number| number.to_le_bytes()));
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        self.0 = numbers(bytes);
        Ok(())
    }

    fn digest(&self) -> u64 {
        self.0.iter().fold(0, |digest, number| digest.rotate_left(7) ^ number)
    }

    fn query(&self, query: &[u8], reply: &mut Vec<u8>) {
        match query {
            LONG_QUERY => reply.resize(LONG_ANSWER, 7),
            _ => self.snapshot(reply),
        }
    }
}

/// The first eight bytes.
pub fn number(bytes: &[u8]) -> u64 {
    bytes.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// What the witness answers to a query.
pub fn numbers(bytes: &[u8]) -> Vec<u64> {
    bytes.chunks_exact(8).map(number).collect()
}

/// Where the replicas are served: all that a client has to know.
#[derive(Clone)]
pub struct Doors(PathBuf);

impl Doors {
    pub fn socket(&self, id: usize) -> PathBuf {
        self.0.join(format!("{id}.sock"))
    }

    pub fn client(&self) -> Client {
        self.client_with(ClientOptions { patience: PATIENCE, ..ClientOptions::default() })
    }

    pub fn client_with(&self, options: ClientOptions) -> Client {
        let targets = (0..3).map(|id| Target::unix(ReplicaId(id), self.socket(usize::from(id))));
        Client::builder().targets(targets).options(options).start().expect("it starts")
    }
}

pub struct Served {
    pub cluster: LocalCluster,
    pub servers: Vec<Option<Server>>,
    pub doors: Doors,
    options: ServeOptions,
    /// Removed on drop.
    _folder: TempDir,
}

impl Served {
    pub fn start(options: ServeOptions) -> Self {
        Self::of(LocalCluster::start(3, |_| Witness::default()).expect("it starts"), options)
    }

    pub fn of(cluster: LocalCluster, options: ServeOptions) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let doors = Doors(folder.path().to_owned());
        let mut served = Self { cluster, servers: vec![None, None, None], doors, options, _folder: folder };
        (0..3).for_each(|id| served.serve(id));
        served.leader();
        served
    }

    /// Serves a replica.
    pub fn serve(&mut self, id: usize) {
        let handle = &self.cluster.handles()[id];
        let server = Server::builder(handle).unix(self.doors.socket(id)).options(self.options).start();
        self.servers[id] = Some(server.expect("it starts"));
    }

    pub fn leader(&self) -> &Handle {
        self.cluster.leader(PATIENCE).expect("somebody leads")
    }

    pub fn leader_id(&self) -> usize {
        self.leader().replica().index()
    }

    /// All commands that were applied, in order.
    pub fn applied(&self) -> Vec<u64> {
        numbers(&self.doors.client().read(b"").wait().expect("an answer"))
    }
}

/// Looks again and again until it is so.
#[track_caller]
pub fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::yield_now();
    }
}
