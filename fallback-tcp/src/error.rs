//! Why a replica cannot join the fabric over TCP.

use crate::backend;
use paxon_acceptor::MemoryError;
use paxon_fastpath::ReplicaId;
use std::io;

/// Why [`TcpFabric::open`](crate::TcpFabric::open) or [`TcpFabric::join`](crate::TcpFabric::join) failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The replica's own memory cannot be had.
    #[error("the replica's own memory cannot be used")]
    Acceptor(#[from] paxon_acceptor::OpenError),
    /// Another fabric over TCP serves the own memory.
    #[error(
        "another fabric serves the memory of {replica} already: drop it first, two could not order a proposer's sessions"
    )]
    Served {
        /// The replica.
        replica: ReplicaId,
    },
    /// The own memory cannot be mapped with the rights of a peer, on whose behalf the server writes.
    #[error("cannot map the own memory with the rights of {peer}")]
    View {
        /// The peer.
        peer: ReplicaId,
        /// Why.
        #[source]
        source: MemoryError,
    },
    /// No back end for sockets.
    #[error("cannot do I/O")]
    Backend(#[from] backend::OpenError),
    /// A thread or the porter could not be started.
    #[error("cannot start {what}")]
    Start {
        /// What was to be started.
        what: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Not a peer of this replica.
    #[error("{peer} is not another member of the cluster of {replicas} replicas")]
    NoPeer {
        /// The id given.
        peer: ReplicaId,
        /// Size of the cluster.
        replicas: usize,
    },
    /// A number is out of its range.
    #[error("{name} is {value}, but has to be between {least} and {most}")]
    Size {
        /// The number.
        name: &'static str,
        /// What it was.
        value: usize,
        /// The least allowed.
        least: usize,
        /// The most allowed.
        most: usize,
    },
}
