//! Why a connection to a member could not be made.

use crate::greeting::Refusal;
use crate::roster::Security;
use crate::wire::DecodeError;
use paxon_fastpath::ReplicaId;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// Why an attempt to connect failed. Variants name what the reader can do about it.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DialError {
    /// The peer is not a member, or is this process itself.
    #[error("{peer} is not a member that this process can dial")]
    NoMember {
        /// The id dialled.
        peer: ReplicaId,
    },
    /// This process cannot make connections now: no thread, no file descriptor.
    #[error("no connection can be made here: {reason}")]
    Local {
        /// What the system says.
        reason: String,
    },
    /// Nothing has failed yet, the time was too short.
    #[error("{peer} was not reached within {} ms", waited.as_millis())]
    NotYet {
        /// The member dialled.
        peer: ReplicaId,
        /// The time given.
        waited: Duration,
    },
    /// The name has no address.
    #[error("cannot look up {name}: {reason}")]
    Unresolved {
        /// The name.
        name: String,
        /// What the resolver says.
        reason: String,
    },
    /// TCP could not connect, or the connection broke.
    #[error("{address}: {kind}")]
    Network {
        /// The address tried.
        address: SocketAddr,
        /// What the system says.
        kind: io::ErrorKind,
    },
    /// No answer in time.
    #[error("{address}: no answer within {} ms ({stage})", waited.as_millis())]
    TimedOut {
        /// The address tried.
        address: SocketAddr,
        /// How long the attempt lived.
        waited: Duration,
        /// What it waited for.
        stage: &'static str,
    },
    /// The other side ended the connection without a word.
    #[error("{address} ended the connection ({stage})")]
    Closed {
        /// The address tried.
        address: SocketAddr,
        /// What was waited for.
        stage: &'static str,
    },
    /// What listens there has another key than the roster gives the member.
    #[error("what listens at {address} does not have the key that the roster gives {peer}")]
    OtherKey {
        /// The member dialled.
        peer: ReplicaId,
        /// The address tried.
        address: SocketAddr,
    },
    /// The member's key has expired.
    #[error("the key of {peer} has expired: make a new one and put it into the roster of every member")]
    PeerKeyExpired {
        /// The member dialled.
        peer: ReplicaId,
    },
    /// The member does not know our key.
    #[error("{peer} does not have our key in its roster")]
    OurKeyUnknown {
        /// The member dialled.
        peer: ReplicaId,
    },
    /// Our key has expired.
    #[error("{peer} says that our key has expired: make a new one and put it into the roster of every member")]
    OurKeyExpired {
        /// The member dialled.
        peer: ReplicaId,
    },
    /// One side speaks TLS and the other does not.
    #[error("{address} speaks {theirs}, we do not: set the same security at both")]
    Security {
        /// The address tried.
        address: SocketAddr,
        /// What it speaks.
        theirs: Security,
    },
    /// TLS failed otherwise.
    #[error("{address}: TLS: {error}")]
    Tls {
        /// The address tried.
        address: SocketAddr,
        /// What rustls says.
        error: rustls::Error,
    },
    /// The member has refused the hello.
    #[error("{peer} refuses us: {refusal}")]
    Refused {
        /// The member dialled.
        peer: ReplicaId,
        /// Its reason.
        refusal: Refusal,
    },
    /// The answer to the hello is none.
    #[error("{address} does not answer in this protocol: {error}")]
    Garbage {
        /// The address tried.
        address: SocketAddr,
        /// What is wrong with it.
        error: DecodeError,
    },
}

impl DialError {
    /// Whether trying again soon is of use: nobody has to change a configuration first.
    pub const fn is_passing(&self) -> bool {
        match self {
            Self::Refused { refusal, .. } => refusal.is_passing(),
            Self::Unresolved { .. } | Self::Network { .. } | Self::TimedOut { .. } | Self::Closed { .. } => true,
            Self::Local { .. } | Self::NotYet { .. } => true,
            _ => false,
        }
    }

    /// Whether any attempt made now would fail in the same way.
    pub(super) const fn is_for_all_attempts(&self) -> bool {
        match self {
            Self::Refused { refusal, .. } => !matches!(refusal, Refusal::Stale | Refusal::Damaged),
            other => !other.is_passing(),
        }
    }
}
