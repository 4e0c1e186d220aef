//! Commands of one session on their way, in the order of their numbers.

use crate::call::{Call, Kind};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

/// The commands of a session; or, for session 0, everything that has no order.
///
/// Invariant that keeps the order across refusals and lost connections: a command is sent only while all that were sent
/// and not answered are on the same connection and none of them was refused. After a refusal nothing is sent until every
/// command that is under way has come back; then they go out again, lowest number first, in a new round. The replica
/// refuses what was sent in the old round before the refusal was known here.
#[derive(Debug, Default)]
pub(super) struct Flow {
    /// Not under way. Invariant: in a session, numbers grow.
    queue: VecDeque<Arc<Call>>,
    /// Numbers of a session's commands that are under way.
    in_flight: BTreeSet<u64>,
    /// The link on which they are.
    link: usize,
    /// One of them was refused.
    draining: bool,
    /// The round in which they were sent.
    round: u64,
    /// It stands in the list of those that may have something to send.
    pub(super) listed: bool,
}

impl Flow {
    pub(super) fn add(&mut self, call: Arc<Call>) {
        let sequence = call.kind.sequence();
        // Nearly always the highest; a command that is proposed again under its number is not.
        let at = self.queue.iter().rposition(|queued| queued.kind.sequence() <= sequence).map_or(0, |last| last + 1);
        self.queue.insert(at, call);
    }

    /// A call that has to be sent again. `link` is where it was under way.
    pub(super) fn again(&mut self, call: Arc<Call>) {
        let Kind::Propose { session: 1.., sequence } = call.kind else {
            self.queue.push_front(call);
            return;
        };
        self.refused(sequence);
        let at = self.queue.partition_point(|queued| queued.kind.sequence() < sequence);
        self.queue.insert(at, call);
    }

    /// A command of the session was refused, or lost with its connection.
    pub(super) fn refused(&mut self, sequence: u64) {
        self.draining = true;
        self.came_back(sequence);
    }

    /// A command of the session is not under way any more.
    pub(super) fn came_back(&mut self, sequence: u64) {
        self.in_flight.remove(&sequence);
        if self.in_flight.is_empty() {
            self.draining = false;
        }
    }

    /// The next call to send over `link`, and its round; from now on it is under way there. `window` is that of the sessions,
    /// `round` the one that begins now if any does.
    pub(super) fn next(&mut self, link: usize, window: u64, round: u64) -> Option<(Arc<Call>, u64)> {
        while self.queue.front().is_some_and(|call| call.is_over()) {
            self.queue.pop_front();
        }
        let Kind::Propose { session: 1.., sequence } = self.queue.front()?.kind else {
            return self.queue.pop_front().map(|call| (call, 0));
        };
        if let Some(lowest) = self.in_flight.first() {
            let fits = sequence.checked_sub(*lowest).is_some_and(|ahead| ahead < window);
            if self.draining || self.link != link || !fits {
                return None;
            }
        } else {
            self.round = round;
        }
        self.link = link;
        self.in_flight.insert(sequence);
        self.queue.pop_front().map(|call| (call, self.round))
    }

    pub(super) fn has_queued(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Nothing waits and nothing is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.in_flight.is_empty()
    }

    /// Looks at all calls that are not under way; those that are over then are dropped.
    pub(super) fn sweep(&mut self, mut look: impl FnMut(&Call)) {
        self.queue.retain(|call| {
            look(call);
            !call.is_over()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::{Quota, To};
    use std::time::Duration;

    fn command(session: u64, sequence: u64) -> Arc<Call> {
        let quota = Arc::new(Quota::new(100, 100));
        Arc::new(Call::new(&quota, Kind::Propose { session, sequence }, To::Leader, b"", Duration::from_secs(1)))
    }

    fn flow(sequences: impl IntoIterator<Item = u64>) -> Flow {
        let mut flow = Flow::default();
        sequences.into_iter().for_each(|sequence| flow.add(command(7, sequence)));
        flow
    }

    /// Numbers of all that can be sent.
    fn sent(flow: &mut Flow, link: usize, window: u64) -> Vec<u64> {
        std::iter::from_fn(|| flow.next(link, window, 0)).map(|(call, _)| call.kind.sequence()).collect()
    }

    #[test]
    fn no_more_than_the_window_is_under_way() {
        let mut flow = flow(1..=9);
        assert_eq!(sent(&mut flow, 0, 4), [1, 2, 3, 4]);
        flow.came_back(2);
        assert_eq!(sent(&mut flow, 0, 4), [0; 0], "1 has no answer, so 5 would push it out");
        flow.came_back(1);
        assert_eq!(sent(&mut flow, 0, 4), [5, 6]);
    }

    #[test]
    fn after_a_refusal_all_that_is_under_way_comes_back_first() {
        let mut flow = flow(1..=6);
        assert_eq!(sent(&mut flow, 0, 4), [1, 2, 3, 4]);
        flow.came_back(1);
        flow.again(command(7, 3));
        flow.again(command(7, 2));
        assert_eq!(sent(&mut flow, 0, 4), [0; 0], "4 is still under way");
        flow.again(command(7, 4));
        let again: Vec<_> =
            std::iter::from_fn(|| flow.next(0, 4, 9)).map(|(call, round)| (call.kind.sequence(), round)).collect();
        assert_eq!(again, [(2, 9), (3, 9), (4, 9), (5, 9)]);
    }

    #[test]
    fn nothing_goes_to_another_replica_before_the_first_has_answered() {
        let mut flow = flow(1..=3);
        assert_eq!(flow.next(0, 4, 0).map(|(call, _)| call.kind.sequence()), Some(1));
        assert_eq!(sent(&mut flow, 1, 4), [0; 0]);
        flow.came_back(1);
        assert_eq!(sent(&mut flow, 1, 4), [2, 3]);
    }

    #[test]
    fn a_command_that_nobody_waits_for_is_not_sent() {
        let mut flow = flow(1..=3);
        flow.sweep(|call| {
            if call.kind.sequence() == 2 {
                call.forget();
            }
        });
        assert_eq!(sent(&mut flow, 0, 4), [1, 3]);
    }

    #[test]
    fn what_has_no_session_has_no_order_and_no_window() {
        let mut flow = Flow::default();
        (0..5).for_each(|_| flow.add(command(0, 0)));
        assert_eq!(sent(&mut flow, 0, 1).len(), 5);
        assert!(flow.is_idle());
    }
}
