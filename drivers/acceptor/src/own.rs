//! A replica's own acceptor: its memory, held by this process alone.

use crate::birth::{Birth, claim};
use crate::directory::Directory;
use crate::error::OpenError;
use crate::lock::{Refused, ReplicaLock};
use crate::memory::Memory;
use paxon_fastpath::{Domain, ReplicaId};
use std::ops::Deref;
use std::sync::atomic::AtomicBool;

/// The memory of the replica that this process is, from claim to drop. Fabrics that serve it share it in an `Arc`.
#[derive(Debug)]
pub struct Acceptor {
    replica: ReplicaId,
    birth: Birth,
    memory: Memory,
    /// See [`crate::Serving`].
    pub(crate) is_served: AtomicBool,
    /// Last: another process may take the id over only when this one has unmapped everything.
    _lock: ReplicaLock,
}

impl Acceptor {
    /// Takes the replica's lock, and maps its memory or creates it.
    ///
    /// # Errors
    /// [`OpenError::Held`] if the replica runs already; [`OpenError::Memory`] if its memory is of another cluster or layout,
    /// or cannot be created; in all cases what is there is left as it is.
    pub fn claim(directory: &Directory, replica: ReplicaId) -> Result<Self, OpenError> {
        let lock = take_lock(directory, replica)?;
        let attach = || Memory::attach(directory, replica, replica);
        let (memory, birth) = claim(directory, replica, Domain::Processor, attach)?;
        Ok(Self { replica, birth, memory, is_served: AtomicBool::new(false), _lock: lock })
    }

    /// Whose memory it is.
    pub const fn replica(&self) -> ReplicaId {
        self.replica
    }

    /// How the replica came by it.
    pub const fn birth(&self) -> Birth {
        self.birth
    }
}

impl Deref for Acceptor {
    type Target = Memory;

    #[inline]
    fn deref(&self) -> &Memory {
        &self.memory
    }
}

pub(crate) fn take_lock(directory: &Directory, replica: ReplicaId) -> Result<ReplicaLock, OpenError> {
    let replicas = directory.layout().replicas;
    if replica.index() >= replicas {
        return Err(OpenError::UnknownReplica { replica: replica.0, replicas });
    }
    let path = directory.lock(replica);
    ReplicaLock::take(&path).map_err(|refused| match refused {
        Refused::Held(pid) => OpenError::Held { replica: replica.0, pid },
        Refused::Io(source) => OpenError::Io { action: "lock", path, source },
    })
}
