//! A client that no partition of the network reaches: it measures what the cluster does, not what a client's connections do.

use super::history::History;
use super::{PATIENCE, TcpCluster, members, replica};
use paxon::fastpath::Slot;
use paxon_client::{Client, ClientOptions, Session, Target};
use paxon_history::KvCommand;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// A replica that says nothing for so long is not waited for.
const SILENCE: Duration = Duration::from_millis(100);

/// Commits commands through the replicas' unix sockets.
pub struct Prober {
    session: Session,
    history: History,
    count: AtomicU64,
}

impl Prober {
    pub fn new(cluster: &TcpCluster, history: &History) -> Self {
        let targets =
            members().map(|id| Target::unix(id, cluster.folder.path(&format!("memory/replica-{}.sock", id.0))));
        let options = ClientOptions { patience: PATIENCE, silence: SILENCE, ..ClientOptions::default() };
        Self::with(&Client::builder().targets(targets).options(options).start().expect("it starts"), history)
    }

    /// Commits commands through a client of the caller's making, which no impairment reaches.
    pub fn with(client: &Client, history: &History) -> Self {
        let session = client.open_session().wait().expect("somebody leads");
        Self { session, history: history.clone(), count: AtomicU64::new(0) }
    }

    /// Commits a new command: its slot, and how long that took.
    #[track_caller]
    pub fn commit(&self) -> (Slot, Duration) {
        let began = Instant::now();
        let value = format!("probe {}", self.count.fetch_add(1, Relaxed)).into_bytes();
        let command = KvCommand::Put { key: b"probe".to_vec(), value };
        match self.history.command(&self.session, &command) {
            Ok(slot) => (slot, began.elapsed()),
            Err(error) => panic!("a new command is not committed: {error}"),
        }
    }

    /// Reads everything that was written, so that a lost command shows.
    #[track_caller]
    pub fn read_all(&self) {
        for key in [&b"a"[..], b"b", b"c", b"d", b"probe"] {
            let done = self.history.read(self.client(), 0, key);
            done.unwrap_or_else(|error| panic!("a read is not answered: {error}"));
        }
    }

    /// Whether commands may be sent to a replica.
    pub fn avoid(&self, id: usize, avoid: bool) {
        let client = self.client();
        if avoid { client.avoid(replica(id)) } else { client.allow(replica(id)) }
    }

    fn client(&self) -> &Client {
        self.session.client()
    }
}
