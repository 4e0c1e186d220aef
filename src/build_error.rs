//! Why a replica could not be built.

use crate::node::NodeError;
use paxon_channel::{IdentityError, RosterError};
use paxon_fastpath::{ConfigError, QuorumError, SessionLimitsError};
use paxon_shm::{DirectoryError, OpenError};
use std::io;

/// Why a replica could not be built or started. Nothing is left running.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The cluster has no name.
    #[error("the cluster has no name; give one with `cluster`, the same at every replica")]
    NoCluster,
    /// Neither a fabric nor the directory of one was given.
    #[error("there is no fabric; name a directory on tmpfs with `shm`")]
    NoFabric,
    /// Sizes of cluster or quorums were refused.
    #[error(transparent)]
    Quorums(#[from] QuorumError),
    /// The engine's configuration was refused.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The limits of the client sessions were refused.
    #[error(transparent)]
    Sessions(#[from] SessionLimitsError),
    /// The client sessions alone could fill the snapshot area, so that a member that falls behind could not be helped.
    #[error(
        "the snapshot area has {bytes} bytes but {sessions_bytes} of client sessions must fit, and the machine's state on top: raise snapshot_bytes or lower the session limits"
    )]
    SnapshotTooSmall {
        /// Bytes of the area.
        bytes: usize,
        /// Bytes that the sessions can take.
        sessions_bytes: usize,
    },
    /// The number of requests under way is out of range.
    #[error("requests is {value}; it must be in 1..={most}")]
    Requests {
        /// What it is.
        value: usize,
        /// The most that is allowed.
        most: usize,
    },
    /// A parking time that would make the replica look dead.
    #[error(
        "the poll policy parks for up to {park_ns} ns, more than the heartbeat interval of {beat_ns} ns: park shorter or beat slower"
    )]
    ParksTooLong {
        /// The parking time.
        park_ns: u64,
        /// The heartbeat interval.
        beat_ns: u64,
    },
    /// The machine has no such core, or this process may not use it.
    #[error("there is no core {core}; this process may use {available:?}")]
    UnknownCore {
        /// The core asked for.
        core: usize,
        /// The cores there are.
        available: Vec<usize>,
    },
    /// Another replica of this process is pinned to the core.
    #[error("core {core} belongs to another replica of this process")]
    CoreTaken {
        /// The core asked for.
        core: usize,
    },
    /// The system refused to pin the thread.
    #[error("the system does not let this thread be pinned to core {core}")]
    NotPinned {
        /// The core asked for.
        core: usize,
    },
    /// The directory of the cluster cannot be used.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The shared memory of the cluster cannot be joined.
    #[error(transparent)]
    Shm(#[from] OpenError),
    /// Some peers are to be reached over a network and nobody said where they are.
    #[error("peers are to be reached over TCP or RDMA, but the network names no members and no addresses")]
    NoAddresses,
    /// The members or clients of the network were refused.
    #[error(transparent)]
    Roster(#[from] RosterError),
    /// This replica cannot be who it is said to be.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// Nobody can connect to this replica.
    #[error("cannot listen at {address}")]
    Listen {
        /// Where.
        address: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The fabric over TCP cannot be joined.
    #[error(transparent)]
    Tcp(#[from] paxon_tcp::OpenError),
    /// The record secret is not the one of the cluster, or is missing.
    #[error(
        "the cluster's record secret has the fingerprint {expected:016x}, this replica {}",
        if *held == 0 { "has none".to_owned() } else { format!("one with {held:016x}") }
    )]
    OtherRecordSecret {
        /// The fingerprint of the cluster's.
        expected: u64,
        /// The fingerprint of the one at hand; 0 without one.
        held: u64,
    },
    /// RDMA was asked for on a network that is not isolated, and records carry no authentication code.
    #[error(
        "whoever can send to an RDMA device can try to write into its memory: give the cluster a record secret (`paxon init --members ... --rdma` makes one), or declare the network isolated"
    )]
    NotIsolated,
    /// RDMA was asked for, and this host cannot serve it.
    #[error("no RDMA on this host: {0} (`paxon doctor rdma` says more; fabric tcp or auto does without)")]
    NoRdma(String),
    /// The fabric over RDMA cannot be joined.
    #[error("the fabric over RDMA cannot be joined")]
    Rdma(#[from] paxon_rdma::JoinError),
    /// A thread of the replica could not be started.
    #[error("a thread of the replica could not be started")]
    Thread(#[source] io::Error),
}

impl From<NodeError> for BuildError {
    fn from(error: NodeError) -> Self {
        match error {
            NodeError::Config(error) => Self::Config(error),
            NodeError::Sessions(error) => Self::Sessions(error),
        }
    }
}
