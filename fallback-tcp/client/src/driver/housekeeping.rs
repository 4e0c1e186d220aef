//! What has to be looked at now and then: deadlines, silence, dials that nobody needs.

use super::Driver;
use crate::call::{Call, To};
use crate::error::ClientError;
use paxon_fastpath::ReplicaId;
use std::time::Instant;

impl Driver {
    pub(super) fn housekeep(&mut self, now: Instant) {
        let problem = self.aim.problem();
        self.flows.sweep(|call| expire(call, now, || problem.clone()));
        for at in 0..self.links.len() {
            self.expire_link(at, now);
            self.leave_if_silent(at, now);
        }
        self.cancel_idle_dials();
    }

    fn expire_link(&mut self, at: usize, now: Instant) {
        let link = &mut self.links[at];
        let problem = || not_answered(link.replica());
        // They stay in flight: the replica still works at them.
        link.in_flight.values().for_each(|call| expire(call, now, problem));
        let (replica, problem) = (link.replica(), &link.problem);
        link.pinned.retain(|call| {
            expire(call, now, || format!("replica {}: {problem}", replica.0));
            !call.is_over()
        });
    }

    fn leave_if_silent(&mut self, at: usize, now: Instant) {
        let link = &self.links[at];
        let silence = link.silence(self.aim.silence());
        if !link.is_silent(silence, now) {
            return;
        }
        if link.in_flight.values().any(|call| call.to == To::Leader) {
            self.aim.note_silence(at);
        }
        self.lose(at, &format!("no answer for {silence:?}"), now);
    }
}

/// Ends the call if its time is over.
fn expire(call: &Call, now: Instant, problem: impl FnOnce() -> String) {
    if now >= call.deadline {
        call.end(Err(ClientError::TimedOut { patience: call.patience, last_problem: problem() }));
    }
}

fn not_answered(replica: ReplicaId) -> String {
    format!("replica {} has not answered", replica.0)
}
