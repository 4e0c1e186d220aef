//! The bare mapping: every unsafe call on memory that this workspace makes.

use crate::{Access, Pinning, RegionError};
use rustix::io::Errno;
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mlock, mmap, mmap_anonymous, munmap};
use std::ffi::c_void;
use std::os::fd::BorrowedFd;
use std::ptr::{NonNull, null_mut};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Smallest page of any machine we run on, in words: one load for each reaches every page.
const PAGE_WORDS: usize = 512;
/// Below the size of a huge page, asking for one would waste most of it.
const HUGE_PAGE_BYTES: usize = 2 << 20;

/// A run of words mapped into this process, unmapped on drop.
#[derive(Debug)]
pub(crate) struct Mapping {
    /// Invariant: `base` is page-aligned and the start of a live mapping of at least `words` words, readable, that this
    /// value alone unmaps.
    base: NonNull<AtomicU64>,
    words: usize,
}

// SAFETY: the mapping belongs to the process, not to a thread, and is reached only as atomics; unmapping it from another
// thread than the one that mapped it is allowed.
unsafe impl Send for Mapping {}
// SAFETY: a shared `Mapping` gives out nothing but `&[AtomicU64]`, which is `Sync`.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps the first `words` words of a file that the caller has checked to be at least that long.
    pub(crate) fn of_file(fd: BorrowedFd<'_>, words: usize, access: Access) -> Result<Self, RegionError> {
        let bytes = byte_length(words)?;
        let rights = match access {
            Access::ReadWrite => ProtFlags::READ | ProtFlags::WRITE,
            Access::ReadOnly => ProtFlags::READ,
        };
        // SAFETY: the address is the kernel's choice (no MAP_FIXED), so no existing mapping is touched.
        let base = unsafe { mmap(null_mut(), bytes, rights, MapFlags::SHARED, fd, 0) };
        let base = base.map_err(RegionError::system("map", bytes))?;
        Self::own(base, words)
    }

    /// Maps zeroed memory of this process, in huge pages if the system has set enough aside.
    pub(crate) fn of_process(words: usize) -> Result<Self, RegionError> {
        let bytes = byte_length(words)?;
        let huge = bytes.is_multiple_of(HUGE_PAGE_BYTES).then(|| map_anonymous(bytes, MapFlags::HUGETLB)).transpose();
        let base = match huge {
            Ok(Some(base)) => base,
            Ok(None) | Err(_) => map_anonymous(bytes, MapFlags::empty()).map_err(RegionError::system("map", bytes))?,
        };
        Self::own(base, words)
    }

    fn own(base: *mut c_void, words: usize) -> Result<Self, RegionError> {
        let base = NonNull::new(base.cast()).ok_or(RegionError::Size(words))?;
        Ok(Self { base, words })
    }

    pub(crate) fn words(&self) -> &[AtomicU64] {
        // SAFETY: `base` is page-aligned and heads `words` initialised, readable words (invariant) that stay mapped as long
        // as `self` is borrowed; any bits are an `AtomicU64`; nobody in this process sees them as anything but atomics.
        unsafe { std::slice::from_raw_parts(self.base.as_ptr(), self.words) }
    }

    /// Keeps the mapping out of forked children: two processes that write as one replica would break the protocol.
    pub(crate) fn keep_from_children(&self) -> Result<(), RegionError> {
        self.advise(Advice::LinuxDontFork).map_err(RegionError::system("keep from forked children", self.bytes()))
    }

    /// Asks for huge pages. Best effort: the kernel may be built or told not to give any.
    pub(crate) fn ask_for_huge_pages(&self) {
        if self.bytes() >= HUGE_PAGE_BYTES {
            let _refused = self.advise(Advice::LinuxHugepage);
        }
    }

    /// Faults every page in, so that the first access does not.
    pub(crate) fn populate(&self, access: Access) -> Result<(), RegionError> {
        let advice = match access {
            Access::ReadWrite => Advice::LinuxPopulateWrite,
            Access::ReadOnly => Advice::LinuxPopulateRead,
        };
        match self.advise(advice) {
            Err(Errno::INVAL) => self.touch(),
            other => other.map_err(RegionError::system("fault in", self.bytes()))?,
        }
        Ok(())
    }

    /// What [`Self::populate`] does on a kernel before 5.14.
    fn touch(&self) {
        for word in self.words().iter().step_by(PAGE_WORDS) {
            std::hint::black_box(word.load(Relaxed));
        }
    }

    /// Locks the pages in memory, as far as the process may.
    pub(crate) fn pin(&self) -> Pinning {
        // SAFETY: the range is a live mapping (invariant); locking it changes no byte.
        let locked = unsafe { mlock(self.base.as_ptr().cast(), self.bytes()) };
        match locked {
            Ok(()) => Pinning::Locked,
            Err(errno) => Pinning::Refused { bytes: self.bytes(), errno: errno.raw_os_error() },
        }
    }

    fn advise(&self, advice: Advice) -> Result<(), Errno> {
        // SAFETY: the range is a live mapping (invariant), and none of the advice given in this file (fork, huge pages,
        // populate) changes what it contains.
        unsafe { madvise(self.base.as_ptr().cast(), self.bytes(), advice) }
    }

    const fn bytes(&self) -> usize {
        self.words * size_of::<AtomicU64>()
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours alone (invariant), of this length, and no slice of it outlives `self`.
        let unmapped = unsafe { munmap(self.base.as_ptr().cast(), self.bytes()) };
        debug_assert!(unmapped.is_ok(), "munmap of an own mapping failed: {unmapped:?}");
    }
}

fn map_anonymous(bytes: usize, flags: MapFlags) -> Result<*mut c_void, Errno> {
    // SAFETY: the address is the kernel's choice (no MAP_FIXED), so no existing mapping is touched.
    unsafe { mmap_anonymous(null_mut(), bytes, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE | flags) }
}

/// Bytes of `words` words: more than none, and within what a slice may span.
pub(crate) fn byte_length(words: usize) -> Result<usize, RegionError> {
    let bytes = words.checked_mul(size_of::<AtomicU64>()).filter(|&bytes| bytes > 0 && bytes <= isize::MAX as usize);
    bytes.ok_or(RegionError::Size(words))
}
