//! Registered memory: what a device may read and write, by itself and for peers.
//!
//! Only memory of [`Region`] can be registered, which the program sees as atomic words and nothing else. A peer that writes
//! while we look is then a race between atomics, and a peer that guesses a key reaches nothing but such words.

use crate::ffi;
use crate::protection_domain::ProtectionDomain;
use crate::system::{check, check_pointer};
use paxon_region::{Access, Region};
use std::io;
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

const WORD_BYTES: u64 = size_of::<AtomicU64>() as u64;

/// What peers may do with registered memory. The own device may always read and write it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeerAccess {
    /// READ.
    pub read: bool,
    /// WRITE.
    pub write: bool,
    /// Compare-and-exchange.
    pub atomic: bool,
}

impl PeerAccess {
    /// Nothing.
    pub const NONE: Self = Self { read: false, write: false, atomic: false };

    const fn flags(self) -> u32 {
        // Never relaxed ordering: a record could then be seen after the check that follows it.
        let mut flags = ffi::ACCESS_LOCAL_WRITE;
        if self.read {
            flags |= ffi::ACCESS_REMOTE_READ;
        }
        if self.write {
            flags |= ffi::ACCESS_REMOTE_WRITE;
        }
        if self.atomic {
            flags |= ffi::ACCESS_REMOTE_ATOMIC;
        }
        flags
    }
}

/// Why memory could not be registered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// A device writes to all memory that is registered with it.
    #[error("memory that is mapped for reading only cannot be registered")]
    ReadOnly,
    /// A call failed.
    #[error("cannot register {bytes} bytes with {device}; registered memory counts against RLIMIT_MEMLOCK (raise it: ulimit -l {}, or memlock in limits.conf)", bytes.div_ceil(1024))]
    System {
        /// How many bytes.
        bytes: usize,
        /// The device.
        device: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Memory that stays registered until drop. After [`Self::deregister`] or drop no operation of a peer reaches it any more:
/// that is a barrier, also on SoftRoCE, where changing the state of a queue pair is not.
#[derive(Debug)]
pub struct MemoryRegion {
    /// Invariant: while `is_registered`, registered in `domain` over all of `region`.
    handle: NonNull<ffi::MemoryRegion>,
    local_key: u32,
    remote_key: u32,
    is_registered: bool,
    region: Arc<Region>,
    domain: Arc<ProtectionDomain>,
}

// SAFETY: verbs on a memory region may be called from any thread; the memory itself is `Send` and `Sync`.
unsafe impl Send for MemoryRegion {}
// SAFETY: a shared `MemoryRegion` gives out its keys and its words, both of which are `Sync`.
unsafe impl Sync for MemoryRegion {}

impl MemoryRegion {
    /// Registers all of `region`.
    ///
    /// # Errors
    /// [`RegisterError`].
    pub fn register(
        domain: &Arc<ProtectionDomain>,
        region: Arc<Region>,
        access: PeerAccess,
    ) -> Result<Self, RegisterError> {
        if region.access() != Access::ReadWrite {
            return Err(RegisterError::ReadOnly);
        }
        let (start, bytes) = (region.words().as_ptr().cast_mut().cast(), size_of_val(region.words()));
        let (functions, flags) = (domain.device().functions(), access.flags().cast_signed());
        // SAFETY: the domain is allocated; the range is a live, writable mapping that is kept until it is deregistered (the
        // `Arc`), and that nobody in this process sees as anything but atomics, so that the device may write it at any time.
        let handle = unsafe { (functions.reg_mr)(domain.as_ptr(), start, bytes, flags) };
        let handle = check_pointer(handle).map_err(|source| RegisterError::System {
            bytes,
            device: domain.device().name().to_owned(),
            source,
        })?;
        // SAFETY: the library has just filled it in, and changes it no more.
        let keys = unsafe { *handle.as_ptr() };
        let (local_key, remote_key) = (keys.lkey, keys.rkey);
        Ok(Self { handle, local_key, remote_key, is_registered: true, region, domain: domain.clone() })
    }

    /// The memory.
    pub fn words(&self) -> &[AtomicU64] {
        self.region.words()
    }

    /// What a peer has to know to reach it.
    pub fn claim(&self) -> RegionClaim {
        RegionClaim { address: self.address(), bytes: size_of_val(self.words()) as u64, key: self.remote_key }
    }

    /// A run of its words, as the local side of an operation.
    ///
    /// # Panics
    /// If it leaves the region, or has more bytes than one operation may (2^31).
    pub fn span(&self, start: usize, words: usize) -> LocalSpan<'_> {
        let bytes = size_of_val(&self.words()[start..][..words]);
        let bytes =
            u32::try_from(bytes).ok().filter(|bytes| bytes >> 31 == 0).expect("one operation moves at most 2 GiB");
        let address = self.address() + start as u64 * WORD_BYTES;
        LocalSpan { address, bytes, key: self.local_key, region: PhantomData }
    }

    /// Takes the memory back from the device and all peers. After the return nothing of theirs lands in it any more.
    ///
    /// # Errors
    /// What the system said. The memory is then never given back to the program, so that late operations harm nothing.
    pub fn deregister(mut self) -> io::Result<()> {
        self.release()
    }

    fn address(&self) -> u64 {
        self.words().as_ptr() as u64
    }

    fn release(&mut self) -> io::Result<()> {
        if !std::mem::replace(&mut self.is_registered, false) {
            return Ok(());
        }
        // SAFETY: registered (invariant), and never again deregistered (the flag).
        let result = check(unsafe { (self.domain.device().functions().dereg_mr)(self.handle.as_ptr()) });
        if result.is_err() {
            // The device may still write to it: the mapping has to outlive the process's use of it.
            std::mem::forget((self.region.clone(), self.domain.clone()));
        }
        result
    }
}

impl Drop for MemoryRegion {
    fn drop(&mut self) {
        let result = self.release();
        debug_assert!(result.is_ok(), "a memory region cannot be deregistered: {result:?}");
    }
}

/// A run of registered words of this process, which stay registered as long as it lives.
#[derive(Clone, Copy, Debug)]
pub struct LocalSpan<'r> {
    pub(crate) address: u64,
    pub(crate) bytes: u32,
    pub(crate) key: u32,
    region: PhantomData<&'r MemoryRegion>,
}

/// What a peer says about memory that it lets us reach: numbers, until they are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegionClaim {
    /// Where it starts, in the peer's address space.
    pub address: u64,
    /// Its length.
    pub bytes: u64,
    /// Its remote key.
    pub key: u32,
}

/// Why a peer's claim is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClaimError {
    /// Words and atomics are aligned to eight bytes.
    #[error("the peer's memory starts at {0:#x}, which is not a multiple of 8")]
    Misaligned(u64),
    /// It is not as long as the layout says.
    #[error("the peer's memory has {found} bytes, the layout says {expected}")]
    Length {
        /// Bytes that the peer claims.
        found: u64,
        /// Bytes that it must have.
        expected: u64,
    },
    /// No memory lies there.
    #[error("the peer's memory of {bytes} bytes at {address:#x} reaches over the end of its address space")]
    Wraps {
        /// Where it starts.
        address: u64,
        /// Its length.
        bytes: u64,
    },
}

/// A peer's memory that operations may be addressed to. The peer's device checks every one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemoteRegion {
    /// Invariant: a multiple of 8, and `address + words * 8` does not wrap.
    address: u64,
    words: usize,
    key: u32,
}

impl RemoteRegion {
    /// Takes a claim about memory of `words` words.
    ///
    /// # Errors
    /// [`ClaimError`].
    pub fn of(claim: RegionClaim, words: usize) -> Result<Self, ClaimError> {
        let RegionClaim { address, bytes, key } = claim;
        if !address.is_multiple_of(WORD_BYTES) {
            return Err(ClaimError::Misaligned(address));
        }
        if (words as u64).checked_mul(WORD_BYTES) != Some(bytes) {
            return Err(ClaimError::Length { found: bytes, expected: (words as u64).saturating_mul(WORD_BYTES) });
        }
        if address.checked_add(bytes).is_none() {
            return Err(ClaimError::Wraps { address, bytes });
        }
        Ok(Self { address, words, key })
    }

    /// A run of its words, as the remote side of an operation.
    ///
    /// # Panics
    /// If it leaves the region.
    pub fn span(&self, start: usize, words: usize) -> RemoteSpan {
        let end = start.checked_add(words).filter(|&end| end <= self.words);
        assert!(end.is_some(), "{words} words at {start} of a region of {} words", self.words);
        RemoteSpan {
            address: self.address + start as u64 * WORD_BYTES,
            bytes: words as u64 * WORD_BYTES,
            key: self.key,
        }
    }
}

/// A run of a peer's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemoteSpan {
    pub(crate) address: u64,
    pub(crate) bytes: u64,
    pub(crate) key: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_that_no_memory_can_meet_are_refused() {
        let claim = RegionClaim { address: 0x1000, bytes: 64, key: 7 };
        assert!(RemoteRegion::of(claim, 8).is_ok());
        assert_eq!(RemoteRegion::of(RegionClaim { address: 0x1004, ..claim }, 8), Err(ClaimError::Misaligned(0x1004)));
        assert_eq!(RemoteRegion::of(claim, 9), Err(ClaimError::Length { found: 64, expected: 72 }));
        assert_eq!(
            RemoteRegion::of(claim, usize::MAX),
            Err(ClaimError::Length { found: 64, expected: u64::MAX }),
            "a length that no number holds"
        );
        let high = RegionClaim { address: u64::MAX - 7, ..claim };
        assert_eq!(RemoteRegion::of(high, 8), Err(ClaimError::Wraps { address: u64::MAX - 7, bytes: 64 }));
    }

    #[test]
    fn spans_stay_inside_of_the_region() {
        let region = RemoteRegion::of(RegionClaim { address: 0x1000, bytes: 64, key: 7 }, 8).expect("a good claim");
        assert_eq!(region.span(6, 2), RemoteSpan { address: 0x1030, bytes: 16, key: 7 });
        for (start, words) in [(7, 2), (8, 1), (usize::MAX, 2), (0, 9)] {
            assert!(std::panic::catch_unwind(|| region.span(start, words)).is_err(), "{words} words at {start}");
        }
    }
}
