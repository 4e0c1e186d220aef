//! All that waits to be sent to the leader, session by session in turn.

use super::flow::Flow;
use crate::call::Call;
use crate::error::ClientError;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// Commands of a session that may be under way before a replica has said how many.
const WINDOW_UNKNOWN: u64 = 1;

/// See the module.
#[derive(Debug)]
pub(super) struct Flows {
    /// By session; 0 is what has none. Flows without anything are not kept.
    flows: HashMap<u64, Flow>,
    /// Sessions that may have something to send. Invariant: exactly those whose flow is marked as listed.
    ready: VecDeque<u64>,
    window: u64,
    /// Higher than every round in which a command was refused.
    round: u64,
}

impl Default for Flows {
    fn default() -> Self {
        Self { flows: HashMap::new(), ready: VecDeque::new(), window: WINDOW_UNKNOWN, round: 0 }
    }
}

impl Flows {
    /// A replica has said how many commands of a session may be under way.
    pub(super) fn set_window(&mut self, window: u32) {
        self.window = u64::from(window.max(1));
        // What the old window has held back may go now.
        let sessions: Vec<_> = self.flows.keys().copied().collect();
        sessions.into_iter().for_each(|session| self.list(session));
    }

    pub(super) fn add(&mut self, call: Arc<Call>) {
        let session = call.kind.session();
        self.flows.entry(session).or_default().add(call);
        self.list(session);
    }

    /// A call was refused, or lost with its connection, and has to be sent again unless nobody waits for it.
    pub(super) fn again(&mut self, call: Arc<Call>) {
        self.note_refusal();
        let session = call.kind.session();
        if !call.is_over() {
            self.flows.entry(session).or_default().again(call);
        } else if let Some(flow) = self.flows.get_mut(&session) {
            flow.refused(call.kind.sequence());
        }
        self.list(session);
        self.forget_if_idle(session);
    }

    /// What is sent from now on is of another round.
    pub(super) const fn note_refusal(&mut self) {
        self.round += 1;
    }

    /// The round in which a command is sent that is not the business of any flow.
    pub(super) const fn round(&self) -> u64 {
        self.round
    }

    /// A call that was under way has its answer.
    pub(super) fn came_back(&mut self, call: &Call) {
        let session = call.kind.session();
        let Some(flow) = self.flows.get_mut(&session) else { return };
        if session != 0 {
            flow.came_back(call.kind.sequence());
        }
        self.list(session);
        self.forget_if_idle(session);
    }

    fn list(&mut self, session: u64) {
        if let Some(flow) = self.flows.get_mut(&session)
            && flow.has_queued()
            && !flow.listed
        {
            flow.listed = true;
            self.ready.push_back(session);
        }
    }

    fn forget_if_idle(&mut self, session: u64) {
        if self.flows.get(&session).is_some_and(|flow| flow.is_idle() && !flow.listed) {
            self.flows.remove(&session);
        }
    }

    /// Whether there may be something to send.
    pub(super) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// The next call to send over the link, and its round; one of each session in turn.
    pub(super) fn next(&mut self, link: usize) -> Option<(Arc<Call>, u64)> {
        while let Some(session) = self.ready.pop_front() {
            let Some(flow) = self.flows.get_mut(&session) else { continue };
            let call = flow.next(link, self.window, self.round);
            flow.listed = call.is_some() && flow.has_queued();
            if flow.listed {
                self.ready.push_back(session);
            }
            self.forget_if_idle(session);
            if call.is_some() {
                return call;
            }
        }
        None
    }

    /// Looks at all calls that are not under way; those that are over then are dropped.
    pub(super) fn sweep(&mut self, mut look: impl FnMut(&Call)) {
        self.flows.retain(|_, flow| {
            flow.sweep(&mut look);
            flow.listed || !flow.is_idle()
        });
    }

    pub(super) fn end_all(&mut self, error: &ClientError) {
        self.sweep(|call| call.end(Err(error.clone())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::{Kind, Quota, To};
    use std::time::Duration;

    fn call(session: u64, sequence: u64) -> Arc<Call> {
        let quota = Arc::new(Quota::new(100, 100));
        Arc::new(Call::new(&quota, Kind::Propose { session, sequence }, To::Leader, b"", Duration::from_secs(1)))
    }

    fn names(flows: &mut Flows) -> Vec<(u64, u64)> {
        std::iter::from_fn(|| flows.next(0)).map(|(call, _)| (call.kind.session(), call.kind.sequence())).collect()
    }

    #[test]
    fn sessions_take_turns() {
        let mut flows = Flows::default();
        flows.set_window(2);
        for (session, sequence) in [(1, 1), (1, 2), (1, 3), (2, 1), (0, 0)] {
            flows.add(call(session, sequence));
        }
        assert_eq!(names(&mut flows), [(1, 1), (2, 1), (0, 0), (1, 2)]);
        flows.came_back(&call(1, 1));
        assert_eq!(names(&mut flows), [(1, 3)]);
    }

    #[test]
    fn sessions_without_anything_are_not_kept() {
        let mut flows = Flows::default();
        flows.add(call(5, 1));
        assert_eq!(names(&mut flows), [(5, 1)]);
        assert_eq!(flows.flows.len(), 1);
        flows.came_back(&call(5, 1));
        flows.add(call(0, 0));
        names(&mut flows);
        assert!(flows.flows.is_empty(), "{flows:?}");
    }

    #[test]
    fn a_call_that_nobody_waits_for_is_not_sent_again_and_does_not_hold_up_its_session() {
        let mut flows = Flows::default();
        flows.add(call(5, 1));
        flows.add(call(5, 2));
        let (first, _) = flows.next(0).expect("the first");
        first.forget();
        flows.again(first);
        assert_eq!(names(&mut flows), [(5, 2)]);
    }

    #[test]
    fn a_window_that_opens_lets_more_out() {
        let mut flows = Flows::default();
        (1..=3).for_each(|sequence| flows.add(call(5, sequence)));
        assert_eq!(names(&mut flows), [(5, 1)]);
        flows.set_window(16);
        assert_eq!(names(&mut flows), [(5, 2), (5, 3)]);
    }
}
