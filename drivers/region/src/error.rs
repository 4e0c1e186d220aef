//! Why memory could not be had.

use rustix::io::Errno;
use std::io;

/// Why a region could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegionError {
    /// A region has at least one word and at most what an address space holds.
    #[error("a region of {0} words cannot be mapped")]
    Size(usize),
    /// The file is shorter than the region; mapping it would fault on the missing part.
    #[error("the file has {found} bytes, the region needs {expected}: it is cut short or not what it should be")]
    Short {
        /// Bytes that the file has.
        found: u64,
        /// Bytes that the region needs.
        expected: u64,
    },
    /// The file system cannot hold the region.
    #[error(
        "no space for {bytes} bytes: enlarge the file system (of a container: its /dev/shm) or make the areas smaller"
    )]
    NoSpace {
        /// Bytes of the region.
        bytes: usize,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A system call failed.
    #[error("cannot {action} {bytes} bytes of memory")]
    System {
        /// What was tried.
        action: &'static str,
        /// Bytes of the region.
        bytes: usize,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl RegionError {
    /// Wraps what a system call of this crate returned.
    pub(crate) fn system(action: &'static str, bytes: usize) -> impl FnOnce(Errno) -> Self {
        move |errno| match errno {
            Errno::NOSPC | Errno::DQUOT => Self::NoSpace { bytes, source: errno.into() },
            _ => Self::System { action, bytes, source: errno.into() },
        }
    }

    /// Whether the file to map does not exist.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::System { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}
