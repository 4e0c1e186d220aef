//! One-sided operations over libibverbs: WRITE, READ and compare-and-exchange on registered memory of other hosts.
//!
//! libibverbs is opened at run time. A machine without it, or without a device, gets an error that says so, and the program
//! goes on with another fabric.
//!
//! ```text
//! Device ── ProtectionDomain ── MemoryRegion        what peers may reach, by rights of their own
//!    │             └──────────── QueuePair          a connection: chains in, executed in order by the peer's device
//!    └───── CompletionQueue ────────┘               how they ended
//! ```
//!
//! Each handle owns what it needs, so that nothing is destroyed under it. Two queue pairs exchange their [`Endpoint`]s and
//! [`RegionClaim`]s over a channel that is not part of this module, and [`QueuePair::connect`].
//!
//! ```no_run
//! use paxon_rdma::*;
//! use std::{sync::Arc, time::Duration};
//!
//! let device = Device::open(&Device::names()?[0])?;
//! let domain = ProtectionDomain::create(&device)?;
//! let completions = CompletionQueue::create(&device, 512)?;
//! let source = Source::find(&device, None)?;
//! let mut queue_pair = QueuePair::create(&domain, &completions, &source, QueuePairOptions::default())?;
//! let memory = Arc::new(paxon_region::Region::anonymous(1024)?);
//! let all = PeerAccess { read: true, write: true, atomic: true };
//! let memory = MemoryRegion::register(&domain, memory, all)?;
//!
//! // A loopback: the queue pair is its own peer.
//! queue_pair.connect(&queue_pair.endpoint(), Timing::for_detection(Duration::from_millis(100)))?;
//! let there = RemoteRegion::of(memory.claim(), 1024)?;
//! memory.words()[0].store(7, std::sync::atomic::Ordering::Relaxed);
//! queue_pair
//!     .chain(1)
//!     .write(memory.span(0, 16), there.span(512, 16))
//!     .compare_exchange(there.span(1000, 1), 0, 42, memory.span(1001, 1))
//!     .post()?;
//! let mut batch = [WorkCompletion::default(); 16];
//! while completions.poll(&mut batch)? == 0 {}
//! queue_pair.retire(&batch[0]).expect("WRITE and exchange succeed");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Limits
//! Linux on 64-bit little-endian processors with rdma-core 33 or newer. One fabric
//! hears a device's events, so each opens the device for itself. InfiniBand is addressed within one subnet. No InfiniBand and no
//! hardware of any kind was at hand when this was written: README.md says what ran where.

mod chain;
mod completion;
mod connect;
mod create_error;
mod device;
pub mod doctor;
mod event;
mod fabric;
mod ffi;
mod gid;
mod library;
mod memory_region;
mod port;
mod protection_domain;
mod queue_pair;
mod source;
mod system;
mod timing;

pub use chain::Chain;
pub use completion::{CompletionQueue, PollError, Status, WorkCompletion};
pub use connect::{ConnectError, Endpoint};
pub use create_error::CreateError;
pub use device::{AtomicScope, Device, DeviceError, Limits};
pub use event::DeviceEvent;
pub use fabric::{ControlChannel, FabricOptions, JoinError, LocalExchange, MESSAGE_BYTES_MAX, Mailbox, RdmaFabric};
pub use gid::{Gid, GidEntry, GidKind};
pub use library::LibraryError;
pub use memory_region::{
    ClaimError, LocalSpan, MemoryRegion, PeerAccess, RegionClaim, RegisterError, RemoteRegion, RemoteSpan,
};
pub use port::{Address, LinkLayer, Mtu, Port};
pub use protection_domain::ProtectionDomain;
pub use queue_pair::{CHAIN_REQUESTS_MAX, PostError, QueuePair, QueuePairOptions};
pub use source::{Source, SourceError};
pub use timing::Timing;

const _: () = assert!(cfg!(target_os = "linux") && usize::BITS == 64 && cfg!(target_endian = "little"));
