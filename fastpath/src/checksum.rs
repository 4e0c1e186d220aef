//! Checksums that tell a whole record from a torn, stale or foreign one. They are no defence against forgery.

use crate::ids::ReplicaId;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The seed of a lane's checksums: binds records to cluster and proposer. For tools that read a lane.
pub fn lane_seed(cluster: u64, proposer: ReplicaId) -> u64 {
    of_words(&[cluster, u64::from(proposer.0)], 0)
}

/// XXH3-64 of the words, seeded by what the bytes are bound to.
#[inline]
pub(crate) fn of_words(words: &[u64], seed: u64) -> u64 {
    xxh3_64_with_seed(bytemuck::cast_slice(words), seed)
}
