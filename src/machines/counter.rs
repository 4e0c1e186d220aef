//! A number that commands add to.

use paxon_fastpath::{Reply, Slot, SnapshotError, StateMachine};

/// Adds the command, a little-endian `u64`, to a number and replies with the sum. Adding wraps; shorter commands are
/// extended by zeros, longer ones are cut off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counter(u64);

impl Counter {
    /// The number.
    pub const fn value(&self) -> u64 {
        self.0
    }
}

impl StateMachine for Counter {
    fn apply(&mut self, _: Slot, command: &[u8], reply: &mut Reply) {
        let mut summand = [0; 8];
        let bytes = command.len().min(8);
        summand[..bytes].copy_from_slice(&command[..bytes]);
        self.0 = self.0.wrapping_add(u64::from_le_bytes(summand));
        reply.write(&self.0.to_le_bytes());
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

    fn query(&self, _: &[u8], reply: &mut Vec<u8>) {
        reply.extend_from_slice(&self.0.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_add_up_and_a_snapshot_keeps_the_sum() {
        let (mut counter, mut reply) = (Counter::default(), Reply::new(8));
        counter.apply(Slot(1), &[5], &mut reply);
        counter.apply(Slot(2), &300u64.to_le_bytes(), &mut reply);
        let mut bytes = Vec::new();
        counter.snapshot(&mut bytes);
        let mut restored = Counter::default();
        assert_eq!(restored.restore(&bytes), Ok(()));
        assert_eq!(restored.value(), 305);
        assert_eq!(restored.restore(&bytes[1..]), Err(SnapshotError));
    }
}
