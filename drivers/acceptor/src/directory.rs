//! The directory of a cluster: names of its files, and their end.

use crate::error::{Context, DirectoryError};
use crate::lock::{Refused, ReplicaLock};
use paxon_fastpath::{Area, Domain, Identity, Incarnation, Layout, ReplicaId, SealMark};
use rustix::fs::statfs;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// `f_type` of file systems whose files live and die with the memory of the host (`linux/magic.h`).
const MEMORY_FILE_SYSTEMS: [i64; 2] = [0x0102_1994, 0x8584_58f6];
/// The replicas trust each other; nobody else may enter.
const DIRECTORY_MODE: u32 = 0o700;

/// Where the memory of a cluster lies, and what it has to look like.
#[derive(Clone, Debug)]
pub struct Directory {
    path: PathBuf,
    cluster: u64,
    layout: Layout,
    seal: SealMark,
}

impl Directory {
    /// Opens the directory of `cluster`, or makes it.
    ///
    /// # Errors
    /// [`DirectoryError::NotMemory`] if it is not on tmpfs, [`DirectoryError::Io`].
    pub fn open(path: impl Into<PathBuf>, cluster: u64, layout: Layout) -> Result<Self, DirectoryError> {
        let path = path.into();
        make_directory(&path, true).context("create", &path)?;
        let found = statfs(&path).context("look at the file system of", &path)?.f_type;
        if !MEMORY_FILE_SYSTEMS.contains(&found) {
            return Err(DirectoryError::NotMemory { path, found });
        }
        Ok(Self { path, cluster, layout, seal: SealMark::CHECKSUM })
    }

    /// Says how the cluster's records are sealed ([`Config::seal_mark`](paxon_fastpath::Config::seal_mark)), if not with
    /// checksums: memory that is marked otherwise is refused.
    #[must_use]
    pub const fn sealed(mut self, seal: SealMark) -> Self {
        self.seal = seal;
        self
    }

    /// Where the files of `cluster` lie unless somebody wants them elsewhere.
    pub fn default_path(cluster: u64) -> PathBuf {
        PathBuf::from(format!("/dev/shm/paxon-{cluster:016x}"))
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Deletes the cluster: every promise, journal and snapshot in it.
    ///
    /// # Errors
    /// [`DirectoryError::Held`] while a replica is alive, and then nothing was deleted; [`DirectoryError::Io`].
    pub fn remove(self) -> Result<(), DirectoryError> {
        let locks = self.lock_all()?;
        for replica in ReplicaId::all(self.layout.replicas) {
            for tree in [self.acceptor(replica), self.unborn(replica), self.lost(replica)] {
                absent_is_fine(fs::remove_dir_all(&tree)).context("remove", &tree)?;
            }
            // The marker after the memory: without it, what is left of a removal that failed half way would pass as new.
            let marker = self.marker(replica);
            absent_is_fine(fs::remove_file(&marker)).context("remove", &marker)?;
        }
        // The lock files last: whoever finds one gone makes a new one, and is no longer kept out.
        for lock in ReplicaId::all(self.layout.replicas).map(|replica| self.lock(replica)) {
            absent_is_fine(fs::remove_file(&lock)).context("remove", &lock)?;
        }
        drop(locks);
        fs::remove_dir(&self.path).context("remove", &self.path)
    }

    fn lock_all(&self) -> Result<Vec<ReplicaLock>, DirectoryError> {
        let lock = |replica: ReplicaId| {
            let path = self.lock(replica);
            ReplicaLock::take(&path).map_err(|refused| match refused {
                Refused::Held(pid) => DirectoryError::Held { replica: replica.0, pid },
                Refused::Io(source) => DirectoryError::Io { action: "lock", path, source },
            })
        };
        ReplicaId::all(self.layout.replicas).map(lock).collect()
    }

    /// The file of one area of an acceptor's memory, for tools that measure or inspect it.
    pub fn file(&self, owner: ReplicaId, area: Area) -> PathBuf {
        area_file(&self.acceptor(owner), area)
    }

    /// The cluster whose memory this is.
    pub const fn cluster(&self) -> u64 {
        self.cluster
    }

    /// How each acceptor's memory is laid out.
    pub const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// How the records of the cluster are sealed.
    pub const fn seal(&self) -> SealMark {
        self.seal
    }

    /// What the memory of `owner` has to say of itself, but for its life.
    pub(crate) const fn identity(&self, owner: ReplicaId, domain: Domain) -> Identity {
        let Self { cluster, layout, seal, .. } = *self;
        Identity { cluster, owner: owner.0, layout, domain, seal, incarnation: Incarnation(0) }
    }

    /// The acceptor's memory, complete whenever it is there.
    pub(crate) fn acceptor(&self, owner: ReplicaId) -> PathBuf {
        self.path.join(format!("replica-{}", owner.0))
    }

    /// Memory that is being made; nobody but its owner looks at it.
    pub(crate) fn unborn(&self, owner: ReplicaId) -> PathBuf {
        self.path.join(format!("replica-{}.new", owner.0))
    }

    /// Memory that was given up.
    pub(crate) fn lost(&self, owner: ReplicaId) -> PathBuf {
        self.path.join(format!("replica-{}.lost", owner.0))
    }

    /// Says that the acceptor's memory was created once.
    pub(crate) fn marker(&self, owner: ReplicaId) -> PathBuf {
        self.path.join(format!("born-{}", owner.0))
    }

    /// The file that the live process of a replica holds locked, see [`crate::holder`].
    pub fn lock(&self, owner: ReplicaId) -> PathBuf {
        self.path.join(format!("replica-{}.lock", owner.0))
    }
}

/// File of `area` within the directory of an acceptor.
pub(crate) fn area_file(acceptor: &Path, area: Area) -> PathBuf {
    match area {
        Area::Promise => acceptor.join("promise"),
        Area::Status => acceptor.join("status"),
        Area::Lane(proposer) => acceptor.join(format!("lane-{}", proposer.0)),
        Area::Snapshot => acceptor.join("snapshot"),
    }
}

/// Makes a directory for the cluster's user alone; with `reuse`, one that exists and the ones above it are fine.
pub(crate) fn make_directory(path: &Path, reuse: bool) -> io::Result<()> {
    DirBuilder::new().mode(DIRECTORY_MODE).recursive(reuse).create(path)
}

/// Removing what is not there has succeeded.
pub(crate) fn absent_is_fine(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
