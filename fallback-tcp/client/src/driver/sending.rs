//! From what waits to the sockets.

use super::Driver;
use super::connecting::Reach;
use super::link::State;
use crate::call::{Call, Kind};
use crate::error::ClientError;
use crate::wire::HEADER_BYTES;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Longest frame that is sent before the replica has said what it takes.
const BODY_BYTES_UNTIL_WELCOME: usize = u32::MAX as usize - HEADER_BYTES;

impl Driver {
    /// Sends whatever can be sent now.
    pub(super) fn send(&mut self, now: Instant) {
        for at in 0..self.links.len() {
            self.send_pinned(at, now);
        }
        self.send_to_leader(now);
        for at in 0..self.links.len() {
            self.flush(at, now);
        }
    }

    /// How long a connection may take to be made: as long as a connected replica may say nothing.
    fn dial_patience(&self) -> Duration {
        self.aim.silence()
    }

    fn send_pinned(&mut self, at: usize, now: Instant) {
        if self.links[at].pinned.is_empty() || now < self.links[at].pinned_after {
            return;
        }
        match self.reach(at, self.dial_patience(), now) {
            Reach::Wait => {}
            Reach::Failed(problem) => self.lose_pinned(at, &problem),
            Reach::Ready => {
                while self.links[at].has_room(self.options.in_flight_max) {
                    let Some(call) = self.links[at].pinned.pop_front() else { break };
                    if !call.is_over() {
                        self.push(at, call, self.flows.round(), now);
                    }
                }
            }
        }
    }

    fn lose_pinned(&mut self, at: usize, problem: &str) {
        let replica = self.links[at].replica();
        for call in self.links[at].pinned.drain(..) {
            call.end(Err(ClientError::Unreachable { replica, problem: problem.to_owned() }));
        }
    }

    fn send_to_leader(&mut self, now: Instant) {
        if !self.flows.has_ready() || self.aim.is_paused(now) {
            return;
        }
        let at = self.aim.at();
        match self.reach(at, self.dial_patience(), now) {
            Reach::Wait => {}
            Reach::Failed(problem) => {
                self.aim.note(at, &problem);
                match self.links[at].state {
                    State::Dialling { failed: false, .. } => self.aim.turn_from_silent(at, now),
                    _ => self.aim.turn(at, now),
                }
            }
            Reach::Ready => {
                while self.links[at].has_room(self.options.in_flight_max) {
                    let Some((call, round)) = self.flows.next(at) else { break };
                    self.push(at, call, round, now);
                }
            }
        }
    }

    /// Hands a call to a connection; one that is too large for the cluster ends here.
    fn push(&mut self, at: usize, call: Arc<Call>, round: u64, now: Instant) {
        let link = &mut self.links[at];
        let silence = link.silence(self.aim.silence());
        let body_bytes_max = link.limits.map_or(BODY_BYTES_UNTIL_WELCOME, |limits| limits.body_bytes_max as usize);
        let command_bytes_max = link.limits.map_or(usize::MAX, |limits| limits.command_bytes_max as usize);
        let Some(transport) = link.transport() else { return };
        let bytes = call.payload.len();
        let pushed = match call.kind {
            Kind::Propose { .. } if bytes > command_bytes_max => Err((bytes, command_bytes_max)),
            _ => transport
                .push(self.next_id, &call.request(round, silence, now), body_bytes_max)
                .map_err(|bytes| (bytes, body_bytes_max)),
        };
        match pushed {
            Ok(()) => {
                link.note_sent(self.next_id, call, now);
                self.next_id += 1;
            }
            Err((bytes, most)) => {
                call.end(Err(ClientError::TooLarge { bytes, most }));
                self.flows.came_back(&call);
            }
        }
    }

    fn flush(&mut self, at: usize, now: Instant) {
        if let Some(transport) = self.links[at].transport()
            && transport.unsent() > 0
            && let Err(error) = transport.flush()
        {
            self.lose(at, &error.to_string(), now);
        }
    }
}
