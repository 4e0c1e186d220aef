//! The state machine under attack: it counts what it is given.

use paxon_fastpath::{Reply, Slot, SnapshotError, StateMachine};
use xxhash_rust::xxh3::xxh3_64;

/// Bytes of every payload.
const PAYLOAD_BYTES: usize = 64;
/// How payloads of honest and of forged commands begin. Far from each other: no flipped bit makes one of the other.
const HONEST: &[u8; 16] = b"honest command: ";
const FORGED: &[u8; 16] = b"FORGED, REFUSE! ";

/// What was applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Census {
    pub(super) honest: u64,
    /// Everything else.
    pub(super) forged: u64,
    /// The sum of the hashes of all honest numbers: none was applied twice, none is missing.
    pub(super) sum: u64,
    /// Depends on the order of everything.
    chain: u64,
}

/// What an honest number adds to [`Census::sum`].
pub(super) fn weight(number: u64) -> u64 {
    xxh3_64(&number.to_le_bytes())
}

fn payload(mark: &[u8; 16], number: u64) -> Vec<u8> {
    let mut bytes = mark.to_vec();
    bytes.extend_from_slice(&number.to_le_bytes());
    bytes.resize(PAYLOAD_BYTES, 0);
    bytes
}

/// What an honest client asks for.
pub(super) fn honest(number: u64) -> Vec<u8> {
    payload(HONEST, number)
}

/// What a forger asks for.
pub(super) fn forged(number: u64) -> Vec<u8> {
    payload(FORGED, number)
}

/// The number of a payload that an honest client made, bit for bit.
fn number(bytes: &[u8]) -> Option<u64> {
    let number = u64::from_le_bytes(bytes.get(16..24)?.try_into().ok()?);
    (bytes == honest(number)).then_some(number)
}

impl Census {
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (words, []) = bytes.as_chunks::<8>() else { return None };
        let &[honest, forged, sum, chain] = words else { return None };
        let [honest, forged, sum, chain] = [honest, forged, sum, chain].map(u64::from_le_bytes);
        Some(Self { honest, forged, sum, chain })
    }
}

impl StateMachine for Census {
    fn apply(&mut self, slot: Slot, command: &[u8], _: &mut Reply) {
        match number(command) {
            Some(number) => {
                self.honest += 1;
                self.sum = self.sum.wrapping_add(weight(number));
            }
            None => self.forged += 1,
        }
        self.chain = (self.chain ^ slot.0).rotate_left(23).wrapping_add(xxh3_64(command));
    }

    fn snapshot(&self, into: &mut Vec<u8>) {
        let Self { honest, forged, sum, chain } = *self;
        into.extend_from_slice([honest, forged, sum, chain].map(u64::to_le_bytes).as_flattened());
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        *self = Self::decode(bytes).ok_or(SnapshotError)?;
        Ok(())
    }

    fn digest(&self) -> u64 {
        self.chain
    }

    fn query(&self, _: &[u8], reply: &mut Vec<u8>) {
        self.snapshot(reply);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_census_counts_as_honest_only_what_an_honest_client_made() {
        let mut changed = honest(7);
        for bit in 0..8 * changed.len() {
            changed[bit / 8] ^= 1 << (bit % 8);
            // Another number is still an honest payload; it shows in the sum.
            assert_eq!(number(&changed).is_some(), (128..192).contains(&bit), "bit {bit}");
            changed[bit / 8] ^= 1 << (bit % 8);
        }
        assert_eq!((number(&honest(7)), number(&forged(7)), number(b"")), (Some(7), None, None));
        let distance: u32 = HONEST.iter().zip(FORGED).map(|(one, other)| (one ^ other).count_ones()).sum();
        assert!(distance > 16, "{distance} bits");
    }
}
