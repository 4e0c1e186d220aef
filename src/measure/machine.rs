//! The cheapest state machine whose digest depends on every command and their order.

use paxon_fastpath::{Reply, Slot, SnapshotError, StateMachine};

/// Odd, so that the multiplication loses nothing (the 64-bit golden ratio).
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

/// Folds the first word of every command into a number.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally(u64);

impl StateMachine for Tally {
    #[inline]
    fn apply(&mut self, _: Slot, command: &[u8], _: &mut Reply) {
        let word = command.first_chunk().map_or(1, |bytes| u64::from_le_bytes(*bytes));
        self.0 = (self.0 ^ word).wrapping_mul(MULTIPLIER).rotate_left(29);
    }

    fn snapshot(&self, into: &mut Vec<u8>) {
        into.extend_from_slice(&self.0.to_le_bytes());
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        self.0 = u64::from_le_bytes(bytes.try_into().map_err(|_| SnapshotError)?);
        Ok(())
    }

    fn digest(&self) -> u64 {
        self.0
    }
}
