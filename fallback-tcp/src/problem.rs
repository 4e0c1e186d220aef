//! What ends a connection.

use crate::backend::SendError;
use crate::frame::Violation;
use paxon_channel::CipherError;
use std::io;
use std::time::Duration;

/// Why a connection was or is to be ended, in words for an operator.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    #[error(transparent)]
    Violation(#[from] Violation),
    #[error(transparent)]
    Cipher(#[from] CipherError),
    #[error("the peer has closed the connection")]
    Closed,
    #[error("the connection broke: {0}")]
    Broken(io::Error),
    #[error(
        "nothing was heard for {} ms while {chains} chains were outstanding (a round trip takes {} us)",
        silent.as_millis(),
        round_trip.as_micros()
    )]
    Silent { silent: Duration, chains: usize, round_trip: Duration },
    #[error("the peer does not take what was sent")]
    Unsent,
    #[error("the back end broke")]
    BackEnd,
    #[error("a newer connection of the peer took its place")]
    Replaced,
}

impl From<SendError> for Problem {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Full { .. } => Self::Unsent,
            SendError::Closed => Self::Closed,
        }
    }
}

impl Problem {
    pub(crate) fn closed(reason: Option<io::Error>) -> Self {
        reason.map_or(Self::Closed, Self::Broken)
    }

    /// What the peer did that no peer does, if that is it.
    pub(crate) const fn violation(&self) -> Option<Violation> {
        match self {
            Self::Violation(violation) => Some(*violation),
            Self::Cipher(CipherError::Tls(_)) => Some(Violation::Cipher),
            _ => None,
        }
    }
}
