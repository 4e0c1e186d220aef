//! Fabric between processes of one host: the acceptors' memory is files of a tmpfs directory that every replica maps.
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
//! its own lane and nobody else's. The memory outlives its process: a peer goes on voting through the memory of a dead
//! replica, and a restarted replica re-attaches to its own, promises and journals intact. The limits follow from tmpfs:
//! a reboot of the host loses the cluster with all its marks, and it starts again empty; whoever deletes the files by hand
//! deletes promises ([`Directory::remove`] refuses while a replica lives). File descriptors are not passed over sockets:
//! all replicas are processes of one user who may open the directory (mode 0700).
//!
//! [`ShmFabric`] executes a chain within [`post`](paxon_fastpath::Fabric::post), by loads, stores and `lock cmpxchg` of the
//! calling thread, without a system call and without allocating. A watcher thread, asleep in `poll`, learns of memory that
//! appears or is replaced (inotify) and of processes that die (pidfd).
//!
//! ```no_run
//! use paxon_fastpath::{Config, QuorumSizes, ReplicaId};
//! use paxon_shm::{Directory, ShmFabric};
//!
//! let config = Config::new(0xC0FFEE, ReplicaId(0), QuorumSizes::majority(3)?);
//! let directory = Directory::open(Directory::default_path(config.cluster), config.cluster, config.layout)?;
//! let fabric = ShmFabric::open(&directory, config.replica, config.scratch_words())?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod acceptor;
mod birth;
mod completions;
mod directory;
mod error;
mod fabric;
mod lock;
mod news;
mod process;
mod watcher;

pub use birth::Birth;
pub use directory::Directory;
pub use error::{DirectoryError, MemoryError, OpenError};
pub use fabric::ShmFabric;
