//! Multi-Paxos at the speed of memory, as a library.
//!
//! Paxon keeps a deterministic state machine in step on several replicas. The leader writes its records straight into the
//! memory of the others, so no other processor takes part in a commit; see the crate `paxon-fastpath` for the protocol.
//!
//! There are two ways to run a replica. A [`Node`] is driven by a thread of the caller's: `propose` and `poll`, with
//! nothing in between. A [`Handle`] belongs to a replica that runs in a thread of its own: any thread may propose, wait
//! for or await replies, read, and follow who leads.
//!
//! ```
//! use paxon::machines::Counter;
//! use paxon::{LocalCluster, Paxon};
//! use std::time::Duration;
//!
//! // Three replicas in this process; `Paxon::builder()` starts a single one.
//! let cluster = LocalCluster::start(3, |_| Counter::default())?;
//! let leader = cluster.leader(Duration::from_secs(10)).expect("a leader is elected");
//! let reply = leader.propose(&5u64.to_le_bytes())?.wait()?;
//! assert_eq!(*reply, 5u64.to_le_bytes());
//! # let _ = Paxon::builder();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod build_error;
mod builder;
mod clock;
mod cores;
mod engine;
mod failure;
mod handle;
mod local_cluster;
pub mod machines;
pub mod measure;
mod network;
mod node;
mod pair_fabric;
mod poll_policy;
mod router;
mod seats;
pub mod serve;
mod session;
mod shared;
pub mod signed;
mod stages;
mod status;
mod ticket;

pub use build_error::BuildError;
pub use builder::ReplicaBuilder;
pub use clock::Clock;
pub use failure::{Failure, ProposeError};
pub use handle::Handle;
pub use local_cluster::LocalCluster;
pub use network::{
    FabricChoice, HostFabric, Joined, Network, RdmaLink, RdmaOptions, RdmaStatus, Route, VerbsFabric, Way,
};
pub use node::{Node, NodeError};
pub use pair_fabric::{OnProcessors, PairFabric};
pub use paxon_acceptor::Birth;
pub use paxon_channel as channel;
pub use paxon_fastpath as fastpath;
pub use paxon_fastpath::{
    Answer, Ballot, Command, Nanos, Outcome, Outcomes, ReplicaId, Reply as ReplyBuffer, SessionLimits, Slot,
    SnapshotError, Stage, StateMachine, Timing, Unheard,
};
pub use paxon_shm::ShmFabric;
pub use paxon_tcp::backend::IoKind as TcpIo;
pub use paxon_tcp::{FabricStatus, StatusView as TcpStatus, TcpOptions};
pub use poll_policy::PollPolicy;
pub use session::{Session, SessionError};
pub use stages::StageLatencies;
pub use status::{Leadership, LeadershipEvent, PeerStatus, ReplicaStatus};
pub use ticket::{Reply, Ticket};

/// The way in.
#[derive(Clone, Copy, Debug)]
pub struct Paxon;

impl Paxon {
    /// Starts the description of a replica.
    pub fn builder() -> ReplicaBuilder {
        ReplicaBuilder::default()
    }
}
