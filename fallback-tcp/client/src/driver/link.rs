//! The connection to one replica, and what is under way on it.

use super::word::Word;
use crate::call::Call;
use crate::error::ClientError;
use crate::target::Target;
use crate::transport::{Received, Transport};
use crate::wire::{Frame, Limits, Parsed, Reply};
use paxon_fastpath::ReplicaId;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Requests that go out before the replica has said how many it takes.
const IN_FLIGHT_UNTIL_WELCOME: usize = 16;
/// A connection that was not looked at for so long may have ended.
const LOOK_AFTER: Duration = Duration::from_millis(1);
/// Bytes that wait for the socket before no more requests are encoded.
const UNSENT_MAX: usize = 1 << 20;
/// After a connection that was of no use, the next is made so much later, doubling with each.
const BACK_OFF: Duration = Duration::from_millis(1);
const BACK_OFF_DOUBLINGS: u32 = 9;
/// Round trips in which a replica has to say something: one to it, one to commit, and a retransmission of either.
const ROUND_TRIPS: u32 = 4;
/// However slow the path was when the connection was made, silence is not borne for longer on its account.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// Whether there is a connection.
#[derive(Debug)]
pub(super) enum State {
    Down,
    /// The porter is at it.
    Dialling {
        since: Instant,
        /// It has reported a failure since then, and goes on.
        failed: bool,
    },
    Up(Transport),
}

/// What one look at a connection brought.
#[derive(Debug)]
pub(super) enum Heard {
    Word(u64, Word),
    /// Nothing whole.
    Nothing,
    /// The replica does not keep to the protocol.
    Broken(String),
}

/// See the module.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) target: Target,
    pub(super) state: State,
    /// What the replica said of itself on this connection.
    pub(super) limits: Option<Limits>,
    /// By request id, hence in the order in which they were sent.
    pub(super) in_flight: BTreeMap<u64, Arc<Call>>,
    /// For this replica and no other, not sent yet.
    pub(super) pinned: VecDeque<Arc<Call>>,
    /// They are not sent before this.
    pub(super) pinned_after: Instant,
    /// Since when the replica owes an answer and has said nothing. Invariant: present exactly while something is in flight.
    pub(super) owes_since: Option<Instant>,
    /// Connections in a row that were of no use.
    failures: u32,
    /// No connection is made before this.
    pub(super) retry_at: Instant,
    /// The replica has asked for no connection before this.
    pub(super) not_before: Instant,
    /// What a round trip took when the connection was made; zero over a unix socket.
    pub(super) round_trip: Duration,
    /// Why the last connection ended, or could not be made.
    pub(super) problem: String,
    /// The socket was not read to its end.
    pub(super) has_more: bool,
    /// The other side sends no more: the socket has to be read until it says so, since nothing will be reported again.
    pub(super) is_ending: bool,
    /// When it was read last.
    looked_at: Instant,
}

impl Link {
    pub(super) fn new(target: Target, now: Instant) -> Self {
        Self {
            target,
            state: State::Down,
            limits: None,
            in_flight: BTreeMap::new(),
            pinned: VecDeque::new(),
            pinned_after: now,
            owes_since: None,
            failures: 0,
            retry_at: now,
            not_before: now,
            round_trip: Duration::ZERO,
            problem: "it was not asked".into(),
            has_more: false,
            is_ending: false,
            looked_at: now,
        }
    }

    pub(super) const fn replica(&self) -> ReplicaId {
        self.target.replica()
    }

    /// How long it may say nothing: `silence`, or longer if the path is. A commit takes a round trip more than a question.
    pub(super) fn silence(&self, silence: Duration) -> Duration {
        silence.max(self.round_trip.saturating_mul(ROUND_TRIPS)).min(SILENCE_MAX.max(silence))
    }

    /// Whether it owes an answer for longer than `silence`: it has said nothing for so long, or left out an answer.
    pub(super) fn is_silent(&self, silence: Duration, now: Instant) -> bool {
        let is_over = |since: Instant| now.saturating_duration_since(since) >= silence;
        // Requests are answered well before their deadline or not at all.
        let left_out = self.in_flight.values().next().is_some_and(|oldest| is_over(oldest.deadline));
        left_out || self.owes_since.is_some_and(is_over)
    }

    pub(super) const fn transport(&mut self) -> Option<&mut Transport> {
        match &mut self.state {
            State::Up(transport) => Some(transport),
            _ => None,
        }
    }

    /// Whether another request may go out.
    pub(super) fn has_room(&self, in_flight_max: usize) -> bool {
        let State::Up(transport) = &self.state else { return false };
        let most = self.limits.map_or(IN_FLIGHT_UNTIL_WELCOME, |limits| limits.in_flight_max.max(1) as usize);
        self.in_flight.len() < most.min(in_flight_max) && transport.unsent() < UNSENT_MAX
    }

    /// A request is under way.
    pub(super) fn note_sent(&mut self, id: u64, call: Arc<Call>, now: Instant) {
        call.note_sent();
        self.in_flight.insert(id, call);
        self.owes_since.get_or_insert(now);
    }

    /// The request that was answered.
    pub(super) fn answered(&mut self, id: u64, now: Instant) -> Option<Arc<Call>> {
        let call = self.in_flight.remove(&id);
        self.owes_since = (!self.in_flight.is_empty()).then_some(now);
        call
    }

    /// The connection has proved to be of use.
    pub(super) const fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// The connection has ended. What was under way has to be dealt with.
    pub(super) fn ended(&mut self, problem: &str, now: Instant) -> BTreeMap<u64, Arc<Call>> {
        self.problem = problem.to_owned();
        self.retry_at = now.max(self.not_before);
        if self.failures > 0 {
            self.retry_at += BACK_OFF * (1 << (self.failures - 1).min(BACK_OFF_DOUBLINGS));
        }
        self.failures += 1;
        (self.state, self.limits, self.owes_since) = (State::Down, None, None);
        (self.has_more, self.is_ending) = (false, false);
        std::mem::take(&mut self.in_flight)
    }

    /// Whether the last connection was of use.
    pub(super) const fn is_useful(&self) -> bool {
        self.failures == 0
    }

    /// Whether it may have ended while nothing was asked for.
    pub(super) fn may_have_ended(&self, now: Instant) -> bool {
        let is_up = matches!(self.state, State::Up(_));
        is_up && self.in_flight.is_empty() && now.saturating_duration_since(self.looked_at) > LOOK_AFTER
    }

    /// Reads the socket once.
    pub(super) fn receive(&mut self, scratch: &mut [u8], now: Instant) -> io::Result<Received> {
        self.looked_at = now;
        let State::Up(transport) = &mut self.state else { return Ok(Received::Nothing) };
        let received = transport.receive(scratch)?;
        // A read that did not fill the buffer has taken all that there was; what comes later is reported again.
        self.has_more = match received {
            Received::Bytes(bytes) => self.is_ending || bytes == 0 || bytes == scratch.len(),
            Received::Nothing | Received::End => false,
        };
        Ok(received)
    }

    /// The next word of the replica among what was read.
    pub(super) fn listen(&mut self, body_bytes_max: usize) -> Heard {
        let State::Up(transport) = &mut self.state else { return Heard::Nothing };
        let frame = match transport.next_frame(body_bytes_max) {
            Parsed::Part { .. } => return Heard::Nothing,
            Parsed::Damaged => return Heard::Broken("it sent a frame whose check does not fit".into()),
            Parsed::TooLong { body_bytes, .. } => {
                return Heard::Broken(format!("it sent a reply of {body_bytes} bytes; {body_bytes_max} are allowed"));
            }
            Parsed::Whole(frame) => frame,
        };
        let Frame { id, body } = frame;
        let heard = match Reply::decode(body) {
            Ok(reply) => Heard::Word(id, reply.into()),
            Err(error) => Heard::Broken(format!("it sent a reply that cannot be read: {error}")),
        };
        let bytes = frame.bytes();
        transport.take(bytes);
        heard
    }

    pub(super) fn end_all(&mut self, error: &ClientError) {
        let under_way = self.ended("the client has failed", Instant::now());
        for call in under_way.into_values().chain(self.pinned.drain(..)) {
            call.end(Err(error.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_borne_for_as_long_as_the_path_needs_up_to_a_bound() {
        let mut link = Link::new(Target::tcp(ReplicaId(0)), Instant::now());
        let borne = |link: &Link, secs| link.silence(Duration::from_secs(secs));
        assert_eq!(borne(&link, 2), Duration::from_secs(2));
        link.round_trip = Duration::from_secs(4);
        assert_eq!(borne(&link, 2), Duration::from_secs(16), "a path of 2 s each way");
        assert_eq!(borne(&link, 20), Duration::from_secs(20));
        link.round_trip = Duration::from_secs(60);
        assert_eq!(borne(&link, 2), SILENCE_MAX);
        assert_eq!(borne(&link, 64), Duration::from_secs(64));
    }
}
