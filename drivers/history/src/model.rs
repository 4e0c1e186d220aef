//! What commands do, one after another: the truth that histories are compared with. Written apart from the machines of the
//! engine, so that a mistake there is not repeated here.

mod counter;
mod kv;
mod ledger;

pub use counter::Counter;
pub use kv::{Kv, KvCommand, KvReply};
pub use ledger::Ledger;

use std::fmt::Debug;
use std::hash::Hash;

/// A sequential machine.
pub trait Model {
    /// What clients ask.
    type Command: PartialEq + Debug;
    /// What they are answered.
    type Reply: PartialEq + Debug;
    /// A part of the state that commands of other parts neither see nor change; small parts make the search small.
    type State: Clone + Eq + Hash;
    /// Names a part.
    type Part: Ord;

    /// The part that a command is about.
    fn part(command: &Self::Command) -> Self::Part;

    /// A part before the first command.
    fn initial() -> Self::State;

    /// Executes a command, or a read, whose changes are thrown away.
    fn apply(state: &mut Self::State, command: &Self::Command) -> Self::Reply;
}
