//! The bare mapping of a device's window: every access to a device's memory that the crate makes.

use crate::bus::WINDOW_BYTES;
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use std::fs::File;
use std::ptr::{NonNull, null_mut};

const BYTES: usize = WINDOW_BYTES as usize;

/// A window, mapped shared.
#[derive(Debug)]
pub(super) struct Mapping {
    /// Invariant: page-aligned, the start of a live mapping of [`BYTES`] bytes, readable and writable, that this value alone
    /// unmaps and to which no reference is ever made.
    base: NonNull<u32>,
}

// SAFETY: the mapping belongs to the process, not to a thread; accesses need `&mut self`, so that one thread at a time makes them.
unsafe impl Send for Mapping {}

impl Mapping {
    /// Maps the window. The caller has checked that the file has it.
    pub(super) fn new(file: &File, offset: u64) -> Result<Self, Errno> {
        let rights = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: the address is the kernel's choice (no MAP_FIXED), so no existing mapping is touched.
        let base = unsafe { mmap(null_mut(), BYTES, rights, MapFlags::SHARED, file, offset) }?;
        NonNull::new(base.cast()).map(|base| Self { base }).ok_or(Errno::FAULT)
    }

    /// The word at a byte address.
    fn word(&self, address: u32) -> *mut u32 {
        assert!(address < WINDOW_BYTES && address.is_multiple_of(4), "{address:#x} is not a word of the window");
        self.base.as_ptr().wrapping_byte_add(address as usize)
    }

    pub(super) fn read(&self, address: u32) -> u32 {
        // SAFETY: `word` checks that the address is aligned and within the mapping, which lives (invariant); the device may change
        // the word at any time, which a volatile access allows; no Rust reference to it exists (invariant).
        u32::from_le(unsafe { self.word(address).read_volatile() })
    }

    pub(super) fn write(&mut self, address: u32, value: u32) {
        // SAFETY: as for the read; the mapping is writable (invariant), and `&mut self` keeps other threads away.
        unsafe { self.word(address).write_volatile(value.to_le()) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the range is a live mapping that nothing else unmaps and to which no reference exists (invariant).
        let unmapped = unsafe { munmap(self.base.as_ptr().cast(), BYTES) };
        debug_assert!(unmapped.is_ok(), "a mapping of our own is unmapped");
    }
}
