//! A stateright model of one slot of the protocol.
//!
//! # What is modelled
//!
//! Three acceptors, which are memory only: a PROMISE word that is changed by CAS, and one append-only journal for each
//! of two proposers. A proposer posts its operations on one ordered channel to each acceptor:
//!
//! - *prepare*: `CAS(PROMISE, predicted, ballot)`, then a `READ` of every journal. A failed CAS voids the reads and is
//!   posted again with the ballot it saw, unless that is higher. A prepare quorum done, the proposer adopts the valid
//!   record with the highest ballot, or else proposes a value of its own.
//! - *accept*: a `WRITE` of the record into a cell of its own, then the *check* `CAS(PROMISE, ballot, ballot)`. A vote
//!   counts if the check succeeds; with an accept quorum of votes the value is decided.
//!
//! Every operation at every acceptor is a step of its own, in any interleaving. A proposer may at any time give its
//! attempt up and retry with a higher ballot and any prediction, also after it has decided (its replies were lost).
//! A [`Scenario`](scenario::Scenario) bounds the ballots, sets the quorums and says which faults there are:
//!
//! - *torn writes*: a `WRITE` lands in two halves. Between them a reader sees a record whose checksum fails, which
//!   counts as not voted.
//! - *leftovers*: what an attempt, finished, given up or crashed, leaves on a channel lands at any later time and in
//!   any order, also under ballots that came after it. Real channels allow less than that.
//!
//! In every state [agreement](model::AGREEMENT) and [validity](model::VALIDITY) must hold. A value counts as decided
//! when the last check of its quorum executes, whether or not anybody learns of it.
//!
//! # What is not modelled
//!
//! More than one slot, recycling of cells, commit indices and learning, membership, epochs and wiped memory; an
//! acceptor never forgets. Arenas are part of the record. A `READ` of one journal is one step; that a reader may see
//! a record in part is modelled on the side of the writer. A proposer reposts no CAS whose outcome it does not know.
//! Nothing is said about liveness.
//!
//! # How states count
//!
//! States that differ only in the names of the acceptors are one state, which divides their number by up to six: an
//! [`Acceptor`](acceptor::Acceptor) holds its memory and the channels to it, nothing else in a state names one, and
//! each step ends by sorting the acceptors. Two states that stateright hashes to the same 64 bits count as one as well.
//!
//! # Planted bugs
//!
//! A model that finds nothing may be blind. Each [`Mutant`](mutant::Mutant) plants one bug, and the tests require that
//! the checker catches it in a scenario in which it shows the correct protocol to be safe, by a path that first leaves
//! the correct protocol at the operation that the bug is about.
//!
//! ```
//! use paxon_model::exploration::{Exploration, Until};
//! use paxon_model::model::OneSlot;
//! use paxon_model::mutant::Mutant;
//!
//! let run = Exploration::run(OneSlot::mutated(Mutant::NoCheck), Until::Violation(10_000_000), 1);
//! assert_eq!(run.violation().map(|(property, _)| property), Some("agreement"));
//! ```

pub mod acceptor;
pub mod exploration;
pub mod journal;
pub mod model;
pub mod mutant;
pub mod operation;
mod protocol;
pub mod scenario;
pub mod state;
pub mod step;
pub mod trace;
