//! Copies between shared words and private ones. Memory that others write is never read in place.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Copies shared words out. A word is never torn; the run may be.
pub(crate) fn copy_out(from: &[AtomicU64], into: &mut [u64]) {
    let words = into.len().min(from.len());
    let (into, from) = (&mut into[..words], &from[..words]);
    for (word, shared) in into.iter_mut().zip(from) {
        *word = shared.load(Relaxed);
    }
}

/// Copies private words in.
pub(crate) fn copy_in(from: &[u64], into: &[AtomicU64]) {
    for (shared, word) in into.iter().zip(from) {
        shared.store(*word, Relaxed);
    }
}

/// Words that hold `bytes` bytes.
pub(crate) const fn words_of(bytes: usize) -> usize {
    bytes.div_ceil(8)
}
