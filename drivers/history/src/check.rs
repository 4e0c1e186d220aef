//! The check: first the times of all operations against their slots, then the replies, part by part.

mod error;
mod groups;
mod search;
mod time;
mod used;

use crate::model::Model;
use crate::operation::{Kind, Operation, Outcome};
use groups::{Group, groups};
use search::{Search, Stuck};
use std::collections::BTreeMap;

pub use error::CheckError;

/// A command of unknown outcome, with the last slot that had been shown to anybody when it began: it comes after.
type Unknown<'a, M> = (u64, &'a Told<M>);
/// An operation of a model's clients.
type Told<M> = Operation<<M as Model>::Command, <M as Model>::Reply>;

/// What was checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Operations of the history.
    pub operations: usize,
    /// Of these, the ones that were answered.
    pub answered: usize,
    /// Of these, the commands of unknown outcome.
    pub unknown: usize,
    /// The last slot of an answer.
    pub last_slot: u64,
}

/// Checks that a history is linearizable, with the slots as its order.
///
/// # Errors
/// [`CheckError`] names the first operation that no execution explains, or says why it cannot tell.
pub fn check<M: Model>(history: &[Operation<M::Command, M::Reply>]) -> Result<Report, CheckError> {
    let groups = groups(history)?;
    time::check(&groups)?;
    let floors = time::Floors::of(history);
    let mut parts = BTreeMap::<M::Part, Part<'_, M>>::new();
    for group in groups {
        for operation in group.operations {
            let part = parts.entry(M::part(&operation.command)).or_default();
            part.add(group.slot, group.kind, operation);
        }
    }
    for operation in history.iter().filter(|operation| is_unknown_command(operation)) {
        let part = parts.entry(M::part(&operation.command)).or_default();
        part.unknown.push((floors.at(operation.began), operation));
    }
    parts.into_values().try_for_each(Part::check)?;
    Ok(report(history))
}

/// The operations of a part of the state.
struct Part<'a, M: Model> {
    groups: Vec<Group<'a, M::Command, M::Reply>>,
    unknown: Vec<Unknown<'a, M>>,
}

impl<M: Model> Default for Part<'_, M> {
    fn default() -> Self {
        Self { groups: Vec::new(), unknown: Vec::new() }
    }
}

impl<'a, M: Model> Part<'a, M> {
    /// Operations come in the order of the groups.
    fn add(&mut self, slot: u64, kind: Kind, operation: &'a Told<M>) {
        match self.groups.last_mut() {
            Some(last) if (last.slot, last.kind) == (slot, kind) => last.operations.push(operation),
            _ => self.groups.push(Group { slot, kind, operations: vec![operation] }),
        }
    }

    /// First with as few unknown commands as can be, which is fast and nearly always explains everything; then with all
    /// possibilities, since an unknown command may have had an effect before it was seen.
    fn check(mut self) -> Result<(), CheckError> {
        self.unknown.sort_by_key(|(floor, _)| *floor);
        if self.explain(Search::sparing(&self.unknown)).is_ok() {
            return Ok(());
        }
        self.explain(Search::exhaustive(&self.unknown))
    }

    fn explain(&self, mut search: Search<'_, 'a, M>) -> Result<(), CheckError> {
        self.groups.iter().try_for_each(|group| {
            search.advance(group).map_err(|stuck| match stuck {
                Stuck::Contradiction => error::wrong_reply::<M>(group, &search.states()),
                Stuck::TooMany => CheckError::Undecided { slot: group.slot, states: search::STATES_MAX },
            })
        })
    }
}

fn is_unknown_command<C, R>(operation: &Operation<C, R>) -> bool {
    operation.kind == Kind::Command && matches!(operation.outcome, Outcome::Unknown)
}

fn report<C, R>(history: &[Operation<C, R>]) -> Report {
    let slots = history.iter().filter_map(|operation| match operation.outcome {
        Outcome::Replied { slot, .. } => Some(slot),
        Outcome::Unknown | Outcome::Refused => None,
    });
    Report {
        operations: history.len(),
        answered: slots.clone().count(),
        unknown: history.iter().filter(|operation| is_unknown_command(operation)).count(),
        last_slot: slots.max().unwrap_or(0),
    }
}
