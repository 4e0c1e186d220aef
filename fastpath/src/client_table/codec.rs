//! The client table as bytes of a snapshot. One table has one encoding, and only that is accepted.
//!
//! ```text
//! all words little-endian
//! header:   magic   sessions_max   window   reply_bytes_max   opened   sessions in use
//! session:  id   highest   applied bits          the session used least recently first
//! reply:    slot   bytes (all ones: too large)   bytes, zero-padded to a word      one per applied bit, highest sequence first
//! ```

use super::{ClientTable, ENTRY_BITS, Kept, OPENED_MAX, SessionLimits, TOO_LARGE};
use crate::host::SnapshotError;
use crate::ids::Slot;
use crate::memory::words_of;

/// `"CLIENTS"` and the version of the encoding.
const MAGIC: u64 = u64::from_le_bytes(*b"CLIENTS\x01");

/// Words in front of the sessions, in front of each session's replies, and in front of each reply.
pub(super) const HEADER_WORDS: usize = 6;
pub(super) const SESSION_WORDS: usize = 3;
pub(super) const REPLY_WORDS: usize = 2;

impl ClientTable {
    /// Appends the table to a snapshot.
    pub fn encode(&self, into: &mut Vec<u8>) {
        let mut put = |word: u64| into.extend_from_slice(&word.to_le_bytes());
        let SessionLimits { sessions_max, window, reply_bytes_max } = self.limits;
        let in_use = self.sessions.iter().filter(|session| session.id != 0).count();
        for word in [MAGIC, sessions_max as u64, window as u64, reply_bytes_max as u64, self.opened, in_use as u64] {
            put(word);
        }
        for entry in self.recency.iter().map(|entry| entry as usize) {
            if self.sessions[entry].id != 0 {
                self.encode_session(entry, into);
            }
        }
    }

    fn encode_session(&self, entry: usize, into: &mut Vec<u8>) {
        let session = &self.sessions[entry];
        for word in [session.id, session.highest, session.applied] {
            into.extend_from_slice(&word.to_le_bytes());
        }
        for sequence in session.applied_sequences() {
            let at = self.place(entry, sequence);
            let Kept { slot, bytes } = self.kept[at];
            into.extend_from_slice(&slot.0.to_le_bytes());
            into.extend_from_slice(&length_word(bytes).to_le_bytes());
            let reply = self.reply_bytes(at);
            into.extend_from_slice(reply);
            into.resize(into.len() + words_of(reply.len()) * 8 - reply.len(), 0);
        }
    }

    /// Reads the table of a snapshot that was made under the same limits.
    ///
    /// # Errors
    /// [`SnapshotError`] if the bytes are no table, or one with other limits.
    pub fn decode(limits: SessionLimits, bytes: &[u8]) -> Result<Self, SnapshotError> {
        let mut table = Self::new(limits).map_err(|_| SnapshotError)?;
        let mut reader = Reader(bytes);
        table.decode_all(&mut reader).filter(|()| reader.0.is_empty()).ok_or(SnapshotError)?;
        Ok(table)
    }

    fn decode_all(&mut self, reader: &mut Reader<'_>) -> Option<()> {
        let SessionLimits { sessions_max, window, reply_bytes_max } = self.limits;
        for expected in [MAGIC, sessions_max as u64, window as u64, reply_bytes_max as u64] {
            (reader.word()? == expected).then_some(())?;
        }
        self.opened = reader.word().filter(|&opened| opened <= OPENED_MAX)?;
        let in_use = reader.word()?;
        (in_use <= (sessions_max as u64).min(self.opened)).then_some(())?;
        (0..in_use).try_for_each(|_| self.decode_session(reader))
    }

    fn decode_session(&mut self, reader: &mut Reader<'_>) -> Option<()> {
        let [id, highest, applied] = [reader.word()?, reader.word()?, reader.word()?];
        let entry = (id & ((1 << ENTRY_BITS) - 1)) as usize;
        let session = self.sessions.get_mut(entry).filter(|session| session.id == 0)?;
        (1..=self.opened).contains(&(id >> ENTRY_BITS)).then_some(())?;
        // Only sequences from 1 to `highest` that are still in the window can have been applied, and `highest` was.
        let possible = super::window_bits(self.limits.window).min(super::window_bits(highest.min(64) as usize));
        (applied & !possible == 0 && applied & 1 == u64::from(highest > 0)).then_some(())?;
        (session.id, session.highest, session.applied) = (id, highest, applied);
        self.recency.touch(entry as u32);
        for sequence in self.sessions[entry].applied_sequences() {
            self.decode_reply(self.place(entry, sequence), reader)?;
        }
        Some(())
    }

    fn decode_reply(&mut self, at: usize, reader: &mut Reader<'_>) -> Option<()> {
        let slot = Slot(reader.word()?);
        let bytes = reader.word()?;
        if bytes == length_word(TOO_LARGE) {
            self.kept[at] = Kept { slot, bytes: TOO_LARGE };
            return Some(());
        }
        let reply =
            reader.padded(usize::try_from(bytes).ok().filter(|&bytes| bytes <= self.limits.reply_bytes_max)?)?;
        self.kept[at] = Kept { slot, bytes: reply.len() as u32 };
        let start = at * self.limits.reply_bytes_max;
        self.replies[start..start + reply.len()].copy_from_slice(reply);
        Some(())
    }
}

/// The length of a kept reply as a word; all ones stand for a reply that was too large.
fn length_word(bytes: u32) -> u64 {
    if bytes == TOO_LARGE { u64::MAX } else { bytes.into() }
}

/// What is left to read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn word(&mut self) -> Option<u64> {
        let (word, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*word))
    }

    fn padded(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let (words, rest) = self.0.split_at_checked(words_of(bytes) * 8)?;
        let (meant, padding) = words.split_at(bytes);
        self.0 = rest;
        padding.iter().all(|&byte| byte == 0).then_some(meant)
    }
}
