//! Executes operations in the order of their slots and keeps every state that explains the replies so far.

use super::groups::Group;
use super::used::Used;
use super::{Told, Unknown};
use crate::model::Model;
use crate::operation::{Kind, Operation, Outcome};
use std::collections::HashSet;
use std::hash::Hash;

/// Most states looked at for one slot. Replies that tell where an unknown command took effect keep them at a handful.
pub(super) const STATES_MAX: usize = 100_000;

/// What stopped a search.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stuck {
    /// Nothing explains the replies.
    Contradiction,
    /// Too much might.
    TooMany,
}

/// A state that explains all replies so far, and the unknown commands that it took.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Node<S> {
    state: S,
    used: Used,
}

/// On the way through a slot: a node, and the commands of the slot that it has executed.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Step<S> {
    node: Node<S>,
    done: Used,
}

/// The states in which a part may be.
pub(super) struct Search<'u, 'a, M: Model> {
    /// By floor, lowest first.
    unknown: &'u [Unknown<'a, M>],
    /// For each unknown command the one before it that is equal: equal commands are used in this order only.
    twins: Vec<Option<usize>>,
    /// Invariant: not empty, no two equal.
    nodes: Vec<Node<M::State>>,
    /// Use as few unknown commands as explain the next reply.
    sparing: bool,
}

impl<'u, 'a, M: Model> Search<'u, 'a, M> {
    /// A search that takes an unknown command as executed only right before a reply that cannot be explained otherwise. What
    /// it accepts is linearizable; what it refuses may be too.
    pub(super) fn sparing(unknown: &'u [Unknown<'a, M>]) -> Self {
        let equal =
            |index: usize| unknown[..index].iter().rposition(|(_, other)| other.command == unknown[index].1.command);
        Self {
            unknown,
            twins: (0..unknown.len()).map(equal).collect(),
            nodes: vec![Node { state: M::initial(), used: Used::default() }],
            sparing: true,
        }
    }

    /// A search through everything.
    pub(super) fn exhaustive(unknown: &'u [Unknown<'a, M>]) -> Self {
        Self { sparing: false, ..Self::sparing(unknown) }
    }

    /// The states before the group that [`Self::advance`] was last called with, if it failed, else after it.
    pub(super) fn states(&self) -> Vec<M::State> {
        self.nodes.iter().map(|node| node.state.clone()).collect()
    }

    /// Executes the next group; without success everything stays as it was.
    pub(super) fn advance(&mut self, group: &Group<'a, M::Command, M::Reply>) -> Result<(), Stuck> {
        let eligible = self.unknown.partition_point(|(floor, _)| *floor < group.slot);
        let fewest = if self.sparing { 0 } else { eligible };
        for extra in fewest..=eligible {
            let explained = self.explore(group, eligible, extra)?;
            if !explained.is_empty() {
                self.nodes = explained;
                return Ok(());
            }
        }
        Err(Stuck::Contradiction)
    }

    /// All nodes after the group that take at most `extra` more of the first `eligible` unknown commands.
    fn explore(
        &self,
        group: &Group<'a, M::Command, M::Reply>,
        eligible: usize,
        extra: usize,
    ) -> Result<Vec<Node<M::State>>, Stuck> {
        let mut open: Vec<_> =
            self.nodes.iter().map(|node| (Step { node: node.clone(), done: Used::default() }, extra)).collect();
        let (mut seen, mut explained) = (HashSet::new(), Vec::new());
        while let Some((step, extra)) = open.pop() {
            if !seen.insert(step.clone()) {
                continue;
            }
            if seen.len() > STATES_MAX {
                return Err(Stuck::TooMany);
            }
            if is_explained::<M>(&step, group) {
                explained.push(step.node.clone());
            }
            if step.done.count() < group.operations.len() && extra > 0 {
                open.extend(self.unknown_steps(&step, eligible).map(|next| (next, extra - 1)));
            }
            if group.kind == Kind::Command {
                open.extend(command_steps::<M>(&step, &group.operations).map(|next| (next, extra)));
            }
        }
        Ok(explained)
    }

    /// The steps that take one more unknown command.
    fn unknown_steps(&self, step: &Step<M::State>, eligible: usize) -> impl Iterator<Item = Step<M::State>> {
        let used = &step.node.used;
        let is_next = |index: &usize| !used.has(*index) && self.twins[*index].is_none_or(|twin| used.has(twin));
        (0..eligible).filter(is_next).map(|index| {
            let mut state = step.node.state.clone();
            M::apply(&mut state, &self.unknown[index].1.command);
            Step { node: Node { state, used: used.with(index) }, done: step.done.clone() }
        })
    }
}

/// The steps that execute one more command of the slot, with the reply that its client got.
fn command_steps<M: Model>(
    step: &Step<M::State>,
    commands: &[&Operation<M::Command, M::Reply>],
) -> impl Iterator<Item = Step<M::State>> {
    let left = commands.iter().enumerate().filter(|(index, _)| !step.done.has(*index));
    left.filter_map(|(index, command)| {
        let mut state = step.node.state.clone();
        let reply = M::apply(&mut state, &command.command);
        let node = Node { state, used: step.node.used.clone() };
        is_answer(command, &reply).then(|| Step { node, done: step.done.with(index) })
    })
}

/// Whether all commands of a group have been executed, or all its reads see this state.
fn is_explained<M: Model>(step: &Step<M::State>, group: &Group<'_, M::Command, M::Reply>) -> bool {
    match group.kind {
        Kind::Command => step.done.count() == group.operations.len(),
        Kind::Read => {
            let seen = |read: &Told<M>| M::apply(&mut step.node.state.clone(), &read.command);
            group.operations.iter().all(|read| is_answer(read, &seen(read)))
        }
    }
}

fn is_answer<C, R: PartialEq>(operation: &Operation<C, R>, expected: &R) -> bool {
    matches!(&operation.outcome, Outcome::Replied { reply, .. } if reply == expected)
}
