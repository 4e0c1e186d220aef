//! Receive buffers lent to the kernel: a provided-buffer ring.
//!
//! The kernel takes the buffer at the head of the ring when bytes arrive, fills it and names it in a completion; we read
//! it and put it back at the tail. Each buffer belongs to exactly one side at a time.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::types::BufRingEntry;

/// Alignment of the ring's entries that the kernel asks for: a page.
const PAGE_BYTES: usize = 4096;
/// Most buffers of one ring; a power of two, as the kernel's tail wraps at 2^16.
const COUNT_MAX: u16 = 1024;

/// Buffers of equal size that the kernel fills.
pub(crate) struct LentBuffers {
    /// Invariant: heads `count` initialised entries, page-aligned, allocated with [`entries_layout`], freed by drop alone.
    entries: NonNull<BufRingEntry>,
    /// Invariant: heads `count * each` initialised bytes, allocated with [`bytes_layout`], freed by drop alone. A buffer's
    /// bytes are touched only while `ours` says that the buffer is not the kernel's.
    bytes: NonNull<u8>,
    /// Invariant: a power of two, at most [`COUNT_MAX`].
    count: u16,
    each: usize,
    /// Which buffers a completion has named and no drop of a [`Piece`] has put back.
    ours: Box<[bool]>,
    /// How many entries were ever published, modulo 2^16; what the kernel sees as the tail.
    tail: u16,
}

// SAFETY: the allocations belong to the value and not to a thread; nothing in it refers to thread-local state.
unsafe impl Send for LentBuffers {}

impl LentBuffers {
    /// At least `least` buffers of `each` bytes, all of them the kernel's from the start.
    pub(crate) fn new(least: usize, each: usize) -> Self {
        let count = u16::try_from(least).unwrap_or(COUNT_MAX).clamp(1, COUNT_MAX).next_power_of_two();
        let entries = allocate(entries_layout(count)).cast();
        let bytes = allocate(bytes_layout(count, each));
        let ours = vec![true; usize::from(count)].into_boxed_slice();
        let mut buffers = Self { entries, bytes, count, each, ours, tail: 0 };
        for id in 0..count {
            buffers.put_back(id);
        }
        buffers
    }

    /// The address of the ring's entries, for registering them.
    pub(crate) fn entries_address(&self) -> u64 {
        self.entries.as_ptr().expose_provenance() as u64
    }

    pub(crate) fn count(&self) -> u16 {
        self.count
    }

    /// The buffer that a completion named and the bytes it holds; goes back to the kernel when dropped.
    ///
    /// Panics if the buffer is not the kernel's to name or cannot hold so much, which would be a bug of the kernel.
    ///
    /// # Safety
    ///
    /// `id` comes from a completion of a receive from this ring that reported `length` bytes and was not passed before.
    pub(crate) unsafe fn piece(&mut self, id: u16, length: usize) -> Piece<'_> {
        assert!(length <= self.each, "{length} bytes in a buffer of {}", self.each);
        let ours = self.ours.get_mut(usize::from(id)).expect("the kernel names buffers that it was given");
        assert!(!std::mem::replace(ours, true), "buffer {id} was named twice");
        Piece { buffers: self, id, length }
    }

    /// Gives the buffer `id`, which is ours, to the kernel.
    fn put_back(&mut self, id: u16) {
        let ours = self.ours.get_mut(usize::from(id)).expect("below the count");
        assert!(std::mem::replace(ours, false), "buffer {id} is the kernel's already");
        let (place, start) = (usize::from(self.tail & (self.count - 1)), usize::from(id) * self.each);
        // SAFETY: `start` is at most `(count - 1) * each`, inside the allocation that `bytes` heads.
        let buffer = unsafe { self.bytes.add(start) };
        // SAFETY: `place` is below `count`, inside the allocation that `entries` heads.
        let mut entry = unsafe { self.entries.add(place) };
        // SAFETY: the entry is initialised and aligned. The kernel reads entries between its head and the published tail
        // only; this one is beyond: the ring has as many entries as buffers, and this buffer is in none. The kernel writes
        // no entry, and `&mut self` keeps us from having two.
        let entry = unsafe { entry.as_mut() };
        entry.set_addr(buffer.as_ptr().expose_provenance() as u64);
        entry.set_len(u32::try_from(self.each).expect("a receive buffer has at most 1 MiB"));
        entry.set_bid(id);
        self.tail = self.tail.wrapping_add(1);
        self.publish();
    }

    fn publish(&self) {
        // SAFETY: `entries` is the first entry of the ring, initialised.
        let tail = unsafe { BufRingEntry::tail(self.entries.as_ptr()) };
        // SAFETY: the tail is a 16-bit field aligned to two, alive as long as `self`; while the reference lives it is
        // accessed as an atomic only (the kernel loads it with acquire semantics).
        let tail = unsafe { AtomicU16::from_ptr(tail.cast_mut()) };
        // Partner: the kernel's acquiring load of the tail, before it reads the entry.
        tail.store(self.tail, Ordering::Release);
    }
}

impl Drop for LentBuffers {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout, freed here only. The kernel does not write to it: see `Ring::drop`, which
        // keeps this from running while an operation is under way.
        unsafe { dealloc(self.entries.as_ptr().cast(), entries_layout(self.count)) };
        // SAFETY: allocated with this layout and freed here only; the kernel does not write to it, as with the entries.
        unsafe { dealloc(self.bytes.as_ptr(), bytes_layout(self.count, self.each)) };
    }
}

/// Received bytes in a buffer that is ours until this is dropped.
pub(crate) struct Piece<'a> {
    buffers: &'a mut LentBuffers,
    id: u16,
    length: usize,
}

impl Deref for Piece<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        let start = usize::from(self.id) * self.buffers.each;
        // SAFETY: `id` is below `count` (checked when the piece was made), so `start` is inside the allocation.
        let bytes = unsafe { self.buffers.bytes.add(start) };
        // SAFETY: `length <= each`, so the bytes are inside the allocation, initialised since it was zeroed. The kernel is
        // done with the buffer: it named it in a completion (whose entry was read after an acquiring load of the queue's
        // tail) and gets it back when `self`, which the slice borrows, is dropped.
        unsafe { std::slice::from_raw_parts(bytes.as_ptr(), self.length) }
    }
}

impl Drop for Piece<'_> {
    fn drop(&mut self) {
        self.buffers.put_back(self.id);
    }
}

fn entries_layout(count: u16) -> Layout {
    let bytes = usize::from(count) * size_of::<BufRingEntry>();
    Layout::from_size_align(bytes, PAGE_BYTES).expect("at most 1024 entries of 16 bytes")
}

fn bytes_layout(count: u16, each: usize) -> Layout {
    Layout::from_size_align(usize::from(count) * each, PAGE_BYTES).expect("at most 1024 buffers of 1 MiB")
}

fn allocate(layout: Layout) -> NonNull<u8> {
    assert!(layout.size() > 0, "at least one buffer of at least one byte");
    // SAFETY: the size is not zero.
    let memory = unsafe { alloc_zeroed(layout) };
    NonNull::new(memory).unwrap_or_else(|| handle_alloc_error(layout))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn published(buffers: &LentBuffers) -> u16 {
        // SAFETY: no kernel knows this ring; the first entry is initialised.
        let tail = unsafe { BufRingEntry::tail(buffers.entries.as_ptr()) };
        // SAFETY: nobody writes it now.
        unsafe { *tail }
    }

    #[test]
    fn every_buffer_is_published_once() {
        let buffers = LentBuffers::new(5, 1024);
        assert_eq!((buffers.count(), published(&buffers)), (8, 8));
        for place in 0..8 {
            // SAFETY: `entries` heads eight entries, and `place` is below eight.
            let entry = unsafe { buffers.entries.add(place) };
            // SAFETY: initialised, and nobody writes it now.
            let entry = unsafe { entry.as_ref() };
            assert_eq!((usize::from(entry.bid()), entry.len()), (place, 1024));
        }
    }

    #[test]
    fn a_dropped_piece_goes_back_and_the_tail_wraps() {
        let mut buffers = LentBuffers::new(2, 1024);
        for turn in 0..70_000_u32 {
            // SAFETY: no kernel holds the buffers; each id is passed after the one before was put back.
            let piece = unsafe { buffers.piece((turn % 2) as u16, 7) };
            assert_eq!(*piece, [0; 7]);
        }
        assert_eq!(published(&buffers), (70_002_u32 % 65_536) as u16);
    }

    #[test]
    #[should_panic(expected = "named twice")]
    fn a_buffer_named_twice_is_noticed() {
        let mut buffers = LentBuffers::new(1, 1024);
        // SAFETY: no kernel holds the buffers.
        std::mem::forget(unsafe { buffers.piece(0, 1) });
        // SAFETY: as above; that it is passed twice is what the test is about, and the check comes before any access.
        let _piece = unsafe { buffers.piece(0, 1) };
    }
}
