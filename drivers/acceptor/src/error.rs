//! What can go wrong with the files of a cluster, and what to do about it.

use paxon_fastpath::IdentityError;
use paxon_region::RegionError;
use std::io;
use std::path::{Path, PathBuf};

/// Why the directory of a cluster cannot be used or removed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DirectoryError {
    /// Files there would outlive a crash of the host in an older state than acceptors had promised.
    #[error(
        "{path} is not on tmpfs (its file system is of type {found:#x}): an acceptor's memory must vanish with the host, choose a path under /dev/shm"
    )]
    NotMemory {
        /// The directory.
        path: PathBuf,
        /// `f_type` of its file system.
        found: i64,
    },
    /// A replica is alive.
    #[error("replica {replica} is alive{}: stop it before the cluster's files are removed", pid_text(*.pid))]
    Held {
        /// The replica.
        replica: u8,
        /// Its process, if it could be told.
        pid: Option<i32>,
    },
    /// A system call failed.
    #[error("cannot {action} {path}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Why an acceptor's memory cannot be mapped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MemoryError {
    /// It says that it is something else.
    #[error("{path}: {source}")]
    Identity {
        /// The status page.
        path: PathBuf,
        /// What is wrong with it.
        source: IdentityError,
    },
    /// It changed under our hands; try again.
    #[error("{path} was replaced while it was being mapped")]
    Replaced {
        /// The acceptor's directory.
        path: PathBuf,
    },
    /// An area cannot be mapped.
    #[error("cannot map {path}")]
    Region {
        /// The area's file.
        path: PathBuf,
        /// Why.
        #[source]
        source: RegionError,
    },
    /// A system call failed.
    #[error("cannot {action} {path}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl MemoryError {
    /// Whether the memory is no longer what its owner created: missing, cut short or overwritten. Every other error may
    /// pass (too many open files) or is a mistake of the operator (another cluster's memory): nothing is lost yet.
    pub(crate) fn is_loss(&self) -> bool {
        match self {
            Self::Identity { source, .. } => matches!(source, IdentityError::Foreign | IdentityError::Damaged),
            Self::Region { source, .. } => source.is_missing() || matches!(source, RegionError::Short { .. }),
            Self::Io { source, .. } => {
                matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof)
            }
            Self::Replaced { .. } => false,
        }
    }
}

/// Why a replica cannot join the fabric.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Not a member.
    #[error("replica {replica} is not one of the {replicas} replicas (0..{replicas})")]
    UnknownReplica {
        /// The id given.
        replica: u8,
        /// Size of the cluster.
        replicas: usize,
    },
    /// The id is taken.
    #[error("replica {replica} runs already{}: end that process first, two would break each other's promises", pid_text(*.pid))]
    Held {
        /// The replica.
        replica: u8,
        /// The process that has it, if it could be told.
        pid: Option<i32>,
    },
    /// The replica's own memory cannot be used; it was left as it is.
    #[error("the replica's own memory cannot be used (it was left as it is)")]
    Memory(#[from] MemoryError),
    /// A region of this process's own could not be made.
    #[error("cannot make the scratch memory")]
    Scratch(#[from] RegionError),
    /// A system call failed.
    #[error("cannot {action} {path}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

fn pid_text(pid: Option<i32>) -> String {
    pid.map_or_else(|| " (its process cannot be seen from here)".to_owned(), |pid| format!(" as process {pid}"))
}

/// Gives an error of the system the context that its reader needs.
pub(crate) trait Context<T> {
    /// What was tried, and on what.
    fn context<E: FromIo>(self, action: &'static str, path: &Path) -> Result<T, E>;
}

impl<T, S: Into<io::Error>> Context<T> for Result<T, S> {
    fn context<E: FromIo>(self, action: &'static str, path: &Path) -> Result<T, E> {
        self.map_err(|source| E::from_io(action, path.to_owned(), source.into()))
    }
}

/// An error enum with a variant for a failed system call.
pub(crate) trait FromIo {
    fn from_io(action: &'static str, path: PathBuf, source: io::Error) -> Self;
}

macro_rules! from_io {
    ($($error:ident),*) => {$(
        impl FromIo for $error {
            fn from_io(action: &'static str, path: PathBuf, source: io::Error) -> Self {
                Self::Io { action, path, source }
            }
        }
    )*};
}
from_io!(DirectoryError, MemoryError, OpenError);
