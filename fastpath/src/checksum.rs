//! Checksums that tell a whole record from a torn, stale or foreign one. They are no defence against forgery.

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// XXH3-64 of the words, seeded by what the bytes are bound to.
#[inline]
pub(crate) fn of_words(words: &[u64], seed: u64) -> u64 {
    xxh3_64_with_seed(bytemuck::cast_slice(words), seed)
}
