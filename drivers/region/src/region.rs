//! The region: what to map, in which order to prepare it, and how it may be used.

use crate::RegionError;
use crate::mapping::{Mapping, byte_length};
use rustix::fs::{FallocateFlags, Mode, OFlags, fallocate, fstat, open};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::AtomicU64;

/// What a mapping lets this process do; the hardware enforces it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Loads, stores and read-modify-writes.
    ReadWrite,
    /// Loads only: a store or a read-modify-write (even one that would change nothing) ends the process with SIGSEGV.
    ReadOnly,
}

/// Whether the pages are locked in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pinning {
    /// They are.
    Locked,
    /// The system refused; they may be swapped out under memory pressure. Raise RLIMIT_MEMLOCK (`ulimit -l`).
    Refused {
        /// Bytes of the region.
        bytes: usize,
        /// What the system said.
        errno: i32,
    },
}

/// Memory as atomic words: mapped, faulted in, pinned where allowed, unmapped on drop.
#[derive(Debug)]
pub struct Region {
    mapping: Mapping,
    access: Access,
    pinning: Pinning,
}

impl Region {
    /// Creates the file `path`, zeroed and allocated in full, and maps it for writing.
    ///
    /// # Errors
    /// [`RegionError`]; of a file that exists already too. On an error no file is left behind.
    pub fn create(path: &Path, words: usize) -> Result<Self, RegionError> {
        let bytes = byte_length(words)?;
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let file = open(path, flags, Mode::RUSR | Mode::WUSR).map_err(RegionError::system("create", bytes))?;
        let region = allocate(&file, bytes).and_then(|()| Self::of_file(file.as_fd(), words, Access::ReadWrite));
        if region.is_err() {
            // The error already says what is wrong; that the file could not be removed either would hide it.
            let _ = std::fs::remove_file(path);
        }
        region
    }

    /// Maps the first `words` words of the file `path` for writing.
    ///
    /// # Errors
    /// [`RegionError`], [`RegionError::Short`] if the file has fewer words.
    pub fn open(path: &Path, words: usize) -> Result<Self, RegionError> {
        let file = open_file(path, words, OFlags::RDWR)?;
        Self::of_file(file.as_fd(), words, Access::ReadWrite)
    }

    /// Maps the first `words` words of the file `path` for reading.
    ///
    /// # Safety
    /// [`Self::words`] of this region may only be loaded from, with [`Relaxed`](std::sync::atomic::Ordering::Relaxed)
    /// ordering (fences may follow); such loads of eight aligned bytes are plain loads on x86-64 and AArch64. Anything else
    /// is undefined to the language; to the hardware it is a fault that ends the process.
    ///
    /// # Errors
    /// [`RegionError`], [`RegionError::Short`] if the file has fewer words.
    pub unsafe fn open_read_only(path: &Path, words: usize) -> Result<Self, RegionError> {
        let file = open_file(path, words, OFlags::RDONLY)?;
        Self::of_file(file.as_fd(), words, Access::ReadOnly)
    }

    /// Maps the first `words` words of an open file (of tmpfs, or a memfd of ordinary pages) for writing.
    ///
    /// # Errors
    /// [`RegionError`], [`RegionError::Short`] if the file has fewer words.
    pub fn of_fd(fd: BorrowedFd<'_>, words: usize) -> Result<Self, RegionError> {
        Self::of_file(fd, words, Access::ReadWrite)
    }

    /// Maps zeroed memory that no other process sees.
    ///
    /// # Errors
    /// [`RegionError`].
    pub fn anonymous(words: usize) -> Result<Self, RegionError> {
        Self::prepare(Mapping::of_process(words)?, Access::ReadWrite)
    }

    /// The memory. What may be done with it, [`Self::access`] says.
    #[inline]
    pub fn words(&self) -> &[AtomicU64] {
        self.mapping.words()
    }

    /// What this process may do with the memory.
    pub const fn access(&self) -> Access {
        self.access
    }

    /// Whether the memory is locked.
    pub const fn pinning(&self) -> Pinning {
        self.pinning
    }

    fn of_file(fd: BorrowedFd<'_>, words: usize, access: Access) -> Result<Self, RegionError> {
        let bytes = byte_length(words)?;
        let found = fstat(fd).map_err(RegionError::system("measure", bytes))?.st_size as u64;
        if found < bytes as u64 {
            return Err(RegionError::Short { found, expected: bytes as u64 });
        }
        Self::prepare(Mapping::of_file(fd, words, access)?, access)
    }

    /// Huge pages are asked for before the pages exist, and pages are locked once they do.
    fn prepare(mapping: Mapping, access: Access) -> Result<Self, RegionError> {
        mapping.keep_from_children()?;
        mapping.ask_for_huge_pages();
        mapping.populate(access)?;
        let pinning = mapping.pin();
        Ok(Self { mapping, access, pinning })
    }
}

fn open_file(path: &Path, words: usize, rights: OFlags) -> Result<OwnedFd, RegionError> {
    let bytes = byte_length(words)?;
    open(path, rights | OFlags::CLOEXEC, Mode::empty()).map_err(RegionError::system("open", bytes))
}

/// Takes the blocks of the whole file now: a page that tmpfs could not find later would be a SIGBUS.
fn allocate(file: &OwnedFd, bytes: usize) -> Result<(), RegionError> {
    fallocate(file, FallocateFlags::empty(), 0, bytes as u64).map_err(RegionError::system("allocate", bytes))
}
