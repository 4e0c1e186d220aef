//! Small state machines, ready to be replicated.

mod counter;
mod kv;
mod ledger;

pub use counter::Counter;
pub use kv::{KvCommand, KvError, KvLimits, KvReply, KvStore};
pub use ledger::Ledger;
