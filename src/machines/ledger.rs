//! An append-only list of lines, kept as a hash chain.

use paxon_fastpath::{Reply, Slot, SnapshotError, StateMachine};
use std::collections::VecDeque;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Lines that can still be read back; of older ones the chain keeps the hash.
const LINES_KEPT: usize = 1024;
/// A longer line is cut off when kept; its hash is that of the whole line.
const LINE_BYTES_KEPT: usize = 128;

/// Numbers each command from 1 and chains its hash to those before, so that two ledgers with the same head have seen the
/// same commands in the same order: for tests of replication, and for audits.
///
/// The reply is the line's number and the chain's head, two little-endian `u64`. The query is a number, and its answer
/// the kept line, or nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Lines ever appended.
    lines: u64,
    /// Hash of the last line, seeded by the head before it.
    head: u64,
    /// The last [`LINES_KEPT`] lines, oldest first.
    kept: VecDeque<Vec<u8>>,
}

/// Lines that a snapshot may claim: nobody appends as many again.
const LINES_MAX: u64 = 1 << 63;

impl Ledger {
    /// Lines ever appended.
    pub const fn lines(&self) -> u64 {
        self.lines
    }

    /// The line of that number, from 1, if it is still kept.
    pub fn line(&self, number: u64) -> Option<&[u8]> {
        let oldest = self.lines - self.kept.len() as u64 + 1;
        let at = usize::try_from(number.checked_sub(oldest)?).ok()?;
        self.kept.get(at).map(Vec::as_slice)
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (lines, rest) = bytes.split_first_chunk()?;
        let (head, mut rest) = rest.split_first_chunk()?;
        let mut ledger =
            Self { lines: u64::from_le_bytes(*lines), head: u64::from_le_bytes(*head), kept: VecDeque::new() };
        while let Some((&length, after)) = rest.split_first() {
            let (line, after) = after.split_at_checked(length.into())?;
            ledger.kept.push_back(line.to_vec());
            rest = after;
        }
        let expected = ledger.lines.min(LINES_KEPT as u64);
        let countable = ledger.lines < LINES_MAX;
        let short = ledger.kept.iter().all(|line| line.len() <= LINE_BYTES_KEPT);
        (countable && short && ledger.kept.len() as u64 == expected).then_some(ledger)
    }
}

impl StateMachine for Ledger {
    fn apply(&mut self, _: Slot, command: &[u8], reply: &mut Reply) {
        self.lines += 1;
        self.head = xxh3_64_with_seed(command, self.head);
        // The oldest line's buffer is reused.
        let mut line =
            if self.kept.len() == LINES_KEPT { self.kept.pop_front().unwrap_or_default() } else { Vec::new() };
        line.clear();
        line.extend_from_slice(&command[..command.len().min(LINE_BYTES_KEPT)]);
        self.kept.push_back(line);
        reply.write(&self.lines.to_le_bytes());
        reply.write(&self.head.to_le_bytes());
    }

    fn snapshot(&self, into: &mut Vec<u8>) {
        into.extend_from_slice(&self.lines.to_le_bytes());
        into.extend_from_slice(&self.head.to_le_bytes());
        for line in &self.kept {
            into.push(line.len() as u8);
            into.extend_from_slice(line);
        }
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        *self = Self::decode(bytes).ok_or(SnapshotError)?;
        Ok(())
    }

    fn digest(&self) -> u64 {
        xxh3_64_with_seed(&self.lines.to_le_bytes(), self.head)
    }

    fn query(&self, query: &[u8], reply: &mut Vec<u8>) {
        if let Ok(number) = query.try_into().map(u64::from_le_bytes) {
            reply.extend_from_slice(self.line(number).unwrap_or_default());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(lines: impl IntoIterator<Item = String>) -> Ledger {
        let (mut ledger, mut reply) = (Ledger::default(), Reply::new(16));
        for line in lines {
            reply.clear();
            ledger.apply(Slot(1), line.as_bytes(), &mut reply);
        }
        ledger
    }

    #[test]
    fn the_order_of_the_lines_is_in_the_digest() {
        let digest = |lines: [&str; 2]| ledger(lines.map(String::from)).digest();
        assert_ne!(digest(["a", "b"]), digest(["b", "a"]));
        assert_eq!(digest(["a", "b"]), digest(["a", "b"]));
    }

    #[test]
    fn the_last_lines_are_kept_and_survive_a_snapshot() {
        let original = ledger((1..=LINES_KEPT + 2).map(|number| format!("line {number}")));
        let mut bytes = Vec::new();
        original.snapshot(&mut bytes);
        let mut restored = Ledger::default();
        assert_eq!(restored.restore(&bytes), Ok(()));
        assert_eq!(restored, original);
        assert_eq!(restored.line(3), Some(&b"line 3"[..]));
        assert_eq!((restored.line(2), restored.line(0), restored.line(LINES_KEPT as u64 + 3)), (None, None, None));
        let mut endless = bytes.clone();
        endless[..8].copy_from_slice(&u64::MAX.to_le_bytes());
        assert_eq!(restored.restore(&endless), Err(SnapshotError), "the next line would have no number");
        for cut in 0..bytes.len() {
            assert_eq!(restored.restore(&bytes[..cut]), Err(SnapshotError), "{cut} bytes");
        }
    }
}
