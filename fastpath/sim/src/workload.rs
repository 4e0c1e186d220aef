//! What the commands of clients look like: any replica can tell whether a command was really proposed.

use crate::rng::{Rng, mix};
use paxon_fastpath::{Config, ENTRY_WORDS, INLINE_BYTES, Slot};

/// Bytes that an entry of a batch takes besides its payload.
const ENTRY_BYTES: usize = ENTRY_WORDS * 8;

/// The payload of command `sequence` of `session`: length and bytes follow from the seed.
pub fn payload(config: &Config, session: u64, sequence: u64) -> Vec<u8> {
    let rng = Rng::new(mix(config.cluster ^ session.rotate_left(32) ^ sequence));
    // A batch holds whole words.
    let longest = config.payload_bytes_max / 8 * 8 - ENTRY_BYTES;
    let most = if rng.chance(5_000) { longest } else { longest.min(INLINE_BYTES) };
    let length = rng.within(0, most as u64) as usize;
    let mut bytes: Vec<u8> = (0..length.div_ceil(8)).flat_map(|_| rng.next().to_le_bytes()).collect();
    bytes.truncate(length);
    bytes
}

/// Whether the screen refuses the command `sequence` of `session` in `slot`: a function of what is decided alone. In another
/// slot the same command may pass.
pub fn is_refused(refuse_one_in: u64, slot: Slot, session: u64, sequence: u64) -> bool {
    refuse_one_in > 0 && mix(slot.0 ^ session.rotate_left(40) ^ mix(sequence)).is_multiple_of(refuse_one_in)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;

    #[test]
    fn payloads_are_repeatable_and_fit_a_batch_of_one() {
        for seed in 0..200 {
            let config = Scenario::new(seed).config;
            for sequence in 0..50 {
                let bytes = payload(&config, 3, sequence);
                assert_eq!(bytes, payload(&config, 3, sequence));
                assert!(bytes.len().next_multiple_of(8) + ENTRY_BYTES <= config.payload_bytes_max);
            }
        }
    }
}
