//! The process of a peer, as a local hint that it died.

use paxon_acceptor::holder;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// A live process that holds the lock of a replica.
#[derive(Debug)]
pub(crate) struct PeerProcess {
    pid: i32,
    /// Readable once the process has died.
    pidfd: OwnedFd,
}

impl PeerProcess {
    /// The holder of the lock at `path`. A pid may be reused between reading it and opening the process, so the holder is
    /// asked for again: if it is the same, and it still holds the lock, the process that was opened is the one.
    pub(crate) fn holding(path: &Path) -> Option<Self> {
        let pid = holder(path)?;
        let pidfd = pidfd_open(Pid::from_raw(pid)?, PidfdFlags::empty()).ok()?;
        (holder(path) == Some(pid)).then_some(Self { pid, pidfd })
    }

    /// Whether it still holds the lock at `path`.
    pub(crate) fn holds(&self, path: &Path) -> bool {
        holder(path) == Some(self.pid)
    }
}

impl AsFd for PeerProcess {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}
