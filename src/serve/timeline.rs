//! When leadership changed, as one replica saw it.

use super::report::{Event, Moment};
use crate::status::{Leadership, LeadershipEvent};
use paxon_fastpath::Ballot;
use rustix::time::{ClockId, clock_gettime};
use std::collections::VecDeque;
use std::sync::mpsc::Receiver;
use std::time::Instant;

/// Older moments are forgotten.
const MOMENTS_KEPT: usize = 64;

/// Nanoseconds of `CLOCK_MONOTONIC`, which all processes of a host share: what a [`Moment`] counts in.
pub fn monotonic_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    // Neither part is ever negative on this clock.
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// The same for an instant of this process that has passed.
fn ns_of(instant: Instant) -> u64 {
    monotonic_ns().saturating_sub(u64::try_from(instant.elapsed().as_nanos()).unwrap_or(u64::MAX))
}

/// The latest moments.
#[derive(Debug)]
pub(super) struct Timeline {
    changes: Receiver<LeadershipEvent>,
    moments: VecDeque<Moment>,
    /// The ballot of the last leadership whose first reply was noted.
    replied_under: Ballot,
}

impl Timeline {
    pub(super) const fn new(changes: Receiver<LeadershipEvent>) -> Self {
        Self { changes, moments: VecDeque::new(), replied_under: Ballot(0) }
    }

    /// Notes what has changed meanwhile; each change carries its time.
    pub(super) fn follow(&mut self) {
        while let Ok(change) = self.changes.try_recv() {
            let what = match change.leadership {
                Leadership::Leader { .. } => Event::Leader,
                Leadership::Candidate => Event::Candidate,
                Leadership::Recovering => Event::Recovering,
                Leadership::Follower { .. } => Event::Follower,
                Leadership::Stopped => continue,
            };
            self.note(what, ns_of(change.at));
        }
    }

    /// A command was applied under the ballot and is about to be answered.
    pub(super) fn replied(&mut self, ballot: Ballot) {
        if self.replied_under != ballot {
            self.replied_under = ballot;
            // The leadership that it belongs to comes first.
            self.follow();
            self.note(Event::FirstReply, monotonic_ns());
        }
    }

    fn note(&mut self, what: Event, at_ns: u64) {
        if self.moments.len() == MOMENTS_KEPT {
            self.moments.pop_front();
        }
        self.moments.push_back(Moment { at_ns, what });
    }

    /// The latest moments, oldest first.
    pub(super) fn moments(&mut self) -> Vec<Moment> {
        self.follow();
        self.moments.iter().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use paxon_fastpath::{Epoch, ReplicaId};
    use std::sync::mpsc::channel;

    #[test]
    fn the_first_reply_of_each_leadership_is_noted_once_and_after_it() {
        let (say, changes) = channel();
        let mut timeline = Timeline::new(changes);
        for round in [1, 1, 2, 2] {
            let ballot = Ballot::new(Epoch::FIRST, round, ReplicaId(0));
            let leadership = Leadership::Leader { ballot };
            say.send(LeadershipEvent { leadership, at: Instant::now() }).expect("it listens");
            timeline.replied(ballot);
        }
        let what: Vec<_> = timeline.moments().iter().map(|moment| moment.what).collect();
        assert_eq!(
            what,
            [Event::Leader, Event::FirstReply, Event::Leader, Event::Leader, Event::FirstReply, Event::Leader]
        );
    }

    #[test]
    fn old_moments_are_forgotten() {
        let mut timeline = Timeline::new(channel().1);
        (0..2 * MOMENTS_KEPT).for_each(|at_ns| timeline.note(Event::Leader, at_ns as u64));
        assert_eq!(timeline.moments().len(), MOMENTS_KEPT);
    }
}
