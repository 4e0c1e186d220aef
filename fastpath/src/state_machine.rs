//! What a program has to provide to be replicated.

use crate::command::{Command, Commands};
use crate::host::SnapshotError;
use crate::ids::Slot;
use std::fmt;

/// The embedder's state: it moves only by commands, and the same commands move it the same way at every replica.
pub trait StateMachine {
    /// Applies a command. Must be deterministic: no clock, no randomness, no address, no iteration order of a hash map.
    fn apply(&mut self, slot: Slot, command: &[u8], reply: &mut Reply);

    /// Whether [`StateMachine::expect`] wants to be called. Asked before each call, so that a machine without use for it costs nothing.
    #[inline]
    fn expects(&self) -> bool {
        false
    }

    /// These commands stand in the journal and may be decided for `slot`, soon or never: a machine that has long work to do for
    /// each (a signature to verify) may begin. A hint that must not change what the machine does: a replica may miss some, see
    /// others twice or see some that are never decided.
    #[inline]
    fn expect(&mut self, slot: Slot, commands: Commands<'_>) {
        let _ = (slot, commands);
    }

    /// Looks at a command that this replica is about to propose as leader, in a slot from `next` on: what would be refused
    /// once it is decided need not be replicated. `None` if that takes longer: ask again, with the same command. Nothing
    /// depends on it but work that is saved, unless the machine's own rules say otherwise, and it may not change the state.
    #[inline]
    fn vet(&mut self, next: Slot, command: &Command<'_>) -> Option<Result<(), u8>> {
        let _ = (next, command);
        Some(Ok(()))
    }

    /// Looks at a decided command before its session hears of it, and may refuse it: it is not applied then, its number stays
    /// free, and its client is answered [`crate::Outcome::Refused`] with the code (0 to 127; what it means is the machine's own).
    /// Must be deterministic like [`StateMachine::apply`], and may not change the state. Asked about every command of a client
    /// but those that open sessions, duplicates included.
    ///
    /// # Errors
    /// The code of the refusal.
    #[inline]
    fn screen(&mut self, slot: Slot, command: &Command<'_>) -> Result<(), u8> {
        let _ = (slot, command);
        Ok(())
    }

    /// Applies a command that [`StateMachine::screen`] let through, for machines that need to know its session. The payload
    /// alone is enough for all others.
    #[inline]
    fn apply_command(&mut self, slot: Slot, command: &Command<'_>, reply: &mut Reply) {
        self.apply(slot, command.payload, reply);
    }

    /// Appends the whole state to `into`.
    fn snapshot(&self, into: &mut Vec<u8>);

    /// Replaces the state by that of a snapshot.
    ///
    /// # Errors
    /// [`SnapshotError`] if the bytes are not a snapshot of this machine; the state must then be as it was.
    fn restore(&mut self, bytes: &[u8]) -> Result<(), SnapshotError>;

    /// A hash of the state; equal states have equal digests at every replica.
    fn digest(&self) -> u64;

    /// Answers a question about the state without changing it. A machine that answers none leaves the reply empty.
    fn query(&self, query: &[u8], reply: &mut Vec<u8>) {
        let _ = (query, reply);
    }
}

/// The reply to a command: a buffer of fixed capacity, kept for clients that ask again.
///
/// A machine that writes more than fits has applied its command all the same; its client learns
/// [`crate::Outcome::ReplyTooLarge`], which is the same at every replica because the capacity is.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Invariant: never longer than `bytes_max`, which was reserved at the start.
    bytes: Vec<u8>,
    bytes_max: usize,
    /// More was written than fits; `bytes` is empty then.
    overflowed: bool,
}

impl Reply {
    /// An empty reply that holds up to `bytes_max` bytes.
    pub fn new(bytes_max: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes_max), bytes_max, overflowed: false }
    }

    /// Appends bytes. Once too many were written, the reply stays an error.
    pub fn write(&mut self, bytes: &[u8]) {
        if self.overflowed || bytes.len() > self.bytes_max - self.bytes.len() {
            self.overflowed = true;
            self.bytes.clear();
        } else {
            self.bytes.extend_from_slice(bytes);
        }
    }

    /// Forgets what was written.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.overflowed = false;
    }

    /// What was written; `None` if it was too much.
    pub fn bytes(&self) -> Option<&[u8]> {
        (!self.overflowed).then_some(&self.bytes)
    }

    /// Most bytes that the reply holds.
    pub const fn bytes_max(&self) -> usize {
        self.bytes_max
    }
}

impl fmt::Write for Reply {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.write(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_that_overflows_stays_an_error_until_it_is_cleared() {
        let mut reply = Reply::new(4);
        reply.write(b"1234");
        assert_eq!(reply.bytes(), Some(&b"1234"[..]));
        reply.write(b"5");
        reply.write(b"");
        assert_eq!(reply.bytes(), None);
        reply.clear();
        reply.write(b"5");
        assert_eq!(reply.bytes(), Some(&b"5"[..]));
    }
}
