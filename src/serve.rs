//! Serves a replica to clients in other processes and on other hosts.
//!
//! Whatever the state machine is: its commands and queries are bytes here. The protocol is that of [`paxon_client`], whose
//! [`paxon_client::Client`] finds the leader and has commands applied exactly once.
//!
//! ```
//! use paxon::machines::Counter;
//! use paxon::serve::Server;
//! use paxon::LocalCluster;
//! use paxon_client::{Client, Target};
//! use std::time::Duration;
//!
//! let cluster = LocalCluster::start(3, |_| Counter::default())?;
//! # let folder = tempfile::tempdir()?;
//! # let folder = folder.path();
//! let socket = |id| folder.join(format!("replica-{id}.sock"));
//! let mut servers = Vec::new();
//! for (id, handle) in cluster.handles().iter().enumerate() {
//!     servers.push(Server::builder(handle).unix(socket(id)).start()?); // serves until it is dropped
//! }
//!
//! // In the client's process:
//! let targets = (0..3).map(|id| Target::unix(paxon::ReplicaId(id), socket(id.into())));
//! let session = Client::builder().targets(targets).start()?.open_session().wait()?;
//! let reply = session.propose(&5u64.to_le_bytes()).wait()?;
//! assert_eq!(*reply, 5u64.to_le_bytes());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Threads and bounds
//! One thread serves all connections over the replica's [`Handle`]. It sleeps in `epoll` until a socket or the engine has
//! something for it. Everything that clients can make it hold is bounded by [`ServeOptions`], everything that they can make
//! it wait for too; connections take turns, a few dozen requests each. What does not fit is refused in words, with the time
//! to come again; see [`ServeCounters`] for what is counted.
//!
//! # Who may connect
//! Over the unix socket whoever may open the file: it is made for its owner alone, so put it into a directory of that owner.
//! Over TCP the clients that the roster of `paxon-channel` knows, whose porter hands their connections to
//! [`Server::inlet`]. What a client may ask for does not depend on who it is.

mod answering;
mod asking;
mod bell;
mod connection;
mod counters;
mod desk;
mod gate;
mod guests;
mod options;
mod order;
mod refusing;
mod report;
mod rounds;
mod timeline;

pub use counters::ServeCounters;
pub use gate::Inlet;
pub use options::ServeOptions;
pub use report::{BallotReport, Bytes, Event, MemberReport, Moment, SpanReport, StagesReport, StatusReport};
pub use timeline::monotonic_ns;

use crate::handle::Handle;
use bell::Bell;
use counters::Counting;
use gate::Gate;
use mio::{Poll, Waker};
use rounds::{BELL, Ingredients, Rounds};
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

/// What a process adds to the status of its replica.
type Details = Box<dyn Fn() -> serde_json::Map<String, serde_json::Value> + Send>;

/// Puts a server together.
pub struct ServerBuilder {
    handle: Handle,
    socket: Option<PathBuf>,
    options: ServeOptions,
    addresses: Vec<String>,
    details: Details,
}

impl fmt::Debug for ServerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { handle, socket, options, addresses, .. } = self;
        f.debug_struct("ServerBuilder")
            .field("handle", handle)
            .field("socket", socket)
            .field("options", options)
            .field("addresses", addresses)
            .finish_non_exhaustive()
    }
}

impl ServerBuilder {
    /// Listens at a unix socket, for the owner of the process only. A socket that is there already is replaced: the caller is
    /// the one live process of its replica. It stays there when the server ends; whoever removes it does so before another
    /// process of the replica can have made its own.
    #[must_use]
    pub fn unix(mut self, socket: impl Into<PathBuf>) -> Self {
        self.socket = Some(socket.into());
        self
    }

    /// Sets bounds and times.
    #[must_use]
    pub const fn options(mut self, options: ServeOptions) -> Self {
        self.options = options;
        self
    }

    /// Says where the replicas serve clients, in the order of their ids, for those who ask the wrong one.
    #[must_use]
    pub fn addresses(mut self, addresses: impl IntoIterator<Item = String>) -> Self {
        self.addresses = addresses.into_iter().collect();
        self
    }

    /// Adds to the document that a client gets who asks for the status. Called on the server's thread, for every such request.
    #[must_use]
    pub fn details(
        mut self,
        details: impl Fn() -> serde_json::Map<String, serde_json::Value> + Send + 'static,
    ) -> Self {
        self.details = Box::new(details);
        self
    }

    /// Starts the server's thread.
    ///
    /// # Errors
    /// What the system says to the socket, to `epoll` or to the thread.
    pub fn start(self) -> io::Result<Server> {
        let Self { handle, socket, options, addresses, details } = self;
        let poll = Poll::new()?;
        let bell = Arc::new(Bell::new(options.in_flight_max, Waker::new(poll.registry(), BELL)?));
        let counting = Arc::new(Counting::default());
        let (inlet, handovers) = Inlet::new(options.connections_max, bell.clone(), counting.clone());
        let gate = socket.as_deref().map(Gate::open).transpose()?;
        let rounds = Rounds::new(Ingredients {
            handle,
            options,
            addresses,
            details,
            poll,
            bell: bell.clone(),
            gate,
            handovers,
            counting: counting.clone(),
        })?;
        let thread = thread::Builder::new().name("paxon-serve".into()).spawn(|| rounds.run())?;
        Ok(Server { inlet, bell, counting, thread: Some(thread) })
    }
}

/// Serves clients until it is dropped; their connections end then.
#[derive(Debug)]
pub struct Server {
    inlet: Inlet,
    bell: Arc<Bell>,
    counting: Arc<Counting>,
    /// Present until dropped.
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Describes a server of this replica.
    pub fn builder(handle: &Handle) -> ServerBuilder {
        ServerBuilder {
            handle: handle.clone(),
            socket: None,
            options: ServeOptions::default(),
            addresses: Vec::new(),
            details: Box::new(serde_json::Map::new),
        }
    }

    /// Where connections of known clients are handed over.
    pub fn inlet(&self) -> Inlet {
        self.inlet.clone()
    }

    /// What the server has seen so far.
    pub fn counters(&self) -> ServeCounters {
        self.counting.read()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.bell.stop();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            log::error!("the thread that serves clients has panicked");
        }
    }
}
