//! How a pool is set up, and why it may not start.

use crate::Limits;
use std::io;
use std::time::Duration;

/// How a pool is set up.
#[derive(Clone, Debug, Default)]
pub struct PoolOptions {
    /// Worker threads. 0 counts as 1.
    pub workers: usize,
    /// Cores by number: worker `i` is pinned to `cores[i % cores.len()]`. Empty: no worker is pinned.
    pub cores: Vec<usize>,
    /// What bounds it. Each request of the capacity costs its slot: longest key, signature and message, 4 KiB and more.
    pub limits: Limits,
    /// What a worker does while there is no work.
    pub idle: Idle,
}

/// What a worker does while there is no work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idle {
    /// It looks again at once, and keeps its core busy for ever.
    Spin,
    /// It looks again at once for that long, then sleeps until there is work: an idle pool costs nothing. Waking it takes the
    /// kernel tens of microseconds.
    Park {
        /// For how long it keeps looking.
        after: Duration,
    },
}

impl Default for Idle {
    /// About as long as a thread takes to wake.
    fn default() -> Self {
        Self::Park { after: Duration::from_micros(50) }
    }
}

/// Why a pool did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The operating system starts no more threads.
    #[error(
        "worker {worker} of the verifier could not be started: {source}; ask for fewer workers or raise the limit of threads"
    )]
    Spawn {
        /// Which, from 0.
        worker: usize,
        /// What the operating system says.
        source: io::Error,
    },
    /// A core does not exist, or this process may not run there.
    #[error("worker {worker} of the verifier cannot run on core {core}; this process may run on {allowed:?}")]
    Pin {
        /// Which, from 0.
        worker: usize,
        /// Where it was to run.
        core: usize,
        /// Where it could.
        allowed: Vec<usize>,
    },
}
