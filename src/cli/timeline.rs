//! When leadership changed, as one replica saw it.

use crate::cli::monotonic;
use crate::cli::protocol::{Event, Moment};
use paxon::{Ballot, Handle, Leadership};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// Older moments are forgotten.
const MOMENTS_KEPT: usize = 64;

/// The latest moments. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    moments: Arc<Mutex<VecDeque<Moment>>>,
    /// The ballot of the last leadership whose first reply was noted.
    replied_under: Arc<AtomicU64>,
}

impl Timeline {
    /// Follows the leadership of a replica in a thread that ends with it.
    pub fn follow(&self, handle: &Handle, on_stop: impl FnOnce() + Send + 'static) {
        let (changes, timeline) = (handle.leadership(), self.clone());
        thread::spawn(move || {
            for change in changes {
                let what = match change.leadership {
                    Leadership::Leader { .. } => Event::Leader,
                    Leadership::Candidate => Event::Candidate,
                    Leadership::Recovering => Event::Recovering,
                    Leadership::Stopped => break,
                    _ => Event::Follower,
                };
                timeline.note(what, monotonic::ns_of(change.at));
            }
            on_stop();
        });
    }

    /// A command was applied under the ballot and is about to be answered.
    pub fn replied(&self, ballot: Ballot) {
        if self.replied_under.load(Relaxed) != ballot.0 && self.replied_under.swap(ballot.0, Relaxed) != ballot.0 {
            self.note(Event::FirstReply, monotonic::now_ns());
        }
    }

    fn note(&self, what: Event, at_ns: u64) {
        let mut moments = self.moments.lock().unwrap_or_else(PoisonError::into_inner);
        if moments.len() == MOMENTS_KEPT {
            moments.pop_front();
        }
        moments.push_back(Moment { at_ns, what });
    }

    /// The latest moments, oldest first.
    pub fn moments(&self) -> Vec<Moment> {
        self.moments.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use paxon::ReplicaId;
    use paxon::fastpath::Epoch;

    #[test]
    fn the_first_reply_of_each_leadership_is_noted_once() {
        let timeline = Timeline::default();
        for round in [1, 1, 2, 2] {
            timeline.replied(Ballot::new(Epoch::FIRST, round, ReplicaId(0)));
        }
        assert_eq!(timeline.moments().len(), 2);
    }

    #[test]
    fn old_moments_are_forgotten() {
        let timeline = Timeline::default();
        (0..2 * MOMENTS_KEPT).for_each(|at_ns| timeline.note(Event::Leader, at_ns as u64));
        assert_eq!(timeline.moments().len(), MOMENTS_KEPT);
    }
}
