//! Commands, and how many of them are packed into the payload of one record.
//!
//! ```text
//! a batch is a run of entries, each of whole words:
//! w0 session   w1 sequence   w2 [zero:32 | payload_bytes:32]   w3.. payload, zero-padded to a word
//! ```

use crate::memory::words_of;
use crate::record::{Flags, Header};

/// Words in front of each payload of a batch.
pub const ENTRY_WORDS: usize = 3;
/// Most commands of a batch: the header counts them in 16 bits.
pub const BATCH_COMMANDS_MAX: usize = u16::MAX as usize;

/// The sequence that, in session 0, asks for a new session instead of naming a command.
const OPEN_SESSION: u64 = u64::MAX;

/// What a client wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Command<'a> {
    /// The client session; 0 is no session: the command is applied as often as it is decided.
    pub session: u64,
    /// The command's number in its session, from 1. Without a session it means nothing.
    pub sequence: u64,
    /// What the state machine is given.
    pub payload: &'a [u8],
}

impl<'a> Command<'a> {
    /// A command without a session.
    pub const fn plain(payload: &'a [u8]) -> Self {
        Self { session: 0, sequence: 0, payload }
    }

    /// The command that opens a session; its outcome names the session.
    pub const fn open_session() -> Self {
        Self { session: 0, sequence: OPEN_SESSION, payload: &[] }
    }

    /// Whether this command opens a session; the state machine does not see it then.
    pub const fn opens_session(&self) -> bool {
        self.session == 0 && self.sequence == OPEN_SESSION
    }

    /// Words that the command takes in a batch.
    pub const fn words(&self) -> usize {
        ENTRY_WORDS + words_of(self.payload.len())
    }
}

/// Why a command was not taken into a batch. The batch is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BatchError {
    /// There is no room left; propose this batch and put the command into the next.
    #[error("the batch is full: {commands} commands and {bytes} bytes are in it")]
    Full {
        /// Commands in the batch.
        commands: usize,
        /// Bytes in the batch.
        bytes: usize,
    },
    /// Not even an empty batch has room for the command.
    #[error("the command takes {bytes} bytes in a batch, which holds {max} bytes")]
    TooLarge {
        /// Bytes that the command takes, entry header included.
        bytes: usize,
        /// Bytes that a batch holds.
        max: usize,
    },
}

/// A preallocated packer of commands.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Invariant: never longer than `words_max`, which was reserved at the start, so it never allocates.
    words: Vec<u64>,
    words_max: usize,
    commands: u16,
    commands_max: u16,
}

impl Batch {
    /// An empty batch that will hold up to `bytes_max` bytes and up to `commands_max` commands (at most [`BATCH_COMMANDS_MAX`]).
    pub fn new(bytes_max: usize, commands_max: usize) -> Self {
        let words_max = bytes_max / 8;
        let commands_max = u16::try_from(commands_max).unwrap_or(u16::MAX);
        Self { words: Vec::with_capacity(words_max), words_max, commands: 0, commands_max }
    }

    /// Appends a command.
    ///
    /// # Errors
    /// [`BatchError::Full`] if it may fit into the next batch, [`BatchError::TooLarge`] if it fits into none.
    pub fn push(&mut self, command: Command<'_>) -> Result<(), BatchError> {
        let words = command.words();
        let payload_bytes = match u32::try_from(command.payload.len()) {
            Ok(bytes) if words <= self.words_max => bytes,
            _ => return Err(BatchError::TooLarge { bytes: words.saturating_mul(8), max: self.words_max * 8 }),
        };
        if self.words.len() + words > self.words_max || self.commands == self.commands_max {
            return Err(BatchError::Full { commands: self.commands.into(), bytes: self.bytes() });
        }
        self.words.extend_from_slice(&[command.session, command.sequence, payload_bytes.into()]);
        let start = self.words.len();
        self.words.resize(start + words - ENTRY_WORDS, 0);
        bytemuck::cast_slice_mut(&mut self.words[start..])[..command.payload.len()].copy_from_slice(command.payload);
        self.commands += 1;
        Ok(())
    }

    /// Forgets all commands.
    pub fn clear(&mut self) {
        self.words.clear();
        self.commands = 0;
    }

    /// The packed commands.
    pub fn words(&self) -> &[u64] {
        &self.words
    }

    /// Bytes of the packed commands.
    pub fn bytes(&self) -> usize {
        self.words.len() * 8
    }

    /// Commands in the batch.
    pub const fn commands(&self) -> u16 {
        self.commands
    }

    /// Whether the batch holds no command.
    pub const fn is_empty(&self) -> bool {
        self.commands == 0
    }
}

/// The rest of a record cannot be read as commands. The same bytes are decided everywhere, so every replica stops here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the record is malformed after {commands} commands")]
pub struct MalformedRecord {
    /// Commands that were read before.
    pub commands: u16,
}

/// The commands of a decided record, in order. The first malformed entry ends the iteration with an error.
#[derive(Clone, Debug)]
pub struct Commands<'a> {
    /// What is left of the record.
    rest: Rest<'a>,
    /// Commands yielded so far.
    yielded: u16,
}

#[derive(Clone, Debug)]
enum Rest<'a> {
    Nothing,
    Malformed,
    Single(Command<'a>),
    Batch { words: &'a [u64], commands: u16 },
}

/// The commands of a record: none of a no-op or configuration record, one inline, or those of a batch.
pub fn commands<'a>(header: &Header, payload: &'a [u64]) -> Commands<'a> {
    Commands { rest: rest_of(header, payload).unwrap_or(Rest::Malformed), yielded: 0 }
}

fn rest_of<'a>(header: &Header, payload: &'a [u64]) -> Option<Rest<'a>> {
    if header.flags.has(Flags::NOOP) || header.flags.has(Flags::CONFIG) {
        return Some(Rest::Nothing);
    }
    let words = payload.get(..header.payload_words())?;
    if header.flags.has(Flags::BATCH) {
        let whole = header.payload_bytes.is_multiple_of(8);
        return whole.then_some(Rest::Batch { words, commands: header.commands });
    }
    // The header of an arena record holds a position in place of a session, so such a record is always a batch.
    let payload = padded(words, header.payload_bytes as usize)?;
    let command = Command { session: header.session_or_arena, sequence: header.sequence, payload };
    (!header.flags.has(Flags::ARENA) && header.commands == 1).then_some(Rest::Single(command))
}

/// The first `bytes` bytes of `words`; `None` unless they end in the last word and zeros follow, so that each payload has one encoding.
fn padded(words: &[u64], bytes: usize) -> Option<&[u8]> {
    let (payload, padding) = bytemuck::cast_slice::<u64, u8>(words).split_at_checked(bytes)?;
    (padding.len() < 8 && padding.iter().all(|&byte| byte == 0)).then_some(payload)
}

fn split_entry(words: &[u64]) -> Option<(Command<'_>, &[u64])> {
    let (&[session, sequence, bytes], rest) = words.split_first_chunk::<ENTRY_WORDS>()?;
    let bytes = usize::try_from(u32::try_from(bytes).ok()?).ok()?;
    let (payload, rest) = rest.split_at_checked(words_of(bytes))?;
    Some((Command { session, sequence, payload: padded(payload, bytes)? }, rest))
}

impl<'a> Commands<'a> {
    fn malformed(&mut self) -> Option<Result<Command<'a>, MalformedRecord>> {
        self.rest = Rest::Nothing;
        Some(Err(MalformedRecord { commands: self.yielded }))
    }
}

impl<'a> Iterator for Commands<'a> {
    type Item = Result<Command<'a>, MalformedRecord>;

    fn next(&mut self) -> Option<Self::Item> {
        let command = match self.rest {
            Rest::Nothing | Rest::Batch { words: [], commands: 0 } => return None,
            Rest::Malformed => return self.malformed(),
            Rest::Single(command) => {
                self.rest = Rest::Nothing;
                command
            }
            Rest::Batch { words, commands } => {
                let (Some(left), Some((command, words))) = (commands.checked_sub(1), split_entry(words)) else {
                    return self.malformed();
                };
                self.rest = Rest::Batch { words, commands: left };
                command
            }
        };
        self.yielded = self.yielded.saturating_add(1);
        Some(Ok(command))
    }
}

impl std::iter::FusedIterator for Commands<'_> {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_records::{batch_header, inline_header};
    use proptest::prelude::*;

    fn decode<'a>(header: &Header, words: &'a [u64]) -> Result<Vec<Command<'a>>, MalformedRecord> {
        commands(header, words).collect()
    }

    #[test]
    fn an_inline_record_is_one_command_with_the_session_of_its_header() {
        let header = inline_header(7, 3, 5);
        let words = [u64::from_le_bytes(*b"hello\0\0\0")];
        assert_eq!(decode(&header, &words), Ok(vec![Command { session: 7, sequence: 3, payload: b"hello" }]));
    }

    #[test]
    fn padding_that_is_not_zero_is_malformed() {
        let header = inline_header(0, 0, 5);
        let words = [u64::from_le_bytes(*b"hello\0x\0")];
        assert_eq!(decode(&header, &words), Err(MalformedRecord { commands: 0 }));
    }

    #[test]
    fn noop_and_configuration_records_hold_no_command() {
        for flags in [Flags::NOOP, Flags::CONFIG] {
            assert_eq!(decode(&Header { flags, ..inline_header(1, 2, 8) }, &[9]), Ok(vec![]));
        }
    }

    #[test]
    fn a_full_batch_says_so_and_keeps_what_it_has() {
        let mut batch = Batch::new(8 * 8, 2);
        assert_eq!(batch.push(Command::plain(&[1; 41])), Err(BatchError::TooLarge { bytes: 72, max: 64 }));
        batch.push(Command::plain(&[1; 16])).expect("room");
        assert_eq!(batch.push(Command::plain(&[1; 8])), Err(BatchError::Full { commands: 1, bytes: 40 }));
        batch.push(Command::plain(&[])).expect("room");
        assert_eq!(batch.push(Command::plain(&[])), Err(BatchError::Full { commands: 2, bytes: 64 }));
    }

    #[test]
    fn more_or_fewer_commands_than_the_header_counts_are_malformed() {
        let mut batch = Batch::new(1024, 8);
        batch.push(Command::plain(b"a")).expect("room");
        batch.push(Command::plain(b"b")).expect("room");
        for commands in [1, 3] {
            let header = Header { commands, ..batch_header(&batch) };
            assert_eq!(decode(&header, batch.words()), Err(MalformedRecord { commands: commands.min(2) }));
        }
    }

    proptest! {
        #[test]
        fn a_batch_decodes_to_what_was_pushed(
            entries in prop::collection::vec((any::<u64>(), any::<u64>(), prop::collection::vec(any::<u8>(), 0..100)), 0..40)
        ) {
            let mut batch = Batch::new(1 << 16, 64);
            let commands: Vec<_> = entries.iter()
                .map(|(session, sequence, payload)| Command { session: *session, sequence: *sequence, payload })
                .collect();
            for command in &commands {
                batch.push(*command).expect("room");
            }
            prop_assert_eq!(decode(&batch_header(&batch), batch.words()), Ok(commands));
        }

        #[test]
        fn arbitrary_bytes_never_panic_and_what_decodes_has_one_encoding(
            // Small numbers make plausible lengths frequent.
            words in prop::collection::vec(prop_oneof![0u64..40, any::<u64>()], 0..40),
            commands in 0u16..8, payload_bytes in 0u32..400, flags in any::<u8>(),
        ) {
            let header = Header { commands, payload_bytes, flags: Flags(flags), ..inline_header(1, 1, 0) };
            let decoded = decode(&header, &words);
            if let (Ok(decoded), true) = (decoded, header.flags.has(Flags::BATCH)) {
                let mut batch = Batch::new(1 << 16, 64);
                for command in &decoded {
                    batch.push(*command).expect("room");
                }
                prop_assert!(decoded.is_empty() || batch.words() == &words[..payload_bytes as usize / 8]);
            }
        }
    }
}
