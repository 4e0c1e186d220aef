//! Whether the order of the slots respects time: what ended before something else began comes first.
//!
//! Equal times count as at once: the clock cannot tell which was first.

use super::CheckError;
use super::error::described;
use super::groups::Group;
use crate::operation::{Kind, Operation, Outcome};
use std::fmt::Debug;

/// Looks for an operation that ended before one that has its place earlier began.
pub(super) fn check<C: Debug, R: Debug>(groups: &[Group<'_, C, R>]) -> Result<(), CheckError> {
    let mut latest: Option<&Operation<C, R>> = None;
    for group in groups {
        let begun_last = group.operations.iter().copied().max_by_key(|operation| operation.began);
        // A reply says that its slot is decided: no command that begins after it can share that slot. Reads can.
        if group.kind == Kind::Command {
            latest = later(latest, begun_last);
        }
        let ended_first = group.operations.iter().copied().min_by_key(|operation| end(operation));
        if let (Some(earlier), Some(later)) = (ended_first, latest)
            && end(earlier) < later.began
        {
            return Err(CheckError::OutOfOrder { ended: described(earlier), began: described(later) });
        }
        latest = later(latest, begun_last);
    }
    Ok(())
}

/// The one that began later.
fn later<'a, C, R>(a: Option<&'a Operation<C, R>>, b: Option<&'a Operation<C, R>>) -> Option<&'a Operation<C, R>> {
    a.into_iter().chain(b).max_by_key(|operation| operation.began)
}

/// When an operation was answered; one that was not never ended.
fn end<C, R>(operation: &Operation<C, R>) -> u64 {
    match operation.outcome {
        Outcome::Replied { at, .. } => at,
        Outcome::Unknown | Outcome::Refused => u64::MAX,
    }
}

/// The last slot that had been shown to any client, at any time.
pub(super) struct Floors {
    /// Time and slot, both rising.
    steps: Vec<(u64, u64)>,
}

impl Floors {
    pub(super) fn of<C, R>(history: &[Operation<C, R>]) -> Self {
        let mut steps: Vec<(u64, u64)> = history
            .iter()
            .filter_map(|operation| match operation.outcome {
                Outcome::Replied { at, slot, .. } => Some((at, slot)),
                Outcome::Unknown | Outcome::Refused => None,
            })
            .collect();
        steps.sort_unstable();
        let mut highest = 0;
        for (_, slot) in &mut steps {
            highest = highest.max(*slot);
            *slot = highest;
        }
        Self { steps }
    }

    /// What an operation that begins at `time` comes after.
    pub(super) fn at(&self, time: u64) -> u64 {
        let before = self.steps.partition_point(|(at, _)| *at < time);
        before.checked_sub(1).map_or(0, |last| self.steps[last].1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_floor_is_what_was_answered_before_and_never_falls() {
        let reply = |at, slot| Operation {
            client: 1,
            kind: Kind::Command,
            command: (),
            began: 0,
            outcome: Outcome::Replied { at, slot, reply: () },
        };
        let floors = Floors::of(&[reply(20, 3), reply(10, 7), reply(30, 9)]);
        assert_eq!([5, 10, 11, 20, 25, 30, 31].map(|time| floors.at(time)), [0, 0, 7, 7, 7, 7, 9]);
    }
}
