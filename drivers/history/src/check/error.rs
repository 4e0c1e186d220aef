//! What a check finds.

use super::groups::Group;
use crate::model::Model;
use crate::operation::{Kind, Operation, Outcome};
use std::collections::BTreeSet;
use std::fmt::Debug;

/// Most possible replies that a message lists.
const EXPECTED_SHOWN: usize = 4;

/// Why a history is not linearizable, or why that cannot be told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// The slots contradict the times: a stale read, a command before its time, a slot that was given twice.
    #[error("not linearizable: [{ended}] had ended before [{began}] began, but its slot does not come first")]
    OutOfOrder {
        /// The operation that comes first in time.
        ended: String,
        /// The operation that comes first by its slot, or shares it.
        began: String,
    },
    /// The replies contradict the slots: a lost, repeated or reordered command, a stale read, a wrong answer.
    #[error("not linearizable: [{operation}]; executing everything in the order of the slots answers {expected}")]
    WrongReply {
        /// The operation, or all of its slot.
        operation: String,
        /// The reply of each execution that explains everything before.
        expected: String,
    },
    /// There are too many explanations to look at all.
    #[error(
        "undecided: over {states} states explain the history up to slot {slot}; use fewer commands of unknown outcome or smaller batches"
    )]
    Undecided {
        /// How far the search came.
        slot: u64,
        /// Where it stopped.
        states: usize,
    },
    /// The history contradicts itself.
    #[error("malformed history: [{operation}] ended before it began, or is a command in slot 0")]
    Malformed {
        /// The operation.
        operation: String,
    },
}

/// An operation in words.
pub(super) fn described<C: Debug, R: Debug>(operation: &Operation<C, R>) -> String {
    let Operation { client, kind, command, began, outcome } = operation;
    let what = match kind {
        Kind::Command => "command",
        Kind::Read => "read",
    };
    match outcome {
        Outcome::Replied { at, slot, reply } => {
            format!("client {client}, {what} {command:?}, {began}..{at} ns, slot {slot}: {reply:?}")
        }
        Outcome::Unknown => format!("client {client}, {what} {command:?}, {began}.. ns: unknown"),
        Outcome::Refused => format!("client {client}, {what} {command:?}, {began}.. ns: refused"),
    }
}

/// That a group cannot be executed in any of the states before it.
pub(super) fn wrong_reply<M: Model>(group: &Group<'_, M::Command, M::Reply>, states: &[M::State]) -> CheckError {
    let operations: Vec<_> = group.operations.iter().map(|operation| described(*operation)).collect();
    let first = &group.operations[0].command;
    let answers: BTreeSet<_> =
        states.iter().map(|state| format!("{:?}", M::apply(&mut state.clone(), first))).collect();
    let mut expected = answers.iter().take(EXPECTED_SHOWN).cloned().collect::<Vec<_>>().join(" or ");
    if answers.len() > EXPECTED_SHOWN {
        expected += &format!(" or one of {} others", answers.len() - EXPECTED_SHOWN);
    }
    CheckError::WrongReply { operation: operations.join("; "), expected }
}
