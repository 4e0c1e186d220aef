//! Why a request got no answer.

use crate::wire::Code;
use paxon_fastpath::ReplicaId;
use std::time::Duration;

/// Why a client could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// There is nobody to ask.
    #[error("no replica to ask: give at least one target")]
    NoTarget,
    /// Two targets are the same replica.
    #[error("{replica} is there twice: give each replica one target")]
    TargetTwice {
        /// The replica.
        replica: ReplicaId,
    },
    /// A target over TCP, and nothing to prove who this client is.
    #[error("{replica} is to be reached over TCP: that needs an identity")]
    NoIdentity {
        /// The first such target.
        replica: ReplicaId,
    },
    /// The system refused a thread or a descriptor.
    #[error("cannot start the client")]
    System(#[from] std::io::Error),
}

/// Why a request got no answer. What is said of commands holds for those of a session unless it says otherwise.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// No answer in time. A command that was sent may be or become applied: proposed again under its number, it tells.
    #[error("no answer within {patience:?}; the last problem: {last_problem}")]
    TimedOut {
        /// How long the request was tried.
        patience: Duration,
        /// What went wrong last, with the replica.
        last_problem: String,
    },
    /// The session was evicted by newer ones. Whether the command was applied cannot be learned any more.
    #[error("the session has expired")]
    SessionExpired,
    /// The command's number fell out of the session's window: whether it was applied is forgotten.
    #[error("the command's number is older than the session's window")]
    TooOld,
    /// The command or query is over the limit of the cluster. It was not executed.
    #[error("{bytes} bytes; the limit is {most}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        most: usize,
    },
    /// A command was applied, or a query answered, and the reply is over a limit of the cluster.
    #[error("executed, but {0}")]
    ReplyTooLarge(String),
    /// Only of commands without a session: the replica or the connection was lost under way. It may be applied; look before
    /// you repeat.
    #[error("the outcome is unknown, the command may have been applied: {problem}")]
    Unknown {
        /// What happened.
        problem: String,
    },
    /// Only of requests to one replica: it is not to be reached.
    #[error("replica {}: {problem}", replica.0)]
    Unreachable {
        /// The replica.
        replica: ReplicaId,
        /// What happened.
        problem: String,
    },
    /// A replica refused for a reason that asking again does not change.
    #[error("replica {}: {message}", replica.0)]
    Refused {
        /// The replica.
        replica: ReplicaId,
        /// The reason.
        code: Code,
        /// The reason for people.
        message: String,
    },
    /// As many requests wait at this client as it holds. Nothing was sent.
    #[error("{requests} requests with {bytes} bytes wait at this client already; take some answers first")]
    QueueFull {
        /// Requests that wait.
        requests: usize,
        /// Bytes of their payloads.
        bytes: usize,
    },
    /// The cluster has no such replica, as far as the client was told.
    #[error("the client was not told of a replica {}", replica.0)]
    NoSuchReplica {
        /// The replica.
        replica: ReplicaId,
    },
    /// Something in this client has panicked: it answers nothing any more.
    #[error("the client has failed and answers nothing any more")]
    Failed,
}
