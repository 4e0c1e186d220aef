//! Fabric between processes of one host: the acceptors' memory is files of a tmpfs directory that every replica maps.
//!
//! The files and who may write which: `paxon-acceptor`. File descriptors are not passed over sockets: all replicas are
//! processes of one user who may open the directory (mode 0700).
//!
//! [`ShmFabric`] executes a chain within [`post`](paxon_fastpath::Fabric::post), by loads, stores and `lock cmpxchg` of the
//! calling thread, without a system call and without allocating. A watcher thread, asleep in `poll`, learns of memory that
//! appears or is replaced (inotify) and of processes that die (pidfd).
//!
//! ```no_run
//! use paxon_fastpath::{Config, QuorumSizes, ReplicaId};
//! use paxon_acceptor::Directory;
//! use paxon_shm::ShmFabric;
//!
//! let config = Config::new(0xC0FFEE, ReplicaId(0), QuorumSizes::majority(3)?);
//! let directory = Directory::open(Directory::default_path(config.cluster), config.cluster, config.layout)?;
//! let fabric = ShmFabric::open(&directory, config.replica, config.scratch_words())?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod fabric;
mod news;
mod process;
mod watcher;

pub use fabric::ShmFabric;
pub use paxon_acceptor::{Birth, Directory, DirectoryError, MemoryError, OpenError};
