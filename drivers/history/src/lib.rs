//! Histories of client operations, and a check in linear time that they are linearizable.
//!
//! A reply of Paxon carries the slot in which its command took effect, or which a read saw. That order is a witness: instead
//! of searching for some order that explains all replies, [`check`] demands that **this** one does.
//!
//! 1. **Time.** An operation that ended before another began comes first: a command in a lower slot, a read at a slot that is
//!    not higher than the read's and lower than the command's.
//! 2. **Replies.** Executing the commands one after another in the order of their slots gives every command the reply that
//!    its client got; and a read at a slot was answered from the state right after that slot.
//! 3. **Unknown outcomes.** A command whose client got no answer may have taken effect once, in any slot after those that its
//!    client could know of, or never. Only these are searched for.
//!
//! That finds stale reads, lost, repeated and reordered commands, and wrong replies. A lost command shows only in what was
//! observed after it: end a history with a read of everything.
//!
//! ```
//! use paxon_history::{Kind, Recorder, check, Counter};
//!
//! let recorder = Recorder::new();
//! let pending = recorder.begin(1, Kind::Command, 5);   // client 1 adds 5
//! pending.replied(1, 5);                               // in slot 1, and the sum is 5
//! drop(recorder.begin(2, Kind::Command, 7));           // client 2 gets no answer
//! recorder.begin(1, Kind::Read, 0).replied(2, 12);     // but its 7 is in the sum
//! let report = check::<Counter>(&recorder.history())?;
//! assert_eq!((report.operations, report.unknown), (3, 1));
//! # Ok::<(), paxon_history::CheckError>(())
//! ```
//!
//! # Limits
//! Commands of one record share a slot, and their order within it is searched for too. Where replies do not tell it (many
//! writes of one key in one slot, dozens of unknown outcomes that any order explains) the search ends at a bound and says
//! [`CheckError::Undecided`]; it never guesses.

#![forbid(unsafe_code)]

mod check;
mod model;
mod operation;
mod recorder;

pub use check::{CheckError, Report, check};
pub use model::{Counter, Kv, KvCommand, KvReply, Ledger, Model};
pub use operation::{Kind, Operation, Outcome};
pub use recorder::{Pending, Recorder};
