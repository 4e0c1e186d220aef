//! Mapped, pinned memory seen as atomic words. Nobody else in the workspace calls `mmap`.
//!
//! A [`Region`] is memory that others may write while we look: another process through the same file, or a network card.
//! It is therefore only ever `&[AtomicU64]`, never `&[u8]`: a concurrent writer is then a race between atomics, which is
//! defined, and costs about a nanosecond for each 64 bytes copied.
//!
//! What a region promises, whatever it was made from:
//!
//! * **It is all there.** The length of a file is checked before it is mapped and a fresh file is allocated in full, so
//!   that a short file or a full file system is an error at creation and not a SIGBUS in the middle of a commit.
//! * **It is near.** Its pages are faulted in, made huge where the kernel agrees, and locked where RLIMIT_MEMLOCK allows
//!   ([`Region::pinning`] says whether it did: a refused lock costs latency under memory pressure, nothing else).
//! * **It has one process.** A forked child does not inherit the mapping, so it cannot become a second writer.
//! * **It goes away** when the region is dropped.
//!
//! The limit: a file that somebody truncates *after* it was mapped faults all the same. The files belong to the cluster,
//! and whoever may truncate them may also overwrite them.
//!
//! ```
//! use std::sync::atomic::Ordering::Relaxed;
//!
//! let region = paxon_region::Region::anonymous(1024)?;
//! region.words()[7].store(42, Relaxed);
//! assert_eq!(region.words()[7].load(Relaxed), 42);
//! # Ok::<(), paxon_region::RegionError>(())
//! ```

mod error;
mod mapping;
mod region;

pub use error::RegionError;
pub use region::{Access, Pinning, Region};
