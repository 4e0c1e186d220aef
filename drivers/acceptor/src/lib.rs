//! The memory of one acceptor: its files, its lock, its lives.
//!
//! ```text
//! /dev/shm/paxon-<cluster>/
//!   replica-0.lock        held by the one live process of replica 0; its text is the pid
//!   born-0                replica 0's memory was created once: if it is gone now, promises were lost
//!   replica-0/            appears by one rename, complete
//!     promise               mapped for writing by everyone, changed by compare-and-exchange
//!     status  snapshot      mapped for writing by replica 0, for reading by the others
//!     lane-0 lane-1 ...     lane-p mapped for writing by replica p only, whoever owns the acceptor
//!   replica-0.lost/       what was found when the memory was last given up, kept for a look
//! ```
//!
//! A file has one set of writers, so that the mappings enforce who may write what: a replica that goes astray can damage
//! its own lane and nobody else's. The memory outlives its process: a peer of the same host goes on voting through the memory
//! of a dead replica, and a restarted replica re-attaches to its own, promises and journals intact. The limits follow from
//! tmpfs: a reboot of the host loses the memory with all its marks; whoever deletes the files by hand deletes promises
//! ([`Directory::remove`] refuses while a replica lives). Fabrics use it: `paxon-shm` maps the memory of all replicas of a
//! host ([`Memory::attach`]), `paxon-tcp` executes on the own one ([`Acceptor`]) what peers ask for,
//! `paxon-rdma` lets a network adapter execute on it ([`AdapterAcceptor`]).

mod adapter;
mod birth;
mod chain;
mod completions;
mod copy;
mod directory;
mod error;
mod lock;
mod memory;
mod own;
mod serving;

pub use adapter::AdapterAcceptor;
pub use birth::Birth;
pub use chain::execute_chain;
pub use completions::{CHAINS_MAX, Completions};
pub use copy::{between_operations, copy_words};
pub use directory::Directory;
pub use error::{DirectoryError, MemoryError, OpenError};
pub use lock::holder;
pub use memory::{Memory, incarnation};
pub use own::Acceptor;
pub use serving::Serving;
