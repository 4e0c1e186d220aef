//! Exactly-once: what each client session has had applied, and what it was answered.

mod codec;
mod recency;

use crate::bug::{Bug, planted};
use crate::ids::Slot;
use crate::memory::words_of;
use crate::state_machine::Reply;
use recency::Recency;

/// Low bits of a session id that name its entry in the table.
const ENTRY_BITS: u32 = 24;
/// Sessions that a table can ever open: what is left of an id counts them. At 100,000 a second that takes four months.
const OPENED_MAX: u64 = (1 << (64 - ENTRY_BITS)) - 1;
/// The applied sequences of a window fit one word.
const WINDOW_MAX: usize = 64;
/// Replies are preallocated; what is larger than this belongs into a query.
const REPLY_BYTES_MAX: usize = 1 << 20;
/// Most memory of all kept replies.
const TABLE_BYTES_MAX: usize = 1 << 36;
/// Length of a kept reply that was larger than the limit.
const TOO_LARGE: u32 = u32::MAX;

/// Sizes of the client table. They decide what clients are answered, so they are the same at every replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionLimits {
    /// Sessions that can be open at once, 1 to 2^24; one more evicts the one used least recently.
    pub sessions_max: usize,
    /// Commands that a session may have in flight, 1 to 64; older replies are forgotten.
    pub window: usize,
    /// Longest reply to a command in bytes, up to 1 MiB.
    pub reply_bytes_max: usize,
}

impl Default for SessionLimits {
    /// 1024 sessions with 16 replies of 256 bytes each: 4 MiB.
    fn default() -> Self {
        Self { sessions_max: 1024, window: 16, reply_bytes_max: 256 }
    }
}

/// Why limits were refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SessionLimitsError {
    /// A limit is out of its range.
    #[error("{name} is {value}; it must be in {least}..={most}")]
    Range {
        /// Which limit.
        name: &'static str,
        /// What it is.
        value: usize,
        /// The least that is allowed.
        least: usize,
        /// The most that is allowed.
        most: usize,
    },
    /// The table would be too large.
    #[error(
        "{bytes} bytes of kept replies (sessions_max x window x reply_bytes_max); at most {TABLE_BYTES_MAX} are allowed"
    )]
    Memory {
        /// Bytes of all replies.
        bytes: usize,
    },
}

impl SessionLimits {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`SessionLimitsError`], naming what is wrong and what would be right.
    pub fn validate(&self) -> Result<(), SessionLimitsError> {
        let range = |name, value: usize, least: usize, most: usize| {
            let error = SessionLimitsError::Range { name, value, least, most };
            (least..=most).contains(&value).then_some(()).ok_or(error)
        };
        range("sessions_max", self.sessions_max, 1, 1 << ENTRY_BITS)?;
        range("window", self.window, 1, WINDOW_MAX)?;
        range("reply_bytes_max", self.reply_bytes_max, 0, REPLY_BYTES_MAX)?;
        let bytes = self.replies() * self.reply_bytes_max;
        (bytes <= TABLE_BYTES_MAX).then_some(()).ok_or(SessionLimitsError::Memory { bytes })
    }

    /// Most bytes that a table with these limits takes in a snapshot.
    pub const fn encoded_bytes_max(&self) -> usize {
        let reply = codec::REPLY_WORDS * 8 + words_of(self.reply_bytes_max) * 8;
        let session = codec::SESSION_WORDS * 8 + self.window * reply;
        codec::HEADER_WORDS * 8 + self.sessions_max * session
    }

    const fn replies(&self) -> usize {
        self.sessions_max * self.window
    }
}

/// The bits of the `window` latest sequences.
const fn window_bits(window: usize) -> u64 {
    if window >= 64 { u64::MAX } else { (1 << window) - 1 }
}

#[derive(Clone, Copy, Debug, Default)]
struct Session {
    /// `[opened:40 | entry:24]`: the how-manieth session it is and where it stands. 0: the entry is free.
    id: u64,
    /// The highest sequence applied; 0: none yet.
    highest: u64,
    /// Bit `i`: sequence `highest - i` was applied. Invariant: bit 0 is set once `highest > 0`; no bit lies outside the window.
    applied: u64,
}

impl Session {
    fn applied_sequences(self) -> impl Iterator<Item = u64> {
        (0..u64::from(u64::BITS)).filter(move |age| self.applied >> age & 1 == 1).map(move |age| self.highest - age)
    }

    fn note(&mut self, sequence: u64, window: usize) {
        if let Some(ahead) = sequence.checked_sub(self.highest).filter(|&ahead| ahead > 0) {
            let shift = u32::try_from(ahead).unwrap_or(u32::MAX);
            self.applied = (self.applied.checked_shl(shift).unwrap_or(0) | 1) & window_bits(window);
            self.highest = sequence;
        } else {
            self.applied |= 1 << (self.highest - sequence);
        }
    }
}

/// Where a reply was given and how long it is.
#[derive(Clone, Copy, Debug, Default)]
struct Kept {
    slot: Slot,
    /// Length, or [`TOO_LARGE`].
    bytes: u32,
}

/// What to do with a command of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission<'a> {
    /// It was not applied yet: apply it, then [`ClientTable::keep`] the reply.
    New,
    /// It was applied in `slot`; this was the reply, `None` if that was too large.
    Duplicate {
        /// The slot of the first application.
        slot: Slot,
        /// The first reply.
        reply: Option<&'a [u8]>,
    },
    /// It fell out of the window: whether it was applied is forgotten. Sequence 0 is always too old.
    TooOld,
    /// There is no such session (any more).
    Expired,
}

/// The client sessions of a replica. It changes only by decided commands, in slot order, so it is the same everywhere.
#[derive(Clone, Debug)]
pub struct ClientTable {
    limits: SessionLimits,
    sessions: Vec<Session>,
    /// Reply of sequence `q` of entry `e` at `e * window + q % window`.
    kept: Vec<Kept>,
    /// Bytes of the kept replies, [`SessionLimits::reply_bytes_max`] for each.
    replies: Vec<u8>,
    /// Free entries stand before used ones, since an entry moves to the end when it is first used.
    recency: Recency,
    /// Sessions ever opened. Invariant: at most [`OPENED_MAX`].
    opened: u64,
}

impl ClientTable {
    /// An empty table.
    ///
    /// # Errors
    /// [`SessionLimitsError`] if the limits are out of range.
    pub fn new(limits: SessionLimits) -> Result<Self, SessionLimitsError> {
        limits.validate()?;
        Ok(Self {
            limits,
            sessions: vec![Session::default(); limits.sessions_max],
            kept: vec![Kept::default(); limits.replies()],
            replies: vec![0; limits.replies() * limits.reply_bytes_max],
            recency: Recency::new(limits.sessions_max),
            opened: 0,
        })
    }

    /// The limits of the table.
    pub const fn limits(&self) -> SessionLimits {
        self.limits
    }

    /// Opens a session and returns its id, which was never and will never be another's. If the table is full, the session
    /// used least recently is forgotten. `None` once all ids were given, after 2^40 - 1 sessions: a clear end rather than an id that was
    /// another's.
    pub fn open(&mut self) -> Option<u64> {
        if self.opened == OPENED_MAX {
            return None;
        }
        let entry = self.recency.oldest();
        self.opened += 1;
        let id = self.opened << ENTRY_BITS | u64::from(entry);
        self.sessions[entry as usize] = Session { id, highest: 0, applied: 0 };
        self.recency.touch(entry);
        Some(id)
    }

    /// Decides what to do with a command. Any decided command of an open session counts as a use of it.
    pub fn admit(&mut self, session: u64, sequence: u64) -> Admission<'_> {
        let Some(entry) = self.entry(session) else { return Admission::Expired };
        self.recency.touch(entry as u32);
        let Session { highest, applied, .. } = self.sessions[entry];
        match highest.checked_sub(sequence) {
            _ if sequence == 0 => Admission::TooOld,
            None => Admission::New,
            Some(age) if age >= self.limits.window as u64 => Admission::TooOld,
            Some(age) if applied >> age & 1 == 0 || planted(Bug::DedupeLost) => Admission::New,
            Some(_) => {
                let at = self.place(entry, sequence);
                let Kept { slot, bytes } = self.kept[at];
                Admission::Duplicate { slot, reply: (bytes != TOO_LARGE).then(|| self.reply_bytes(at)) }
            }
        }
    }

    /// Keeps the reply to a command that was admitted as [`Admission::New`] and has been applied in `slot`.
    ///
    /// # Panics
    /// If the session is not open or the reply is longer than the limit: both are mistakes of the caller.
    pub fn keep(&mut self, session: u64, sequence: u64, slot: Slot, reply: &Reply) {
        let entry = self.entry(session).expect("an admitted command has an open session");
        self.sessions[entry].note(sequence, self.limits.window);
        let at = self.place(entry, sequence);
        let bytes = reply.bytes().map_or(TOO_LARGE, |bytes| bytes.len() as u32);
        self.kept[at] = Kept { slot, bytes };
        if let Some(bytes) = reply.bytes() {
            let start = at * self.limits.reply_bytes_max;
            self.replies[start..start + self.limits.reply_bytes_max][..bytes.len()].copy_from_slice(bytes);
        }
    }

    /// Sessions that are open.
    pub fn open_sessions(&self) -> usize {
        self.sessions.iter().filter(|session| session.id != 0).count()
    }

    fn entry(&self, session: u64) -> Option<usize> {
        let entry = (session & ((1 << ENTRY_BITS) - 1)) as usize;
        (session != 0 && self.sessions.get(entry)?.id == session).then_some(entry)
    }

    fn place(&self, entry: usize, sequence: u64) -> usize {
        entry * self.limits.window + (sequence % self.limits.window as u64) as usize
    }

    fn reply_bytes(&self, at: usize) -> &[u8] {
        let Kept { bytes, .. } = self.kept[at];
        let bytes = if bytes == TOO_LARGE { 0 } else { bytes as usize };
        &self.replies[at * self.limits.reply_bytes_max..][..bytes]
    }
}

#[cfg(test)]
mod tests;
