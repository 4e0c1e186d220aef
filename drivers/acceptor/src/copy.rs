//! Copying between memory that others write.

use std::sync::atomic::{AtomicU64, Ordering::AcqRel, Ordering::Relaxed, compiler_fence, fence};

/// Copies words, as an operation of a chain: what a later one writes is not seen before what an earlier one wrote, and what a
/// later one reads is not older. x86-64 keeps stores in order and loads in order by itself.
///
/// The shorter of both decides how many.
#[inline]
pub fn copy_words(from: &[AtomicU64], into: &[AtomicU64]) {
    between_operations();
    for (into, from) in into.iter().zip(from) {
        into.store(from.load(Relaxed), Relaxed);
    }
}

/// Keeps the operation that follows behind the one before.
#[inline]
pub fn between_operations() {
    if cfg!(target_arch = "x86_64") {
        compiler_fence(AcqRel);
    } else {
        // Partner: the same fence of whoever reads this memory, between two of its own copies.
        fence(AcqRel);
    }
}
