//! The order of each session's commands on one connection.
//!
//! The engine keeps the order of what it takes. What has to be kept here: once a command was refused, those behind it must
//! not be taken, until the client, which knows of the refusal by then, sends them again. It shows that it knows by a higher
//! round.
//!
//! Limit: a leader that loses and wins an election between the look at its ballot and the queue of the engine, some hundred
//! nanoseconds apart, with an earlier command of the session lost in between, takes a command too early. That takes a thread
//! that is stopped at this place for a whole election.

use paxon_fastpath::Ballot;
use std::collections::HashMap;

/// Sessions of a connection of which something has to be remembered.
const SESSIONS_MAX: usize = 4096;

#[derive(Debug, Default)]
struct Passing {
    /// Commands that the engine has.
    in_flight: usize,
    /// The ballot under which it took them.
    ballot: Ballot,
    /// The highest round in which one was refused.
    refused_in: Option<u64>,
}

/// Whether a command may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pass {
    Go,
    /// An earlier one was refused and has to come first.
    Behind,
    /// Too many sessions have to be remembered.
    TooMany,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Order {
    sessions: HashMap<u64, Passing>,
}

impl Order {
    /// Asks for a command of a session. After [`Pass::Go`] the engine has it, or [`Order::refused`] and
    /// [`Order::finished`] are called.
    pub(super) fn pass(&mut self, session: u64, round: u64, ballot: Ballot) -> Pass {
        if self.sessions.len() >= SESSIONS_MAX && !self.sessions.contains_key(&session) {
            return Pass::TooMany;
        }
        let passing = self.sessions.entry(session).or_default();
        if passing.refused_in.is_some_and(|refused_in| round <= refused_in) {
            return Pass::Behind;
        }
        // What was taken under another ballot may be lost.
        if passing.in_flight > 0 && passing.ballot != ballot {
            passing.refused_in = Some(round);
            return Pass::Behind;
        }
        (passing.refused_in, passing.ballot) = (None, ballot);
        passing.in_flight += 1;
        Pass::Go
    }

    /// A command has to come again.
    pub(super) fn refused(&mut self, session: u64, round: u64) {
        if let Some(passing) = self.sessions.get_mut(&session) {
            passing.refused_in = passing.refused_in.max(Some(round));
        }
    }

    /// A command that may go on is not on its way any more.
    pub(super) fn finished(&mut self, session: u64) {
        if let Some(passing) = self.sessions.get_mut(&session) {
            passing.in_flight -= 1;
            if passing.in_flight == 0 && passing.refused_in.is_none() {
                self.sessions.remove(&session);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use paxon_fastpath::{Epoch, ReplicaId};

    fn ballot(round: u64) -> Ballot {
        Ballot::new(Epoch::FIRST, round, ReplicaId(0))
    }

    #[test]
    fn what_comes_behind_a_refusal_waits_for_a_higher_round() {
        let mut order = Order::default();
        assert_eq!([order.pass(7, 0, ballot(1)), order.pass(7, 0, ballot(1))], [Pass::Go, Pass::Go]);
        order.refused(7, 0);
        order.finished(7);
        assert_eq!(order.pass(7, 0, ballot(1)), Pass::Behind);
        assert_eq!(order.pass(8, 0, ballot(1)), Pass::Go, "another session");
        order.finished(7);
        assert_eq!(order.pass(7, 0, ballot(1)), Pass::Behind);
        assert_eq!(order.pass(7, 1, ballot(2)), Pass::Go);
    }

    #[test]
    fn nothing_is_taken_under_another_ballot_while_something_may_be_lost() {
        let mut order = Order::default();
        assert_eq!(order.pass(7, 0, ballot(1)), Pass::Go);
        assert_eq!(order.pass(7, 0, ballot(2)), Pass::Behind);
        order.finished(7);
        assert_eq!(order.pass(7, 0, ballot(2)), Pass::Behind, "the client does not know yet");
        assert_eq!(order.pass(7, 1, ballot(2)), Pass::Go);
    }

    #[test]
    fn only_so_many_sessions_are_remembered() {
        let mut order = Order::default();
        for session in 1..=SESSIONS_MAX as u64 {
            assert_eq!(order.pass(session, 0, ballot(1)), Pass::Go);
        }
        assert_eq!(order.pass(u64::MAX, 0, ballot(1)), Pass::TooMany);
        order.finished(1);
        assert_eq!(order.pass(u64::MAX, 0, ballot(1)), Pass::Go);
    }
}
