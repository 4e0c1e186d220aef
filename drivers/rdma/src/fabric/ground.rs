//! What all connections of a replica stand on.

use crate::completion::{CompletionQueue, PollError};
use crate::connect::ConnectError;
use crate::create_error::CreateError;
use crate::device::{Device, DeviceError};
use crate::memory_region::{ClaimError, RegisterError};
use crate::queue_pair::QueuePairOptions;
use crate::source::Source;
use crate::timing::Timing;
use paxon_acceptor::AdapterAcceptor;
use paxon_region::{Region, RegionError};
use std::io;
use std::sync::Arc;

/// How a fabric is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FabricOptions {
    /// The cluster.
    pub cluster: u64,
    /// Words of scratch for the reads from each peer ([`Config::scratch_words`](paxon_fastpath::Config::scratch_words)).
    pub scratch_words: usize,
    /// How long a silent peer is asked.
    pub timing: Timing,
    /// How the queue pairs that chains are posted to are made.
    pub queue_pair: QueuePairOptions,
}

/// Why a connection was not set up; it is tried again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SetupError {
    #[error(transparent)]
    Create(#[from] CreateError),
    #[error(transparent)]
    Register(#[from] RegisterError),
    #[error(transparent)]
    Claim(#[from] ClaimError),
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Poll(#[from] PollError),
    #[error("the peer tells of {0} areas")]
    Areas(usize),
    #[error("cannot make unused memory")]
    Region(#[from] RegionError),
    #[error("no random numbers")]
    Random(#[from] io::Error),
    #[error(transparent)]
    Device(#[from] DeviceError),
    #[error("port {0} is down")]
    PortDown(u8),
}

/// The parts of the own host that connections are made from. The device is one for all: it exchanges the own PROMISE.
#[derive(Debug)]
pub(crate) struct Ground {
    pub(crate) own: Arc<AdapterAcceptor>,
    pub(crate) device: Arc<Device>,
    pub(crate) source: Source,
    pub(crate) options: FabricOptions,
    /// Where the chains of all links end.
    pub(crate) completions: Arc<CompletionQueue>,
    /// Where reads land, and what exchanges find; indexed by replica.
    pub(crate) scratch: Vec<Arc<Region>>,
}
