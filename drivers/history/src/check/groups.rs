//! Answered operations in the order that their slots give.

use super::CheckError;
use super::error::described;
use crate::operation::{Kind, Operation, Outcome};
use std::fmt::Debug;

/// Operations between which slots give no order: commands of one slot, or reads of the state after one.
#[derive(Clone, Debug)]
pub(super) struct Group<'a, C, R> {
    pub(super) slot: u64,
    pub(super) kind: Kind,
    /// Invariant: not empty, and all answered.
    pub(super) operations: Vec<&'a Operation<C, R>>,
}

/// All answered operations: by slot, and in a slot the commands before the reads.
pub(super) fn groups<C: Debug, R: Debug>(history: &[Operation<C, R>]) -> Result<Vec<Group<'_, C, R>>, CheckError> {
    let mut answered = Vec::new();
    for operation in history {
        if let Outcome::Replied { at, slot, .. } = operation.outcome {
            if at < operation.began || (slot == 0 && operation.kind == Kind::Command) {
                return Err(CheckError::Malformed { operation: described(operation) });
            }
            answered.push((slot, operation.kind, operation));
        }
    }
    answered.sort_by_key(|(slot, kind, _)| (*slot, *kind));
    let groups = answered.chunk_by(|(a, b, _), (c, d, _)| (a, b) == (c, d));
    Ok(groups.map(group).collect())
}

fn group<'a, C, R>(same: &[(u64, Kind, &'a Operation<C, R>)]) -> Group<'a, C, R> {
    let (slot, kind, _) = same[0];
    Group { slot, kind, operations: same.iter().map(|(_, _, operation)| *operation).collect() }
}
