//! How long a peer takes to answer, so that time-outs fit the path to it.
//!
//! The estimate is the longest round trip of the last one to two windows: the upper quantile that a failure detector needs
//! (a mean and its deviation forget a retransmission within milliseconds, when hundreds of quick answers follow it, and the
//! next one then looks like a death). It is bounded, so that a path that is worse than the bound counts as dead.

use crate::bug::{Bug, planted};
use crate::config::Timing;
use crate::ids::Nanos;

/// The longest round trip that time-outs allow for.
const ROUND_TRIP_MAX: Nanos = Nanos::from_millis(10_000);
/// A window is this many suspicion times: 10 s where suspicion takes 50 ms.
const WINDOW_SUSPECTS: u64 = 200;
/// A window holds at least this many of its longest round trips: on a slow path samples are rare.
const WINDOW_ROUND_TRIPS: u64 = 4;

/// Round trips to one peer, taken from the pulls of its status page.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RoundTrips {
    /// The longest of the window that began at `began`, and of the one before.
    current: Nanos,
    previous: Nanos,
    began: Nanos,
    asked_at: Nanos,
    /// Whether the link has answered since it came up.
    answered: bool,
}

impl RoundTrips {
    /// A pull was posted.
    pub(crate) fn asked(&mut self, now: Nanos) {
        self.asked_at = now;
    }

    /// The pull came back.
    pub(crate) fn answered(&mut self, now: Nanos, timing: &Timing) {
        let window = (timing.suspect.0 * WINDOW_SUSPECTS).max(self.current.0 * WINDOW_ROUND_TRIPS);
        if now.since(self.began).0 > window {
            (self.previous, self.current, self.began) = (self.current, Nanos(0), now);
        }
        self.current = self.current.max(now.since(self.asked_at)).min(ROUND_TRIP_MAX);
        self.answered = true;
    }

    /// The link went down or came up: what is known of the path stays, but the link has yet to answer.
    pub(crate) fn link_changed(&mut self) {
        self.answered = false;
    }

    /// Whether the link has answered since it came up: one that has not would not answer a candidate either.
    pub(crate) const fn is_proven(&self) -> bool {
        self.answered
    }

    /// How much longer than on a path without delay an answer may take: half as much again as the longest seen.
    pub(crate) fn allowance(&self) -> Nanos {
        if planted(Bug::RoundTripsIgnored) {
            return Nanos(0);
        }
        let longest = self.current.max(self.previous);
        Nanos(longest.0 + longest.0 / 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMING: Timing = Timing::sharing();

    fn after(trips_ms: &[(u64, u64)]) -> RoundTrips {
        let mut trips = RoundTrips::default();
        for &(asked, took) in trips_ms {
            trips.asked(Nanos::from_millis(asked));
            trips.answered(Nanos::from_millis(asked + took), &TIMING);
        }
        trips
    }

    #[test]
    fn memory_that_answers_at_once_needs_no_allowance() {
        assert_eq!(after(&[(1, 0), (2, 0)]).allowance(), Nanos(0));
    }

    #[test]
    fn a_slow_answer_is_remembered_among_many_quick_ones_and_forgotten_after_two_windows() {
        let mut trips = vec![(0, 400)];
        trips.extend((1..100).map(|at| (400 + at, 1)));
        assert_eq!(after(&trips).allowance(), Nanos::from_millis(600));
        trips.extend((1..300).map(|at| (at * 100, 1)));
        assert_eq!(after(&trips).allowance(), Nanos(1_500_000));
    }

    #[test]
    fn a_path_worse_than_the_bound_gets_no_more_than_the_bound() {
        assert_eq!(after(&[(0, 60_000)]).allowance(), Nanos::from_millis(15_000));
    }
}
