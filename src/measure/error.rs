//! Why a measurement failed.

use super::options::OptionsError;
use super::run::PATIENCE;
use crate::build_error::BuildError;
use paxon_region::RegionError;
use std::io;
use std::process::ExitStatus;

/// Why a measurement failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MeasureError {
    /// This cannot be measured.
    #[error(transparent)]
    Options(#[from] OptionsError),
    /// The replica could not be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// Memory could not be mapped.
    #[error(transparent)]
    Region(#[from] RegionError),
    /// A socket of the floor failed.
    #[error("the sockets of the floor: {0}")]
    Socket(#[from] io::Error),
    /// A follower could not be started.
    #[error("cannot start a follower: {0}")]
    Spawn(#[source] io::Error),
    /// A follower ended before the measurement did; what it said tells why.
    #[error("follower {replica} ended too early: {status}")]
    FollowerEnded {
        /// The follower.
        replica: u8,
        /// How it ended.
        status: ExitStatus,
    },
    /// A link of the leader went down while it was measured.
    #[error("the link to replica {replica} was lost while it was measured")]
    LinkLost {
        /// The follower.
        replica: u8,
    },
    /// Something did not happen in time.
    #[error("waited {} s for {what}", PATIENCE.as_secs())]
    TimedOut {
        /// What was waited for.
        what: &'static str,
    },
    /// The caller did not want to go on.
    #[error("interrupted")]
    Interrupted,
    /// Leadership was lost: another process took the followers' or the leader's core for seconds.
    #[error("the measuring replica lost its leadership; is the machine overloaded?")]
    Deposed,
    /// An authentic command of the measurement was refused.
    #[error("an authentic command was refused")]
    Refused,
    /// Anything else that the measurement stands on.
    #[error(transparent)]
    Other(Box<dyn std::error::Error + Send + Sync>),
    /// A follower ended with another state than the leader.
    #[error("replica {replica} ended with digest {found:016x}, the leader with {expected:016x}")]
    Diverged {
        /// The follower.
        replica: u8,
        /// Its digest.
        found: u64,
        /// The leader's digest.
        expected: u64,
    },
}

impl MeasureError {
    pub(super) fn other(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Other(Box::new(error))
    }
}
